//! What an authority says, in the words of the trait, and nothing else.

use std::collections::BTreeSet;

use sha2::{Digest, Sha256};
use x509_parser::{
    certification_request::X509CertificationRequest,
    extensions::{GeneralName, ParsedExtension},
    prelude::FromDer,
};

use super::{
    api,
    jose::{self, AccountKey},
};
use crate::{
    ca::{Authorization, AuthorizationStatus, ChallengeType, OrderState, Publication},
    certificate::{Handle, Problem},
    clock::Timestamp,
    encoding::base64url,
    error::ErrorKind,
    name::DomainName,
};

/// The prefix of the types of problems (RFC 8555 section 6.7).
const URN: &str = "urn:ietf:params:acme:error:";

/// Returns what a problem's type means (RFC 8555 section 6.7, and what came later), or `None` if
/// the status says it better.
pub(super) fn kind(code: &str, detail: &str, status: u16) -> Option<ErrorKind> {
    Some(match code {
        "rateLimited" => ErrorKind::RateLimited,
        // It broke: whatever it says, it is not a refusal.
        _ if status >= 500 => return None,
        // Boulder and Pebble say `malformed` of what is not there.
        "malformed" if status == 404 => ErrorKind::NotFound,
        // And of a key that is not the account's, in these words.
        "malformed" if detail.starts_with("JWS verification error") => ErrorKind::Denied,
        "accountDoesNotExist"
        | "externalAccountRequired"
        | "unauthorized"
        | "userActionRequired" => ErrorKind::Denied,
        "alreadyReplaced" => ErrorKind::Conflict,
        "alreadyRevoked"
        | "badCSR"
        | "badPublicKey"
        | "badRevocationReason"
        | "badSignatureAlgorithm"
        | "caa"
        | "compound"
        | "connection"
        | "dns"
        | "incorrectResponse"
        | "invalidContact"
        | "invalidProfile"
        | "malformed"
        | "rejectedIdentifier"
        | "tls"
        | "unsupportedContact"
        | "unsupportedIdentifier" => ErrorKind::Refused,
        "orderNotReady" => ErrorKind::Precondition,
        _ => return None,
    })
}

/// Returns the type of a problem without its prefix, bounded: it is stored and counted.
pub(super) fn code(problem: &api::ProblemDocument) -> String {
    let kind = problem.kind.strip_prefix(URN).unwrap_or(&problem.kind);
    if kind == "about:blank" {
        return String::new();
    }
    kind.chars().filter(char::is_ascii_graphic).take(100).collect()
}

/// Returns a problem with its subproblems in one line.
pub(super) fn problem(document: &api::ProblemDocument) -> Problem {
    let mut detail = document.detail.clone();
    // More do not fit into the line anyway.
    for part in document.subproblems.iter().take(10) {
        let name = part.identifier.as_ref().map(|name| name.value.as_str()).unwrap_or_default();
        detail.push_str(&format!("; {name}: {}: {}", code(part), part.detail));
    }
    Problem::new(code(document), detail)
}

/// Returns the state of an order.
pub(super) const fn state(status: api::OrderStatus) -> OrderState {
    match status {
        api::OrderStatus::Pending => OrderState::Pending,
        api::OrderStatus::Ready => OrderState::Ready,
        api::OrderStatus::Processing => OrderState::Processing,
        api::OrderStatus::Valid => OrderState::Valid,
        api::OrderStatus::Invalid => OrderState::Invalid,
    }
}

/// Returns when an order expires; a date that cannot be read is none, since nothing depends on it.
pub(super) fn expires(order: &api::Order) -> Option<Timestamp> {
    order.expires.as_deref()?.parse().ok()
}

/// Returns the type of a challenge, if it is one that can be answered.
pub(super) fn challenge_type(name: &str) -> Option<ChallengeType> {
    [ChallengeType::Dns01, ChallengeType::Http01].into_iter().find(|kind| kind.as_str() == name)
}

