//! Reads many small files at a time: [`SmallFiles`].
//!
//! The engine's batch reader has many reads under way at once. What it yields is taken if the file is still, in every
//! respect, what was listed: then what the walk learned about it holds, and nothing has to be asked again. Every other
//! case, which is rare, goes the long way of [`Contents`], one file at a time.

use std::io;
use std::ops::Range;
use std::os::fd::AsFd;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use farkeep_codec::limits::SMALL_FILE_BYTES_MAX;
use farkeep_codec::tree::Attribute;
use farkeep_engine::disk::Backend;
use farkeep_engine::disk::fetch::Fetched;
use farkeep_engine::disk::fetch::Fetcher;
use farkeep_engine::disk::fetch::Identity;
use farkeep_engine::disk::fetch::Request;

use crate::source::Contents;
use crate::source::Found;
use crate::source::Kind;
use crate::source::Piece;
use crate::source::ReadError;
use crate::source::Stat;
use crate::source::Steadiness;
use crate::source::attributes;

#[cfg(test)]
mod tests;

/// Reads batches of small files; one for each thread.
pub struct SmallFiles {
    fetcher: Fetcher,
}

/// What became of one file of a batch.
#[derive(Debug)]
pub enum Small {
    /// It was read.
    Read(SmallFile),
    /// It has holes, or is longer than a small file by now: to be read by [`Contents`].
    NotSmall,
    /// It could not be read.
    Failed(ReadError),
}

/// A small file that was read.
#[derive(Debug)]
pub struct SmallFile {
    /// Where its contents lie in the buffer.
    pub range: Range<usize>,
    /// What the system said about it when it was read.
    pub stat: Stat,
    /// Its extended attributes, sorted by name.
    pub attributes: Vec<Attribute>,
    /// Whether it stayed as it was while it was read, at the second attempt if not at the first.
    pub steadiness: Steadiness,
}

/// How often a file is read that changes meanwhile.
const READINGS_MAX: u32 = 2;

impl SmallFiles {
    /// A reader that uses io_uring where it works, and plain calls elsewhere.
    ///
    /// # Errors
    /// If neither can be had.
    pub fn new() -> io::Result<Self> {
        Ok(Self { fetcher: Fetcher::new(Backend::Auto)? })
    }

    /// Reads regular files of at most [`SMALL_FILE_BYTES_MAX`] bytes. The results are in the order of the files, their
    /// contents in `into`, which is made longer where it is too short; what it held before is overwritten.
    pub fn read(&mut self, files: &[Found], into: &mut Vec<u8>) -> Vec<Small> {
        let folders: Vec<Option<Arc<OwnedFd>>> = files.iter().map(batch_folder).collect();
        let in_batch =
            || files.iter().zip(&folders).filter_map(|(file, folder)| Some((file, folder.as_ref()?)));
        let requests: Vec<Request<'_>> = in_batch().map(|(file, folder)| request(file, folder)).collect();
        let bytes = requests.iter().map(Request::room_bytes).sum();
        if into.len() < bytes {
            into.resize(bytes, 0);
        }
        let mut fetched = self.fetcher.fetch(&requests, into).into_iter();
        let mut end = bytes;
        let outcomes = files.iter().zip(&folders).map(|(file, folder)| {
            let fetched = folder.as_ref().and_then(|_| fetched.next()).and_then(Result::ok);
            match fetched.filter(|fetched| is_listed(&fetched.identity, &file.stat)) {
                Some(fetched) => take(file, fetched),
                None => read_alone(file, into, &mut end),
            }
        });
        outcomes.collect()
    }
}

/// The folder of a file that the batch can read.
fn batch_folder(file: &Found) -> Option<Arc<OwnedFd>> {
    let is_small = file.stat.kind == Kind::File && file.stat.size <= SMALL_FILE_BYTES_MAX;
    if is_small && !file.stat.may_have_holes() { file.place.folder().ok() } else { None }
}

fn request<'a>(file: &'a Found, folder: &'a OwnedFd) -> Request<'a> {
    let expected_bytes = usize::try_from(file.stat.size).expect("small files have at most 128 KiB");
    Request { folder: folder.as_fd(), name: file.place.name(), expected_bytes }
}

fn is_listed(read: &Identity, listed: &Stat) -> bool {
    (read.device, read.inode) == (listed.dev, listed.ino)
        && read.bytes == listed.size
        && (read.modified_ns, read.changed_ns) == (listed.mtime_ns, listed.ctime_ns)
}

fn take(file: &Found, fetched: Fetched) -> Small {
    let attributes = match fetched.attribute_names_bytes {
        0 => Ok(Vec::new()),
        _ => file.attributes(),
    };
    match attributes {
        Ok(attributes) => Small::Read(SmallFile {
            range: fetched.range,
            stat: file.stat,
            attributes,
            steadiness: Steadiness::Steady,
        }),
        Err(error) => Small::Failed(error.into()),
    }
}

/// Reads one file behind what the buffer holds up to `end`, which is moved.
fn read_alone(file: &Found, into: &mut Vec<u8>, end: &mut usize) -> Small {
    match try_read_alone(file, into, *end) {
        Ok(Some(small)) => {
            *end = small.range.end;
            Small::Read(small)
        }
        Ok(None) => Small::NotSmall,
        Err(error) => Small::Failed(error),
    }
}

fn try_read_alone(file: &Found, into: &mut Vec<u8>, start: usize) -> Result<Option<SmallFile>, ReadError> {
    let mut contents = file.open()?;
    let mut readings = 0;
    loop {
        let size = contents.stat().size;
        if size > SMALL_FILE_BYTES_MAX {
            return Ok(None);
        }
        let room_end = start + usize::try_from(size).expect("small files have at most 128 KiB");
        if into.len() < room_end {
            into.resize(room_end, 0);
        }
        let room = into.get_mut(start..room_end).expect("it was made long enough");
        let Some(bytes) = fill(&mut contents, room)? else {
            return Ok(None);
        };
        readings += 1;
        let steadiness = contents.finish()?;
        if steadiness == Steadiness::Steady || readings == READINGS_MAX {
            let attributes = attributes::of_open(&contents)?;
            let stat = *contents.stat();
            return Ok(Some(SmallFile { range: start..start + bytes, stat, attributes, steadiness }));
        }
        contents.begin_again()?;
    }
}

/// Reads everything; returns how many bytes there were, or nothing if there is a hole.
fn fill(contents: &mut Contents, room: &mut [u8]) -> io::Result<Option<usize>> {
    let mut filled = 0;
    loop {
        match contents.read(room.get_mut(filled..).unwrap_or_default())? {
            Piece::Data { bytes } => filled += bytes,
            Piece::Hole(_) => return Ok(None),
            Piece::End => return Ok(Some(filled)),
        }
    }
}
