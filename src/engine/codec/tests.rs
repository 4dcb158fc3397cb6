use proptest::{collection::vec, option, prelude::*};

use super::*;
use crate::{
    certificate::{OrderStatus, Validation},
    challenge::{
        Challenge, Method, Scope,
        email::{Claim, Correspondence, MailWish, Round, SealedCode},
    },
    clock::after,
    domain::{Contest, Delegation, Founding, Issuance, NewDomain, Offer, Served, Status, Title},
    engine::root::Effect,
    evidence::{Evidence, Found, Seen, Verdict},
    id::{EffectId, OperationId},
    store::Revision,
};

/// What the first release with a store wrote.
const FIRST: &str = include_str!("domain.1.json");

/// What real servers left of version 2: the name of each domain, and its body.
const SECOND: &str = include_str!("domains.2.txt");

fn instant(micros: i64) -> Timestamp {
    Timestamp::from_timestamp_micros(micros).unwrap()
}

fn new_domain(name: &str) -> Domain {
    let name: DomainName = name.parse().unwrap();
    let now = instant(1_800_000_000_000_000);
    let challenge = Challenge {
        method: Method::DnsTxt,
        scope: Scope::Host,
        target: None,
        path: None,
        owner: format!("_plat-challenge.{}", name.base()).parse().unwrap(),
        token: "0f".repeat(32),
        generation: 1,
        issued_at: now,
        expires_at: after(now, std::time::Duration::from_secs(86_400)),
    };
    let (id, tenant) = (DomainId::from_bytes([3; 16]), TenantId::from_bytes([4; 16]));
    let founding = Founding::new(id, tenant, challenge, Validation::Http01, None);
    Domain::new(NewDomain::from(name), founding, now)
}

fn stored(root: DomainRoot, due: Option<Timestamp>) -> Item {
    let (key, header, body) = write_root(&Root::Domain(Box::new(root)), due).unwrap();
    Item::new(key, Revision::new(1, OperationId::from_bytes([5; 16])), header, body)
}

fn loaded(item: &Item) -> DomainRoot {
    match read_root(item).unwrap() {
        Root::Domain(root) => *root,
        other => panic!("{other:?}"),
    }
}

fn intent() -> Intent {
    Intent {
        id: EffectId::from_bytes([6; 16]),
        effect: Effect::OpenOrder { order: OrderId::from_bytes([7; 16]) },
    }
}

/// Instants as they come: mostly whole seconds, to the microsecond, or finer.
fn instants() -> impl Strategy<Value = Timestamp> {
    prop_oneof![
        (0..4_000_000_000_i64).prop_map(|seconds| instant(seconds * 1_000_000)),
        (0..4_000_000_000_000_000_i64).prop_map(instant),
        (-4_000_000_000_i64..200_000_000_000, 0..1_000_000_000_u32)
            .prop_map(|(seconds, nanos)| Timestamp::from_timestamp(seconds, nanos).unwrap()),
    ]
}

fn verdicts() -> impl Strategy<Value = Verdict> {
    prop_oneof![Just(Verdict::Confirmed), Just(Verdict::Refuted), Just(Verdict::Unknown)]
}

fn seen() -> impl Strategy<Value = Seen> {
    let founds = prop_oneof![Just(Found::Values), Just(Found::NxDomain), Just(Found::Nothing)];
    let value = prop_oneof![
        Just(format!("token={}", "0f".repeat(32))),
        Just("0123.acme.platform.test".to_owned()),
        "[ -~]{0,9}",
    ];
    (founds, vec(value, 0..3)).prop_map(|(found, values)| Seen { found, values })
}

prop_compose! {
    /// Evidence of all sorts, with few instants, so that they are often the same.
    fn evidence()(
        times in vec(option::of(instants()), 2),
        choice in vec(0..2_usize, 5),
        last in verdicts(),
        run in verdicts(),
        run_count in 0..3_u16,
        seen in seen(),
    ) -> Evidence {
        let time = |field: usize| times[choice[field]];
        Evidence {
            last,
            at: time(0),
            confirmed_at: time(1),
            run,
            run_since: time(2),
            run_count,
            counted_at: time(3),
            definite_at: time(4),
            seen,
        }
    }
}

