//! What happens in a history, drawn from its seed.

use std::{collections::BTreeSet, fmt, time::Duration};

use super::{
    Profile, Scenario,
    deal::Deal,
    dice::Dice,
    fault::FaultKind,
    hearing::{Audience, Hearing},
    link::spell,
    mutant::Mutant,
    shift::Pace,
    story::draw_rivals,
    weather::{Active, Weather},
};
use crate::challenge::Method;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);

/// How long after all processes were stopped nothing of what they sent is on its way any more.
const SETTLED: Duration = Duration::from_secs(90);

/// How long processes are gone while the store is put back.
pub(super) const HALTED: Duration = Duration::from_secs(100);

/// Which of the records that a customer is asked to add.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Part {
    All,
    Certificate,
    Ownership,
    Routing,
}

/// Something that a person does. Claims, names and values by their number.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Deed {
    Add(usize),
    /// Everything in the store is written down.
    BackUp,
    Check(usize),
    Create(usize, usize, usize, u8),
    /// Something that is about more than one tenant, or that the platform's staff does.
    Deal(usize, Deal),
    Drop(usize, usize),
    /// Nobody but somebody else's authority may issue for the zone, or anybody may.
    Forbid(bool),
    /// A later version of the engine tells something that this one cannot read.
    Foretell(usize),
    /// Others put a value into the zone or take it out.
    Foreign(usize, usize, u8, bool),
    /// Somebody wants to know what happens.
    Hear(usize, Hearing),
    /// All processes are stopped, to be started again soon.
    Halt,
    /// The zone of a claim leaves the DNS provider, or comes back.
    Host(usize, bool),
    /// A later version of the engine takes a claim over, or gives it back.
    HandOver(usize, bool),
    Publish(usize, Part),
    Remove(usize),
    /// The store is as it was when it was backed up.
    Restore,
    /// A worker is told to stop, and is started again after this time.
    Retire(usize, Duration),
    Renew(usize),
    Retry(usize),
    Update(usize, usize, u8),
    /// Somebody visits the name.
    Visit(usize),
    Withdraw(usize, Part),
}

/// A deed, when and through which process.
#[derive(Clone, Copy, Debug)]
pub(super) struct Planned {
    pub(super) at: Duration,
    pub(super) process: usize,
    pub(super) deed: Deed,
}

impl fmt::Display for Planned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>12.1} s  p{} {:?}", self.at.as_secs_f64(), self.process, self.deed)
    }
}

/// What happens in a history, but for what follows from it.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) profile: Profile,
    /// Who claims what, and how it is proved if not in the usual way.
    pub(super) claims: Vec<(usize, Option<Method>)>,
    pub(super) processes: usize,
    pub(super) storm: Duration,
    pub(super) deeds: Vec<Planned>,
    pub(super) faults: Vec<Active>,
    /// How much work a worker takes at a time.
    pub(super) batch: u32,
    /// Whether the provider makes all changes of a set of changes or none.
    pub(super) atomic: bool,
    /// How long the authority takes to look, and to issue.
    pub(super) processing: Duration,
    pub(super) skew: Duration,
    pub(super) reuse: Duration,
    pub(super) validity: Duration,
    /// Whether tenants may have few names only.
    pub(super) caps: bool,
    /// Whether few certificates may be ordered only.
    pub(super) is_tight: bool,
    /// Who is told what happens, if anybody is.
    pub(super) audience: Option<Audience>,
    /// How workers run, if they do: otherwise they are asked for one step after the other.
    pub(super) pace: Option<Pace>,
}

