//! Attacks on the proof by mail.

use nameplate::{
    DomainName, Error,
    challenge::{
        Method,
        email::{Contacts, MailWish, Tries},
    },
    clock::{Clock, after},
    domain::{NewDomain, Status},
    engine::Notice,
    error::ErrorKind,
    id::{DomainId, TenantId},
    name::DnsName,
    record::{Caa, RecordData, RecordSet, RecordType, Ttl, Txt},
    resolver::{Answer, Failure, Mode, Outcome},
};

use crate::{
    common::{DAY, HOUR, MINUTE, OTHER, TENANT, World, dns, run_until},
    dns_names::lied_to,
};

const NAME: &str = "shop.example.com";
const ADMIN: &str = "admin@example.com";

fn by_mail(name: &str, wish: MailWish) -> NewDomain {
    let name: DomainName = name.parse().unwrap();
    NewDomain::from(name).with_method(Method::Email).with_mail(wish)
}

async fn claim(world: &World, tenant: &TenantId, name: &str, wish: MailWish) -> DomainId {
    let id = world.add_with(tenant, by_mail(name, wish)).await.id();
    world.run_for(MINUTE).await;
    id
}

/// Gives back what was mailed last: the rightful flow.
async fn answer(world: &World, tenant: &TenantId, id: DomainId) {
    let code = world.codes(ADMIN).pop().unwrap();
    let proved = world.onboarding.confirm(tenant, id, &code).await.unwrap();
    assert_eq!(proved.status(), Status::Verified);
}

async fn status(world: &World, tenant: &TenantId, id: DomainId) -> Status {
    world.onboarding.get(tenant, id).await.unwrap().status()
}

/// Gives a code for a claim, which must not prove anything.
async fn refused(world: &World, tenant: &TenantId, id: DomainId, code: &str) -> Error {
    world.onboarding.confirm(tenant, id, code).await.unwrap_err()
}

fn recipients(world: &World) -> Vec<String> {
    world.mailer.sent().into_iter().map(|message| message.to).collect()
}

#[tokio::test]
async fn e01_a_link_that_is_only_opened_confirms_nothing() {
    let world = World::new();
    let id = claim(&world, &TENANT, NAME, MailWish::new()).await;
    answer(&world, &TENANT, id).await;

    // Everything that comes to pass without the tenant's own confirmation: scanners open the links of
    // all mails, the tenant looks again and again, time goes by.
    let world = World::new();
    let id = claim(&world, &TENANT, NAME, MailWish::new()).await;
    assert_eq!(world.codes(ADMIN).len(), 1);
    for _ in 0..5 {
        world.onboarding.check(&TENANT, id).await.unwrap();
        world.run_for(HOUR).await;
    }
    assert_eq!(status(&world, &TENANT, id).await, Status::Pending);

    // Somebody who is signed in as another tenant opens it, and presses the button.
    let code = world.codes(ADMIN).pop().unwrap();
    assert_eq!(refused(&world, &OTHER, id, &code).await.kind(), ErrorKind::NotFound);
    let theirs = claim(&world, &OTHER, NAME, MailWish::new()).await;
    assert_eq!(refused(&world, &OTHER, theirs, &code).await.kind(), ErrorKind::Refused);
    assert_eq!(status(&world, &OTHER, theirs).await, Status::Pending);
    assert_eq!(status(&world, &TENANT, id).await, Status::Pending);
}

