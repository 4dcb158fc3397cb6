//! What happens in a history about claims: short stories of rivals, and what others do meanwhile.

use std::time::Duration;

use super::{
    deal::Deal,
    dice::Dice,
    pages::Place,
    plan::{Deed, Part, Plan, dice_u32},
    world::{RIVALS, is_wildcard},
};
use crate::challenge::Method;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

/// Twenty minutes, in seconds.
const SOON: u64 = 1200;

/// Eight hours, in seconds.
const LATE: u64 = 8 * 3600;

/// Which claim in a history about claims is the wildcard above the first name.
const WILDCARD: usize = 3;

/// Draws who claims what, and how they prove it: at least two want one name.
pub(super) fn draw_rivals(dice: &mut Dice, most: usize) -> Vec<(usize, Option<Method>)> {
    let group = match dice.below(10) {
        0..=6 => 0,
        7 | 8 => 1,
        _ => 2,
    };
    let mut rivals = RIVALS.get(group).copied().unwrap_or_default().to_vec();
    if group == 0 {
        let wildcard = rivals.pop().filter(|_| dice.chance(450));
        // Any two, and seldom all three.
        if !dice.chance(250) {
            rivals.remove(dice.index(rivals.len()));
        }
        rivals.extend(wildcard);
    }
    if dice.chance(500) {
        rivals.swap(0, 1);
    }
    if dice.chance(150) {
        let other = RIVALS.get(if group == 1 { 2 } else { 1 });
        rivals.extend(other.and_then(|other| other.first()));
    }
    rivals.truncate(most.max(2));
    let mut method = |claim| match dice.below(20) {
        0..=2 => Some(Method::DnsCname),
        3..=6 => Some(Method::Email),
        // A page proves no wildcard.
        7..=9 if !is_wildcard(claim) => Some(Method::Http),
        _ => None,
    };
    rivals.into_iter().map(|claim| (claim, method(claim))).collect()
}

/// Draws where a page is put.
fn draw_place(dice: &mut Dice) -> Place {
    Place::ALL.get(dice.index(Place::ALL.len())).copied().unwrap_or(Place::There)
}

impl Plan {
    /// Draws the deeds of a history about claims.
    pub(super) fn draw_stories(&mut self, dice: &mut Dice, count: usize) {
        let mut at = Duration::ZERO;
        if dice.chance(250) {
            // Whoever comes first and proves nothing has nothing.
            self.plan(dice, at, Deed::Add(1));
            at += SECOND * dice_u32(dice, 3600);
        }
        for claim in 0..self.claims.len() {
            if claim == 0 || dice.chance(300) {
                at = self.prove(dice, at, claim);
            } else if dice.chance(600) {
                self.plan(dice, at, Deed::Add(claim));
            }
        }
        for _ in 0..=dice.below(3) {
            let latest = self.storm.as_secs() / 2;
            let at = MINUTE * 5 + SECOND * dice_u32(dice, latest);
            self.draw_story(dice, at);
        }
        for _ in 0..count / 2 {
            let all = self.storm.as_secs();
            let latest = if dice.chance(500) { 3600 } else { all };
            let at = SECOND * dice_u32(dice, latest);
            let deed = match dice.chance(500) {
                true => self.draw_deed(dice),
                false => self.draw_deal(dice),
            };
            self.plan(dice, at, deed);
        }
        // Stable: what was planned first happens first.
        self.deeds.sort_by_key(|planned| planned.at);
    }

    /// Has a claim added and proved; returns when it is done.
    fn prove(&mut self, dice: &mut Dice, mut at: Duration, claim: usize) -> Duration {
        let method = self.claims.get(claim).and_then(|(_, method)| *method);
        self.plan(dice, at, Deed::Add(claim));
        at += SECOND * dice_u32(dice, 30);
        if method == Some(Method::Http) && dice.chance(500) {
            let place = draw_place(dice);
            self.plan(dice, at, Deed::Deal(claim, Deal::Page(place)));
            at += SECOND * dice_u32(dice, 10);
            self.plan(dice, at, Deed::Check(claim));
            at += SECOND * dice_u32(dice, SOON);
        }
        self.plan(dice, at, Deed::Publish(claim, Part::All));
        at += SECOND * dice_u32(dice, 10);
        self.plan(dice, at, Deed::Check(claim));
        if method == Some(Method::Email) || dice.chance(50) {
            at += SECOND * (30 + dice_u32(dice, 300));
            self.plan(dice, at, Deed::Deal(claim, Deal::Confirm(0)));
        }
        at
    }

