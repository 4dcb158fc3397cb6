//! Cases for a [`Registrar`].

use std::{collections::HashSet, sync::Arc, time::Duration};

use tokio::task::JoinSet;

use crate::{
    error::{ErrorKind, Result},
    id::{OsRandom, RegistrationId},
    name::DomainName,
    registrar::{Availability, Registrar, Wait, Workflow},
    registration::{Currency, Money, Purchase, RegistrationStatus},
};

/// Names at a registrar. **The cases buy them**: a sandbox, never a real account.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Shop {
    /// A name that can be bought, and that no case has bought before.
    pub free: DomainName,
    /// A name that somebody has.
    pub taken: DomainName,
    /// A name that this registrar does not sell.
    pub unsupported: DomainName,
    /// How long to wait between two looks at a workflow.
    pub pause: Duration,
}

impl Shop {
    /// Creates a shop whose workflows are looked at every ten milliseconds.
    pub const fn new(free: DomainName, taken: DomainName, unsupported: DomainName) -> Self {
        Self { free, taken, unsupported, pause: Duration::from_millis(10) }
    }
}

/// Makes one test of every case in [`conformance::registrar`](crate::conformance::registrar).
///
/// `$setup` is a future that gives a registrar and a [`Shop`].
#[macro_export]
macro_rules! registrar_conformance {
    ($name:ident, $setup:expr) => {
        mod $name {
            #[allow(unused_imports)]
            use super::*;

            $crate::__conformance_cases!(
                [$crate::conformance::registrar] $setup => (registrar, shop);
                availability_is_told,
                checking_buys_nothing,
                bought_name_is_charged_at_its_price,
                workflow_ends,
                bought_name_is_taken,
                price_above_the_expected_one_buys_nothing,
                price_in_another_currency_buys_nothing,
                impossible_term_buys_nothing,
                taken_name_is_refused,
                unsupported_name_is_not_bought,
                one_purchase_id_buys_once,
                one_purchase_id_buys_once_at_the_same_time,
                one_name_is_bought_by_one,
                purchase_id_is_not_used_for_another_name,
                workflow_is_found_by_the_purchase,
                unknown_purchase_has_no_workflow,
            );
        }
    };
}

fn id() -> RegistrationId {
    RegistrationId::random(&OsRandom).unwrap()
}

async fn price(registrar: &impl Registrar, name: &DomainName) -> Money {
    match registrar.check(name).await.unwrap() {
        Availability::Available { price, .. } => price,
        other => panic!("{name} is not available: {other:?}"),
    }
}

async fn purchase(registrar: &impl Registrar, name: &DomainName) -> Purchase {
    Purchase::new(id(), name.clone(), price(registrar, name).await)
}

/// Waits until a workflow ends.
async fn end(registrar: &impl Registrar, shop: &Shop, purchase: &Purchase) -> Workflow {
    for _ in 0..1000 {
        let workflow = registrar.workflow(purchase).await.unwrap().unwrap();
        if workflow.status.is_final() {
            return workflow;
        }
        tokio::time::sleep(shop.pause).await;
    }
    panic!("the workflow of {} does not end", purchase.name);
}

fn assert_kind(result: Result<Workflow>, kinds: &[ErrorKind]) {
    let error = result.expect_err("the purchase was taken on");
    assert!(kinds.contains(&error.kind()), "{:?}: {error}", error.kind());
}

/// Checks that a purchase came to nothing.
async fn assert_not_bought(registrar: &impl Registrar, purchase: &Purchase) {
    match registrar.workflow(purchase).await.unwrap() {
        None => {}
        Some(workflow) => {
            assert_eq!(workflow.status, RegistrationStatus::Failed, "{workflow:?}");
            assert_eq!(workflow.charged, None);
        }
    }
}

/// Free, taken and not sold are told apart, and a price is more than nothing.
pub async fn availability_is_told(registrar: impl Registrar, shop: Shop) {
    assert!(price(&registrar, &shop.free).await.minor_units > 0);
    assert_eq!(registrar.check(&shop.taken).await.unwrap(), Availability::Taken);
    assert_eq!(registrar.check(&shop.unsupported).await.unwrap(), Availability::NotSupported);
}

