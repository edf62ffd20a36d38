//! What each segment of the journal must hold, as the chain proves it ([`prove`]), and writing that again where it is not so
//! ([`mend`]).

use std::path::PathBuf;

use farkeep_codec::id::RepositoryId;

use super::JournalError;
use super::replay::Replayed;
use super::replay::Scan;
use super::segment::SegmentHeader;
use super::side::Side;
use crate::disk::Disk;
use crate::disk::DiskError;
use crate::disk::Mode;

const READ_BYTES: usize = 64 << 10;

/// What a segment must hold.
pub(crate) struct Proven {
    number: u64,
    bytes: Vec<u8>,
    /// Whether others follow, so that it ends with these bytes.
    is_full: bool,
}

/// A segment that does not say what it must.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Differing {
    /// Relative to the repository.
    pub(crate) path: PathBuf,
    /// The first byte that is not so, or is not there; as far as one can tell.
    pub(crate) offset: u64,
}

impl Proven {
    /// Compares one side with it. What cannot be read differs.
    pub(crate) fn compare(&self, disk: &dyn Disk, side: Side) -> Result<Option<Differing>, DiskError> {
        let path = side.path(self.number);
        let file = match disk.open(&path, Mode::Read) {
            Err(DiskError::NotFound { .. }) => return Ok(Some(Differing { path, offset: 0 })),
            file => file?,
        };
        let mut offset = 0;
        let mut buffer = vec![0; READ_BYTES];
        for wanted in self.bytes.chunks(READ_BYTES) {
            let found = &mut buffer[..wanted.len()];
            let read = file.read_at(offset, found).unwrap_or(0);
            let same = found[..read].iter().zip(wanted).take_while(|(found, wanted)| found == wanted).count();
            offset += same as u64;
            if same < wanted.len() {
                return Ok(Some(Differing { path, offset }));
            }
        }
        let is_longer = self.is_full && file.len()? > offset;
        Ok(is_longer.then_some(Differing { path, offset }))
    }
}

/// Shows what each segment must hold up to `end`, one after the other, reading every record of the whole journal from the
/// side on which it is intact.
///
/// # Errors
/// [`JournalError::Damaged`] if a record is so on neither.
pub(crate) fn prove(
    disk: &dyn Disk,
    repository: RepositoryId,
    end: &Replayed,
    show: &mut dyn FnMut(&Proven) -> Result<(), JournalError>,
) -> Result<(), JournalError> {
    let mut scan = Scan::begin(disk, repository, Replayed::GENESIS);
    let header = |number, previous| SegmentHeader { repository, number, previous }.encode();
    let mut proven: Option<Proven> = None;
    while scan.at().position.sequence < end.position.sequence {
        let previous = scan.at().position;
        let number = scan.acknowledged()?.payload.segment;
        if let Some(full) = proven.take_if(|proven| proven.number != number) {
            show(&Proven { is_full: true, ..full })?;
        }
        let segment = proven.get_or_insert_with(|| {
            let bytes = header(number, previous);
            Proven { number, bytes, is_full: false }
        });
        segment.bytes.extend_from_slice(scan.record());
    }
    proven.map_or(Ok(()), |last| show(&last))
}

/// Writes the segments of one side again that do not say what they must. Returns how many.
///
/// # Errors
/// If something is intact on neither side, or cannot be written. Each segment is then as it was, or as it must be.
pub(super) fn mend(
    disk: &dyn Disk,
    repository: RepositoryId,
    end: &Replayed,
    side: Side,
) -> Result<u64, JournalError> {
    let mut count = 0;
    prove(disk, repository, end, &mut |segment| {
        if let Some(Differing { path, offset }) = segment.compare(disk, side)? {
            disk.replace(&path, &segment.bytes)?;
            tracing::warn!(path = %path.display(), offset, "a segment of the journal was written again");
            count += 1;
        }
        Ok(())
    })?;
    Ok(count)
}
