use chrono::TimeDelta;
use x509_parser::{certificate::X509Certificate, pem::Pem};

use super::*;
use crate::{
    ca::{Authorization, AuthorizationStatus, OrderState, Publication, UnsignedSigner},
    certificate::Problem,
    clock::{ManualClock, Timestamp},
    keys::{InMemoryKeys, Keys},
    name::DnsName,
    probe::{Fetch, Fetched, Flaw, InMemoryProbe},
    record::{RecordData, RecordSet, RecordType, Ttl, Txt},
    resolver::{Failure, InMemoryResolver, Outcome},
};

struct Scene {
    ca: InMemoryCa,
    clock: ManualClock,
    resolver: InMemoryResolver,
    probe: InMemoryProbe,
    account: Account,
}

impl Scene {
    async fn new(change: impl FnOnce(InMemoryCa) -> InMemoryCa) -> Self {
        let clock = ManualClock::new(Timestamp::from_timestamp(1_800_000_000, 0).unwrap());
        let (resolver, probe) = (InMemoryResolver::new(), InMemoryProbe::new());
        let ca = InMemoryCa::new(Arc::new(clock.clone()), Arc::new(UnsignedSigner))
            .with_resolver(Arc::new(resolver.clone()))
            .with_probe(Arc::new(probe.clone()));
        let ca = change(ca);
        let key = InMemoryKeys::new().generate().unwrap();
        let handle = ca.enroll(&key).await.unwrap();
        Self { ca, clock, resolver, probe, account: Account::new(key, handle) }
    }

    async fn open(&self, names: &[&str]) -> Result<Handle> {
        let names: Vec<DomainName> = names.iter().map(|name| name.parse().unwrap()).collect();
        self.ca.open(&self.account, &names).await
    }

    async fn progress(&self, order: &Handle) -> Progress {
        self.ca.progress(&self.account, order).await.unwrap()
    }

    fn txt(&self, one: &Authorization) {
        let Publication::Dns01 { value } = &one.publications[0] else { panic!("{one:?}") };
        let owner = DnsName::from(&one.name).child("_acme-challenge").unwrap();
        let data = RecordData::Txt(Txt::from_text(value));
        self.resolver.set(RecordSet::new(owner, Ttl::MINUTE, [data]).unwrap());
    }

    fn caa(&self, owner: &str, properties: &[&str]) {
        let data = properties.iter().map(|text| RecordData::parse(RecordType::Caa, text).unwrap());
        self.resolver.set(RecordSet::new(owner.parse().unwrap(), Ttl::MINUTE, data).unwrap());
    }

    /// Answers the first authorization of an order and returns how the order stands then.
    async fn respond(&self, order: &Handle, challenge: ChallengeType) -> Progress {
        let one = self.progress(order).await.authorizations.remove(0);
        self.ca.respond(&self.account, order, &one.handle, challenge).await.unwrap();
        self.progress(order).await
    }

    /// Opens an order for a name, proves it by dns-01 and returns what the authority says.
    async fn prove(&self, name: &str) -> Progress {
        let order = self.open(&[name]).await.unwrap();
        self.txt(&self.progress(&order).await.authorizations[0]);
        self.respond(&order, ChallengeType::Dns01).await
    }

    async fn finalize(&self, order: &Handle, name: &str) -> Result<()> {
        let keys = InMemoryKeys::new();
        let request = keys.request(&keys.generate().unwrap(), &[name.parse().unwrap()]).unwrap();
        self.ca.finalize(&self.account, order, &request).await
    }
}

fn code(progress: &Progress) -> &str {
    match &progress.authorizations[0].problem {
        Some(Problem { code, .. }) => code,
        None => panic!("no problem: {progress:?}"),
    }
}

#[tokio::test]
async fn order_that_is_still_open_is_returned_again() {
    let scene = Scene::new(|ca| ca).await;
    let first = scene.open(&["b.example.com", "a.example.com"]).await.unwrap();
    let again = scene.open(&["a.example.com", "b.example.com", "a.example.com"]).await.unwrap();
    assert_eq!((&again, scene.ca.orders()), (&first, 1));
    assert_ne!(scene.open(&["a.example.com"]).await.unwrap(), first);
    scene.clock.advance(Duration::from_secs(7 * 86_400));
    assert_ne!(scene.open(&["a.example.com", "b.example.com"]).await.unwrap(), first);
}

