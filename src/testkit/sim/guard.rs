//! Broken guards of claims: what they do to numbers, and to what is stored and read.

use super::{broken::Broken, claims::digest, mutant::Mutant, title::WRONG};
use crate::{
    engine::Policy,
    error::Result,
    store::{Batch, Body, Header, Item, Key, Kind, Store, UniqueKey, Write},
};

/// Longer than any history.
const FOR_EVER: std::time::Duration = std::time::Duration::from_secs(10 * 365 * 86_400);

impl Mutant {
    /// Breaks the numbers by which the engine decides.
    pub(super) fn spoil_policy(self, policy: &mut Policy) {
        match self {
            Self::IgnoreCaps => {
                (policy.max_claims, policy.max_pending, policy.max_below) = (None, None, None);
            }
            Self::OfferForEver => policy.transfer_ttl = FOR_EVER,
            Self::SkipCoolOff => policy.contest_cool_off = std::time::Duration::ZERO,
            Self::SkipQuarantine => policy.quarantine = std::time::Duration::ZERO,
            Self::TrustForEver => policy.transfer_grace = FOR_EVER,
            _ => {}
        }
    }
}

/// Replaces the text value of the first `field` after `from`.
fn replace(text: &str, from: &str, field: &str, value: &str) -> Option<String> {
    let start = text.find(from)?.checked_add(from.len())?;
    let (front, rest) = text.split_at_checked(start)?;
    let mark = format!("\"{field}\":\"");
    let (between, rest) = rest.split_once(mark.as_str())?;
    let (_, back) = rest.split_once('"')?;
    Some(format!("{front}{between}{mark}{value}\"{back}"))
}

/// Returns the text value of the first `field`.
fn value<'a>(text: &'a str, field: &str) -> Option<&'a str> {
    let mark = format!("\"{field}\":\"");
    let (_, rest) = text.split_once(mark.as_str())?;
    rest.split_once('"').map(|(value, _)| value)
}

/// Returns the generation of a stored domain.
fn generation(text: &str) -> u32 {
    let number = text.split_once("\"generation\":").map(|(_, rest)| rest);
    let digits = number.and_then(|rest| rest.split([',', '}']).next());
    digits.and_then(|digits| digits.parse().ok()).unwrap_or(1)
}

fn is_hold(unique: &&UniqueKey) -> bool {
    unique.as_str().starts_with("hold/")
}

/// Breaks what is read of a domain.
pub(super) fn misread(mutant: Option<Mutant>, items: &mut [Option<Item>]) {
    for item in items.iter_mut().flatten().filter(|item| item.key.kind == Kind::Domain) {
        let text = item.body.as_str();
        let spoiled = match mutant {
            Some(Mutant::AnyCode) => replace(text, "\"mail\":{", "digest", &digest(WRONG)),
            Some(Mutant::AnyOffer) => replace(text, "\"offer\":{", "digest", &digest(WRONG)),
            Some(Mutant::TakeFromProver) => text
                .split_once("\"ownership\":{")
                .map(|(front, rest)| format!("{front}\"ownership\":{{\"last\":\"refuted\",{rest}")),
            _ => None,
        };
        if let Some(spoiled) = spoiled {
            item.body = Body::new(spoiled);
        }
    }
}

impl<S: Store + ?Sized> Broken<S> {
    /// Breaks what is written of domains, by what was there before.
    pub(super) async fn spoil_titles(&self, batch: &mut Batch) -> Result<()> {
        for write in &mut batch.writes {
            let Write::Put { key: key @ Key { kind: Kind::Domain, .. }, header, body, .. } = write
            else {
                continue;
            };
            let text = body.as_str();
            let spoiled = match self.mutant {
                Some(Mutant::KeepFormer) => {
                    Some(text.replace("\"gives_up\":true", "\"gives_up\":false"))
                }
                Some(Mutant::ReusableCode) => {
                    Some(text.replace("\"is_used\":true", "\"is_used\":false"))
                }
                Some(Mutant::KeepHold | Mutant::OldToken | Mutant::PendingBlocks) => {
                    let found = self.inner.get(std::slice::from_ref(key)).await?;
                    let old = found.into_iter().flatten().next();
                    match self.mutant {
                        Some(Mutant::OldToken) => old.and_then(|old| old_token(&old, text)),
                        Some(Mutant::KeepHold) => {
                            keep_hold(old.as_ref(), header);
                            None
                        }
                        _ => {
                            self.take_hold(key, header).await?;
                            None
                        }
                    }
                }
                _ => return Ok(()),
            };
            if let Some(spoiled) = spoiled {
                *body = Body::new(spoiled);
            }
        }
        Ok(())
    }

    /// Lets who has proved nothing have what only holders have, unless somebody else has it.
    async fn take_hold(&self, key: &Key, header: &mut Header) -> Result<()> {
        let (Some("pending"), Some(name)) = (header.status.as_deref(), &header.name) else {
            return Ok(());
        };
        let hold = UniqueKey::new("hold", &[name.as_str()]);
        let found = self.inner.find(std::slice::from_ref(&hold)).await?;
        if found.iter().flatten().all(|holder| holder.key == *key) {
            header.unique.push(hold);
        }
        Ok(())
    }
}

/// Returns what is written with the token that was there before, if there is a new one.
fn old_token(old: &Item, text: &str) -> Option<String> {
    let before = old.body.as_str();
    if generation(before) >= generation(text) {
        return None;
    }
    let (_, challenge) = before.split_once("\"challenge\":{")?;
    let (challenge, _) = challenge.split_once('}')?;
    // A token is written in one of two ways.
    ["digest", "token"]
        .into_iter()
        .find_map(|field| replace(text, "\"challenge\":{", field, value(challenge, field)?))
}

/// Lets who held a name keep what only holders have.
fn keep_hold(old: Option<&Item>, header: &mut Header) {
    let hold = old.and_then(|old| old.header.unique.iter().find(is_hold));
    if let Some(hold) = hold.filter(|hold| !header.unique.contains(hold)) {
        header.unique.push(hold.clone());
    }
}

/// Returns whether a batch is not to be written at all, although it is said that it was.
pub(super) fn is_dropped(mutant: Option<Mutant>, batch: &Batch) -> bool {
    let is_report = |body: &str| body.contains("\"cause\":\"registration\"");
    mutant == Some(Mutant::IgnoreReports) && batch.log.iter().any(|entry| is_report(&entry.body))
}

/// Lets a feed that was read know of nobody how far it was told.
pub(super) fn forget_cursors(item: &mut Item) {
    if item.key.kind != Kind::Feed {
        return;
    }
    let mut text = item.body.as_str();
    let mut spoiled = String::with_capacity(text.len());
    while let Some((front, rest)) = text.split_once("\"after\":") {
        spoiled.push_str(front);
        spoiled.push_str("\"after\":0");
        text = rest.trim_start_matches(|letter: char| letter.is_ascii_digit());
    }
    spoiled.push_str(text);
    item.body = Body::new(spoiled);
}
