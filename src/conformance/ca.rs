//! Cases for a [`CertificateAuthority`].

use std::{collections::HashSet, fmt, sync::Arc};

use async_trait::async_trait;
use tokio::task::JoinSet;
use x509_parser::{certificate::X509Certificate, pem::Pem, prelude::FromDer};

use crate::{
    ca::{
        Account, Authorization, AuthorizationStatus, CertificateAuthority, ChallengeType,
        OrderState, Progress, Publication,
    },
    certificate::Handle,
    error::{Error, ErrorKind, Result},
    id::{OrderId, OsRandom},
    keys::Keys,
    name::DomainName,
    secret::Secret,
};

/// What an authority sees, and the time that it takes.
#[async_trait]
pub trait Outside: Send + Sync + 'static {
    /// Publishes what an authorization wants to see, beside what is there. Returns when it can be
    /// seen.
    async fn publish(&self, name: &DomainName, publication: &Publication);

    /// Waits a little: the authority is working. A hundred times of it are enough for anything.
    async fn pause(&self);
}

/// What the cases need to get certificates.
#[derive(Clone)]
#[non_exhaustive]
pub struct World {
    /// Makes keys that the authority takes, for accounts and for certificates.
    pub keys: Arc<dyn Keys>,
    /// Where answers are published.
    pub outside: Arc<dyn Outside>,
    /// A name below which the authority issues certificates for what is published there.
    pub base: DomainName,
}

impl World {
    /// Creates a world.
    pub fn new(keys: Arc<dyn Keys>, outside: Arc<dyn Outside>, base: DomainName) -> Self {
        Self { keys, outside, base }
    }

    /// Returns a name that nobody has asked for before.
    fn name(&self) -> DomainName {
        format!("{}.{}", OrderId::random(&OsRandom).unwrap(), self.base).parse().unwrap()
    }

    /// Enrolls a new key.
    async fn account(&self, ca: &impl CertificateAuthority) -> Account {
        let key = self.keys.generate().unwrap();
        let handle = ca.enroll(&key).await.unwrap();
        Account::new(key, handle)
    }

    /// Publishes and responds for all authorizations that wait, and waits until none does.
    async fn prove(
        &self,
        ca: &impl CertificateAuthority,
        account: &Account,
        order: &Handle,
        challenge: ChallengeType,
    ) -> Progress {
        for one in ca.progress(account, order).await.unwrap().authorizations {
            if one.status == AuthorizationStatus::Pending {
                self.outside.publish(&one.name, publication(&one, challenge)).await;
                ca.respond(account, order, &one.handle, challenge).await.unwrap();
            }
        }
        self.settle(ca, account, order, |progress| progress.state != OrderState::Pending).await
    }

    /// Looks at an order until it is as wanted, or lost.
    async fn settle(
        &self,
        ca: &impl CertificateAuthority,
        account: &Account,
        order: &Handle,
        settled: impl Fn(&Progress) -> bool,
    ) -> Progress {
        for _ in 0..100 {
            let progress = ca.progress(account, order).await.unwrap();
            if settled(&progress) || progress.state == OrderState::Invalid {
                return progress;
            }
            self.outside.pause().await;
        }
        panic!("the order does not come to an end");
    }

    /// Finalizes an order that is ready. Returns the key and the chain.
    async fn finish(
        &self,
        ca: &impl CertificateAuthority,
        account: &Account,
        order: &Handle,
        names: &[DomainName],
    ) -> (Secret, String) {
        let key = self.keys.generate().unwrap();
        let request = self.keys.request(&key, names).unwrap();
        ca.finalize(account, order, &request).await.unwrap();
        let valid = |progress: &Progress| progress.state == OrderState::Valid;
        let progress = self.settle(ca, account, order, valid).await;
        assert_eq!(progress.state, OrderState::Valid, "{progress:?}");
        (key, ca.certificate(account, order).await.unwrap())
    }

    /// Goes all the way, and checks what comes out.
    async fn issue(
        &self,
        ca: &impl CertificateAuthority,
        names: &[DomainName],
        challenge: ChallengeType,
    ) {
        let account = self.account(ca).await;
        let order = ca.open(&account, names).await.unwrap();
        let progress = self.prove(ca, &account, &order, challenge).await;
        assert_eq!(progress.state, OrderState::Ready, "{progress:?}");
        let (key, chain) = self.finish(ca, &account, &order, names).await;
        assert_is_for(&chain, names, &self.keys.public_key(&key).unwrap());
    }
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("World").field("base", &self.base).finish_non_exhaustive()
    }
}

