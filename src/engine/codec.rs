//! How roots and satellites are written down: versioned JSON text under a header.

mod at;
mod stored;

use std::fmt::Display;

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use self::stored::Stored;
use super::{
    feed::Feed,
    notice::{Notice, Numbered},
    root::{AccountRoot, Answer, DomainRoot, Intent, Root, SealedKey},
    trace::Trace,
};
use crate::{
    certificate::{Certificate, Order},
    challenge::Scope,
    clock::Timestamp,
    domain::Domain,
    error::{Error, ErrorKind, Result},
    id::{CertificateId, DomainId, KeyId, OrderId, TenantId},
    name::DomainName,
    store::{Body, Entry, Header, Item, Key, Kind, NewEntry, UniqueKey},
};

/// The version that is written, but for domains. Items of another version are left alone.
const VERSION: u32 = 1;

/// The status under which domains that are gone are found.
pub(super) const REMOVED: &str = "removed";

/// The state under which roots are found that nothing is tried with any more.
pub(super) const PARKED: &str = "parked";

/// The version of an item, whatever else there is in it.
#[derive(Deserialize)]
struct Version {
    v: u32,
}

#[derive(Serialize)]
struct Writing<'a, T> {
    v: u32,
    #[serde(flatten)]
    content: &'a T,
}

/// The body of a domain of version 1: what it is, and what is under way.
#[derive(Deserialize)]
struct FirstDomain {
    domain: Domain,
    intent: Option<Intent>,
}

/// How much room most texts need: what grows again and again costs more than what is too large.
const ROOM: usize = 1024;

pub(super) fn write<T: Serialize>(content: &T) -> Result<String> {
    to_text(&Writing { v: VERSION, content })
}

fn to_text<T: Serialize>(content: &T) -> Result<String> {
    let unwritable =
        || Error::new(ErrorKind::Internal, "engine", "write", "an item that cannot be written");
    let mut text = Vec::with_capacity(ROOM);
    serde_json::to_writer(&mut text, content).map_err(|error| unwritable().with_source(error))?;
    String::from_utf8(text).map_err(|error| unwritable().with_source(error))
}

fn from_text<'text, T: Deserialize<'text>>(text: &'text str, what: &dyn Display) -> Result<T> {
    serde_json::from_str(text).map_err(|error| {
        Error::new(ErrorKind::Malformed, "engine", "read", format!("{what} cannot be read"))
            .with_source(error)
    })
}

/// Returns the version of a text, which has to be one up to `newest`.
fn version(text: &str, what: &dyn Display, newest: u32) -> Result<u32> {
    // As we write it: whether the rest is whole is seen when that is read.
    let digits = text.strip_prefix("{\"v\":").and_then(|text| text.split_once([',', '}']));
    let written = digits.and_then(|(digits, _)| digits.parse().ok());
    if let Some(v) = written.filter(|v| (VERSION..=newest).contains(v)) {
        return Ok(v);
    }
    let Version { v } = from_text(text, what)?;
    if (VERSION..=newest).contains(&v) {
        return Ok(v);
    }
    let message = format!("{what} is of version {v}; this release knows {VERSION} to {newest}");
    Err(Error::new(ErrorKind::Unsupported, "engine", "read", message))
}

fn read<T: DeserializeOwned>(text: &str, what: &dyn Display) -> Result<T> {
    version(text, what, VERSION)?;
    // What is read knows no field for the version, and passes over it.
    from_text(text, what)
}

/// Writes what an item holds.
pub(super) fn write_item<T: Serialize>(content: &T) -> Result<Body> {
    write(content).map(Body::new)
}

/// Reads what an item holds.
pub(super) fn read_item<T: DeserializeOwned>(item: &Item) -> Result<T> {
    read(item.body.as_str(), &item.key)
}

pub(super) fn domain_key(id: DomainId) -> Key {
    Key::new(Kind::Domain, id)
}

pub(super) fn account_key(authority: &str) -> Key {
    Key::new(Kind::Account, authority)
}

pub(super) fn order_key(id: OrderId) -> Key {
    Key::new(Kind::Order, id)
}