prop_compose! {
    fn challenges()(
        owner in prop_oneof![
            Just("_plat-challenge.shop.example.com"),
            Just("a\\.b.c.shop.example.com"),
            Just("shop.example.com"),
            Just("xshop.example.com"),
            Just("_Plat.Shop.Example.Com"),
            Just("elsewhere.example"),
            Just("."),
        ],
        method in prop::sample::select(&Method::ALL[..]),
        scope in prop::sample::select(&Scope::ALL[..]),
        target in option::of(Just("proof.platform.test")),
        path in option::of(Just("/.well-known/plat-challenge/0.txt")),
        generation in 0..3_u32,
        token in prop_oneof![
            Just("0f".repeat(32)),
            Just("0F".repeat(32)),
            Just("0f".repeat(31)),
            "[a-z2-7]{32}",
        ],
        issued_at in instants(),
        other_end in option::of(instants()),
    ) -> Challenge {
        let owner = owner.parse().unwrap();
        let validity = std::time::Duration::from_secs(180 * 86_400);
        let expires_at = other_end.unwrap_or_else(|| after(issued_at, validity));
        let (target, path) = (target.map(|it| it.parse().unwrap()), path.map(str::to_owned));
        Challenge {
            method, scope, owner, token, target, path, generation, issued_at, expires_at,
        }
    }
}

fn delegations() -> impl Strategy<Value = Delegation> {
    let owners = prop_oneof![
        Just("_acme-challenge.shop.example.com"),
        Just("_acme-challenge.example.com"),
        Just("_acme-challenge"),
    ];
    let target = "0123.acme.platform.test";
    owners.prop_map(|owner| Delegation::new(owner.parse().unwrap(), target.parse().unwrap()))
}

prop_compose! {
    fn served()(
        not_before in instants(),
        not_after in instants(),
        other in option::of(instants()),
        key in 8..10_u8,
    ) -> Served {
        let usual = crate::certificate::renew_at(not_before, not_after);
        Served {
            id: CertificateId::from_bytes([8; 16]),
            key: KeyId::from_bytes([key; 16]),
            not_before,
            not_after,
            renew_at: other.unwrap_or(usual),
        }
    }
}

prop_compose! {
    fn domains()(
        (created_at, challenge, status) in (instants(), challenges(), 0..Status::ALL.len()),
        (ownership, mut routing, delegated) in (evidence(), evidence(), evidence()),
        together in vec(any::<bool>(), 3),
        validation in prop::sample::select(
            &[Validation::Dns01, Validation::Dns01Delegated, Validation::Http01][..]
        ),
        delegation in option::of(delegations()),
        certificate in option::of(served()),
        times in vec(option::of(instants()), 6),
        counts in vec(0..3_u32, 3),
        submitted in option::of("[ -~]{0,9}"),
        issuance in any::<bool>(),
    ) -> Domain {
        let mut domain = new_domain("shop.example.com");
        domain.submitted = submitted.unwrap_or(domain.submitted);
        domain.created_at = created_at;
        domain.challenge = challenge;
        domain.status = Status::ALL[status];
        domain.delegation = delegation;
        domain.validation = validation;
        if together[0] {
            routing.at = ownership.at;
        }
        if together[1] {
            routing.run_since = ownership.run_since;
        }
        if together[2] {
            routing.run_count = ownership.run_count;
            routing.counted_at = ownership.counted_at;
        }
        (domain.ownership, domain.routing, domain.delegated) = (ownership, routing, delegated);
        domain.certificate = certificate;
        domain.contested_at = times[0];
        domain.title = Title {
            contest: times[3].map(|since| Contest {
                since,
                cool_off_until: times[4],
                against: "0f".repeat(16),
            }),
            challenged_at: times[0],
            offer: times[5].map(|at| Offer::new(domain.tenant, at, "code")),
            acquired_at: times[1],
            rests_until: times[2],
            taken_up: together[0],
            gives_up: issuance,
        };
        domain.next_check_at = times[1];
        domain.last_order_at = times[2];
        domain.next_order_at = times[3];
        domain.removed_at = times[4];
        domain.grace_until = times[5];
        (domain.checks, domain.failed_orders, domain.service_failures) =
            (counts[0], counts[1], counts[2]);
        domain.answers = (0..counts[0]).map(|answer| answer.to_string()).collect();
        domain.record_version = u64::from(counts[1]);
        domain.issuance = issuance.then_some(Issuance {
            order: OrderId::from_bytes([7; 16]),
            stage: OrderStatus::Pending,
        });
        domain
    }
}