    /// Returns another claim, on the same name as a rule.
    fn rival(&self, dice: &mut Dice, claim: usize) -> usize {
        let others: Vec<usize> = (0..self.claims.len()).filter(|other| *other != claim).collect();
        let near = if claim < 2 { 1_usize.saturating_sub(claim) } else { 0 };
        if dice.chance(800) {
            near
        } else {
            others.get(dice.index(others.len())).copied().unwrap_or(near)
        }
    }

    fn draw_story(&mut self, dice: &mut Dice, at: Duration) {
        let claim = if dice.chance(700) { 0 } else { dice.index(self.claims.len()) };
        let rival = self.rival(dice, claim);
        match dice.below(17) {
            0..=3 => self.contest(dice, at, claim, rival),
            4 | 5 => {
                let is_reported = dice.chance(500);
                self.plan(dice, at, Deed::Deal(claim, Deal::Sell(rival, is_reported)));
                let at = at + SECOND * dice_u32(dice, SOON);
                let at = self.prove(dice, at, rival) + SECOND * dice_u32(dice, LATE);
                self.plan(dice, at, Deed::Deal(claim, Deal::Republish));
                self.within(dice, at, SOON, Deed::Check(claim));
            }
            6..=8 => self.transfer(dice, at, claim, rival),
            9..=11 => self.rest(dice, at, claim, rival),
            12 => {
                self.plan(dice, at, Deed::Deal(claim, Deal::ChangeMethod(Method::Email)));
                for _ in 0..=dice.below(4) {
                    let how = u8::try_from(dice.below(5)).unwrap_or_default();
                    self.within(dice, at, SOON, Deed::Deal(claim, Deal::Confirm(how)));
                }
                self.within(dice, at, SOON, Deed::Deal(claim, Deal::Resend));
                self.within(dice, at, LATE, Deed::Deal(claim, Deal::Confirm(0)));
            }
            13 => {
                let method = match dice.below(3) {
                    0 => Method::DnsTxt,
                    1 => Method::DnsCname,
                    _ => Method::Http,
                };
                self.plan(dice, at, Deed::Deal(rival, Deal::ChangeMethod(method)));
                self.within(dice, at, SOON, Deed::Deal(rival, Deal::Token));
                let at = at + SECOND * dice_u32(dice, SOON);
                self.plan(dice, at, Deed::Deal(rival, Deal::Republish));
                self.plan(dice, at + SECOND, Deed::Check(rival));
            }
            14 => {
                let what = u8::try_from(dice.below(5)).unwrap_or_default();
                self.plan(dice, at, Deed::Deal(claim, Deal::Pause(what, true)));
                self.within(dice, at, SOON, Deed::Check(claim));
                self.within(dice, at, LATE, Deed::Deal(claim, Deal::Pause(what, false)));
                self.within(dice, at, SOON, Deed::Deal(claim, Deal::Reseal));
                self.within(dice, at, SOON, Deed::Deal(claim, Deal::Export));
            }
            15 => {
                // The authority may not issue, and then the registration changes.
                self.plan(dice, Duration::ZERO, Deed::Forbid(true));
                self.within(dice, at, LATE, Deed::Deal(claim, Deal::Report));
                self.within(dice, at, LATE, Deed::Forbid(false));
            }
            _ => {
                for number in 0..=u8::try_from(dice.below(4)).unwrap_or_default() {
                    self.plan(dice, at, Deed::Deal(claim, Deal::Crowd(number)));
                }
            }
        }
        for claim in [claim, rival] {
            self.within(dice, at, LATE, Deed::Visit(claim));
        }
    }

    /// Has something done within so many seconds.
    fn within(&mut self, dice: &mut Dice, at: Duration, seconds: u64, deed: Deed) {
        let at = at + SECOND * dice_u32(dice, seconds);
        self.plan(dice, at, deed);
    }

