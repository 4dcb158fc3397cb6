//! What the authority remembers.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use sha2::{Digest, Sha256};

use super::error;
use crate::{
    ca::{
        Account, Authorization, AuthorizationStatus, ChallengeType, Handle, NO_ACCOUNT, OrderState,
        Problem, Progress, Publication,
    },
    clock::{Timestamp, after, between},
    encoding::base64url,
    error::{Error, ErrorKind, Result},
    name::DomainName,
    secret::{Secret, constant_time_eq},
};

/// How long an order or an authorization waits for us.
const LIFE: Duration = Duration::from_secs(7 * 86_400);

/// Most names of an order.
const NAMES: usize = 100;

/// What can be told to the authority.
#[derive(Clone, Copy, Debug)]
pub(super) struct Terms {
    /// How long a validation takes, and the making of a certificate.
    pub(super) processing: Duration,
    /// How long a valid authorization counts for other orders.
    pub(super) reuse: Duration,
}

#[derive(Debug, Default)]
pub(super) struct State {
    /// Digests of the keys, by account.
    pub(super) accounts: HashMap<Handle, [u8; 32]>,
    by_key: HashMap<[u8; 32], Handle>,
    /// How many accounts there ever were: no handle is given twice.
    pub(super) enrolled: usize,
    pub(super) orders: HashMap<Handle, Order>,
    /// The last order of an account for a list of names.
    by_names: HashMap<(Handle, Vec<DomainName>), Handle>,
    pub(super) authorizations: HashMap<Handle, Row>,
    /// The last valid authorization of an account for a name, and until when it is good.
    valid: HashMap<(Handle, DomainName), (Handle, Timestamp)>,
    pub(super) refused: HashSet<DomainName>,
    pub(super) certificates: usize,
}

#[derive(Debug)]
pub(super) struct Order {
    account: Handle,
    names: Vec<DomainName>,
    authorizations: Vec<Handle>,
    expires: Timestamp,
    /// The chain, and from when it can be fetched.
    issued: Option<(String, Timestamp)>,
}

/// An authorization.
#[derive(Debug)]
pub(super) struct Row {
    account: Handle,
    /// As ordered, with the `*.` of a wildcard.
    name: DomainName,
    token: String,
    key_authorization: String,
    expires: Timestamp,
    answered: Option<(ChallengeType, Timestamp)>,
    found: Option<std::result::Result<(), Problem>>,
}

/// A look that is due.
#[derive(Debug)]
pub(super) struct Validation {
    pub(super) authorization: Handle,
    /// As ordered, with the `*.` of a wildcard.
    pub(super) name: DomainName,
    pub(super) publication: Publication,
}

impl Row {
    fn status(&self, now: Timestamp) -> AuthorizationStatus {
        match (&self.found, self.answered) {
            (Some(Ok(())), _) => AuthorizationStatus::Valid,
            (Some(Err(_)), _) => AuthorizationStatus::Invalid,
            (None, Some(_)) => AuthorizationStatus::Processing,
            (None, None) if now < self.expires => AuthorizationStatus::Pending,
            (None, None) => AuthorizationStatus::Invalid,
        }
    }

    /// Returns what may be published: the key authorization of RFC 8555 section 8.1, as section
    /// 8.3 and 8.4 want it.
    fn publications(&self) -> Vec<Publication> {
        let value = base64url(&Sha256::digest(&self.key_authorization));
        let mut publications = vec![Publication::Dns01 { value }];
        if !self.name.is_wildcard() {
            let (token, body) = (self.token.clone(), self.key_authorization.clone());
            publications.push(Publication::Http01 { token, body });
        }
        publications
    }

    fn report(&self, handle: &Handle, now: Timestamp) -> Authorization {
        let status = self.status(now);
        let problem = match &self.found {
            Some(Err(problem)) => Some(problem.clone()),
            None if status == AuthorizationStatus::Invalid => {
                Some(Problem::new("malformed", "the authorization has expired"))
            }
            Some(Ok(())) | None => None,
        };
        Authorization::new(handle.clone(), self.name.base(), status, self.publications())
            .with_problem(problem)
    }
}

/// Returns what the authority keeps of a key.
///
/// A real one knows the public key and takes the thumbprint of RFC 7638; this one has no
/// cryptography to get from the private key to the public one.
fn digest(key: &Secret) -> [u8; 32] {
    Sha256::new().chain_update("nameplate account").chain_update(key.expose()).finalize().into()
}

fn not_ready(state: OrderState) -> Error {
    let message = format!("the order is {state:?}, not ready");
    error(ErrorKind::Precondition, "finalize", message).with_code("orderNotReady")
}

