//! An open file of the simulated disk.

use std::path::Path;
use std::path::PathBuf;
use std::sync::Mutex;

use rustix::io::Errno;

use super::Faulty;
use super::SimulatedDisk;
use super::image::Change;
use super::image::NodeId;
use super::state::State;
use crate::disk::Act;
use crate::disk::Advice;
use crate::disk::DiskError;
use crate::disk::File;
use crate::disk::Mode;

#[derive(Debug)]
pub(super) struct SimulatedFile {
    disk: SimulatedDisk,
    node: NodeId,
    path: PathBuf,
    mode: Mode,
    poison: Mutex<Option<DiskError>>,
}

impl SimulatedFile {
    pub(super) fn new(disk: SimulatedDisk, node: NodeId, path: &Path, mode: Mode) -> Self {
        Self { disk, node, path: path.into(), mode, poison: Mutex::new(None) }
    }

    /// Begins an operation that changes the file.
    fn operate(&self, state: &mut State, act: Act) -> Result<(), DiskError> {
        if let Some(error) = self.poison.lock().expect("nothing panics with the poison").as_ref() {
            return Err(error.clone());
        }
        if self.mode == Mode::Read && act != Act::Sync {
            return Err(self.error(act, Errno::BADF));
        }
        state.operate(act, &self.path)
    }

    fn error(&self, act: Act, errno: Errno) -> DiskError {
        DiskError::new(act, &self.path, errno.into())
    }

    fn offset(&self, act: Act, offset: u64) -> Result<usize, DiskError> {
        usize::try_from(offset).map_err(|_| self.error(act, Errno::FBIG))
    }
}

impl File for SimulatedFile {
    fn path(&self) -> &Path {
        &self.path
    }

    fn read_at(&self, offset: u64, into: &mut [u8]) -> Result<usize, DiskError> {
        let offset = self.offset(Act::Read, offset)?;
        let mut state = self.disk.state();
        state.running(Act::Read, &self.path)?;
        if let Some(error) = state.failure(Faulty::Read) {
            return Err(DiskError::new(Act::Read, &self.path, error));
        }
        if state.is_broken(self.node, offset, into.len()) {
            return Err(self.error(Act::Read, Errno::IO));
        }
        let file = state.live.file(self.node).expect("the node is a file");
        let rest = file.get(offset..).unwrap_or_default();
        let count = rest.len().min(into.len());
        into[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<(), DiskError> {
        let offset = self.offset(Act::Write, offset)?;
        let mut state = self.disk.state();
        self.operate(&mut state, Act::Write)?;
        if let Some(error) = state.failure(Faulty::Write) {
            return Err(DiskError::new(Act::Write, &self.path, error));
        }
        let length = state.live.file(self.node).expect("the node is a file").len();
        let possible = length.saturating_add(state.free_bytes()).saturating_sub(offset).min(bytes.len());
        // Nothing written is nothing changed, also where it would have been behind the end.
        if possible > 0 {
            state.remap(self.node, offset, possible);
            state.change(Change::Write { file: self.node, offset, bytes: bytes[..possible].to_vec() });
        }
        match possible == bytes.len() {
            true => Ok(()),
            false => Err(self.error(Act::Write, Errno::NOSPC)),
        }
    }

    fn sync(&self) -> Result<(), DiskError> {
        let mut state = self.disk.state();
        self.operate(&mut state, Act::Sync)?;
        match state.failure(Faulty::Sync) {
            None => state.sync(self.node),
            Some(error) => {
                state.forget_writes(self.node);
                let error = DiskError::new(Act::Sync, &self.path, error);
                *self.poison.lock().expect("nothing panics with the poison") = Some(error.clone());
                return Err(error);
            }
        }
        Ok(())
    }

    fn len(&self) -> Result<u64, DiskError> {
        let state = self.disk.state();
        state.running(Act::Read, &self.path)?;
        Ok(state.live.file(self.node).expect("the node is a file").len() as u64)
    }

    fn truncate(&self, bytes: u64) -> Result<(), DiskError> {
        let bytes = self.offset(Act::Truncate, bytes)?;
        let mut state = self.disk.state();
        self.operate(&mut state, Act::Truncate)?;
        state.change(Change::Length { file: self.node, bytes });
        Ok(())
    }

    fn advise(&self, _advice: Advice) {}
}
