//! What follows when the authority has lost an account.

use std::time::Duration;

use super::Draft;
use crate::{
    ca::NO_ACCOUNT,
    certificate::{Handle, Order},
    clock::{Timestamp, after},
    engine::{
        notice::Notice,
        policy::Policy,
        root::{AccountRoot, Trouble},
    },
    error::ErrorKind,
    retry::Backoff,
};

/// How long an account that is lost again and again is waited with at most.
const LONGEST: Duration = Duration::from_secs(86_400);

impl Draft<'_> {
    /// Looks again after a while whether there is an account.
    pub(super) fn await_account(&mut self) {
        let polls = self.root.domain.account_polls;
        self.root.domain.account_polls = polls.saturating_add(1);
        // Never as soon as the first polls of an order: many domains may wait for one account.
        let attempt = polls.saturating_add(2);
        let poll = Backoff::POLL.delay(attempt, self.moment.number("poll"));
        self.wait_until(after(self.now(), poll));
    }

    /// Opens another order in place of one that went with its account. Nobody failed the order: the
    /// next one is opened at once, and nothing is counted.
    pub(super) fn start_over(&mut self, order: &Order) {
        self.drop_order();
        self.root.domain.service_failures = 0;
        let message = "the certificate authority has lost the account that ordered it";
        let failure = self.failure_of(&lost(message), 1);
        self.notices.push(Notice::OrderFailed {
            order: order.id,
            failure,
            retry_at: Some(self.now()),
        });
        self.wait = None;
        self.again = true;
    }
}

/// Gives up an account that the authority does not have, so that it is made again: at once, but not
/// sooner after it was made last than [`Policy::account_spacing`] says.
///
/// What is reported of an account that was given up before changes nothing.
pub(super) fn give_up(
    root: &mut AccountRoot,
    policy: &Policy,
    now: Timestamp,
    notices: &mut Vec<Notice>,
) {
    let Some(missed) = root.missed.take().filter(|missed| root.handle.as_ref() == Some(missed))
    else {
        return;
    };
    root.handle = None;
    root.failures = 0;
    let again_at = root.enrolled_at.map(|at| after(at, spacing(policy, root.losses)));
    let again_at = again_at.filter(|at| *at > now);
    root.losses = if again_at.is_some() { root.losses.saturating_add(1) } else { 0 };
    root.not_before = again_at;
    root.trouble = again_at.map(|at| {
        let message =
            format!("the account {} is lost again, and made again at {at}", text(&missed));
        lost(message)
    });
    notices
        .push(Notice::AccountLost { account: text(&missed), enroll_at: again_at.unwrap_or(now) });
}

/// Returns how long after it was made an account is made again that was lost so often.
fn spacing(policy: &Policy, losses: u32) -> Duration {
    let doubled = 1_u32.checked_shl(losses.min(31)).unwrap_or(u32::MAX);
    policy.account_spacing.saturating_mul(doubled).min(LONGEST.max(policy.account_spacing))
}

fn lost(message: impl Into<String>) -> Trouble {
    Trouble { code: Some(NO_ACCOUNT.to_owned()), ..Trouble::new(ErrorKind::Unavailable, message) }
}

/// Returns what an authority calls an account, for people.
fn text(account: &Handle) -> String {
    String::from_utf8_lossy(account.as_bytes()).chars().take(200).collect()
}

#[cfg(test)]
mod tests;
