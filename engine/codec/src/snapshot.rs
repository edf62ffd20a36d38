//! The record of a snapshot: what a server may know of it in plain, the rest sealed to the reader, all of it signed
//! by the agent.
//!
//! A record is named by the hash of its bytes and names the record before it, so that the records of a series form a
//! chain which nobody can reorder or thin out unseen. FORMAT.md, "Snapshot records".

use std::fmt;
use std::ops::Deref;

use thiserror::Error;
use zeroize::Zeroizing;

use crate::envelope;
use crate::envelope::EnvelopeError;
use crate::envelope::Table;
use crate::id::ObjectId;
use crate::id::RepositoryId;
use crate::id::SnapshotId;
use crate::key::AgentIdentity;
use crate::key::AgentPublic;
use crate::key::Forged;
use crate::key::ReaderPublic;
use crate::key::ReaderSecret;
use crate::key::SEALING_OVERHEAD_BYTES;
use crate::key::SIGNATURE_BYTES;
use crate::layout::Malformed;
use crate::layout::Reader;
use crate::layout::Writer;
use crate::limits::PRIVATE_BYTES_MAX;
use crate::limits::SERIES_BYTES_MAX;
use crate::object::Pointer;
use crate::time::Time;

pub use private::Counts;
pub use private::Private;
pub use private::PrivateError;
pub use private::TooLong;

mod private;
#[cfg(test)]
mod tests;

const BODY_BYTES_MAX: usize = SERIES_BYTES_MAX + PRIVATE_BYTES_MAX + (4 << 10);
const TABLE: Table = Table { magic: *b"FKsnap", name: "snapshot record", body_bytes_max: BODY_BYTES_MAX };
const PURPOSE: &[u8] = b"farkeep 1 snapshot private";
const COMPLETE: u8 = 0;
const PARTIAL: u8 = 1;

/// What a series of snapshots is of: a host and a job, by default.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Series(String);

/// A text that cannot name a series.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("the name of a series has 1 to {SERIES_BYTES_MAX} bytes and no control characters: {text:?}")]
pub struct NotASeries {
    /// The text as it was given.
    pub text: String,
}

impl Series {
    /// The series with this name.
    ///
    /// # Errors
    /// [`NotASeries`] when the name is empty, too long, or would upset a terminal.
    pub fn new(text: impl Into<String>) -> Result<Self, NotASeries> {
        let text = text.into();
        let allowed = (1..=SERIES_BYTES_MAX).contains(&text.len()) && !text.chars().any(char::is_control);
        if allowed { Ok(Self(text)) } else { Err(NotASeries { text }) }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Series {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether a snapshot holds everything that it was to hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Everything was read.
    Complete,
    /// Some of the source could not be read.
    Partial {
        /// Number of entries that are missing or doubtful.
        unreadable: u64,
    },
}

/// What stands plain in a record, before it is signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// Repository that the record belongs to.
    pub repository: RepositoryId,
    /// Series that the snapshot continues.
    pub series: Series,
    /// Place in the series, counted from 0.
    pub sequence: u64,
    /// Record before this one in the series.
    pub previous: Option<SnapshotId>,
    /// When the capture began, by the agent's clock.
    pub captured: Time,
    /// Whether everything was read.
    pub status: Status,
    /// Root of the tree.
    pub root: ObjectId,
    /// Number of entries in the tree.
    pub entries: u64,
    /// Sum in bytes of the lengths of the files in the tree.
    pub bytes: u64,
}

/// A signed record. Its plain part reads as a [`Draft`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    plain: Draft,
    agent: AgentPublic,
    sealed: Vec<u8>,
    signature: [u8; SIGNATURE_BYTES],
}

impl Snapshot {
    /// Seals `private` to the reader, and signs the whole.
    ///
    /// # Errors
    /// [`TooLong`] when a part of `private` exceeds the limits of the format.
    pub fn sign(
        plain: Draft,
        private: &Private,
        reader: &ReaderPublic,
        agent: &AgentIdentity,
        random: impl FnMut(&mut [u8]),
    ) -> Result<Self, TooLong> {
        let text = Zeroizing::new(private.encode()?);
        let bound = plain_part(&plain, &agent.public());
        let sealed = reader.seal(&context(plain.repository), &bound, &text, random);
        let mut snapshot = Self { plain, agent: agent.public(), sealed, signature: [0; SIGNATURE_BYTES] };
        snapshot.signature = agent.sign(&snapshot.signed_part());
        Ok(snapshot)
    }

