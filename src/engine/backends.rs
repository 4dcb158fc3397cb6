//! What is plugged in.

use std::sync::{Arc, Mutex};

use super::{
    decide::Settings, feed::Seat, health::Pulse, mail::Post, refusal::Auditor, root::AccountRoot,
};
use crate::{
    ca::CertificateAuthority,
    challenge::Terms,
    clock::Timer,
    dns::DnsProvider,
    domain::Targets,
    id::Random,
    keys::Keys,
    name::{ClaimPolicy, DnsName},
    probe::Probe,
    record::Profile,
    resolver::Resolver,
    seal::Sealer,
    store::{Revision, Store},
};

/// What is plugged in, and by which settings it is used.
#[derive(Debug)]
pub(super) struct Backends {
    pub(super) store: Arc<dyn Store>,
    pub(super) resolver: Arc<dyn Resolver>,
    pub(super) dns: Option<Arc<dyn DnsProvider>>,
    /// What fetches the pages that prove names.
    pub(super) probe: Option<Arc<dyn Probe>>,
    pub(super) authority: Arc<dyn CertificateAuthority>,
    pub(super) keys: Arc<dyn Keys>,
    pub(super) sealer: Arc<dyn Sealer>,
    /// The list of sealing keys of which all that are needed were seen to be there.
    pub(super) canaries_checked: Mutex<Option<Revision>>,
    /// What mails codes.
    pub(super) post: Option<Post>,
    pub(super) random: Arc<dyn Random>,
    pub(super) timer: Arc<dyn Timer>,
    /// By what challenges are made.
    pub(super) terms: Terms,
    pub(super) targets: Targets,
    pub(super) claims: ClaimPolicy,
    /// The zone of ours that challenges are delegated to.
    pub(super) delegation_zone: Option<DnsName>,
    /// Which records tenants may have, and which fields of them.
    pub(super) record_profile: Profile,
    /// Who is told what happens.
    pub(super) subscribers: Vec<Seat>,
    /// Who keeps a log of what is refused.
    pub(super) auditor: Option<Arc<dyn Auditor>>,
    pub(super) settings: Settings,
    /// The account as it was last read, since it changes so rarely: what is of the same revision is the
    /// same.
    pub(super) last_account: Mutex<Option<(Revision, AccountRoot)>>,
    /// When work was last asked for, in this process.
    pub(super) pulse: Pulse,
}
