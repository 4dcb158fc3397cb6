//! The one place where things happen: commands, queries, and the worker that keeps all alive.
//!
//! # Flow
//!
//! [`Worker::step`] leases what is due. For each root it asks [`questions`](questions()), answers them from the
//! backends, and lets [`decide`](decide()) say what follows: a new state, notices, and at most one effect. The
//! decision is committed before the effect is carried out, and what came of the effect is committed
//! before anything else: n effects, n + 1 commits.
//!
//! # Guarantees
//!
//! * A crash at any point loses nothing: an effect whose outcome is not known is repeated with the
//!   same id or looked into first, as [`EffectKind::redo`] says.
//! * Decisions are pure: the same root, facts, settings and moment give the same decision.
//! * No path leads to a name that is held without a proof seen in the same step.
//!
//! # Fairness
//!
//! What is due is leased by how long it has been due, so that nothing starves, and due times are spread
//! when they are written, so that nobody is before everybody else for long. New names of one tenant
//! are due as [`Policy::pace`] allows. Looks at names that are held are spread over half of
//! [`Policy::recheck`], renewals over three hours (for 90 days), and what failed, was paused
//! or waits for a [budget](Budgets) comes back at a time of its own. A request of a tenant's
//! ([`Onboarding::check`]) is due at once.
//!
//! # Assumptions
//!
//! Time is the store's, so that all workers use one clock. A call that was dropped ends before
//! [`Policy::sweep_after`] has passed.

mod act;
mod archive;
mod arrange;
mod backends;
mod budget;
mod builder;
mod caa;
mod caps;
mod codec;
mod conflicts;
mod crew;
mod decide;
mod drive;
mod each;
mod edge;
mod feed;
mod health;
mod held;
mod incumbent;
mod loss;
mod mail;
mod method;
mod notice;
mod observe;
mod onboarding;
mod operator;
mod pauses;
mod policy;
mod proof;
mod records;
mod refusal;
mod root;
mod sealing;
mod setback;
pub mod telemetry;
mod timeline;
mod timely;
mod trace;
mod transfer;
mod upkeep;
mod worker;

pub use archive::{Export, Import, ImportConflict, ImportReport, Inspection, Manifest, Obstacle};
pub use budget::{Budget, Budgets};
pub use builder::{BuildError, Builder};
#[cfg(feature = "testkit")]
pub(crate) use codec::read_root;
pub use conflicts::{Conflict, Conflicts};
pub use decide::{Settings, decide, questions};
pub use edge::{Edge, Identity};
pub use feed::{
    DeadLetter, DeadLetters, Deliveries, Delivery, Envelope, Followed, InMemorySubscriber, Since,
    Subscriber, Undelivered,
};
pub use health::{Health, LastStep};
pub use notice::{Notice, Numbered};
pub use onboarding::{Domains, Onboarding};
pub use operator::{Adoption, Operator, Parked, ParkedPage, Pausable, RegistrationChange};
pub use policy::Policy;
pub use records::{RecordChange, Records};
pub use refusal::{Auditor, Refusal, Rule};
pub use root::{
    AccountRoot, AccountState, Answer, Decision, DomainRoot, Effect, EffectKind, Fact, Holder,
    Intent, Moment, Outcome, Question, Receipt, Redo, Root, Satellite, SealedKey, Toward, Trouble,
};
pub use sealing::{ResealCursor, Resealed, SealingKey};
pub use timeline::{Happening, Timeline, TimelineEntry};
pub use trace::{Mismatch, Trace, replay};
pub use transfer::TransferCode;
pub use worker::{Step, Worker};