#[tokio::test]
async fn e02_a_mail_proves_the_claimed_name_and_no_host_of_an_address() {
    let world = World::new();
    let id = claim(&world, &TENANT, NAME, MailWish::new()).await;
    let code = world.codes(ADMIN).pop().unwrap();
    answer(&world, &TENANT, id).await;

    // The mail went to example.com; the tenant claims that too, and names beside and below.
    for name in ["example.com", "*.example.com", "www.example.com", "a.shop.example.com"] {
        let more = claim(&world, &TENANT, name, MailWish::new()).await;
        assert_eq!(
            refused(&world, &TENANT, more, &code).await.kind(),
            ErrorKind::Refused,
            "{name}"
        );
        assert_eq!(status(&world, &TENANT, more).await, Status::Pending, "{name}");
    }

    // An address of one's own is no contact, whatever stands in front of the host.
    let world = World::new();
    let wish = MailWish::new().with_addresses([
        "admin@example.net",
        "me@example.com",
        "admin@shop.example.com.example.net",
        "admin@example.com@example.net",
    ]);
    claim(&world, &TENANT, NAME, wish).await;
    assert_eq!(recipients(&world).len(), 5);
    assert!(recipients(&world).iter().all(|to| to.ends_with("@example.com")));
    for scope in ["example.net", "www.example.com", "a.shop.example.com"] {
        let wish = MailWish::new().with_scope(scope.parse().unwrap());
        let error = world.onboarding.add(&OTHER, by_mail(NAME, wish)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{scope}");
    }
}

#[tokio::test]
async fn e03_no_contact_of_a_registration_is_written_to() {
    let world = World::new();
    let id = claim(&world, &TENANT, NAME, MailWish::new()).await;
    answer(&world, &TENANT, id).await;

    // Whatever a WHOIS server says: there is nowhere to say it, and choosing the address is no use.
    let contacts = Contacts::new(&NAME.parse().unwrap(), None).unwrap();
    assert_eq!(contacts.whois(), []);
    let registrant = "registrant@example.org";
    assert!(contacts.all().iter().all(|address| address.as_str() != registrant));
    let world = World::new();
    claim(&world, &TENANT, NAME, MailWish::new().with_addresses([registrant])).await;
    assert!(recipients(&world).iter().all(|to| to.ends_with("@example.com")));
}

#[tokio::test]
async fn e04_no_address_can_carry_a_header_a_quote_a_tag_or_another_script() {
    let world = World::new();
    let owner: DnsName = "_validation-contactemail.example.com".parse().unwrap();
    let publish = |values: &[&[u8]]| {
        let texts = values.iter().map(|value| RecordData::Txt(Txt::from_bytes(value)));
        let set = RecordSet::new(owner.clone(), Ttl::HOUR, texts).unwrap();
        world.dns.set(set).unwrap();
    };
    publish(&[b"dns@example.net"]);
    let id = claim(&world, &TENANT, NAME, MailWish::new()).await;
    assert_eq!(world.codes("dns@example.net").len(), 1);
    answer(&world, &TENANT, id).await;

    let attacks: [&[u8]; 10] = [
        b"dns@example.net\r\nBcc: victim@example.org",
        b"dns@example.net\nsecond@example.net",
        b"victim@example.org, dns@example.net",
        b"\"victim@example.org\"@example.net",
        b"\"a b\"@example.net",
        b"victim+tag@example.org",
        "dns@b\u{fc}cher.example".as_bytes(),
        "b\u{fc}ro@example.net".as_bytes(),
        b"victim%example.org@example.net",
        b"dns@example.net\0",
    ];
    publish(&attacks);
    let caa = Caa::new(0, "contactemail", b"x@example.net\r\nBcc: victim@example.org").unwrap();
    let set = RecordSet::new("example.com".parse().unwrap(), Ttl::HOUR, [RecordData::Caa(caa)]);
    world.dns.set(set.unwrap()).unwrap();
    let before = recipients(&world).len();
    let texts = attacks.map(|attack| String::from_utf8_lossy(attack).into_owned());
    claim(&world, &OTHER, NAME, MailWish::new().with_addresses(texts)).await;
    let after = recipients(&world).split_off(before);
    assert_eq!(after.len(), 5, "{after:?}");
    assert!(after.iter().all(|to| to.ends_with("@example.com")), "{after:?}");
}

#[tokio::test]
async fn e05_codes_are_long_and_wrong_ones_are_counted() {
    let world = World::new();
    let id = claim(&world, &TENANT, NAME, MailWish::new()).await;
    let code = world.codes(ADMIN).pop().unwrap();
    // 256 bits.
    assert_eq!(code.len(), 64);
    assert!(code.bytes().all(|byte| byte.is_ascii_hexdigit()));
    // Who mistypes it once is not kept out.
    assert_eq!(refused(&world, &TENANT, id, "0").await.kind(), ErrorKind::Refused);
    answer(&world, &TENANT, id).await;

    let world = World::new();
    let id = claim(&world, &TENANT, NAME, MailWish::new()).await;
    let code = world.codes(ADMIN).pop().unwrap();
    world.run_for(HOUR).await;
    for guess in 0..Tries::MAX {
        let error = refused(&world, &TENANT, id, &format!("{guess:064x}")).await;
        assert_eq!(error.kind(), ErrorKind::Refused);
    }
    // From now on not even the right one is looked at, and another mail changes nothing about that.
    for given in ["1", &code] {
        let error = refused(&world, &TENANT, id, given).await;
        assert_eq!(error.kind(), ErrorKind::RateLimited);
        assert!(error.retry_after().unwrap() <= Tries::WINDOW);
    }
    world.onboarding.resend(&TENANT, id).await.unwrap();
    world.run_for(HOUR).await;
    let code = world.codes(ADMIN).pop().unwrap();
    assert_eq!(refused(&world, &TENANT, id, &code).await.kind(), ErrorKind::RateLimited);
    assert_eq!(status(&world, &TENANT, id).await, Status::Pending);
    let told = world.onboarding.notices(&TENANT, id, 0).await.unwrap();
    let counted = told.iter().filter(|told| told.notice == Notice::CodeRefused).count();
    assert_eq!(counted, Tries::MAX as usize);
    // The next day the tenant may try again.
    world.run_for(DAY).await;
    answer(&world, &TENANT, id).await;
}

#[tokio::test]
async fn e05_nobody_is_flooded_with_mail() {
    let world = World::new();
    let id = claim(&world, &TENANT, NAME, MailWish::new()).await;
    for _ in 0..20 {
        let error = world.onboarding.resend(&TENANT, id).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::RateLimited);
        world.onboarding.check(&TENANT, id).await.unwrap();
        world.run_for(MINUTE).await;
    }
    assert_eq!(recipients(&world).len(), 5);
    world.run_for(HOUR).await;
    world.onboarding.resend(&TENANT, id).await.unwrap();
    world.run_for(HOUR).await;
    assert_eq!(recipients(&world).len(), 10);
    // Nor by new tokens, of which each needs a mail.
    for _ in 0..20 {
        world.onboarding.renew_token(&TENANT, id).await.unwrap();
        world.onboarding.change_method(&TENANT, id, Method::DnsTxt).await.unwrap();
        world.onboarding.change_method(&TENANT, id, Method::Email).await.unwrap();
        world.run_for(MINUTE).await;
    }
    assert_eq!(recipients(&world).len(), 15);
    world.run_for(HOUR * 2).await;
    assert_eq!(recipients(&world).len(), 20);
    answer(&world, &TENANT, id).await;

    // Nor by many names, or by claiming one again and again.
    let world = World::new();
    for number in 0..30 {
        let id = claim(&world, &TENANT, &format!("a{number}.example.com"), MailWish::new()).await;
        world.onboarding.remove(&TENANT, id).await.unwrap();
        world.run_for(MINUTE).await;
    }
    assert_eq!(recipients(&world).len(), 50);
    // What one tenant used up is not another's.
    let theirs = claim(&world, &OTHER, NAME, MailWish::new()).await;
    assert_eq!(recipients(&world).len(), 55);
    answer(&world, &OTHER, theirs).await;
}

