//! What subscribers and readers were told, held against what was committed.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use serde::Deserialize;

use super::{
    invariant::{Breach, Invariant},
    model::{Content, Log, Model},
};
use crate::{
    clock::{Timestamp, after},
    engine::{Envelope, Followed, Notice, Since},
    id::DomainId,
    store::{Entry, Key, Kind},
};

/// The subscriber that writes the logs of tenants.
pub(super) const TENANT_LOG: &str = "tenant-log";

/// How long what is on its way may still arrive: the rest of a lease, and of calls under it.
const GRACE: Duration = Duration::from_secs(180);

/// A feed, as far as the checks want to know.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Feed {
    through: u64,
    #[serde(default)]
    cursors: BTreeMap<String, Cursor>,
}

/// How far a subscriber was told, as it is stored.
#[derive(Clone, Debug, Default, Deserialize)]
struct Cursor {
    after: u64,
    #[serde(default)]
    epoch: u32,
    #[serde(default)]
    again: Vec<u64>,
    #[serde(default)]
    asked_at: Option<Timestamp>,
    #[serde(default)]
    dead: Vec<Dead>,
    #[serde(default)]
    lost: u64,
}

/// A dead letter.
#[derive(Clone, Debug, Deserialize)]
struct Dead {
    number: u64,
}

impl Cursor {
    fn has_given_up(&self, number: u64) -> bool {
        self.dead.iter().any(|letter| letter.number == number)
    }
}

impl Feed {
    /// Returns the cursor of a subscriber, as it is when nothing is stored of it yet.
    fn cursor(&self, who: &str) -> Cursor {
        let fresh = || Cursor { after: self.through, ..Cursor::default() };
        self.cursors.get(who).cloned().unwrap_or_else(fresh)
    }

    /// Returns who has dead letters, and whether some of them are listed no longer.
    pub(super) fn buried(&self) -> Vec<(&str, bool)> {
        let dead = self.cursors.iter().filter(|(_, cursor)| !cursor.dead.is_empty());
        dead.map(|(who, cursor)| (who.as_str(), cursor.lost > 0)).collect()
    }
}

/// What one subscriber was told of one domain.
#[derive(Clone, Debug, Default)]
struct Heard {
    /// What it took since it was last to be told again.
    taken: BTreeSet<u64>,
    /// The highest number that ever arrived.
    highest: u64,
    /// What it said it would never take.
    refused: BTreeSet<u64>,
    /// Whether it said that nobody is there.
    is_gone: bool,
    /// Since when it counts as told, by number.
    settled: BTreeMap<u64, Duration>,
    /// What counted as told at any time.
    ever: BTreeSet<u64>,
}

/// Whoever follows a log, page by page, and keeps the place.
#[derive(Clone, Debug, Default)]
pub(super) struct Reader {
    /// After which number it goes on.
    pub(super) place: u64,
    handled: BTreeSet<u64>,
}

/// When something happens: since the start, and by the clock of the store.
#[derive(Clone, Copy, Debug)]
pub(super) struct Instant {
    pub(super) now: Duration,
    pub(super) clock: Timestamp,
    /// Whether the clock has jumped, so that it says little about how long ago something was.
    pub(super) jumped: bool,
}

/// What everybody was told.
#[derive(Clone, Debug, Default)]
pub(super) struct Outbox {
    /// Who has to be told everything: nobody in many histories.
    pub(super) listeners: Vec<&'static str>,
    /// How old a notice has to be before it is given up.
    patience: Duration,
    /// How old an entry has to be before it is dropped.
    keep: Duration,
    /// Until when a process stood still: what it was about to say comes late.
    pub(super) halted: Duration,
    heard: BTreeMap<(&'static str, DomainId), Heard>,
    /// Who follows which log.
    pub(super) readers: BTreeMap<Key, Reader>,
}

/// Returns what an entry tells, if this release can read it.
fn notice(entry: &Entry) -> Option<Notice> {
    serde_json::from_str(&entry.body).ok()
}

/// Returns the stored deliveries of a domain.
fn feed(model: &Model, domain: DomainId) -> Option<&Feed> {
    match &model.rows.get(&Key::new(Kind::Feed, domain))?.content {
        Content::Feed(feed) => Some(feed),
        _ => None,
    }
}

impl Outbox {
    /// Starts with nothing told.
    pub(super) fn new(listeners: Vec<&'static str>, patience: Duration, keep: Duration) -> Self {
        Self { listeners, patience, keep, ..Self::default() }
    }

