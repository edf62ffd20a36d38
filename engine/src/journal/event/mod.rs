//! What can happen to a repository ([`Event`]), as the payload of a journal record.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use farkeep_codec::id::NotAnId;
use farkeep_codec::id::PackId;
use farkeep_codec::id::SnapshotId;
use farkeep_codec::layout::Malformed;
use farkeep_codec::layout::Reader;
use farkeep_codec::layout::Writer;
use farkeep_codec::object::Kind;
use thiserror::Error;

use super::JournalError;
use crate::limits::EXTENTS_PER_EVENT_MAX;
use crate::limits::JOURNAL_PAYLOAD_BYTES_MAX;
use crate::limits::JOURNAL_TEXT_BYTES_MAX;
use crate::pack::Extent;

const REPOSITORY_CREATED: u16 = 1;
const STORED: u16 = 2;
const SNAPSHOT_COMMITTED: u16 = 3;
const SNAPSHOT_FORGOTTEN: u16 = 4;
const KEY_SLOT_ADDED: u16 = 5;
const KEY_SLOT_REMOVED: u16 = 6;

/// One thing that happened, and that is true from its record on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Event {
    /// The first event of every journal.
    RepositoryCreated {
        /// BLAKE3 of the file with the parameters, which never changes.
        parameters: blake3::Hash,
    },
    /// Objects are durable: all of these extents together, so that no node is stored without what it refers to.
    Stored {
        /// One per pack. A pack is numbered by its first appearance in the journal.
        extents: Vec<StoredExtent>,
    },
    /// A snapshot is there, with everything that is reachable from its root.
    SnapshotCommitted {
        /// The bytes of the record, whose BLAKE3 is the snapshot's id.
        record: Vec<u8>,
    },
    /// A snapshot is no longer wanted.
    SnapshotForgotten {
        /// Which.
        id: SnapshotId,
        /// Who said so.
        by: String,
        /// And why.
        reason: String,
    },
    /// There is another way to open the repository.
    KeySlotAdded {
        /// Name of the slot.
        slot: SlotId,
        /// BLAKE3 of the slot's file.
        hash: blake3::Hash,
    },
    /// A way to open the repository is gone.
    KeySlotRemoved {
        /// Name of the slot.
        slot: SlotId,
    },
}

/// An extent and where it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StoredExtent {
    /// The pack.
    pub(crate) pack: PackId,
    /// What its objects are for.
    pub(crate) kind: Kind,
    /// Where it lies in the pack.
    pub(crate) extent: Extent,
}

/// Name of a key slot, chosen at random when the slot is made. Prints as 32 hexadecimal digits, which are also the
/// name of its file.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SlotId([u8; 16]);

impl SlotId {
    /// The id made of these bytes.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The bytes of the id.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Display for SlotId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl fmt::Debug for SlotId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SlotId({:.8})", self.to_string())
    }
}

impl FromStr for SlotId {
    type Err = NotAnId;

    fn from_str(text: &str) -> Result<Self, NotAnId> {
        let digits = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let number = digits.then(|| u128::from_str_radix(text, 16).ok()).flatten();
        number.map(|number| Self(number.to_be_bytes())).ok_or_else(|| NotAnId { text: text.to_owned() })
    }
}

/// Why bytes are not a part of a journal.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum EventError {
    #[error(transparent)]
    Malformed(#[from] Malformed),
    #[error("event kind {found}, this program knows {known} and below")]
    NewerKind { found: u16, known: u16 },
    #[error("journal segment of format {found}, this program knows {known} and below")]
    NewerSegment { found: u16, known: u16 },
}

impl EventError {
    /// The same, said about a record that starts at `offset` of the file `path`.
    pub(crate) fn placed(self, path: PathBuf, offset: u64) -> JournalError {
        match self {
            Self::Malformed(Malformed { what, .. }) => JournalError::Damaged { path, offset, what },
            Self::NewerKind { found, known } => {
                JournalError::NewerFormat { what: "the kind of a journal event", found, known }
            }
            Self::NewerSegment { found, known } => {
                JournalError::NewerFormat { what: "the format of a journal segment", found, known }
            }
        }
    }
}

