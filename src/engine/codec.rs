//! How roots and satellites are written down: versioned JSON text under a header.

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{
    notice::{Notice, Numbered},
    root::{AccountRoot, Answer, DomainRoot, Intent, Root, SealedKey},
};
use crate::{
    certificate::{Certificate, Order},
    clock::Timestamp,
    domain::Domain,
    error::{Error, ErrorKind, Result},
    id::{CertificateId, DomainId, KeyId, OrderId, TenantId},
    name::DomainName,
    store::{Body, Entry, Header, Item, Key, Kind, NewEntry, UniqueKey},
};

/// The version that is written. Items of another version are left alone.
const VERSION: u32 = 1;

/// The status under which domains that are gone are found.
pub(super) const REMOVED: &str = "removed";

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

#[derive(Deserialize)]
struct Reading<T> {
    #[serde(flatten)]
    content: T,
}

/// The body of a domain: what it is, and what is under way.
#[derive(Deserialize)]
struct DomainBody {
    domain: Domain,
    intent: Option<Intent>,
}

#[derive(Serialize)]
struct DomainRef<'a> {
    domain: &'a Domain,
    #[serde(skip_serializing_if = "Option::is_none")]
    intent: Option<&'a Intent>,
}

fn write<T: Serialize>(content: &T) -> Result<String> {
    serde_json::to_string(&Writing { v: VERSION, content }).map_err(|error| {
        Error::new(ErrorKind::Internal, "engine", "write", "an item that cannot be written")
            .with_source(error)
    })
}

fn read<T: DeserializeOwned>(text: &str, what: &str) -> Result<T> {
    let malformed = |error| {
        Error::new(ErrorKind::Malformed, "engine", "read", format!("{what} cannot be read"))
            .with_source(error)
    };
    let Version { v } = serde_json::from_str(text).map_err(malformed)?;
    if v != VERSION {
        return Err(Error::new(
            ErrorKind::Unsupported,
            "engine",
            "read",
            format!("{what} is of version {v}; this release knows {VERSION}"),
        ));
    }
    let Reading { content } = serde_json::from_str(text).map_err(malformed)?;
    Ok(content)
}

/// Reads what an item holds.
pub(super) fn read_item<T: DeserializeOwned>(item: &Item) -> Result<T> {
    read(item.body.as_str(), &item.key.to_string())
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

/// What every claim carries: one per tenant and name.
pub(super) fn slot(tenant: TenantId, name: &DomainName) -> UniqueKey {
    UniqueKey::new("slot", &[&tenant.to_string(), name.as_str()])
}

/// What only the holder of a name carries. A wildcard is a name of its own.
pub(super) fn hold(name: &DomainName) -> UniqueKey {
    UniqueKey::new("hold", &[name.as_str()])
}

/// What leads from a host and a token to an answer.
pub(super) fn answer(host: &str, token: &str) -> UniqueKey {
    UniqueKey::new("answer", &[host, token])
}

/// Reads a domain without what belongs to it.
pub(super) fn read_domain(item: &Item) -> Result<Domain> {
    let DomainBody { domain, .. } = read_item(item)?;
    Ok(domain)
}

/// Reads a root; a domain without its order.
pub(super) fn read_root(item: &Item) -> Result<Root> {
    match item.key.kind {
        Kind::Account => Ok(Root::Account(Box::new(read_item(item)?))),
        Kind::Domain => {
            let DomainBody { domain, intent } = read_item(item)?;
            Ok(Root::Domain(Box::new(DomainRoot { domain, order: None, intent })))
        }
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
            header.expires = domain.certificate.as_ref().map(|served| served.not_after);
            let body = write(&DomainRef { domain, intent: intent.as_ref() })?;
            (domain_key(domain.id), body)
        }
    };
    Ok((key, header, Body::new(body)))
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
    let header = Header { tenant: Some(tenant), ..Header::default() };
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
    Ok(NewEntry::new(of.clone(), write(notice)?))
}

pub(super) fn read_notice(entry: &Entry) -> Result<Numbered> {
    let notice = read(&entry.body, "a log entry")?;
    Ok(Numbered::new(entry.number, entry.at, notice))
}
