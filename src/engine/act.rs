//! Carrying out one effect.

use super::{
    backends::Backends,
    loss,
    root::{AccountRoot, Effect, Outcome, Receipt, Root, Trouble},
};
use crate::{
    ca::Account,
    certificate::Order,
    dns::Applied,
    error::{Error, ErrorKind, Result},
    id::OrderId,
    name::DnsName,
    record::{RecordData, RecordSet, RecordType, Ttl, Txt},
    secret::Secret,
    zone::{ChangeSet, SetChange},
};

/// How often a change of a record set is tried when others change it at the same time.
const ATTEMPTS: usize = 5;

/// What becomes of a TXT record of ours.
#[derive(Clone, Copy)]
enum Change {
    Add,
    Remove,
}

impl Backends {
    /// Carries out an effect. Never an error: what went wrong is an outcome.
    pub(super) async fn act(&self, root: &Root, effect: &Effect) -> Outcome {
        if let (Root::Account(root), Effect::Enroll) = (root, effect) {
            return match self.enrolling_key(root).await {
                Ok(key) => match self.authority.enroll(&key).await {
                    Ok(handle) => Outcome::Done(Receipt::Handle(handle)),
                    Err(error) => Outcome::of(&error),
                },
                // As below: the key is there again once somebody plugs in what opens it.
                Err(error) => Outcome::NotYet(Trouble::from(&error)),
            };
        }
        if let (Root::Domain(root), Effect::Mail { to, .. }) = (root, effect) {
            return self.mail(&root.domain, to).await;
        }
        let account = match effect {
            Effect::OpenOrder { .. } | Effect::Respond { .. } | Effect::Finalize { .. } => {
                match self.account().await {
                    Ok(account) => Some(account),
                    // Our own store or vault failed; the authority was not asked.
                    Err(error) => return Outcome::NotYet(Trouble::from(&error)),
                }
            }
            Effect::Arrange { .. }
            | Effect::Enroll
            | Effect::Mail { .. }
            | Effect::Publish { .. }
            | Effect::Unpublish { .. } => None,
        };
        match self.try_act(root, effect, account.as_ref()).await {
            Ok(receipt) => Outcome::Done(receipt),
            Err(error) => loss::outcome(&error, account.as_ref()),
        }
    }

    async fn try_act(
        &self,
        root: &Root,
        effect: &Effect,
        account: Option<&Account>,
    ) -> Result<Receipt> {
        match (root, effect) {
            (Root::Domain(root), Effect::Arrange { owner, .. }) => {
                self.arrange(&root.domain, owner).await?;
                Ok(Receipt::Done)
            }
            (_, Effect::Publish { owner, value }) => {
                self.change(owner, value, Change::Add).await?;
                Ok(Receipt::Done)
            }
            (_, Effect::Unpublish { owner, value }) => {
                self.change(owner, value, Change::Remove).await?;
                Ok(Receipt::Done)
            }
            (Root::Domain(root), Effect::OpenOrder { order }) => {
                let order = open(root.order.as_ref(), *order)?;
                let account = account.ok_or_else(no_account)?;
                let handle = self.authority.open(account, &order.names).await?;
                Ok(Receipt::Opened { order: handle, account: account.handle.clone() })
            }
            (Root::Domain(root), Effect::Respond { order, authorization, challenge }) => {
                let order = open(root.order.as_ref(), *order)?;
                let handle = order.handle.as_ref().ok_or_else(no_order)?;
                let account = account.ok_or_else(no_account)?;
                loss::check(order, account)?;
                self.authority.respond(account, handle, authorization, *challenge).await?;
                Ok(Receipt::Done)
            }
            (Root::Domain(root), Effect::Finalize { order }) => {
                let order = open(root.order.as_ref(), *order)?;
                let (Some(handle), Some(key)) = (&order.handle, &order.key) else {
                    return Err(no_order());
                };
                let account = account.ok_or_else(no_account)?;
                loss::check(order, account)?;
                self.authority.finalize(account, handle, &key.request).await?;
                Ok(Receipt::Done)
            }
            _ => Err(Error::new(
                ErrorKind::Internal,
                "engine",
                effect.kind().as_str(),
                "an effect that this root cannot have",
            )),
        }
    }

    async fn enrolling_key(&self, root: &AccountRoot) -> Result<Secret> {
        let sealed = root.key.as_ref().ok_or_else(|| {
            Error::new(ErrorKind::Internal, "engine", "enroll", "an account without a key")
        })?;
        self.sealer.open(&self.account_context(), sealed).await
    }

    /// Adds one TXT value to a record set or removes it, and leaves the other values alone.
    async fn change(&self, owner: &DnsName, value: &str, change: Change) -> Result<()> {
        let dns = self.dns.as_ref().ok_or_else(|| {
            Error::new(ErrorKind::NotFound, "engine", "publish", "no DNS provider is plugged in")
        })?;
        let zone = dns.zone_of(owner).await?.ok_or_else(|| {
            Error::new(
                ErrorKind::NotFound,
                "engine",
                "publish",
                format!("no zone at the DNS provider holds {owner}"),
            )
        })?;
        let ours = RecordData::Txt(Txt::from_text(value));
        for _ in 0..ATTEMPTS {
            let before = dns.record_set(&zone, owner, RecordType::Txt).await?;
            let is_there = before.as_ref().is_some_and(|set| set.contains(&ours));
            let after = match (change, &before) {
                (Change::Add, _) if is_there => return Ok(()),
                (Change::Remove, _) if !is_there => return Ok(()),
                (Change::Add, Some(set)) => Some(set.with(ours.clone()).map_err(internal)?),
                (Change::Add, None) => {
                    let ttl = Ttl::MINUTE.max(dns.capabilities().min_ttl);
                    Some(RecordSet::new(owner.clone(), ttl, [ours.clone()]).map_err(internal)?)
                }
                (Change::Remove, set) => set.as_ref().and_then(|set| set.without(&ours)),
            };
            let wanted = SetChange::new(before, after).map_err(internal)?;
            let changes = ChangeSet::new([wanted]).map_err(internal)?;
            match dns.apply(&zone, &changes).await?.into_iter().next() {
                Some(Applied::Done) => return Ok(()),
                Some(Applied::Conflict(_) | Applied::Skipped) => {}
                Some(Applied::Refused(error)) => return Err(error),
                None => {
                    return Err(Error::new(
                        ErrorKind::Malformed,
                        "engine",
                        "publish",
                        "the DNS provider said nothing of the change",
                    ));
                }
            }
        }
        Err(Error::new(
            ErrorKind::Conflict,
            "engine",
            "publish",
            format!("others keep changing the TXT records of {owner}"),
        ))
    }
}

fn open(order: Option<&Order>, wanted: OrderId) -> Result<&Order> {
    order.filter(|order| order.id == wanted).ok_or_else(no_order)
}

fn no_order() -> Error {
    Error::new(ErrorKind::Internal, "engine", "order", "an effect on an order that is not there")
}

fn no_account() -> Error {
    Error::new(ErrorKind::Internal, "engine", "order", "an effect on an order without an account")
}

fn internal(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::new(ErrorKind::Internal, "engine", "publish", "a change that contradicts itself")
        .with_source(error)
}
