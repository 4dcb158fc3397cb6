//! Challenges: which are made, and how their proofs are looked for.

use super::{
    backends::Backends,
    observe::{not_there, sorted},
};
use crate::{
    challenge::{Challenge, Method, MethodError},
    clock::Timestamp,
    domain::Domain,
    error::{Error, ErrorKind, Result},
    evidence::{Found, Seen, Verdict},
    name::{DnsName, DomainName},
    probe::{Fetch, Fetched},
    record::{RecordData, RecordType},
    resolver::{Answer, Mode, Outcome},
};

impl Backends {
    /// Makes a challenge that nobody has seen.
    pub(super) fn challenge(
        &self,
        name: &DomainName,
        method: Method,
        generation: u32,
        now: Timestamp,
    ) -> Result<Challenge> {
        self.can_prove(method).map_err(|error| {
            Error::new(ErrorKind::Invalid, "challenge", "create", format!("{name}: {error}"))
                .with_source(error)
        })?;
        let mut chance = [0; 32];
        self.random.fill(&mut chance)?;
        self.terms.issue(name, method, generation, &chance, now)
    }

    /// Returns whether what a method needs is plugged in.
    const fn can_prove(&self, method: Method) -> Result<(), MethodError> {
        match method {
            Method::DnsCname if self.terms.target().is_none() => Err(MethodError::NoTarget),
            Method::Http if self.probe.is_none() => Err(MethodError::NoProbe),
            Method::Email if self.post.is_none() => Err(MethodError::NoMailer),
            Method::DnsTxt | Method::DnsCname | Method::Http | Method::Email => Ok(()),
        }
    }

    /// Looks for the proof of a domain.
    pub(super) async fn proof(&self, domain: &Domain, now: Timestamp) -> (Verdict, Seen) {
        let challenge = domain.challenge();
        match challenge.method {
            Method::DnsTxt => self.record(domain, RecordType::Txt, text).await,
            Method::DnsCname => self.record(domain, RecordType::Cname, alias).await,
            Method::Http => self.page(challenge, now).await,
            Method::Email => self.answered(domain, now),
        }
    }

    /// Looks for a record that is a proof, and then for one beside it, where none can be: a wildcard
    /// shows the proof at any name, and so whoever wrote it may never have seen ours.
    async fn record(
        &self,
        domain: &Domain,
        record_type: RecordType,
        judge: fn(&Answer, &Challenge) -> (Verdict, Seen),
    ) -> (Verdict, Seen) {
        let challenge = domain.challenge();
        let judge = |answer: &Answer| judge(answer, challenge);
        let (verdict, seen) = self.judge(domain, &challenge.owner, record_type, judge).await;
        if verdict != Verdict::Confirmed {
            return (verdict, seen);
        }
        let Some(sibling) = self.sibling(challenge) else { return (Verdict::Unknown, seen) };
        match judge(&self.lookup(&sibling, record_type, Mode::Recursive).await) {
            (Verdict::Refuted, _) => (Verdict::Confirmed, seen),
            (Verdict::Confirmed, _) => (Verdict::Refuted, wildcard()),
            // Whether it is a wildcard cannot be said.
            (Verdict::Unknown, sibling) => (Verdict::Unknown, sibling),
        }
    }

    /// Returns a name beside that of a proof, at which nobody can have written anything.
    fn sibling(&self, challenge: &Challenge) -> Option<DnsName> {
        let mut chance = [0; 32];
        self.random.fill(&mut chance).ok()?;
        challenge.sibling(&chance)
    }

    async fn page(&self, challenge: &Challenge, now: Timestamp) -> (Verdict, Seen) {
        let (Some(probe), Some(proof)) = (&self.probe, challenge.page()) else {
            return (Verdict::Unknown, Seen::of(Found::Failed));
        };
        let fetched = match probe.fetch(&Fetch::proof(&proof)).await {
            Ok(fetched) => fetched,
            // A fault of our own says nothing about the host.
            Err(_) => Fetched::Unreachable,
        };
        let look = fetched.observation(&proof, now);
        (look.verdict, look.seen)
    }
}

fn wildcard() -> Seen {
    let note = "a wildcard record, which answers for every name".to_owned();
    Seen { found: Found::Wildcard, values: vec![note] }
}

/// Judges an answer to the question for a TXT record.
fn text(answer: &Answer, challenge: &Challenge) -> (Verdict, Seen) {
    let Outcome::Answer(records) = &answer.outcome else { return not_there(answer) };
    let texts = records.iter().filter_map(|record| match record.data() {
        RecordData::Txt(text) => Some(text),
        _ => None,
    });
    // A wildcard CNAME would let whoever it leads to prove any name below it.
    if !answer.chain.is_empty() {
        let chain = answer.chain.iter().map(|name| format!("a CNAME record to {name}"));
        return (Verdict::Refuted, Seen::values(chain));
    }
    let proved = texts.clone().any(|text| challenge.is_proved_by(&text.to_bytes()));
    let seen = sorted(texts.map(|text| text.to_text()));
    (if proved { Verdict::Confirmed } else { Verdict::Refuted }, seen)
}

/// Judges an answer to the question for a CNAME record.
fn alias(answer: &Answer, challenge: &Challenge) -> (Verdict, Seen) {
    let Outcome::Answer(records) = &answer.outcome else { return not_there(answer) };
    let targets = records.iter().filter_map(|record| match record.data() {
        RecordData::Cname(target) => Some(target),
        _ => None,
    });
    let proved = answer.chain.is_empty() && challenge.is_proved_by_alias(targets.clone());
    let seen = sorted(targets.map(ToString::to_string));
    (if proved { Verdict::Confirmed } else { Verdict::Refuted }, seen)
}
