//! What is done outside: what it is, what may come of it, and whether it may be done twice.

use serde::{Deserialize, Serialize};

use super::Trouble;
use crate::{
    ca::ChallengeType,
    certificate::Handle,
    challenge::email::MailAddress,
    domain::PauseScope,
    error::{Error, ErrorKind},
    id::{EffectId, OrderId},
    name::DnsName,
};

/// Something to do outside, one at a time, between two commits.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(tag = "effect", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Effect {
    /// Makes the zone agree with the managed records at a name.
    Arrange {
        /// The name.
        owner: DnsName,
        /// By which version of what the tenant wants.
        version: u64,
    },
    /// Makes an account at the authority.
    Enroll,
    /// Asks for the certificate.
    Finalize {
        /// The order.
        order: OrderId,
    },
    /// Mails a code to one of those who answer for the name.
    Mail {
        /// Of which round.
        round: u64,
        /// To whom.
        to: MailAddress,
    },
    /// Opens an order.
    OpenOrder {
        /// The order.
        order: OrderId,
    },
    /// Adds a TXT record of ours to a zone.
    Publish {
        /// Where.
        owner: DnsName,
        /// Its value.
        value: String,
    },
    /// Tells the authority that it may look.
    Respond {
        /// The order.
        order: OrderId,
        /// The authorization.
        authorization: Handle,
        /// The type of challenge that was answered.
        challenge: ChallengeType,
    },
    /// Removes a TXT record of ours from a zone.
    Unpublish {
        /// Where.
        owner: DnsName,
        /// Its value.
        value: String,
    },
}

/// The kinds of effects.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum EffectKind {
    /// See [`Effect::Arrange`].
    Arrange,
    /// See [`Effect::Enroll`].
    Enroll,
    /// See [`Effect::Finalize`].
    Finalize,
    /// See [`Effect::Mail`].
    Mail,
    /// See [`Effect::OpenOrder`].
    OpenOrder,
    /// See [`Effect::Publish`].
    Publish,
    /// See [`Effect::Respond`].
    Respond,
    /// See [`Effect::Unpublish`].
    Unpublish,
}

/// What to do about an effect whose outcome is unknown.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Redo {
    /// Doing it twice is as doing it once.
    Repeat,
    /// Look first: the other side tells whether it happened.
    Reread,
    /// Only somebody who knows may decide: it costs money.
    Never,
}

impl Effect {
    /// Every kind of effect.
    pub const ALL: [EffectKind; 8] = [
        EffectKind::Arrange,
        EffectKind::Enroll,
        EffectKind::Finalize,
        EffectKind::Mail,
        EffectKind::OpenOrder,
        EffectKind::Publish,
        EffectKind::Respond,
        EffectKind::Unpublish,
    ];

    /// Returns the kind.
    pub const fn kind(&self) -> EffectKind {
        match self {
            Self::Arrange { .. } => EffectKind::Arrange,
            Self::Enroll => EffectKind::Enroll,
            Self::Finalize { .. } => EffectKind::Finalize,
            Self::Mail { .. } => EffectKind::Mail,
            Self::OpenOrder { .. } => EffectKind::OpenOrder,
            Self::Publish { .. } => EffectKind::Publish,
            Self::Respond { .. } => EffectKind::Respond,
            Self::Unpublish { .. } => EffectKind::Unpublish,
        }
    }
}

impl EffectKind {
    /// Returns the stable name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Arrange => "arrange",
            Self::Enroll => "enroll",
            Self::Finalize => "finalize",
            Self::Mail => "mail",
            Self::OpenOrder => "open_order",
            Self::Publish => "publish",
            Self::Respond => "respond",
            Self::Unpublish => "unpublish",
        }
    }

    /// Returns whether the certificate authority is asked for it, about a domain.
    pub(in crate::engine) const fn is_for_authority(self) -> bool {
        match self {
            Self::Finalize | Self::OpenOrder | Self::Respond => true,
            Self::Arrange | Self::Enroll | Self::Mail | Self::Publish | Self::Unpublish => false,
        }
    }

    /// Returns whether it adds or removes the record of a challenge.
    pub(in crate::engine) const fn is_for_challenge(self) -> bool {
        matches!(self, Self::Publish | Self::Unpublish)
    }

    /// Returns the service that it changes something at.
    pub const fn service(self) -> PauseScope {
        match self {
            Self::Enroll | Self::Finalize | Self::OpenOrder | Self::Respond => {
                PauseScope::Authority
            }
            Self::Arrange | Self::Publish | Self::Unpublish => PauseScope::Dns,
            Self::Mail => PauseScope::Mail,
        }
    }

    /// Returns what to do when the outcome is unknown.
    pub const fn redo(self) -> Redo {
        match self {
            // The authority returns the account that the key has (RFC 8555 section 7.3).
            Self::Enroll => Redo::Repeat,
            // An order that nobody has the handle of expires by itself; ours was not saved.
            Self::OpenOrder => Redo::Repeat,
            // A second mail is the same again, link and all: whoever gets both answers once.
            Self::Mail => Redo::Repeat,
            // Both read the set first and change nothing that is as wanted.
            Self::Publish | Self::Unpublish => Redo::Repeat,
            // The order tells.
            Self::Finalize | Self::Respond => Redo::Reread,
            // It begins with reading the zone, and what is wanted may be something else by now.
            Self::Arrange => Redo::Reread,
        }
    }
}

/// An effect that was decided on, stored before it is carried out.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Intent {
    /// The same for every repetition.
    pub id: EffectId,
    /// What is to be done.
    pub effect: Effect,
}

/// What came of an effect.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Outcome {
    /// It is done.
    Done(Receipt),
    /// Nothing happened, and it may work later.
    NotYet(Trouble),
    /// Nothing happened, and the other side says no.
    Refused(Trouble),
    /// It may have happened. A timeout or a server error is this, never a refusal.
    Unknown(Trouble),
}

impl Outcome {
    /// Sorts a failed call.
    pub fn of(error: &Error) -> Self {
        let trouble = Trouble::from(error);
        match error.kind() {
            ErrorKind::Unavailable | ErrorKind::RateLimited | ErrorKind::Conflict => {
                Self::NotYet(trouble)
            }
            ErrorKind::Unknown | ErrorKind::Malformed => Self::Unknown(trouble),
            ErrorKind::AlreadyExists
            | ErrorKind::Denied
            | ErrorKind::Internal
            | ErrorKind::Invalid
            | ErrorKind::NotFound
            | ErrorKind::Precondition
            | ErrorKind::Quota
            | ErrorKind::Refused
            | ErrorKind::Unsupported => Self::Refused(trouble),
        }
    }
}

/// What an effect gave.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Receipt {
    /// Nothing but that it is done.
    Done,
    /// What the authority calls what it made.
    Handle(Handle),
    /// An order is open.
    Opened {
        /// What the authority calls it.
        order: Handle,
        /// The account that it was opened under.
        account: Handle,
    },
}
