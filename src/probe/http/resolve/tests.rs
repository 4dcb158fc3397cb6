use super::*;
use crate::{
    address::is_public,
    name::DnsName,
    record::{DnsRecord, Ttl},
};

fn answer(addresses: &[&str]) -> Answer {
    let name: DnsName = "shop.example.com".parse().unwrap();
    let data = |text: &&str| RecordData::from(text.parse::<IpAddr>().unwrap());
    let record = |text| DnsRecord::new(name.clone(), Ttl::from_secs(60).unwrap(), data(text));
    Answer::new(Outcome::Answer(addresses.iter().map(record).collect()))
}

fn nothing() -> Answer {
    Answer::new(Outcome::NoData { negative_ttl: None })
}

fn broken(failure: Failure) -> Answer {
    Answer::new(Outcome::Failed(failure))
}

fn chosen(six: &Answer, four: &Answer, mixed: MixedAddresses) -> Result<Vec<String>, Fetched> {
    choose([six, four], 2, mixed, is_public)
        .map(|addresses| addresses.iter().map(ToString::to_string).collect())
}

fn strict(six: &Answer, four: &Answer) -> Result<Vec<String>, Fetched> {
    chosen(six, four, MixedAddresses::Refuse)
}

#[test]
fn ipv6_comes_first_and_one_address_of_each_is_enough() {
    let six = answer(&["2606:4700::1", "2606:4700::2"]);
    let four = answer(&["93.184.216.34", "93.184.216.35"]);
    assert_eq!(strict(&six, &four).unwrap(), ["2606:4700::1", "93.184.216.34"]);
    assert_eq!(strict(&six, &nothing()).unwrap(), ["2606:4700::1"]);
    assert_eq!(strict(&nothing(), &four).unwrap(), ["93.184.216.34"]);
}

#[test]
fn one_address_that_is_not_public_is_too_many_unless_told() {
    let six = answer(&["2606:4700::1"]);
    let four = answer(&["10.0.0.1", "93.184.216.34"]);
    let refused = Err(Fetched::Refused(Flaw::Address));
    assert_eq!(strict(&six, &four), refused);
    assert_eq!(strict(&answer(&["::1"]), &answer(&["93.184.216.34"])), refused);
    let skipped = chosen(&six, &four, MixedAddresses::Skip).unwrap();
    assert_eq!(skipped, ["2606:4700::1", "93.184.216.34"]);
    let private = answer(&["10.0.0.1"]);
    assert_eq!(chosen(&nothing(), &private, MixedAddresses::Skip), refused);
}

#[test]
fn only_a_definite_answer_says_that_there_is_no_address() {
    let four = answer(&["93.184.216.34"]);
    let gone = Answer::new(Outcome::NxDomain { negative_ttl: None });
    assert_eq!(strict(&nothing(), &nothing()), Err(Fetched::NoAddress));
    assert_eq!(strict(&gone, &gone), Err(Fetched::NoAddress));
    for bad in [broken(Failure::ServFail), broken(Failure::Chain), Answer::new(Outcome::Timeout)] {
        assert_eq!(strict(&bad, &nothing()), Err(Fetched::Unresolved), "{bad:?}");
        assert_eq!(strict(&bad, &four).unwrap(), ["93.184.216.34"], "{bad:?}");
    }
}

#[test]
fn a_bogus_answer_is_never_relied_on() {
    let (bogus, four) = (broken(Failure::Bogus), answer(&["93.184.216.34"]));
    assert_eq!(strict(&bogus, &four), Err(Fetched::Unresolved));
    assert_eq!(strict(&four, &bogus), Err(Fetched::Unresolved));
}

#[test]
fn a_chain_that_is_too_long_leads_nowhere() {
    let link: DnsName = "link.example.com".parse().unwrap();
    let at = |length| answer(&["93.184.216.34"]).with_chain(vec![link.clone(); length]);
    assert!(strict(&nothing(), &at(2)).is_ok());
    assert_eq!(strict(&nothing(), &at(3)), Err(Fetched::Unresolved));
}
