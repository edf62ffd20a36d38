//! Regular files of a target: [`OpenFile`], made new, or brought from what it is to what it shall be.
//!
//! What was there stays as it was until the new file is whole: changes go into a draft beside it, which takes the name in
//! the end, with the owner and mode it shall have.

use std::ffi::CString;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::OnceLock;
use std::sync::PoisonError;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;

use farkeep_codec::tree::Entry;
use farkeep_codec::tree::Hole;
use farkeep_codec::tree::PathKey;
use rustix::fs::AtFlags;
use rustix::fs::FallocateFlags;
use rustix::fs::Mode;
use rustix::fs::OFlags;
use rustix::fs::SeekFrom;
use rustix::io::Errno;

use super::Doing;
use super::Target;
use super::TargetError;
use super::failed;
use super::folders::OpenFolder;
use super::folders::Place;
use super::metadata::Attributes;
use crate::source::Kind;
use crate::source::Stat;
use crate::source::read_fully;

/// A regular file that is being written, by several threads if need be. Without [`Target::finish_file`] the target keeps
/// what it had.
#[derive(Debug)]
pub struct OpenFile {
    /// What was there, if some of it may stay. It is never written into.
    old: Option<OwnedFd>,
    /// What is written into, made when something differs.
    draft: OnceLock<Draft>,
    /// Held by whoever makes the draft.
    drafting: Mutex<()>,
    place: Place,
    path: PathKey,
    before: Before,
    /// Where data and holes that were written end.
    end: AtomicU64,
}

/// A file that goes again unless it is kept.
#[derive(Debug)]
struct Draft {
    file: OwnedFd,
    folder: Arc<OpenFolder>,
    name: CString,
    state: DraftState,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum DraftState {
    Open,
    Kept,
}

/// Drafts that this process has begun, which makes their names different.
static DRAFTS: AtomicU64 = AtomicU64::new(0);

/// What was there before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Before {
    /// Nothing. What is made inherits these attributes.
    Nothing(Attributes),
    /// A file of this length in bytes, of which what is equal stays.
    File(u64),
}

/// Files from this length on get their space at once, in one piece where the file system has one.
const ALLOCATE_BYTES_MIN: u64 = 1 << 20;
/// What is compared, and written if it differs, at once.
const COMPARE_BYTES: usize = 64 << 10;

impl Target {
    /// Makes a new file.
    ///
    /// # Errors
    /// [`TargetError::InTheWay`] if anything has the name.
    pub fn create(&self, path: &PathKey, entry: &Entry) -> Result<OpenFile, TargetError> {
        let place = self.place(path)?;
        self.create_at(place, path, entry)
    }

    /// Makes a new file that takes the name of whatever has it, but for a folder, when it is finished.
    pub fn replace(&self, path: &PathKey, entry: &Entry) -> Result<OpenFile, TargetError> {
        let place = self.place(path)?;
        let draft = Draft::beside(&place).map_err(failed(Doing::Make, path))?;
        new_file(place, path, entry, draft)
    }

    /// Opens a regular file to make it what the entry says; only what differs is counted as written. If there is none,
    /// or one that has other names too or may not be changed, a new one takes the name.
    ///
    /// # Errors
    /// [`TargetError::InTheWay`] if something else has the name.
    pub fn update(&self, path: &PathKey, entry: &Entry) -> Result<OpenFile, TargetError> {
        let place = self.place(path)?;
        let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let in_the_way = |kind| TargetError::InTheWay { path: path.clone(), kind };
        match rustix::fs::openat(&place.folder.fd, &place.name, flags, Mode::empty()) {
            Err(Errno::NOENT) => return self.create_at(place, path, entry),
            Ok(file) => {
                let stat = Stat::of(&file).map_err(failed(Doing::Reach, path))?;
                if stat.kind != Kind::File {
                    return Err(in_the_way(stat.kind));
                }
                // Its other names, perhaps outside the target, shall keep what they have.
                if stat.nlink == 1 {
                    return Ok(OpenFile {
                        old: Some(file),
                        draft: OnceLock::new(),
                        drafting: Mutex::new(()),
                        place,
                        path: path.clone(),
                        before: Before::File(stat.size),
                        end: AtomicU64::new(0),
                    });
                }
            }
            Err(_) => {
                let stat = Stat::at(&place.folder.fd, &place.name).map_err(failed(Doing::Reach, path))?;
                if stat.kind != Kind::File {
                    return Err(in_the_way(stat.kind));
                }
            }
        }
        let draft = Draft::beside(&place).map_err(failed(Doing::Make, path))?;
        new_file(place, path, entry, draft)
    }

