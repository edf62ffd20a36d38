//! A file under construction ([`RealAppend`]): gathers bytes in a few buffers, and keeps the disk busy with them.
//!
//! Written past the page cache where the file system takes that, in large aligned writes into room that was reserved
//! before, several under way at once: so a backup costs the machine neither processor time nor cached files of others.
//! Which bytes are where is decided by counting completions alone, never by their order.

use std::mem;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::Mutex;

use rustix::fs::FallocateFlags;
use rustix::fs::fallocate;
use rustix::io::Errno;
use rustix::io::retry_on_intr;

use super::buffer::Buffer;
use super::buffer::Load;
use super::carrier::Carrier;
use super::carrier::PlainCarrier;
use super::carrier::Target;
use crate::disk::Act;
use crate::disk::Append;
use crate::disk::DiskError;
use crate::limits::APPEND_BUFFERS;
use crate::limits::APPEND_KITS_IDLE_MAX;
use crate::limits::BLOCK_BYTES;

/// What a file under construction works with. It is used again for the next file.
pub(super) struct Kit {
    pub(super) carrier: Box<dyn Carrier>,
    pub(super) buffers: Vec<Buffer>,
}

impl Kit {
    pub(super) fn new(carrier: Box<dyn Carrier>) -> Self {
        Self { carrier, buffers: (0..APPEND_BUFFERS).map(|_| Buffer::new()).collect() }
    }
}

/// Kits that no file uses at the moment.
pub(super) type IdleKits = Arc<Mutex<Vec<Kit>>>;

pub(super) struct RealAppend {
    target: Target,
    path: PathBuf,
    carrier: Box<dyn Carrier>,
    idle: Vec<Buffer>,
    /// The load that is being filled. `None` only for a moment.
    current: Option<Load>,
    /// Room that the owner asked for, in bytes from the start of the file.
    allocate_bytes: u64,
    /// The length that others see: reserved room and loads handed over.
    visible_bytes: u64,
    poison: Option<DiskError>,
    idle_kits: IdleKits,
}

impl RealAppend {
    /// Takes over a new, empty file.
    pub(super) fn new(
        target: Target,
        path: &Path,
        allocate_bytes: u64,
        kit: Kit,
        idle_kits: IdleKits,
    ) -> Self {
        let Kit { carrier, buffers: mut idle } = kit;
        let current = idle.pop().map(|buffer| Load::new(buffer, 0));
        let path = path.to_path_buf();
        let (visible_bytes, poison) = (0, None);
        Self { target, path, carrier, idle, current, allocate_bytes, visible_bytes, poison, idle_kits }
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

    fn current(&self) -> &Load {
        self.current.as_ref().expect("there is a load between calls")
    }

    fn current_mut(&mut self) -> &mut Load {
        self.current.as_mut().expect("there is a load between calls")
    }

    fn gather(&mut self, mut bytes: &[u8]) -> Result<(), DiskError> {
        while !bytes.is_empty() {
            bytes = self.current_mut().fill(bytes);
            if self.current().is_full() {
                self.submit()?;
            }
        }
        Ok(())
    }

    fn pad(&mut self) -> Result<(), DiskError> {
        let len = self.current().bytes().len();
        self.gather(&[0; BLOCK_BYTES][..len.next_multiple_of(BLOCK_BYTES) - len])
    }

    /// Hands the current load over, which is whole blocks, and begins the next one. Waits only when there is no buffer
    /// for that.
    fn submit(&mut self) -> Result<(), DiskError> {
        let offset = self.current().offset;
        // A small load is the last one before a sync, which would have to give the room back at once; and that costs as
        // much as the sync itself.
        if self.visible_bytes == offset && self.current().is_full() {
            self.allocate(offset)?;
        }
        let next = match self.idle.pop() {
            Some(buffer) => buffer,
            None => self.take()?.expect("a buffer that is not idle is under way"),
        };
        let load = self.current.take().expect("there is a load between calls");
        let end = load.end();
        self.current = Some(Load::new(next, end));
        self.visible_bytes = self.visible_bytes.max(end);
        let sent = self.carrier.send(&mut self.target, load);
        sent.map_err(|source| DiskError::new(Act::Write, &self.path, source))
    }

    /// A buffer that has been written; waits for it.
    fn take(&mut self) -> Result<Option<Buffer>, DiskError> {
        let taken = self.carrier.take(&mut self.target);
        let load = taken.map_err(|source| DiskError::new(Act::Write, &self.path, source))?;
        Ok(load.map(Load::into_buffer))
    }

    /// Reserves the room that the owner asked for, from `offset` on. Writing into reserved room needs no decisions of
    /// the file system, so writes neither wait for each other nor run out of space.
    fn allocate(&mut self, offset: u64) -> Result<(), DiskError> {
        let Some(bytes) = self.allocate_bytes.checked_sub(offset).filter(|bytes| *bytes > 0) else {
            return Ok(());
        };
        let reserve = || fallocate(&self.target.file, FallocateFlags::empty(), offset, bytes);
        match retry_on_intr(reserve) {
            Ok(()) => self.visible_bytes = self.allocate_bytes,
            // Not every file system can; then the writes have to find their room themselves.
            Err(Errno::OPNOTSUPP | Errno::NOSYS) => {}
            Err(errno) => return Err(DiskError::new(Act::Allocate, &self.path, errno.into())),
        }
        Ok(())
    }

    /// Gives back the reserved room that was not used.
    fn trim(&mut self) -> Result<(), DiskError> {
        let end = self.current().offset;
        if self.visible_bytes > end {
            let trimmed = self.target.file.set_len(end);
            trimmed.map_err(|source| DiskError::new(Act::Truncate, &self.path, source))?;
            self.visible_bytes = end;
        }
        Ok(())
    }

    fn make_durable(&mut self) -> Result<(), DiskError> {
        self.pad()?;
        if !self.current().is_empty() {
            self.submit()?;
        }
        while let Some(buffer) = self.take()? {
            self.idle.push(buffer);
        }
        self.trim()?;
        self.target.file.sync_data().map_err(|source| DiskError::new(Act::Sync, &self.path, source))
    }
}

impl Append for RealAppend {
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
        self.current().end()
    }

