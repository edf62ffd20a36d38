//! A repository as the client sees it: a store, which keeps bytes and knows no key, with the keys, which are here alone.
//!
//! A repository is opened in two steps. [`Locked::open`] opens the store; [`Locked::unlock`] reads the key slots and
//! turns the passphrase into keys on a thread of its own, so that what needs no key can begin meanwhile.

mod access;
mod content;
mod create;
mod error;
mod extent;
mod fetch;
mod group;
mod keeper;
mod local;
mod patience;
mod point;
mod remote;
mod slots;
mod spool;
mod store;
#[cfg(test)]
pub(crate) mod trial;
mod unlock;
mod writer;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;

use farkeep_codec::id::ObjectId;
use farkeep_codec::id::SnapshotId;
use farkeep_codec::key::AgentCode;
use farkeep_codec::key::DomainKeys;
use farkeep_codec::key::ReaderSecret;
use farkeep_codec::key::Secrets;
use farkeep_codec::object::Pointer;
use farkeep_codec::parameters::Parameters;
use farkeep_codec::seal::OpenError;
use farkeep_codec::seal::Sealer;
use farkeep_codec::snapshot::Draft;
use farkeep_codec::snapshot::Private;
use farkeep_codec::snapshot::Snapshot;
use farkeep_codec::snapshot::TooLong;
use farkeep_codec::tree;
use farkeep_codec::tree::Entry;
use farkeep_codec::tree::Node;
use farkeep_codec::tree::PathKey;
use farkeep_codec::tree::Walk;
use farkeep_engine::Committed;
use farkeep_engine::Lost;
use farkeep_engine::Position;
use farkeep_engine::Progress;
use farkeep_engine::Share;
use farkeep_engine::SlotId;
use farkeep_engine::Usage;
use farkeep_engine::policy::TagToken;

use crate::config::Location;

use self::create::fill_random;
use self::fetch::Opener;
use self::store::Store;

pub use self::access::Access;
pub use self::content::Piece;
pub use self::create::Created;
pub use self::create::Plan;
pub use self::create::create;
pub use self::create::create_at;
pub use self::error::RepositoryError;
pub use self::extent::Extent;
pub use self::fetch::Fetcher;
pub use self::group::Group;
pub use self::group::Stage;
pub use self::keeper::CollectAt;
pub use self::keeper::CollectPlan;
pub use self::keeper::Cost;
pub use self::keeper::Costs;
pub use self::keeper::Fate;
pub use self::keeper::Judged;
pub use self::keeper::Packs;
pub use self::keeper::Retained;
pub use self::keeper::SeriesCost;
pub use self::point::Kept;
pub use self::point::Listing;
pub use self::point::Point;
pub use self::point::Refused;
pub use self::remote::Line;
pub use self::remote::Pace;
pub use self::remote::RemoteError;
pub use self::remote::enroll;
pub use self::slots::KeySlot;
pub use self::spool::Depth;
pub use self::spool::SPOOLED;
pub use self::spool::Spool;
pub use self::store::Stored;
pub use self::unlock::Locked;
pub use self::unlock::Unlocking;

pub(crate) use self::content::Layout;
pub(crate) use self::keeper::Keeper;
pub(crate) use self::patience::Manners;
pub(crate) use self::patience::Patience;
pub(crate) use self::remote::jittered;
pub(crate) use self::store::Place;
pub(crate) use self::store::Report;
pub(crate) use self::store::TOGETHER;
pub(crate) use self::writer::Bundles;
pub(crate) use self::writer::Laid;
pub(crate) use self::writer::ObjectWriter;

/// An open repository with its keys.
pub struct Repository {
    store: Arc<dyn Store>,
    location: Location,
    secrets: Secrets,
    keys: DomainKeys,
    /// The key slot that was opened; none by an agent.
    slot: Option<SlotId>,
    /// Contexts and buffers that nobody uses at the moment.
    openers: Mutex<Vec<Opener>>,
}

impl Repository {
    fn new(store: Arc<dyn Store>, location: Location, secrets: Secrets, slot: Option<SlotId>) -> Self {
        let keys = DomainKeys::derive_all(&secrets.domain, store.parameters().repository);
        Self { store, location, secrets, keys, slot, openers: Mutex::default() }
    }

    /// Where the repository is.
    pub fn location(&self) -> &Location {
        &self.location
    }

