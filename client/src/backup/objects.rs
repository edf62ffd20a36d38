//! Plaintext in, pointer out: sealing an object and putting it, unless it is known.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::sync::atomic::AtomicBool;

use farkeep_codec::id::ObjectId;
use farkeep_codec::id::Seed;
use farkeep_codec::key::DomainKeys;
use farkeep_codec::object::Kind;
use farkeep_codec::object::Pointer;
use farkeep_codec::seal::Sealer;

use super::BackupError;
use super::CacheUse;
use super::Intent;
use super::Request;
use super::buffers::Buffers;
use super::caches::Caches;
use super::known::Known;
use crate::progress::Progress;
use crate::repository::Repository;
use crate::repository::Stored;

/// Bytes of the value that a seed maps to: the object's id.
const ID_BYTES: usize = 32;

/// What all workers of a run share.
pub(super) struct Shared<'a> {
    pub(super) repository: &'a Repository,
    pub(super) progress: &'a Progress,
    pub(super) intent: Intent,
    pub(super) cancel: Arc<AtomicBool>,
    /// Buffers of read files.
    pub(super) buffers: Arc<Buffers>,
    /// Windows over large files.
    pub(super) windows: Arc<Buffers>,
    seeds: Mutex<Known<ID_BYTES>>,
    /// What had been stored before this run.
    before: Stored,
}

impl<'a> Shared<'a> {
    /// What chunks are known is read from `caches`, and remembered there.
    pub(super) fn new(
        repository: &'a Repository,
        progress: &'a Progress,
        request: &Request,
        caches: &Caches,
    ) -> Self {
        let seeds = match caches.cache {
            CacheUse::Use => Known::open(&caches.repository, "seeds", repository.keys()),
            CacheUse::Ignore => Known::empty(&caches.repository, "seeds", repository.keys()),
        };
        Self {
            repository,
            progress,
            intent: request.intent,
            cancel: Arc::clone(&request.cancel),
            buffers: Arc::default(),
            windows: Arc::default(),
            seeds: Mutex::new(seeds),
            before: repository.stored(),
        }
    }

    /// Bytes and number of the objects that were new to the repository.
    pub(super) fn stored(&self) -> Stored {
        let now = self.repository.stored();
        Stored { bytes: now.bytes - self.before.bytes, objects: now.objects - self.before.objects }
    }

    pub(super) fn keys(&self) -> &'a DomainKeys {
        self.repository.keys()
    }

    /// Remembers for the next run what this one learned, all of which is acknowledged. A cache that cannot be written
    /// costs time only.
    pub(super) fn save(&self) {
        if self.intent == Intent::Store
            && let Err(error) = self.seeds().save()
        {
            tracing::warn!("cannot write the cache of known chunks: {error}");
        }
    }

    /// The same in a run that has no snapshot yet, or none. What is not acknowledged is not remembered: whoever writes to
    /// a spool takes the table's word. A spool acknowledges whole points only.
    pub(super) fn save_durable(&self) {
        let is_durable = !self.repository.is_spool() && self.repository.flush().is_ok();
        if is_durable { self.save() } else { self.seeds().forget() }
    }

    /// The object of a seed, when it is known and the repository still has it.
    fn known(&self, seed: &Seed) -> Result<Option<ObjectId>, BackupError> {
        let Some(id) = self.seeds().find(seed.as_bytes()).map(ObjectId::from_bytes) else { return Ok(None) };
        Ok(self.repository.assume(&id)?.then_some(id))
    }

    /// Remembers an object. A table that is full is written, once everything in it is durable.
    fn learn(&self, seed: Seed, id: ObjectId) {
        let is_full = {
            let mut seeds = self.seeds();
            seeds.insert(*seed.as_bytes(), *id.as_bytes());
            seeds.is_full()
        };
        if is_full {
            self.save_durable();
        }
    }

    fn seeds(&self) -> MutexGuard<'_, Known<ID_BYTES>> {
        self.seeds.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Seals and puts objects: one for each worker, with its own contexts and buffer.
pub(super) struct ObjectWriter<'a> {
    pub(super) shared: &'a Shared<'a>,
    sealer: Sealer,
    sealed: Vec<u8>,
}

impl<'a> ObjectWriter<'a> {
    pub(super) fn new(shared: &'a Shared<'a>) -> Self {
        Self { shared, sealer: shared.repository.sealer(), sealed: Vec::new() }
    }

    /// Stores one object and says where it is found.
    pub(super) fn write(
        &mut self,
        kind: Kind,
        references: &[ObjectId],
        plain: &[u8],
    ) -> Result<Pointer, BackupError> {
        let (seed, epoch) = (self.shared.keys().seed(kind, plain), self.shared.keys().epoch());
        let plain_bytes = u32::try_from(plain.len()).expect("an object's plaintext is at most 8 MiB");
        if let Some(id) = self.shared.known(&seed)? {
            return Ok(Pointer { id, seed, plain_bytes, epoch });
        }
        let id = self.sealer.seal(kind, &seed, references, plain, &mut self.sealed);
        self.put(&id)?;
        // What a dry run saw is not there when it is looked for.
        if self.shared.intent == Intent::Store {
            self.shared.learn(seed, id);
        }
        Ok(Pointer { id, seed, plain_bytes, epoch })
    }

    fn put(&self, id: &ObjectId) -> Result<(), BackupError> {
        let repository = self.shared.repository;
        match self.shared.intent {
            Intent::Store => repository.put(id, &self.sealed)?,
            Intent::DryRun => repository.count(id, self.sealed.len() as u64)?,
        }
        Ok(())
    }
}
