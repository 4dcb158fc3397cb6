//! What is really so in a history, whatever the engine believes.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use super::{
    outbox::Outbox,
    pages::{Address, Pages, Place},
    title::Titles,
};
use crate::{
    ca::InMemoryCa,
    certificate::Handle,
    challenge::Challenge,
    dns::InMemoryDns,
    domain::{Domain, NewDomain},
    id::TenantId,
    name::{DnsName, DomainName},
    record::{RecordData, RecordSet, RecordType, Ttl, Txt},
};

/// The TTL of everything that customers and others write.
pub(super) const THEIRS: u32 = 7200;

/// What is really so.
#[derive(Debug)]
pub(super) struct Truth {
    pub(super) zones: InMemoryDns,
    pub(super) ca: Option<InMemoryCa>,
    /// Records that customers and others have put into zones.
    theirs: BTreeMap<(DnsName, RecordType), Vec<RecordData>>,
    /// When a value of theirs that may be a proof was there: from, and to if it is gone.
    shown: BTreeMap<(DnsName, String), Vec<Span>>,
    /// The pages of the hosts.
    pub(super) pages: Pages,
    /// Sets that the world sees as they were, and until when.
    unpublished: Overlay,
    /// Sets that the DNS provider shows as they were, and until when.
    stale: Overlay,
    /// The claims, as their tenants know them.
    pub(super) claims: Vec<Claim>,
    /// The name of each order at the authority.
    pub(super) orders: BTreeMap<Vec<u8>, DomainName>,
    /// When orders were made at the authority, by name.
    pub(super) opened: BTreeMap<DomainName, Vec<Duration>>,
    /// Orders that are in processing for ever.
    pub(super) stuck: BTreeSet<Vec<u8>>,
    /// Names of which an order may fail, since a service said no.
    pub(super) excused: BTreeSet<DomainName>,
    /// Calls that are not to be made again for now.
    pub(super) hushed: BTreeMap<(DomainName, &'static str), Hush>,
    /// Whether the store's clock has jumped.
    pub(super) jumped: bool,
    pub(super) jumps: u32,
    /// Orders at the authority of which a challenge was answered.
    pub(super) answered: BTreeSet<Vec<u8>>,
    /// What was left outside that a store which was put back knows nothing of.
    forgotten: BTreeSet<String>,
    /// Whether zones have changed behind our back: one has gone away with what was in it, or the store
    /// was put back and they were not.
    pub(super) is_amiss: bool,
    /// Who has which title to a name.
    pub(super) titles: Titles,
    /// How many names a tenant may have.
    pub(super) caps: Option<Caps>,
    /// What everybody was told.
    pub(super) outbox: Outbox,
}

/// How many names a tenant may have.
#[derive(Clone, Copy, Debug)]
pub(super) struct Caps {
    pub(super) total: usize,
    pub(super) pending: usize,
    pub(super) below: usize,
}

/// How everything was when the store was backed up.
#[derive(Debug)]
pub(super) struct Then {
    at: Duration,
    titles: Titles,
    /// What of ours was in the zones.
    left: Vec<String>,
    outbox: Outbox,
}

/// From when something was there, and to when if it is gone.
type Span = (Duration, Option<Duration>);

type Overlay = BTreeMap<(DnsName, RecordType), (Option<RecordSet>, Duration)>;

/// A service asked not to be called for a while.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hush {
    pub(super) until: Duration,
    /// Whether the engine has written down what came of the call.
    pub(super) known: bool,
}

/// A claim, as its tenant knows it.
#[derive(Clone, Debug)]
pub(super) struct Claim {
    pub(super) tenant: TenantId,
    pub(super) wanted: NewDomain,
    /// As it was added last.
    pub(super) domain: Option<Domain>,
    /// Whether the tenant wants it to serve when the storm is over.
    pub(super) is_kept: bool,
    /// What was ever written into zones for it.
    pub(super) written: Vec<(DnsName, RecordData)>,
    /// The pages that there ever were for it, with what they say.
    pub(super) pages: BTreeMap<Address, String>,
}