proptest! {
    #[test]
    fn a_domain_reads_back_as_it_was_written(
        domain in domains(),
        due in option::of(instants()),
        due_at_next_check in any::<bool>(),
        busy in any::<bool>(),
    ) {
        let due = if due_at_next_check { domain.next_check_at } else { due };
        let root = DomainRoot { domain, order: None, intent: busy.then(intent) };
        let item = stored(root.clone(), due);
        prop_assert_eq!(loaded(&item), root, "{}", item.body.as_str());
        prop_assert_eq!(read_domain(&item).unwrap(), loaded(&item).domain);
    }
}

#[test]
fn a_domain_with_records_and_failures_reads_back_as_it_was_written() {
    let mut domain = new_domain("*.example.com");
    let now = domain.created_at;
    let record = "_acme-challenge.example.com".parse().unwrap();
    domain.note_stray(&record, "value", now);
    domain.sweep_at(&record, now);
    domain.last_failure = Some(crate::domain::Failure {
        kind: ErrorKind::Refused,
        code: Some("caa".to_owned()),
        message: "no".to_owned(),
        at: now,
        attempts: 3,
    });
    let root = DomainRoot { domain, order: None, intent: Some(intent()) };
    assert_eq!(loaded(&stored(root.clone(), None)), root);
}

#[test]
fn a_domain_that_is_proved_by_mail_reads_back_as_it_was_written() {
    let mut domain = new_domain("shop.example.com");
    domain.challenge.method = Method::Email;
    let now = domain.created_at();
    let address = |text: &str| text.parse().unwrap();
    let mut mail = Correspondence::new(MailWish::new().with_addresses(["admin@example.com"]));
    for full in [false, true] {
        if full {
            mail.begin(
                Round {
                    number: 2,
                    generation: 1,
                    digest: "0f".repeat(32),
                    sealed: SealedCode("sealed.1.text".to_owned()),
                    addresses: ["admin@example.com", "webmaster@example.com"].map(address).into(),
                    expires_at: after(now, std::time::Duration::from_secs(60)),
                },
                std::time::Duration::from_secs(3600),
                now,
            );
            mail.wrote(&address("webmaster@example.com"), true);
            mail.doubted(&address("admin@example.com"));
            let ttl = std::time::Duration::from_secs(60);
            let of = Claim { generation: 1, ttl, doubted_at: None };
            mail.confirm("wrong", of, now).unwrap_err();
            mail.confirmed = Some((now, 1));
            mail.wanted = true;
        }
        domain.mail = Some(Box::new(mail.clone()));
        let item = stored(DomainRoot::new(domain.clone()), Some(now));
        assert_eq!(loaded(&item).domain, domain, "{}", item.body.as_str());
    }
}

#[test]
fn a_domain_of_the_first_version_is_read_and_written_anew() {
    let header = Header {
        due: Some("2027-02-24T09:30:43.200Z".parse().unwrap()),
        expires: Some("2027-04-15T07:00:00Z".parse().unwrap()),
        ..Header::default()
    };
    let key = Key::new(Kind::Domain, "e8dd943d366caae7beb706c6ae668eff");
    let revision = Revision::new(1, OperationId::from_bytes([5; 16]));
    let first = loaded(&Item::new(key, revision, header.clone(), Body::new(FIRST.to_owned())));
    assert_eq!(first.domain.name.as_str(), "shop.example.com");
    assert_eq!(first.domain.ownership.run_count, 41);
    assert!(first.intent.is_some());

    let item = stored(first.clone(), header.due);
    assert!(item.body.as_str().starts_with("{\"v\":3,"), "{}", item.body.as_str());
    assert_eq!(loaded(&item), first);
}

