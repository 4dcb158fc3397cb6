//! What is written, column by column: a statement takes an array for each, whatever the number of rows.

use tokio_postgres::types::Type;

use super::{
    link::Parameter,
    plan::Slot,
    row::{Uuid, carries, micros, number},
};
use crate::{
    id::OperationId,
    store::{Header, Key, UniqueKey},
};

/// Makes room for as many more rows in every column.
macro_rules! reserve {
    ($more:expr; $($column:expr),*) => {
        $($column.reserve_exact($more);)*
    };
}

/// Items that one operation puts.
#[derive(Debug)]
pub(super) struct Items<'a> {
    operation: Uuid,
    of: Keys<'a>,
    counters: Vec<i64>,
    tenants: Vec<Option<Uuid>>,
    names: Vec<Option<&'a str>>,
    statuses: Vec<Option<&'a str>>,
    expires: Vec<Option<i64>>,
    dues: Vec<Option<i64>>,
    carries: Vec<Option<String>>,
    bodies: Vec<&'a str>,
}

impl<'a> Items<'a> {
    pub(super) fn new(operation: OperationId) -> Self {
        Self {
            operation: Uuid(*operation.as_bytes()),
            of: Keys::default(),
            counters: Vec::new(),
            tenants: Vec::new(),
            names: Vec::new(),
            statuses: Vec::new(),
            expires: Vec::new(),
            dues: Vec::new(),
            carries: Vec::new(),
            bodies: Vec::new(),
        }
    }

    pub(super) fn reserve(&mut self, more: usize) {
        self.of.reserve(more);
        reserve!(more; self.counters, self.tenants, self.names, self.statuses, self.expires);
        reserve!(more; self.dues, self.carries, self.bodies);
    }

    pub(super) fn push(&mut self, key: &'a Key, counter: u64, header: &'a Header, body: &'a str) {
        self.of.push(key);
        self.counters.push(number(counter));
        self.tenants.push(header.tenant.map(|tenant| Uuid(*tenant.as_bytes())));
        self.names.push(header.name.as_deref());
        self.statuses.push(header.status.as_deref());
        self.expires.push(header.expires.map(micros));
        self.dues.push(header.due.map(micros));
        self.carries.push(carries(&header.unique));
        self.bodies.push(body);
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.of.is_empty()
    }

    pub(super) fn parameters(&self) -> [Parameter<'_>; 11] {
        let [kinds, ids] = self.of.parameters();
        [
            kinds,
            ids,
            (&self.counters, Type::INT8_ARRAY),
            (&self.operation, Type::UUID),
            (&self.tenants, Type::UUID_ARRAY),
            (&self.names, Type::TEXT_ARRAY),
            (&self.statuses, Type::TEXT_ARRAY),
            (&self.expires, Type::INT8_ARRAY),
            (&self.dues, Type::INT8_ARRAY),
            (&self.carries, Type::TEXT_ARRAY),
            (&self.bodies, Type::TEXT_ARRAY),
        ]
    }
}

/// Schedules of items that had none: nobody has leased them yet.
#[derive(Debug)]
pub(super) struct NewSlots<'a> {
    pub(super) token: i64,
    of: Keys<'a>,
    counters: Vec<i64>,
    dues: Vec<Option<i64>>,
    woken: Vec<Option<i64>>,
    pub(super) wanted: Vec<Option<i64>>,
}

impl<'a> NewSlots<'a> {
    /// All of them begin with the same token.
    pub(super) fn new(token: i64) -> Self {
        Self {
            token,
            of: Keys::default(),
            counters: Vec::new(),
            dues: Vec::new(),
            woken: Vec::new(),
            wanted: Vec::new(),
        }
    }

    pub(super) fn reserve(&mut self, more: usize) {
        self.of.reserve(more);
        reserve!(more; self.counters, self.dues, self.woken, self.wanted);
    }

    pub(super) fn push(&mut self, key: &'a Key, slot: &Slot) {
        self.of.push(key);
        self.counters.push(slot.counter);
        self.dues.push(slot.due);
        self.woken.push(slot.woken);
        self.wanted.push(slot.wanted);
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.of.is_empty()
    }