    fn is_old(&self, entry: &Entry, at: Instant) -> bool {
        at.jumped || after(entry.at, self.patience) <= at.clock
    }

    /// Takes note of what a subscriber is handed. Returns what is wrong with it, and whether it came
    /// before.
    pub(super) fn arrives(
        &mut self,
        model: &Model,
        who: &'static str,
        envelope: &Envelope,
        at: Instant,
    ) -> Result<bool, Breach> {
        let Envelope { domain, number, .. } = *envelope;
        let log = model.logs.get(&Key::new(Kind::Domain, domain));
        let Some((log, entry)) = log.and_then(|log| Some((log, log.entry(number)?))) else {
            let message = format!("{who} is told {}, which nobody committed", envelope.id);
            return Err(Breach::new(Invariant::ToldTruly, message));
        };
        if let Some(message) = untrue(model, envelope, entry) {
            return Err(Breach::new(Invariant::ToldTruly, format!("{who} is told {message}")));
        }
        let stored = feed(model, domain).map(|feed| feed.cursor(who)).unwrap_or_default();
        let mut heard = self.heard.remove(&(who, domain)).unwrap_or_default();
        let came_before = number <= heard.highest;
        let mut breach = None;
        if came_before {
            let is_settled = heard.settled.get(&number).is_some_and(|since| {
                let late = (*since).max(self.halted);
                at.now.saturating_sub(late) > GRACE
            });
            if is_settled && !at.jumped {
                let message = format!("{who} has long had {}, and is told again", envelope.id);
                breach = Some(Breach::new(Invariant::ToldOnce, message));
            }
        } else {
            let passed = log.entries.iter().filter(|it| it.number > heard.highest);
            let skipped = passed.take_while(|it| it.number < number).find(|it| {
                let is_over = heard.taken.contains(&it.number)
                    || heard.refused.contains(&it.number)
                    || stored.has_given_up(it.number)
                    // What was given up may be revived while others are on their way.
                    || heard.ever.contains(&it.number)
                    || it.number <= log.trimmed;
                !is_over && stored.lost == 0 && !self.is_old(it, at)
            });
            if let Some(skipped) = skipped {
                let message = format!("{who} is told {} before {}", envelope.id, skipped.number);
                breach = Some(Breach::new(Invariant::ToldInOrder, message));
            }
            heard.highest = number;
        }
        heard.taken.insert(number);
        self.heard.insert((who, domain), heard);
        breach.map_or(Ok(came_before), Err)
    }

    /// Takes note that a subscriber will never take a notice, and whether nobody is there at all.
    pub(super) fn refuses(&mut self, who: &'static str, envelope: &Envelope, is_gone: bool) {
        let heard = self.heard.entry((who, envelope.domain)).or_default();
        heard.refused.insert(envelope.number);
        heard.is_gone |= is_gone;
    }