/// Returns an authorization with what is to be published for it (RFC 8555 section 8), or what is
/// wrong with it.
pub(super) fn authorization(
    handle: &str,
    body: &api::Authorization,
    key: &AccountKey,
) -> Result<Authorization, &'static str> {
    if body.identifier.kind != "dns" {
        return Err("an authorization is not for a DNS name");
    }
    let name: DomainName =
        body.identifier.value.parse().map_err(|_| "an authorization is for no host name")?;
    if name.is_wildcard() {
        return Err("an authorization is for a wildcard");
    }
    let mut publications = Vec::new();
    for challenge in &body.challenges {
        if let Some(kind) = challenge_type(&challenge.kind) {
            publications.push(publication(kind, &challenge.token, key)?);
        }
    }
    let problem = body.challenges.iter().find_map(|challenge| challenge.error.as_ref());
    Ok(Authorization::new(Handle::new(handle), name, status(body), publications)
        .with_problem(problem.map(self::problem)))
}

/// Returns what is to be published for a challenge (RFC 8555 sections 8.1, 8.3 and 8.4).
fn publication(
    kind: ChallengeType,
    token: &str,
    key: &AccountKey,
) -> Result<Publication, &'static str> {
    if !jose::is_token(token) {
        return Err("a token is not base64url");
    }
    let body = key.authorization(token);
    Ok(match kind {
        ChallengeType::Dns01 => {
            Publication::Dns01 { value: base64url(&Sha256::digest(body.as_bytes())) }
        }
        ChallengeType::Http01 => Publication::Http01 { token: token.to_owned(), body },
    })
}

/// Returns the state of an authorization. That it is being looked at only its challenges tell.
pub(super) fn status(body: &api::Authorization) -> AuthorizationStatus {
    match body.status {
        api::AuthorizationStatus::Pending
            if body.challenges.iter().any(|challenge| {
                challenge.status == "processing" || challenge.status == "valid"
            }) =>
        {
            AuthorizationStatus::Processing
        }
        api::AuthorizationStatus::Pending => AuthorizationStatus::Pending,
        api::AuthorizationStatus::Valid => AuthorizationStatus::Valid,
        api::AuthorizationStatus::Deactivated
        | api::AuthorizationStatus::Expired
        | api::AuthorizationStatus::Invalid
        | api::AuthorizationStatus::Revoked => AuthorizationStatus::Invalid,
    }
}

/// Returns whether a signing request is for exactly the names of an order.
pub(super) fn is_for(csr: &[u8], identifiers: &[api::Identifier]) -> bool {
    let Ok((_, request)) = X509CertificationRequest::from_der(csr) else { return false };
    let mut asked = BTreeSet::new();
    for extension in request.requested_extensions().into_iter().flatten() {
        if let ParsedExtension::SubjectAlternativeName(names) = extension {
            for name in &names.general_names {
                match name {
                    GeneralName::DNSName(name) => asked.insert(name.to_ascii_lowercase()),
                    _ => return false,
                };
            }
        }
    }
    asked == identifiers.iter().map(|name| name.value.to_ascii_lowercase()).collect()
}

/// Checks that a text is certificates in PEM (RFC 8555 section 9.1) and nothing else.
pub(super) fn chain(body: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(body).ok().filter(|text| text.is_ascii())?;
    let mut count = 0;
    let mut inside = false;
    for line in text.lines().map(str::trim_end) {
        match line {
            "-----BEGIN CERTIFICATE-----" if !inside => inside = true,
            "-----END CERTIFICATE-----" if inside => {
                inside = false;
                count += 1;
            }
            "" if !inside => {}
            _ if inside && !line.starts_with('-') => {}
            _ => return None,
        }
    }
    if inside || count == 0 {
        return None;
    }
    for block in x509_parser::pem::Pem::iter_from_buffer(body) {
        let block = block.ok()?;
        x509_parser::parse_x509_certificate(&block.contents).ok()?;
        count -= 1;
    }
    (count == 0).then(|| text.to_owned())
}
