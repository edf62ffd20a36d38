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
use farkeep_codec::time::Time;
use thiserror::Error;

use super::JournalError;
use crate::limits::JOURNAL_PAYLOAD_BYTES_MAX;
use crate::limits::JOURNAL_TEXT_BYTES_MAX;
use crate::limits::PURGED_PER_EVENT_MAX;
use crate::limits::SNAPSHOT_TOKENS_MAX;

pub use settings::Settings;
pub(crate) use stored::StoredExtent;
pub(crate) use struck::Struck;

mod settings;
mod stored;
mod struck;

#[cfg(test)]
pub(super) mod tests;

const REPOSITORY_CREATED: u16 = 1;
const STORED: u16 = 2;
const SNAPSHOT_COMMITTED: u16 = 3;
const SNAPSHOT_FORGOTTEN: u16 = 4;
const KEY_SLOT_ADDED: u16 = 5;
const KEY_SLOT_REMOVED: u16 = 6;
const SETTINGS_CHANGED: u16 = 8;
const SNAPSHOT_HELD: u16 = 9;
const SNAPSHOT_RECOVERED: u16 = 10;
const COLLECTION_BEGUN: u16 = 11;
const CONDEMNED: u16 = 12;
const REMOVED: u16 = 13;
const QUARANTINED: u16 = 14;
const STORED_WITH_PARITY: u16 = 15;
const SNAPSHOT_REPLACED: u16 = 16;
const SNAPSHOT_MARKED: u16 = 17;
const DELETIONS_FROZEN: u16 = 18;
const COLLECTED: u16 = 19;
/// The highest kind.
const KNOWN: u16 = COLLECTED;

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
    /// From here on other settings hold. They are whole, not a change of some.
    SettingsChanged {
        /// The settings.
        settings: Settings,
        /// Who said so.
        by: String,
    },
    /// Nobody may purge a snapshot until then.
    SnapshotHeld {
        /// Which.
        id: SnapshotId,
        /// Later than every hold that it had.
        until: Time,
        /// Who said so.
        by: String,
        /// And why.
        reason: String,
    },
    /// A forgotten snapshot is on the list again.
    SnapshotRecovered {
        /// Which.
        id: SnapshotId,
        /// Who said so.
        by: String,
        /// And why.
        reason: String,
    },
    /// A collection begins. What it purges can be restored no more.
    CollectionBegun {
        /// Of the collection: one more than that of the one before.
        number: u64,
        /// What was stored behind the record with this sequence stays, whether anything refers to it or not.
        young: u64,
        /// Forgotten snapshots that keep nothing any more, in the order of their ids.
        purged: Vec<SnapshotId>,
    },
    /// Packs were chosen for removal, and are readable still. Who comes from here on does not count on them.
    Condemned {
        /// Of the collection.
        number: u64,
        /// Packs that are going to be removed.
        packs: u32,
        /// Objects that are.
        objects: u64,
        /// Bytes that will be free.
        bytes: u64,
    },
    /// Packs and nodes are gone.
    Removed {
        /// Of the collection.
        number: u64,
        /// Packs that are gone as a whole, in the order of their ids.
        packs: Vec<PackId>,
        /// Nodes that are gone from packs that stay.
        dead: Vec<Struck>,
    },
    /// A collection has done everything that there was to do.
    Collected {
        /// Of the collection.
        number: u64,
        /// Dead bytes of data that it was allowed to leave, in thousandths of the live ones.
        garbage_thousandths: u16,
    },
    /// Objects are damaged, and not there until they are stored again.
    Quarantined {
        /// Their records.
        damaged: Vec<Struck>,
        /// Who found out.
        by: String,
    },
    /// A snapshot was written anew, and the new record stands in the place of the old one.
    SnapshotReplaced {
        /// The old one, which is forgotten by this.
        old: SnapshotId,
        /// The bytes of the new record.
        record: Vec<u8>,
    },
    /// What the store may know of the tags of a snapshot.
    SnapshotMarked {
        /// Which.
        id: SnapshotId,
        /// One for each tag, in ascending order.
        tokens: Vec<[u8; 8]>,
    },
    /// Nothing is deleted from here on, or it is again.
    DeletionsFrozen {
        /// Whether the clock is believed.
        clock: ClockTrust,
        /// What it shows.
        shown: Time,
        /// What it should have shown.
        expected: Time,
        /// Who found out.
        by: String,
    },
}

/// Whether the clock of a repository is believed, as far as deletions depend on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ClockTrust {
    /// It moved in a way that clocks do not.
    Frozen,
    /// It is right.
    Thawed,
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
    #[error("settings of format {found}, this program knows {known} and below")]
    NewerSettings { found: u16, known: u16 },
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
            Self::NewerSettings { found, known } => {
                JournalError::NewerFormat { what: "the format of the settings", found, known }
            }
        }
    }
}