    fn create_at(&self, place: Place, path: &PathKey, entry: &Entry) -> Result<OpenFile, TargetError> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        // If the owner stays what it is, so may the mode, which saves a call. Others see nothing before it is theirs.
        let mode = if self.ids(&entry.owner) == (self.uid, self.gid) { entry.mode & 0o777 } else { 0o600 };
        let file = match rustix::fs::openat(&place.folder.fd, &place.name, flags, Mode::from_raw_mode(mode)) {
            Err(Errno::EXIST) => {
                let stat = Stat::at(&place.folder.fd, &place.name).map_err(failed(Doing::Make, path))?;
                return Err(TargetError::InTheWay { path: path.clone(), kind: stat.kind });
            }
            file => file.map_err(|error| failed(Doing::Make, path)(error.into()))?,
        };
        let draft = Draft::new(file, &place, place.name.clone());
        new_file(place, path, entry, draft)
    }

    /// Ends the writing of a file: it gets its length and metadata, then its name, and is closed.
    pub fn finish_file(&self, file: OpenFile, entry: &Entry) -> Result<(), TargetError> {
        let OpenFile { old, draft, place, path, before, end, .. } = file;
        let draft = draft.into_inner();
        let file = draft.as_ref().map(|draft| &draft.file).or(old.as_ref()).expect("one of them is there");
        let bytes = entry.content_bytes();
        let length = match before {
            Before::Nothing(_) => end.into_inner(),
            Before::File(before) => before.max(end.into_inner()),
        };
        if length != bytes {
            rustix::fs::ftruncate(file, bytes).map_err(|error| failed(Doing::Write, &path)(error.into()))?;
        }
        let there = match before {
            Before::Nothing(inherited) => inherited,
            Before::File(_) => Attributes::Unknown,
        };
        self.set_metadata_of_file(file, entry, there).map_err(failed(Doing::SetMetadata, &path))?;
        draft.map_or(Ok(()), |draft| draft.keep(&place)).map_err(failed(Doing::Make, &path))
    }
}

impl OpenFile {
    /// Puts contents at an offset in bytes. Of a file that was there, only blocks that differ are written. Returns how
    /// many bytes were written.
    pub fn put(&self, offset: u64, contents: &[u8]) -> Result<u64, TargetError> {
        let done = match self.before {
            Before::Nothing(_) => self.write(contents, offset).map(|()| contents.len() as u64),
            Before::File(_) => self.put_what_differs(offset, contents),
        };
        self.reaches(offset + contents.len() as u64);
        done.map_err(failed(Doing::Write, &self.path))
    }

    /// Says that nothing is stored in a part of the file. Data that was there goes.
    pub fn dig(&self, hole: Hole) -> Result<(), TargetError> {
        let Before::File(length) = self.before else {
            return Ok(());
        };
        let bytes = length.saturating_sub(hole.offset).min(hole.bytes);
        if bytes == 0 || !self.has_data(hole.offset, bytes) {
            return Ok(());
        }
        let draft = self.draft().map_err(failed(Doing::Write, &self.path))?;
        let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        match rustix::fs::fallocate(&draft.file, flags, hole.offset, bytes) {
            Err(Errno::OPNOTSUPP | Errno::NOSYS) => self.put_zeros(hole.offset, bytes),
            done => done.map_err(|error| failed(Doing::Write, &self.path)(error.into())),
        }
    }