pub(super) fn certificate_key(id: CertificateId) -> Key {
    Key::new(Kind::Certificate, id)
}

pub(super) fn key_key(id: KeyId) -> Key {
    Key::new(Kind::Key, id)
}

pub(super) fn answer_key(id: &str) -> Key {
    Key::new(Kind::Answer, id)
}

pub(super) fn feed_key(id: DomainId) -> Key {
    Key::new(Kind::Feed, id)
}

/// What every claim carries: one per tenant and name.
pub(super) fn slot(tenant: TenantId, name: &DomainName) -> UniqueKey {
    UniqueKey::new("slot", &[&tenant.to_string(), name.as_str()])
}

/// What only the holder of a name carries, or the trace of whoever held it last. A wildcard is a
/// name of its own.
pub(super) fn hold(name: &DomainName) -> UniqueKey {
    UniqueKey::new("hold", &[name.as_str()])
}

/// What leads from a host and a token to an answer.
pub(super) fn answer(host: &str, token: &str) -> UniqueKey {
    UniqueKey::new("answer", &[host, token])
}

/// Reads a domain without what belongs to it.
pub(super) fn read_domain(item: &Item) -> Result<Domain> {
    domain_and_intent(item).map(|(domain, _)| domain)
}

fn domain_and_intent(item: &Item) -> Result<(Domain, Option<Intent>)> {
    let text = item.body.as_str();
    if version(text, &item.key, stored::VERSION)? >= stored::OLDEST {
        return from_text::<Stored<'_>>(text, &item.key)?.into_domain(item);
    }
    let FirstDomain { mut domain, intent } = read_item(item)?;
    domain.challenge.scope = Scope::of(&domain.name);
    Ok((domain, intent))
}

/// Reads a root; a domain without its order.
pub(crate) fn read_root(item: &Item) -> Result<Root> {
    match item.key.kind {
        Kind::Account => Ok(Root::Account(Box::new(read_item(item)?))),
        Kind::Domain => {
            let (domain, intent) = domain_and_intent(item)?;
            Ok(Root::Domain(Box::new(DomainRoot { domain, order: None, intent })))
        }
        // Whoever asks had trouble with it: it has no place for that, like what cannot be read.
        Kind::Feed => Err(Error::new(
            ErrorKind::Malformed,
            "engine",
            "read",
            format!("{} is no root that decisions are made about", item.key),
        )),
        other => Err(Error::new(
            ErrorKind::Unsupported,
            "engine",
            "read",
            format!("{} is no root that this release knows: {other}", item.key),
        )),
    }
}

/// Writes a root down, due when the caller says.
pub(super) fn write_root(root: &Root, due: Option<Timestamp>) -> Result<(Key, Header, Body)> {
    let mut header = Header { due, ..Header::default() };
    let (key, body) = match root {
        Root::Account(root) => {
            header.status =
                Some(if root.handle.is_some() { "ready" } else { "enrolling" }.to_owned());
            (account_key(&root.authority), write(&**root)?)
        }
        Root::Domain(root) => {
            let DomainRoot { domain, intent, .. } = &**root;
            header.tenant = Some(domain.tenant);
            header.name = Some(domain.name.to_string());
            if domain.is_removed() {
                header.status = Some(REMOVED.to_owned());
            } else {
                header.status = Some(domain.status.as_str().to_owned());
                header.unique.push(slot(domain.tenant, &domain.name));
                if domain.status.holds() {
                    header.unique.push(hold(&domain.name));
                }
            }
            // Who held it may take it up again, and nobody else inherits it.
            if domain.title.rests_until.is_some() && !domain.status.holds() {
                header.unique.push(hold(&domain.name));
            }
            // What is gone is found by when it went.
            let not_after = domain.certificate.as_ref().map(|served| served.not_after);
            header.expires = domain.removed_at.or(not_after);
            let body = to_text(&Stored::of(domain, intent.as_ref(), &header))?;
            (domain_key(domain.id), body)
        }
    };
    if root.is_parked() {
        header.status = Some(PARKED.to_owned());
    }
    Ok((key, header, Body::new(body)))
}

