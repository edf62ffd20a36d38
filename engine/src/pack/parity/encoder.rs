//! Parity of an extent while it is written ([`Encoder`]).

use std::sync::Arc;
use std::sync::Mutex;

use super::Code;
use super::Layout;
use super::Parity;
use super::Table;
use super::WINDOW_BLOCKS_MAX;
use super::parity_blocks_of;
use crate::limits::BLOCK_BYTES;
use crate::limits::PARITY_KITS_IDLE_MAX;

const WINDOW_BYTES_MAX: usize = WINDOW_BLOCKS_MAX as usize * BLOCK_BYTES;

/// What encoders work with. Fresh memory costs more than the code itself, so it is used again for the next pack.
#[derive(Default)]
struct Kit {
    /// Bytes of the window that is being filled.
    window: Vec<u8>,
    code: Code,
}

/// Where the encoders of a repository come from.
#[derive(Clone, Default)]
pub struct Encoders {
    idle: Arc<Mutex<Vec<Kit>>>,
}

impl Encoders {
    /// An encoder with that much parity, unless that is none.
    pub fn encoder(&self, thousandths: u16) -> Option<Encoder> {
        let kit = || self.idle.lock().expect(UNBROKEN).pop().unwrap_or_default();
        (thousandths > 0).then(|| Encoder {
            kit: kit(),
            parity: Vec::new(),
            table: Table { thousandths, blocks: Vec::new(), parity: Vec::new() },
            from: self.clone(),
        })
    }
}

const UNBROKEN: &str = "nothing panics while it holds what encoders work with";

/// Sees everything that is written to a pack, and says what has to follow each extent.
pub struct Encoder {
    kit: Kit,
    /// Parity blocks of the extent so far.
    parity: Vec<u8>,
    table: Table,
    from: Encoders,
}

impl Encoder {
    /// Bytes behind an extent from `start` to the end of its padding.
    pub(in crate::pack) fn bytes_behind(&self, start: u32, summary_end: u32) -> u32 {
        Layout::before(start, summary_end, self.table.thousandths).end() - summary_end
    }

    /// Takes in what is written.
    pub fn write(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let room = WINDOW_BYTES_MAX - self.kit.window.len();
            let (now, later) = bytes.split_at(bytes.len().min(room));
            bytes = later;
            self.kit.window.extend_from_slice(now);
            self.sum();
            if self.kit.window.len() == WINDOW_BYTES_MAX {
                self.end_window();
            }
        }
    }

    /// Ends the extent behind zeros up to a whole block, and shows in order what follows it.
    pub fn finish<E>(&mut self, mut follow: impl FnMut(&[u8]) -> Result<(), E>) -> Result<Parity, E> {
        let padded = self.kit.window.len().next_multiple_of(BLOCK_BYTES);
        self.kit.window.resize(padded, 0);
        self.sum();
        if padded > 0 {
            self.end_window();
        }
        let (table, hash) = self.table.encode();
        [&table, &self.parity, &table].into_iter().try_for_each(|part| follow(part))?;
        self.parity.clear();
        self.table.blocks.clear();
        self.table.parity.clear();
        Ok(Parity { thousandths: self.table.thousandths, hash })
    }

    /// Notes the sums of blocks that are whole by now, while they are in the processor's cache.
    fn sum(&mut self) {
        let begun = self.table.blocks.len() % WINDOW_BLOCKS_MAX as usize;
        let whole = self.kit.window[begun * BLOCK_BYTES..].chunks_exact(BLOCK_BYTES);
        self.table.blocks.extend(whole.map(crc32fast::hash));
    }

    fn end_window(&mut self) {
        let count = u32::try_from(self.kit.window.len() / BLOCK_BYTES).expect("a window has a limit");
        let parity_blocks = parity_blocks_of(count, self.table.thousandths) as usize;
        let start = self.parity.len();
        self.kit.code.encode(&self.kit.window, parity_blocks, &mut self.parity);
        self.table.parity.extend(self.parity[start..].chunks_exact(BLOCK_BYTES).map(crc32fast::hash));
        self.kit.window.clear();
    }
}

impl Drop for Encoder {
    fn drop(&mut self) {
        let mut kit = std::mem::take(&mut self.kit);
        kit.window.clear();
        let mut idle = self.from.idle.lock().expect(UNBROKEN);
        if idle.len() < PARITY_KITS_IDLE_MAX {
            idle.push(kit);
        }
    }
}
