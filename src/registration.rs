//! A purchase of a name, and what the registrar says of it.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{id::RegistrationId, name::DomainName};

/// An amount of money: whole minor units of a currency.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Money {
    /// The amount in the smallest unit, such as cents.
    pub minor_units: u64,
    /// The currency.
    pub currency: Currency,
}

impl Money {
    /// Creates an amount.
    pub const fn new(minor_units: u64, currency: Currency) -> Self {
        Self { minor_units, currency }
    }
}

impl fmt::Display for Money {
    /// Writes the amount in minor units: how many of them make a unit depends on the currency.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} minor units", self.minor_units, self.currency)
    }
}

/// A currency: three upper-case letters (ISO 4217).
#[derive(Clone, Copy, Eq, Hash, PartialEq)]
pub struct Currency([u8; 3]);

/// What is wrong with the text of a currency.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("a currency is three upper-case letters (ISO 4217)")]
pub struct CurrencyError(());

impl Currency {
    /// The euro.
    pub const EUR: Self = Self(*b"EUR");
    /// The US dollar.
    pub const USD: Self = Self(*b"USD");
}

impl FromStr for Currency {
    type Err = CurrencyError;

    fn from_str(text: &str) -> Result<Self, CurrencyError> {
        match <[u8; 3]>::try_from(text.as_bytes()) {
            Ok(code) if code.iter().all(u8::is_ascii_uppercase) => Ok(Self(code)),
            _ => Err(CurrencyError(())),
        }
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{}", char::from(*byte)))
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Currency({self})")
    }
}

impl Serialize for Currency {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Currency {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        <std::borrow::Cow<'de, str>>::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

/// What is to be bought.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Purchase {
    /// Identifies the intent: the same id buys at most once.
    pub id: RegistrationId,
    /// The name: a registrable domain.
    pub name: DomainName,
    /// The term in years: 1 to 10 (RFC 5731 leaves the upper end to the registry).
    pub years: u8,
    /// The most that it may cost.
    pub expected_price: Money,
}

impl Purchase {
    /// Creates a purchase for one year.
    pub const fn new(id: RegistrationId, name: DomainName, expected_price: Money) -> Self {
        Self { id, name, years: 1, expected_price }
    }
}

/// Where a purchase is.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RegistrationStatus {
    /// The intent is stored; the registrar has not confirmed it.
    Pending,
    /// The registrar works on it.
    InProgress,
    /// Somebody has to do something at the registrar.
    ActionRequired,
    /// A third party (the registry, a losing registrar) holds it up.
    Blocked,
    /// The name is registered.
    Succeeded,
    /// It will come to nothing, and nothing is charged.
    Failed,
}

/// What a purchase can go through.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum RegistrationEvent {
    /// The registrar took it on.
    Accepted,
    /// It waits for somebody.
    ActionRequested,
    /// It waits for a third party.
    Held,
    /// It goes on after waiting.
    Resumed,
    /// The name is registered.
    Completed,
    /// The registrar refused it.
    Rejected,
}

impl RegistrationStatus {
    /// Every status.
    pub const ALL: [Self; 6] = [
        Self::Pending,
        Self::InProgress,
        Self::ActionRequired,
        Self::Blocked,
        Self::Succeeded,
        Self::Failed,
    ];

    /// Returns the stored name, which never changes.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::InProgress => "in_progress",
            Self::ActionRequired => "action_required",
            Self::Blocked => "blocked",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
        }
    }

    /// Returns the status that `event` leads to, or `None` if it does not apply here.
    ///
    /// Nothing else in the crate names a next status of a registration.
    pub const fn on(self, event: RegistrationEvent) -> Option<Self> {
        use RegistrationEvent as E;

        Some(match (self, event) {
            (Self::Pending, E::Accepted) => Self::InProgress,
            (Self::InProgress | Self::Blocked, E::ActionRequested) => Self::ActionRequired,
            (Self::InProgress | Self::ActionRequired, E::Held) => Self::Blocked,
            (Self::ActionRequired | Self::Blocked, E::Resumed) => Self::InProgress,
            (
                Self::Pending | Self::InProgress | Self::ActionRequired | Self::Blocked,
                E::Completed,
            ) => Self::Succeeded,
            (
                Self::Pending | Self::InProgress | Self::ActionRequired | Self::Blocked,
                E::Rejected,
            ) => Self::Failed,
            _ => return None,
        })
    }

    /// Returns whether nothing more can happen.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed)
    }
}

impl RegistrationEvent {
    /// Every event.
    pub const ALL: [Self; 6] = [
        Self::Accepted,
        Self::ActionRequested,
        Self::Held,
        Self::Resumed,
        Self::Completed,
        Self::Rejected,
    ];

    /// Returns the stable name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::ActionRequested => "action_requested",
            Self::Held => "held",
            Self::Resumed => "resumed",
            Self::Completed => "completed",
            Self::Rejected => "rejected",
        }
    }
}

impl fmt::Display for RegistrationStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A purchase and what the registrar has said of it.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Registration {
    /// What is bought.
    pub purchase: Purchase,
    /// Where it is.
    pub status: RegistrationStatus,
    /// What the registrar calls it.
    pub reference: Option<String>,
    /// What it cost, once it is charged.
    pub charged: Option<Money>,
}

impl Registration {
    /// Creates the intent to buy.
    pub const fn new(purchase: Purchase) -> Self {
        Self { purchase, status: RegistrationStatus::Pending, reference: None, charged: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_final_registration_takes_no_event_and_every_other_can_end() {
        for status in RegistrationStatus::ALL {
            for event in RegistrationEvent::ALL {
                assert!(!status.is_final() || status.on(event).is_none(), "{status} {event:?}");
            }
            let end = status.on(RegistrationEvent::Completed);
            assert_eq!(end.is_some(), !status.is_final(), "{status}");
        }
    }

    #[test]
    fn every_event_applies_somewhere() {
        for event in RegistrationEvent::ALL {
            assert!(RegistrationStatus::ALL.iter().any(|status| status.on(event).is_some()));
        }
    }

    #[test]
    fn a_currency_is_three_upper_case_letters() {
        assert_eq!("EUR".parse(), Ok(Currency::EUR));
        for text in ["eur", "EU", "EURO", "E1R", "ÄB"] {
            assert!(text.parse::<Currency>().is_err(), "{text}");
        }
    }
}
