//! The parameters of a repository: what every writer must do alike, so that equal files become equal objects.
//!
//! They are chosen when the repository is made and never change after. They hold no secret, and every key slot
//! remembers their hash, so that a swapped file is noticed. FORMAT.md, "Parameters".

use thiserror::Error;

use crate::envelope;
use crate::envelope::EnvelopeError;
use crate::envelope::Table;
use crate::id::RepositoryId;
use crate::key::READER_PUBLIC_BYTES;
use crate::key::ReaderPublic;
use crate::layout::Malformed;
use crate::layout::Reader;
use crate::layout::Writer;
use crate::limits::BUNDLE_BYTES_LEAST;
use crate::limits::BUNDLE_BYTES_MAX;
use crate::limits::CHUNK_BYTES_LEAST;
use crate::limits::PLAIN_BYTES_MAX;
use crate::time::Time;

pub use compression::Compression;

mod compression;
#[cfg(test)]
mod tests;

const TABLE: Table = Table { magic: *b"FKconf", name: "repository's parameters", body_bytes_max: 64 << 10 };
const NAME_BYTES_MAX: usize = 32;
const FASTCDC_KEYED: &[u8] = b"fastcdc-keyed";

/// What every writer of a repository does alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameters {
    /// Name of the repository.
    pub repository: RepositoryId,
    /// When the repository was made, by the clock of whoever made it.
    pub created: Time,
    /// How large files are cut.
    pub chunker: Chunker,
    /// Length in bytes of the aligned chunks of images and block devices.
    pub image_chunk_bytes: u32,
    /// Length in bytes that bundles of small files have on average.
    pub bundle_bytes_target: u32,
    /// How plaintexts are compressed.
    pub compression: Compression,
    /// Key to which the private parts of snapshots are sealed.
    pub reader_public: ReaderPublic,
}

/// How large files are cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Chunker {
    /// FastCDC (Xia et al., USENIX ATC 2016 and IEEE TPDS 2020) with a gear table derived from the domain secret.
    FastCdcKeyed {
        /// Fewest bytes of a chunk, the last of a file excepted.
        min: u32,
        /// Bytes of a chunk on average.
        average: u32,
        /// Most bytes of a chunk.
        max: u32,
    },
}

/// Why the bytes of a repository's parameters could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ParametersError {
    /// Foreign, damaged, newer or malformed.
    #[error(transparent)]
    Envelope(#[from] EnvelopeError),
    /// A part of the format is named that this program does not have.
    #[error("the repository uses the {role} {name:?}, which this program does not know")]
    Unknown {
        /// `chunker`, `compression` or `reader key`.
        role: &'static str,
        /// Its name in the parameters.
        name: String,
    },
}

impl From<Malformed> for ParametersError {
    fn from(malformed: Malformed) -> Self {
        Self::Envelope(malformed.into())
    }
}

impl Parameters {
    /// The file's bytes.
    pub fn encode(&self) -> Vec<u8> {
        let Chunker::FastCdcKeyed { min, average, max } = self.chunker;
        let mut body = Writer::new();
        body.bytes(self.repository.as_bytes()).i64(self.created.nanoseconds());
        body.counted(FASTCDC_KEYED).u32(min).u32(average).u32(max);
        body.u32(self.image_chunk_bytes).u32(self.bundle_bytes_target);
        body.counted(Compression::NAME);
        self.compression.encode(&mut body);
        body.counted(ReaderPublic::NAME).bytes(self.reader_public.as_bytes());
        envelope::wrap(&TABLE, body.as_bytes())
    }

    /// Reads the file's bytes.
    ///
    /// # Errors
    /// [`ParametersError`] says whether they are damaged, newer, or name something unknown.
    pub fn parse(bytes: &[u8]) -> Result<Self, ParametersError> {
        let mut reader = Reader::new(envelope::body(&TABLE, bytes)?);
        let repository = RepositoryId::from_bytes(reader.array("repository")?);
        let created = Time::from_nanoseconds(reader.i64("time of creation")?);
        expect_name(&mut reader, "chunker", FASTCDC_KEYED)?;
        let chunker = parse_fastcdc(&mut reader)?;
        let image_chunk_bytes =
            bounded(&mut reader, "image chunk length", BUNDLE_BYTES_LEAST, PLAIN_BYTES_MAX)?;
        let bundle_bytes_target =
            bounded(&mut reader, "bundle length", BUNDLE_BYTES_LEAST, BUNDLE_BYTES_MAX)?;
        expect_name(&mut reader, "compression", Compression::NAME)?;
        let compression = Compression::parse(&mut reader)?;
        expect_name(&mut reader, "reader key", ReaderPublic::NAME)?;
        let refused = reader.malformed("reader key");
        let key = reader.bytes(READER_PUBLIC_BYTES, "reader key")?;
        let reader_public = ReaderPublic::from_bytes(key).map_err(|_| refused)?;
        reader.finish()?;
        Ok(Self {
            repository,
            created,
            chunker,
            image_chunk_bytes,
            bundle_bytes_target,
            compression,
            reader_public,
        })
    }
}

fn parse_fastcdc(reader: &mut Reader<'_>) -> Result<Chunker, Malformed> {
    let broken = reader.malformed("chunk lengths");
    let [least_min, least_average, least_max] = CHUNK_BYTES_LEAST;
    let min = bounded(reader, "chunk lengths", least_min, PLAIN_BYTES_MAX)?;
    let average = bounded(reader, "chunk lengths", least_average, PLAIN_BYTES_MAX)?;
    let max = bounded(reader, "chunk lengths", least_max, PLAIN_BYTES_MAX)?;
    let rises = min <= average && average <= max;
    rises.then_some(Chunker::FastCdcKeyed { min, average, max }).ok_or(broken)
}

fn bounded(reader: &mut Reader<'_>, what: &'static str, least: usize, most: usize) -> Result<u32, Malformed> {
    let broken = reader.malformed(what);
    let number = reader.u32(what)?;
    let allowed = usize::try_from(number).is_ok_and(|number| (least..=most).contains(&number));
    allowed.then_some(number).ok_or(broken)
}

/// Names instead of numbers, so that a refusal can say what it is that this program lacks.
fn expect_name(reader: &mut Reader<'_>, role: &'static str, known: &[u8]) -> Result<(), ParametersError> {
    let name = reader.counted(NAME_BYTES_MAX, role)?;
    if name == known {
        return Ok(());
    }
    Err(ParametersError::Unknown { role, name: String::from_utf8_lossy(name).into_owned() })
}