    /// Takes note of how far subscribers count as told. Returns what is wrong with it.
    pub(super) fn settles(
        &mut self,
        model: &Model,
        key: &Key,
        (old, new): (Option<&Feed>, &Feed),
        at: Instant,
    ) -> Option<Breach> {
        let domain: DomainId = key.id.parse().ok()?;
        let nothing = Log::default();
        let log = model.logs.get(&Key::new(Kind::Domain, domain)).unwrap_or(&nothing);
        let untold = |message| Some(Breach::new(Invariant::Told, message));
        let Some(old) = old else {
            // They were there from the beginning.
            let first = log.entries.first().filter(|first| first.number <= new.through)?;
            return untold(format!(
                "{} of {domain} happened before anybody listened",
                first.number
            ));
        };
        for who in self.listeners.clone() {
            let (was, is) = (old.cursor(who), new.cursor(who));
            if old.cursors.contains_key(who) && !new.cursors.contains_key(who) {
                return untold(format!("{who} is forgotten at {domain}"));
            }
            let heard = self.heard.entry((who, domain)).or_default();
            if is.epoch != was.epoch {
                // Somebody wants it to be told again.
                heard.taken.retain(|it| *it <= is.after && !is.again.contains(it));
                heard.settled.retain(|it, _| *it <= is.after && !is.again.contains(it));
                heard.refused.clear();
                heard.is_gone = false;
                continue;
            }
            if is.after < was.after {
                return untold(format!("{who} had {} of {domain}, and has less", was.after));
            }
            let passed = log.entries.iter().filter(|it| it.number > was.after);
            let passed = passed.take_while(|it| it.number <= is.after).map(|it| it.number);
            let again = was.again.iter().copied().filter(|it| !is.again.contains(it));
            for number in passed.chain(again) {
                let is_over = heard.taken.contains(&number)
                    || is.has_given_up(number)
                    || is.lost > was.lost
                    || number <= log.trimmed;
                if !is_over {
                    return untold(format!(
                        "{who} counts as told {number} of {domain}, and is not"
                    ));
                }
                heard.settled.insert(number, at.now);
                heard.ever.insert(number);
            }
            let news = is.dead.iter().filter(|letter| !was.has_given_up(letter.number));
            let is_excused = |number: &u64| {
                let heard = self.heard.get(&(who, domain));
                let is_refused = heard.is_some_and(|it| it.is_gone || it.refused.contains(number));
                is_refused || log.entry(*number).is_none_or(|entry| self.is_old(entry, at))
            };
            let given_up = news.map(|letter| letter.number).find(|number| !is_excused(number));
            if let Some(number) = given_up {
                return untold(format!("{number} of {domain} is kept from {who} for no reason"));
            }
        }
        None
    }

    /// Returns what is wrong with dropping the entries of a domain up to a number.
    pub(super) fn drops(
        &self,
        model: &Model,
        key: &Key,
        through: u64,
        at: Instant,
    ) -> Option<Breach> {
        let domain: DomainId = key.id.parse().ok().filter(|_| key.kind == Kind::Domain)?;
        let lost = |message| Some(Breach::new(Invariant::KeptForAll, message));
        for entry in model.logs.get(key)?.after(0).iter().take_while(|it| it.number <= through) {
            let number = entry.number;
            if !at.jumped && after(entry.at, self.keep) > at.clock {
                return lost(format!("{number} of {domain} is dropped before its time"));
            }
            for who in &self.listeners {
                let heard = self.heard.get(&(*who, domain));
                if !heard.is_some_and(|heard| heard.ever.contains(&number)) {
                    return lost(format!(
                        "{number} of {domain} is dropped, and {who} waits for it"
                    ));
                }
                let cursor = feed(model, domain).map(|feed| feed.cursor(who)).unwrap_or_default();
                let asked = cursor.asked_at.is_some_and(|asked| after(asked, GRACE) <= at.clock);
                if cursor.again.contains(&number) && asked && !at.jumped {
                    let message =
                        format!("{number} of {domain} is dropped, and asked for by {who}");
                    return lost(message);
                }
            }
        }
        None
    }

