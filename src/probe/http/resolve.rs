//! Which addresses of a name are connected to.

use std::net::IpAddr;

use super::super::{Fetched, Flaw};
use crate::{
    record::RecordData,
    resolver::{Answer, Failure, Outcome},
};

/// What to do about a name that has public addresses and others.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum MixedAddresses {
    /// Connect to none of them.
    #[default]
    Refuse,
    /// Connect to the public ones.
    Skip,
}

/// Returns the addresses to connect to, one after the other: the first of IPv6, then the first of
/// IPv4 (RFC 6724 section 2.1 prefers them in this order).
///
/// One address of each is enough to find a server that works, and no domain makes us knock on sixty
/// doors.
pub(super) fn choose(
    [six, four]: [&Answer; 2],
    longest_chain: usize,
    mixed: MixedAddresses,
    is_permitted: impl Fn(IpAddr) -> bool,
) -> Result<Vec<IpAddr>, Fetched> {
    let answers = [six, four];
    let is_bogus = |answer: &&Answer| answer.outcome == Outcome::Failed(Failure::Bogus);
    if answers.iter().any(is_bogus) || answers.iter().any(|one| one.chain.len() > longest_chain) {
        return Err(Fetched::Unresolved);
    }
    let [six, four] = answers.map(addresses);
    let is_known = |of: &Option<Vec<IpAddr>>| of.is_some();
    let is_complete = is_known(&six) && is_known(&four);
    let families = [six.unwrap_or_default(), four.unwrap_or_default()];
    if families.iter().all(Vec::is_empty) {
        return Err(if is_complete { Fetched::NoAddress } else { Fetched::Unresolved });
    }
    let is_forbidden = families.iter().flatten().any(|address| !is_permitted(*address));
    if is_forbidden && mixed == MixedAddresses::Refuse {
        return Err(Fetched::Refused(Flaw::Address));
    }
    let first =
        |family: &Vec<IpAddr>| family.iter().copied().find(|address| is_permitted(*address));
    let chosen: Vec<_> = families.iter().filter_map(first).collect();
    if chosen.is_empty() { Err(Fetched::Refused(Flaw::Address)) } else { Ok(chosen) }
}

/// Returns the addresses of an answer, or `None` if it does not say which there are.
fn addresses(answer: &Answer) -> Option<Vec<IpAddr>> {
    match &answer.outcome {
        Outcome::Answer(records) => {
            let address = |data: &RecordData| match data {
                RecordData::A(address) => Some(IpAddr::from(*address)),
                RecordData::Aaaa(address) => Some(IpAddr::from(*address)),
                _ => None,
            };
            Some(records.iter().filter_map(|record| address(record.data())).collect())
        }
        Outcome::NxDomain { .. } | Outcome::NoData { .. } => Some(Vec::new()),
        Outcome::Failed(_) | Outcome::Timeout => None,
    }
}

#[cfg(test)]
mod tests;