#[tokio::test]
async fn order_that_waits_too_long_is_lost() {
    let scene = Scene::new(|ca| ca).await;
    let order = scene.open(&["a.example.com"]).await.unwrap();
    let expires = scene.progress(&order).await.expires.unwrap();
    assert_eq!(expires - scene.clock.now(), TimeDelta::days(7));
    scene.clock.set(expires);
    let progress = scene.respond(&order, ChallengeType::Dns01).await;
    assert_eq!(progress.state, OrderState::Invalid);
    assert!(progress.problem.is_some());
}

#[tokio::test]
async fn names_that_nobody_gets_are_refused() {
    let scene = Scene::new(|ca| ca).await;
    scene.ca.refuse("bank.example.com".parse().unwrap());
    for (names, code) in [
        (&["*.co.uk"][..], "rejectedIdentifier"),
        (&["bank.example.com"], "rejectedIdentifier"),
        (&["www.example.com", "*.example.com"], "malformed"),
    ] {
        let error = scene.open(names).await.unwrap_err();
        assert_eq!((error.kind(), error.code()), (ErrorKind::Refused, Some(code)), "{names:?}");
    }
    assert!(scene.open(&["example.com", "*.example.com", "a.b.example.com"]).await.is_ok());
    let many: Vec<String> = (0..101).map(|number| format!("n{number}.example.com")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert_eq!(scene.open(&many).await.unwrap_err().code(), Some("malformed"));
    assert!(scene.open(&many[1..]).await.is_ok());
}

#[tokio::test]
async fn problem_says_what_the_authority_has_seen_in_dns() {
    let scene = Scene::new(|ca| ca).await;
    let outcomes = [
        (Outcome::NxDomain { negative_ttl: None }, "dns"),
        (Outcome::NoData { negative_ttl: None }, "unauthorized"),
        (Outcome::Failed(Failure::Bogus), "dns"),
        (Outcome::Timeout, "dns"),
    ];
    for (index, (outcome, wanted)) in outcomes.into_iter().enumerate() {
        let name = format!("n{index}.example.com");
        let order = scene.open(&[&name]).await.unwrap();
        let owner = format!("_acme-challenge.{name}").parse().unwrap();
        scene.resolver.answer_with(owner, RecordType::Txt, outcome.clone());
        let progress = scene.respond(&order, ChallengeType::Dns01).await;
        assert_eq!((progress.state, code(&progress)), (OrderState::Invalid, wanted), "{outcome:?}");
    }
}

#[tokio::test]
async fn problem_says_what_the_authority_has_seen_on_the_web() {
    let scene = Scene::new(|ca| ca).await;
    for (index, (fetched, wanted)) in [
        (Fetched::NoAddress, "dns"),
        (Fetched::Unreachable, "connection"),
        (Fetched::Refused(Flaw::Address), "dns"),
        (Fetched::Refused(Flaw::Malformed), "connection"),
        (Fetched::response(404, ""), "unauthorized"),
        (Fetched::response(200, "something else"), "unauthorized"),
    ]
    .into_iter()
    .enumerate()
    {
        let name = format!("n{index}.example.com");
        let order = scene.open(&[&name]).await.unwrap();
        let one = &scene.progress(&order).await.authorizations[0];
        let Publication::Http01 { token, .. } = &one.publications[1] else { panic!("{one:?}") };
        let path = format!("/.well-known/acme-challenge/{token}");
        scene.probe.set(Fetch::new(one.name.clone(), path), fetched.clone());
        let progress = scene.respond(&order, ChallengeType::Http01).await;
        assert_eq!((progress.state, code(&progress)), (OrderState::Invalid, wanted), "{fetched:?}");
    }
}

#[tokio::test]
async fn white_space_after_the_key_authorization_does_not_count() {
    let scene = Scene::new(|ca| ca).await;
    let order = scene.open(&["a.example.com"]).await.unwrap();
    let one = &scene.progress(&order).await.authorizations[0];
    let Publication::Http01 { token, body } = &one.publications[1] else { panic!("{one:?}") };
    let path = format!("/.well-known/acme-challenge/{token}");
    scene.probe.serve(Fetch::new(one.name.clone(), path), format!("{body}\r\n "));
    let progress = scene.respond(&order, ChallengeType::Http01).await;
    assert_eq!(progress.state, OrderState::Ready, "{progress:?}");
}

#[tokio::test]
async fn caa_records_are_obeyed() {
    let scene = Scene::new(|ca| ca).await;
    scene.caa("com", &["0 issue \"other.test\""]);
    scene.caa("ours.com", &["0 issue \"other.test\"", "0 issue \"MEMORY.test; a=b\""]);
    scene.caa("nobody.com", &["0 issue \";\""]);
    scene.caa("mail.com", &["0 iodef \"mailto:a@mail.com\""]);
    scene.caa("wild.com", &["0 issue \"memory.test\"", "0 issuewild \";\""]);
    scene.caa("future.com", &["128 future \"x\"", "0 issue \"memory.test\""]);
    for (name, allowed) in [
        ("other.com", false),
        ("a.b.ours.com", true),
        ("*.ours.com", true),
        ("nobody.com", false),
        ("mail.com", true),
        ("a.wild.com", true),
        ("*.wild.com", false),
        ("future.com", false),
        ("example.net", true),
    ] {
        let progress = scene.prove(name).await;
        let valid = progress.state == OrderState::Ready;
        assert_eq!(valid, allowed, "{name}: {progress:?}");
        assert!(valid || code(&progress) == "caa", "{name}: {progress:?}");
    }
    let owner: DnsName = "broken.net".parse().unwrap();
    scene.resolver.answer_with(owner, RecordType::Caa, Outcome::Failed(Failure::ServFail));
    let progress = scene.prove("a.broken.net").await;
    // No permission, and no refusal either.
    assert_eq!((progress.state, code(&progress)), (OrderState::Invalid, "dns"));
}

#[tokio::test]
async fn delegated_challenge_is_followed_to_its_target() {
    let scene = Scene::new(|ca| ca).await;
    let order = scene.open(&["*.example.com"]).await.unwrap();
    let one = &scene.progress(&order).await.authorizations[0];
    let Publication::Dns01 { value } = &one.publications[0] else { panic!("{one:?}") };
    let target: DnsName = "a1b2.acme.platform.test".parse().unwrap();
    let owner = "_acme-challenge.example.com".parse().unwrap();
    let alias = RecordData::Cname(target.clone());
    scene.resolver.set(RecordSet::new(owner, Ttl::MINUTE, [alias]).unwrap());
    let data = RecordData::Txt(Txt::from_text(value));
    scene.resolver.set(RecordSet::new(target, Ttl::MINUTE, [data]).unwrap());
    assert_eq!(scene.respond(&order, ChallengeType::Dns01).await.state, OrderState::Ready);
}

#[tokio::test]
async fn authority_that_cannot_look_finds_nothing() {
    let clock = Arc::new(ManualClock::new(Timestamp::UNIX_EPOCH));
    for challenge in [ChallengeType::Dns01, ChallengeType::Http01] {
        let blind = InMemoryCa::new(clock.clone(), Arc::new(UnsignedSigner));
        let scene = Scene::new(|_| blind).await;
        let order = scene.open(&["a.example.com"]).await.unwrap();
        scene.txt(&scene.progress(&order).await.authorizations[0]);
        let progress = scene.respond(&order, challenge).await;
        assert_eq!((progress.state, code(&progress)), (OrderState::Invalid, "serverInternal"));
    }
}

#[tokio::test]
async fn slow_authority_says_when_to_look_again() {
    let minute = Duration::from_secs(60);
    let scene = Scene::new(|ca| ca.with_processing_time(minute)).await;
    let order = scene.open(&["a.example.com"]).await.unwrap();
    scene.txt(&scene.progress(&order).await.authorizations[0]);
    let progress = scene.respond(&order, ChallengeType::Dns01).await;
    assert_eq!(progress.authorizations[0].status, AuthorizationStatus::Processing);
    assert_eq!((progress.state, progress.retry_after), (OrderState::Pending, Some(minute)));
    scene.clock.advance(minute);
    assert_eq!(scene.progress(&order).await.state, OrderState::Ready);
    scene.finalize(&order, "a.example.com").await.unwrap();
    let progress = scene.progress(&order).await;
    assert_eq!((progress.state, progress.retry_after), (OrderState::Processing, Some(minute)));
    assert!(scene.ca.certificate(&scene.account, &order).await.is_err());
    scene.clock.advance(minute);
    assert_eq!(scene.progress(&order).await.state, OrderState::Valid);
    assert!(scene.ca.certificate(&scene.account, &order).await.is_ok());
}

#[tokio::test]
async fn valid_authorization_counts_again_only_where_that_is_wanted() {
    let day = Duration::from_secs(86_400);
    for (reuse, state) in [(Duration::ZERO, OrderState::Pending), (day, OrderState::Ready)] {
        let scene = Scene::new(|ca| ca.with_authorization_reuse(reuse)).await;
        let order = scene.open(&["a.example.com"]).await.unwrap();
        scene.txt(&scene.progress(&order).await.authorizations[0]);
        scene.respond(&order, ChallengeType::Dns01).await;
        scene.finalize(&order, "a.example.com").await.unwrap();
        let second = scene.open(&["a.example.com"]).await.unwrap();
        assert_ne!(second, order);
        assert_eq!(scene.progress(&second).await.state, state);
        scene.finalize(&second, "a.example.com").await.ok();
        scene.clock.advance(day);
        let third = scene.open(&["a.example.com"]).await.unwrap();
        assert_eq!(scene.progress(&third).await.state, OrderState::Pending);
    }
}

#[tokio::test]
async fn lost_answer_to_finalize_is_found_by_reading() {
    let scene = Scene::new(|ca| ca).await;
    let order = scene.open(&["a.example.com"]).await.unwrap();
    scene.txt(&scene.progress(&order).await.authorizations[0]);
    scene.respond(&order, ChallengeType::Dns01).await;
    scene.ca.fail_next_after(ErrorKind::Unknown);
    let error = scene.finalize(&order, "a.example.com").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unknown);
    assert_eq!(scene.progress(&order).await.state, OrderState::Valid);
    assert_eq!(scene.ca.certificates(), 1);

    scene.ca.fail_next(ErrorKind::RateLimited);
    let error = scene.open(&["b.example.com"]).await.unwrap_err();
    assert_eq!((error.kind(), scene.ca.orders()), (ErrorKind::RateLimited, 1));
    scene.ca.fail_next_after(ErrorKind::Unknown);
    assert!(scene.ca.progress(&scene.account, &order).await.is_err());
}

