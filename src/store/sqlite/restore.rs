//! Items as another store had them.

use rusqlite::params;

use super::{
    failure::Failure,
    row::{Id, kind_number, micros, number},
    session::{End, Session},
};
use crate::store::{Commit, Entry, Item};

impl Session<'_> {
    /// Puts an item that is not there, and then gives it its revision and its log, in one transaction.
    pub(super) fn restore(&mut self, item: &Item, log: &[Entry]) -> Result<Commit, Failure> {
        let batch = item.restoring();
        self.write(|session, now| {
            let end = session.writes.commit(&batch, now)?;
            if !matches!(end, End::Commit(Commit::Done)) {
                return Ok(end);
            }
            let (kind, id) = (kind_number(item.key.kind), Id::of(&item.key.id));
            session.connection.execute(
                "UPDATE items SET counter = ?3 WHERE kind = ?1 AND id = ?2",
                params![kind, id, number(item.revision.counter)],
            )?;
            let mut append = session.connection.prepare(
                "INSERT INTO log (item, number, at, body) \
                 SELECT item, ?3, ?4, ?5 FROM items WHERE kind = ?1 AND id = ?2",
            )?;
            for Entry { number: place, at, body } in log {
                append.execute(params![kind, id, number(*place), micros(*at), body])?;
            }
            Ok(end)
        })
    }
}