/// Makes one test of every case in [`conformance::ca`](crate::conformance::ca).
///
/// `$setup` is a future that gives an authority and its [`World`]. The cases use names of their own,
/// so they may share both.
#[macro_export]
macro_rules! ca_conformance {
    ($name:ident, $setup:expr) => {
        mod $name {
            #[allow(unused_imports)]
            use super::*;

            $crate::__conformance_cases!(
                [$crate::conformance::ca] $setup => (ca, world);
                id_is_short_printable_and_stays,
                key_has_one_account,
                what_is_no_key_has_no_account,
                account_needs_its_own_key,
                unknown_account_is_refused,
                new_order_waits_for_its_names,
                order_without_names_is_refused,
                wildcard_is_proved_at_its_base_by_dns,
                handles_work_when_they_are_built_again,
                reading_changes_nothing,
                certificate_by_dns,
                certificate_by_http,
                certificate_for_a_name_and_its_wildcard,
                certificate_can_be_read_again,
                wrong_answer_loses_the_order,
                unanswered_challenge_proves_nothing,
                one_of_two_names_is_not_enough,
                responding_again_changes_nothing,
                order_that_is_not_ready_is_not_finalized,
                order_is_finalized_once,
                request_for_other_names_is_refused,
                request_that_is_none_is_refused,
                order_of_another_account_is_hidden,
                unknown_order_is_hidden,
                orders_do_not_get_mixed_up,
            );
        }
    };
}

fn publication(authorization: &Authorization, challenge: ChallengeType) -> &Publication {
    authorization
        .publications
        .iter()
        .find(|publication| publication.challenge_type() == challenge)
        .unwrap_or_else(|| panic!("{} is not offered: {authorization:?}", challenge.as_str()))
}

fn challenges(authorization: &Authorization) -> HashSet<ChallengeType> {
    authorization.publications.iter().map(Publication::challenge_type).collect()
}

/// Checks a chain in PEM: the leaf is for these names and this key, and the next has signed it.
fn assert_is_for(chain: &str, names: &[DomainName], public_key: &[u8]) {
    let blocks: Vec<Pem> = Pem::iter_from_buffer(chain.as_bytes()).map(Result::unwrap).collect();
    assert!(!blocks.is_empty() && blocks.iter().all(|block| block.label == "CERTIFICATE"));
    let (rest, leaf) = X509Certificate::from_der(&blocks[0].contents).unwrap();
    assert!(rest.is_empty(), "bytes after the certificate");
    assert_eq!(leaf.public_key().raw, public_key, "the certificate is for another key");
    let found = leaf.subject_alternative_name().unwrap().unwrap();
    let mut found: Vec<String> =
        found.value.general_names.iter().map(ToString::to_string).collect();
    found.sort();
    let mut wanted: Vec<String> = names.iter().map(|name| format!("DNSName({name})")).collect();
    wanted.sort();
    assert_eq!(found, wanted);
    assert!(!leaf.is_ca());
    for pair in blocks.windows(2) {
        let (_, below) = X509Certificate::from_der(&pair[0].contents).unwrap();
        let (_, above) = X509Certificate::from_der(&pair[1].contents).unwrap();
        assert_eq!(below.issuer().as_raw(), above.subject().as_raw(), "the chain is broken");
    }
}

fn assert_hidden<T: fmt::Debug>(result: Result<T>) {
    let error: Error = result.expect_err("somebody else's thing was shown or changed");
    assert!(matches!(error.kind(), ErrorKind::Denied | ErrorKind::NotFound), "{error:?}");
}

/// The name of an authority is fit for keys in a store.
pub async fn id_is_short_printable_and_stays(ca: impl CertificateAuthority, _world: World) {
    let id = ca.id().to_owned();
    assert!((1..=150).contains(&id.len()), "{id}");
    assert!(id.bytes().all(|byte| byte.is_ascii_graphic()), "{id}");
    assert_eq!(ca.id(), id);
}

