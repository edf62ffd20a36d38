//! How loads get into the file: [`Carrier`], with a ring or with plain calls.
//!
//! Both do the same: take a load, write it, give it back when it is written. With the ring the kernel writes while the
//! next load is being filled; on a kernel without one, or where it is not allowed, each load is written at once.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;

use rustix::io::Errno;

use super::buffer::Load;
use crate::disk::ring::Ring;
use crate::disk::ring::is_interrupted;
use crate::limits::APPEND_BUFFERS;

/// The file that loads are written to, by way of the page cache and past it.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) file: File,
    /// The same file, opened with O_DIRECT, where the file system takes that.
    pub(super) direct: Option<File>,
}

impl Target {
    fn best(&self) -> &File {
        self.direct.as_ref().unwrap_or(&self.file)
    }

    /// Judges the result of writing a load. What a short or interrupted write left is written now, and a file system
    /// that takes O_DIRECT when opening and refuses it when writing is not asked again.
    pub(super) fn settle(&mut self, load: &Load, result: io::Result<usize>) -> io::Result<()> {
        let written = match result {
            Ok(written) => written,
            Err(error) if is_interrupted(&error) => 0,
            Err(error) if self.direct.is_some() && Errno::from_io_error(&error) == Some(Errno::INVAL) => {
                self.direct = None;
                0
            }
            Err(error) => return Err(error),
        };
        let rest = load.bytes().get(written..).expect("no more is written than was given");
        self.file.write_all_at(rest, load.offset + written as u64)
    }
}

pub(super) trait Carrier: Send {
    /// Takes a load. At most [`APPEND_BUFFERS`] may be under way.
    ///
    /// # Errors
    /// When it cannot be written, or when it cannot even be handed over.
    fn send(&mut self, target: &mut Target, load: Load) -> io::Result<()>;

    /// Gives back a load that is written, waiting for it if need be; `None` when nothing is under way.
    ///
    /// # Errors
    /// When a load could not be written. It is not given back then.
    fn take(&mut self, target: &mut Target) -> io::Result<Option<Load>>;

    /// The loads that are under way: [`take`](Self::take) has not seen them written.
    fn under_way(&self) -> Box<dyn Iterator<Item = &Load> + '_>;
}

/// Writes each load when it is sent.
#[derive(Debug, Default)]
pub(super) struct PlainCarrier {
    written: Vec<Load>,
}

impl Carrier for PlainCarrier {
    fn send(&mut self, target: &mut Target, load: Load) -> io::Result<()> {
        let result = target.best().write_at(load.bytes(), load.offset);
        target.settle(&load, result)?;
        self.written.push(load);
        Ok(())
    }

    fn take(&mut self, _target: &mut Target) -> io::Result<Option<Load>> {
        Ok(self.written.pop())
    }

    fn under_way(&self) -> Box<dyn Iterator<Item = &Load> + '_> {
        Box::new(self.written.iter())
    }
}

/// Lets the kernel write the loads in the background.
pub(super) struct RingCarrier {
    /// Before the loads, so that it is dropped first: it waits until the kernel has let go of them.
    ring: Ring,
    loads: [Option<Load>; APPEND_BUFFERS],
}

impl RingCarrier {
    pub(super) fn new() -> io::Result<Self> {
        let entries = u32::try_from(APPEND_BUFFERS).expect("a handful of buffers");
        Ok(Self { ring: Ring::new(entries)?, loads: [const { None }; APPEND_BUFFERS] })
    }
}

impl Carrier for RingCarrier {
    fn send(&mut self, target: &mut Target, load: Load) -> io::Result<()> {
        let slot = self.loads.iter().position(Option::is_none).expect("no more loads than buffers");
        let load = self.loads[slot].insert(load);
        // SAFETY: the load stays in its slot, unchanged, until `take` sees the operation come back; and the ring, which
        // waits for the operation, is dropped before the slots are. Moving the slots does not move the buffer's memory.
        unsafe { self.ring.push_write(target.best().as_fd(), load.offset, load.bytes(), slot as u64) };
        self.ring.submit()
    }

    fn take(&mut self, target: &mut Target) -> io::Result<Option<Load>> {
        if self.ring.in_flight() == 0 {
            return Ok(None);
        }
        self.ring.wait()?;
        let completion = self.ring.completed().expect("the ring has waited for it");
        let slot = usize::try_from(completion.tag).expect("a tag is a slot");
        let load = self.loads[slot].take().expect("the slot of an operation holds its load");
        target.settle(&load, completion.result)?;
        Ok(Some(load))
    }

    fn under_way(&self) -> Box<dyn Iterator<Item = &Load> + '_> {
        Box::new(self.loads.iter().flatten())
    }
}