    /// The record's bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = self.signed_part();
        bytes.extend_from_slice(&self.signature);
        envelope::close(bytes)
    }

    /// Reads a record. Whether its signature holds, [`verify`](Self::verify) says.
    ///
    /// # Errors
    /// [`EnvelopeError`] says whether the bytes are foreign, damaged, newer or malformed.
    pub fn parse(bytes: &[u8]) -> Result<Self, EnvelopeError> {
        let mut reader = Reader::new(envelope::body(&TABLE, bytes)?);
        let plain = parse_plain(&mut reader)?;
        let agent = AgentPublic::from_bytes(reader.array("agent of a snapshot")?);
        let longest = PRIVATE_BYTES_MAX + SEALING_OVERHEAD_BYTES;
        let sealed = reader.counted(longest, "private part of a snapshot")?.to_vec();
        let signature = reader.array("signature of a snapshot")?;
        reader.finish()?;
        Ok(Self { plain, agent, sealed, signature })
    }

    /// Name of the record: BLAKE3 of its bytes.
    pub fn id(&self) -> SnapshotId {
        SnapshotId::from_bytes(*blake3::hash(&self.encode()).as_bytes())
    }

    /// Agent that signed the record, or pretends to have.
    pub fn agent(&self) -> &AgentPublic {
        &self.agent
    }

    /// Whether the agent named in the record signed all of it.
    ///
    /// # Errors
    /// [`Forged`] if not.
    pub fn verify(&self) -> Result<(), Forged> {
        self.agent.verify(&self.signed_part(), &self.signature)
    }

    /// Opens the private part.
    ///
    /// # Errors
    /// [`PrivateError`] says whether the key is wrong or the part is newer or malformed.
    pub fn open(&self, reader: &ReaderSecret) -> Result<Private, PrivateError> {
        let bound = plain_part(&self.plain, &self.agent);
        let text = Zeroizing::new(reader.open(&context(self.plain.repository), &bound, &self.sealed)?);
        Private::decode(&text)
    }

    /// Pointer to the root of the tree, for those who could open the private part.
    pub fn root_pointer(&self, private: &Private) -> Pointer {
        Pointer {
            id: self.plain.root,
            seed: private.root_seed,
            plain_bytes: private.root_bytes,
            epoch: private.epoch,
        }
    }

    /// Everything before the signature.
    fn signed_part(&self) -> Vec<u8> {
        let mut body = Writer::onto(plain_part(&self.plain, &self.agent));
        body.counted(&self.sealed);
        let front = envelope::front(&TABLE, body.len() + SIGNATURE_BYTES);
        [&front, body.as_bytes()].concat()
    }
}

impl Deref for Snapshot {
    type Target = Draft;

    fn deref(&self) -> &Draft {
        &self.plain
    }
}

/// What sealing is for, so that nothing sealed for another repository or purpose opens here.
fn context(repository: RepositoryId) -> Vec<u8> {
    [repository.as_bytes().as_slice(), PURPOSE].concat()
}

/// The body up to the sealed part, which binds it.
fn plain_part(plain: &Draft, agent: &AgentPublic) -> Vec<u8> {
    let mut body = Writer::new();
    body.bytes(plain.repository.as_bytes()).counted(plain.series.as_str().as_bytes()).u64(plain.sequence);
    match &plain.previous {
        None => body.u8(0),
        Some(previous) => body.u8(1).bytes(previous.as_bytes()),
    };
    body.i64(plain.captured.nanoseconds());
    match plain.status {
        Status::Complete => body.u8(COMPLETE),
        Status::Partial { unreadable } => body.u8(PARTIAL).u64(unreadable),
    };
    body.bytes(plain.root.as_bytes()).u64(plain.entries).u64(plain.bytes).bytes(agent.as_bytes());
    body.into_bytes()
}

fn parse_plain(reader: &mut Reader<'_>) -> Result<Draft, Malformed> {
    Ok(Draft {
        repository: RepositoryId::from_bytes(reader.array("repository of a snapshot")?),
        series: parse_series(reader)?,
        sequence: reader.u64("sequence of a snapshot")?,
        previous: parse_previous(reader)?,
        captured: Time::from_nanoseconds(reader.i64("time of a snapshot")?),
        status: parse_status(reader)?,
        root: ObjectId::from_bytes(reader.array("root of a snapshot")?),
        entries: reader.u64("entries of a snapshot")?,
        bytes: reader.u64("bytes of a snapshot")?,
    })
}

fn parse_series(reader: &mut Reader<'_>) -> Result<Series, Malformed> {
    let unfit = reader.malformed("series of a snapshot");
    let name = reader.counted(SERIES_BYTES_MAX, "series of a snapshot")?;
    let name = str::from_utf8(name).map_err(|_| unfit.clone())?;
    Series::new(name).map_err(|_| unfit)
}

fn parse_previous(reader: &mut Reader<'_>) -> Result<Option<SnapshotId>, Malformed> {
    let neither = reader.malformed("previous snapshot");
    match reader.u8("previous snapshot")? {
        0 => Ok(None),
        1 => reader.array("previous snapshot").map(SnapshotId::from_bytes).map(Some),
        _ => Err(neither),
    }
}

fn parse_status(reader: &mut Reader<'_>) -> Result<Status, Malformed> {
    let unknown = reader.malformed("status of a snapshot");
    match reader.u8("status of a snapshot")? {
        COMPLETE => Ok(Status::Complete),
        PARTIAL => reader.u64("status of a snapshot").map(|unreadable| Status::Partial { unreadable }),
        _ => Err(unknown),
    }
}
