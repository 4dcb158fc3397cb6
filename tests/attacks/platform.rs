//! A whole platform in memory, and what an attack on it must leave as it was.

use std::error::Error as _;

use nameplate::{
    domain::{Domain, Instruction, NewDomain, Status},
    engine::Onboarding,
    error::{Error, ErrorKind},
    id::{DomainId, TenantId},
    name::{AdmitError, ClaimRule},
    record::{RecordData, RecordSet, RecordType, Ttl, Txt},
};

use crate::{
    common::{MINUTE, OTHER, World},
    scene::name,
};

/// What the platform holds, and how often it called somebody.
pub(crate) struct Before {
    stored: String,
    calls: [usize; 4],
}

impl Before {
    /// Writes down how things are.
    pub(crate) async fn of(world: &World) -> Self {
        Self { stored: stored(world).await, calls: calls(world) }
    }

    /// Nothing is stored that was not, nothing is gone, and nobody was called.
    pub(crate) async fn holds(&self, world: &World) {
        assert_eq!(self.calls, calls(world), "lookups, orders, accounts, changes of zones");
        assert_eq!(self.stored, stored(world).await);
    }
}

async fn stored(world: &World) -> String {
    let mut lines = String::new();
    let mut export = world.onboarding.operator().export();
    while let Some(more) = export.chunk().await.unwrap() {
        lines.push_str(&more);
    }
    lines
}

fn calls(world: &World) -> [usize; 4] {
    [world.resolver.lookups(), world.ca.orders(), world.ca.accounts(), world.dns.applied()]
}

/// An attacker's claim that is refused, with nothing stored and nobody called. Returns the rule.
pub(crate) async fn refused(world: &World, text: &str) -> ClaimRule {
    refused_by(world, &world.onboarding, text).await
}

/// As [`refused`], in another process on the same world.
pub(crate) async fn refused_by(world: &World, process: &Onboarding, text: &str) -> ClaimRule {
    let before = Before::of(world).await;
    let wanted: NewDomain = text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
    let error = process.add(&OTHER, wanted).await.expect_err(text);
    assert_eq!(error.kind(), ErrorKind::Invalid, "{text}: {error}");
    before.holds(world).await;
    rule(&error).unwrap_or_else(|| panic!("{text}: {error}"))
}

/// Returns the rule by which a claim was refused.
pub(crate) fn rule(error: &Error) -> Option<ClaimRule> {
    error.source()?.downcast_ref::<AdmitError>().map(AdmitError::rule)
}

/// Returns the record that proves a claim.
pub(crate) async fn proof(world: &World, tenant: &TenantId, id: DomainId) -> Instruction {
    world.onboarding.instructions(tenant, id).await.unwrap().remove(0)
}

/// Publishes several TXT values at the same name, in place of what is there.
pub(crate) fn publish_texts(world: &World, at: &Instruction, values: &[&str]) {
    let data = values.iter().map(|value| RecordData::Txt(Txt::from_text(value)));
    world.dns.set(RecordSet::new(at.name.clone(), Ttl::MINUTE, data).unwrap()).unwrap();
}

/// Takes a proof away.
pub(crate) fn unpublish(world: &World, at: &Instruction) {
    world.dns.remove(&at.name, RecordType::Txt);
}

/// Adds a name for a tenant, publishes all that is asked for, and waits until it is served.
pub(crate) async fn active_for(world: &World, tenant: &TenantId, text: &str) -> Domain {
    let id = world.add_with(tenant, text.parse().unwrap()).await.id();
    for step in world.onboarding.instructions(tenant, id).await.unwrap() {
        world.publish_one(&step);
    }
    world.run_for(MINUTE).await;
    let domain = world.onboarding.get(tenant, id).await.unwrap();
    assert_eq!(domain.status(), Status::Active, "{}", domain.waiting_on());
    domain
}

/// Returns whose certificate a host is served with.
pub(crate) async fn served_for(world: &World, host: &str) -> Option<TenantId> {
    let edge = world.onboarding.edge();
    let identity = edge.identity(&name(host)).await.unwrap();
    let serves = edge.serves(&name(host)).await.unwrap();
    assert_eq!(serves, identity.as_ref().map(|identity| identity.certificate), "{host}");
    identity.map(|identity| identity.tenant)
}

/// Lets everybody look, also who is not due, and returns where the claim is.
pub(crate) async fn look(world: &World, tenant: &TenantId, id: DomainId) -> Status {
    world.onboarding.check(tenant, id).await.unwrap().status()
}