impl State {
    pub(super) fn enroll(&mut self, key: &Secret, handle: Handle) -> Handle {
        let digest = digest(key);
        if let Some(handle) = self.by_key.get(&digest) {
            return handle.clone();
        }
        self.enrolled = self.enrolled.saturating_add(1);
        self.by_key.insert(digest, handle.clone());
        self.accounts.insert(handle.clone(), digest);
        handle
    }

    /// Forgets all accounts; nobody can ask for what belongs to them any more.
    pub(super) fn lose_accounts(&mut self) {
        self.accounts.clear();
        self.by_key.clear();
    }

    pub(super) fn authenticate(&self, operation: &'static str, account: &Account) -> Result<()> {
        match self.accounts.get(&account.handle) {
            None => {
                Err(error(ErrorKind::NotFound, operation, "no such account").with_code(NO_ACCOUNT))
            }
            Some(known) if constant_time_eq(known, &digest(&account.key)) => Ok(()),
            Some(_) => Err(error(ErrorKind::Denied, operation, "another key than the account's")
                .with_code("unauthorized")),
        }
    }

    /// Returns the names of an order, each once and sorted.
    pub(super) fn admit(&self, names: &[DomainName]) -> Result<Vec<DomainName>> {
        let refused =
            |code, message: String| Err(error(ErrorKind::Refused, "open", message).with_code(code));
        let mut names = names.to_vec();
        names.sort();
        names.dedup();
        if names.is_empty() {
            return Err(error(ErrorKind::Invalid, "open", "an order needs a name"));
        }
        if names.len() > NAMES {
            return refused("malformed", format!("more than {NAMES} names"));
        }
        for name in &names {
            if name.registrable().is_none() {
                return refused("rejectedIdentifier", format!("{name} is a public suffix"));
            }
            if self.refused.contains(name) {
                return refused("rejectedIdentifier", format!("{name} is refused by policy"));
            }
            let wildcard = name.as_str().split_once('.').map(|(_, rest)| format!("*.{rest}"));
            let redundant = |other: &DomainName| wildcard.as_deref() == Some(other.as_str());
            if !name.is_wildcard() && names.iter().any(redundant) {
                return refused("malformed", format!("{name} is covered by a wildcard beside it"));
            }
        }
        Ok(names)
    }

    /// Returns the order for the same names that still waits, as Boulder does.
    pub(super) fn still_open(
        &self,
        account: &Account,
        names: &[DomainName],
        terms: Terms,
        now: Timestamp,
    ) -> Option<Handle> {
        let handle = self.by_names.get(&(account.handle.clone(), names.to_vec()))?;
        let progress = self.progress(account, handle, terms, now).ok()?;
        matches!(progress.state, OrderState::Pending | OrderState::Ready).then(|| handle.clone())
    }

    pub(super) fn still_valid(
        &self,
        account: &Account,
        name: &DomainName,
        now: Timestamp,
    ) -> Option<Handle> {
        let (handle, until) = self.valid.get(&(account.handle.clone(), name.clone()))?;
        (now < *until).then(|| handle.clone())
    }

    pub(super) fn authorize(
        &mut self,
        account: &Account,
        name: &DomainName,
        handle: Handle,
        token: &[u8],
        now: Timestamp,
    ) -> Handle {
        let token = base64url(token);
        let row = Row {
            account: account.handle.clone(),
            name: name.clone(),
            key_authorization: format!("{token}.{}", base64url(&digest(&account.key))),
            token,
            expires: after(now, LIFE),
            answered: None,
            found: None,
        };
        self.authorizations.insert(handle.clone(), row);
        handle
    }

    pub(super) fn open(
        &mut self,
        account: &Account,
        names: Vec<DomainName>,
        authorizations: Vec<Handle>,
        handle: Handle,
        now: Timestamp,
    ) -> Handle {
        let account = account.handle.clone();
        self.by_names.insert((account.clone(), names.clone()), handle.clone());
        let expires = after(now, LIFE);
        let order = Order { account, names, authorizations, expires, issued: None };
        self.orders.insert(handle.clone(), order);
        handle
    }

    fn order(&self, operation: &'static str, account: &Account, order: &Handle) -> Result<&Order> {
        let missing = || error(ErrorKind::NotFound, operation, "no such order");
        let row = self.orders.get(order).ok_or_else(missing)?;
        if row.account == account.handle { Ok(row) } else { Err(missing()) }
    }

    /// Returns what is to be looked at for an order.
    pub(super) fn validations(
        &self,
        account: &Account,
        order: &Handle,
        terms: Terms,
        now: Timestamp,
    ) -> Result<Vec<Validation>> {
        let order = self.order("progress", account, order)?;
        let due = |handle: &Handle| {
            let row = self.authorizations.get(handle)?;
            let (challenge, at) = row.answered?;
            if row.found.is_some() || now < after(at, terms.processing) {
                return None;
            }
            let publication = row
                .publications()
                .into_iter()
                .find(|publication| publication.challenge_type() == challenge)?;
            Some(Validation { authorization: handle.clone(), name: row.name.clone(), publication })
        };
        Ok(order.authorizations.iter().filter_map(due).collect())
    }

