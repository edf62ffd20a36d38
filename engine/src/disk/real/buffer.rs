//! A buffer that lies as O_DIRECT wants it, and what is written from it ([`Load`]).

use crate::limits::APPEND_BUFFER_BYTES;
use crate::limits::BLOCK_BYTES;

/// Memory of a fixed size, at an address that is a multiple of a block. Made once and used again and again: the first
/// touch of fresh memory costs more than writing it to the disk.
#[derive(Debug)]
pub(super) struct Buffer {
    memory: Vec<u8>,
    first: usize,
}

impl Buffer {
    pub(super) fn new() -> Self {
        let memory = vec![0; APPEND_BUFFER_BYTES + BLOCK_BYTES];
        let first = memory.as_ptr().align_offset(BLOCK_BYTES);
        Self { memory, first }
    }
}

/// The bytes of a buffer that belong to the file, and where.
#[derive(Debug)]
pub(super) struct Load {
    buffer: Buffer,
    /// Offset in the file of the first byte.
    pub(super) offset: u64,
    len: usize,
}

impl Load {
    /// Nothing yet, of a file that is filled from `offset` on.
    pub(super) fn new(buffer: Buffer, offset: u64) -> Self {
        Self { buffer, offset, len: 0 }
    }

    pub(super) fn into_buffer(self) -> Buffer {
        self.buffer
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.buffer.memory[self.buffer.first..self.buffer.first + self.len]
    }

    /// Offset in the file of the byte after the last one.
    pub(super) fn end(&self) -> u64 {
        self.offset + self.len as u64
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(super) fn is_full(&self) -> bool {
        self.len == APPEND_BUFFER_BYTES
    }

    /// Takes in as much of `bytes` as there is room for, and returns the rest.
    pub(super) fn fill<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let (now, later) = bytes.split_at(bytes.len().min(APPEND_BUFFER_BYTES - self.len));
        let first = self.buffer.first + self.len;
        self.buffer.memory[first..first + now.len()].copy_from_slice(now);
        self.len += now.len();
        later
    }
}
