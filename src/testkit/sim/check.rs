//! What has to hold after every accepted commit.

use std::time::Duration;

use super::{
    claims::is_resealed,
    core::{Core, State},
    coverage::Occurrence,
    invariant::{Breach, Invariant},
    model::{Content, Model, Row},
    outbox::TENANT_LOG,
    people::THEIRS,
    shift::given_back,
    vault::{Vault, shows_secret},
};
use crate::{
    certificate::{Chain, Handle},
    clock::Timestamp,
    domain::{Domain, Event, PauseScope, Status},
    engine::{EffectKind, Envelope, Notice},
    error::Result,
    evidence::{Topic, Verdict},
    name::DomainName,
    store::{Batch, Key, Kind},
};

/// How long ago a proof may have been seen that is decided on: a lease and all calls under it.
pub(super) const FRESH: Duration = Duration::from_secs(600);

/// The same when the store's clock has jumped, by as much as it jumps.
pub(super) const FRESH_AFTER_JUMP: Duration = Duration::from_secs(4 * 86_400);

/// How long a proof has to be there so that nobody can have seen it missing.
const STEADY: Duration = Duration::from_secs(3600);

/// Most orders that may be made for one name in an hour.
///
/// Let's Encrypt takes five failed authorizations; an hour that a person spends asking again, at
/// `Policy::order_spacing`, adds to what the schedule does alone.
const ORDERS_AN_HOUR: usize = 10;

/// An accepted commit.
pub(super) struct Committed<'a> {
    /// The store as it must be now.
    pub(super) model: &'a Model,
    pub(super) vault: &'a Vault,
    pub(super) core: &'a Core,
    pub(super) batch: &'a Batch,
    /// What was there before of what it changed.
    pub(super) before: &'a [(Key, Option<Row>)],
    pub(super) now: Timestamp,
}