    /// Whether the file has these contents at an offset: they are read back.
    pub fn holds(&self, offset: u64, contents: &[u8]) -> Result<bool, TargetError> {
        let mut buffer = vec![0; contents.len().min(COMPARE_BYTES)];
        for (wanted, at) in contents.chunks(COMPARE_BYTES).zip(offsets(offset)) {
            if !same(self.now(), &mut buffer, wanted, at).map_err(failed(Doing::Read, &self.path))? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn put_what_differs(&self, offset: u64, contents: &[u8]) -> io::Result<u64> {
        let mut buffer = vec![0; contents.len().min(COMPARE_BYTES)];
        let mut written_bytes = 0;
        for (wanted, at) in contents.chunks(COMPARE_BYTES).zip(offsets(offset)) {
            if !same(self.now(), &mut buffer, wanted, at)? {
                self.write(wanted, at)?;
                written_bytes += wanted.len() as u64;
            }
        }
        Ok(written_bytes)
    }

    fn put_zeros(&self, mut offset: u64, mut bytes: u64) -> Result<(), TargetError> {
        let zeros = vec![0; COMPARE_BYTES];
        while bytes > 0 {
            let zeros = zeros.get(..usize::try_from(bytes).unwrap_or(COMPARE_BYTES)).unwrap_or(&zeros);
            self.put(offset, zeros)?;
            offset += zeros.len() as u64;
            bytes -= zeros.len() as u64;
        }
        Ok(())
    }

    fn write(&self, contents: &[u8], offset: u64) -> io::Result<()> {
        write_fully(&self.draft()?.file, contents, offset)
    }

    /// The file as it is by now.
    fn now(&self) -> &OwnedFd {
        let draft = self.draft.get().map(|draft| &draft.file);
        draft.or(self.old.as_ref()).expect("one of them is there")
    }

    /// What is written into: at first a copy of what was there.
    fn draft(&self) -> io::Result<&Draft> {
        if let Some(draft) = self.draft.get() {
            return Ok(draft);
        }
        let _alone = self.drafting.lock().unwrap_or_else(PoisonError::into_inner);
        if let (None, Some(old), Before::File(bytes)) = (self.draft.get(), &self.old, self.before) {
            let draft = Draft::beside(&self.place)?;
            copy(old, &draft.file, bytes)?;
            return Ok(self.draft.get_or_init(|| draft));
        }
        Ok(self.draft.get().expect("a new file begins as a draft"))
    }

    /// Whether anything is stored in a part of the file, as far as the file system tells.
    fn has_data(&self, offset: u64, bytes: u64) -> bool {
        match rustix::fs::seek(self.now(), SeekFrom::Data(offset)) {
            Ok(data) => data < offset.saturating_add(bytes),
            Err(error) => error != Errno::NXIO,
        }
    }

    fn reaches(&self, end: u64) {
        self.end.fetch_max(end, Ordering::Relaxed);
    }
}

impl Draft {
    fn new(file: OwnedFd, place: &Place, name: CString) -> Self {
        Self { file, folder: Arc::clone(&place.folder), name, state: DraftState::Open }
    }

    /// Makes an empty file beside a name, for nobody else to read.
    fn beside(place: &Place) -> io::Result<Self> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        loop {
            let name = draft_name()?;
            match rustix::fs::openat(&place.folder.fd, &name, flags, Mode::RUSR | Mode::WUSR) {
                Err(Errno::EXIST) => {}
                file => return Ok(Self::new(file?, place, name)),
            }
        }
    }

    /// Gives the file its name.
    fn keep(mut self, place: &Place) -> io::Result<()> {
        if self.name != place.name {
            rustix::fs::renameat(&self.folder.fd, &self.name, &place.folder.fd, &place.name)?;
        }
        self.state = DraftState::Kept;
        Ok(())
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if self.state == DraftState::Open
            && let Err(error) = rustix::fs::unlinkat(&self.folder.fd, &self.name, AtFlags::empty())
        {
            tracing::warn!(%error, name = ?self.name, "an unfinished file stays in the target");
        }
    }
}

/// A name for what is not whole yet, which nothing else of this process has.
pub(super) fn draft_name() -> io::Result<CString> {
    let serial = DRAFTS.fetch_add(1, Ordering::Relaxed);
    Ok(CString::new(format!(".farkeep-{}-{serial}", std::process::id()))?)
}

fn new_file(place: Place, path: &PathKey, entry: &Entry, draft: Draft) -> Result<OpenFile, TargetError> {
    let inherited = if place.folder.passes_on_acl { Attributes::Unknown } else { Attributes::None };
    let bytes = entry.content_bytes();
    if bytes >= ALLOCATE_BYTES_MIN && entry.content().is_none_or(|content| content.holes().is_empty()) {
        allocate(&draft.file, bytes).map_err(failed(Doing::Write, path))?;
    }
    Ok(OpenFile {
        old: None,
        draft: OnceLock::from(draft),
        drafting: Mutex::new(()),
        place,
        path: path.clone(),
        before: Before::Nothing(inherited),
        end: AtomicU64::new(0),
    })
}

/// Copies a file of this length in bytes, by sharing its blocks where the file system can. Holes stay holes.
fn copy(from: &OwnedFd, to: &OwnedFd, bytes: u64) -> io::Result<()> {
    if rustix::fs::ioctl_ficlone(to, from).is_ok() {
        return Ok(());
    }
    rustix::fs::ftruncate(to, bytes)?;
    let mut buffer = vec![0; COMPARE_BYTES];
    let mut at = 0;
    while at < bytes {
        at = match rustix::fs::seek(from, SeekFrom::Data(at)) {
            Ok(data) => data,
            Err(Errno::NXIO) => return Ok(()),
            Err(_) => at,
        };
        let read = read_fully(from, &mut buffer, at)?;
        if read == 0 {
            return Ok(());
        }
        write_fully(to, buffer.get(..read).unwrap_or_default(), at)?;
        at += read as u64;
    }
    Ok(())
}

/// Where the blocks of something begin that starts at an offset.
fn offsets(start: u64) -> impl Iterator<Item = u64> {
    (start..).step_by(COMPARE_BYTES)
}

/// Whether the file has `wanted` at an offset. The buffer is at least as long.
fn same(file: &OwnedFd, buffer: &mut [u8], wanted: &[u8], offset: u64) -> io::Result<bool> {
    let buffer = buffer.get_mut(..wanted.len()).expect("the buffer is as long as the longest block");
    Ok(read_fully(file, buffer, offset)? == wanted.len() && buffer == wanted)
}

fn write_fully(file: &OwnedFd, mut contents: &[u8], mut offset: u64) -> io::Result<()> {
    while !contents.is_empty() {
        match rustix::io::pwrite(file, contents, offset) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(bytes) => {
                contents = contents.get(bytes..).unwrap_or_default();
                offset += bytes as u64;
            }
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Gets space for the whole file. Where that cannot be asked for, the file gets it as it is written.
fn allocate(file: &OwnedFd, bytes: u64) -> io::Result<()> {
    match rustix::fs::fallocate(file, FallocateFlags::KEEP_SIZE, 0, bytes) {
        Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INTR) => Ok(()),
        done => Ok(done?),
    }
}