#[tokio::test]
async fn certificate_is_well_formed_and_good_for_its_time() {
    let validity = Duration::from_secs(6 * 86_400);
    let scene = Scene::new(|ca| ca.with_validity(validity)).await;
    let order = scene.open(&["a.example.com"]).await.unwrap();
    scene.txt(&scene.progress(&order).await.authorizations[0]);
    scene.respond(&order, ChallengeType::Dns01).await;
    scene.finalize(&order, "a.example.com").await.unwrap();
    let chain = scene.ca.certificate(&scene.account, &order).await.unwrap();
    let blocks: Vec<Pem> = Pem::iter_from_buffer(chain.as_bytes()).map(|b| b.unwrap()).collect();
    let (_, leaf) = X509Certificate::from_der(&blocks[0].contents).unwrap();
    let now = scene.clock.now().timestamp();
    assert_eq!(leaf.validity().not_before.timestamp(), now - 3600);
    assert_eq!(leaf.validity().not_after.timestamp(), now - 3600 + 6 * 86_400);
    assert_eq!(leaf.raw_serial().len(), 16);
    assert!(leaf.raw_serial()[0] < 0x80, "the serial number is negative");
    assert!(leaf.key_usage().unwrap().unwrap().value.digital_signature());
    assert!(leaf.extended_key_usage().unwrap().unwrap().value.server_auth);
    let (_, root) = X509Certificate::from_der(&blocks[1].contents).unwrap();
    assert!(root.is_ca() && root.key_usage().unwrap().unwrap().value.key_cert_sign());
    assert_eq!(leaf.issuer().as_raw(), root.subject().as_raw());
}

#[tokio::test]
async fn clones_share_what_the_authority_keeps() {
    let scene = Scene::new(|ca| ca.with_id("other.test/acme")).await;
    let clone = scene.ca.clone();
    let order = scene.open(&["a.example.com"]).await.unwrap();
    assert!(clone.progress(&scene.account, &order).await.is_ok());
    assert_eq!((clone.id(), clone.accounts(), clone.orders()), ("other.test/acme", 1, 1));
}

#[tokio::test]
async fn a_lost_account_is_not_known_and_its_key_gets_another_one() {
    let scene = Scene::new(|ca| ca).await;
    let order = scene.open(&["example.com"]).await.unwrap();
    scene.ca.lose_accounts();
    assert_eq!(scene.ca.accounts(), 0);
    let error = scene.open(&["example.com"]).await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::NotFound, Some("accountDoesNotExist")));
    let key = scene.account.key.clone();
    let again = scene.ca.enroll(&key).await.unwrap();
    assert_ne!(again, scene.account.handle);
    assert_eq!(scene.ca.enroll(&key).await.unwrap(), again);
    let account = Account::new(key, again);
    let error = scene.ca.progress(&account, &order).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Denied | ErrorKind::NotFound), "{error:?}");
}
