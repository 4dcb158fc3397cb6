//! Several resolvers that have to agree.

use std::{mem, sync::Arc};

use async_trait::async_trait;

use super::{Answer, Failure, Lookup, Mode, Outcome, Resolver, all};
use crate::{
    error::{Error, ErrorKind, Result},
    record::DnsRecord,
};

/// A resolver that believes what nobody signed only if several resolvers say it.
///
/// The resolvers stand in networks of their own and share no cache: whoever leads one of them astray,
/// by a forged answer, a poisoned cache or a stolen route, does not lead all. In
/// [`Mode::Recursive`] all are asked at the same time, and
///
/// * [`Failure::Bogus`] from one is the answer: somebody is lying;
/// * else what one says is [`authenticated`](Answer::authenticated) is the answer, unless another
///   authenticated one contradicts;
/// * else what a [quorum](Self::with_quorum) of them says is. Names, data and aliases are compared;
///   order and times are not;
/// * else it is [`Failure::Disagreement`] if two say different things, and otherwise whatever kept
///   the others from an answer.
///
/// [`Mode::Authoritative`], which decides nothing, asks the first resolver alone.
///
/// ```
/// use std::sync::Arc;
///
/// use nameplate::resolver::{InMemoryResolver, Resolver, Vantages};
///
/// let here: Arc<dyn Resolver> = Arc::new(InMemoryResolver::new());
/// let far_away: Arc<dyn Resolver> = Arc::new(InMemoryResolver::new());
/// let resolver = Vantages::new([here, far_away])?;
/// assert_eq!(resolver.quorum(), 2);
/// # Ok::<(), nameplate::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Vantages {
    resolvers: Vec<Arc<dyn Resolver>>,
    quorum: usize,
}

impl Vantages {
    /// Most resolvers: each of them sends its own questions.
    pub const MAX: usize = 16;

    /// Puts resolvers together, all of which have to agree unless told otherwise.
    ///
    /// # Errors
    ///
    /// `Invalid` if there are fewer than two or more than [`Vantages::MAX`].
    pub fn new(resolvers: impl IntoIterator<Item = Arc<dyn Resolver>>) -> Result<Self> {
        let resolvers: Vec<_> = resolvers.into_iter().take(Self::MAX.saturating_add(1)).collect();
        let quorum = resolvers.len();
        if !(2..=Self::MAX).contains(&quorum) {
            let message = format!("there have to be from 2 to {} resolvers", Self::MAX);
            return Err(Error::new(ErrorKind::Invalid, "vantages", "build", message));
        }
        Ok(Self { resolvers, quorum })
    }

    /// Sets how many have to say the same: at least two and more than half.
    ///
    /// # Errors
    ///
    /// `Invalid` for any other number.
    pub fn with_quorum(mut self, quorum: usize) -> Result<Self> {
        let all = self.resolvers.len();
        let least = (all / 2).saturating_add(1);
        if quorum < least || quorum > all {
            let message = format!("the quorum is {quorum}, and has to be from {least} to {all}");
            return Err(Error::new(ErrorKind::Invalid, "vantages", "build", message));
        }
        self.quorum = quorum;
        Ok(self)
    }

    /// Returns how many have to say the same.
    pub const fn quorum(&self) -> usize {
        self.quorum
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl Resolver for Vantages {
    async fn lookup(&self, lookup: &Lookup) -> Result<Answer> {
        if lookup.mode == Mode::Authoritative {
            let first = self.resolvers.first();
            let first = first.ok_or_else(|| {
                Error::new(ErrorKind::Internal, "vantages", "lookup", "there are no resolvers")
            })?;
            return first.lookup(lookup).await;
        }
        let asked = self.resolvers.iter().map(|resolver| resolver.lookup(lookup));
        let mut answers = Vec::new();
        let mut error = None;
        for answer in all(asked).await {
            match answer {
                Ok(answer) => answers.push(answer),
                Err(ours) => error = Some(ours),
            }
        }
        match (answers.is_empty(), error) {
            (true, Some(error)) => Err(error),
            _ => Ok(agreed(answers, self.quorum)),
        }
    }
}

/// Returns what counts of several answers.
fn agreed(mut answers: Vec<Answer>, quorum: usize) -> Answer {
    let reports = answers.iter_mut().flat_map(|answer| mem::take(&mut answer.servers)).collect();
    let bogus = Outcome::Failed(Failure::Bogus);
    let answer = if answers.iter().any(|answer| answer.outcome == bogus) {
        Answer::new(bogus)
    } else {
        let (mut said, unknown): (Vec<_>, Vec<_>) = answers.into_iter().partition(is_definite);
        let is_signed = said.iter().any(|answer| answer.authenticated);
        if is_signed {
            said.retain(|answer| answer.authenticated);
        }
        let needed = if is_signed { said.len() } else { quorum };
        let support = |one: &Answer| said.iter().filter(|other| is_same(one, other)).count();
        match said.iter().find(|answer| support(answer) >= needed) {
            Some(answer) => answer.clone(),
            None if said.iter().any(|one| said.iter().any(|other| !is_same(one, other))) => {
                Answer::new(Outcome::Failed(Failure::Disagreement))
            }
            // Whatever was heard says more than silence.
            None => unknown
                .into_iter()
                .max_by_key(|answer| answer.outcome != Outcome::Timeout)
                .unwrap_or_else(|| Answer::new(Outcome::Timeout)),
        }
    };
    answer.with_servers(reports)
}

/// Whether an answer says something about the name.
const fn is_definite(answer: &Answer) -> bool {
    match &answer.outcome {
        Outcome::Answer(_) | Outcome::NxDomain { .. } | Outcome::NoData { .. } => true,
        Outcome::Failed(_) | Outcome::Timeout => false,
    }
}

/// Whether two definite answers say the same. Times and the order of records do not count.
fn is_same(one: &Answer, other: &Answer) -> bool {
    let outcomes = match (&one.outcome, &other.outcome) {
        (Outcome::Answer(ones), Outcome::Answer(others)) => {
            holds_all(ones, others) && holds_all(others, ones)
        }
        (Outcome::NxDomain { .. }, Outcome::NxDomain { .. })
        | (Outcome::NoData { .. }, Outcome::NoData { .. }) => true,
        _ => false,
    };
    outcomes && one.chain == other.chain
}

/// Whether each of `records` is among `others`.
fn holds_all(records: &[DnsRecord], others: &[DnsRecord]) -> bool {
    let is_same = |one: &DnsRecord, other: &DnsRecord| {
        one.name() == other.name() && one.data() == other.data()
    };
    records.iter().all(|record| others.iter().any(|other| is_same(record, other)))
}

#[cfg(test)]
mod tests;