/// A key that is enrolled again has its account still, and another key has another.
pub async fn key_has_one_account(ca: impl CertificateAuthority, world: World) {
    let first = world.account(&ca).await;
    let again = ca.enroll(&first.key).await.unwrap();
    assert_eq!(again, first.handle);
    let second = world.account(&ca).await;
    assert_ne!(second.handle, first.handle);
}

/// Bytes that are no key are refused without a panic.
pub async fn what_is_no_key_has_no_account(ca: impl CertificateAuthority, _world: World) {
    for bytes in [Vec::new(), b"key".to_vec(), vec![0x30; 100]] {
        let error = ca.enroll(&Secret::new(bytes)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{error:?}");
    }
}

/// To know the handle of an account is not enough.
pub async fn account_needs_its_own_key(ca: impl CertificateAuthority, world: World) {
    let (first, second) = (world.account(&ca).await, world.account(&ca).await);
    let stolen = Account::new(second.key, first.handle);
    assert_hidden(ca.open(&stolen, &[world.name()]).await);
}

/// An account that the authority does not know opens nothing.
pub async fn unknown_account_is_refused(ca: impl CertificateAuthority, world: World) {
    let account = world.account(&ca).await;
    let mut handle = account.handle.as_bytes().to_vec();
    handle.extend_from_slice(b"0000");
    let unknown = Account::new(account.key, Handle::new(handle));
    assert_hidden(ca.open(&unknown, &[world.name()]).await);
}

/// A new order has one authorization for each name, each of which says what to publish.
pub async fn new_order_waits_for_its_names(ca: impl CertificateAuthority, world: World) {
    let account = world.account(&ca).await;
    let mut names = [world.name(), world.name()];
    names.sort();
    let order = ca.open(&account, &names).await.unwrap();
    let progress = ca.progress(&account, &order).await.unwrap();
    assert_eq!((progress.state, &progress.problem), (OrderState::Pending, &None));
    let mut found: Vec<&DomainName> = progress.authorizations.iter().map(|one| &one.name).collect();
    found.sort();
    assert_eq!(found, names.iter().collect::<Vec<_>>());
    for one in &progress.authorizations {
        assert_eq!((one.status, &one.problem), (AuthorizationStatus::Pending, &None));
        assert!(challenges(one).contains(&ChallengeType::Dns01), "{one:?}");
        for publication in &one.publications {
            match publication {
                // base64url of SHA-256 (RFC 8555 section 8.4).
                Publication::Dns01 { value } => assert_eq!(value.len(), 43, "{value}"),
                Publication::Http01 { token, body } => {
                    assert!(body.starts_with(&format!("{token}.")), "{token}: {body}");
                }
            }
        }
    }
}

/// There is no certificate for nothing.
pub async fn order_without_names_is_refused(ca: impl CertificateAuthority, world: World) {
    let account = world.account(&ca).await;
    let error = ca.open(&account, &[]).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Invalid | ErrorKind::Refused), "{error:?}");
}

/// The authorization of a wildcard is for the name without `*.`, and a page does not prove it.
pub async fn wildcard_is_proved_at_its_base_by_dns(ca: impl CertificateAuthority, world: World) {
    let account = world.account(&ca).await;
    let base = world.name();
    let order = ca.open(&account, &[format!("*.{base}").parse().unwrap()]).await.unwrap();
    let progress = ca.progress(&account, &order).await.unwrap();
    let [one] = progress.authorizations.as_slice() else { panic!("{progress:?}") };
    assert_eq!(one.name, base);
    assert!(!challenges(one).contains(&ChallengeType::Http01), "{one:?}");
}

/// A handle is its bytes: it can be stored and used elsewhere.
pub async fn handles_work_when_they_are_built_again(ca: impl CertificateAuthority, world: World) {
    let rebuilt = |handle: &Handle| Handle::new(handle.as_bytes().to_vec());
    let account = world.account(&ca).await;
    let order = ca.open(&account, &[world.name()]).await.unwrap();
    let progress = ca.progress(&account, &order).await.unwrap();
    let account =
        Account::new(Secret::new(account.key.expose().to_vec()), rebuilt(&account.handle));
    let again = ca.progress(&account, &rebuilt(&order)).await.unwrap();
    assert_eq!(sorted(&again), sorted(&progress));
    let one = &again.authorizations[0];
    world.outside.publish(&one.name, publication(one, ChallengeType::Dns01)).await;
    ca.respond(&account, &rebuilt(&order), &rebuilt(&one.handle), ChallengeType::Dns01)
        .await
        .unwrap();
}