impl Plan {
    pub(super) fn draw(scenario: &Scenario, seed: u64) -> Self {
        let dice = &mut Dice::new(seed, 1);
        let profile = scenario.profile.of(seed);
        let is_of_claims = profile == Profile::Claims;
        let claims = match is_of_claims {
            true => draw_rivals(dice, scenario.claims),
            false => draw_claims(dice, scenario.claims),
        };
        let hours = match dice.chance(200) {
            true if is_of_claims => 36 + dice_u32(dice, 36),
            true => 72 + dice_u32(dice, 72),
            false if is_of_claims => 8 + dice_u32(dice, 16),
            false => 1 + dice_u32(dice, 6),
        };
        let storm = HOUR * hours;
        let count = scenario.deeds / 2 + dice.index(scenario.deeds.saturating_add(1));
        let mut plan = Self {
            processes: scenario.processes.saturating_sub(dice.index(scenario.processes)).max(1),
            storm,
            deeds: Vec::new(),
            faults: Vec::new(),
            batch: if dice.chance(300) { 1 } else { 32 },
            atomic: dice.chance(600),
            processing: SECOND * if dice.chance(500) { 0 } else { 1 + dice_u32(dice, 40) },
            skew: Duration::ZERO,
            reuse: Duration::ZERO,
            validity: if dice.chance(500) { DAY * 6 } else { DAY * 90 },
            caps: is_of_claims && dice.chance(300),
            is_tight: is_of_claims && dice.chance(250),
            profile,
            claims,
            audience: None,
            pace: None,
        };
        // By dice of their own: they come and go without a change to the rest.
        let others = &mut Dice::new(seed, 4);
        let mutant = scenario.mutant;
        let is_about = |about: fn(Mutant) -> bool| mutant.map(about).unwrap_or_default();
        if others.chance(300) || is_about(Mutant::is_of_audience) {
            plan.audience = Some(Audience::draw(others));
        }
        if others.chance(200) || is_about(Mutant::is_of_shifts) {
            plan.pace = Some(Pace::draw(others, storm));
        }
        match is_of_claims {
            true => plan.draw_stories(dice, count),
            false => plan.draw_deeds(dice, count),
        }
        plan.draw_faults(scenario, dice);
        if let Some(audience) = plan.audience {
            plan.draw_hearings(others, &audience);
            plan.draw_absences(scenario, others);
        }
        if plan.pace.is_some() {
            plan.draw_shifts(others);
        }
        plan
    }

    fn draw_deeds(&mut self, dice: &mut Dice, count: usize) {
        let mut at = Duration::ZERO;
        for claim in 0..self.claims.len() {
            self.plan(dice, at, Deed::Add(claim));
            at += SECOND * dice_u32(dice, 30);
            let part = if dice.chance(850) { Part::All } else { Part::Ownership };
            if dice.chance(900) {
                self.plan(dice, at, Deed::Publish(claim, part));
            }
            if dice.chance(600) {
                at += SECOND * dice_u32(dice, 10);
                self.plan(dice, at, Deed::Check(claim));
            }
        }
        for _ in 0..count {
            at += match dice.below(8) {
                0 => Duration::ZERO,
                1..=3 => SECOND * dice_u32(dice, 20),
                4 | 5 => MINUTE * dice_u32(dice, 15),
                6 => HOUR * dice_u32(dice, 3),
                _ => self.storm / 4,
            };
            if at > self.storm {
                at = SECOND * dice_u32(dice, 3600);
            }
            let deed = self.draw_deed(dice);
            self.plan(dice, at, deed);
        }
        // Stable: what was planned first happens first.
        self.deeds.sort_by_key(|planned| planned.at);
    }

    pub(super) fn draw_deed(&self, dice: &mut Dice) -> Deed {
        let claim = dice.index(self.claims.len());
        let part = match dice.below(4) {
            0 => Part::All,
            1 => Part::Certificate,
            2 => Part::Ownership,
            _ => Part::Routing,
        };
        let value = u8::try_from(dice.below(3)).unwrap_or_default();
        match dice.below(32) {
            0 | 1 => Deed::Add(claim),
            2..=5 => Deed::Check(claim),
            6 | 7 => Deed::Publish(claim, part),
            8 | 9 => Deed::Withdraw(claim, part),
            10..=12 => Deed::Retry(claim),
            13..=15 => Deed::Renew(claim),
            16 | 17 => Deed::Remove(claim),
            18..=22 => Deed::Create(claim, dice.index(4), dice.index(4), value),
            23 => Deed::Update(claim, dice.index(3), value),
            24 => Deed::Drop(claim, dice.index(3)),
            25 | 26 => Deed::Foreign(dice.index(4), dice.index(4), value, dice.chance(700)),
            27 | 28 => Deed::Visit(claim),
            29 => Deed::Forbid(dice.chance(600)),
            _ => Deed::Publish(claim, Part::All),
        }
    }

