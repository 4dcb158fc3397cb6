//! The tests that every backend must pass.
//!
//! Each trait of floor 4 states its contract as a list; each point of the list is at least one case
//! here, a plain function. A macro makes one test of each case, over a fresh instance every time:
//!
//! ```
//! # mod tests {
//! use std::sync::Arc;
//!
//! use nameplate::{
//!     clock::{ManualClock, Timestamp},
//!     store::InMemoryStore,
//! };
//!
//! async fn fresh() -> (InMemoryStore, ManualClock) {
//!     let clock = ManualClock::new(Timestamp::UNIX_EPOCH);
//!     (InMemoryStore::new(Arc::new(clock.clone())), clock)
//! }
//!
//! nameplate::store_conformance!(my_store, fresh());
//! # }
//! # fn main() {}
//! ```
//!
//! That goes into a test file of a crate with `tokio` (`macros`, `rt-multi-thread`) as a
//! dev-dependency and nameplate's feature `conformance`.
//!
//! The second argument is evaluated once for every case and has to be a future of what the suite
//! takes:
//!
//! | macro | takes |
//! |---|---|
//! | `store_conformance!` | an empty [`Store`](crate::store::Store), and a [`MoveTime`](store::MoveTime) for its clock |
//! | `resolver_conformance!` | a [`Resolver`](crate::resolver::Resolver), a [`Publish`](resolver::Publish) for what it sees, and a zone |
//! | `dns_conformance!` | a [`DnsProvider`](crate::dns::DnsProvider), and a zone that it hosts |
//! | `ca_conformance!` | a [`CertificateAuthority`](crate::ca::CertificateAuthority), and the [`World`](ca::World) that it validates in |
//! | `keys_conformance!` | [`Keys`](crate::keys::Keys) |
//! | `seal_conformance!` | a [`Sealer`](crate::seal::Sealer), and another one with another key |
//! | `registrar_conformance!` | a [`Registrar`](crate::registrar::Registrar), and a [`Shop`](registrar::Shop) of names |
//! | `mail_conformance!` | a [`Mailer`](crate::mail::Mailer), and the [`Inbox`](mail::Inbox) of the recipient |
//! | `probe_conformance!` | a [`Probe`](crate::probe::Probe), and the [`Site`](probe::Site) that it looks at |
//!
//! # For implementers
//!
//! * **A case deletes what it finds.** Run it against a database, a zone or an account made for
//!   testing. A store has to be empty for each case; cases for zones use names of their own, so that
//!   one zone does for all of them, at the same time.
//! * Cases panic when the contract is broken; the message says what was seen.
//! * Several cases call from many tasks at once, and the tests run on two threads: a store that
//!   passes only on one thread has lost a race somewhere.
//! * Nothing is skipped. Where a backend may choose (whether changes are atomic, for example), the
//!   case reads what it says that it does, and holds it to that.
//! * Run the suite over every wrapper too, and over the real service beside the mock.
//!
//! This module is not covered by semantic versioning: a new release may add cases.
#![expect(clippy::unwrap_used, reason = "a failing case must panic")]
#![expect(clippy::missing_panics_doc, reason = "to panic is what a case does")]

pub mod ca;
pub mod dns;
pub mod keys;
pub mod mail;
pub mod probe;
pub mod registrar;
pub mod resolver;
pub mod seal;
pub mod store;

/// Makes one test of each case of a module.
///
/// The names in parentheses are what the setup gives and what the cases take.
#[doc(hidden)]
#[macro_export]
macro_rules! __conformance_cases {
    ($module:tt $setup:expr => $given:tt; $($case:ident,)*) => {
        $(
            #[::tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                let given = $setup.await;
                $crate::__conformance_call!($module $case given => $given);
            }
        )*
    };
}

/// Calls a case with what the setup gave, taken apart.
#[doc(hidden)]
#[macro_export]
macro_rules! __conformance_call {
    ([$($module:tt)*] $case:ident $setup:ident => ($($given:ident),+)) => {
        #[allow(unused_parens)]
        let ($($given),+) = $setup;
        $($module)*::$case($($given),+).await;
    };
}