/// An order that is looked at ten times is the same afterwards.
pub async fn reading_changes_nothing(ca: impl CertificateAuthority, world: World) {
    let account = world.account(&ca).await;
    let order = ca.open(&account, &[world.name()]).await.unwrap();
    let first = ca.progress(&account, &order).await.unwrap();
    for _ in 0..10 {
        let again = ca.progress(&account, &order).await.unwrap();
        assert_eq!((again.state, sorted(&again)), (first.state, sorted(&first)));
    }
}

/// Returns the authorizations in one order: that of an answer means nothing.
fn sorted(progress: &Progress) -> Vec<Authorization> {
    let mut authorizations = progress.authorizations.clone();
    authorizations.sort_by(|a, b| a.handle.as_bytes().cmp(b.handle.as_bytes()));
    for one in &mut authorizations {
        one.publications.sort_by_key(Publication::challenge_type);
    }
    authorizations
}

/// A TXT record proves a name.
pub async fn certificate_by_dns(ca: impl CertificateAuthority, world: World) {
    world.issue(&ca, &[world.name(), world.name()], ChallengeType::Dns01).await;
}

/// A page proves a name.
pub async fn certificate_by_http(ca: impl CertificateAuthority, world: World) {
    world.issue(&ca, &[world.name()], ChallengeType::Http01).await;
}

/// Two authorizations for one name need two TXT records at the same place.
pub async fn certificate_for_a_name_and_its_wildcard(ca: impl CertificateAuthority, world: World) {
    let base = world.name();
    let wildcard = format!("*.{base}").parse().unwrap();
    world.issue(&ca, &[base, wildcard], ChallengeType::Dns01).await;
}

/// Who did not see the answer asks again and gets the same.
pub async fn certificate_can_be_read_again(ca: impl CertificateAuthority, world: World) {
    let account = world.account(&ca).await;
    let names = [world.name()];
    let order = ca.open(&account, &names).await.unwrap();
    world.prove(&ca, &account, &order, ChallengeType::Dns01).await;
    let (_, chain) = world.finish(&ca, &account, &order, &names).await;
    for _ in 0..3 {
        assert_eq!(ca.certificate(&account, &order).await.unwrap(), chain);
    }
    assert_eq!(ca.progress(&account, &order).await.unwrap().state, OrderState::Valid);
}

/// What is not what was asked for proves nothing, and the authority says what is wrong.
pub async fn wrong_answer_loses_the_order(ca: impl CertificateAuthority, world: World) {
    let account = world.account(&ca).await;
    let names = [world.name()];
    let order = ca.open(&account, &names).await.unwrap();
    let progress = ca.progress(&account, &order).await.unwrap();
    let one = &progress.authorizations[0];
    let wrong = Publication::Dns01 { value: "x".repeat(43) };
    world.outside.publish(&one.name, &wrong).await;
    ca.respond(&account, &order, &one.handle, ChallengeType::Dns01).await.unwrap();
    let settled = |progress: &Progress| progress.state != OrderState::Pending;
    let progress = world.settle(&ca, &account, &order, settled).await;
    assert_eq!(progress.state, OrderState::Invalid);
    let one = &progress.authorizations[0];
    assert_eq!(one.status, AuthorizationStatus::Invalid);
    let problem = one.problem.as_ref().unwrap();
    assert!(!problem.code.is_empty() && !problem.code.contains(':'), "{problem:?}");

    let request = world.keys.request(&world.keys.generate().unwrap(), &names).unwrap();
    let error = ca.finalize(&account, &order, &request).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Precondition, "{error:?}");
    assert!(ca.certificate(&account, &order).await.is_err());
    // The names can be asked for again.
    assert_ne!(ca.open(&account, &names).await.unwrap(), order);
}

