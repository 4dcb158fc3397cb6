//! Against the probe that fetches a proof over HTTP.

mod framing;
mod page;
mod place;
mod redirect;
mod time;
