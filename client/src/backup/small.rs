//! Reading files: small ones in batches, large ones one by one.
//!
//! A file that changes while it is read is read once more; when it changes again, what was read is kept and the entry is
//! marked inconsistent.

use std::io;
use std::ops::Range;
use std::sync::Arc;

use farkeep_codec::id::ContentHash;
use farkeep_codec::key::DomainKeys;
use farkeep_codec::limits::SMALL_FILE_BYTES_MAX;
use farkeep_codec::tree::Attribute;

use super::BackupError;
use super::catalogue::RowContent;
use super::chunks::ChunkStream;
use super::chunks::Cutting;
use super::objects::ObjectWriter;
use super::pool::Chunks;
use crate::source::Contents;
use crate::source::Found;
use crate::source::Piece;
use crate::source::ReadError;
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
    pub(super) buffer: Arc<Vec<u8>>,
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
pub(super) struct SmallReader;

impl SmallReader {
    pub(super) fn new() -> Self {
        Self
    }

    /// Reads and hashes all files of a batch.
    pub(super) fn read(&mut self, batch: &Batch, keys: &DomainKeys) -> BatchDone {
        let mut buffer = Vec::with_capacity(usize::try_from(batch.bytes).unwrap_or(0));
        let outcomes = batch.files.iter().map(|file| Some(read_small(file, &mut buffer, keys))).collect();
        BatchDone { ticket: batch.ticket, buffer: Arc::new(buffer), outcomes }
    }
}

fn read_small(file: &Found, buffer: &mut Vec<u8>, keys: &DomainKeys) -> Outcome {
    let start = buffer.len();
    match try_read_small(file, buffer) {
        Ok(Some(read)) => {
            let range = start..buffer.len();
            let hash = keys.file_hash(buffer.get(range.clone()).unwrap_or_default());
            Outcome::Read(SmallFile { range, hash, read })
        }
        Ok(None) => {
            buffer.truncate(start);
            Outcome::NotSmall
        }
        Err(error) => {
            buffer.truncate(start);
            Outcome::Failed(error)
        }
    }
}

/// Appends the file's bytes to the buffer. `None` when the file is not a small one.
fn try_read_small(file: &Found, buffer: &mut Vec<u8>) -> Result<Option<ReadFile>, ReadError> {
    let start = buffer.len();
    let mut contents = file.open()?;
    for reading in 1.. {
        let size = contents.stat().size;
        if size > SMALL_FILE_BYTES_MAX {
            return Ok(None);
        }
        let end = start + usize::try_from(size).expect("a small file has at most 128 KiB");
        buffer.resize(end, 0);
        if !fill(&mut contents, buffer, start)? {
            return Ok(None);
        }
        let steadiness = contents.finish()?;
        if steadiness == Steadiness::Steady || reading == READINGS_MAX {
            let inconsistent = steadiness == Steadiness::Changed;
            let attributes = attributes::of_open(&contents)?;
            return Ok(Some(ReadFile { stat: *contents.stat(), attributes, inconsistent }));
        }
        buffer.truncate(start);
        contents.begin_again()?;
    }
    unreachable!("the last reading returns")
}

/// Reads all data behind `start`; `false` when there is a hole. The buffer is cut where the file ended.
fn fill(contents: &mut Contents, buffer: &mut Vec<u8>, start: usize) -> io::Result<bool> {
    let mut filled = start;
    while filled < buffer.len() {
        match contents.read(buffer.get_mut(filled..).unwrap_or_default())? {
            Piece::Data { bytes } => filled += bytes,
            Piece::Hole(_) => return Ok(false),
            Piece::End => break,
        }
    }
    buffer.truncate(filled);
    Ok(true)
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
