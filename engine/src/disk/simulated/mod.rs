//! A disk in memory ([`SimulatedDisk`]) that crashes, fills up, fails and rots on demand.
//!
//! It keeps what every reader sees (the live image), what a power cut leaves for certain (the durable image), and the
//! changes that lie between them. [`SimulatedDisk::crash`] makes a new disk out of the durable image and any choice of
//! those changes, writes torn at sectors included. It is stricter than most real file systems: a name is lost unless
//! its folder was synced, even if the file itself was; names and bytes are kept and lost independently; and a file
//! under construction completes its writes late and in another order. Code that is right here relies on nothing but
//! what the traits promise. One seed decides everything, so a run can be repeated.

use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

use rustix::io::Errno;

use self::append::SimulatedAppend;
use self::file::SimulatedFile;
use self::image::Change;
use self::image::Image;
use self::image::Node;
use self::image::ROOT;
use self::state::Fault;
use self::state::State;
use super::Act;
use super::Append;
use super::Disk;
use super::DiskError;
use super::File;
use super::Lock;
use super::Mode;

pub use self::crash::Crash;
pub use self::crash::Fate;

mod append;
mod crash;
mod file;
mod image;
mod random;
mod state;
#[cfg(test)]
mod tests;

/// A disk in memory. Clones are handles of the same disk.
#[derive(Debug, Clone)]
pub struct SimulatedDisk {
    state: Arc<Mutex<State>>,
}

/// A kind of call that can be made to fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Faulty {
    /// Reading from a file.
    Read,
    /// Writing to a file, also one under construction.
    Write,
    /// Syncing a file, also one under construction. The bytes that were not durable yet are lost silently: a later
    /// sync through another handle succeeds without them, as on ext4.
    Sync,
    /// Syncing a folder.
    SyncFolder,
}

/// The error that a failing call reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Failure {
    /// EIO: the device does not answer as it should.
    Broken,
    /// ENOSPC.
    Full,
}

impl Failure {
    fn error(self) -> io::Error {
        match self {
            Self::Broken => Errno::IO.into(),
            Self::Full => Errno::NOSPC.into(),
        }
    }
}

impl SimulatedDisk {
    /// An empty disk of unlimited size. The seed decides the order in which writes complete.
    pub fn new(seed: u64) -> Self {
        Self::with_image(seed, Image::new())
    }

    /// How many operations there were that change something or make it durable (a reading one does not count).
    pub fn operations(&self) -> u64 {
        self.state().operations
    }

    /// Lets `operations` more operations happen. The one after them does nothing, and it and every later call fail:
    /// the machine is off, and [`crash`](Self::crash) shows what is left.
    pub fn stop_after(&self, operations: u64) {
        let mut state = self.state();
        state.stop_after = Some(state.operations + operations);
    }

    /// Whether the disk has stopped.
    pub fn has_stopped(&self) -> bool {
        self.state().running(Act::Read, Path::new("")).is_err()
    }

    /// Limits the bytes of all files together. `None` takes the limit away again.
    pub fn limit_bytes(&self, capacity: Option<usize>) {
        self.state().capacity_bytes = capacity;
    }

    /// Makes the call of that kind fail that comes after `calls_before` more of them. Only that one.
    pub fn fail(&self, faulty: Faulty, calls_before: u64, failure: Failure) {
        self.state().faults.push(Fault { faulty, calls_before, failure });
    }

    /// How many changes were made and are not durable: what a crash chooses among.
    pub fn uncertain(&self) -> usize {
        self.state().uncertain()
    }

    /// The disk as a power cut at this moment may leave it: what was synced, and of the rest what `crash` chooses. No
    /// lock is held there, no fault is waiting, and everything on it is durable.
    #[must_use]
    pub fn crash(&self, crash: &Crash) -> Self {
        let state = self.state();
        let seed = state.random.clone().next();
        Self::with_image(seed, state.crash(crash))
    }

