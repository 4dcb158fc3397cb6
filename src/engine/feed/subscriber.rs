//! Who is told, and what they are given.

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::patience::Silence;
use crate::{
    clock::Timestamp,
    engine::notice::{Notice, Numbered},
    error::{Error, ErrorKind, Result},
    id::{DomainId, TenantId},
    name::DomainName,
};

/// Most subscribers: what is stored of each of them has room in one item.
const MAX_SUBSCRIBERS: usize = 12;

/// Longest id of a subscriber, in bytes.
const MAX_ID: usize = 64;

/// A notice as it is delivered: what happened, to what, and under which id.
///
/// Its JSON form is what a webhook sends.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Envelope {
    /// The version of this form: 1.
    pub v: u32,
    /// The same for every repetition, and for no other notice: the domain's id and the number.
    pub id: String,
    /// Whose domain it is.
    pub tenant: TenantId,
    /// The domain.
    pub domain: DomainId,
    /// Its name.
    pub name: DomainName,
    /// Rises within a domain, with gaps: a smaller one than was seen before is a repetition.
    pub number: u64,
    /// When it happened, by the store's time.
    pub at: Timestamp,
    /// What happened.
    pub notice: Notice,
}

impl Envelope {
    /// The version that is written.
    pub const VERSION: u32 = 1;

    /// Puts a notice into its envelope, as a feed does.
    pub fn new(tenant: TenantId, domain: DomainId, name: DomainName, notice: Numbered) -> Self {
        let Numbered { number, at, notice } = notice;
        let id = format!("{domain}-{number}");
        Self { v: Self::VERSION, id, tenant, domain, name, number, at, notice }
    }

    /// Returns the JSON form.
    ///
    /// # Errors
    ///
    /// `Internal` if it has none, which is a bug.
    pub fn to_json(&self) -> Result<String> {
        serde_json::to_string(self).map_err(|error| {
            Error::new(ErrorKind::Internal, "feed", "write", "a notice that cannot be written")
                .with_source(error)
        })
    }

    /// Reads the JSON form, as a receiver does.
    ///
    /// # Errors
    ///
    /// `Malformed` for what is no envelope, or tells of something that this release does not know;
    /// `Unsupported` for another version.
    pub fn from_json(json: &[u8]) -> Result<Self> {
        #[derive(Deserialize)]
        struct Version {
            v: u32,
        }
        let malformed = |error| {
            Error::new(ErrorKind::Malformed, "feed", "read", "not a notice in its envelope")
                .with_source(error)
        };
        let Version { v } = serde_json::from_slice(json).map_err(malformed)?;
        if v != Self::VERSION {
            let message =
                format!("an envelope of version {v}; this release knows {}", Self::VERSION);
            return Err(Error::new(ErrorKind::Unsupported, "feed", "read", message));
        }
        serde_json::from_slice(json).map_err(malformed)
    }
}

