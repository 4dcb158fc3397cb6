//! Certificates by ACME (RFC 8555).
//!
//! [`Acme`] speaks the protocol over any [`HttpClient`]. It publishes nothing and waits for
//! nothing: the engine places what [`Progress`] asks for, and looks again when it is due.
//!
//! The handles are URLs of the authority: of an account, an order, an authorization. What is
//! remembered in memory beside them (the directory, nonces, addresses within recent orders) only
//! saves requests. A certificate for one name takes seven: a new order, its authorization, the
//! answer to a challenge, the order, its finalization, the order again, the chain.
//!
//! Requests are signed here and not by a client library: those that there are make the key of an
//! account bound to an outside one (section 7.3.4) themselves, and keep `Retry-After`, `expires`
//! and the addresses of challenges to themselves.

mod api;
mod builder;
mod convert;
mod jose;
mod recent;
mod wire;

#[cfg(test)]
mod tests;

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

pub use self::builder::AcmeBuilder;
use self::{
    jose::{AccountKey, ExternalAccount},
    recent::Recent,
    wire::{Call, Wire},
};
use crate::{
    ca::{
        Account, Authorization, AuthorizationStatus, CertificateAuthority, ChallengeType,
        OrderState, Progress,
    },
    certificate::Handle,
    clock::{self, Timestamp},
    encoding::base64url,
    error::{Error, ErrorKind, Result},
    name::DomainName,
    secret::Secret,
    transport::{CryptoProvider, HttpClient, Response},
};

const COMPONENT: &str = "acme";

/// Most accounts whose keys are kept ready.
const ACCOUNTS: usize = 64;
/// Most orders whose addresses are remembered, some kilobytes each.
const ORDERS: usize = 512;
/// Most names in an order that are followed; Let's Encrypt takes 100.
const NAMES: usize = 200;
/// How long what came with the answer to a change may stand for reading it again.
const FRESH: Duration = Duration::from_secs(10);

/// A [`CertificateAuthority`] that is asked by ACME (RFC 8555).
///
/// Account keys are P-256 (`ES256`, which every authority must take: section 6.2). All addresses of
/// an authority have to be `https` and of one host and port; it is refused as `Malformed` when it
/// names another. Clones share what they remember.
///
/// ```no_run
/// # #[cfg(feature = "ring")]
/// # fn run() -> nameplate::error::Result<()> {
/// use nameplate::{
///     ca::Acme,
///     transport::{CryptoProvider, ReqwestClient},
/// };
///
/// let client = ReqwestClient::new(CryptoProvider::Ring)?;
/// let authority = Acme::lets_encrypt(CryptoProvider::Ring, client)
///     .with_contact("ops@acme.app")
///     .agreeing_to_terms()
///     .build()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Acme(Arc<Inner>);

struct Inner {
    id: String,
    wire: Wire,
    crypto: CryptoProvider,
    contacts: Vec<String>,
    external: Option<ExternalAccount>,
    keys: Mutex<Recent<[u8; 32], Arc<AccountKey>>>,
    orders: Mutex<Recent<OrderKey, Known>>,
}

/// Whose order it is: digest of the key, the account and the order.
type OrderKey = ([u8; 32], String, String);

/// What is remembered of an order. Addresses never change once they are known.
#[derive(Clone, Debug, Default)]
struct Known {
    finalize: Option<String>,
    /// What the order is for.
    identifiers: Vec<api::Identifier>,
    certificate: Option<String>,
    /// The order as the answer to a change showed it, until it is read.
    unread: Option<(Timestamp, api::Order)>,
    /// The addresses of the challenges of an authorization.
    challenges: Vec<(String, ChallengeType, String)>,
    /// Authorizations that will not change any more while the order lives.
    valid: Vec<Authorization>,
}

/// An account in use.
struct Session {
    key: Arc<AccountKey>,
    digest: [u8; 32],
    account: String,
}

impl Session {
    fn call(&self, operation: &'static str) -> Call<'_> {
        Call { operation, key: &self.key, account: Some(&self.account) }
    }

    fn order(&self, url: &str) -> OrderKey {
        (self.digest, self.account.clone(), url.to_owned())
    }
}

impl Acme {
    /// The directory of Let's Encrypt.
    pub const LETS_ENCRYPT: &str = "https://acme-v02.api.letsencrypt.org/directory";
    /// The directory of Let's Encrypt for tests: nobody trusts its certificates, limits are high.
    pub const LETS_ENCRYPT_STAGING: &str = "https://acme-staging-v02.api.letsencrypt.org/directory";