    /// Takes note of a page that a reader of a log got. Returns what is wrong with it.
    pub(super) fn reads(
        &mut self,
        model: &Model,
        key: &Key,
        from: u64,
        page: &Followed,
    ) -> Option<Breach> {
        let nothing = Log::default();
        let log = model.logs.get(key).unwrap_or(&nothing);
        let reader = self.readers.entry(key.clone()).or_default();
        let (Since::Domain(_, next) | Since::Tenant(next)) = page.next;
        let mut wanted = log.entries.iter().filter(|entry| entry.number > from).peekable();
        let mut last = from;
        for envelope in &page.envelopes {
            let is_it = |entry: &Entry| match key.kind {
                Kind::Domain => {
                    entry.number == envelope.number
                        && notice(entry).as_ref() == Some(&envelope.notice)
                }
                _ => Envelope::from_json(entry.body.as_bytes()).is_ok_and(|it| it == *envelope),
            };
            loop {
                if let Some(entry) = wanted.next_if(|entry| page.unreadable.contains(&entry.number))
                {
                    last = entry.number;
                    reader.handled.insert(last);
                    continue;
                }
                // What was dropped is not there to be read.
                if wanted.next_if(|entry| entry.number <= log.trimmed && !is_it(entry)).is_none() {
                    break;
                }
            }
            let Some(entry) = wanted.next().filter(|entry| is_it(entry)) else {
                let message = format!("{} is not what follows {last} of {key}", envelope.id);
                return Some(Breach::new(Invariant::ToldInOrder, message));
            };
            last = entry.number;
            reader.handled.insert(last);
        }
        while let Some(entry) = wanted.next_if(|entry| {
            page.unreadable.contains(&entry.number) || entry.number <= log.trimmed.min(next)
        }) {
            last = entry.number;
            reader.handled.insert(last);
        }
        let readable = page.unreadable.iter().find(|number| {
            key.kind == Kind::Domain && log.entry(**number).is_some_and(|it| notice(it).is_some())
        });
        if let Some(number) = readable {
            let message = format!("{number} of {key} is passed over, and can be read");
            return Some(Breach::new(Invariant::ToldInOrder, message));
        }
        if next != last {
            let message = format!("after {last} of {key} it goes on at {next}");
            return Some(Breach::new(Invariant::ToldInOrder, message));
        }
        None
    }

    /// Returns what somebody lacks when everything has come to rest.
    pub(super) fn lacks(&self, model: &Model) -> Option<Breach> {
        let untold = |message| Some(Breach::new(Invariant::Told, message));
        for (key, log) in model.logs.iter().filter(|(key, _)| key.kind == Kind::Domain) {
            let Ok(domain) = key.id.parse() else { continue };
            for who in &self.listeners {
                let Some(cursor) = feed(model, domain).map(|feed| feed.cursor(who)) else {
                    return untold(format!("nobody was told of {domain}"));
                };
                if !log.after(cursor.after).is_empty() || !cursor.again.is_empty() {
                    return untold(format!("{who} waits for what happened to {domain}"));
                }
                let heard = self.heard.get(&(*who, domain)).cloned().unwrap_or_default();
                let lacking = log.entries.iter().find(|entry| {
                    let is_dropped =
                        entry.number <= log.trimmed && heard.ever.contains(&entry.number);
                    !heard.taken.contains(&entry.number) && !is_dropped && notice(entry).is_some()
                });
                if let Some(entry) = lacking {
                    return untold(format!("{who} was never told {} of {domain}", entry.number));
                }
            }
        }
        for (key, reader) in &self.readers {
            let Some(log) = model.logs.get(key) else { continue };
            let mut there = log.after(0).iter();
            if let Some(entry) = there.find(|entry| !reader.handled.contains(&entry.number)) {
                return untold(format!("{} of {key} was never read", entry.number));
            }
        }
        None
    }

    /// Goes back to how everything was when the store was backed up: who keeps a place goes back to it,
    /// and who remembers what it was told forgets what came since.
    pub(super) fn put_back(&mut self, then: &Self) {
        *self = Self { halted: self.halted, ..then.clone() };
    }
}

/// Returns what is told that is not so.
fn untrue(model: &Model, envelope: &Envelope, entry: &Entry) -> Option<String> {
    let Envelope { id, tenant, domain, name, number, at, notice: told, .. } = envelope;
    if notice(entry).as_ref() != Some(told)
        || *at != entry.at
        || *id != format!("{domain}-{number}")
    {
        return Some(format!("{id} otherwise than it was committed"));
    }
    let row = model.rows.get(&Key::new(Kind::Domain, domain));
    let known = row.and_then(|row| row.content.domain());
    let is_another = known.is_some_and(|known| known.tenant() != *tenant || known.name() != name);
    is_another.then(|| format!("{id} of another domain"))
}