impl Claim {
    pub(super) const fn new(tenant: TenantId, wanted: NewDomain) -> Self {
        Self {
            tenant,
            wanted,
            domain: None,
            is_kept: false,
            written: Vec::new(),
            pages: BTreeMap::new(),
        }
    }
}

/// Returns how a value is remembered that may be a proof.
fn proof(data: &RecordData) -> Option<String> {
    match data {
        RecordData::Txt(text) => Some(text.to_text()),
        RecordData::Cname(target) => Some(format!("to {target}")),
        _ => None,
    }
}

/// Returns how a page is remembered that may be a proof.
fn page_proof(path: &str, text: &str) -> String {
    format!("at {path}: {text}")
}

/// Returns how a value is remembered that a challenge asks for.
fn wanted(challenge: &Challenge) -> Option<(DnsName, String)> {
    if let Some(page) = challenge.page() {
        return Some((challenge.owner.clone(), page_proof(page.path(), page.body())));
    }
    let value = challenge.value();
    let text = match challenge.record_type()? {
        RecordType::Cname => format!("to {value}"),
        _ => Txt::from_text(&value).to_text(),
    };
    Some((challenge.owner.clone(), text))
}

impl Truth {
    pub(super) fn new(zones: InMemoryDns, claims: Vec<Claim>) -> Self {
        Self {
            zones,
            ca: None,
            theirs: BTreeMap::new(),
            shown: BTreeMap::new(),
            pages: Pages::default(),
            unpublished: Overlay::new(),
            stale: Overlay::new(),
            claims,
            orders: BTreeMap::new(),
            opened: BTreeMap::new(),
            stuck: BTreeSet::new(),
            excused: BTreeSet::new(),
            hushed: BTreeMap::new(),
            jumped: false,
            jumps: 0,
            answered: BTreeSet::new(),
            forgotten: BTreeSet::new(),
            is_amiss: false,
            titles: Titles::default(),
            caps: None,
            outbox: Outbox::default(),
        }
    }

    /// Adds a value of somebody else's to a set, or takes theirs out of it.
    pub(super) fn edit(&mut self, name: &DnsName, data: &RecordData, there: bool, now: Duration) {
        let record_type = data.record_type();
        let key = (name.clone(), record_type);
        let mut before = self.set(name, record_type);
        if there && record_type == RecordType::Cname {
            // There is room for one: it takes the place of the old one.
            for old in self.theirs.get(&key).cloned().unwrap_or_default() {
                if old != *data {
                    self.edit(name, &old, false, now);
                }
            }
            before = self.set(name, record_type);
        }
        if there {
            let set = match &before {
                Some(set) if set.contains(data) => return,
                Some(set) => set.with(data.clone()).map(|both| both.with_ttl(set.ttl())),
                None => {
                    Ok(()).and_then(|()| RecordSet::new(name.clone(), their_ttl(), [data.clone()]))
                }
            };
            let Ok(set) = set else { return };
            if self.zones.set(set.with_ttl(their_ttl())).is_ok() {
                self.theirs.entry(key).or_default().push(data.clone());
                self.show(name, data, now);
            }
        } else if self.theirs.get(&key).is_some_and(|theirs| theirs.contains(data)) {
            match before.and_then(|set| set.without(data)) {
                Some(set) => drop(self.zones.set(set)),
                None => drop(self.zones.remove(name, record_type)),
            }
            self.forget(&key, data, now);
        }
    }

    /// Puts a page somewhere, or takes it away.
    pub(super) fn edit_page(
        &mut self,
        at: &Address,
        text: &str,
        place: Option<Place>,
        now: Duration,
    ) {
        let Ok(host) = at.0.parse::<DnsName>() else { return };
        let before = match place {
            Some(place) => self.pages.put(at.clone(), place, text.to_owned()),
            None => self.pages.take(at),
        };
        // What another host shows proves nothing.
        let after = place.filter(|place| *place != Place::Elsewhere).map(|_| text.to_owned());
        if before == after {
            return;
        }
        if let Some(before) = before {
            self.unshow((host.clone(), page_proof(&at.1, &before)), now);
        }
        if let Some(after) = after {
            self.shown.entry((host, page_proof(&at.1, &after))).or_default().push((now, None));
        }
    }