    /// Starts an authority with the URL of its directory (RFC 8555 section 7.1.1).
    ///
    /// `crypto` signs requests, `client` sends them.
    pub fn builder(
        directory_url: impl Into<String>,
        crypto: impl Into<CryptoProvider>,
        client: impl HttpClient,
    ) -> AcmeBuilder {
        AcmeBuilder::new(directory_url.into(), crypto.into(), Arc::new(client))
    }

    /// Starts [Let's Encrypt](Self::LETS_ENCRYPT).
    pub fn lets_encrypt(crypto: impl Into<CryptoProvider>, client: impl HttpClient) -> AcmeBuilder {
        Self::builder(Self::LETS_ENCRYPT, crypto, client)
    }

    /// Starts [Let's Encrypt for tests](Self::LETS_ENCRYPT_STAGING).
    pub fn lets_encrypt_staging(
        crypto: impl Into<CryptoProvider>,
        client: impl HttpClient,
    ) -> AcmeBuilder {
        Self::builder(Self::LETS_ENCRYPT_STAGING, crypto, client)
    }

    /// Reads the key of an account, or finds it ready.
    fn key(&self, operation: &'static str, secret: &Secret) -> Result<(Arc<AccountKey>, [u8; 32])> {
        let digest: [u8; 32] = Sha256::digest(secret.expose()).into();
        if let Some(key) = lock(&self.0.keys).get(&digest) {
            return Ok((key.clone(), digest));
        }
        let key = AccountKey::parse(secret, &self.0.crypto)
            .map_err(|message| Error::new(ErrorKind::Invalid, COMPONENT, operation, message))?;
        let key = Arc::new(key);
        lock(&self.0.keys).insert(digest, key.clone());
        Ok((key, digest))
    }

    fn session(&self, operation: &'static str, account: &Account) -> Result<Session> {
        let (key, digest) = self.key(operation, &account.key)?;
        let account = self.url(operation, "account", &account.handle)?;
        Ok(Session { key, digest, account })
    }

    /// Returns the URL in a handle. What is not of this authority is not there.
    fn url(&self, operation: &'static str, what: &str, handle: &Handle) -> Result<String> {
        std::str::from_utf8(handle.as_bytes())
            .ok()
            .filter(|url| self.0.wire.owns(url))
            .map(str::to_owned)
            .ok_or_else(|| {
                let message = format!("the {what} is none of {}", self.0.id);
                Error::new(ErrorKind::NotFound, COMPONENT, operation, message)
            })
    }

    /// Returns what is remembered of an order.
    fn known(&self, key: &OrderKey) -> Known {
        lock(&self.0.orders).get(key).cloned().unwrap_or_default()
    }

    /// Adds to what is remembered of an order.
    fn remember(&self, key: OrderKey, change: impl FnOnce(&mut Known)) {
        change(lock(&self.0.orders).entry(key));
    }

    /// Takes in an order that the authority showed, after checking the addresses in it.
    fn learn(&self, call: Call<'_>, key: &OrderKey, response: &Response) -> Result<api::Order> {
        let order: api::Order = wire::parse(call.operation, response)?;
        let urls = [&order.finalize].into_iter().chain(&order.certificate);
        for url in urls.chain(&order.authorizations) {
            self.0.wire.check(call.operation, url)?;
        }
        if order.authorizations.len() > NAMES {
            let message = format!("the order has {} authorizations", order.authorizations.len());
            return Err(call.fail(ErrorKind::Malformed, message));
        }
        self.remember(key.clone(), |known| {
            known.finalize = Some(order.finalize.clone());
            known.identifiers = order.identifiers.clone();
            known.certificate = order.certificate.clone();
            known.unread = None;
        });
        Ok(order)
    }

    /// Reads an order.
    async fn read_order(
        &self,
        call: Call<'_>,
        key: &OrderKey,
    ) -> Result<(api::Order, Option<Duration>)> {
        let response = self.0.wire.read(call, &key.2).await?;
        let order = self.learn(call, key, &response)?;
        Ok((order, response.retry_after(self.0.wire.clock().now())))
    }

    /// Reads an authorization, and remembers the addresses of its challenges.
    async fn read_authorization(
        &self,
        call: Call<'_>,
        key: &OrderKey,
        url: &str,
    ) -> Result<(api::Authorization, Option<Duration>)> {
        let response = self.0.wire.read(call, url).await?;
        let body: api::Authorization = wire::parse(call.operation, &response)?;
        let mut challenges = Vec::new();
        for challenge in &body.challenges {
            if let Some(kind) = convert::challenge_type(&challenge.kind) {
                self.0.wire.check(call.operation, &challenge.url)?;
                challenges.push((url.to_owned(), kind, challenge.url.clone()));
            }
        }
        self.remember(key.clone(), |known| {
            known.challenges.retain(|(of, ..)| of != url);
            known.challenges.extend(challenges);
        });
        Ok((body, response.retry_after(self.0.wire.clock().now())))
    }

