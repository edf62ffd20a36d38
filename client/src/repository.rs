//! A repository as the client sees it: the engine, which stores and knows no key, with the keys, which are here alone.
//!
//! A repository is opened in two steps. [`Locked::open`] opens the engine and reads the key slots; [`Locked::unlock`]
//! turns the passphrase into keys on a thread of its own, so that what needs no key can begin meanwhile.

mod content;
mod create;
mod error;
mod extent;
mod fetch;
mod point;
mod slots;
#[cfg(test)]
pub(crate) mod trial;
mod unlock;

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;

use farkeep_codec::id::ObjectId;
use farkeep_codec::key::DomainKeys;
use farkeep_codec::key::ReaderSecret;
use farkeep_codec::key::Secrets;
use farkeep_codec::object::Pointer;
use farkeep_codec::parameters::Parameters;
use farkeep_codec::seal::Sealer;
use farkeep_codec::tree;
use farkeep_codec::tree::Entry;
use farkeep_codec::tree::Node;
use farkeep_codec::tree::PathKey;
use farkeep_codec::tree::Walk;
use farkeep_engine::Committed;
use farkeep_engine::Engine;
use farkeep_engine::Presence;
use farkeep_engine::Put;
use farkeep_engine::SlotId;
use farkeep_engine::Usage;

use crate::config::Location;

use self::fetch::Opener;

pub use self::content::Piece;
pub use self::create::Created;
pub use self::create::Plan;
pub use self::create::create;
pub use self::error::RepositoryError;
pub use self::extent::Extent;
pub use self::fetch::Fetcher;
pub use self::point::Listing;
pub use self::point::Point;
pub use self::point::Refused;
pub use self::slots::KeySlot;
pub use self::unlock::Access;
pub use self::unlock::Locked;
pub use self::unlock::Unlocking;

/// An open repository with its keys.
pub struct Repository {
    engine: Arc<Engine>,
    location: Location,
    secrets: Secrets,
    keys: DomainKeys,
    slot: SlotId,
    /// Contexts and buffers that nobody uses at the moment.
    openers: Mutex<Vec<Opener>>,
}

impl Repository {
    fn new(engine: Arc<Engine>, location: Location, secrets: Secrets, slot: SlotId) -> Self {
        let keys = DomainKeys::derive(&secrets.domain, engine.parameters().repository);
        Self { engine, location, secrets, keys, slot, openers: Mutex::default() }
    }

    /// Where the repository is.
    pub fn location(&self) -> &Location {
        &self.location
    }

    /// What every writer does alike.
    pub fn parameters(&self) -> &Parameters {
        self.engine.parameters()
    }

    /// The keys that seal, open and hash.
    pub fn keys(&self) -> &DomainKeys {
        &self.keys
    }

    /// All secrets of whoever opened the repository.
    pub fn secrets(&self) -> &Secrets {
        &self.secrets
    }

    /// The store.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// A sealer for one thread.
    pub fn sealer(&self) -> Sealer {
        Sealer::new(&self.keys, &self.parameters().compression)
    }

    /// Whether the object is there.
    ///
    /// # Errors
    /// When the store cannot say.
    pub fn has(&self, id: &ObjectId) -> Result<bool, RepositoryError> {
        let presence = self.engine.probe(std::slice::from_ref(id))?;
        Ok(presence.first() == Some(&Presence::Known))
    }

    /// Stores an object, if it is not there yet. It is durable after the next [`flush`](Self::flush) or
    /// [`commit`](Self::commit).
    ///
    /// # Errors
    /// When the store does not take it.
    pub fn put(&self, id: &ObjectId, object: &[u8]) -> Result<Put, RepositoryError> {
        Ok(self.engine.put(id, object)?)
    }

    /// Makes durable what was put.
    ///
    /// # Errors
    /// When it is not.
    pub fn flush(&self) -> Result<(), RepositoryError> {
        Ok(self.engine.flush()?)
    }

    /// Makes durable what was put, and the record of a snapshot of it.
    ///
    /// # Errors
    /// When the snapshot is not acknowledged.
    pub fn commit(&self, record: &[u8]) -> Result<Committed, RepositoryError> {
        Ok(self.engine.commit(record)?)
    }

    /// How much is stored, and how much room there is.
    ///
    /// # Errors
    /// When the store cannot say.
    pub fn usage(&self) -> Result<Usage, RepositoryError> {
        Ok(self.engine.usage()?)
    }

    /// Opens objects with contexts and buffers of its own: one for each thread.
    pub fn fetcher(&self) -> Fetcher<'_> {
        let idle = self.openers.lock().unwrap_or_else(PoisonError::into_inner).pop();
        Fetcher::new(self, idle.unwrap_or_else(|| Opener::new(self.sealer())))
    }

    /// One node, opened and verified.
    ///
    /// # Errors
    /// When it is missing, damaged, or no node.
    pub fn node(&self, pointer: &Pointer) -> Result<Node, RepositoryError> {
        self.fetcher().node(pointer)
    }

    /// The plaintext of one object, opened and verified.
    ///
    /// # Errors
    /// When it is missing or damaged.
    pub fn plain(&self, pointer: &Pointer) -> Result<Vec<u8>, RepositoryError> {
        self.fetcher().plain(pointer).map(<[u8]>::to_vec)
    }

    /// Reads a tree in path order.
    pub fn walk(
        &self,
        root: Pointer,
    ) -> Walk<impl FnMut(&Pointer) -> Result<Node, RepositoryError> + use<'_>> {
        let mut fetcher = self.fetcher();
        Walk::new(root, move |pointer: &Pointer| fetcher.node(pointer))
    }

    /// Compares two trees.
    pub fn diff(
        &self,
        before: Pointer,
        after: Pointer,
    ) -> tree::Diff<impl FnMut(&Pointer) -> Result<Node, RepositoryError> + use<'_>> {
        let mut fetcher = self.fetcher();
        tree::diff(before, after, move |pointer: &Pointer| fetcher.node(pointer))
    }

    /// The entry of one path.
    ///
    /// # Errors
    /// When a node on the way is missing or damaged.
    pub fn entry(&self, root: Pointer, path: &PathKey) -> Result<Option<Entry>, RepositoryError> {
        let mut walk = self.walk(root);
        walk.seek(path)?;
        Ok(walk.next_entry()?.filter(|entry| entry.path == *path))
    }

    fn reader(&self) -> Result<&ReaderSecret, RepositoryError> {
        self.secrets.reader.as_ref().ok_or(RepositoryError::NoReader)
    }

    fn give_back(&self, opener: Opener) {
        self.openers.lock().unwrap_or_else(PoisonError::into_inner).push(opener);
    }
}

#[cfg(test)]
mod tests;