    /// Keeps what was found, unless somebody else has looked already.
    pub(super) fn settle(
        &mut self,
        authorization: &Handle,
        found: std::result::Result<(), Problem>,
        terms: Terms,
        now: Timestamp,
    ) {
        let Some(row) = self.authorizations.get_mut(authorization) else { return };
        if row.found.is_none() {
            if found.is_ok() {
                let until = after(now, terms.reuse);
                let key = (row.account.clone(), row.name.clone());
                self.valid.insert(key, (authorization.clone(), until));
            }
            row.found = Some(found);
        }
    }

    pub(super) fn invalidate(&mut self, order: &Handle) {
        let Some(order) = self.orders.get(order) else { return };
        for handle in &order.authorizations {
            if let Some(row) = self.authorizations.get_mut(handle) {
                row.found = Some(Err(Problem::new("unauthorized", "invalid on request")));
                // Not used again for another order either.
                self.valid.remove(&(row.account.clone(), row.name.clone()));
            }
        }
    }

    pub(super) fn progress(
        &self,
        account: &Account,
        order: &Handle,
        terms: Terms,
        now: Timestamp,
    ) -> Result<Progress> {
        let order = self.order("progress", account, order)?;
        let authorizations: Vec<Authorization> = order
            .authorizations
            .iter()
            .filter_map(|handle| Some(self.authorizations.get(handle)?.report(handle, now)))
            .collect();
        let any = |status| authorizations.iter().any(|one| one.status == status);
        let state = match &order.issued {
            Some((_, at)) if now < *at => OrderState::Processing,
            Some(_) => OrderState::Valid,
            None if any(AuthorizationStatus::Invalid) || now >= order.expires => {
                OrderState::Invalid
            }
            None if any(AuthorizationStatus::Pending) || any(AuthorizationStatus::Processing) => {
                OrderState::Pending
            }
            None => OrderState::Ready,
        };
        let expired = state == OrderState::Invalid && now >= order.expires;
        let problem = expired.then(|| Problem::new("malformed", "the order has expired"));
        let retry_after = if let Some((_, at)) = &order.issued {
            (now < *at).then(|| between(now, *at))
        } else {
            any(AuthorizationStatus::Processing).then_some(terms.processing)
        };
        Ok(Progress::new(state, authorizations)
            .with_expires(Some(order.expires))
            .with_retry_after(retry_after)
            .with_problem(problem))
    }

    pub(super) fn respond(
        &mut self,
        account: &Account,
        order: &Handle,
        authorization: &Handle,
        challenge: ChallengeType,
        now: Timestamp,
    ) -> Result<()> {
        let missing = || error(ErrorKind::NotFound, "respond", "no such authorization");
        if !self.order("respond", account, order)?.authorizations.contains(authorization) {
            return Err(missing());
        }
        let row = self.authorizations.get_mut(authorization).ok_or_else(missing)?;
        if !row.publications().iter().any(|one| one.challenge_type() == challenge) {
            let message = format!("{} is not offered for {}", challenge.as_str(), row.name);
            return Err(error(ErrorKind::Unsupported, "respond", message));
        }
        if row.status(now) == AuthorizationStatus::Pending {
            row.answered = Some((challenge, now));
        }
        Ok(())
    }

    /// Returns the names of an order that can be finalized.
    pub(super) fn ready(
        &self,
        account: &Account,
        order: &Handle,
        terms: Terms,
        now: Timestamp,
    ) -> Result<Vec<DomainName>> {
        let state = self.progress(account, order, terms, now)?.state;
        if state != OrderState::Ready {
            return Err(not_ready(state));
        }
        Ok(self.order("finalize", account, order)?.names.clone())
    }

    /// Keeps a chain, unless another request for the order was faster.
    pub(super) fn issue(
        &mut self,
        order: &Handle,
        chain: String,
        terms: Terms,
        now: Timestamp,
    ) -> Result<()> {
        match self.orders.get_mut(order) {
            Some(order) if order.issued.is_none() => {
                order.issued = Some((chain, after(now, terms.processing)));
                self.certificates += 1;
                Ok(())
            }
            _ => Err(not_ready(OrderState::Processing)),
        }
    }

    pub(super) fn certificate(
        &self,
        account: &Account,
        order: &Handle,
        now: Timestamp,
    ) -> Result<String> {
        match &self.order("certificate", account, order)?.issued {
            Some((chain, at)) if now >= *at => Ok(chain.clone()),
            _ => Err(error(ErrorKind::Precondition, "certificate", "the order is not valid")),
        }
    }
}