/// An authority that is told to look where nothing is finds nothing.
pub async fn unanswered_challenge_proves_nothing(ca: impl CertificateAuthority, world: World) {
    for challenge in [ChallengeType::Dns01, ChallengeType::Http01] {
        let account = world.account(&ca).await;
        let order = ca.open(&account, &[world.name()]).await.unwrap();
        let progress = ca.progress(&account, &order).await.unwrap();
        let one = &progress.authorizations[0];
        ca.respond(&account, &order, &one.handle, challenge).await.unwrap();
        let settled = |progress: &Progress| progress.state != OrderState::Pending;
        let progress = world.settle(&ca, &account, &order, settled).await;
        assert_eq!(progress.state, OrderState::Invalid, "{progress:?}");
    }
}

/// All names of an order have to be proved.
pub async fn one_of_two_names_is_not_enough(ca: impl CertificateAuthority, world: World) {
    let account = world.account(&ca).await;
    let names = [world.name(), world.name()];
    let order = ca.open(&account, &names).await.unwrap();
    let progress = ca.progress(&account, &order).await.unwrap();
    let one = &progress.authorizations[0];
    world.outside.publish(&one.name, publication(one, ChallengeType::Dns01)).await;
    ca.respond(&account, &order, &one.handle, ChallengeType::Dns01).await.unwrap();
    let settled = |progress: &Progress| {
        progress.authorizations.iter().any(|one| one.status == AuthorizationStatus::Valid)
    };
    let progress = world.settle(&ca, &account, &order, settled).await;
    assert_eq!(progress.state, OrderState::Pending, "{progress:?}");
    let request = world.keys.request(&world.keys.generate().unwrap(), &names).unwrap();
    let error = ca.finalize(&account, &order, &request).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Precondition, "{error:?}");
}

/// To say twice that the answer is there is fine, before and after the authority has looked.
pub async fn responding_again_changes_nothing(ca: impl CertificateAuthority, world: World) {
    let account = world.account(&ca).await;
    let order = ca.open(&account, &[world.name()]).await.unwrap();
    let progress = ca.progress(&account, &order).await.unwrap();
    let one = &progress.authorizations[0];
    world.outside.publish(&one.name, publication(one, ChallengeType::Dns01)).await;
    for _ in 0..2 {
        ca.respond(&account, &order, &one.handle, ChallengeType::Dns01).await.unwrap();
    }
    let settled = |progress: &Progress| progress.state != OrderState::Pending;
    let progress = world.settle(&ca, &account, &order, settled).await;
    assert_eq!(progress.state, OrderState::Ready, "{progress:?}");
    ca.respond(&account, &order, &one.handle, ChallengeType::Dns01).await.unwrap();
    assert_eq!(ca.progress(&account, &order).await.unwrap().state, OrderState::Ready);
}

/// A request that comes too early changes nothing, and there is no certificate yet.
pub async fn order_that_is_not_ready_is_not_finalized(ca: impl CertificateAuthority, world: World) {
    let account = world.account(&ca).await;
    let names = [world.name()];
    let order = ca.open(&account, &names).await.unwrap();
    let request = world.keys.request(&world.keys.generate().unwrap(), &names).unwrap();
    let error = ca.finalize(&account, &order, &request).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Precondition, "{error:?}");
    let error = ca.certificate(&account, &order).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Precondition, "{error:?}");
    assert_eq!(ca.progress(&account, &order).await.unwrap().state, OrderState::Pending);
    let progress = world.prove(&ca, &account, &order, ChallengeType::Dns01).await;
    assert_eq!(progress.state, OrderState::Ready, "{progress:?}");
}

/// A second request for an order that has its certificate makes no second one.
pub async fn order_is_finalized_once(ca: impl CertificateAuthority, world: World) {
    let account = world.account(&ca).await;
    let names = [world.name()];
    let order = ca.open(&account, &names).await.unwrap();
    world.prove(&ca, &account, &order, ChallengeType::Dns01).await;
    let (_, chain) = world.finish(&ca, &account, &order, &names).await;
    let request = world.keys.request(&world.keys.generate().unwrap(), &names).unwrap();
    let error = ca.finalize(&account, &order, &request).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Precondition, "{error:?}");
    assert_eq!(ca.certificate(&account, &order).await.unwrap(), chain);
}

