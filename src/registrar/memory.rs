//! A registrar with a till and a register of its own.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;

use super::{Availability, Registrar, Wait, Workflow};
use crate::{
    error::{Error, ErrorKind, Result},
    fault::Faults,
    id::RegistrationId,
    name::DomainName,
    registration::{
        Currency, Money, Purchase, RegistrationEvent as Event, RegistrationStatus as Status,
    },
};

/// A registrar that sells every registrable name that was not taken, at once unless told otherwise.
///
/// Clones share the register. The price of a year is ten euros unless [`set_price`](Self::set_price)
/// says otherwise, and the balance is without limit unless [`set_balance`](Self::set_balance) sets
/// one: a purchase holds its price back when it is taken on and pays it when it succeeds. Registered
/// names never expire.
#[derive(Clone, Debug)]
pub struct InMemoryRegistrar {
    state: Arc<Mutex<State>>,
    faults: Arc<Faults>,
}

#[derive(Debug)]
struct State {
    usual: Money,
    premium: HashMap<DomainName, Money>,
    taken: HashSet<DomainName>,
    unsupported: HashSet<DomainName>,
    balance: Option<u64>,
    scripts: HashMap<DomainName, VecDeque<Event>>,
    purchases: HashMap<RegistrationId, Row>,
    charges: Vec<(RegistrationId, Money)>,
}

#[derive(Debug)]
struct Row {
    purchase: Purchase,
    reference: String,
    status: Status,
    cost: Money,
    script: VecDeque<Event>,
}

impl Row {
    fn workflow(&self) -> Workflow {
        let charged = (self.status == Status::Succeeded).then_some(self.cost);
        let detail = match self.status {
            Status::ActionRequired => Some("the registrant has to confirm the contact address"),
            Status::Blocked => Some("the registry reviews the name"),
            Status::Failed => Some("the registry refused the name"),
            Status::Pending | Status::InProgress | Status::Succeeded => None,
        };
        Workflow::new(&self.reference, self.status)
            .with_charged(charged)
            .with_detail(detail.map(ToOwned::to_owned))
    }
}

impl InMemoryRegistrar {
    /// Creates a registrar that has sold nothing.
    pub fn new() -> Self {
        let state = State {
            usual: Money::new(1000, Currency::EUR),
            premium: HashMap::new(),
            taken: HashSet::new(),
            unsupported: HashSet::new(),
            balance: None,
            scripts: HashMap::new(),
            purchases: HashMap::new(),
            charges: Vec::new(),
        };
        Self {
            state: Arc::new(Mutex::new(state)),
            faults: Arc::new(Faults::new("in-memory registrar")),
        }
    }

    /// Sets the price of a year of every name without a price of its own.
    pub fn set_price(&self, price: Money) {
        self.state().usual = price;
    }

    /// Sets the price of a year of one name, which makes it a premium one.
    pub fn set_premium(&self, name: DomainName, price: Money) {
        self.state().premium.insert(name, price);
    }

    /// Gives a name to somebody else.
    pub fn take(&self, name: DomainName) {
        self.state().taken.insert(name);
    }

    /// Stops to sell a name.
    pub fn unsupport(&self, name: DomainName) {
        self.state().unsupported.insert(name);
    }

    /// Sets how much can be spent, in minor units of the currency of the prices.
    pub fn set_balance(&self, minor_units: u64) {
        self.state().balance = Some(minor_units);
    }

    /// Returns how much can still be spent; `None` is without limit.
    pub fn balance(&self) -> Option<u64> {
        self.state().balance
    }

    /// Sets what happens to the next purchase of a name.
    ///
    /// `register` lets the first event happen, and each reading of `workflow` one more; a call that
    /// waits lets them happen until nothing is in progress. An event that does not apply is left
    /// out. After the last one the purchase stays as it is. Without a script a purchase succeeds
    /// at once.
    pub fn script(&self, name: DomainName, events: impl IntoIterator<Item = Event>) {
        self.state().scripts.insert(name, events.into_iter().collect());
    }

    /// Lets an event happen to a purchase now; returns its status, `None` if there is no such one.
    pub fn advance(&self, id: RegistrationId, event: Event) -> Option<Status> {
        let mut state = self.state();
        state.happen(id, event);
        state.purchases.get(&id).map(|row| row.status)
    }

    /// Returns what was charged, in order.
    pub fn charges(&self) -> Vec<(RegistrationId, Money)> {
        self.state().charges.clone()
    }

    /// Makes the next call fail with `kind` and change nothing.
    pub fn fail_next(&self, kind: ErrorKind) {
        self.faults.before(kind);
    }