    /// Takes note that what may be a proof is there no more.
    fn unshow(&mut self, proof: (DnsName, String), now: Duration) {
        if let Some((_, end)) = self.shown.get_mut(&proof).and_then(|times| times.last_mut()) {
            end.get_or_insert(now);
        }
    }

    /// Takes note that a value of theirs was put into a set behind our back.
    pub(super) fn adopt(&mut self, name: &DnsName, data: RecordData) {
        self.theirs.entry((name.clone(), data.record_type())).or_default().push(data);
    }

    fn show(&mut self, name: &DnsName, data: &RecordData, now: Duration) {
        if let Some(text) = proof(data) {
            self.shown.entry((name.clone(), text)).or_default().push((now, None));
        }
    }

    fn forget(&mut self, key: &(DnsName, RecordType), data: &RecordData, now: Duration) {
        if let Some(theirs) = self.theirs.get_mut(key) {
            theirs.retain(|one| one != data);
            if theirs.is_empty() {
                self.theirs.remove(key);
            }
        }
        if let Some(text) = proof(data) {
            self.unshow((key.0.clone(), text), now);
        }
    }

    /// Lets a zone go away with all that is in it.
    pub(super) fn unhost(&mut self, zone: &DnsName, now: Duration) {
        self.zones.unhost(zone);
        self.is_amiss = true;
        let theirs = self.theirs.clone();
        for (key, values) in theirs.iter().filter(|(key, _)| key.0.is_within(zone)) {
            for data in values {
                self.forget(key, data, now);
            }
        }
        self.unpublished.retain(|(name, _), _| !name.is_within(zone));
        self.stale.retain(|(name, _), _| !name.is_within(zone));
    }

    /// Returns whether the proof of a claim was there at some time since `since`.
    pub(super) fn was_proved(&self, domain: &Domain, since: Duration) -> bool {
        let Some(wanted) = wanted(domain.challenge()) else {
            return self.answered_at(domain).is_some();
        };
        let times = self.shown.get(&wanted);
        times.is_some_and(|times| times.iter().any(|(_, end)| end.is_none_or(|end| end >= since)))
    }

    /// Returns whether the proof of a claim was there all the time since `since`.
    pub(super) fn was_proved_throughout(&self, domain: &Domain, since: Duration) -> bool {
        let Some(wanted) = wanted(domain.challenge()) else {
            // Whoever is told that somebody else has proved the name has to answer once more.
            let doubted = self.titles.doubted.get(&domain.id()).copied();
            return self
                .answered_at(domain)
                .is_some_and(|at| at <= since && doubted.is_none_or(|doubted| doubted < at));
        };
        let times = self.shown.get(&wanted);
        times.is_some_and(|times| times.iter().any(|(from, end)| *from <= since && end.is_none()))
    }

    /// Returns when the mail about a claim in its present generation was last answered.
    fn answered_at(&self, domain: &Domain) -> Option<Duration> {
        let (generation, at) = self.titles.confirmed.get(&domain.id())?;
        (*generation == domain.challenge().generation).then_some(*at)
    }

    /// Returns what is really in a zone.
    fn set(&self, name: &DnsName, record_type: RecordType) -> Option<RecordSet> {
        let mut above = Some(name.clone());
        while let Some(zone) = above {
            let sets = self.zones.records(&zone);
            let is_it = |set: &RecordSet| set.name() == name && set.record_type() == record_type;
            if let Some(set) = sets.into_iter().find(is_it) {
                return Some(set);
            }
            above = zone.parent();
        }
        None
    }