#[test]
fn a_domain_of_the_second_version_is_read_and_written_anew() {
    let read: Vec<Domain> = SECOND
        .lines()
        .map(|line| {
            let (name, body) = line.split_once(' ').unwrap();
            let header = Header {
                tenant: Some(TenantId::from_bytes([4; 16])),
                name: Some(name.to_owned()),
                expires: Some("2027-04-15T07:00:00Z".parse().unwrap()),
                ..Header::default()
            };
            let key = Key::new(Kind::Domain, DomainId::from_bytes([3; 16]));
            let revision = Revision::new(1, OperationId::from_bytes([5; 16]));
            let root = loaded(&Item::new(key, revision, header, Body::new(body.to_owned())));
            let written = stored(root.clone(), None);
            let text = written.body.as_str();
            assert!(text.starts_with("{\"v\":3,"), "{text}");
            assert!(text.len() < body.len(), "{text}");
            assert_eq!(loaded(&written), root, "{text}");
            root.domain
        })
        .collect();
    let [wildcard, records, unproved, failed, swept] = read.as_slice() else { panic!("{read:?}") };

    let at = |seconds: i64| Some(instant(seconds * 1_000_000));
    assert_eq!(wildcard.status, Status::Active);
    assert_eq!(wildcard.validation, Validation::Dns01Delegated);
    let token = "a5e1b7cac680d7797b758ed63538824951e4d601131d15b046cfb1ecf3133b73";
    assert_eq!(wildcard.challenge.token, token);
    assert_eq!(Some(wildcard.challenge.expires_at), at(1_810_917_698));
    for evidence in [&wildcard.ownership, &wildcard.routing, &wildcard.delegated] {
        assert_eq!((evidence.at, evidence.run_count), (at(1_795_365_739), 1));
        assert_eq!(evidence.run_since, at(1_795_365_700));
        assert_eq!(evidence.counted_at, at(1_795_365_700));
    }
    let served = wildcard.certificate.as_ref().unwrap();
    assert_eq!(served.id.to_string(), "d999c1d6503438051d532a23637754df");
    assert_eq!(served.key.to_string(), "9ce956d317d241469fc6d70f0a04fd77");
    assert_eq!((records.records.len(), records.validation), (1, Validation::Dns01));
    assert_eq!(unproved.routing.seen.found, Found::NxDomain);
    assert_eq!(unproved.routing.confirmed_at, None);
    assert_eq!(failed.last_failure.as_ref().unwrap().attempts, 1);
    assert_eq!((swept.sweeps.len(), swept.validation), (1, Validation::Http01));
}

/// What an earlier version leaves out is not taken from beside it.
#[test]
fn evidence_of_the_second_version_is_read_by_itself() {
    let item = stored(DomainRoot::new(new_domain("shop.example.com")), None);
    let [ownership, routing] = ["3", "2"].map(|version| {
        let body = item.body.as_str().replacen('3', version, 1).replacen(
            "\"challenge\"",
            "\"ownership\":{\"at\":1,\"since\":1,\"count\":2},\"routing\":{},\"challenge\"",
            1,
        );
        let domain = read_domain(&Item { body: Body::new(body), ..item.clone() }).unwrap();
        (domain.ownership.run_count, domain.routing.at, domain.routing.run_count)
    });
    assert_eq!(ownership, (2, Some(instant(1_000_000)), 2));
    assert_eq!(routing, (2, None, 0));
}

#[test]
fn a_domain_of_a_later_version_is_not_read() {
    let mut item = stored(DomainRoot::new(new_domain("shop.example.com")), None);
    for (body, kind) in [
        (item.body.as_str().replacen("\"v\":3", "\"v\":4", 1), ErrorKind::Unsupported),
        (item.body.as_str().replacen("\"v\":3", "\"v\":0", 1), ErrorKind::Unsupported),
        ("{\"v\":3}".to_owned(), ErrorKind::Malformed),
        ("{\"v\":2}".to_owned(), ErrorKind::Malformed),
        ("{}".to_owned(), ErrorKind::Malformed),
    ] {
        item.body = Body::new(body);
        assert_eq!(read_root(&item).unwrap_err().kind(), kind, "{}", item.body.as_str());
    }
}