/// Proof of some names gives no certificate for others: not for more, fewer or different ones.
pub async fn request_for_other_names_is_refused(ca: impl CertificateAuthority, world: World) {
    let account = world.account(&ca).await;
    let [one, two, other] = [(); 3].map(|()| world.name());
    let names = [one.clone(), two.clone()];
    for wrong in [
        vec![one.clone()],
        vec![one.clone(), two.clone(), other.clone()],
        vec![one.clone(), other],
        vec![one.clone(), two, format!("*.{one}").parse().unwrap()],
    ] {
        let order = ca.open(&account, &names).await.unwrap();
        let progress = world.prove(&ca, &account, &order, ChallengeType::Dns01).await;
        assert_eq!(progress.state, OrderState::Ready, "{progress:?}");
        let request = world.keys.request(&world.keys.generate().unwrap(), &wrong).unwrap();
        let error = ca.finalize(&account, &order, &request).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Refused, "{error:?}");
        assert!(ca.certificate(&account, &order).await.is_err());
    }
}

/// Bytes that are no request are refused without a panic.
pub async fn request_that_is_none_is_refused(ca: impl CertificateAuthority, world: World) {
    let account = world.account(&ca).await;
    let names = [world.name()];
    let whole = world.keys.request(&world.keys.generate().unwrap(), &names).unwrap();
    for request in [&[][..], b"request", &whole[..whole.len() / 2]] {
        let order = ca.open(&account, &names).await.unwrap();
        let progress = world.prove(&ca, &account, &order, ChallengeType::Dns01).await;
        assert_eq!(progress.state, OrderState::Ready, "{progress:?}");
        let error = ca.finalize(&account, &order, request).await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Invalid | ErrorKind::Refused), "{error:?}");
        assert!(ca.certificate(&account, &order).await.is_err());
    }
}

/// Who knows the handle of somebody else's order can do nothing with it.
pub async fn order_of_another_account_is_hidden(ca: impl CertificateAuthority, world: World) {
    let (owner, stranger) = (world.account(&ca).await, world.account(&ca).await);
    let names = [world.name()];
    let order = ca.open(&owner, &names).await.unwrap();
    let progress = ca.progress(&owner, &order).await.unwrap();
    let one = &progress.authorizations[0];
    world.prove(&ca, &owner, &order, ChallengeType::Dns01).await;
    let request = world.keys.request(&world.keys.generate().unwrap(), &names).unwrap();

    assert_hidden(ca.progress(&stranger, &order).await);
    assert_hidden(ca.respond(&stranger, &order, &one.handle, ChallengeType::Dns01).await);
    assert_hidden(ca.finalize(&stranger, &order, &request).await);
    assert_hidden(ca.certificate(&stranger, &order).await);
    let (key, chain) = world.finish(&ca, &owner, &order, &names).await;
    assert_is_for(&chain, &names, &world.keys.public_key(&key).unwrap());
    assert_hidden(ca.certificate(&stranger, &order).await);
}

/// An order that is not there is not found.
pub async fn unknown_order_is_hidden(ca: impl CertificateAuthority, world: World) {
    let account = world.account(&ca).await;
    let order = ca.open(&account, &[world.name()]).await.unwrap();
    let mut unknown = order.as_bytes().to_vec();
    unknown.extend_from_slice(b"0000");
    assert_hidden(ca.progress(&account, &Handle::new(unknown)).await);
}

/// Several orders of one account go their ways at the same time.
pub async fn orders_do_not_get_mixed_up(ca: impl CertificateAuthority, world: World) {
    let ca = Arc::new(ca);
    let account = world.account(&ca).await;
    let mut orders = JoinSet::new();
    for _ in 0..4 {
        let (ca, world, account) = (Arc::clone(&ca), world.clone(), account.clone());
        orders.spawn(async move {
            let names = [world.name()];
            let order = ca.open(&account, &names).await.unwrap();
            let progress = world.prove(&ca, &account, &order, ChallengeType::Dns01).await;
            assert_eq!(progress.state, OrderState::Ready, "{progress:?}");
            let (key, chain) = world.finish(&ca, &account, &order, &names).await;
            assert_is_for(&chain, &names, &world.keys.public_key(&key).unwrap());
            order
        });
    }
    let distinct: HashSet<Handle> = orders.join_all().await.into_iter().collect();
    assert_eq!(distinct.len(), 4);
}