    /// All files with their lengths in bytes, in path order.
    pub fn files(&self) -> Vec<(PathBuf, usize)> {
        let mut files = Vec::new();
        self.state()
            .live
            .walk(ROOT, Path::new(""), &mut |path, _, bytes| files.push((path.into(), bytes.len())));
        files
    }

    /// Changes the bytes of a file behind everybody's back, on the medium itself.
    ///
    /// # Errors
    /// [`DiskError::NotFound`] if there is no such file.
    pub fn mutate(&self, path: &Path, change: impl FnOnce(&mut Vec<u8>)) -> Result<(), DiskError> {
        let mut state = self.state();
        let node = state.find(Act::Open, path)?;
        let file =
            state.live.file(node).ok_or_else(|| DiskError::new(Act::Open, path, Errno::ISDIR.into()))?;
        let mut bytes = file.clone();
        change(&mut bytes);
        state.damage(node, bytes);
        Ok(())
    }

    /// Has the medium not give back a block of a file any more, as with a lost sector: whoever reads a byte of it gets
    /// EIO. Writing the whole block puts another in its place. A disk after a crash has no such block.
    ///
    /// # Errors
    /// [`DiskError::NotFound`] if there is no such file.
    pub fn break_block(&self, path: &Path, number: usize) -> Result<(), DiskError> {
        let mut state = self.state();
        let node = state.find(Act::Open, path)?;
        state.break_block(node, number);
        Ok(())
    }