    /// What every writer does alike.
    pub fn parameters(&self) -> &Parameters {
        self.store.parameters()
    }

    /// The keys that seal, open and hash.
    pub fn keys(&self) -> &DomainKeys {
        &self.keys
    }

    /// The keys of whatever the pointer leads to.
    ///
    /// # Errors
    /// When those of its epoch are not there.
    pub(crate) fn keys_of(&self, pointer: &Pointer) -> Result<DomainKeys, RepositoryError> {
        let Pointer { id, epoch, .. } = *pointer;
        Ok(self.keys.of(epoch).ok_or(OpenError::Epoch { id, epoch })?)
    }

    /// All secrets of whoever opened the repository.
    pub fn secrets(&self) -> &Secrets {
        &self.secrets
    }

    /// What a host needs to write to the repository as an agent.
    pub fn agent_code(&self) -> AgentCode {
        AgentCode::new(self.secrets.domain.newest(), &self.parameters().repository)
    }

    /// A sealer for one thread.
    pub fn sealer(&self) -> Sealer {
        Sealer::new(&self.keys, &self.parameters().compression)
    }

    /// Who decides what is kept of it.
    pub(crate) fn keeper(&self) -> &dyn Keeper {
        self.store.keeper()
    }

    /// Whether this is a spool: it holds what is to be brought to the repository, and cannot say what is there already.
    pub(crate) fn is_spool(&self) -> bool {
        self.store.is_spool()
    }

    /// The end of the repository's history, as it was told when the repository was opened or last changed.
    pub fn head(&self) -> Position {
        self.store.head()
    }

    /// Number of the last journal record that is known to be there.
    pub(crate) fn acknowledged(&self) -> u64 {
        self.store.acknowledged()
    }

    /// What is missing of the packs. One who only reads does not look.
    pub(crate) fn lost(&self) -> Lost {
        self.store.lost()
    }

    /// Whether the object is there.
    ///
    /// # Errors
    /// When the store cannot say.
    pub fn has(&self, id: &ObjectId) -> Result<bool, RepositoryError> {
        Ok(self.probe(std::slice::from_ref(id))?.first() == Some(&true))
    }

    /// For each of the objects, whether it is there.
    ///
    /// # Errors
    /// When the store cannot say.
    pub(crate) fn probe(&self, ids: &[ObjectId]) -> Result<Vec<bool>, RepositoryError> {
        self.store.probe(ids)
    }

    /// Whether an object that an earlier run stored is still there. It may turn out later that it is not
    /// ([`RepositoryError::Stale`]).
    ///
    /// # Errors
    /// When the store cannot say, or something was assumed in vain before.
    pub(crate) fn assume(&self, id: &ObjectId) -> Result<bool, RepositoryError> {
        self.store.assume(id)
    }

    /// Whether what [`assume`](Self::assume) says may turn out to be wrong.
    pub(crate) fn may_be_stale(&self) -> bool {
        self.store.may_be_stale()
    }

    /// Forgets that something was assumed in vain.
    pub(crate) fn begin_anew(&self) {
        self.store.begin_anew();
    }

    /// Stores an object, if it is not there yet. It is durable after the next [`flush`](Self::flush) or
    /// [`commit`](Self::commit), and that it is taken may be known then only.
    ///
    /// # Errors
    /// When the store does not take it, or did not take one before it.
    pub fn put(&self, id: &ObjectId, object: &[u8]) -> Result<(), RepositoryError> {
        self.store.put(id, object)
    }

    /// Counts an object of so many bytes as [`put`](Self::put) would, and stores nothing.
    ///
    /// # Errors
    /// When the store cannot say whether it is there.
    pub(crate) fn count(&self, id: &ObjectId, bytes: u64) -> Result<(), RepositoryError> {
        self.store.count(id, bytes)
    }

    /// Waits until it is known of everything so far whether it had to be stored.
    ///
    /// # Errors
    /// [`RepositoryError::Stale`] when something was assumed in vain.
    pub(crate) fn settle(&self) -> Result<(), RepositoryError> {
        self.store.settle()
    }

    /// What was added, or would have been, since the repository was opened. Exact after a commit, or once it was settled.
    pub(crate) fn stored(&self) -> Stored {
        self.store.stored()
    }

    /// Makes durable what was put.
    ///
    /// # Errors
    /// When it is not.
    pub fn flush(&self) -> Result<(), RepositoryError> {
        self.store.flush()
    }

