//! One record of the journal ([`Record`]), and the chain that binds it to all before ([`Position`]).

use std::fmt;

use farkeep_codec::layout::Malformed;
use farkeep_codec::layout::Reader;
use farkeep_codec::layout::Writer;
use farkeep_codec::time::Time;

use super::event::Event;
use super::event::EventError;
use crate::limits::JOURNAL_PAYLOAD_BYTES_MAX;

const MAGIC: [u8; 4] = *b"FKjr";
/// Bytes before the payload.
pub(crate) const HEADER_BYTES: usize = 4 + 4 + 8 + 8 + 2 + 2 + 32;
/// Bytes behind the payload.
pub(crate) const CHAIN_BYTES: usize = 32;

/// Hash of a record, in which the hash of the record before it stands: it names the whole history up to there.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ChainHash(blake3::Hash);

impl ChainHash {
    /// What stands in the place of a hash before the first record.
    pub const GENESIS: Self = Self(blake3::Hash::from_bytes([0; 32]));

    /// The hash made of these bytes.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(blake3::Hash::from_bytes(bytes))
    }

    /// The bytes of the hash.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }
}

impl fmt::Display for ChainHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for ChainHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ChainHash({:.8})", self.to_string())
    }
}

/// A place in the history of a repository: the last record that belongs to it. Who remembers one notices a repository
/// that was rolled back or forked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// Number of the record, from 1 without a gap; 0 before the first.
    pub sequence: u64,
    /// Its hash.
    pub chain: ChainHash,
}

impl Position {
    /// Before the first record.
    pub const GENESIS: Self = Self { sequence: 0, chain: ChainHash::GENESIS };
}

/// An event in its place in the history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) position: Position,
    /// When the store received it. Never before the record before.
    pub(crate) time: Time,
    pub(crate) event: Event,
}

impl Record {
    /// Appends the bytes of the record that follows `previous`; returns its position.
    pub(crate) fn write(previous: &Position, time: Time, event: &Event, into: &mut Writer) -> Position {
        let start = into.len();
        let payload = event.encode();
        let sequence = previous.sequence + 1;
        let bytes = u32::try_from(payload.len()).expect("the limit of a payload fits 32 bits");
        into.bytes(&MAGIC).u32(bytes).u64(sequence).i64(time.nanoseconds()).u16(event.kind()).u16(0);
        into.bytes(previous.chain.as_bytes()).bytes(&payload);
        let chain = ChainHash(blake3::hash(&into.as_bytes()[start..]));
        into.bytes(chain.as_bytes());
        Position { sequence, chain }
    }

    /// Bytes of the whole record whose first [`HEADER_BYTES`] are given.
    pub(crate) fn length(header: &[u8]) -> Result<usize, Malformed> {
        let mut reader = Reader::new(header);
        if reader.array("journal record magic")? != MAGIC {
            return Err(Malformed { what: "journal record magic", offset: 0 });
        }
        let payload = reader.u32("journal record length")? as usize;
        if payload > JOURNAL_PAYLOAD_BYTES_MAX {
            return Err(Malformed { what: "journal record length", offset: 4 });
        }
        Ok(HEADER_BYTES + payload + CHAIN_BYTES)
    }

    /// Reads the record that follows `previous` at a time not before `earliest`. `bytes` are as many as
    /// [`length`](Self::length) says.
    pub(crate) fn parse(bytes: &[u8], previous: &Position, earliest: Time) -> Result<Self, EventError> {
        let broken = Malformed { what: "journal record", offset: 0 };
        let (hashed, chain) = bytes.split_last_chunk::<CHAIN_BYTES>().ok_or(broken)?;
        let chain = ChainHash::from_bytes(*chain);
        if ChainHash(blake3::hash(hashed)) != chain {
            return Err(Malformed { what: "journal record hash", offset: hashed.len() }.into());
        }
        let mut reader = Reader::new(hashed);
        let payload_bytes = Self::length(reader.bytes(8, "journal record")?)? - HEADER_BYTES - CHAIN_BYTES;
        let sequence = reader.u64("journal record sequence")?;
        let time = Time::from_nanoseconds(reader.i64("journal record time")?);
        let kind = reader.u16("journal record kind")?;
        let reserved = reader.u16("journal record reserved")?;
        let link = ChainHash::from_bytes(reader.array("journal record previous hash")?);
        if sequence != previous.sequence + 1 || link != previous.chain || reserved != 0 || time < earliest {
            return Err(reader.malformed("journal record of another place").into());
        }
        let payload = reader.bytes(payload_bytes, "journal record payload")?;
        reader.finish()?;
        let event = Event::parse(kind, payload)?;
        Ok(Self { position: Position { sequence, chain }, time, event })
    }
}
