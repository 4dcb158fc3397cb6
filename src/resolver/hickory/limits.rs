//! How much of everybody's time and traffic is taken.

use std::time::Duration;

use super::COMPONENT;
use crate::{
    error::{Error, ErrorKind, Result},
    resolver::Answer,
};

/// What a [`Hickory`](super::Hickory) takes before it stops.
///
/// | field | unless told | least | most |
/// |---|---|---|---|
/// | `deadline` | 15 s | 10 ms | 60 s |
/// | `query` | 2 s | 10 ms | 60 s |
/// | `tries` | 3 | 1 | 10 |
/// | `servers` | 16 | 1 | 16 |
/// | `questions` | 64 | 1 | 64 |
/// | `failure` | 1 s | 1 s | 5 min |
/// | `failure_most` | 5 min | 1 s | 5 min |
/// | `rate` | 10 | 1 | 1,000 |
/// | `under_way` | 64 | 1 | 1,024 |
///
/// Each can be changed by itself:
///
/// ```
/// use std::time::Duration;
///
/// use nameplate::resolver::{Hickory, Limits};
///
/// let mut limits = Limits::default();
/// limits.query = Duration::from_secs(1);
/// let resolver = Hickory::builder(["192.0.2.53:53".parse()?]).with_limits(limits).build()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Limits {
    /// How long a lookup may take as a whole.
    pub deadline: Duration,
    /// How long one message is waited for.
    pub query: Duration,
    /// How often a question is asked before a server counts as silent.
    pub tries: u32,
    /// Most servers of a zone that are asked.
    pub servers: usize,
    /// Most messages that one lookup sends, over UDP and TCP.
    pub questions: u32,
    /// How long a failure is remembered the first time (RFC 9520); twice as long each time that it
    /// happens again.
    pub failure: Duration,
    /// How long a failure is remembered at most.
    pub failure_most: Duration,
    /// Most messages a second to one name server, and for one zone, that were found by delegation;
    /// `None` for any number. Those beyond wait for their turn as long as the deadline allows.
    ///
    /// The zones of public suffixes are not counted, since all names below share them; their servers
    /// are.
    pub rate: Option<u32>,
    /// Most messages to one server that have no answer yet. Those beyond wait until there is one, the
    /// first for a millisecond at most and each behind it for one more: who is silent, or slow for
    /// some, keeps nobody from an answer.
    ///
    /// The socket of a server as it comes holds some 250 small messages; what is sent to it at once
    /// beyond that is lost.
    pub under_way: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            deadline: Duration::from_secs(15),
            query: Duration::from_secs(2),
            tries: 3,
            servers: Answer::MAX_SERVERS,
            questions: 64,
            failure: Duration::from_secs(1),
            failure_most: Duration::from_mins(5),
            rate: Some(10),
            under_way: 64,
        }
    }
}

impl Limits {
    /// Refuses numbers outside of their ranges.
    pub(super) fn check(&self) -> Result<()> {
        let (brief, long) = (Duration::from_millis(10), Duration::from_secs(60));
        let (second, minutes) = (Duration::from_secs(1), Duration::from_mins(5));
        for (name, value, least, most) in [
            ("deadline", self.deadline, brief, long),
            ("query", self.query, brief, long),
            ("failure", self.failure, second, minutes),
            ("failure_most", self.failure_most, self.failure, minutes),
        ] {
            if value < least || value > most {
                return Err(invalid(format!(
                    "the limit `{name}` is {value:?}, and has to be from {least:?} to {most:?}"
                )));
            }
        }
        let servers = u32::try_from(self.servers).unwrap_or(u32::MAX);
        for (name, value, most) in [
            ("tries", self.tries, 10),
            ("servers", servers, 16),
            ("questions", self.questions, 64),
            ("rate", self.rate.unwrap_or(1), 1000),
            ("under_way", self.under_way, 1024),
        ] {
            if value < 1 || value > most {
                return Err(invalid(format!(
                    "the limit `{name}` is {value}, and has to be from 1 to {most}"
                )));
            }
        }
        Ok(())
    }
}

fn invalid(message: String) -> Error {
    Error::new(ErrorKind::Invalid, COMPONENT, "build", message)
}