    fn with_image(seed: u64, image: Image) -> Self {
        Self { state: Arc::new(Mutex::new(State::new(seed, image))) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A test that has failed while it held the state has said so itself.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Disk for SimulatedDisk {
    fn create_folder(&self, path: &Path) -> Result<(), DiskError> {
        self.state().create(path, Node::Folder(Default::default())).map(|_| ())
    }

    fn list(&self, path: &Path) -> Result<Vec<OsString>, DiskError> {
        let state = self.state();
        state.running(Act::List, path)?;
        let node = state.find(Act::List, path)?;
        let names =
            state.live.folder(node).ok_or_else(|| DiskError::new(Act::List, path, Errno::NOTDIR.into()))?;
        Ok(names.keys().cloned().collect())
    }

    fn exists(&self, path: &Path) -> Result<bool, DiskError> {
        let state = self.state();
        state.running(Act::Open, path)?;
        Ok(state.live.find(path).is_some())
    }

    fn length(&self, path: &Path) -> Result<u64, DiskError> {
        let state = self.state();
        state.running(Act::Open, path)?;
        let node = state.find(Act::Open, path)?;
        let file = state.live.file(node);
        let bytes = file.ok_or_else(|| DiskError::new(Act::Open, path, Errno::ISDIR.into()))?;
        Ok(bytes.len() as u64)
    }

    fn open(&self, path: &Path, mode: Mode) -> Result<Box<dyn File>, DiskError> {
        let mut state = self.state();
        let node = match mode {
            Mode::CreateNew => state.create(path, Node::File(Vec::new()))?,
            Mode::Read | Mode::Write => {
                state.running(Act::Open, path)?;
                state.find(Act::Open, path)?
            }
        };
        if state.live.file(node).is_none() {
            return Err(DiskError::new(Act::Open, path, Errno::ISDIR.into()));
        }
        Ok(Box::new(SimulatedFile::new(self.clone(), node, path, mode)))
    }

    fn append(&self, path: &Path, allocate_bytes: u64) -> Result<Box<dyn Append>, DiskError> {
        let allocate_bytes = usize::try_from(allocate_bytes)
            .map_err(|_| DiskError::new(Act::Allocate, path, Errno::FBIG.into()))?;
        let mut state = self.state();
        if state.free_bytes() < allocate_bytes {
            state.operate(Act::Allocate, path)?;
            return Err(DiskError::new(Act::Allocate, path, Errno::NOSPC.into()));
        }
        let file = state.create(path, Node::File(Vec::new()))?;
        state.operate(Act::Allocate, path)?;
        state.change(Change::Length { file, bytes: allocate_bytes });
        Ok(Box::new(SimulatedAppend::new(self.clone(), file, path)))
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<(), DiskError> {
        let mut state = self.state();
        state.operate(Act::Rename, from)?;
        let node = state.find(Act::Rename, from)?;
        let (from_folder, from_name) = state.place(Act::Rename, from)?;
        let (folder, to_name) = state.place(Act::Rename, to)?;
        let replaced = state.live.find(to);
        if replaced.is_some_and(|replaced| state.live.folder(replaced).is_some()) {
            return Err(DiskError::new(Act::Rename, to, Errno::ISDIR.into()));
        }
        state.change(Change::Rename { from_folder, from: from_name, folder, to: to_name, node });
        Ok(())
    }

    fn remove(&self, path: &Path) -> Result<(), DiskError> {
        let mut state = self.state();
        state.operate(Act::Remove, path)?;
        let node = state.find(Act::Remove, path)?;
        if state.live.file(node).is_none() {
            return Err(DiskError::new(Act::Remove, path, Errno::ISDIR.into()));
        }
        let (folder, name) = state.place(Act::Remove, path)?;
        state.change(Change::Unlink { folder, name, node });
        Ok(())
    }

    fn sync_folder(&self, path: &Path) -> Result<(), DiskError> {
        let mut state = self.state();
        state.operate(Act::Sync, path)?;
        let node = state.find(Act::Sync, path)?;
        if state.live.folder(node).is_none() {
            return Err(DiskError::new(Act::Sync, path, Errno::NOTDIR.into()));
        }
        if let Some(error) = state.failure(Faulty::SyncFolder) {
            return Err(DiskError::new(Act::Sync, path, error));
        }
        state.sync(node);
        Ok(())
    }

    fn lock(&self, path: &Path, owner: &str) -> Result<Box<dyn Lock>, DiskError> {
        {
            let mut state = self.state();
            state.running(Act::Lock, path)?;
            if let Some(by) = state.locks.get(path) {
                return Err(DiskError::Held { path: path.into(), by: by.clone() });
            }
            if state.shared_locks.contains_key(path) {
                return Err(DiskError::Held { path: path.into(), by: "those who share it".into() });
            }
            state.locks.insert(path.into(), owner.into());
        }
        let lock = SimulatedLock { disk: self.clone(), path: path.into(), is_shared: false };
        let mode = if self.exists(path)? { Mode::Write } else { Mode::CreateNew };
        let file = self.open(path, mode)?;
        file.truncate(0)?;
        file.write_at(0, owner.as_bytes())?;
        Ok(Box::new(lock))
    }

    /// There is nobody to wait for in one thread, so it is refused instead.
    fn lock_shared(&self, path: &Path) -> Result<Box<dyn Lock>, DiskError> {
        let mut state = self.state();
        state.running(Act::Lock, path)?;
        state.find(Act::Lock, path)?;
        if let Some(by) = state.locks.get(path) {
            return Err(DiskError::Held { path: path.into(), by: by.clone() });
        }
        *state.shared_locks.entry(path.into()).or_default() += 1;
        Ok(Box::new(SimulatedLock { disk: self.clone(), path: path.into(), is_shared: true }))
    }

    fn free_bytes(&self, path: &Path) -> Result<u64, DiskError> {
        let state = self.state();
        state.running(Act::Read, path)?;
        state.find(Act::Read, path)?;
        Ok(state.free_bytes() as u64)
    }
}

/// Frees the lock when it is dropped, even when the disk has stopped: its process is gone then.
#[derive(Debug)]
struct SimulatedLock {
    disk: SimulatedDisk,
    path: PathBuf,
    is_shared: bool,
}

impl Lock for SimulatedLock {}

impl Drop for SimulatedLock {
    fn drop(&mut self) {
        let mut state = self.disk.state();
        if !self.is_shared {
            state.locks.remove(&self.path);
        } else if let Some(count) = state.shared_locks.get_mut(&self.path) {
            *count -= 1;
            if *count == 0 {
                state.shared_locks.remove(&self.path);
            }
        }
    }
}