    fn read_back(&self, offset: u64, into: &mut [u8]) -> Result<(), DiskError> {
        if let Some(error) = &self.poison {
            return Err(error.clone());
        }
        let (mut offset, mut into) = (offset, into);
        let ended = DiskError::Ended { path: self.path.clone(), offset, bytes: into.len() };
        if offset.checked_add(into.len() as u64).is_none_or(|end| end > self.len()) {
            return Err(ended);
        }
        while !into.is_empty() {
            let (now, later) = self.piece(offset, into)?;
            (offset, into) = (now, later);
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<u64, DiskError> {
        self.sync()?;
        Ok(self.len())
    }
}

impl RealAppend {
    /// Fills the front of `into` from the one place that has it, a load or the file. Returns what is left to do.
    fn piece<'a>(&self, offset: u64, into: &'a mut [u8]) -> Result<(u64, &'a mut [u8]), DiskError> {
        let loads = || self.carrier.under_way().chain(&self.current);
        if let Some(load) = loads().find(|load| (load.offset..load.end()).contains(&offset)) {
            let skipped = usize::try_from(offset - load.offset).expect("less than a buffer");
            let have = load.bytes().get(skipped..).expect("the offset lies in the load");
            let (now, later) = into.split_at_mut(have.len().min(into.len()));
            now.copy_from_slice(&have[..now.len()]);
            return Ok((offset + now.len() as u64, later));
        }
        let next = loads().map(|load| load.offset).filter(|next| *next > offset).min();
        let until = next.map_or(u64::MAX, |next| next - offset);
        let count = usize::try_from(until).unwrap_or(usize::MAX).min(into.len());
        let (now, later) = into.split_at_mut(count);
        let read = self.target.file.read_exact_at(now, offset);
        read.map_err(|source| DiskError::new(Act::Read, &self.path, source))?;
        Ok((offset + now.len() as u64, later))
    }
}

impl Drop for RealAppend {
    /// Waits for what is under way, and leaves no reserved room behind. An error concerns nobody any more.
    fn drop(&mut self) {
        while let Ok(Some(buffer)) = self.take() {
            self.idle.push(buffer);
        }
        if self.poison.is_none() {
            let _ = self.trim();
        }
        self.idle.extend(self.current.take().map(Load::into_buffer));
        if self.idle.len() == APPEND_BUFFERS
            && let Ok(mut kits) = self.idle_kits.lock()
            && kits.len() < APPEND_KITS_IDLE_MAX
        {
            let spent: Box<dyn Carrier> = Box::new(PlainCarrier::default());
            let carrier = mem::replace(&mut self.carrier, spent);
            kits.push(Kit { carrier, buffers: mem::take(&mut self.idle) });
        }
    }
}
