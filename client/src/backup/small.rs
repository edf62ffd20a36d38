//! Reading files: small ones in batches, large ones one by one.
//!
//! A file that changes while it is read is read once more; when it changes again, what was read is kept and the entry is
//! marked inconsistent.

use std::ops::Range;
use std::sync::Arc;

use farkeep_codec::id::ContentHash;
use farkeep_codec::key::DomainKeys;
use farkeep_codec::tree::Attribute;

use super::BackupError;
use super::buffers::Buffer;
use super::buffers::Buffers;
use super::catalogue::RowContent;
use super::chunks::ChunkStream;
use super::chunks::Cutting;
use super::objects::ObjectWriter;
use super::sealing::Chunks;
use crate::source::Contents;
use crate::source::Found;
use crate::source::ReadError;
use crate::source::Small;
use crate::source::SmallFiles;
use crate::source::Stat;
use crate::source::Steadiness;
use crate::source::attributes;

/// How often a file is read that changes meanwhile.
const READINGS_MAX: u32 = 2;

/// Small files that are read together.
#[derive(Default)]
pub(super) struct Batch {
    pub(super) ticket: u64,
    pub(super) files: Vec<Found>,
    pub(super) bytes: u64,
}

/// What became of a batch: one outcome for each file, in order.
pub(super) struct BatchDone {
    pub(super) ticket: u64,
    pub(super) buffer: Arc<Buffer>,
    pub(super) outcomes: Vec<Option<Outcome>>,
}

/// What became of one small file.
pub(super) enum Outcome {
    Read(SmallFile),
    /// It has holes, or grew: it is to be read as a large one.
    NotSmall,
    Failed(ReadError),
}

/// A small file that was read.
pub(super) struct SmallFile {
    /// Where its bytes lie in the batch's buffer.
    pub(super) range: Range<usize>,
    pub(super) hash: ContentHash,
    pub(super) read: ReadFile,
}

/// What is known of a file after it was read.
pub(super) struct ReadFile {
    pub(super) stat: Stat,
    pub(super) attributes: Vec<Attribute>,
    pub(super) inconsistent: bool,
}

/// Reads batches of small files.
pub(super) struct SmallReader {
    files: SmallFiles,
    buffers: Arc<Buffers>,
}

impl SmallReader {
    /// # Errors
    /// When the system has no way to read files in batches.
    pub(super) fn new(buffers: &Arc<Buffers>) -> Result<Self, BackupError> {
        let failed = |source| BackupError::Io { doing: "prepare to read files".to_owned(), source };
        Ok(Self { files: SmallFiles::new().map_err(failed)?, buffers: Arc::clone(buffers) })
    }

    /// Reads and hashes all files of a batch.
    pub(super) fn read(&mut self, batch: &Batch, keys: &DomainKeys) -> BatchDone {
        let mut buffer = self.buffers.take();
        let read = self.files.read(&batch.files, &mut buffer);
        let outcomes = read.into_iter().map(|small| Some(outcome(small, &buffer, keys))).collect();
        BatchDone { ticket: batch.ticket, buffer: self.buffers.share(buffer), outcomes }
    }
}

fn outcome(small: Small, buffer: &[u8], keys: &DomainKeys) -> Outcome {
    match small {
        Small::NotSmall => Outcome::NotSmall,
        Small::Failed(error) => Outcome::Failed(error),
        Small::Read(file) => {
            let contents =
                buffer.get(file.range.clone()).expect("the range lies in the buffer it was read into");
            let inconsistent = file.steadiness == Steadiness::Changed;
            let read = ReadFile { stat: file.stat, attributes: file.attributes, inconsistent };
            Outcome::Read(SmallFile { hash: keys.file_hash(contents), range: file.range, read })
        }
    }
}

/// A file whose contents are cut into chunks.
pub(super) struct LargeFile {
    pub(super) ticket: u64,
    pub(super) file: Found,
}

/// What became of a large file.
pub(super) struct LargeDone {
    pub(super) ticket: u64,
    pub(super) outcome: Result<Large, ReadError>,
}

/// A large file that was read and stored.
pub(super) struct Large {
    pub(super) hash: Option<ContentHash>,
    pub(super) content: RowContent,
    pub(super) read: ReadFile,
}

impl LargeFile {
    /// Reads, cuts and stores the file.
    pub(super) fn store(
        self,
        writer: &mut ObjectWriter<'_>,
        chunks: &Chunks,
    ) -> Result<LargeDone, BackupError> {
        let outcome = match self.file.open() {
            Ok(contents) => store_readings(contents, writer, chunks)?,
            Err(error) => Err(error),
        };
        Ok(LargeDone { ticket: self.ticket, outcome })
    }
}

/// The outer result is the repository's, the inner one the file's.
fn store_readings(
    mut contents: Contents,
    writer: &mut ObjectWriter<'_>,
    chunks: &Chunks,
) -> Result<Result<Large, ReadError>, BackupError> {
    for reading in 1.. {
        let mut stream = ChunkStream::new(writer, chunks, Cutting::ByContent);
        if let Err(error) = stream.read_all(&mut contents)? {
            return Ok(Err(error.into()));
        }
        let (hash, content) = stream.finish()?;
        let ended = contents.finish().and_then(|steadiness| {
            if steadiness == Steadiness::Changed && reading < READINGS_MAX {
                contents.begin_again()?;
                return Ok(None);
            }
            let attributes = attributes::of_open(&contents)?;
            let inconsistent = steadiness == Steadiness::Changed;
            Ok(Some(ReadFile { stat: *contents.stat(), attributes, inconsistent }))
        });
        match ended {
            Ok(Some(read)) => return Ok(Ok(Large { hash, content, read })),
            Ok(None) => {}
            Err(error) => return Ok(Err(error.into())),
        }
    }
    unreachable!("the last reading returns")
}
