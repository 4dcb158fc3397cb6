//! A whole life on a store of anybody's making, in virtual time.
#![allow(unreachable_pub, reason = "a part of more than one program")]

use std::{sync::Arc, time::Duration};

use nameplate::{
    ca::{InMemoryCa, UnsignedSigner},
    certificate::Validation,
    clock::{ManualClock, Timestamp},
    dns::InMemoryDns,
    domain::{Domain, Status, Targets},
    engine::{Onboarding, Policy},
    error::{Error, ErrorKind},
    id::{DomainId, OsRandom, TenantId},
    keys::InMemoryKeys,
    name::ClaimPolicy,
    record::{RecordData, RecordSet, RecordType},
    resolver::InMemoryResolver,
    seal::InMemorySealer,
    store::Store,
    testkit::EndlessTimer,
};

const DAY: Duration = Duration::from_secs(86_400);

/// What went wrong.
pub type Failure = Box<dyn std::error::Error>;

/// Leads a domain from a name that a customer types to its removal, and tells how far it is.
///
/// The world outside is in memory; the store is closed and opened again between any two stages, so
/// that it has to be one that remembers.
///
/// # Errors
///
/// The first thing that does not go as it should.
pub async fn lead<S: Store>(
    store: impl Fn(ManualClock) -> Result<S, Error>,
) -> Result<(), Failure> {
    let clock = ManualClock::new(Timestamp::from_timestamp(1_800_000_000, 0).ok_or("no instant")?);
    let dns = InMemoryDns::new(["example.com".parse()?, "acme.platform.example".parse()?]);
    let resolver = InMemoryResolver::over(Arc::new(dns.clone()));
    let authority = InMemoryCa::new(Arc::new(clock.clone()), Arc::new(UnsignedSigner))
        .with_resolver(Arc::new(resolver.clone()));
    let sealer = InMemorySealer::new();
    let open = || -> Result<Onboarding, Failure> {
        let mut policy = Policy::new();
        policy.validation = Validation::Dns01Delegated;
        Ok(Onboarding::builder(store(clock.clone())?)
            .with_brand("platform")
            .with_targets(Targets::cname("edge.platform.example"))
            .with_resolver(resolver.clone())
            .with_dns(dns.clone())
            .with_delegation_zone("acme.platform.example".parse()?)
            .with_authority(authority.clone())
            .with_keys(InMemoryKeys::new())
            .with_sealer(sealer.clone())
            .with_timer(EndlessTimer)
            .with_claims(ClaimPolicy::new().with_allowed(["example.com".parse()?]))
            .with_policy(policy)
            .build()?)
    };
    let tenant = TenantId::random(&OsRandom)?;
    let id = open()?.add(&tenant, "shop.example.com".parse()?).await?.id();
    println!("claimed   shop.example.com");

    for step in open()?.instructions(&tenant, id).await? {
        let text = match step.record_type {
            RecordType::Txt => format!("\"{}\"", step.value),
            _ => step.value,
        };
        let data = RecordData::parse(step.record_type, &text)?;
        dns.set(RecordSet::new(step.name, step.ttl, [data])?)?;
    }
    println!("published what was asked for");

    let mut last = None;
    for stage in ["active    with a certificate", "renewed   before it expired"] {
        let is_another = |domain: &Domain| {
            let certificate = domain.certificate().map(|served| served.id);
            domain.status() == Status::Active && certificate != last
        };
        let domain = until(&open()?, &clock, &tenant, id, is_another).await?;
        last = domain.certificate().map(|served| served.id);
        println!("{stage}");
    }

    open()?.remove(&tenant, id).await?;
    let onboarding = open()?;
    for _ in 0..10 {
        onboarding.worker().step().await?;
        clock.advance(DAY);
    }
    match onboarding.get(&tenant, id).await {
        Err(error) if error.kind() == ErrorKind::NotFound => println!("removed   with all it had"),
        other => return Err(format!("the removal is not over: {other:?}").into()),
    }
    let notices = onboarding.notices(&tenant, id, 0).await?;
    println!("\n{} notices tell of it, the first and the last being:", notices.len());
    for notice in notices.first().into_iter().chain(notices.last()) {
        println!("  {notice:?}");
    }
    Ok(())
}

/// Lets a worker work, and time go by, until a domain is as wanted.
async fn until(
    onboarding: &Onboarding,
    clock: &ManualClock,
    tenant: &TenantId,
    id: DomainId,
    wanted: impl Fn(&Domain) -> bool,
) -> Result<Domain, Failure> {
    for _ in 0..5_000 {
        onboarding.worker().step().await?;
        let domain = onboarding.get(tenant, id).await?;
        if wanted(&domain) {
            return Ok(domain);
        }
        clock.advance(Duration::from_secs(1800));
    }
    Err("it does not come to that".into())
}
