//! A file under construction on the simulated disk.
//!
//! Its buffers are small, so that a short run has many writes and thus many places to stop at. Writes that were handed
//! over complete later, in an order that the seed decides; until then nobody but `read_back` sees their bytes.

use std::io;
use std::path::Path;
use std::path::PathBuf;

use rustix::io::Errno;

use super::Faulty;
use super::SimulatedDisk;
use super::image::Change;
use super::image::NodeId;
use super::state::RecordNumber;
use super::state::State;
use super::state::overlay;
use crate::disk::Act;
use crate::disk::Append;
use crate::disk::DiskError;
use crate::limits::APPEND_BUFFERS;
use crate::limits::BLOCK_BYTES;

const BUFFER_BYTES: usize = 2 * BLOCK_BYTES;

#[derive(Debug)]
pub(super) struct SimulatedAppend {
    disk: SimulatedDisk,
    file: NodeId,
    path: PathBuf,
    /// What was handed over lies before it.
    buffer_offset: usize,
    buffer: Vec<u8>,
    in_flight: Vec<Flight>,
    poison: Option<DiskError>,
}

/// A write whose end nobody has seen yet.
#[derive(Debug)]
struct Flight {
    record: RecordNumber,
    outcome: Result<(), io::Error>,
}

impl SimulatedAppend {
    pub(super) fn new(disk: SimulatedDisk, file: NodeId, path: &Path) -> Self {
        let (in_flight, buffer) = (Vec::new(), Vec::new());
        Self { disk, file, path: path.into(), buffer_offset: 0, buffer, in_flight, poison: None }
    }

    /// Runs `act` unless an earlier one has failed, and remembers its error.
    fn guarded(&mut self, act: impl FnOnce(&mut Self) -> Result<(), DiskError>) -> Result<(), DiskError> {
        if let Some(error) = &self.poison {
            return Err(error.clone());
        }
        let result = act(self);
        self.poison = result.as_ref().err().cloned();
        result
    }

    fn gather(&mut self, mut bytes: &[u8]) -> Result<(), DiskError> {
        while !bytes.is_empty() {
            let (now, later) = bytes.split_at(bytes.len().min(BUFFER_BYTES - self.buffer.len()));
            self.buffer.extend_from_slice(now);
            bytes = later;
            if self.buffer.len() == BUFFER_BYTES {
                self.submit()?;
            }
        }
        Ok(())
    }

    fn pad(&mut self) -> Result<(), DiskError> {
        let missing = self.buffer.len().next_multiple_of(BLOCK_BYTES) - self.buffer.len();
        self.gather(&[0; BLOCK_BYTES][..missing])
    }

    /// Hands the buffer over. Before that some earlier writes complete: at least one when all places are taken.
    fn submit(&mut self) -> Result<(), DiskError> {
        let mut state = self.disk.state();
        state.operate(Act::Write, &self.path)?;
        while self.in_flight.len() == APPEND_BUFFERS - 1
            || (!self.in_flight.is_empty() && state.random.chance(1, 3))
        {
            let chosen = state.random.below(self.in_flight.len());
            land(self.in_flight.swap_remove(chosen), &mut state, &self.path)?;
        }
        let bytes = std::mem::take(&mut self.buffer);
        let end = self.buffer_offset + bytes.len();
        let length = state.live.file(self.file).expect("the node is a file").len();
        let outcome = match state.failure(Faulty::Write) {
            Some(error) => Err(error),
            None if end > length.saturating_add(state.free_bytes()) => Err(Errno::NOSPC.into()),
            None => Ok(()),
        };
        let record = state.submit(Change::Write { file: self.file, offset: self.buffer_offset, bytes });
        self.in_flight.push(Flight { record, outcome });
        self.buffer_offset = end;
        Ok(())
    }

    fn make_durable(&mut self) -> Result<(), DiskError> {
        self.pad()?;
        if !self.buffer.is_empty() {
            self.submit()?;
        }
        let mut state = self.disk.state();
        while !self.in_flight.is_empty() {
            let chosen = state.random.below(self.in_flight.len());
            land(self.in_flight.swap_remove(chosen), &mut state, &self.path)?;
        }
        state.operate(Act::Truncate, &self.path)?;
        state.change(Change::Length { file: self.file, bytes: self.buffer_offset });
        state.operate(Act::Sync, &self.path)?;
        match state.failure(Faulty::Sync) {
            None => state.sync(self.file),
            Some(error) => {
                state.forget_writes(self.file);
                return Err(DiskError::new(Act::Sync, &self.path, error));
            }
        }
        Ok(())
    }
}

/// Sees the end of a write. One that failed stays a change that a crash may keep: nobody knows what arrived.
fn land(flight: Flight, state: &mut State, path: &Path) -> Result<(), DiskError> {
    flight.outcome.map_err(|error| DiskError::new(Act::Write, path, error))?;
    state.complete(flight.record);
    Ok(())
}

impl Append for SimulatedAppend {
    fn write(&mut self, bytes: &[u8]) -> Result<(), DiskError> {
        self.guarded(|append| append.gather(bytes))
    }

    fn pad_to_block(&mut self) -> Result<(), DiskError> {
        self.guarded(Self::pad)
    }

    fn sync(&mut self) -> Result<(), DiskError> {
        self.guarded(Self::make_durable)
    }

    fn len(&self) -> u64 {
        (self.buffer_offset + self.buffer.len()) as u64
    }

    fn read_back(&self, offset: u64, into: &mut [u8]) -> Result<(), DiskError> {
        if let Some(error) = &self.poison {
            return Err(error.clone());
        }
        let state = self.disk.state();
        state.running(Act::Read, &self.path)?;
        let ended = DiskError::Ended { path: self.path.clone(), offset, bytes: into.len() };
        let Some(first) = usize::try_from(offset).ok() else { return Err(ended) };
        if first.checked_add(into.len()).is_none_or(|end| end > self.buffer_offset + self.buffer.len()) {
            return Err(ended);
        }
        state.read_completed(self.file, first, into);
        overlay(first, into, self.buffer_offset, &self.buffer);
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<u64, DiskError> {
        self.sync()?;
        Ok(self.len())
    }
}

impl Drop for SimulatedAppend {
    /// The system carries out what it was given, whoever lives to see it; unless the machine itself has stopped.
    fn drop(&mut self) {
        let mut state = self.disk.state();
        if state.running(Act::Write, &self.path).is_ok() {
            for flight in std::mem::take(&mut self.in_flight) {
                // An error concerns nobody any more.
                let _ = land(flight, &mut state, &self.path);
            }
        }
    }
}
