//! When a checkpoint is written and when one is believed; its bytes are the catalogue's.
//!
//! What an opening gives up with it is the proof of the old part of the chain: a scrub replays that, and compares.

use std::sync::atomic::Ordering;

use farkeep_codec::id::RepositoryId;
use farkeep_codec::parameters::Parameters;

use super::Catalogue;
use super::Store;
use super::Writer;
use super::error::StoreError;
use super::layout;
use super::layout::Name;
use crate::disk::Disk;
use crate::disk::DiskError;
use crate::disk::Mode;
use crate::journal::Heads;
use crate::journal::Replay;
use crate::journal::Tail;
use crate::journal::replay;
use crate::limits::CHECKPOINT_BYTES_MAX;
use crate::limits::CHECKPOINT_RUNNING_FACTOR;

/// What a replay found.
pub(crate) struct Read {
    pub(crate) catalogue: Catalogue,
    pub(crate) heads: Heads,
    pub(crate) replay: Replay,
    /// The record with which the checkpoint ended that it began with; 0 without one.
    pub(crate) checkpoint: u64,
}

/// Replays the journal, behind the checkpoint if there is a good one.
pub(crate) fn open_journal(disk: &dyn Disk, parameters: &Parameters, tail: Tail) -> Result<Read, StoreError> {
    // Read before the head: whoever writes meanwhile makes the journal longer, and never shorter.
    let known = match read(disk, parameters.repository) {
        Ok(known) => known,
        Err(what) => {
            tracing::warn!(%what, "the checkpoint is not used");
            None
        }
    };
    if let Some(known) = known {
        match replay_behind(disk, parameters, tail, known) {
            Ok(read) => return Ok(read),
            Err(error) => tracing::warn!(%error, "the journal is replayed without the checkpoint"),
        }
    }
    replay_all(disk, parameters, tail)
}

/// Replays the whole journal.
pub(crate) fn replay_all(disk: &dyn Disk, parameters: &Parameters, tail: Tail) -> Result<Read, StoreError> {
    replay_behind(disk, parameters, tail, Catalogue::new(parameters.repository))
}

fn replay_behind(
    disk: &dyn Disk,
    parameters: &Parameters,
    tail: Tail,
    mut catalogue: Catalogue,
) -> Result<Read, StoreError> {
    let heads = Heads::read(disk)?;
    let from = catalogue.at();
    if from.position.sequence > heads.newest()?.sequence {
        return Err(layout::damaged(Name::Checkpoint, "it is ahead of the journal"));
    }
    let learn = &mut |entry| catalogue.apply(&entry);
    let replay = replay(disk, parameters.repository, &heads, from, tail, learn)?;
    catalogue.pass(replay.at);
    Ok(Read { catalogue, heads, replay, checkpoint: from.position.sequence })
}

/// The checkpoint, if there is one.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn read(disk: &dyn Disk, repository: RepositoryId) -> Result<Option<Catalogue>, String> {
    let file = match disk.open(layout::path(Name::Checkpoint), Mode::Read) {
        Err(DiskError::NotFound { .. }) => return Ok(None),
        file => file.map_err(|error| error.to_string())?,
    };
    let bytes = file.len().map_err(|error| error.to_string())?;
    let length = usize::try_from(bytes).ok().filter(|_| bytes <= CHECKPOINT_BYTES_MAX);
    let mut bytes = vec![0; length.ok_or("it is too long")?];
    file.read_exact_at(0, &mut bytes).map_err(|error| error.to_string())?;
    Catalogue::from_checkpoint(&bytes, repository).map(Some).map_err(|error| error.to_string())
}

impl Store {
    /// Writes a checkpoint when many records were added since the last one.
    pub(super) fn checkpoint_when_running(&self, writer: &Writer) {
        let behind = self.head().sequence - writer.checkpointed.load(Ordering::SeqCst);
        if behind >= self.options.checkpoint_records.saturating_mul(CHECKPOINT_RUNNING_FACTOR) {
            self.checkpoint(writer);
        }
    }

    /// Writes a checkpoint after a collection, if this is a writer.
    pub(crate) fn checkpoint_now(&self) {
        if let Ok(writer) = self.writer() {
            self.checkpoint(writer);
        }
    }

    /// Writes a checkpoint. Where that fails, nothing is lost but time.
    fn checkpoint(&self, writer: &Writer) {
        let (bytes, sequence) = {
            let catalogue = self.catalogue();
            (catalogue.checkpoint(), catalogue.at().position.sequence)
        };
        // It is not tried again before as many records were added.
        writer.checkpointed.store(sequence, Ordering::SeqCst);
        let needed = self.options.reserve_bytes.saturating_add(bytes.len() as u64);
        let written = match self.free_bytes() {
            Ok(free) if free < needed => return,
            Ok(_) => self.disk.replace(layout::path(Name::Checkpoint), &bytes).map_err(StoreError::from),
            Err(error) => Err(error),
        };
        if let Err(error) = written {
            tracing::warn!(%error, "no checkpoint was written");
        }
    }
}

impl Drop for Store {
    /// So that the next opening finds little to replay.
    fn drop(&mut self) {
        if let Ok(writer) = self.writer() {
            let behind = self.head().sequence - writer.checkpointed.load(Ordering::SeqCst);
            if behind > self.options.checkpoint_records {
                self.checkpoint(writer);
            }
        }
    }
}