impl Committed<'_> {
    /// Returns the promises that it breaks.
    pub(super) fn breaches(&self) -> Vec<Breach> {
        let mut found = Vec::new();
        if let Some(key) = given_back(self.batch)
            && !key.id.starts_with("tenant-")
            && let Some(row) = self.model.rows.get(key)
            && row.wanted_at().is_none_or(|at| at > self.now)
        {
            let message = format!("{key} is given back as it was, and nobody goes on with it");
            found.push(Breach::new(Invariant::StopsCleanly, message));
        }
        self.core.with(|state| state.coverage.commits += 1);
        for (key, old) in self.before {
            let new = self.model.rows.get(key);
            let is_satellite =
                matches!(key.kind, Kind::Answer | Kind::Certificate | Kind::Key | Kind::Order);
            let is_same = match (old, new) {
                (Some(old), Some(new)) => old.item.body == new.item.body,
                _ => false,
            };
            let is_ours = self.batch.lease.is_some() || is_resealed(self, key);
            if is_satellite && !is_ours && !is_same {
                let message = format!("{key} was written without the lease of its root");
                found.push(Breach::new(Invariant::Fenced, message));
            }
            if let Some(new) = new {
                self.row(old.as_ref(), new, &mut found);
            }
        }
        found.extend(self.outbox());
        let bodies = self.before.iter().filter_map(|(key, _)| self.model.rows.get(key));
        let bodies = bodies.map(|row| row.item.body.as_str());
        let log = self.batch.log.iter().map(|entry| entry.body.as_str());
        if bodies.chain(log).any(shows_secret) {
            let message = "a private key is written down".to_owned();
            found.push(Breach::new(Invariant::NoSecrets, message));
        }
        found
    }

    fn row(&self, old: Option<&Row>, new: &Row, found: &mut Vec<Breach>) {
        let before = old.and_then(|old| old.content.intent());
        if let Some(intent) = new.content.intent()
            && before.is_none_or(|before| before.id != intent.id)
        {
            self.core.with(|state| state.coverage.effect(intent.effect.kind()));
            if let Some(old) = old.and_then(|old| old.content.domain())
                && intent.effect.kind() == EffectKind::OpenOrder
                && !old.status().holds()
                && new.content.domain().is_none_or(|domain| !domain.status().holds())
            {
                let message = format!("an order for {} that nobody holds", old.name());
                found.push(Breach::new(Invariant::NothingWithoutClaim, message));
            }
        }
        match &new.content {
            Content::Unreadable(error) => {
                let message = format!("{} cannot be read: {error}", new.item.key);
                found.push(Breach::new(Invariant::StoreContract, message));
            }
            Content::Domain(domain, _) => {
                // Another version has had it in between: its events are its own business.
                let is_handed_over = old.is_some_and(|old| matches!(old.content, Content::Newer));
                if !is_handed_over {
                    self.domain(old.and_then(|old| old.content.domain()), new, domain, found);
                }
            }
            _ => {}
        }
    }

    /// Returns what is wrong with who counts as told, and with what is written for those who read.
    fn outbox(&self) -> Vec<Breach> {
        let mut found = Vec::new();
        let at = self.core.with(|state| state.instant(self.now));
        for (key, old) in self.before {
            let new = self.model.rows.get(key).map(|row| &row.content);
            let Some(Content::Feed(new)) = new else { continue };
            let old = old.as_ref().and_then(|row| match &row.content {
                Content::Feed(feed) => Some(&**feed),
                _ => None,
            });
            self.core.with(|state| {
                found.extend(state.truth.outbox.settles(self.model, key, (old, new), at));
                if new.buried().len() > old.map_or(0, |old| old.buried().len()) {
                    state.coverage.occurred(Occurrence::Buried);
                }
            });
        }
        for entry in self.batch.log.iter().filter(|entry| entry.of.kind == Kind::Feed) {
            let Ok(envelope) = Envelope::from_json(entry.body.as_bytes()) else { continue };
            let told = self
                .core
                .with(|state| state.truth.outbox.arrives(self.model, TENANT_LOG, &envelope, at));
            found.extend(told.err());
        }
        found
    }

    fn domain(&self, old: Option<&Domain>, row: &Row, new: &Domain, found: &mut Vec<Breach>) {
        let mut broken = |invariant, message| found.push(Breach::new(invariant, message));
        let (id, name) = (new.id(), new.name());
        let from = old.map_or(Status::Pending, Domain::status);
        let to = new.status();

        if to.holds() {
            let other = self.model.domains().find(|(_, other)| {
                other.id() != id && other.name() == name && other.status().holds()
            });
            if let Some((_, other)) = other {
                broken(Invariant::OneOwner, format!("{id} and {} hold {name}", other.id()));
            }
        }
        let (shown, steady) = self.core.with(|state| {
            let fresh = if state.truth.jumped { FRESH_AFTER_JUMP } else { FRESH };
            let shown = state.truth.was_proved(new, state.now.saturating_sub(fresh));
            let since = state.now.checked_sub(STEADY);
            let before = old.unwrap_or(new);
            let steady =
                since.is_some_and(|since| state.truth.was_proved_throughout(before, since));
            (shown, steady)
        });
        let notices = self.notices(&row.item.key);
        // By consent, and proved later.
        let is_given = notices.as_ref().is_ok_and(|notices| {
            notices.iter().any(|notice| matches!(notice, Notice::TransferAccepted { .. }))
        });
        if !from.holds() && to.holds() && !shown && !is_given {
            broken(Invariant::NothingWithoutClaim, format!("{name} is held without a proof"));
        }
        let is_reset = new.challenge().generation > old.map_or(0, |old| old.challenge().generation);
        if from.holds()
            && to == Status::Pending
            && steady
            && self.batch.lease.is_some()
            && !is_reset
        {
            let message = format!("{name} was taken away although the proof is there");
            broken(Invariant::NothingWithoutClaim, message);
        }

        let look = new.evidence(Topic::Ownership);
        let is_new = old.is_some_and(|old| old.evidence(Topic::Ownership).at != look.at);
        if is_new && look.last == Verdict::Refuted && steady && !is_reset {
            let message = format!("the proof of {name} is there, and was found to be gone");
            broken(Invariant::NothingWithoutClaim, message);
        }

        if let Some(served) = new.certificate() {
            let stored = self.model.rows.get(&Key::new(Kind::Key, served.key));
            let certificate = self.model.rows.get(&Key::new(Kind::Certificate, served.id));
            match (stored.map(|row| &row.content), certificate.map(|row| &row.content)) {
                (Some(Content::Key(key)), Some(Content::Certificate(certificate))) => {
                    let is_new = old.and_then(Domain::certificate) != Some(served);
                    if is_new && let Err(error) = self.matches(key, &certificate.chain, name) {
                        broken(Invariant::KeyMatches, format!("{name}: {error}"));
                    }
                }
                (_, Some(Content::Certificate(_))) => {
                    broken(Invariant::KeyKept, format!("the key that serves {name} is gone"));
                }
                _ => {
                    broken(Invariant::KeyKept, format!("the certificate of {name} is gone"));
                }
            }
        }
        if let Some(served) = old
            .filter(|old| old.status() == Status::Active)
            .and_then(Domain::certificate)
            .filter(|served| served.is_valid(self.now))
            && to.holds()
        {
            // What was activated before the clock jumped back may be of an hour that comes again.
            let jumped = self.core.with(|state| state.truth.jumped);
            let still = new.certificate().is_some_and(|it| jumped || it.is_valid(self.now));
            if to != Status::Active || !still {
                let message = format!("{name} is {to} although {} was valid", served.id);
                broken(Invariant::OldServes, message);
            }
        }

        let is_clean = new.placed().is_empty() && new.sweeps() == 0;
        // Whoever has stopped it lets it go on.
        let is_stopped = new.paused().is_some_and(|paused| paused.scope == PauseScope::Domain);
        let may_sleep = match to {
            _ if is_stopped => true,
            Status::Removing => new.is_removed() && is_clean,
            Status::Pending => new.next_check_at().is_none(),
            _ => false,
        };
        if row.wanted_at().is_none() && !may_sleep {
            let message = format!("{name} is {to}, and neither due nor leased");
            broken(Invariant::NothingStuck, message);
        }

        match notices {
            Ok(notices) => {
                if let Some(message) = story(old, new, &notices) {
                    broken(Invariant::EventsComplete, format!("{name}: {message}"));
                }
                if let Some(message) = self.excuses(name, &notices) {
                    broken(Invariant::WithinBudget, format!("{name}: {message}"));
                }
                self.claim(old, new, &notices, found);
                self.core.with(|state| cells(state, old, new, &notices));
            }
            Err(message) => broken(Invariant::EventsComplete, message),
        }
        self.core.with(|state| heard(state, old, new, self.batch.lease.is_some()));
    }

    fn matches(
        &self,
        key: &crate::engine::SealedKey,
        chain: &str,
        name: &DomainName,
    ) -> std::result::Result<(), String> {
        let public_key = self
            .vault
            .public_key(&key.sealed)
            .ok_or_else(|| "its key was sealed by nobody".to_owned())?;
        let chain: Chain = chain.parse().map_err(|error| format!("{error}"))?;
        // The clock may have jumped since it was decided on.
        let now = match self.core.with(|state| state.truth.jumped) {
            true => chain.not_before(),
            false => self.now,
        };
        let names = [name.clone()];
        chain.check(&names, &public_key, now).map_err(|error| error.to_string())
    }

    pub(super) fn notices(&self, key: &Key) -> std::result::Result<Vec<Notice>, String> {
        let entries = self.batch.log.iter();
        let entries = entries.filter(|entry| entry.of == *key && !is_foretold(&entry.body));
        entries
            .map(|entry| {
                serde_json::from_str(&entry.body)
                    .map_err(|error| format!("a notice of {key} cannot be read: {error}"))
            })
            .collect()
    }

    /// Returns which order was given up for no reason.
    fn excuses(&self, name: &DomainName, notices: &[Notice]) -> Option<String> {
        for notice in notices {
            match notice {
                Notice::OrderFailed { order, failure, .. } => {
                    let excused = self.core.with(|state| state.truth.excused.remove(name));
                    if !excused && !failure.kind.is_transient() {
                        let message = &failure.message;
                        return Some(format!(
                            "{order} was given up, and nobody refused: {message}"
                        ));
                    }
                }
                Notice::CertificateActivated { .. } => {
                    self.core.with(|state| state.truth.excused.remove(name));
                }
                _ => {}
            }
        }
        None
    }
}

