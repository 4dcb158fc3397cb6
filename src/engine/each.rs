//! Many items at once, of which the store itself may be unable to read some.

use std::slice;

use crate::{
    error::{ErrorKind, Result},
    store::{Item, Key, Store},
};

/// Returns the items of these keys, in their order: `Malformed` in the place of one that the store
/// cannot read, while the others are there.
///
/// One read as a rule, and one for each key where something is damaged: the items are then not of one
/// moment.
pub(super) async fn each(store: &dyn Store, keys: &[Key]) -> Result<Vec<Result<Option<Item>>>> {
    match store.get(keys).await {
        Err(error) if error.kind() == ErrorKind::Malformed => {}
        found => return Ok(found?.into_iter().map(Ok).collect()),
    }
    let mut items = Vec::with_capacity(keys.len());
    for key in keys {
        items.push(match store.get(slice::from_ref(key)).await {
            Ok(found) => Ok(found.into_iter().flatten().next()),
            Err(error) if error.kind() == ErrorKind::Malformed => Err(error),
            Err(error) => return Err(error),
        });
    }
    Ok(items)
}
