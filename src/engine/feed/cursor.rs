//! How far each subscriber was told of a domain, and what follows from a delivery: pure.

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{
    clock::{Timestamp, after, between},
    domain::Domain,
    engine::{
        policy::Policy,
        root::{Moment, Trouble},
    },
    error::ErrorKind,
    id::{DomainId, TenantId},
    name::DomainName,
    retry::{Backoff, spread},
};

/// Most dead letters that are kept of one domain for one subscriber: the latest.
pub(super) const MAX_DEAD: usize = 32;

/// How much of a message is kept with a dead letter, in characters.
const MAX_MESSAGE: usize = 160;

/// Longest wait that a subscriber can ask for.
const MAX_WAIT: Duration = Duration::from_secs(86_400);

/// How often a worker comes back to what waits for a subscriber that it does not have.
const ABSENT_PAUSE: Duration = Duration::from_secs(600);

/// A notice that was given up.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[non_exhaustive]
pub struct DeadLetter {
    /// The number of the notice in the history of its domain.
    pub number: u64,
    /// When it was given up.
    pub at: Timestamp,
    /// How often it was tried; 0 if nobody was there to try it with.
    pub attempts: u32,
    /// What went wrong last.
    pub trouble: Trouble,
}

/// What is stored of the deliveries to one subscriber.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub(super) struct Cursor {
    /// The number up to which everything was delivered or given up.
    pub(super) after: u64,
    /// Rises when somebody moves the cursor, so that a delivery under way does not move it back.
    #[serde(default)]
    pub(super) epoch: u32,
    /// Dead letters that were revived: they come first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) again: Vec<u64>,
    /// Failed attempts at the next notice, in a row.
    #[serde(default)]
    pub(super) failures: u32,
    /// How often in a row no attempt was made, because the subscriber did not answer others.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(super) postponed: u32,
    /// No attempt before this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) next_at: Option<Timestamp>,
    /// What went wrong last, until something is delivered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) trouble: Option<Trouble>,
    /// Since when nobody is there who wants anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) gone_at: Option<Timestamp>,
    /// When somebody last asked for what was given up or told already: patience starts there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) asked_at: Option<Timestamp>,
    /// Since when no worker had this subscriber while something waited for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) absent_since: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) dead: Vec<DeadLetter>,
    /// Dead letters that are no longer kept.
    #[serde(default)]
    pub(super) lost: u64,
}

/// For `serde`, which asks by reference.
const fn is_zero(count: &u32) -> bool {
    *count == 0
}

impl Cursor {
    pub(super) fn at(after: u64) -> Self {
        Self { after, ..Self::default() }
    }

    /// Counts a notice as over.
    fn pass(&mut self, number: u64) {
        if self.again.first() == Some(&number) {
            self.again.remove(0);
        } else {
            self.after = self.after.max(number);
        }
        self.failures = 0;
        self.postponed = 0;
        self.next_at = None;
    }

    fn bury(&mut self, number: u64, attempts: u32, trouble: Trouble, now: Timestamp) {
        self.dead.retain(|letter| letter.number != number);
        let message = trouble.message.chars().take(MAX_MESSAGE).collect();
        let trouble = Trouble { message, ..trouble };
        self.dead.push(DeadLetter { number, at: now, attempts, trouble });
        if self.dead.len() > MAX_DEAD {
            self.dead.remove(0);
            self.lost = self.lost.saturating_add(1);
        }
        self.pass(number);
    }

    /// Returns how many notices were given up so far, but for those that were asked for again.
    fn buried(&self) -> u64 {
        self.lost.saturating_add(u64::try_from(self.dead.len()).unwrap_or(u64::MAX))
    }

    /// Puts the next attempt off.
    fn wait(&mut self, trouble: &Trouble, now: Timestamp, seed: u64) {
        let asked = trouble.retry_after.unwrap_or_default().min(MAX_WAIT);
        let before = self.failures.saturating_add(self.postponed);
        let wait = Backoff::DELIVERY.delay(before, seed);
        self.next_at = Some(after(now, wait.max(asked)));
        self.trouble = Some(trouble.clone());
    }