impl Event {
    /// The number by which the format names the kind of the event.
    pub(crate) fn kind(&self) -> u16 {
        match self {
            Self::RepositoryCreated { .. } => REPOSITORY_CREATED,
            Self::Stored { .. } => STORED,
            Self::SnapshotCommitted { .. } => SNAPSHOT_COMMITTED,
            Self::SnapshotForgotten { .. } => SNAPSHOT_FORGOTTEN,
            Self::KeySlotAdded { .. } => KEY_SLOT_ADDED,
            Self::KeySlotRemoved { .. } => KEY_SLOT_REMOVED,
        }
    }

    /// The payload.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        match self {
            Self::RepositoryCreated { parameters } => {
                writer.bytes(parameters.as_bytes());
            }
            Self::Stored { extents } => {
                for StoredExtent { pack, kind, extent } in extents {
                    writer.bytes(pack.as_bytes()).u16(kind.number());
                    writer.u32(extent.start).u32(extent.summary).u32(extent.objects);
                    writer.bytes(extent.hash.as_bytes());
                }
            }
            Self::SnapshotCommitted { record } => {
                writer.bytes(record);
            }
            Self::SnapshotForgotten { id, by, reason } => {
                writer.bytes(id.as_bytes()).counted(by.as_bytes()).counted(reason.as_bytes());
            }
            Self::KeySlotAdded { slot, hash } => {
                writer.bytes(slot.as_bytes()).bytes(hash.as_bytes());
            }
            Self::KeySlotRemoved { slot } => {
                writer.bytes(slot.as_bytes());
            }
        }
        writer.into_bytes()
    }

    /// Reads the payload of an event of that kind.
    pub(crate) fn parse(kind: u16, payload: &[u8]) -> Result<Self, EventError> {
        let mut reader = Reader::new(payload);
        let event = match kind {
            REPOSITORY_CREATED => {
                Self::RepositoryCreated { parameters: hash(&mut reader, "parameters hash")? }
            }
            STORED => Self::Stored { extents: extents(&mut reader)? },
            SNAPSHOT_COMMITTED => {
                let record =
                    reader.bytes(reader.remaining().min(JOURNAL_PAYLOAD_BYTES_MAX), "snapshot record")?;
                Self::SnapshotCommitted { record: record.to_vec() }
            }
            SNAPSHOT_FORGOTTEN => {
                let id = SnapshotId::from_bytes(reader.array("forgotten snapshot")?);
                let by = text(&mut reader, "who forgot a snapshot")?;
                let reason = text(&mut reader, "why a snapshot was forgotten")?;
                Self::SnapshotForgotten { id, by, reason }
            }
            KEY_SLOT_ADDED => {
                let slot = SlotId(reader.array("added key slot")?);
                Self::KeySlotAdded { slot, hash: hash(&mut reader, "key slot hash")? }
            }
            KEY_SLOT_REMOVED => Self::KeySlotRemoved { slot: SlotId(reader.array("removed key slot")?) },
            found => return Err(EventError::NewerKind { found, known: KEY_SLOT_REMOVED }),
        };
        reader.finish()?;
        Ok(event)
    }
}

fn hash(reader: &mut Reader<'_>, what: &'static str) -> Result<blake3::Hash, Malformed> {
    reader.array(what).map(blake3::Hash::from_bytes)
}

fn text(reader: &mut Reader<'_>, what: &'static str) -> Result<String, Malformed> {
    let bytes = reader.counted(JOURNAL_TEXT_BYTES_MAX, what)?;
    String::from_utf8(bytes.to_vec()).map_err(|_| reader.malformed(what))
}

fn extents(reader: &mut Reader<'_>) -> Result<Vec<StoredExtent>, Malformed> {
    let mut extents: Vec<StoredExtent> = Vec::new();
    while reader.remaining() > 0 {
        let pack = PackId::from_bytes(reader.array("stored pack")?);
        let kind = reader.u16("stored kind")?;
        let kind = Kind::from_number(kind).ok_or(reader.malformed("stored kind"))?;
        let start = reader.u32("stored extent start")?;
        let summary = reader.u32("stored extent summary")?;
        let objects = reader.u32("stored extent objects")?;
        let hash = hash(reader, "stored extent hash")?;
        let extent = Extent::new(start, summary, objects, hash);
        let extent = extent.ok_or(reader.malformed("stored extent numbers"))?;
        if extents.iter().any(|earlier| earlier.pack == pack) {
            return Err(reader.malformed("stored pack named twice"));
        }
        extents.push(StoredExtent { pack, kind, extent });
    }
    match (1..=EXTENTS_PER_EVENT_MAX).contains(&extents.len()) {
        true => Ok(extents),
        false => Err(reader.malformed("stored extent count")),
    }
}