impl Event {
    /// The number by which the format names the kind of the event.
    pub(crate) fn kind(&self) -> u16 {
        match self {
            Self::RepositoryCreated { .. } => REPOSITORY_CREATED,
            Self::Stored { extents } if extents.iter().any(|stored| stored.extent.parity.is_some()) => {
                STORED_WITH_PARITY
            }
            Self::Stored { .. } => STORED,
            Self::SnapshotCommitted { .. } => SNAPSHOT_COMMITTED,
            Self::SnapshotForgotten { .. } => SNAPSHOT_FORGOTTEN,
            Self::KeySlotAdded { .. } => KEY_SLOT_ADDED,
            Self::KeySlotRemoved { .. } => KEY_SLOT_REMOVED,
            Self::SettingsChanged { .. } => SETTINGS_CHANGED,
            Self::SnapshotHeld { .. } => SNAPSHOT_HELD,
            Self::SnapshotRecovered { .. } => SNAPSHOT_RECOVERED,
            Self::CollectionBegun { .. } => COLLECTION_BEGUN,
            Self::Condemned { .. } => CONDEMNED,
            Self::Removed { .. } => REMOVED,
            Self::Collected { .. } => COLLECTED,
            Self::Quarantined { .. } => QUARANTINED,
            Self::SnapshotReplaced { .. } => SNAPSHOT_REPLACED,
            Self::SnapshotMarked { .. } => SNAPSHOT_MARKED,
            Self::DeletionsFrozen { .. } => DELETIONS_FROZEN,
        }
    }

    /// Whether it is about what is deleted or kept, and makes nothing grow but the journal.
    pub(crate) fn is_of_deletions(&self) -> bool {
        matches!(
            self,
            Self::SnapshotForgotten { .. }
                | Self::SnapshotHeld { .. }
                | Self::SnapshotRecovered { .. }
                | Self::CollectionBegun { .. }
                | Self::Condemned { .. }
                | Self::Removed { .. }
                | Self::Quarantined { .. }
                | Self::DeletionsFrozen { .. }
        )
    }

    /// The payload.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        match self {
            Self::RepositoryCreated { parameters } => {
                writer.bytes(parameters.as_bytes());
            }
            Self::Stored { extents } => {
                stored::write(extents, self.kind() == STORED_WITH_PARITY, &mut writer);
            }
            Self::SnapshotCommitted { record } => {
                writer.bytes(record);
            }
            Self::SnapshotForgotten { id, by, reason } | Self::SnapshotRecovered { id, by, reason } => {
                writer.bytes(id.as_bytes()).counted(by.as_bytes()).counted(reason.as_bytes());
            }
            Self::KeySlotAdded { slot, hash } => {
                writer.bytes(slot.as_bytes()).bytes(hash.as_bytes());
            }
            Self::KeySlotRemoved { slot } => {
                writer.bytes(slot.as_bytes());
            }
            Self::SettingsChanged { settings, by } => {
                settings.write(&mut writer);
                writer.counted(by.as_bytes());
            }
            Self::SnapshotHeld { id, until, by, reason } => {
                writer.bytes(id.as_bytes()).i64(until.nanoseconds());
                writer.counted(by.as_bytes()).counted(reason.as_bytes());
            }
            Self::CollectionBegun { number, young, purged } => {
                writer.u64(*number).u64(*young).count(purged.len());
                for id in purged {
                    writer.bytes(id.as_bytes());
                }
            }
            Self::Condemned { number, packs, objects, bytes } => {
                writer.u64(*number).u32(*packs).u64(*objects).u64(*bytes);
            }
            Self::Collected { number, garbage_thousandths } => {
                writer.u64(*number).u16(*garbage_thousandths);
            }
            Self::Removed { number, packs, dead } => {
                writer.u64(*number).count(packs.len());
                for id in packs {
                    writer.bytes(id.as_bytes());
                }
                struck::write(dead, &mut writer);
            }
            Self::Quarantined { damaged, by } => {
                struck::write(damaged, &mut writer);
                writer.counted(by.as_bytes());
            }
            Self::SnapshotReplaced { old, record } => {
                writer.bytes(old.as_bytes()).bytes(record);
            }
            Self::SnapshotMarked { id, tokens } => {
                writer.bytes(id.as_bytes()).count(tokens.len());
                for token in tokens {
                    writer.bytes(token);
                }
            }
            Self::DeletionsFrozen { clock, shown, expected, by } => {
                let clock = if *clock == ClockTrust::Frozen { 1 } else { 2 };
                writer.u8(clock).i64(shown.nanoseconds()).i64(expected.nanoseconds());
                writer.counted(by.as_bytes());
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
            STORED => Self::Stored { extents: stored::read(&mut reader)? },
            STORED_WITH_PARITY => Self::Stored { extents: stored::read_with_parity(&mut reader)? },
            SNAPSHOT_COMMITTED => Self::SnapshotCommitted { record: record(&mut reader)? },
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
            SETTINGS_CHANGED => {
                let settings = Settings::read(&mut reader)?;
                Self::SettingsChanged { settings, by: text(&mut reader, "who changed the settings")? }
            }
            SNAPSHOT_HELD | SNAPSHOT_RECOVERED | SNAPSHOT_REPLACED | SNAPSHOT_MARKED => {
                Self::parse_of_snapshot(kind, &mut reader)?
            }
            COLLECTION_BEGUN | CONDEMNED | REMOVED | QUARANTINED | COLLECTED => {
                Self::parse_of_collection(kind, &mut reader)?
            }
            DELETIONS_FROZEN => Self::DeletionsFrozen {
                clock: clock_trust(&mut reader)?,
                shown: time(&mut reader, "what a clock showed")?,
                expected: time(&mut reader, "what a clock should have shown")?,
                by: text(&mut reader, "who looked at a clock")?,
            },
            found => return Err(EventError::NewerKind { found, known: KNOWN }),
        };
        reader.finish()?;
        Ok(event)
    }

    /// Those that are about one snapshot, whose id comes first.
    fn parse_of_snapshot(kind: u16, reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let id = SnapshotId::from_bytes(reader.array("snapshot")?);
        Ok(match kind {
            SNAPSHOT_HELD => {
                let until = time(reader, "end of a hold")?;
                let by = text(reader, "who held a snapshot")?;
                Self::SnapshotHeld { id, until, by, reason: text(reader, "why a snapshot was held")? }
            }
            SNAPSHOT_RECOVERED => {
                let by = text(reader, "who recovered a snapshot")?;
                Self::SnapshotRecovered { id, by, reason: text(reader, "why a snapshot was recovered")? }
            }
            SNAPSHOT_REPLACED => Self::SnapshotReplaced { old: id, record: record(reader)? },
            _ => {
                Self::SnapshotMarked { id, tokens: ascending(reader, SNAPSHOT_TOKENS_MAX, "token of a tag")? }
            }
        })
    }

    /// Those that are about what is not there any more.
    fn parse_of_collection(kind: u16, reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        if kind == QUARANTINED {
            let damaged = struck::read(reader)?;
            if damaged.is_empty() {
                return Err(reader.malformed("quarantine of nothing"));
            }
            return Ok(Self::Quarantined { damaged, by: text(reader, "who found damage")? });
        }
        let number = reader.u64("number of a collection")?;
        Ok(match kind {
            COLLECTION_BEGUN => {
                let young = reader.u64("what a collection leaves alone")?;
                let purged = ascending(reader, PURGED_PER_EVENT_MAX, "purged snapshot")?;
                let purged = purged.into_iter().map(SnapshotId::from_bytes).collect();
                Self::CollectionBegun { number, young, purged }
            }
            CONDEMNED => Self::Condemned {
                number,
                packs: reader.u32("condemned packs")?,
                objects: reader.u64("condemned objects")?,
                bytes: reader.u64("condemned bytes")?,
            },
            COLLECTED => {
                Self::Collected { number, garbage_thousandths: reader.u16("garbage of a collection")? }
            }
            _ => {
                let packs = ascending(reader, JOURNAL_PAYLOAD_BYTES_MAX, "removed pack")?;
                let packs: Vec<PackId> = packs.into_iter().map(PackId::from_bytes).collect();
                let dead = struck::read(reader)?;
                if packs.is_empty() && dead.is_empty() {
                    return Err(reader.malformed("removal of nothing"));
                }
                Self::Removed { number, packs, dead }
            }
        })
    }
}

