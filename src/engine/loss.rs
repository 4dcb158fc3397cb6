//! Hearing from the authority that it does not have our account, and saying so to all workers.

use super::{
    backends::Backends,
    codec,
    root::{AccountRoot, Outcome, Root, Trouble},
};
use crate::{
    ca::{Account, NO_ACCOUNT},
    certificate::{Handle, Order},
    clock::{Timestamp, after},
    error::{Error, ErrorKind, Result},
    store::{Expect, Write},
};

/// Returns whether an authority says that there is no such account (RFC 8555 section 6.7). One that it
/// has closed is there, and closed.
fn is_loss(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Denied | ErrorKind::NotFound | ErrorKind::Refused)
        && error.code() == Some(NO_ACCOUNT)
}

/// Describes a failed call under an account.
pub(super) fn trouble(error: &Error, account: &Account) -> Trouble {
    let missed = is_loss(error).then(|| account.handle.clone());
    Trouble { missed, ..Trouble::from(error) }
}

/// Sorts a failed call, which may have been made under an account.
pub(super) fn outcome(error: &Error, account: Option<&Account>) -> Outcome {
    match account {
        Some(account) if is_loss(error) => Outcome::Refused(trouble(error, account)),
        _ => Outcome::of(error),
    }
}

/// Makes sure that an order was not opened under an account that is lost: it is read first then.
pub(super) fn check(order: &Order, account: &Account) -> Result<()> {
    if order.account.as_ref().is_none_or(|opened_under| *opened_under == account.handle) {
        return Ok(());
    }
    let message = "the order went with the account that it was opened under";
    Err(Error::new(ErrorKind::Conflict, "engine", "order", message))
}

impl Backends {
    /// Returns the writes by which an account is decided on that the authority does not have: none if
    /// somebody else was quicker, or there is another account since.
    pub(super) async fn report(&self, missed: &Handle, now: Timestamp) -> Result<Vec<Write>> {
        let key = codec::account_key(self.authority.id());
        let found = self.store.get(std::slice::from_ref(&key)).await?;
        let Some(item) = found.into_iter().flatten().next() else { return Ok(Vec::new()) };
        let mut root: AccountRoot = codec::read_item(&item)?;
        // Whoever asked before it was made again hears only now that it was not there, and the authority
        // may call it as before: who asks again knows.
        let grace = self.settings.policy.call_timeout;
        let is_fresh = root.enrolled_at.is_some_and(|at| after(at, grace) > now);
        let is_news = root.handle.as_ref() == Some(missed) && root.missed.is_none() && !is_fresh;
        if !is_news || root.setback.as_ref().is_some_and(|setback| setback.parked_at.is_some()) {
            return Ok(Vec::new());
        }
        root.missed = Some(missed.clone());
        let (key, header, body) = codec::write_root(&Root::Account(Box::new(root)), Some(now))?;
        let expect = Expect::Revision(item.revision);
        let put = Write::Put { key: key.clone(), expect, header, body };
        Ok(vec![put, Write::Wake { key }])
    }
}