/// Writes down how far subscribers were told of a domain.
pub(super) fn write_feed(feed: &Feed, due: Option<Timestamp>) -> Result<(Key, Header, Body)> {
    let header = Header {
        tenant: Some(feed.tenant),
        name: Some(feed.name.to_string()),
        status: Some(feed.status().to_owned()),
        due,
        ..Header::default()
    };
    Ok((feed_key(feed.domain()), header, Body::new(write(feed)?)))
}

pub(super) fn write_order(order: &Order, tenant: TenantId) -> Result<(Key, Header, Body)> {
    let header = Header {
        tenant: Some(tenant),
        name: order.names.first().map(ToString::to_string),
        status: Some(order.status.as_str().to_owned()),
        expires: Some(order.deadline),
        ..Header::default()
    };
    Ok((order_key(order.id), header, Body::new(write(order)?)))
}

pub(super) fn write_certificate(
    certificate: &Certificate,
    tenant: TenantId,
) -> Result<(Key, Header, Body)> {
    let header = Header {
        tenant: Some(tenant),
        name: certificate.names.first().map(ToString::to_string),
        expires: Some(certificate.not_after),
        ..Header::default()
    };
    Ok((certificate_key(certificate.id), header, Body::new(write(certificate)?)))
}

pub(super) fn write_key(key: &SealedKey, tenant: TenantId) -> Result<(Key, Header, Body)> {
    // By this the secrets of a sealing key are found that is to be given up.
    let status = key.sealed.key_id().map(String::from);
    let header = Header { tenant: Some(tenant), status, ..Header::default() };
    Ok((key_key(key.id), header, Body::new(write(key)?)))
}

pub(super) fn write_answer(content: &Answer, tenant: TenantId) -> Result<(Key, Header, Body)> {
    let header = Header {
        tenant: Some(tenant),
        name: Some(content.host.to_string()),
        unique: vec![answer(content.host.as_str(), &content.token)],
        ..Header::default()
    };
    Ok((answer_key(&content.id), header, Body::new(write(content)?)))
}

pub(super) fn write_account(account: &AccountRoot, due: Timestamp) -> Result<(Key, Header, Body)> {
    write_root(&Root::Account(Box::new(account.clone())), Some(due))
}

pub(super) fn write_notice(of: &Key, notice: &Notice) -> Result<NewEntry> {
    let mut text = write(notice)?;
    // It may be kept for long.
    text.shrink_to_fit();
    Ok(NewEntry::new(of.clone(), text))
}

/// How the entry of a trace begins.
const TRACE: &str = "{\"v\":1,\"trace\":";

/// Longest trace that is kept, in bytes.
const MAX_TRACE: usize = 64 * 1024;

#[derive(Deserialize, Serialize)]
struct TraceBody<T> {
    trace: T,
}

/// Writes down what a decision was made on; `None` if it is too long to be kept.
pub(super) fn write_trace(of: &Key, trace: &Trace) -> Result<Option<NewEntry>> {
    let body = write(&TraceBody { trace })?;
    Ok((body.len() <= MAX_TRACE).then(|| NewEntry::new(of.clone(), body)))
}

/// Returns whether an entry tells what a decision was made on: nothing that happened.
pub(super) fn is_trace(entry: &Entry) -> bool {
    entry.body.starts_with(TRACE)
}

pub(super) fn read_trace(entry: &Entry) -> Result<Trace> {
    let TraceBody { trace } = read(&entry.body, &"a log entry")?;
    Ok(trace)
}

pub(super) fn read_notice(entry: &Entry) -> Result<Numbered> {
    let notice = read(&entry.body, &"a log entry")?;
    Ok(Numbered::new(entry.number, entry.at, notice))
}

/// Reads a log entry; `None` if it is nothing that subscribers are told.
pub(super) fn read_entry(entry: &Entry) -> Result<Option<Numbered>> {
    if entry.body.is_empty() || is_trace(entry) {
        return Ok(None);
    }
    read_notice(entry).map(Some)
}

#[cfg(test)]
mod tests;