    /// Somebody else proves the name, and the holder's proof goes, and may come back.
    fn contest(&mut self, dice: &mut Dice, at: Duration, claim: usize, rival: usize) {
        let at = self.prove(dice, at, rival);
        let gone = at + MINUTE * dice_u32(dice, 180);
        if dice.chance(850) {
            self.plan(dice, gone, Deed::Withdraw(claim, Part::Ownership));
            self.within(dice, gone, 600, Deed::Check(rival));
            self.within(dice, gone, 24000, Deed::Visit(claim));
        }
        if dice.chance(300) {
            let back = gone + MINUTE * dice_u32(dice, 480);
            self.plan(dice, back, Deed::Publish(claim, Part::All));
            self.within(dice, back, 60, Deed::Check(claim));
        }
        if dice.chance(150) {
            let end = gone + MINUTE * dice_u32(dice, 480);
            self.plan(dice, end, Deed::Withdraw(rival, Part::Ownership));
        }
    }

    /// The holder hands the name over, or somebody tries to make it so.
    fn transfer(&mut self, dice: &mut Dice, at: Duration, claim: usize, rival: usize) {
        self.plan(dice, at, Deed::Deal(claim, Deal::Offer(rival)));
        let mut at = at + SECOND * (10 + dice_u32(dice, 600));
        if dice.chance(200) {
            self.plan(dice, at, Deed::Deal(claim, Deal::Offer(rival)));
            at += SECOND * dice_u32(dice, 600);
        }
        if dice.chance(200) {
            self.plan(dice, at, Deed::Deal(claim, Deal::Cancel));
            at += SECOND * dice_u32(dice, 120);
        }
        if dice.chance(350) {
            let how = u8::try_from(1 + dice.below(3)).unwrap_or_default();
            self.plan(dice, at, Deed::Deal(rival, Deal::Accept(how)));
            at += SECOND * dice_u32(dice, 120);
        }
        if dice.chance(200) {
            at += HOUR * (2 + dice_u32(dice, 4));
        }
        self.plan(dice, at, Deed::Deal(rival, Deal::Accept(0)));
        if dice.chance(300) {
            self.within(dice, at, 30, Deed::Deal(rival, Deal::Accept(0)));
        }
        if dice.chance(800) {
            let at = at + MINUTE * dice_u32(dice, 120);
            self.prove(dice, at, rival);
        }
        if dice.chance(400) {
            let at = at + MINUTE * dice_u32(dice, 120);
            self.plan(dice, at, Deed::Deal(claim, Deal::Republish));
            self.plan(dice, at + SECOND, Deed::Check(claim));
        }
    }

    /// The holder leaves, and somebody takes the name up.
    fn rest(&mut self, dice: &mut Dice, at: Duration, claim: usize, rival: usize) {
        if let Some(wildcard) = self.claims.iter().position(|(number, _)| *number == WILDCARD) {
            self.prove(dice, at, wildcard);
        }
        let at = at + SECOND * dice_u32(dice, 3600);
        self.plan(dice, at, Deed::Remove(claim));
        self.within(dice, at, 1200, Deed::Visit(claim));
        let at = at + SECOND * dice_u32(dice, 2400);
        if dice.chance(500) {
            self.prove(dice, at, rival);
        }
        if dice.chance(700) {
            let at = at + SECOND * dice_u32(dice, 7200);
            self.plan(dice, at, Deed::Add(claim));
            self.within(dice, at, 60, Deed::Deal(claim, Deal::Republish));
            self.within(dice, at, 120, Deed::Check(claim));
        }
        self.within(dice, at, 14400, Deed::Visit(claim));
    }

    fn draw_deal(&self, dice: &mut Dice) -> Deed {
        let claim = dice.index(self.claims.len());
        let rival = self.rival(dice, claim);
        let small = u8::try_from(dice.below(5)).unwrap_or_default();
        let deal = match dice.below(17) {
            0 => Deal::Accept(small),
            1 => Deal::Cancel,
            2 => Deal::ChangeMethod(match dice.below(4) {
                0 => Method::DnsCname,
                1 => Method::Email,
                2 => Method::Http,
                _ => Method::DnsTxt,
            }),
            3 | 4 => Deal::Confirm(small),
            5 => Deal::Crowd(small),
            6 => Deal::Export,
            7 => Deal::Offer(rival),
            8 | 9 => Deal::Pause(small, dice.chance(500)),
            10 => Deal::Report,
            11 => Deal::Republish,
            12 => Deal::Reseal,
            13 => Deal::Resend,
            14 => Deal::Sell(rival, dice.chance(500)),
            15 => Deal::Page(draw_place(dice)),
            _ => Deal::Token,
        };
        Deed::Deal(claim, deal)
    }
}
