//! Folders of the source as the walk knows them: [`Folder`], opened step by step from the root of the file system.
//!
//! A path is never given to the kernel as a whole, so its length has no limit, and nothing that is exchanged
//! meanwhile can lead elsewhere. A folder knows its parent and its own name; its descriptor is a cached convenience.
//! [`Descriptors`] bounds how many are kept, and whoever needs one that was closed opens the chain anew.

use std::collections::VecDeque;
use std::ffi::CStr;
use std::ffi::CString;
use std::fmt;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::sync::Weak;

use rustix::fs::Mode;
use rustix::fs::OFlags;
use rustix::io::Errno;

#[cfg(test)]
mod tests;

/// A folder that can be opened as long as it is there.
pub(super) struct Folder {
    parent: Option<Arc<Folder>>,
    name: CString,
    links: Links,
    descriptors: Arc<Descriptors>,
    open: Mutex<Option<Arc<OwnedFd>>>,
}

/// Whether a folder's name may be a link to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Links {
    /// Above a root, where the path as it was given is resolved.
    Follow,
    /// At a root and below it.
    Refuse,
}

/// Keeps the number of cached descriptors within a limit: the one that was opened first is closed first.
#[derive(Debug)]
pub(super) struct Descriptors {
    kept_max: usize,
    kept: Mutex<VecDeque<Weak<Folder>>>,
}

impl Folder {
    /// The folder `/`.
    pub(super) fn top(descriptors: &Arc<Descriptors>) -> Arc<Self> {
        Arc::new(Self {
            parent: None,
            name: c"/".to_owned(),
            links: Links::Follow,
            descriptors: Arc::clone(descriptors),
            open: Mutex::new(None),
        })
    }

    /// The folder `name` inside this one. Nothing is opened yet.
    pub(super) fn child(self: &Arc<Self>, name: &CStr, links: Links) -> Arc<Self> {
        Arc::new(Self {
            parent: Some(Arc::clone(self)),
            name: name.to_owned(),
            links,
            descriptors: Arc::clone(&self.descriptors),
            open: Mutex::new(None),
        })
    }

    /// A descriptor of this folder, from the cache or opened anew. It stays open as long as it is held.
    ///
    /// # Errors
    /// What opening this folder, or one of those above it, says.
    pub(super) fn descriptor(self: &Arc<Self>) -> io::Result<Arc<OwnedFd>> {
        let mut closed = Vec::new();
        let mut at = self;
        let mut open = loop {
            if let Some(open) = at.cached().as_ref() {
                break Some(Arc::clone(open));
            }
            closed.push(at);
            match &at.parent {
                Some(parent) => at = parent,
                None => break None,
            }
        };
        for folder in closed.into_iter().rev() {
            let opened = Arc::new(folder.open_in(open.as_deref())?);
            *folder.cached() = Some(Arc::clone(&opened));
            self.descriptors.keep(folder);
            open = Some(opened);
        }
        Ok(open.expect("the loop ends at an open folder or opens at least the top"))
    }

    fn open_in(&self, parent: Option<&OwnedFd>) -> io::Result<OwnedFd> {
        let mut flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        if self.links == Links::Refuse {
            flags |= OFlags::NOFOLLOW;
        }
        let open = |flags| match parent {
            Some(parent) => rustix::fs::openat(parent, &self.name, flags, Mode::empty()),
            None => rustix::fs::open(&self.name, flags, Mode::empty()),
        };
        Ok(without_access_time(flags, open)?)
    }

    fn cached(&self) -> MutexGuard<'_, Option<Arc<OwnedFd>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Folder {
    /// Releases the chain of parents one by one: a path may have more components than the stack has room for.
    fn drop(&mut self) {
        let mut next = self.parent.take();
        while let Some(folder) = next {
            next = Arc::into_inner(folder).and_then(|mut folder| folder.parent.take());
        }
    }
}

impl fmt::Debug for Folder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Folder").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Descriptors {
    /// Keeps at most `kept_max` descriptors, at least one. Those in use beyond the cache come on top.
    pub(super) fn new(kept_max: usize) -> Arc<Self> {
        Arc::new(Self { kept_max: kept_max.max(1), kept: Mutex::new(VecDeque::new()) })
    }

    fn keep(&self, folder: &Arc<Folder>) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.push_back(Arc::downgrade(folder));
        let surplus = kept.len().saturating_sub(self.kept_max);
        let closing: Vec<Weak<Folder>> = kept.drain(..surplus).collect();
        drop(kept);
        for folder in closing.iter().filter_map(Weak::upgrade) {
            folder.cached().take();
        }
    }
}

/// Opens without marking the file as read where that is allowed, which is to its owner and to root.
pub(super) fn without_access_time<T>(
    flags: OFlags,
    open: impl Fn(OFlags) -> rustix::io::Result<T>,
) -> rustix::io::Result<T> {
    match open(flags | OFlags::NOATIME) {
        Err(Errno::PERM) => open(flags),
        done => done,
    }
}