/// A name can be looked at as often as one likes.
pub async fn checking_buys_nothing(registrar: impl Registrar, shop: Shop) {
    let first = registrar.check(&shop.free).await.unwrap();
    for _ in 0..3 {
        assert_eq!(registrar.check(&shop.free).await.unwrap(), first);
    }
}

/// What is charged is what was shown, and no more than was expected.
pub async fn bought_name_is_charged_at_its_price(registrar: impl Registrar, shop: Shop) {
    let mut purchase = purchase(&registrar, &shop.free).await;
    let shown = purchase.expected_price;
    purchase.expected_price = Money::new(shown.minor_units * 2, shown.currency);
    registrar.register(&purchase, Wait::No).await.unwrap();
    let workflow = end(&registrar, &shop, &purchase).await;
    assert_eq!(workflow.status, RegistrationStatus::Succeeded, "{workflow:?}");
    assert_eq!(workflow.charged, Some(shown));
}

/// To wait for a workflow ends too, with what the workflow says.
pub async fn workflow_ends(registrar: impl Registrar, shop: Shop) {
    let purchase = purchase(&registrar, &shop.free).await;
    let wait = Wait::UpTo(shop.pause);
    let first = registrar.register(&purchase, wait).await.unwrap();
    let last = end(&registrar, &shop, &purchase).await;
    assert_eq!(last.reference, first.reference);
    if first.status.is_final() {
        assert_eq!(last, first);
    }
    assert_eq!(end(&registrar, &shop, &purchase).await, last);
}

/// Nobody else can buy what was bought.
pub async fn bought_name_is_taken(registrar: impl Registrar, shop: Shop) {
    let first = purchase(&registrar, &shop.free).await;
    registrar.register(&first, Wait::No).await.unwrap();
    assert_eq!(registrar.check(&shop.free).await.unwrap(), Availability::Taken);
    let mut second = first.clone();
    second.id = id();
    assert_kind(registrar.register(&second, Wait::No).await, &[ErrorKind::Refused]);
    assert_not_bought(&registrar, &second).await;
}

/// A name that has become dearer is not bought.
pub async fn price_above_the_expected_one_buys_nothing(registrar: impl Registrar, shop: Shop) {
    let mut purchase = purchase(&registrar, &shop.free).await;
    purchase.expected_price.minor_units -= 1;
    let result = registrar.register(&purchase, Wait::No).await;
    assert_kind(result, &[ErrorKind::Precondition]);
    assert_not_bought(&registrar, &purchase).await;
    price(&registrar, &shop.free).await;
}

/// The same number in another currency is another price.
pub async fn price_in_another_currency_buys_nothing(registrar: impl Registrar, shop: Shop) {
    let mut purchase = purchase(&registrar, &shop.free).await;
    let currency = purchase.expected_price.currency;
    let other = if currency == Currency::EUR { Currency::USD } else { Currency::EUR };
    purchase.expected_price.currency = other;
    let result = registrar.register(&purchase, Wait::No).await;
    assert_kind(result, &[ErrorKind::Precondition]);
    assert_not_bought(&registrar, &purchase).await;
    price(&registrar, &shop.free).await;
}

/// A name is bought for 1 to 10 years.
pub async fn impossible_term_buys_nothing(registrar: impl Registrar, shop: Shop) {
    for years in [0, 11, u8::MAX] {
        let mut purchase = purchase(&registrar, &shop.free).await;
        purchase.years = years;
        purchase.expected_price.minor_units *= 1000;
        let result = registrar.register(&purchase, Wait::No).await;
        assert_kind(result, &[ErrorKind::Invalid, ErrorKind::Refused, ErrorKind::Unsupported]);
        assert_not_bought(&registrar, &purchase).await;
    }
    price(&registrar, &shop.free).await;
}

/// A name that somebody has is refused, whatever is offered for it.
pub async fn taken_name_is_refused(registrar: impl Registrar, shop: Shop) {
    let offered = price(&registrar, &shop.free).await;
    let offered = Money::new(offered.minor_units * 1000, offered.currency);
    let purchase = Purchase::new(id(), shop.taken.clone(), offered);
    assert_kind(registrar.register(&purchase, Wait::No).await, &[ErrorKind::Refused]);
    assert_not_bought(&registrar, &purchase).await;
}