/// Somebody who wants to know what happens to domains.
///
/// # Contract
///
/// * `Ok` means that the notice will not be needed again: it is stored, or acted on.
/// * The same notice may come again, by the same [`Envelope::id`]: after a crash, or when the answer
///   was lost. A repetition may come after notices that followed it.
/// * Notices of different domains come at the same time; those of one domain one after the other.
/// * A delivery ends by itself. One that takes longer than
///   [`Policy::delivery_timeout`](crate::engine::Policy::delivery_timeout) is dropped, and counts as
///   failed. After three in a row all that waits for the subscriber is put off, of whichever domain:
///   one that passes on to several places gives each of them less time than that, and returns an
///   error. What is put off is no attempt: it is looked at ever more rarely, up to every eight hours,
///   and given up only once it was tried. So a notice can wait for longer than
///   [`Policy::delivery_patience`](crate::engine::Policy::delivery_patience) while the subscriber is
///   silent, and is kept as long.
///
/// # Errors
///
/// What fails is tried again, ever more rarely, and honors
/// [`retry_after`](crate::error::Error::retry_after): up to a day. It holds up the later notices of
/// the same domain to this subscriber, and nothing else. What fails when it is older than
/// [`Policy::delivery_patience`](crate::engine::Policy::delivery_patience) is given up: a
/// dead letter, and the next one is tried. Two kinds are different:
///
/// * `Refused`: this notice is given up at once.
/// * `NotFound`: nobody is there any more. This and all later notices of the domain are dead letters
///   at once, until somebody [revives](crate::engine::Deliveries::revive) them.
///
/// # Testing one
///
/// Hand it what a feed would: [`InMemorySubscriber`](crate::engine::InMemorySubscriber) is one that
/// keeps the contract.
///
/// ```
/// use nameplate::{
///     clock::Timestamp,
///     engine::{Envelope, InMemorySubscriber, Notice, Numbered, Subscriber},
///     id::{DomainId, TenantId},
/// };
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let (tenant, domain) = (TenantId::from_bytes([1; 16]), DomainId::from_bytes([2; 16]));
/// let notice = Numbered::new(1, Timestamp::UNIX_EPOCH, Notice::Added);
/// let envelope = Envelope::new(tenant, domain, "shop.example.com".parse()?, notice);
///
/// let subscriber = InMemorySubscriber::new("billing", 10);
/// subscriber.deliver(&envelope).await?;
/// subscriber.deliver(&envelope).await?; // the same again, as after a crash
/// let taken = subscriber.take();
/// assert_eq!(taken[0], envelope);
/// assert_eq!(taken[0].id, taken[1].id);
/// # Ok(())
/// # }
/// ```
#[async_trait]
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a `Subscriber`",
    note = "implement `nameplate::engine::Subscriber`, or use `nameplate::webhook::Webhook` (feature \
            `webhooks`)"
)]
pub trait Subscriber: fmt::Debug + Send + Sync + 'static {
    /// Returns the name under which is stored how far it was told: 1 to 64 lower-case letters,
    /// digits, `-` and `_`.
    fn id(&self) -> &str;

    /// Takes a notice.
    async fn deliver(&self, envelope: &Envelope) -> Result<()>;
}

macro_rules! forward {
    ($($pointer:ty),*) => {$(
        #[async_trait]
        #[deny(clippy::missing_trait_methods)]
        impl<S: Subscriber + ?Sized> Subscriber for $pointer {
            fn id(&self) -> &str {
                (**self).id()
            }

            async fn deliver(&self, envelope: &Envelope) -> Result<()> {
                (**self).deliver(envelope).await
            }
        }
    )*};
}

forward!(Arc<S>, Box<S>);

/// A subscriber that is plugged in, and what this process knows of it.
#[derive(Debug)]
pub(in crate::engine) struct Seat {
    pub(super) subscriber: Arc<dyn Subscriber>,
    pub(super) silence: Silence,
}

impl Seat {
    pub(super) fn id(&self) -> &str {
        self.subscriber.id()
    }
}

/// Takes subscribers, or says what is wrong with them.
pub(in crate::engine) fn seat(subscribers: Vec<Arc<dyn Subscriber>>) -> Result<Vec<Seat>, String> {
    if subscribers.len() > MAX_SUBSCRIBERS {
        return Err(format!("there are more than {MAX_SUBSCRIBERS} subscribers"));
    }
    let is_allowed = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_');
    let mut seats: Vec<Seat> = Vec::with_capacity(subscribers.len());
    for subscriber in subscribers {
        let id = subscriber.id();
        if !(1..=MAX_ID).contains(&id.len()) || !id.bytes().all(is_allowed) {
            return Err(format!(
                "a subscriber's id is 1 to {MAX_ID} lower-case letters, digits, `-` and `_`, which \
                 {id:?} is not"
            ));
        }
        if seats.iter().any(|other| other.id() == id) {
            return Err(format!("there are two subscribers {id:?}"));
        }
        seats.push(Seat { subscriber, silence: Silence::default() });
    }
    Ok(seats)
}
