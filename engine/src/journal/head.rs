//! The file `head`: how far the journal was acknowledged.
//!
//! Two slots of a block each are written in turn, so that a torn write of one leaves the other. A slot is written only
//! after the records that it names are durable. So where one slot is bad, and the other names an earlier record, the
//! records behind that one must be there in full.

use std::path::Path;

use farkeep_codec::layout::Malformed;
use farkeep_codec::layout::Reader;
use farkeep_codec::layout::Writer;

use super::JournalError;
use super::record::ChainHash;
use super::record::Position;
use crate::disk::Disk;
use crate::disk::DiskError;
use crate::disk::File;
use crate::disk::Mode;
use crate::limits::BLOCK_BYTES;

/// The file, relative to the repository.
pub(crate) const HEAD_PATH: &str = "head";

const MAGIC: [u8; 4] = *b"FKhd";
const VERSION: u16 = 1;
const SLOTS: usize = 2;
/// How often a reader looks again at a slot that somebody may just be writing.
const LOOKS: usize = 4;

/// Both slots as they were read.
#[derive(Debug, Clone)]
pub(crate) struct Heads {
    slots: [Result<Position, Malformed>; SLOTS],
    /// Bytes of the file.
    bytes: u64,
}

impl Heads {
    /// Reads both slots.
    pub(crate) fn read(disk: &dyn Disk) -> Result<Self, JournalError> {
        let file = disk.open(Path::new(HEAD_PATH), Mode::Read)?;
        let mut heads = Self::look(&*file)?;
        for _ in 1..LOOKS {
            if heads.bad().is_none() {
                break;
            }
            std::hint::spin_loop();
            heads = Self::look(&*file)?;
        }
        Ok(heads)
    }

    /// The newest position that is certain.
    pub(crate) fn newest(&self) -> Result<Position, JournalError> {
        let newest = self.slots.iter().flatten().max_by_key(|position| position.sequence);
        newest.copied().ok_or(JournalError::Damaged {
            path: HEAD_PATH.into(),
            offset: 0,
            what: "both slots of the head",
        })
    }

    /// A slot that cannot be read, and what is wrong with it.
    pub(crate) fn bad(&self) -> Option<(usize, &'static str)> {
        let slots = self.slots.iter().enumerate();
        let bad = slots.filter_map(|(slot, read)| Some((slot, read.as_ref().err()?.what))).next();
        bad.or((self.bytes != (SLOTS * BLOCK_BYTES) as u64).then_some((0, "length of the head")))
    }

    fn look(file: &dyn File) -> Result<Self, JournalError> {
        // Each for itself: a sector that does not answer is one slot.
        let slot = |number: u64| {
            let mut bytes = [0; BLOCK_BYTES];
            match file.read_at(number * BLOCK_BYTES as u64, &mut bytes) {
                Ok(count) => parse(&bytes[..count]),
                Err(_) => Err(Malformed { what: "slot of the head: it cannot be read", offset: 0 }),
            }
        };
        Ok(Self { slots: [slot(0), slot(1)], bytes: file.len()? })
    }

    /// The slot that may be overwritten.
    fn spare(&self) -> usize {
        match &self.slots {
            [Ok(first), Ok(second)] => usize::from(first.sequence > second.sequence),
            [first, _] => usize::from(first.is_ok()),
        }
    }
}

/// The file, open for writing.
pub(crate) struct HeadFile {
    file: Box<dyn File>,
    next_slot: usize,
}

impl HeadFile {
    /// Makes the file, with both slots at `position`, and syncs it.
    pub(crate) fn create(disk: &dyn Disk, position: &Position) -> Result<(), DiskError> {
        let file = disk.open(Path::new(HEAD_PATH), Mode::CreateNew)?;
        let slot = encode(position);
        file.write_at(0, &[&*slot, &*slot].concat())?;
        file.sync()
    }

    /// Opens the file in which `heads` were read.
    pub(crate) fn open(disk: &dyn Disk, heads: &Heads) -> Result<Self, DiskError> {
        let file = disk.open(Path::new(HEAD_PATH), Mode::Write)?;
        if heads.bytes > (SLOTS * BLOCK_BYTES) as u64 {
            file.truncate((SLOTS * BLOCK_BYTES) as u64)?;
        }
        Ok(Self { file, next_slot: heads.spare() })
    }

    /// Writes `position` into the slot that holds the older one, and syncs it.
    pub(crate) fn publish(&mut self, position: &Position) -> Result<(), DiskError> {
        self.file.write_at((self.next_slot * BLOCK_BYTES) as u64, &encode(position))?;
        self.file.sync()?;
        self.next_slot = (self.next_slot + 1) % SLOTS;
        Ok(())
    }
}

/// A whole slot.
pub(super) fn encode(position: &Position) -> Vec<u8> {
    let mut writer = Writer::new();
    writer.bytes(&MAGIC).u16(VERSION).u16(0).u64(position.sequence).bytes(position.chain.as_bytes());
    let check = blake3::hash(writer.as_bytes());
    writer.bytes(check.as_bytes());
    let mut slot = vec![0; BLOCK_BYTES];
    slot[..writer.len()].copy_from_slice(writer.as_bytes());
    slot
}

fn parse(slot: &[u8]) -> Result<Position, Malformed> {
    let mut reader = Reader::new(slot);
    let magic: [u8; 4] = reader.array("head magic")?;
    let version = reader.u16("head version")?;
    let _reserved = reader.u16("head reserved")?;
    let sequence = reader.u64("head sequence")?;
    let chain = ChainHash::from_bytes(reader.array("head chain hash")?);
    let position = Position { sequence, chain };
    match magic == MAGIC && version == VERSION && encode(&position) == slot {
        true => Ok(position),
        false => Err(Malformed { what: "slot of the head", offset: 0 }),
    }
}
