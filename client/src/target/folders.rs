//! The open folders of a target: [`Folders`], a cache of limited size, filled step by step from the top.

use std::collections::HashMap;
use std::collections::VecDeque;
use std::ffi::CStr;
use std::ffi::CString;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

use farkeep_codec::tree::PathKey;
use rustix::fs::Mode;
use rustix::fs::OFlags;

/// Folders that are kept open, at most.
const KEPT_MAX: usize = 256;
/// What their paths take in memory, at most: one alone may have a million bytes.
const KEPT_PATHS_BYTES_MAX: usize = 4 << 20;

/// The access list that new files in a folder get, as an attribute of the folder.
pub(super) const ACL_DEFAULT: &str = "system.posix_acl_default";

/// Opens folders of the target by their paths.
#[derive(Debug)]
pub(super) struct Folders {
    /// Nothing, where there is no target.
    top: Option<Arc<OpenFolder>>,
    kept: Mutex<Kept>,
}

/// An open folder.
#[derive(Debug)]
pub(super) struct OpenFolder {
    pub(super) fd: OwnedFd,
    /// Whether what is made in it gets an access list, which nobody has asked for.
    pub(super) passes_on_acl: bool,
}

/// A name in an open folder.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) folder: Arc<OpenFolder>,
    pub(super) name: CString,
}

#[derive(Debug, Default)]
struct Kept {
    folders: HashMap<PathKey, Arc<OpenFolder>>,
    /// In the order in which they were opened.
    order: VecDeque<PathKey>,
    paths_bytes: usize,
}

impl Folders {
    pub(super) fn new(top: OwnedFd) -> io::Result<Self> {
        Ok(Self { top: Some(Arc::new(OpenFolder::new(top))), kept: Mutex::default() })
    }

    /// Those of a target that is not there: none.
    pub(super) fn absent() -> Self {
        Self { top: None, kept: Mutex::default() }
    }

    /// The folder at a path, opened from the nearest one above it that is open.
    pub(super) fn open(&self, path: &PathKey) -> io::Result<Arc<OpenFolder>> {
        let (mut folder, mut at, names) = self.nearest(path)?;
        for name in names {
            folder = Arc::new(folder.open_inner(&c_string(&name)?)?);
            at = at.join(&name).map_err(io::Error::other)?;
            self.lock().keep(at.clone(), &folder);
        }
        Ok(folder)
    }

    /// The folder that something is in, and its name there. The top of the target is in itself.
    pub(super) fn place(&self, path: &PathKey) -> io::Result<Place> {
        let Some(parent) = path.parent() else {
            return Ok(Place { folder: self.top()?, name: c".".to_owned() });
        };
        let name = c_string(path.name().unwrap_or_default())?;
        Ok(Place { folder: self.open(&parent)?, name })
    }

    /// Forgets a folder that is being removed.
    pub(super) fn forget(&self, path: &PathKey) {
        self.lock().folders.remove(path);
    }

    /// The nearest open folder, its path, and the names that lead on from it.
    fn nearest(&self, path: &PathKey) -> io::Result<(Arc<OpenFolder>, PathKey, Vec<Vec<u8>>)> {
        let kept = self.lock();
        let mut at = path.clone();
        let mut names = Vec::new();
        loop {
            if let Some(folder) = kept.folders.get(&at) {
                names.reverse();
                return Ok((Arc::clone(folder), at, names));
            }
            let Some(parent) = at.parent() else {
                names.reverse();
                return Ok((self.top()?, at, names));
            };
            names.extend(at.name().map(<[u8]>::to_vec));
            at = parent;
        }
    }

    fn top(&self) -> io::Result<Arc<OpenFolder>> {
        self.top.clone().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn keep(&mut self, path: PathKey, folder: &Arc<OpenFolder>) {
        if self.folders.insert(path.clone(), Arc::clone(folder)).is_none() {
            self.paths_bytes += path.as_bytes().len();
            self.order.push_back(path);
        }
        while self.order.len() > KEPT_MAX || self.paths_bytes > KEPT_PATHS_BYTES_MAX {
            let Some(oldest) = self.order.pop_front() else { break };
            self.paths_bytes -= oldest.as_bytes().len();
            self.folders.remove(&oldest);
        }
    }
}

impl OpenFolder {
    fn new(fd: OwnedFd) -> Self {
        let passes_on_acl = matches!(rustix::fs::fgetxattr_query(&fd, ACL_DEFAULT), Ok(1..));
        Self { fd, passes_on_acl }
    }

    /// Opens the folder `name` in this one; a link is refused.
    pub(super) fn open_inner(&self, name: &CStr) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(Self::new(rustix::fs::openat(&self.fd, name, flags, Mode::empty())?))
    }
}

impl Place {
    /// A descriptor of whatever has the name, a link too, that can be neither read nor written.
    pub(super) fn node(&self) -> io::Result<OwnedFd> {
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(rustix::fs::openat(&self.folder.fd, &self.name, flags, Mode::empty())?)
    }
}

fn c_string(name: &[u8]) -> io::Result<CString> {
    CString::new(name).map_err(io::Error::other)
}
