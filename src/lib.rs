//! Bring-your-own-domain for hosting platforms, as a library.
#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod ca;
pub mod certificate;
pub mod challenge;
pub mod clock;
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
pub mod transport;
pub mod zone;
