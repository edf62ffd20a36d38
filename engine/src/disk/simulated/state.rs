//! The whole of a simulated disk ([`State`]): both images, the changes between them, and the faults to come.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::path::PathBuf;

use rustix::io::Errno;

use super::Failure;
use super::Faulty;
use super::crash::Crash;
use super::crash::Fate;
use super::image::Change;
use super::image::Image;
use super::image::Node;
use super::image::NodeId;
use super::random::Random;
use crate::disk::Act;
use crate::disk::DiskError;
use crate::limits::BLOCK_BYTES;

/// Free room of a disk without a capacity, in bytes: more than any test writes.
const UNLIMITED_BYTES: usize = 1 << 40;

#[derive(Debug)]
pub(super) struct State {
    pub(super) live: Image,
    durable: Image,
    log: Vec<Record>,
    records_made: u64,
    pub(super) random: Random,
    pub(super) operations: u64,
    pub(super) stop_after: Option<u64>,
    pub(super) capacity_bytes: Option<usize>,
    pub(super) faults: Vec<Fault>,
    pub(super) locks: BTreeMap<PathBuf, String>,
    /// How many share a lock.
    pub(super) shared_locks: BTreeMap<PathBuf, u32>,
    /// Blocks that cannot be read, by file and number.
    broken: BTreeSet<(NodeId, usize)>,
}

/// A change that is not durable yet.
#[derive(Debug)]
struct Record {
    number: RecordNumber,
    change: Change,
    progress: Progress,
}

/// Names a record for as long as it is in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RecordNumber(u64);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Progress {
    /// Handed over. It may be on the disk, but nobody can read it, and a sync does not wait for it.
    Submitted,
    /// In the live image.
    Done,
}

/// A failure that waits for its turn.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) faulty: Faulty,
    pub(super) calls_before: u64,
    pub(super) failure: Failure,
}

impl State {
    pub(super) fn new(seed: u64, image: Image) -> Self {
        Self {
            live: image.clone(),
            durable: image,
            log: Vec::new(),
            records_made: 0,
            random: Random::new(seed),
            operations: 0,
            stop_after: None,
            capacity_bytes: None,
            faults: Vec::new(),
            locks: BTreeMap::new(),
            shared_locks: BTreeMap::new(),
            broken: BTreeSet::new(),
        }
    }

    /// The error of a disk that has stopped, if it has.
    pub(super) fn running(&self, act: Act, path: &Path) -> Result<(), DiskError> {
        match self.stop_after {
            Some(limit) if self.operations >= limit => {
                Err(DiskError::new(act, path, io::Error::other("the simulated disk has stopped")))
            }
            _ => Ok(()),
        }
    }

    /// Counts one operation that changes something or makes it durable. The one at which the disk stops does nothing.
    pub(super) fn operate(&mut self, act: Act, path: &Path) -> Result<(), DiskError> {
        self.running(act, path)?;
        self.operations += 1;
        Ok(())
    }

    /// Whether this call is the one that was chosen to fail.
    pub(super) fn failure(&mut self, faulty: Faulty) -> Option<io::Error> {
        let mut due = None;
        for (index, fault) in self.faults.iter_mut().enumerate() {
            if fault.faulty == faulty {
                match fault.calls_before.checked_sub(1) {
                    Some(fewer) => fault.calls_before = fewer,
                    None => due = due.or(Some(index)),
                }
            }
        }
        due.map(|index| self.faults.remove(index).failure.error())
    }

    pub(super) fn find(&self, act: Act, path: &Path) -> Result<NodeId, DiskError> {
        self.live.find(path).ok_or_else(|| DiskError::new(act, path, Errno::NOENT.into()))
    }

    /// The folder that a path stands in, and its name there.
    pub(super) fn place(&self, act: Act, path: &Path) -> Result<(NodeId, OsString), DiskError> {
        let name = path.file_name().ok_or_else(|| DiskError::new(act, path, Errno::INVAL.into()))?;
        let folder = self.find(act, path.parent().unwrap_or(Path::new("")))?;
        match self.live.folder(folder) {
            Some(_) => Ok((folder, name.to_os_string())),
            None => Err(DiskError::new(act, path, Errno::NOTDIR.into())),
        }
    }

    /// Makes a file or folder under a name that is free.
    pub(super) fn create(&mut self, path: &Path, node: Node) -> Result<NodeId, DiskError> {
        self.operate(Act::Create, path)?;
        let (folder, name) = self.place(Act::Create, path)?;
        if self.live.find(path).is_some() {
            return Err(DiskError::new(Act::Create, path, Errno::EXIST.into()));
        }
        let id = self.live.admit(node.clone());
        self.durable.admit(node);
        self.change(Change::Link { folder, name, node: id });
        Ok(id)
    }