    /// Reads the authorizations of an order, but for those that are known to be valid, and when to
    /// look again.
    async fn authorizations(
        &self,
        call: Call<'_>,
        key: &OrderKey,
        order: &api::Order,
    ) -> Result<(Vec<Authorization>, Option<Duration>)> {
        let Known { valid, .. } = self.known(key);
        let mut retry_after = None;
        let mut authorizations = Vec::with_capacity(order.authorizations.len());
        for url in &order.authorizations {
            if let Some(known) = valid.iter().find(|a| a.handle.as_bytes() == url.as_bytes()) {
                authorizations.push(known.clone());
                continue;
            }
            let (body, wait) = match self.read_authorization(call, key, url).await {
                // Of a lost order some forget the authorizations; what is left of it still helps.
                Err(error)
                    if error.kind() == ErrorKind::NotFound
                        && order.status == api::OrderStatus::Invalid =>
                {
                    continue;
                }
                body => body?,
            };
            retry_after = retry_after.max(wait);
            let authorization = convert::authorization(url, &body, call.key)
                .map_err(|message| call.fail(ErrorKind::Malformed, message))?;
            if authorization.status == AuthorizationStatus::Valid {
                self.remember(key.clone(), |known| known.valid.push(authorization.clone()));
            }
            authorizations.push(authorization);
        }
        Ok((authorizations, retry_after))
    }
}

impl fmt::Debug for Acme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Acme").field("id", &self.0.id).finish_non_exhaustive()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[async_trait]
impl CertificateAuthority for Acme {
    /// Host, port if it is not 443, and path of the directory.
    fn id(&self) -> &str {
        &self.0.id
    }

    /// What the directory says (RFC 8555 section 7.1.1). Pebble says nothing.
    async fn caa_identities(&self) -> Result<Vec<String>> {
        Ok(self.0.wire.directory("caa_identities").await?.caa_identities())
    }

    async fn enroll(&self, key: &Secret) -> Result<Handle> {
        const OPERATION: &str = "enroll";
        let wire = &self.0.wire;
        let (key, _) = self.key(OPERATION, key)?;
        let call = Call { operation: OPERATION, key: &key, account: None };
        let url = &wire.directory(OPERATION).await?.new_account;
        let mut payload = json!({ "termsOfServiceAgreed": true });
        if !self.0.contacts.is_empty() {
            payload["contact"] = json!(self.0.contacts);
        }
        if let Some(external) = &self.0.external {
            payload["externalAccountBinding"] = json!(key.binding(url, external));
        }
        let response = wire
            .write(call, url, &payload)
            .await
            .inspect_err(|error| wire.check_directory(error))?;
        let account: api::Account = wire::parse(OPERATION, &response)?;
        if account.status != "valid" {
            let message = format!("the account is {}", account.status);
            return Err(call.fail(ErrorKind::Denied, message));
        }
        Ok(Handle::new(wire.location(call, &response)?))
    }

    async fn open(&self, account: &Account, names: &[DomainName]) -> Result<Handle> {
        const OPERATION: &str = "open";
        let wire = &self.0.wire;
        let session = self.session(OPERATION, account)?;
        let call = session.call(OPERATION);
        if names.is_empty() || names.len() > NAMES {
            let message = format!("an order for {} names", names.len());
            return Err(call.fail(ErrorKind::Invalid, message));
        }
        let url = &wire.directory(OPERATION).await?.new_order;
        let identifiers: Vec<Value> =
            names.iter().map(|name| json!({ "type": "dns", "value": name.as_str() })).collect();
        let response = wire
            .write(call, url, &json!({ "identifiers": identifiers }))
            .await
            .inspect_err(|error| wire.check_directory(error))?;
        let location = wire.location(call, &response)?;
        let key = session.order(&location);
        let order = self.learn(call, &key, &response)?;
        let now = wire.clock().now();
        self.remember(key, |known| known.unread = Some((now, order)));
        Ok(Handle::new(location))
    }

    async fn progress(&self, account: &Account, order: &Handle) -> Result<Progress> {
        const OPERATION: &str = "progress";
        let session = self.session(OPERATION, account)?;
        let call = session.call(OPERATION);
        let key = session.order(&self.url(OPERATION, "order", order)?);
        let now = self.0.wire.clock().now();
        // What a change has just shown need not be asked for, once. A clock that went back is later.
        let unread = self
            .known(&key)
            .unread
            .filter(|(at, _)| *at <= now && clock::between(*at, now) <= FRESH);
        let (order, retry_after) = match unread {
            Some((_, order)) => {
                self.remember(key.clone(), |known| known.unread = None);
                (order, None)
            }
            None => self.read_order(call, &key).await?,
        };
        // Authorizations matter as long as they are missing, and to say why an order is lost.
        let (authorizations, wait) = match order.status {
            api::OrderStatus::Pending | api::OrderStatus::Invalid => {
                self.authorizations(call, &key, &order).await?
            }
            _ => (Vec::new(), None),
        };
        Ok(Progress::new(convert::state(order.status), authorizations)
            .with_expires(convert::expires(&order))
            .with_retry_after(retry_after.max(wait))
            .with_problem(order.error.as_ref().map(convert::problem)))
    }

