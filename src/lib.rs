//! Bring-your-own-domain for hosting platforms, as a library.
#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod clock;
pub mod error;
mod fault;
pub mod id;
pub mod name;
pub mod record;
pub mod retry;
pub mod secret;
pub mod store;
