//! What was mailed about a claim, and what came of it.

use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};

use super::{MailAddress, MailWish, Tries};
use crate::{
    clock::{Timestamp, after, between, whole_second},
    error::{Error, ErrorKind, Result},
    evidence::Verdict,
};

/// What was mailed about a claim, and what came of it.
///
/// A *round* is one code, and a mail with it to everybody who is written to. A new round takes the
/// code of the one before out of force. The code itself is nowhere in here: its SHA-256 is, and until
/// all have been written to, the code sealed.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Correspondence {
    #[serde(default)]
    pub(crate) wish: MailWish,
    /// Whether somebody asked for a new round.
    #[serde(default)]
    pub(crate) wanted: bool,
    /// No new round begins before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) not_before: Option<Timestamp>,
    /// How many rounds there were.
    #[serde(default)]
    pub(crate) round: u64,
    /// The generation of the claim in the present round.
    #[serde(default)]
    pub(crate) generation: u32,
    /// When the present round began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) drawn_at: Option<Timestamp>,
    /// Until when its code is good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) expires_at: Option<Timestamp>,
    /// The SHA-256 of the code, in hexadecimal digits.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) digest: String,
    /// The code, sealed, while somebody has yet to be written to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) sealed: Option<SealedCode>,
    /// Who has yet to be written to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) unsent: Vec<MailAddress>,
    /// How often in a row nobody knew whether a mail was sent.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) unsure: u8,
    /// Who was written to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) sent: Vec<MailAddress>,
    /// Whose servers refused.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) refused: Vec<MailAddress>,
    #[serde(default, skip_serializing_if = "Tries::is_none")]
    pub(crate) tries: Tries,
    /// When it was last confirmed, and which generation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) confirmed: Option<(Timestamp, u32)>,
    /// Whether the code of the present round was used.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) is_used: bool,
}

/// What is asked about a field before it is written.
const fn is_zero(number: &u8) -> bool {
    *number == 0
}

impl Correspondence {
    /// How often a mail is sent again of which nobody knows whether it was.
    const MAX_UNSURE: u8 = 3;

    /// How long before a confirmation runs out the next one is asked for.
    pub const NOTICE: Duration = Duration::from_secs(30 * 86_400);

    /// Creates a correspondence in which nothing was written yet.
    pub fn new(wish: MailWish) -> Self {
        Self { wish, ..Self::default() }
    }

    /// Returns what is stored of a code.
    pub(crate) fn digest(code: &str) -> String {
        super::text::digest(code)
    }

    /// Returns who was written to in the present round.
    pub fn sent(&self) -> &[MailAddress] {
        &self.sent
    }

    /// Returns who has yet to be written to.
    pub fn unsent(&self) -> &[MailAddress] {
        &self.unsent
    }

    /// Returns whose mail servers refused the mail of the present round.
    pub fn refused(&self) -> &[MailAddress] {
        &self.refused
    }

    /// Returns until when the code of the present round is good; `None` if there was no round.
    pub const fn expires_at(&self) -> Option<Timestamp> {
        self.expires_at
    }

    /// Returns when the claim was last confirmed, in whatever generation.
    pub fn confirmed_at(&self) -> Option<Timestamp> {
        self.confirmed.map(|(at, _)| at)
    }

    /// Returns until when the confirmation of this generation is good; `None` if there is none.
    fn good_until(&self, of: Claim) -> Option<Timestamp> {
        let (at, _) = self.confirmed.filter(|(_, generation)| *generation == of.generation)?;
        // Somebody else has proved the name since.
        let doubted = of.doubted_at.filter(|doubted| at < *doubted);
        Some(doubted.unwrap_or_else(|| after(at, of.ttl)))
    }

    /// Returns what the correspondence says about ownership.
    ///
    /// A confirmation is good for a time, and until somebody else proves the name: whoever answered for the name then may not any more. Silence is
    /// a proof that is not there, as a missing record is: who holds a name without having proved it, by
    /// somebody's word, does not hold it for ever.
    pub(crate) fn verdict(&self, of: Claim, now: Timestamp) -> Verdict {
        match self.good_until(of) {
            Some(until) if now < until => Verdict::Confirmed,
            Some(_) | None => Verdict::Refuted,
        }
    }

    /// Returns whether a new round has to begin: somebody asked, or there was none yet in this
    /// generation.
    pub(crate) fn wants_round(&self, generation: u32) -> bool {
        self.wanted || self.drawn_at.is_none() || self.generation != generation
    }

    /// Asks for a new round if the confirmation runs out soon, or has run out, and nothing was mailed
    /// since. Returns whether it did.
    pub(crate) fn remind(&mut self, of: Claim, now: Timestamp) -> bool {
        let Some(until) = self.good_until(of) else { return false };
        let notice = chrono::TimeDelta::from_std(Self::NOTICE).unwrap_or_default();
        let soon = until.checked_sub_signed(notice).unwrap_or(until);
        let passed = |at: Timestamp| now >= at && self.drawn_at.is_none_or(|drawn| drawn < at);
        let is_news = !self.wants_round(of.generation) && (passed(soon) || passed(until));
        self.wanted |= is_news;
        is_news
    }