    /// Notes what came of one notice; says whether the next one may be tried at once.
    fn note(&mut self, tried: &Tried, policy: &Policy, now: Timestamp, seed: u64) -> bool {
        let Tried { number, at, end } = tried;
        match end {
            End::Delivered => {
                self.pass(*number);
                self.trouble = None;
            }
            // Not there any more, or not for subscribers.
            End::Skipped => self.pass(*number),
            End::Untried => {
                let trouble = self.trouble.clone().unwrap_or_else(|| {
                    Trouble::new(ErrorKind::NotFound, "feed: deliver: the subscriber is gone")
                });
                self.bury(*number, 0, trouble, now);
            }
            End::Postponed(trouble) => {
                self.wait(trouble, now, seed);
                self.postponed = self.postponed.saturating_add(1);
                return false;
            }
            End::Failed(trouble) => {
                let since = self.asked_at.map_or(*at, |asked| asked.max(*at));
                if trouble.kind == ErrorKind::NotFound {
                    self.gone_at = Some(now);
                } else if trouble.kind != ErrorKind::Refused
                    && between(since, now) < policy.delivery_patience
                {
                    self.wait(trouble, now, seed);
                    self.failures = self.failures.saturating_add(1);
                    return false;
                }
                self.trouble = Some(trouble.clone());
                let attempts = self.failures.saturating_add(1);
                self.bury(*number, attempts, trouble.clone(), now);
            }
        }
        true
    }
}

/// The deliveries of a domain's notices: one cursor for each subscriber.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(in crate::engine) struct Feed {
    pub(super) domain: DomainId,
    pub(in crate::engine) tenant: TenantId,
    pub(in crate::engine) name: DomainName,
    /// The highest number that anybody was told of: a new subscriber starts after it.
    pub(super) through: u64,
    #[serde(default)]
    pub(super) cursors: BTreeMap<String, Cursor>,
}

/// What one subscriber is to be given now.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Work {
    /// The subscriber.
    pub(super) subscriber: String,
    /// Of which epoch the cursor is.
    pub(super) epoch: u32,
    /// These first.
    pub(super) again: Vec<u64>,
    /// Then what follows this.
    pub(super) after: u64,
    /// Whether nobody is there to take it.
    pub(super) is_gone: bool,
}

/// What came of one notice.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Tried {
    /// Its number.
    pub(super) number: u64,
    /// When it happened.
    pub(super) at: Timestamp,
    /// What came of it.
    pub(super) end: End,
}

/// How an attempt at a delivery ended.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum End {
    /// It was taken.
    Delivered,
    /// It was not.
    Failed(Trouble),
    /// It was not tried now.
    Postponed(Trouble),
    /// It is no notice, or no longer kept.
    Skipped,
    /// Nobody is there to take it.
    Untried,
}

/// What came of the work for one subscriber.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Report {
    /// The subscriber.
    pub(super) subscriber: String,
    /// Of which epoch the cursor was.
    pub(super) epoch: u32,
    /// In order; nothing follows a failure.
    pub(super) tried: Vec<Tried>,
    /// Whether there is more to be had now.
    pub(super) more: bool,
}

impl Feed {
    /// Returns the number up to which nobody waits for what happened: dead letters wait for nobody.
    pub(in crate::engine) fn delivered(&self) -> u64 {
        let waits = |cursor: &Cursor| {
            let again = cursor.again.iter().map(|number| number.saturating_sub(1));
            again.chain([cursor.after]).min()
        };
        // Whoever comes first starts after what anybody was told.
        self.cursors.values().filter_map(waits).min().unwrap_or(self.through)
    }

    /// Starts after the notice with this number.
    pub(super) fn new(domain: &Domain, through: u64) -> Self {
        Self {
            domain: domain.id,
            tenant: domain.tenant,
            name: domain.name.clone(),
            through,
            cursors: BTreeMap::new(),
        }
    }