fn texts(owner: &str, values: &[&str]) -> RecordSet {
    let texts = values.iter().map(|value| RecordData::Txt(Txt::from_text(value)));
    RecordSet::new(dns(owner), Ttl::HOUR, texts).unwrap()
}

fn contact(owner: &str, address: &str) -> RecordSet {
    let caa = Caa::new(0, "contactemail", address.as_bytes()).unwrap();
    RecordSet::new(dns(owner), Ttl::HOUR, [RecordData::Caa(caa)]).unwrap()
}

/// Where a zone publishes addresses.
const PUBLISHED: &str = "_validation-contactemail.example.com";

#[tokio::test]
async fn c04_c07_an_address_that_only_one_way_of_looking_shows_is_not_written_to() {
    // The rightful flow.
    let world = World::new();
    world.dns.set(texts(PUBLISHED, &["dns@example.net"])).unwrap();
    world.dns.set(contact("example.com", "caa@example.net")).unwrap();
    claim(&world, &TENANT, NAME, MailWish::new()).await;
    assert!(recipients(&world).contains(&"dns@example.net".to_owned()));
    assert!(recipients(&world).contains(&"caa@example.net".to_owned()));

    for shown in [Mode::Authoritative, Mode::Recursive] {
        let world = World::new();
        let forged =
            [texts(PUBLISHED, &["me@example.org"]), contact("example.com", "me@example.org")];
        let process = lied_to(&world, move |lookup, answer| {
            let forged = forged
                .iter()
                .find(|set| (set.name(), set.record_type()) == (&lookup.name, lookup.record_type));
            match forged.filter(|_| lookup.mode == shown) {
                Some(set) => Answer::new(Outcome::Answer(set.records().collect())),
                None => answer,
            }
        });
        let id = process.add(&TENANT, by_mail(NAME, MailWish::new())).await.unwrap().id();
        process.check(&TENANT, id).await.unwrap();
        let end = after(world.clock.now(), MINUTE);
        run_until(&process, &world.store, &world.clock, end).await;
        assert_eq!(recipients(&world).len(), 5, "{shown:?}");
        assert!(recipients(&world).iter().all(|to| to.ends_with("@example.com")), "{shown:?}");
    }
}

