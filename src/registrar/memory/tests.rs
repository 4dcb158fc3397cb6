use super::*;
use crate::id::OsRandom;

fn name(text: &str) -> DomainName {
    text.parse().unwrap()
}

fn purchase(text: &str, minor_units: u64) -> Purchase {
    let id = RegistrationId::random(&OsRandom).unwrap();
    Purchase::new(id, name(text), Money::new(minor_units, Currency::EUR))
}

#[tokio::test]
async fn error_that_took_effect_is_found_by_the_purchase() {
    let registrar = InMemoryRegistrar::new();
    let purchase = purchase("shop.example", 1000);
    registrar.fail_next_after(ErrorKind::Unknown);
    assert!(registrar.register(&purchase, Wait::No).await.is_err());
    let found = registrar.workflow(&purchase).await.unwrap().unwrap();
    assert_eq!((found.status, found.charged), (Status::Succeeded, Some(purchase.expected_price)));
    assert_eq!(registrar.register(&purchase, Wait::No).await.unwrap(), found);
    assert_eq!(registrar.charges(), [(purchase.id, purchase.expected_price)]);
}

#[tokio::test]
async fn failed_purchase_gives_the_money_and_the_name_back() {
    let registrar = InMemoryRegistrar::new();
    registrar.set_balance(1500);
    registrar.script(name("shop.example"), [Event::Accepted, Event::Held, Event::Rejected]);
    let first = purchase("shop.example", 1000);
    let started = registrar.register(&first, Wait::No).await.unwrap();
    assert_eq!((started.status, registrar.balance()), (Status::InProgress, Some(500)));
    let too_much = registrar.register(&purchase("other.example", 1000), Wait::No).await;
    assert_eq!(too_much.unwrap_err().code(), Some("balance"));

    let held = registrar.workflow(&first).await.unwrap().unwrap();
    assert_eq!((held.status, held.detail.is_some()), (Status::Blocked, true));
    let failed = registrar.workflow(&first).await.unwrap().unwrap();
    assert_eq!((failed.status, failed.charged), (Status::Failed, None));
    assert_eq!((registrar.balance(), registrar.charges()), (Some(1500), vec![]));
    let second = registrar.register(&purchase("shop.example", 1000), Wait::No).await.unwrap();
    assert_eq!(second.status, Status::Succeeded);
}

#[tokio::test]
async fn wait_lasts_until_somebody_else_has_to_act() {
    let registrar = InMemoryRegistrar::new();
    let wait = Wait::UpTo(std::time::Duration::from_secs(1));
    registrar.script(name("a.example"), [Event::Accepted, Event::Completed]);
    let workflow = registrar.register(&purchase("a.example", 1000), wait).await.unwrap();
    assert_eq!(workflow.status, Status::Succeeded);
    let steps = [Event::Accepted, Event::ActionRequested, Event::Resumed, Event::Completed];
    registrar.script(name("b.example"), steps);
    let asked = purchase("b.example", 1000);
    let workflow = registrar.register(&asked, wait).await.unwrap();
    assert_eq!(workflow.status, Status::ActionRequired);
    assert_eq!(registrar.advance(asked.id, Event::Completed), Some(Status::Succeeded));
    assert_eq!(registrar.advance(asked.id, Event::Rejected), Some(Status::Succeeded));
    let unknown = RegistrationId::random(&OsRandom).unwrap();
    assert_eq!(registrar.advance(unknown, Event::Accepted), None);
}

#[tokio::test]
async fn only_registrable_names_are_sold_and_each_year_costs() {
    let registrar = InMemoryRegistrar::new();
    registrar.set_price(Money::new(700, Currency::EUR));
    for text in ["www.shop.example", "*.shop.example"] {
        let available = registrar.check(&name(text)).await.unwrap();
        assert_eq!(available, Availability::NotSupported, "{text}");
    }
    let mut three = purchase("shop.example", 2099);
    three.years = 3;
    let short = registrar.register(&three, Wait::No).await.unwrap_err();
    assert_eq!((short.kind(), short.code()), (ErrorKind::Precondition, Some("price")));
    three.expected_price.minor_units = 2100;
    let workflow = registrar.register(&three, Wait::No).await.unwrap();
    assert_eq!(workflow.charged, Some(Money::new(2100, Currency::EUR)));
}