    /// Makes durable what was put, and the record of a snapshot of it, which has these tags. The store is told tokens of
    /// them, so that it can keep what has one.
    ///
    /// # Errors
    /// When the snapshot is not acknowledged.
    pub fn commit(&self, record: &[u8], tags: &[String]) -> Result<Committed, RepositoryError> {
        self.store.commit(record, &self.tokens(tags))
    }

    /// Makes durable what was put, and puts records of rewritten trees into the places of snapshots: all of them or none in a
    /// folder, each by itself behind a server.
    ///
    /// # Errors
    /// When one is not replaced.
    pub(crate) fn replace(
        &self,
        records: &[(SnapshotId, Vec<u8>)],
    ) -> Result<Vec<Committed>, RepositoryError> {
        self.store.replace(records)
    }

    /// The same as a member of a group, once all others bring their records: all of them are committed, or none.
    ///
    /// # Errors
    /// When the snapshot is not acknowledged, or another member's is not.
    pub(crate) fn commit_with(
        &self,
        group: &Group,
        record: &[u8],
        tags: &[String],
    ) -> Result<Committed, RepositoryError> {
        self.store.commit_with(group, record, &self.tokens(tags))
    }

    /// What the store knows of a tag: a token for each epoch.
    pub(crate) fn tag_tokens(&self, tag: &str) -> Vec<TagToken> {
        self.keys.all().map(|keys| TagToken(keys.tag_token(tag))).collect()
    }

    fn tokens(&self, tags: &[String]) -> Vec<TagToken> {
        let tokens: BTreeSet<TagToken> = tags.iter().map(|tag| TagToken(self.keys.tag_token(tag))).collect();
        tokens.into_iter().collect()
    }

    /// Waits until all members of a group are as far.
    ///
    /// # Errors
    /// When they are not in time, or one has gone away; [`RepositoryError::NoGroups`] if there is no server to wait at.
    pub(crate) fn gather(&self, group: &Group, stage: Stage) -> Result<(), RepositoryError> {
        self.store.gather(group, stage)
    }

    /// Where objects lie.
    ///
    /// # Errors
    /// When the store cannot say.
    pub(crate) fn locate(&self, ids: &[ObjectId]) -> Result<Vec<Option<Place>>, RepositoryError> {
        self.store.locate(ids)
    }

    /// Says that these objects are going to be read, in this order.
    pub(crate) fn soon(&self, pointers: &[Pointer]) {
        self.store.soon(pointers);
    }

    /// Reads an object into `object`, compared with its id.
    ///
    /// # Errors
    /// When it is missing or damaged.
    pub(crate) fn object(&self, id: &ObjectId, object: &mut Vec<u8>) -> Result<(), RepositoryError> {
        self.store.object(id, object)
    }

    /// Reads objects whose places are known, and shows each with its index in `wanted`, compared with its id.
    pub(crate) fn objects(
        &self,
        wanted: &[(ObjectId, Place)],
        buffer: &mut Vec<u8>,
        show: &mut dyn FnMut(usize, Result<&[u8], RepositoryError>),
    ) {
        self.store.objects(wanted, buffer, show);
    }

    /// Has the store verify what it keeps.
    ///
    /// # Errors
    /// When it cannot; damage is no error.
    pub(crate) fn verify(
        &self,
        share: Share,
        progress: &(dyn Fn(Progress) + Sync),
    ) -> Result<Report, RepositoryError> {
        self.store.verify(share, progress)
    }

    /// How much is stored, and how much room there is.
    ///
    /// # Errors
    /// When the store cannot say.
    pub fn usage(&self) -> Result<Usage, RepositoryError> {
        self.store.usage()
    }

    /// A snapshot's record: the private part sealed to the repository's reader, the whole signed by whoever opened it.
    ///
    /// # Errors
    /// [`TooLong`] when a part of `private` exceeds the limits of the format.
    pub(crate) fn sign(&self, draft: Draft, private: &Private) -> Result<Snapshot, TooLong> {
        Snapshot::sign(draft, private, &self.parameters().reader_public, &self.secrets.agent, fill_random)
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
        Walk::new(root, move |pointer: &Pointer| fetcher.node_on_the_way(pointer))
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
        let mut fetcher = self.fetcher();
        let mut walk = Walk::new(root, move |pointer: &Pointer| fetcher.node(pointer));
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