#[tokio::test]
async fn b10_an_address_that_a_wildcard_publishes_is_not_written_to() {
    let world = World::new();
    world.dns.set(texts("*.example.com", &["me@example.org"])).unwrap();
    claim(&world, &TENANT, NAME, MailWish::new()).await;
    assert_eq!(recipients(&world).len(), 5);
    assert!(recipients(&world).iter().all(|to| to.ends_with("@example.com")));
    // Nor by the other record that may publish one; what the name has of its own counts beside it.
    world.dns.set(contact("*.example.com", "me@example.org")).unwrap();
    let scope = || MailWish::new().with_scope(NAME.parse().unwrap());
    claim(&world, &OTHER, NAME, scope()).await;
    assert_eq!(recipients(&world).len(), 10);
    assert!(!recipients(&world).iter().any(|to| to.ends_with("@example.org")));
    let own = "_validation-contactemail.example.com";
    world.dns.set(texts(own, &["dns@example.net"])).unwrap();
    claim(&world, &TENANT, "www.example.com", MailWish::new()).await;
    assert!(recipients(&world).iter().any(|to| to == "dns@example.net"));
}

#[tokio::test]
async fn c10_where_nobody_answers_for_caa_records_those_above_are_not_taken() {
    let world = World::new();
    world.dns.set(contact("example.com", "caa@example.net")).unwrap();
    let wish = || MailWish::new().with_scope(NAME.parse().unwrap());
    let process = lied_to(&world, |lookup, answer| match lookup.record_type {
        RecordType::Caa if lookup.name == dns(NAME) => {
            Answer::new(Outcome::Failed(Failure::ServFail))
        }
        _ => answer,
    });
    process.add(&TENANT, by_mail(NAME, wish())).await.unwrap();
    let end = after(world.clock.now(), MINUTE);
    run_until(&process, &world.store, &world.clock, end).await;
    assert_eq!(recipients(&world).len(), 5);
    claim(&world, &OTHER, NAME, wish()).await;
    assert_eq!(recipients(&world).len(), 11, "who can tell that there are none goes on");
}