fn hash(reader: &mut Reader<'_>, what: &'static str) -> Result<blake3::Hash, Malformed> {
    reader.array(what).map(blake3::Hash::from_bytes)
}

fn time(reader: &mut Reader<'_>, what: &'static str) -> Result<Time, Malformed> {
    reader.i64(what).map(Time::from_nanoseconds)
}

fn text(reader: &mut Reader<'_>, what: &'static str) -> Result<String, Malformed> {
    let bytes = reader.counted(JOURNAL_TEXT_BYTES_MAX, what)?;
    String::from_utf8(bytes.to_vec()).map_err(|_| reader.malformed(what))
}

/// The rest, which is a snapshot record.
fn record(reader: &mut Reader<'_>) -> Result<Vec<u8>, Malformed> {
    let bytes = reader.remaining().min(JOURNAL_PAYLOAD_BYTES_MAX);
    reader.bytes(bytes, "snapshot record").map(<[u8]>::to_vec)
}

fn clock_trust(reader: &mut Reader<'_>) -> Result<ClockTrust, Malformed> {
    let unknown = reader.malformed("trust in a clock");
    match reader.u8("trust in a clock")? {
        1 => Ok(ClockTrust::Frozen),
        2 => Ok(ClockTrust::Thawed),
        _ => Err(unknown),
    }
}

/// A count and so many arrays, each greater than the one before: a set has one encoding, and nothing stands in it twice.
fn ascending<const N: usize>(
    reader: &mut Reader<'_>,
    limit: usize,
    what: &'static str,
) -> Result<Vec<[u8; N]>, Malformed> {
    let mut arrays: Vec<[u8; N]> = Vec::new();
    for _ in 0..reader.count(limit, what)? {
        let disorder = reader.malformed(what);
        let array = reader.array(what)?;
        if arrays.last().is_some_and(|last| *last >= array) {
            return Err(disorder);
        }
        arrays.push(array);
    }
    Ok(arrays)
}