    pub(super) fn parameters(&self) -> [Parameter<'_>; 7] {
        let [kinds, ids] = self.of.parameters();
        [
            kinds,
            ids,
            (&self.counters, Type::INT8_ARRAY),
            (&self.token, Type::INT8),
            (&self.dues, Type::INT8_ARRAY),
            (&self.woken, Type::INT8_ARRAY),
            (&self.wanted, Type::INT8_ARRAY),
        ]
    }
}

/// Schedules that change.
#[derive(Debug, Default)]
pub(super) struct Slots<'a> {
    of: Keys<'a>,
    counters: Vec<i64>,
    tokens: Vec<i64>,
    dues: Vec<Option<i64>>,
    pub(super) woken: Vec<Option<i64>>,
    pub(super) leased_until: Vec<Option<i64>>,
    due_since: Vec<Option<i64>>,
    pub(super) wanted: Vec<Option<i64>>,
}

impl<'a> Slots<'a> {
    pub(super) fn push(&mut self, key: &'a Key, slot: &Slot) {
        self.of.push(key);
        self.counters.push(slot.counter);
        self.tokens.push(slot.token);
        self.dues.push(slot.due);
        self.woken.push(slot.woken);
        self.leased_until.push(slot.leased_until);
        self.due_since.push(slot.due_since);
        self.wanted.push(slot.wanted);
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.of.is_empty()
    }

    pub(super) fn parameters(&self) -> [Parameter<'_>; 9] {
        let [kinds, ids] = self.of.parameters();
        [
            kinds,
            ids,
            (&self.counters, Type::INT8_ARRAY),
            (&self.tokens, Type::INT8_ARRAY),
            (&self.dues, Type::INT8_ARRAY),
            (&self.woken, Type::INT8_ARRAY),
            (&self.leased_until, Type::INT8_ARRAY),
            (&self.due_since, Type::INT8_ARRAY),
            (&self.wanted, Type::INT8_ARRAY),
        ]
    }
}

/// Keys.
#[derive(Debug, Default)]
pub(super) struct Keys<'a> {
    kinds: Vec<&'a str>,
    ids: Vec<&'a str>,
}

impl<'a> Keys<'a> {
    fn reserve(&mut self, more: usize) {
        reserve!(more; self.kinds, self.ids);
    }

    pub(super) fn push(&mut self, key: &'a Key) {
        self.kinds.push(key.kind.as_str());
        self.ids.push(&key.id);
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    pub(super) fn parameters(&self) -> [Parameter<'_>; 2] {
        [(&self.kinds, Type::TEXT_ARRAY), (&self.ids, Type::TEXT_ARRAY)]
    }
}

/// Unique keys with their items.
#[derive(Debug, Default)]
pub(super) struct Unique<'a> {
    pub(super) keys: Vec<&'a str>,
    of: Keys<'a>,
}

impl<'a> Unique<'a> {
    pub(super) fn reserve(&mut self, more: usize) {
        self.of.reserve(more);
        reserve!(more; self.keys);
    }

    pub(super) fn push(&mut self, unique: &'a UniqueKey, of: &'a Key) {
        self.keys.push(unique.as_str());
        self.of.push(of);
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    pub(super) fn parameters(&self) -> [Parameter<'_>; 3] {
        let [kinds, ids] = self.of.parameters();
        [(&self.keys, Type::TEXT_ARRAY), kinds, ids]
    }
}

/// Entries.
#[derive(Debug, Default)]
pub(super) struct Log<'a> {
    of: Keys<'a>,
    numbers: Vec<i64>,
    at: Vec<i64>,
    bodies: Vec<&'a str>,
}

impl<'a> Log<'a> {
    pub(super) fn push(&mut self, of: &'a Key, place: u64, at: i64, body: &'a str) {
        self.of.push(of);
        self.numbers.push(number(place));
        self.at.push(at);
        self.bodies.push(body);
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.numbers.is_empty()
    }

    pub(super) fn parameters(&self) -> [Parameter<'_>; 5] {
        let [kinds, ids] = self.of.parameters();
        [
            kinds,
            ids,
            (&self.numbers, Type::INT8_ARRAY),
            (&self.at, Type::INT8_ARRAY),
            (&self.bodies, Type::TEXT_ARRAY),
        ]
    }
}
