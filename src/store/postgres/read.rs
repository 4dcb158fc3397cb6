//! What is read, each in one statement.

use std::collections::HashMap;

use tokio_postgres::types::Type;

use super::{
    Shared,
    failure::Failure,
    link::Parameter,
    row::{self, Uuid, column, count, instant, micros, number},
};
use crate::{
    clock::Timestamp,
    error::{ErrorKind, Result},
    store::{Entry, Filter, Item, Key, Page, Query, UniqueKey},
};

/// Whether the database can have a text, which holds no zero bytes there.
pub(super) fn is_text(text: &str) -> bool {
    !text.contains('\0')
}

/// The kinds and ids of keys, as a statement takes them.
pub(super) fn columns<'a>(keys: impl IntoIterator<Item = &'a Key>) -> (Vec<&'a str>, Vec<&'a str>) {
    let texts = keys.into_iter().filter(|key| is_text(&key.id));
    texts.map(|key| (key.kind.as_str(), key.id.as_str())).unzip()
}

impl Shared {
    /// Turns what cannot be read into an error.
    pub(super) fn readable<T>(
        &self,
        operation: &'static str,
        value: std::result::Result<T, Failure>,
    ) -> Result<T> {
        value.map_err(|failure| failure.into_error(operation, &self.place))
    }

    pub(super) async fn now(&self) -> Result<Timestamp> {
        let ahead = self.ahead();
        let rows = self.read("now", &self.sql.now, &[(&ahead, Type::INT8)]).await?;
        let Some(row) = rows.first() else {
            return Err(self.error(ErrorKind::Malformed, "now", "the database tells no time"));
        };
        self.readable("now", column(row, 0).and_then(instant))
    }

    pub(super) async fn get(&self, keys: &[Key]) -> Result<Vec<Option<Item>>> {
        if let [key] = keys {
            if !is_text(&key.id) {
                return Ok(vec![None]);
            }
            let kind = key.kind.as_str();
            let wanted: [Parameter<'_>; 2] = [(&kind, Type::TEXT), (&key.id, Type::TEXT)];
            let rows = self.read("get", &self.sql.get_one, &wanted).await?;
            let item = rows.first().map(|row| row::item(row, 0)).transpose();
            return Ok(vec![self.readable("get", item)?]);
        }
        let (kinds, ids) = columns(keys);
        if ids.is_empty() {
            return Ok(vec![None; keys.len()]);
        }
        let wanted: [Parameter<'_>; 2] = [(&kinds, Type::TEXT_ARRAY), (&ids, Type::TEXT_ARRAY)];
        let rows = self.read("get", &self.sql.get, &wanted).await?;
        let mut items = HashMap::new();
        for row in &rows {
            let item = self.readable("get", row::item(row, 0))?;
            items.insert(item.key.clone(), item);
        }
        // A key may be asked for twice.
        Ok(keys.iter().map(|key| items.get(key).cloned()).collect())
    }

    pub(super) async fn find(&self, unique: &[UniqueKey]) -> Result<Vec<Option<Item>>> {
        if let [key] = unique {
            let key = key.as_str();
            if !is_text(key) {
                return Ok(vec![None]);
            }
            let rows = self.read("find", &self.sql.find_one, &[(&key, Type::TEXT)]).await?;
            let item = rows.first().map(|row| row::item(row, 0)).transpose();
            return Ok(vec![self.readable("find", item)?]);
        }
        let texts: Vec<&str> =
            unique.iter().map(UniqueKey::as_str).filter(|text| is_text(text)).collect();
        if texts.is_empty() {
            return Ok(vec![None; unique.len()]);
        }
        let rows = self.read("find", &self.sql.find, &[(&texts, Type::TEXT_ARRAY)]).await?;
        let mut items: HashMap<String, Item> = HashMap::new();
        for row in &rows {
            let found = row::item(row, 0).and_then(|item| Ok((column(row, 11)?, item)));
            let (key, item) = self.readable("find", found)?;
            items.insert(key, item);
        }
        Ok(unique.iter().map(|key| items.get(key.as_str()).cloned()).collect())
    }

    pub(super) async fn list(&self, query: &Query) -> Result<Page> {
        let limit = query.limit.clamp(1, Query::MAX_LIMIT);
        // One more than asked for tells whether there is another page.
        let most = i64::from(limit).saturating_add(1);
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let after = query.after.as_deref().unwrap_or_default();
        let after = after.split('\0').next().unwrap_or_default();
        let kind = query.kind.as_str();
        let expires;
        let tenant;
        let (statement, filter): (_, Option<Parameter<'_>>) = match &query.filter {
            Filter::All => (&self.sql.all, None),
            Filter::Tenant(id) => {
                tenant = Uuid(*id.as_bytes());
                (&self.sql.by_tenant, Some((&tenant, Type::UUID)))
            }
            Filter::Name(name) => (&self.sql.by_name, Some((name, Type::TEXT))),
            Filter::Status(status) => (&self.sql.by_status, Some((status, Type::TEXT))),
            Filter::ExpiresBy(at) => {
                expires = micros(*at);
                (&self.sql.by_expires, Some((&expires, Type::INT8)))
            }
        };
        if let Filter::Name(text) | Filter::Status(text) = &query.filter
            && !is_text(text)
        {
            return Ok(Page::default());
        }
        let fixed: [Parameter<'_>; 3] =
            [(&after, Type::TEXT), (&most, Type::INT8), (&kind, Type::TEXT)];
        let wanted: Vec<Parameter<'_>> = fixed.into_iter().chain(filter).collect();
        let rows = self.read("list", statement, &wanted).await?;
        // One row must not hide all others.
        let found: std::result::Result<Vec<_>, Failure> = rows
            .iter()
            .map(|row| row::item(row, 0).map(Ok).or_else(|_| column(row, 1).map(Err)))
            .collect();
        Ok(Page::of_rows(self.readable("list", found)?, limit))
    }

    pub(super) async fn entries(&self, of: &Key, after: u64, limit: u32) -> Result<Vec<Entry>> {
        if !is_text(&of.id) {
            return Ok(Vec::new());
        }
        let (kind, after, limit) = (of.kind.as_str(), number(after), i64::from(limit));
        let wanted: [Parameter<'_>; 4] =
            [(&kind, Type::TEXT), (&of.id, Type::TEXT), (&after, Type::INT8), (&limit, Type::INT8)];
        let rows = self.read("entries", &self.sql.entries, &wanted).await?;
        let entries: std::result::Result<Vec<Entry>, Failure> = rows
            .iter()
            .map(|row| {
                Ok(Entry::new(count(column(row, 0)?)?, instant(column(row, 1)?)?, column(row, 2)?))
            })
            .collect();
        self.readable("entries", entries)
    }

    pub(super) async fn trim(&self, of: &Key, through: u64) -> Result<()> {
        if !is_text(&of.id) {
            return Ok(());
        }
        let (kind, through) = (of.kind.as_str(), number(through));
        let wanted: [Parameter<'_>; 3] =
            [(&kind, Type::TEXT), (&of.id, Type::TEXT), (&through, Type::INT8)];
        self.change_within("trim", &self.sql.trim, &wanted).await.map(|_| ())
    }
}