#[test]
fn a_domain_under_a_header_that_is_not_its_own_is_malformed() {
    let item = stored(DomainRoot::new(new_domain("shop.example.com")), None);
    let spoilt: [fn(&mut Item); 3] = [
        |item| item.header.name = None,
        |item| item.header.tenant = None,
        |item| item.key.id = "other".to_owned(),
    ];
    for spoil in spoilt {
        let mut item = item.clone();
        spoil(&mut item);
        assert_eq!(read_root(&item).unwrap_err().kind(), ErrorKind::Malformed);
    }
}

/// Operators and later releases read it: a change is a new version.
#[test]
fn the_form_of_a_new_domain_and_of_one_that_is_served_stays_as_it_is() {
    let mut domain = new_domain("shop.example.com");
    let now = domain.created_at;
    // The token is 64 characters, `0f` again and again.
    let digest = "Dw8PDw8PDw8PDw8PDw8PDw8PDw8PDw8PDw8PDw8PDw8";
    let item = stored(DomainRoot::new(domain.clone()), Some(now));
    let new = format!(
        "{{\"v\":3,\"created\":1800000000,\"status\":\"pending\",\
         \"challenge\":{{\"at\":\"_plat-challenge\",\
         \"digest\":\"{digest}\",\"until\":1800086400}}}}"
    );
    assert_eq!(item.body.as_str(), new);

    domain.status = Status::Active;
    domain.last_order_at = Some(now + chrono::TimeDelta::milliseconds(250));
    let looks = Evidence {
        last: Verdict::Confirmed,
        at: Some(now),
        confirmed_at: Some(now),
        run: Verdict::Confirmed,
        run_since: Some(now),
        run_count: 1,
        counted_at: Some(now),
        definite_at: Some(now),
        seen: Seen::values([domain.challenge.value()]),
    };
    domain.ownership = looks.clone();
    domain.routing = Evidence {
        run_since: Some(after(now, std::time::Duration::from_secs(60))),
        seen: Seen::values(["203.0.113.10".to_owned()]),
        ..looks
    };
    domain.certificate = Some(Served {
        id: CertificateId::from_bytes([8; 16]),
        key: KeyId::from_bytes([8; 16]),
        not_before: now,
        not_after: after(now, std::time::Duration::from_secs(90)),
        renew_at: after(now, std::time::Duration::from_secs(45)),
    });
    let item = stored(DomainRoot::new(domain), Some(now));
    let certificate = "08".repeat(16);
    let served = format!(
        "{},\"ownership\":{{\"at\":1800000000,\"since\":1800000000,\"count\":1}},\
         \"routing\":{{\"since\":1800000060,\"seen\":[\"203.0.113.10\"]}},\
         \"certificate\":{{\"id\":\"{certificate}\",\"from\":1800000000}},\
         \"ordered\":1800000000.25}}",
        new.strip_suffix('}').unwrap().replace("pending", "active")
    );
    assert_eq!(item.body.as_str(), served);
}

#[test]
fn a_version_is_found_wherever_it_stands() {
    for text in ["{\"v\":1}", "{\"v\":1,\"other\":2}", "{ \"other\": 2, \"v\": 1 }"] {
        assert_eq!(version(text, &"it", 1).unwrap(), 1, "{text}");
    }
    for (text, kind) in [
        ("{\"v\":2}", ErrorKind::Unsupported),
        ("{\"v\":0,\"other\":2}", ErrorKind::Unsupported),
        ("{\"v\":2,", ErrorKind::Malformed),
        ("{\"v\":-1}", ErrorKind::Malformed),
        ("{}", ErrorKind::Malformed),
        ("", ErrorKind::Malformed),
    ] {
        assert_eq!(version(text, &"it", 1).unwrap_err().kind(), kind, "{text}");
    }
}

#[test]
fn a_text_that_breaks_off_behind_its_version_is_malformed() {
    for text in ["{\"v\":1,", "{\"v\":1,\"other\"}"] {
        let read = read::<serde_json::Value>(text, &"it");
        assert_eq!(read.unwrap_err().kind(), ErrorKind::Malformed, "{text}");
    }
}
