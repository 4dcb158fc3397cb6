//! Bring-your-own-domain for hosting platforms, as a library.
//!
//! A customer types a name. nameplate proves that it is theirs, says which DNS records to add, gets a
//! certificate, and keeps it all alive: renewals, re-checks, removal. It brings no database, network
//! or runtime of its own: a platform plugs in its infrastructure behind a few traits, each of which
//! has an in-memory implementation that refuses what a real service refuses.
//!
//! # Where to start
//!
//! * [`Onboarding`] has the commands and queries that a platform's own API calls, and [`Worker`] is
//!   the background half. [`engine`] explains what they promise.
//! * [`Domain`] is a tenant's claim on a name; [`domain::Status`] is the table of its life, and
//!   [`Domain::waiting_on`] says who has to act.
//! * [`Store`], [`Resolver`], [`DnsProvider`], [`CertificateAuthority`] and [`Registrar`] are what a
//!   platform plugs in. Their docs are contracts, and each point of a contract is a test that anyone
//!   can run over an implementation of their own (feature `conformance`).
//! * `serve` (feature `rustls`) accepts TLS connections with the certificates.
//!
//! # Floors
//!
//! Imports point down, and a test holds every file to it: `error`, `clock`, `id`, `secret`, `retry`,
//! `address` at the bottom; then [`name`]; [`record`] and [`zone`]; the entities and their machines
//! ([`evidence`], [`challenge`], [`certificate`], [`registration`], [`domain`]), which are pure; the
//! traits; their implementations; [`engine`]; and `serve` and `webhook` on top.
#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod address;
pub mod ca;
pub mod certificate;
pub mod challenge;
pub mod clock;
#[cfg(feature = "conformance")]
pub mod conformance;
pub mod dns;
pub mod domain;
mod encoding;
pub mod engine;
pub mod error;
pub mod evidence;
mod fault;
pub mod id;
pub mod keys;
pub mod mail;
pub mod name;
pub mod probe;
pub mod record;
pub mod registrar;
pub mod registration;
pub mod resolver;
pub mod retry;
pub mod seal;
pub mod secret;
#[cfg(feature = "rustls")]
pub mod serve;
pub mod store;
#[cfg(feature = "testkit")]
pub mod testkit;
mod together;
pub mod transport;
#[cfg(feature = "webhooks")]
pub mod webhook;
pub mod zone;

pub use ca::{CertificateAuthority, InMemoryCa};
pub use certificate::Certificate;
pub use dns::{DnsProvider, InMemoryDns};
pub use domain::{Domain, NewDomain, Targets};
pub use engine::{Onboarding, Worker};
pub use error::{Error, ErrorKind, Result};
pub use name::{DnsName, DomainName};
pub use record::{DnsRecord, RecordData, RecordSet, RecordType};
pub use registrar::{InMemoryRegistrar, Registrar};
pub use registration::Registration;
pub use resolver::{InMemoryResolver, Resolver};
pub use store::{InMemoryStore, Store};

// What the README shows compiles.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