    /// Returns when the next round begins: not before those who are written to have had their peace.
    pub(crate) fn next_round_at(&self, generation: u32, now: Timestamp) -> Option<Timestamp> {
        let at = self.not_before.unwrap_or(now).max(now);
        self.wants_round(generation).then_some(at)
    }

    /// Begins a round; the next one begins `spacing` later at the earliest.
    pub(crate) fn begin(&mut self, round: Round, spacing: Duration, now: Timestamp) {
        let Round { number, generation, digest, sealed, addresses, expires_at } = round;
        self.wanted = false;
        self.round = number;
        self.generation = generation;
        self.drawn_at = Some(whole_second(now));
        self.not_before = Some(after(now, spacing));
        self.expires_at = Some(expires_at);
        self.digest = digest;
        self.sealed = Some(sealed);
        self.unsent = addresses;
        self.sent.clear();
        self.refused.clear();
        self.unsure = 0;
        self.is_used = false;
    }

    /// Returns whether somebody has yet to be written to in that round.
    pub(crate) fn awaits(&self, round: u64, to: &MailAddress) -> bool {
        self.round == round && self.sealed.is_some() && self.unsent.contains(to)
    }

    /// Writes to the others first.
    pub(crate) fn postpone(&mut self, to: &MailAddress) {
        // A stable sort: `false` before `true`.
        self.unsent.sort_by_key(|address| address == to);
    }

    /// Takes note that somebody was written to, or could not be.
    pub(crate) fn wrote(&mut self, to: &MailAddress, refused: bool) {
        let before = self.unsent.len();
        self.unsure = 0;
        self.unsent.retain(|address| address != to);
        if self.unsent.len() != before {
            let list = if refused { &mut self.refused } else { &mut self.sent };
            list.push(to.clone());
        }
        if self.unsent.is_empty() {
            self.sealed = None;
        }
    }

    /// Takes note that nobody knows whether somebody was written to. Returns whether they count as
    /// written to: often enough they were, or nothing ever will be.
    pub(crate) fn doubted(&mut self, to: &MailAddress) -> bool {
        self.unsure = self.unsure.saturating_add(1);
        let is_enough = self.unsure >= Self::MAX_UNSURE;
        if is_enough {
            self.wrote(to, false);
        }
        is_enough
    }

    /// Gives the round up, of which nothing is of use any more.
    pub(crate) fn end(&mut self) {
        self.unsent.clear();
        self.sealed = None;
        self.digest.clear();
    }

    /// Asks for another round, since those who have yet to be written to cannot be any more. Who was
    /// written to can answer until it begins.
    pub(crate) fn lose_code(&mut self) {
        self.unsent.clear();
        self.sealed = None;
        self.wanted = true;
    }

    /// Asks for another round.
    ///
    /// # Errors
    ///
    /// `RateLimited`, with the time to wait, if the last one began not long ago: those who are
    /// written to did not ask for anything.
    pub(crate) fn ask(&mut self, now: Timestamp) -> Result<()> {
        if let Some(next) = self.not_before.filter(|next| now < *next) {
            let message = "they were written to not long ago";
            return Err(Error::new(ErrorKind::RateLimited, "challenge", "resend", message)
                .with_retry_after(between(now, next)));
        }
        self.wanted = true;
        Ok(())
    }

    /// Judges a code that somebody gave. The result has to be stored whether it is an error or not.
    ///
    /// # Errors
    ///
    /// `Refused` for a wrong code and one that is too old, `RateLimited` after too many wrong ones:
    /// see [`Tries::judge`].
    pub(crate) fn confirm(&mut self, code: &str, of: Claim, now: Timestamp) -> Result<()> {
        // Who has a code from before somebody else proved the name may not answer for it any more.
        let is_doubted = !self.is_used && of.doubted_at.is_some_and(|at| self.drawn_at < Some(at));
        let is_good = self.generation == of.generation
            && !is_doubted
            && !self.digest.is_empty()
            && self.expires_at.is_some_and(|until| now < until);
        // What is too old is wrong, and says no more than that.
        let digest = if is_good { self.digest.as_str() } else { "" };
        self.tries.judge(code, digest, now)?;
        // Who presses the button twice has confirmed once.
        if !self.is_used {
            self.is_used = true;
            // Nobody answers before the question, however the clock was set meanwhile, and within a
            // second.
            let now = whole_second(now);
            let at = self.drawn_at.map_or(now, |drawn| drawn.max(now));
            self.confirmed = Some((at, of.generation));
        }
        Ok(())
    }
}

/// What a confirmation is held against.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Claim {
    /// The generation of the claim.
    pub(crate) generation: u32,
    /// For how long an answer is good.
    pub(crate) ttl: Duration,
    /// When somebody else was last seen to have proved the name.
    pub(crate) doubted_at: Option<Timestamp>,
}

/// A code as it is stored while it is mailed: text that only the sealer of the platform can open.
#[derive(Clone, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct SealedCode(pub(crate) String);

impl fmt::Debug for SealedCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealedCode(..)")
    }
}

/// What a round begins with.
#[derive(Clone, Debug)]
pub(crate) struct Round {
    pub(crate) number: u64,
    pub(crate) generation: u32,
    pub(crate) digest: String,
    pub(crate) sealed: SealedCode,
    pub(crate) addresses: Vec<MailAddress>,
    pub(crate) expires_at: Timestamp,
}