    /// Changes the live image at once.
    pub(super) fn change(&mut self, change: Change) {
        change.apply(&mut self.live, Fate::Kept);
        self.log(change, Progress::Done);
    }

    /// Takes in a change that the live image shows only when it is completed.
    pub(super) fn submit(&mut self, change: Change) -> RecordNumber {
        self.log(change, Progress::Submitted)
    }

    pub(super) fn complete(&mut self, number: RecordNumber) {
        let record = self.log.iter_mut().find(|record| record.number == number);
        let record = record.expect("no sync takes a record that is not completed");
        record.change.apply(&mut self.live, Fate::Kept);
        record.progress = Progress::Done;
    }

    /// Reads from `file` as it will be when all that was submitted is completed.
    pub(super) fn read_completed(&self, file: NodeId, offset: usize, into: &mut [u8]) {
        overlay(offset, into, 0, self.live.file(file).expect("the node is a file"));
        for record in &self.log {
            if let (Progress::Submitted, Change::Write { file: owner, offset: start, bytes }) =
                (record.progress, &record.change)
                && *owner == file
            {
                overlay(offset, into, *start, bytes);
            }
        }
    }

    /// Makes durable what is done in a file or folder.
    pub(super) fn sync(&mut self, node: NodeId) {
        let durable = &mut self.durable;
        self.log.retain(|record| {
            let covered = record.change.owner() == node && record.progress == Progress::Done;
            if covered {
                record.change.apply(durable, Fate::Kept);
            }
            !covered
        });
    }

    /// What ext4 does when it cannot write a file back: the error is reported once, the bytes count as written from
    /// then on and will never be, and only the length of the file may still become durable.
    pub(super) fn forget_writes(&mut self, file: NodeId) {
        for record in &mut self.log {
            if let (Progress::Done, Change::Write { file: owner, offset, bytes }) =
                (record.progress, &mut record.change)
                && *owner == file
            {
                *offset += bytes.len();
                bytes.clear();
            }
        }
    }

    /// How many bytes may still be written.
    pub(super) fn free_bytes(&self) -> usize {
        match self.capacity_bytes {
            Some(capacity) => capacity.saturating_sub(self.live.used_bytes()),
            None => UNLIMITED_BYTES,
        }
    }

    /// The changes that a crash may lose.
    pub(super) fn uncertain(&self) -> usize {
        self.log.len()
    }

    pub(super) fn crash(&self, crash: &Crash) -> Image {
        let mut image = self.durable.clone();
        for (record, fate) in self.log.iter().zip(crash.fates(self.log.len())) {
            record.change.apply(&mut image, fate);
        }
        image
    }

    /// Makes `bytes` the durable contents of a file, in place of all that was written to it so far.
    pub(super) fn damage(&mut self, file: NodeId, bytes: Vec<u8>) {
        self.log.retain(|record| record.change.owner() != file || record.progress == Progress::Submitted);
        self.durable.file_mut(file).expect("the node is a file").clone_from(&bytes);
        *self.live.file_mut(file).expect("the node is a file") = bytes;
    }

    /// The medium does not give a block back any more, until somebody writes to it.
    pub(super) fn break_block(&mut self, file: NodeId, block: usize) {
        self.broken.insert((file, block));
    }

    /// Whether one of these bytes lies in such a block.
    pub(super) fn is_broken(&self, file: NodeId, offset: usize, bytes: usize) -> bool {
        let blocks = offset / BLOCK_BYTES..(offset + bytes).div_ceil(BLOCK_BYTES);
        blocks.into_iter().any(|block| self.broken.contains(&(file, block)))
    }

    /// A disk puts another block in the place of one that is broken when it is written as a whole.
    pub(super) fn remap(&mut self, file: NodeId, offset: usize, bytes: usize) {
        let blocks = offset.div_ceil(BLOCK_BYTES)..(offset + bytes) / BLOCK_BYTES;
        self.broken.retain(|(owner, block)| *owner != file || !blocks.contains(block));
    }

    fn log(&mut self, change: Change, progress: Progress) -> RecordNumber {
        let number = RecordNumber(self.records_made);
        self.records_made += 1;
        self.log.push(Record { number, change, progress });
        number
    }
}

/// Copies into `into`, which stands for the bytes from `offset` on, those of `bytes`, which begin at `start`.
pub(super) fn overlay(offset: usize, into: &mut [u8], start: usize, bytes: &[u8]) {
    let first = offset.max(start);
    let last = (offset + into.len()).min(start + bytes.len());
    if first < last {
        into[first - offset..last - offset].copy_from_slice(&bytes[first - start..last - start]);
    }
}
