//! What tenants do, who come, add what they are asked for, and go.

use std::time::Duration;

use nameplate::{
    RecordData, RecordSet, RecordType,
    certificate::Validation,
    domain::{Domain, NewDomain, Status},
    error::Result,
    record::Ttl,
};
use tokio::time::Instant;

use super::{
    super::{
        check,
        platform::{TENANT, add, asked},
    },
    Siege,
};

impl Siege {
    /// Lets tenants come and go.
    pub(super) async fn feed(&mut self, domains: usize) {
        if Instant::now() < self.feed_at {
            return;
        }
        self.feed_at = Instant::now() + Duration::from_millis(300);
        // A store that is locked or full is tried again.
        let Ok(mut there) = check::domains(&self.nameplate).await else { return };
        there.retain(|domain| domain.status() != Status::Removing);
        for domain in &there {
            self.come(domain).await;
        }
        if there.len() < domains {
            // No more than a few, since others are waited for as well.
            for _ in (there.len()..domains).take(12) {
                let name = self.next_name();
                let _ = self.nameplate.add(&TENANT, name).await;
            }
        } else if self.dice.below(if self.is_walking() { 3 } else { 6 }) == 0 {
            let choice = usize::try_from(self.dice.below(there.len() as u64)).unwrap();
            let _ = self.remove(&there[choice]).await;
        }
    }

    /// Returns a name that was never claimed, by each way of validation in turn.
    fn next_name(&mut self) -> NewDomain {
        self.names += 1;
        let (front, validation) = match self.names % 4 {
            0 => ("*.", Validation::Dns01Delegated),
            1 if self.plan.http => ("", Validation::Http01),
            2 => ("", Validation::Dns01),
            _ => ("", Validation::Dns01Delegated),
        };
        let name = format!("{front}n{}.{}", self.names, self.place.suffix);
        name.parse::<NewDomain>().unwrap().with_validation(validation)
    }

    /// Publishes what a customer is asked for, and something of their own.
    pub(super) async fn come(&mut self, domain: &Domain) {
        if self.all.contains_key(&domain.id()) {
            return;
        }
        let Ok(steps) = self.nameplate.instructions(&TENANT, domain.id()).await else { return };
        self.all.insert(domain.id(), domain.clone());
        for step in steps {
            self.publish(asked(&step)).await;
        }
        let www = nameplate::DnsName::from(domain.name().base()).child("www").unwrap();
        let theirs = RecordData::parse(RecordType::Txt, "theirs").unwrap();
        self.publish(RecordSet::new(www, Ttl::MINUTE, [theirs]).unwrap()).await;
    }

    pub(super) async fn publish(&mut self, set: RecordSet) {
        self.foreign.extend(check::lines(&set));
        add(&self.dns, set, self.plan.outages).await;
    }

    /// Removes all domains.
    pub(in crate::kills) async fn remove_all(&self) {
        for domain in check::domains(&self.nameplate).await.unwrap() {
            if domain.status() != Status::Removing {
                self.remove(&domain).await.unwrap();
            }
        }
    }

    async fn remove(&self, domain: &Domain) -> Result<Domain> {
        self.place.tell_of("removed", domain.name().as_str()).unwrap();
        self.nameplate.remove(&TENANT, domain.id()).await
    }
}