    /// Returns what the header says.
    pub(in crate::engine) fn status(&self) -> &'static str {
        if self.cursors.values().any(|cursor| !cursor.dead.is_empty()) {
            return DEAD;
        }
        let fails = |cursor: &Cursor| cursor.trouble.is_some();
        if self.cursors.values().any(fails) { "failing" } else { "told" }
    }

    pub(in crate::engine) const fn domain(&self) -> DomainId {
        self.domain
    }

    /// Makes room for the subscribers that are plugged in.
    pub(super) fn admit(&mut self, plugged: &[&str]) {
        for id in plugged {
            if !self.cursors.contains_key(*id) {
                self.cursors.insert((*id).to_owned(), Cursor::at(self.through));
            }
        }
    }

    /// Returns what can be tried now.
    pub(super) fn work(&self, plugged: &[&str], now: Timestamp) -> Vec<Work> {
        let is_due = |cursor: &Cursor| cursor.next_at.is_none_or(|next| next <= now);
        self.cursors
            .iter()
            .filter(|(id, cursor)| plugged.contains(&id.as_str()) && is_due(cursor))
            .map(|(id, cursor)| Work {
                subscriber: id.clone(),
                epoch: cursor.epoch,
                again: cursor.again.clone(),
                after: cursor.after,
                is_gone: cursor.gone_at.is_some(),
            })
            .collect()
    }

    /// Returns how many notices were given up for each subscriber so far.
    pub(super) fn buried(&self) -> BTreeMap<String, u64> {
        self.cursors.iter().map(|(id, cursor)| (id.clone(), cursor.buried())).collect()
    }

    /// Notes what came of the deliveries, and says when to come back.
    ///
    /// A cursor that somebody moved in between stays where it was put: what was delivered then is
    /// delivered once more.
    pub(super) fn settle(
        &mut self,
        reports: &[Report],
        plugged: &[&str],
        policy: &Policy,
        moment: Moment,
    ) -> Option<Timestamp> {
        let now = moment.now;
        let mut due: Option<Timestamp> = None;
        let mut come_back = |at: Timestamp| due = Some(due.map_or(at, |due| due.min(at)));
        for report in reports {
            for tried in &report.tried {
                self.through = self.through.max(tried.number);
            }
        }
        for (id, cursor) in self.cursors.iter_mut().filter(|(id, _)| plugged.contains(&id.as_str()))
        {
            cursor.absent_since = None;
            let report = reports.iter().find(|report| report.subscriber == *id);
            match report {
                Some(report) if report.epoch == cursor.epoch => {
                    let seed = moment.number(id);
                    let mut goes_on = report.more;
                    for tried in &report.tried {
                        let failed = matches!(tried.end, End::Failed(_));
                        goes_on |= cursor.note(tried, policy, now, seed) && failed;
                    }
                    match cursor.next_at {
                        Some(next) => come_back(next),
                        None if goes_on => come_back(now),
                        None => {}
                    }
                }
                Some(_) => come_back(now),
                None => {
                    if let Some(next) = cursor.next_at {
                        come_back(next);
                    }
                }
            }
        }
        let through = self.through;
        self.cursors.retain(|id, cursor| {
            let waits = cursor.after < through || !cursor.again.is_empty();
            if plugged.contains(&id.as_str()) || !waits {
                return true;
            }
            let since = *cursor.absent_since.get_or_insert(now);
            if between(since, now) >= policy.delivery_patience {
                return false;
            }
            come_back(after(now, spread(ABSENT_PAUSE, moment.number(id))));
            true
        });
        due
    }

    /// Tells a subscriber again of everything after the notice with this number.
    pub(super) fn replay(&mut self, subscriber: &str, number: u64, now: Timestamp) -> bool {
        let Some(cursor) = self.cursors.get_mut(subscriber) else { return false };
        // Never forward: what waits still waits.
        cursor.after = cursor.after.min(number);
        if number == 0 {
            // All that was given up and could not be listed is told again.
            cursor.lost = 0;
        }
        cursor.again.retain(|again| *again <= number);
        cursor.dead.retain(|letter| letter.number <= number);
        cursor.ask(now);
        true
    }

    /// Tries again what was given up.
    pub(super) fn revive(&mut self, subscriber: &str, now: Timestamp) -> bool {
        let Some(cursor) = self.cursors.get_mut(subscriber) else { return false };
        cursor.again.extend(cursor.dead.drain(..).map(|letter| letter.number));
        cursor.again.sort_unstable();
        cursor.again.dedup();
        cursor.ask(now);
        true
    }
}

impl Cursor {
    /// Starts afresh, because somebody asks.
    fn ask(&mut self, now: Timestamp) {
        self.epoch = self.epoch.wrapping_add(1);
        self.failures = 0;
        self.postponed = 0;
        self.next_at = None;
        self.trouble = None;
        self.gone_at = None;
        self.asked_at = Some(now);
    }
}

/// The status under which feeds with dead letters are found.
pub(super) const DEAD: &str = "dead";

#[cfg(test)]
mod tests;