/// What is not sold is not bought.
pub async fn unsupported_name_is_not_bought(registrar: impl Registrar, shop: Shop) {
    let offered = price(&registrar, &shop.free).await;
    let purchase = Purchase::new(id(), shop.unsupported.clone(), offered);
    let result = registrar.register(&purchase, Wait::No).await;
    assert_kind(result, &[ErrorKind::Refused, ErrorKind::Unsupported]);
    assert_not_bought(&registrar, &purchase).await;
}

/// A call that is made again answers with the workflow of the first.
pub async fn one_purchase_id_buys_once(registrar: impl Registrar, shop: Shop) {
    let purchase = purchase(&registrar, &shop.free).await;
    let first = registrar.register(&purchase, Wait::No).await.unwrap();
    for _ in 0..3 {
        let again = registrar.register(&purchase, Wait::No).await.unwrap();
        assert_eq!(again.reference, first.reference);
    }
    let last = end(&registrar, &shop, &purchase).await;
    let again = registrar.register(&purchase, Wait::No).await.unwrap();
    assert_eq!(again, last);
}

/// Calls that cross each other on the way buy once too.
pub async fn one_purchase_id_buys_once_at_the_same_time(registrar: impl Registrar, shop: Shop) {
    let registrar = Arc::new(registrar);
    let purchase = purchase(&registrar, &shop.free).await;
    let mut calls = JoinSet::new();
    for _ in 0..6 {
        let (registrar, purchase) = (Arc::clone(&registrar), purchase.clone());
        calls.spawn(async move { registrar.register(&purchase, Wait::No).await });
    }
    let mut references = HashSet::new();
    for answer in calls.join_all().await {
        match answer {
            Ok(workflow) => {
                references.insert(workflow.reference);
            }
            // A registrar may ask one of two calls to come again.
            Err(error) => assert!(error.kind().is_transient(), "{error}"),
        }
    }
    assert_eq!(references.len(), 1, "{references:?}");
    end(&registrar, &shop, &purchase).await;
}

/// Of many that want a name one gets it.
pub async fn one_name_is_bought_by_one(registrar: impl Registrar, shop: Shop) {
    let registrar = Arc::new(registrar);
    let first = purchase(&registrar, &shop.free).await;
    let mut calls = JoinSet::new();
    for _ in 0..6 {
        let registrar = Arc::clone(&registrar);
        let mut purchase = first.clone();
        purchase.id = id();
        calls.spawn(async move {
            let taken_on = registrar.register(&purchase, Wait::No).await.is_ok();
            (purchase, taken_on)
        });
    }
    let mut bought = 0;
    for (purchase, taken_on) in calls.join_all().await {
        if taken_on {
            let last = end(&registrar, &shop, &purchase).await;
            bought += usize::from(last.status == RegistrationStatus::Succeeded);
        } else {
            assert_not_bought(&registrar, &purchase).await;
        }
    }
    assert_eq!(bought, 1);
}

/// An id that stands for one purchase is not made to stand for another.
pub async fn purchase_id_is_not_used_for_another_name(registrar: impl Registrar, shop: Shop) {
    let first = purchase(&registrar, &shop.free).await;
    registrar.register(&first, Wait::No).await.unwrap();
    let mut other = first.clone();
    other.name = shop.taken.clone();
    assert!(registrar.register(&other, Wait::No).await.is_err());
    let last = end(&registrar, &shop, &first).await;
    assert_eq!(last.status, RegistrationStatus::Succeeded);
}

/// Who did not see the answer finds the purchase.
pub async fn workflow_is_found_by_the_purchase(registrar: impl Registrar, shop: Shop) {
    let purchase = purchase(&registrar, &shop.free).await;
    let told = registrar.register(&purchase, Wait::No).await.unwrap();
    let found = registrar.workflow(&purchase).await.unwrap().unwrap();
    assert_eq!(found.reference, told.reference);
    assert!(!told.reference.is_empty());
}

/// That there is no such purchase is an answer, not an error.
pub async fn unknown_purchase_has_no_workflow(registrar: impl Registrar, shop: Shop) {
    let purchase = purchase(&registrar, &shop.free).await;
    assert_eq!(registrar.workflow(&purchase).await.unwrap(), None);
}