/// Returns whether an entry is of a later version of the engine.
pub(super) fn is_foretold(body: &str) -> bool {
    body.starts_with(THEIRS)
}

/// Returns what is wrong with what was told of a change.
fn story(old: Option<&Domain>, new: &Domain, notices: &[Notice]) -> Option<String> {
    let mut status = old.map_or(Status::Pending, Domain::status);
    for notice in notices {
        if let Notice::StatusChanged { from, to, event } = notice {
            if *from != status || from.on(*event) != Some(*to) {
                return Some(format!("told of {from} to {to} by {event} while it was {status}"));
            }
            status = *to;
        }
    }
    if status != new.status() {
        return Some(format!("it is {}, and what was told ends with {status}", new.status()));
    }
    let tells = |what: &dyn Fn(&Notice) -> bool| notices.iter().any(what);
    if old.is_none() && !tells(&|notice| *notice == Notice::Added) {
        return Some("nobody was told that it was added".to_owned());
    }
    if new.is_removed()
        && !old.is_some_and(Domain::is_removed)
        && !tells(&|notice| *notice == Notice::Removed)
    {
        return Some("nobody was told that it is gone".to_owned());
    }
    let served = new.certificate().map(|served| served.id);
    let is_told = |notice: &Notice| match notice {
        Notice::CertificateActivated { certificate, .. } => Some(*certificate) == served,
        _ => false,
    };
    if served.is_some()
        && served != old.and_then(Domain::certificate).map(|served| served.id)
        && !tells(&is_told)
    {
        return Some("nobody was told of its certificate".to_owned());
    }
    let order = new.issuance().map(|issuance| issuance.order);
    let is_told = |notice: &Notice| match notice {
        Notice::OrderOpened { order: opened } => Some(*opened) == order,
        _ => false,
    };
    if order.is_some()
        && order != old.and_then(Domain::issuance).map(|issuance| issuance.order)
        && !tells(&is_told)
    {
        return Some("nobody was told of its order".to_owned());
    }
    None
}

