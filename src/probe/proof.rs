//! What a page says about the proof that was to be there.

use super::{Fetch, Fetched, Response};
use crate::{
    challenge::HttpProof,
    clock::Timestamp,
    evidence::{Found, Observation, Seen, Subject, Topic, Verdict},
    name::DnsName,
};

/// Longest piece of a body that is kept to be shown, in characters.
const EXCERPT: usize = 100;

impl Fetch {
    /// Asks for the page of a proof. Redirections on the host are followed: most servers lead to
    /// `https` before anything else.
    pub fn proof(proof: &HttpProof) -> Self {
        Self::new(proof.name().clone(), proof.path()).with_redirects(10)
    }
}

impl Fetched {
    /// Returns what one look at the page of a proof says.
    pub fn observation(&self, proof: &HttpProof, at: Timestamp) -> Observation {
        let name = DnsName::from(proof.name().clone());
        let subject = Subject::new(Topic::Ownership, proof.generation(), name);
        Observation::new(subject, self.verdict(proof), at, self.seen())
    }

    /// Returns whether the page is the proof.
    ///
    /// | fetched | verdict |
    /// |---|---|
    /// | 200, the proof | confirmed |
    /// | 408, 425, 429, any 5xx | unknown |
    /// | any other response | refuted |
    /// | no address | refuted |
    /// | unresolved, unreachable, refused | unknown |
    pub fn verdict(&self, proof: &HttpProof) -> Verdict {
        match self {
            Self::Response(response) => match response.status {
                200 if proof.is_proved_by(response.content_type.as_deref(), &response.body) => {
                    Verdict::Confirmed
                }
                408 | 425 | 429 | 500.. => Verdict::Unknown,
                _ => Verdict::Refuted,
            },
            Self::NoAddress => Verdict::Refuted,
            // Whatever is there was not looked at, or could not be read.
            Self::Unresolved | Self::Unreachable | Self::Refused(_) => Verdict::Unknown,
        }
    }

    /// Returns a note that can be shown: what kind of answer it was, and of a body at most 100
    /// characters of visible ASCII.
    pub fn seen(&self) -> Seen {
        match self {
            Self::Response(response) => Seen::values(notes(response)),
            Self::NoAddress => Seen::of(Found::NoData),
            Self::Unresolved => Seen::of(Found::Failed),
            Self::Unreachable => Seen::of(Found::Timeout),
            Self::Refused(refusal) => {
                Seen { found: Found::Failed, values: vec![refusal.as_str().to_owned()] }
            }
        }
    }
}

fn notes(response: &Response) -> Vec<String> {
    let safe = |text: &[u8]| -> String {
        let shown = |byte: &u8| if matches!(byte, b' '..=b'~') { char::from(*byte) } else { '.' };
        text.iter().take(EXCERPT).map(shown).collect()
    };
    let mut notes = vec![format!("status {}", response.status)];
    notes.extend(response.location.as_ref().map(|to| format!("location {}", safe(to.as_bytes()))));
    notes.extend(response.content_type.as_ref().map(|of| format!("type {}", safe(of.as_bytes()))));
    if !response.body.is_empty() {
        notes.push(safe(&response.body));
    }
    notes
}

#[cfg(test)]
mod tests;