    /// Makes the next call take effect and then fail with `kind`, as when an answer is lost.
    pub fn fail_next_after(&self, kind: ErrorKind) {
        self.faults.after(kind);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for InMemoryRegistrar {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl Registrar for InMemoryRegistrar {
    async fn check(&self, name: &DomainName) -> Result<Availability> {
        self.faults.call("check", || Ok(self.state().check(name)))
    }

    async fn register(&self, purchase: &Purchase, wait: Wait) -> Result<Workflow> {
        self.faults.call("register", || self.state().register(purchase, wait))
    }

    async fn workflow(&self, purchase: &Purchase) -> Result<Option<Workflow>> {
        self.faults.call("workflow", || {
            let mut state = self.state();
            state.play(purchase.id);
            Ok(state.purchases.get(&purchase.id).map(Row::workflow))
        })
    }
}

impl State {
    fn check(&self, name: &DomainName) -> Availability {
        // A purchase under way keeps the name from others, as a registry does.
        let bought = self
            .purchases
            .values()
            .any(|row| row.purchase.name == *name && row.status != Status::Failed);
        if !name.is_apex() || self.unsupported.contains(name) {
            Availability::NotSupported
        } else if bought || self.taken.contains(name) {
            Availability::Taken
        } else {
            let premium = self.premium.get(name);
            Availability::Available {
                price: *premium.unwrap_or(&self.usual),
                premium: premium.is_some(),
            }
        }
    }

    fn register(&mut self, purchase: &Purchase, wait: Wait) -> Result<Workflow> {
        let error = |kind, code: &str, message: String| {
            Error::new(kind, "in-memory registrar", "register", message).with_code(code)
        };
        if let Some(row) = self.purchases.get(&purchase.id) {
            if row.purchase.name != purchase.name || row.purchase.years != purchase.years {
                let message = "the id was used for another purchase";
                return Err(error(ErrorKind::Invalid, "id", message.to_owned()));
            }
            return Ok(row.workflow());
        }
        let Purchase { id, name, years, expected_price } = purchase;
        if !(1..=10).contains(years) {
            let message = format!("{years} years are not 1 to 10");
            return Err(error(ErrorKind::Invalid, "years", message));
        }
        let price = match self.check(name) {
            Availability::Available { price, .. } => price,
            Availability::Taken => {
                return Err(error(ErrorKind::Refused, "taken", format!("{name} is taken")));
            }
            Availability::NotSupported => {
                let message = format!("{name} is not sold here");
                return Err(error(ErrorKind::Unsupported, "unsupported", message));
            }
        };
        let cost = Money::new(price.minor_units.saturating_mul(u64::from(*years)), price.currency);
        if cost.currency != expected_price.currency || cost.minor_units > expected_price.minor_units
        {
            let message = format!("{name} costs {cost}, not {expected_price}");
            return Err(error(ErrorKind::Precondition, "price", message));
        }
        if let Some(balance) = &mut self.balance {
            *balance = balance.checked_sub(cost.minor_units).ok_or_else(|| {
                let message = format!("{name} costs {cost}, more than the balance");
                error(ErrorKind::Precondition, "balance", message)
            })?;
        }
        let row = Row {
            purchase: purchase.clone(),
            reference: format!("purchase-{}", self.purchases.len() + 1),
            status: Status::Pending,
            cost,
            script: self.scripts.remove(name).unwrap_or_else(|| [Event::Completed].into()),
        };
        self.purchases.insert(*id, row);
        self.play(*id);
        if let Wait::UpTo(_) = wait {
            while self.purchases.get(id).is_some_and(|row| {
                matches!(row.status, Status::Pending | Status::InProgress) && !row.script.is_empty()
            }) {
                self.play(*id);
            }
        }
        self.purchases.get(id).map(Row::workflow).ok_or_else(|| {
            error(ErrorKind::Internal, "lost", "the purchase that was just made is gone".to_owned())
        })
    }

    /// Lets the next event of the script of a purchase happen.
    fn play(&mut self, id: RegistrationId) {
        if let Some(event) = self.purchases.get_mut(&id).and_then(|row| row.script.pop_front()) {
            self.happen(id, event);
        }
    }

    fn happen(&mut self, id: RegistrationId, event: Event) {
        let Some(row) = self.purchases.get_mut(&id) else { return };
        let Some(next) = row.status.on(event) else { return };
        row.status = next;
        match next {
            Status::Succeeded => self.charges.push((id, row.cost)),
            Status::Failed => {
                if let Some(balance) = &mut self.balance {
                    *balance = balance.saturating_add(row.cost.minor_units);
                }
            }
            Status::Pending | Status::InProgress | Status::ActionRequired | Status::Blocked => {}
        }
    }
}

#[cfg(test)]
mod tests;
