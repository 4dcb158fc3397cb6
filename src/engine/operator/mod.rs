//! Commands for the platform's own staff: not for one tenant.

mod adopt;
mod pause;
mod registration;
mod revive;

use std::sync::Arc;

use super::{backends::Backends, codec, held::commit, onboarding::Onboarding, root::Root};
use crate::{
    clock::Timestamp,
    error::{Error, ErrorKind, Result},
    id::OperationId,
    store::{Batch, Commit, Expect, Item, Key, Write},
};

pub use adopt::Adoption;
pub use pause::Pausable;
pub use registration::RegistrationChange;
pub use revive::{Parked, ParkedPage};

/// How often a command is tried again when a worker changes the same item at the same time.
const ATTEMPTS: usize = 8;

/// What the platform's own staff can do, to the domains of all tenants. Clones are cheap.
///
/// # Assumptions
///
/// The caller has made sure that it is somebody of the platform's who asks. No tenant's request must
/// lead here.
#[derive(Clone, Debug)]
pub struct Operator {
    pub(in crate::engine) backends: Arc<Backends>,
}

impl Onboarding {
    /// Returns the commands for the platform's own staff.
    pub fn operator(&self) -> Operator {
        Operator { backends: self.shared() }
    }
}

impl Operator {
    /// Reads an item.
    async fn read(&self, key: &Key) -> Result<Option<Item>> {
        let found = self.backends.store.get(std::slice::from_ref(key)).await?;
        Ok(found.into_iter().flatten().next())
    }

    fn batch(&self) -> Result<Batch> {
        Ok(Batch::new(OperationId::random(&*self.backends.random)?))
    }

    async fn commit(&self, batch: Batch, key: &Key) -> Result<Commit> {
        commit(&self.backends, batch, key).await
    }

    /// Returns the write of a changed root that is due now, whoever has it.
    fn put(root: &Root, item: &Item, now: Timestamp) -> Result<[Write; 2]> {
        let (key, header, body) = codec::write_root(root, Some(now))?;
        let expect = Expect::Revision(item.revision);
        Ok([Write::Put { key: key.clone(), expect, header, body }, Write::Wake { key }])
    }
}

fn not_found(operation: &'static str, what: &Key) -> Error {
    Error::new(ErrorKind::NotFound, "operator", operation, format!("there is no {what}"))
}

fn lost_race(operation: &'static str) -> Error {
    let message = "others keep changing it at the same time";
    Error::new(ErrorKind::Conflict, "operator", operation, message)
}