/// Counts the cells of the table that a change went through.
fn cells(state: &mut State, old: Option<&Domain>, new: &Domain, notices: &[Notice]) {
    for notice in notices {
        if let Notice::StatusChanged { from, event, .. } = notice {
            state.coverage.cell(*from, *event);
        }
    }
    let Some(old) = old else { return };
    // An event that keeps the status is told by what else it changes.
    let is_reset = |notice: &Notice| matches!(notice, Notice::OwnershipReset { .. });
    if old.status() == new.status() && notices.iter().any(is_reset) {
        state.coverage.cell(old.status(), Event::OwnershipReset);
    }
    let (before, after) = (old.evidence(Topic::Ownership), new.evidence(Topic::Ownership));
    let is_confirmed = before != after && after.last == Verdict::Confirmed;
    if old.status() == new.status() && is_confirmed && old.status().holds() {
        state.coverage.cell(old.status(), Event::OwnershipProven);
    }
    let is_renewed = |notice: &Notice| matches!(notice, Notice::CertificateActivated { .. });
    if old.status() == Status::Active
        && new.status() == Status::Active
        && notices.iter().any(is_renewed)
    {
        state.coverage.cell(Status::Active, Event::CertificateActivated);
    }
}

/// Takes note that the engine has written down that a service asked for patience.
fn heard(state: &mut State, old: Option<&Domain>, new: &Domain, is_leased: bool) {
    let is_proved = old.is_some_and(|old| !old.status().holds()) && new.status().holds();
    if old.is_none() || is_proved {
        // Whoever claims a name knows nothing of what others were told.
        state.truth.hushed.retain(|(name, _), _| name != new.name());
    }
    let is_told = old.is_some_and(|old| new.service_failures > old.service_failures);
    if is_told && is_leased {
        for ((name, _), hush) in &mut state.truth.hushed {
            hush.known |= name == new.name();
        }
    }
}

impl State {
    /// Takes note of an order at the authority.
    pub(super) fn ordered(&mut self, order: &Handle, name: &DomainName) {
        if self.truth.orders.insert(order.as_bytes().to_vec(), name.clone()).is_some() {
            return;
        }
        let now = self.now;
        let opened = self.truth.opened.entry(name.clone()).or_default();
        opened.push(now);
        let since = now.saturating_sub(Duration::from_secs(3600));
        let count = opened.iter().filter(|at| **at >= since).count();
        if count > ORDERS_AN_HOUR && !self.truth.jumped {
            let message = format!("{count} orders for {name} within an hour");
            self.breach.get_or_insert_with(|| Breach::new(Invariant::WithinBudget, message));
        }
    }
}

impl super::link::Link {
    /// Checks that a service is asked again only when it wants to be.
    pub(super) fn asks(&self, name: Option<&DomainName>, method: &'static str) {
        let Some(name) = name else { return };
        let early = self.core.with(|state| {
            let hush = state.truth.hushed.get(&(name.clone(), method)).copied()?;
            let is_early = hush.known && state.now < hush.until && !state.truth.jumped;
            is_early.then(|| hush.until.saturating_sub(state.now))
        });
        if let Some(early) = early {
            let seconds = early.as_secs();
            let message =
                format!("{method} for {name} {seconds} s before the authority wants to hear of it");
            self.core.breach(Breach::new(Invariant::WithinBudget, message));
        }
    }

    /// Checks that nothing of others is gone from the zones.
    pub(super) fn no_damage(&self, damage: &[String]) {
        if let Some(first) = damage.first() {
            let message = format!("records of others were changed: {first}");
            self.core.breach(Breach::new(Invariant::NoOrphans, message));
        }
    }

    /// Checks that no secret is in what is told to a caller.
    pub(super) fn no_secret<T>(&self, done: &Result<T>) {
        let Err(error) = done else { return };
        if shows_secret(&format!("{error} {error:?}")) {
            let message = "a private key is in an error".to_owned();
            self.core.breach(Breach::new(Invariant::NoSecrets, message));
        }
    }
}
