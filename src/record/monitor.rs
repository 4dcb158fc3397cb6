//! Checks that a DNS service makes of the host behind a record.

use std::{fmt, str::FromStr};

use crate::name::serde_as_text;

/// How a DNS service checks the host behind an address or alias record.
///
/// The numbers are those of the published APIs. The order is that of the numbers.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum Monitor {
    /// Not at all.
    None,
    /// An ICMP echo.
    Ping,
    /// An HTTP request.
    Http,
    /// A monitor that is set up elsewhere in the service.
    Monitor,
}

/// What is wrong with the name of a check.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("a monitor is none, ping, http or monitor")]
pub struct MonitorError(());

impl Monitor {
    /// Every check.
    pub const ALL: [Self; 4] = [Self::None, Self::Ping, Self::Http, Self::Monitor];

    /// Returns the stable name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Ping => "ping",
            Self::Http => "http",
            Self::Monitor => "monitor",
        }
    }

    /// Returns the published number.
    pub const fn number(self) -> u8 {
        match self {
            Self::None => 0,
            Self::Ping => 1,
            Self::Http => 2,
            Self::Monitor => 3,
        }
    }

    /// Returns the check with a published number, if there is one.
    pub fn from_number(number: i64) -> Option<Self> {
        Self::ALL.into_iter().find(|monitor| i64::from(monitor.number()) == number)
    }
}

impl FromStr for Monitor {
    type Err = MonitorError;

    /// Reads a name in any case.
    fn from_str(text: &str) -> Result<Self, MonitorError> {
        Self::ALL
            .into_iter()
            .find(|monitor| monitor.as_str().eq_ignore_ascii_case(text))
            .ok_or(MonitorError(()))
    }
}

impl fmt::Display for Monitor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

serde_as_text!(Monitor, as_str);

/// What a DNS service found when it last checked the host behind a record.
///
/// A number that is not published is kept, so that a reply can be passed on as it came.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum MonitorStatus {
    /// Not known, or not checked.
    #[default]
    Unknown,
    /// The host answered.
    Online,
    /// The host did not answer.
    Offline,
    /// A number that is not published; never 0, 1 or 2 when it was read.
    Other(i64),
}

impl MonitorStatus {
    /// Returns the published number.
    pub const fn number(self) -> i64 {
        match self {
            Self::Unknown => 0,
            Self::Online => 1,
            Self::Offline => 2,
            Self::Other(number) => number,
        }
    }

    /// Returns the status with this number.
    pub const fn from_number(number: i64) -> Self {
        match number {
            0 => Self::Unknown,
            1 => Self::Online,
            2 => Self::Offline,
            number => Self::Other(number),
        }
    }
}