    async fn respond(
        &self,
        account: &Account,
        order: &Handle,
        authorization: &Handle,
        challenge: ChallengeType,
    ) -> Result<()> {
        const OPERATION: &str = "respond";
        let wire = &self.0.wire;
        let session = self.session(OPERATION, account)?;
        let call = session.call(OPERATION);
        let key = session.order(&self.url(OPERATION, "order", order)?);
        let url = self.url(OPERATION, "authorization", authorization)?;

        let find = |known: Known| {
            let mut challenges = known.challenges.into_iter();
            challenges.find(|(of, kind, _)| *of == url && *kind == challenge).map(|(.., url)| url)
        };
        let address = match find(self.known(&key)) {
            Some(address) => address,
            None => {
                let (body, _) = self.read_authorization(call, &key, &url).await?;
                if convert::status(&body) != AuthorizationStatus::Pending {
                    return Ok(());
                }
                find(self.known(&key)).ok_or_else(|| {
                    let message = format!(
                        "{} is not offered for {}",
                        challenge.as_str(),
                        body.identifier.value
                    );
                    call.fail(ErrorKind::Unsupported, message)
                })?
            }
        };
        let error = match wire.write(call, &address, &json!({})).await {
            Ok(response) => {
                return wire::parse::<api::Challenge>(OPERATION, &response).map(drop);
            }
            Err(error) => error,
        };
        // An authority may refuse what was said before; that the answer is in is all that matters.
        if matches!(
            error.kind(),
            ErrorKind::Conflict | ErrorKind::Precondition | ErrorKind::Refused
        ) && let Ok((body, _)) = self.read_authorization(call, &key, &url).await
            && convert::status(&body) != AuthorizationStatus::Pending
        {
            return Ok(());
        }
        Err(error)
    }

    async fn finalize(&self, account: &Account, order: &Handle, csr: &[u8]) -> Result<()> {
        const OPERATION: &str = "finalize";
        let wire = &self.0.wire;
        let session = self.session(OPERATION, account)?;
        let call = session.call(OPERATION);
        let key = session.order(&self.url(OPERATION, "order", order)?);
        let address = match self.known(&key).finalize {
            Some(address) => address,
            None => self.read_order(call, &key).await?.0.finalize,
        };
        let payload = json!({ "csr": base64url(csr) });
        let response = wire.write(call, &address, &payload).await.map_err(|error| {
            // Boulder and Pebble say `unauthorized` of other names, as they do of other accounts.
            let names = self.known(&key).identifiers;
            if error.code() == Some("unauthorized")
                && !names.is_empty()
                && !convert::is_for(csr, &names)
            {
                let message = error.message().to_owned();
                return call
                    .fail(ErrorKind::Refused, message)
                    .with_code("badCSR")
                    .with_source(error);
            }
            error
        })?;
        let order = self.learn(call, &key, &response)?;
        if convert::state(order.status) == OrderState::Valid {
            let now = wire.clock().now();
            self.remember(key, |known| known.unread = Some((now, order)));
        }
        Ok(())
    }

    async fn certificate(&self, account: &Account, order: &Handle) -> Result<String> {
        const OPERATION: &str = "certificate";
        let session = self.session(OPERATION, account)?;
        let call = session.call(OPERATION);
        let key = session.order(&self.url(OPERATION, "order", order)?);
        let address = match self.known(&key).certificate {
            Some(address) => address,
            None => {
                let (order, _) = self.read_order(call, &key).await?;
                match (convert::state(order.status), order.certificate) {
                    (OrderState::Valid, Some(address)) => address,
                    (OrderState::Valid, None) => {
                        let message = "a valid order without a certificate";
                        return Err(call.fail(ErrorKind::Malformed, message));
                    }
                    (state, _) => {
                        let message = format!("the order is {state:?}").to_lowercase();
                        return Err(call.fail(ErrorKind::Precondition, message));
                    }
                }
            }
        };
        let response = self.0.wire.read_chain(call, &address).await?;
        convert::chain(&response.body)
            .ok_or_else(|| call.fail(ErrorKind::Malformed, "the chain is not certificates in PEM"))
    }
}
