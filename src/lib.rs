//! Bring-your-own-domain for hosting platforms, as a library.
#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod certificate;
pub mod challenge;
pub mod clock;
pub mod domain;
pub mod error;
pub mod evidence;
mod fault;
pub mod id;
pub mod name;
pub mod record;
pub mod registration;
pub mod retry;
pub mod secret;
pub mod store;
pub mod zone;
