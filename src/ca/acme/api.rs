//! What an authority sends, as RFC 8555 section 7.1 writes it.

use serde::Deserialize;

use crate::name::DomainName;

/// Most names of an authority that are kept; Let's Encrypt has one.
const IDENTITIES: usize = 20;

/// The directory (section 7.1.1).
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Directory {
    pub(super) new_nonce: String,
    pub(super) new_account: String,
    pub(super) new_order: String,
    /// What it says of itself: nothing that it could not do without.
    #[serde(default)]
    meta: serde_json::Value,
}

impl Directory {
    /// Returns by which names CAA records allow it to issue (`caaIdentities`), of those that can be
    /// some.
    pub(super) fn caa_identities(&self) -> Vec<String> {
        let told = self.meta.get("caaIdentities").and_then(serde_json::Value::as_array);
        let names = told.into_iter().flatten().filter_map(serde_json::Value::as_str);
        // In the form in which CAA records name it: without a final dot.
        let names = names.filter_map(|name| name.parse::<DomainName>().ok());
        names.take(IDENTITIES).map(|name| name.to_string()).collect()
    }
}

/// An account (section 7.1.2).
#[derive(Debug, Deserialize)]
pub(super) struct Account {
    pub(super) status: String,
}

/// An order (section 7.1.3).
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Order {
    pub(super) status: OrderStatus,
    pub(super) expires: Option<String>,
    #[serde(default)]
    pub(super) identifiers: Vec<Identifier>,
    #[serde(default)]
    pub(super) authorizations: Vec<String>,
    pub(super) finalize: String,
    pub(super) certificate: Option<String>,
    pub(super) error: Option<ProblemDocument>,
}

/// The states of an order (section 7.1.6).
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "lowercase")]
pub(super) enum OrderStatus {
    Pending,
    Ready,
    Processing,
    Valid,
    Invalid,
}

/// An authorization (section 7.1.4).
#[derive(Debug, Deserialize)]
pub(super) struct Authorization {
    pub(super) identifier: Identifier,
    pub(super) status: AuthorizationStatus,
    #[serde(default)]
    pub(super) challenges: Vec<Challenge>,
}

/// What an authorization is for (section 9.7.7).
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Identifier {
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) value: String,
}

/// The states of an authorization (section 7.1.6).
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "lowercase")]
pub(super) enum AuthorizationStatus {
    Pending,
    Valid,
    Invalid,
    Deactivated,
    Expired,
    Revoked,
}

/// A challenge (section 7.1.5 and 8).
///
/// Of types that we do not know nothing but the type may be here.
#[derive(Debug, Deserialize)]
pub(super) struct Challenge {
    #[serde(rename = "type")]
    pub(super) kind: String,
    #[serde(default)]
    pub(super) url: String,
    #[serde(default)]
    pub(super) status: String,
    #[serde(default)]
    pub(super) token: String,
    pub(super) error: Option<ProblemDocument>,
}

/// What went wrong (section 6.7, RFC 7807).
#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct ProblemDocument {
    #[serde(default, rename = "type")]
    pub(super) kind: String,
    #[serde(default)]
    pub(super) detail: String,
    /// Of which name a subproblem speaks (section 6.7.1).
    pub(super) identifier: Option<Identifier>,
    #[serde(default)]
    pub(super) subproblems: Vec<Self>,
}
