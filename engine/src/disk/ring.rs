//! A queue of reads and writes that the kernel carries out side by side ([`Ring`], io_uring).
//!
//! One of the two places with `unsafe`; the other is the callers' promise about the memory that they hand over. The
//! ring counts what is in flight and does not go away before everything has come back, so the promise is kept by
//! whoever keeps the memory at least as long as the ring.
//!
//! No operation is linked to another one: short transfers break links in ways that differ between kernels.

use std::io;
use std::os::fd::AsRawFd;
use std::os::fd::BorrowedFd;
use std::process;

use io_uring::IoUring;
use io_uring::Probe;
use io_uring::opcode;
use io_uring::squeue::Entry;
use io_uring::types::Fd;
use rustix::io::Errno;

pub(super) struct Ring {
    ring: IoUring,
    in_flight: usize,
}

/// What came back: the tag given along, and how many bytes were moved.
pub(super) struct Completion {
    pub(super) tag: u64,
    pub(super) result: io::Result<usize>,
}

impl Ring {
    /// A ring with room for `entries` operations.
    ///
    /// # Errors
    /// When the kernel has no io_uring, does not allow it here, or knows too few operations.
    pub(super) fn new(entries: u32) -> io::Result<Self> {
        let ring = IoUring::new(entries)?;
        let mut probe = Probe::new();
        ring.submitter().register_probe(&mut probe)?;
        match probe.is_supported(opcode::Read::CODE) && probe.is_supported(opcode::Write::CODE) {
            true => Ok(Self { ring, in_flight: 0 }),
            false => Err(Errno::NOSYS.into()),
        }
    }

    /// How many operations were pushed and have not come back.
    pub(super) fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// Puts a read of `into` in the queue. It begins with the next [`submit`](Self::submit) or [`wait`](Self::wait).
    ///
    /// # Safety
    /// Until the operation has come back, the memory of `into` stays where it is and nobody looks at it.
    pub(super) unsafe fn push_read(&mut self, file: BorrowedFd<'_>, offset: u64, into: &mut [u8], tag: u64) {
        let entry = opcode::Read::new(Fd(file.as_raw_fd()), into.as_mut_ptr(), length(into));
        // SAFETY: what the caller promises.
        unsafe { self.push(&entry.offset(offset).build().user_data(tag)) }
    }

    /// Puts a write of `bytes` in the queue. It begins with the next [`submit`](Self::submit) or [`wait`](Self::wait).
    ///
    /// # Safety
    /// Until the operation has come back, the memory of `bytes` stays where it is and nobody changes it.
    pub(super) unsafe fn push_write(&mut self, file: BorrowedFd<'_>, offset: u64, bytes: &[u8], tag: u64) {
        let entry = opcode::Write::new(Fd(file.as_raw_fd()), bytes.as_ptr(), length(bytes));
        // SAFETY: what the caller promises.
        unsafe { self.push(&entry.offset(offset).build().user_data(tag)) }
    }

    /// Starts what was pushed. Where the kernel is short of memory for it, it starts with a later call.
    pub(super) fn submit(&mut self) -> io::Result<()> {
        self.enter(0)
    }

    /// Starts what was pushed, and waits until [`completed`](Self::completed) has something. Something is in flight.
    pub(super) fn wait(&mut self) -> io::Result<()> {
        debug_assert!(self.in_flight > 0, "one would wait for ever");
        while self.ring.completion().is_empty() {
            self.enter(1)?;
        }
        Ok(())
    }

    /// Takes one operation that has come back, in whatever order the kernel finished them.
    pub(super) fn completed(&mut self) -> Option<Completion> {
        let entry = self.ring.completion().next()?;
        self.in_flight -= 1;
        let result = match usize::try_from(entry.result()) {
            Ok(bytes) => Ok(bytes),
            Err(_) => Err(io::Error::from_raw_os_error(-entry.result())),
        };
        Some(Completion { tag: entry.user_data(), result })
    }

    /// Waits until nothing is in flight, and forgets the results.
    pub(super) fn quiesce(&mut self) {
        while self.in_flight > 0 {
            if self.wait().is_err() {
                // The kernel may still use memory that is about to be given back: nothing that runs on is sound.
                process::abort();
            }
            while self.completed().is_some() {}
        }
    }

    /// # Safety
    /// As for [`push_read`](Self::push_read) and [`push_write`](Self::push_write).
    unsafe fn push(&mut self, entry: &Entry) {
        // SAFETY: the caller promises that the memory that the entry names outlives the operation, and both callers
        // build the entry from a slice, so that address and length are right. The file is open while the call that
        // submits the entry runs, and the kernel takes its own reference then.
        let pushed = unsafe { self.ring.submission().push(entry) };
        pushed.expect("no more operations are pushed than the ring was made for");
        self.in_flight += 1;
    }

    fn enter(&mut self, wanted: usize) -> io::Result<()> {
        match self.ring.submit_and_wait(wanted) {
            Ok(_) => Ok(()),
            Err(error) => match Errno::from_io_error(&error) {
                // A signal came, or memory is short for a moment. What was pushed is still in the queue.
                Some(Errno::INTR | Errno::AGAIN | Errno::BUSY) => Ok(()),
                _ => Err(error),
            },
        }
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        self.quiesce();
    }
}

/// Whether an operation that ended so was not carried out, and may simply be done again. An operation is cancelled
/// when the thread that submitted it ends before the kernel came to it.
pub(super) fn is_interrupted(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::INTR | Errno::AGAIN | Errno::CANCELED))
}

fn length(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).expect("a buffer is smaller than 4 GiB")
}
