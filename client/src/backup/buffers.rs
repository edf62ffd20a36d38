//! Buffers that are used again: fresh memory costs the system more than what is read into it.

use std::ops::Deref;
use std::ops::DerefMut;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;

/// Buffers that wait for their next use.
const FREE_MAX: usize = 32;

/// The buffers of one run that nobody uses at the moment.
#[derive(Debug, Default)]
pub(super) struct Buffers {
    free: Mutex<Vec<Vec<u8>>>,
}

/// A filled buffer, which goes back when the last of its users is done with it.
#[derive(Debug)]
pub(super) struct Buffer {
    bytes: Vec<u8>,
    home: Arc<Buffers>,
}

impl Buffers {
    /// A buffer with whatever length and contents its last use left.
    pub(super) fn take(&self) -> Vec<u8> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default()
    }

    /// A buffer of at least `bytes` bytes, for one user.
    pub(super) fn lend(self: &Arc<Self>, bytes: usize) -> Buffer {
        let mut buffer = self.take();
        if buffer.len() < bytes {
            buffer.resize(bytes, 0);
        }
        Buffer { bytes: buffer, home: Arc::clone(self) }
    }

    /// Shares a buffer that was filled.
    pub(super) fn share(self: &Arc<Self>, bytes: Vec<u8>) -> Arc<Buffer> {
        Arc::new(Buffer { bytes, home: Arc::clone(self) })
    }
}

impl Deref for Buffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.bytes
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let mut free = self.home.free.lock().unwrap_or_else(PoisonError::into_inner);
        if free.len() < FREE_MAX {
            free.push(std::mem::take(&mut self.bytes));
        }
    }
}