    /// Lets the world, or the provider itself, see a set as it was for a while.
    pub(super) fn overlay(
        &mut self,
        before: Option<RecordSet>,
        of: (DnsName, RecordType),
        until: Duration,
        world: bool,
    ) {
        let overlay = if world { &mut self.unpublished } else { &mut self.stale };
        overlay.entry(of).or_insert((before, until));
    }

    /// Lets the provider see what is there from now on.
    pub(super) fn catch_up(&mut self) {
        self.stale.clear();
    }

    /// Returns the set that is seen in the place of the real one, if another is.
    pub(super) fn overlaid(
        &mut self,
        of: &(DnsName, RecordType),
        now: Duration,
        world: bool,
    ) -> Option<Option<RecordSet>> {
        let overlay = if world { &mut self.unpublished } else { &mut self.stale };
        let (set, until) = overlay.get(of)?;
        if now < *until {
            return Some(set.clone());
        }
        overlay.remove(of);
        None
    }

    /// Returns what is theirs and not in the zones as they wrote it, in one line for each record.
    pub(super) fn damage(&self) -> Vec<String> {
        let mut damage = Vec::new();
        for ((name, record_type), values) in &self.theirs {
            let set = self.set(name, *record_type);
            for data in values {
                if !set.as_ref().is_some_and(|set| set.contains(data)) {
                    damage.push(format!("{name} {record_type} {data}"));
                }
            }
        }
        damage
    }

    /// Takes note that the store is as it was then, and the world is not.
    pub(super) fn put_back(&mut self, then: &Then, zones: &[DnsName]) {
        self.titles = self.titles.put_back(&then.titles);
        // What was asked of services since then is known to nobody.
        self.opened.values_mut().for_each(|times| times.retain(|at| *at <= then.at));
        self.hushed.clear();
        self.excuse_all();
        self.is_amiss = true;
        self.outbox.put_back(&then.outbox);
        let left = self.leftovers(zones).into_iter();
        self.forgotten = left.filter(|left| !then.left.contains(left)).collect();
    }

    /// Returns how everything is, for when the store is put back to it.
    pub(super) fn then(&self, zones: &[DnsName], now: Duration) -> Then {
        Then {
            at: now,
            titles: self.titles.clone(),
            left: self.leftovers(zones),
            outbox: self.outbox.clone(),
        }
    }

    /// Returns what is in the customers' zones and not theirs, of what anybody can know of.
    pub(super) fn leftovers(&self, zones: &[DnsName]) -> Vec<String> {
        let mut left = Vec::new();
        for set in zones.iter().flat_map(|zone| self.zones.records(zone)) {
            let theirs = self.theirs.get(&(set.name().clone(), set.record_type()));
            for data in set.data() {
                if !theirs.is_some_and(|theirs| theirs.contains(data)) {
                    left.push(format!("{} {} {data}", set.name(), set.record_type()));
                }
            }
            if theirs.is_some() && set.ttl() != their_ttl() {
                left.push(format!(
                    "{} {} has a TTL of {}",
                    set.name(),
                    set.record_type(),
                    set.ttl()
                ));
            }
        }
        left.retain(|left| !self.forgotten.contains(left));
        left
    }

    /// Takes note that a service said no about an order.
    pub(super) fn excuse(&mut self, order: &Handle) {
        if let Some(name) = self.orders.get(order.as_bytes()) {
            self.excused.insert(name.clone());
        }
    }

    /// Makes an order invalid at the authority.
    pub(super) fn spoil(&self, order: &Handle) {
        if let Some(ca) = &self.ca {
            ca.invalidate(order);
        }
    }

    /// Has the authority forget its accounts. Nobody is excused for it.
    pub(super) fn lose_accounts(&self) {
        if let Some(ca) = &self.ca {
            ca.lose_accounts();
        }
    }

    /// Takes note that a service said no that all orders may depend on.
    pub(super) fn excuse_all(&mut self) {
        let names = self.claims.iter().map(|claim| claim.wanted.name().clone());
        self.excused.extend(names);
    }
}

fn their_ttl() -> Ttl {
    Ttl::from_secs(THEIRS).unwrap_or(Ttl::HOUR)
}