    pub(super) fn plan(&mut self, dice: &mut Dice, at: Duration, deed: Deed) {
        let process = dice.index(self.processes);
        self.deeds.push(Planned { at, process, deed });
    }

    fn draw_faults(&mut self, scenario: &Scenario, dice: &mut Dice) {
        let most = scenario.most_faults.saturating_add(1);
        for _ in 0..dice.index(most) {
            let Some(kind) = scenario.faults.get(dice.index(scenario.faults.len())) else { break };
            let is_known = self.faults.iter().any(|active| active.kind == *kind);
            if is_known || kind.is_of_subscribers() {
                continue;
            }
            let mut window = spell(dice, self.storm);
            if *kind == FaultKind::SlowStore {
                // Nothing gets on while it lasts, in many steps.
                window.1 = window.1.min(window.0 + MINUTE * 10);
            }
            if *kind == FaultKind::MailClosed {
                // Mail is seldom sent.
                window.1 = window.1.max(window.0 + HOUR);
            }
            match kind {
                FaultKind::Skew => self.skew = MINUTE * (1 + dice_u32(dice, 30)),
                FaultKind::AuthorizationReused => self.reuse = DAY * 30,
                FaultKind::ZoneGone => {
                    let claim = dice.index(self.claims.len());
                    let (from, to) = window;
                    self.plan(dice, from, Deed::Host(claim, false));
                    self.plan(dice, to, Deed::Host(claim, true));
                }
                FaultKind::Restored => {
                    let from = window.0;
                    let halt = from + SECOND * (1 + dice_u32(dice, 3600));
                    self.plan(dice, from, Deed::BackUp);
                    self.plan(dice, halt, Deed::Halt);
                    self.plan(dice, halt + SETTLED, Deed::Restore);
                }
                FaultKind::NewerNotices => {
                    let claim = dice.index(self.claims.len());
                    self.plan(dice, window.0, Deed::Foretell(claim));
                }
                FaultKind::NewerRows => {
                    let claim = dice.index(self.claims.len());
                    let (from, to) = window;
                    self.plan(dice, from, Deed::HandOver(claim, true));
                    self.plan(dice, to, Deed::HandOver(claim, false));
                }
                _ => {}
            }
            let window = kind.lasts().then_some(window);
            self.faults.push(Active { kind: *kind, rate: kind.rate(), window });
        }
        self.deeds.sort_by_key(|planned| planned.at);
    }

    /// Draws what goes wrong with those who are told what happens.
    fn draw_absences(&mut self, scenario: &Scenario, dice: &mut Dice) {
        let kinds = scenario.faults.iter().filter(|kind| kind.is_of_subscribers());
        for kind in kinds {
            if !dice.chance(250) {
                continue;
            }
            let (from, to) = spell(dice, self.storm);
            // Long enough for notices to pile up, and to be given up.
            let window = (from, to.max(from + HOUR * (1 + dice_u32(dice, 4))));
            let window = kind.lasts().then_some(window);
            self.faults.push(Active { kind: *kind, rate: kind.rate(), window });
        }
    }

    /// Returns the weather of the history without the faults that are muted.
    pub(super) fn weather(&self, seed: u64, muted: &BTreeSet<u64>) -> Weather {
        Weather::new(seed, self.faults.clone(), muted.clone())
    }
}

/// Draws who claims what: at least one, and seldom all.
fn draw_claims(dice: &mut Dice, most: usize) -> Vec<(usize, Option<Method>)> {
    let mut claims = Vec::new();
    for claim in 0..most {
        if claims.is_empty() && claim.saturating_add(1) == most || dice.chance(330) {
            claims.push((claim, None));
        }
    }
    claims
}

pub(super) fn dice_u32(dice: &mut Dice, end: u64) -> u32 {
    u32::try_from(dice.below(end.saturating_add(1))).unwrap_or_default()
}
