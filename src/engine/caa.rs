//! Looking for the CAA records that decide whether a certificate can be had.

use super::{backends::Backends, root::Fact};
use crate::{
    certificate::{Asker, Handle, Permission},
    domain::Domain,
    error::Result,
    name::DnsName,
    record::{DnsRecord, RecordType},
    resolver::{Mode, Outcome},
};

impl Backends {
    /// Climbs from the name of a domain to the closest name with CAA records (RFC 8659 section 3).
    ///
    /// What cannot be answered is no refusal: the authority looks for itself.
    pub(super) async fn caa(&self, domain: &Domain) -> Result<Fact> {
        let mut issuers = self.settings.policy.caa_issuers.clone();
        if issuers.is_empty() {
            match self.authority.caa_identities().await {
                Ok(names) => issuers = names,
                Err(_) => return Ok(Fact::Caa(Permission::Unknown)),
            }
        }
        if issuers.is_empty() {
            return Ok(Fact::Caa(Permission::Allowed));
        }
        let handle = self.account_root().await?.and_then(|root| root.handle);
        let is_made = handle.is_some();
        let account = handle.as_ref().and_then(account_uri);
        let asker = Asker {
            issuers: &issuers,
            account: account.as_deref(),
            validation: domain.validation(),
            is_wildcard: domain.name().is_wildcard(),
        };
        let base = DnsName::from(domain.name().base());
        for at in std::iter::successors(Some(base), DnsName::parent) {
            let answer = self.lookup(&at, RecordType::Caa, Mode::Recursive).await;
            let permission = match &answer.outcome {
                Outcome::Answer(records) => {
                    let data: Vec<_> = records.iter().map(DnsRecord::data).cloned().collect();
                    match asker.judge(&at, &data) {
                        // They may name the account that is about to be made: nothing is ordered
                        // before that, and then they are judged again.
                        Some(Permission::Forbidden { .. }) if !is_made => Some(Permission::Unknown),
                        permission => permission,
                    }
                }
                Outcome::NoData { .. } | Outcome::NxDomain { .. } => None,
                Outcome::Failed(_) | Outcome::Timeout => Some(Permission::Unknown),
            };
            if let Some(permission) = permission {
                return Ok(Fact::Caa(permission));
            }
        }
        Ok(Fact::Caa(Permission::Allowed))
    }
}

/// Returns the URI of an account, if the authority calls it by one.
fn account_uri(handle: &Handle) -> Option<String> {
    let text = String::from_utf8(handle.as_bytes().to_vec()).ok();
    text.filter(|uri| uri.starts_with("https://"))
}
