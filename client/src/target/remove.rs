//! Lists folders of a target, and removes what is not to be there.

use std::ffi::CString;
use std::io;
use std::mem::MaybeUninit;

use farkeep_codec::tree::PathKey;
use rustix::fs::AtFlags;
use rustix::fs::FileType;
use rustix::fs::Mode;
use rustix::fs::OFlags;
use rustix::fs::RawDir;
use rustix::fs::StatxAttributes;
use rustix::fs::StatxFlags;

use super::Doing;
use super::Target;
use super::TargetError;
use super::failed;
use super::folders::OpenFolder;
use super::folders::Place;
use super::is_absent;
use crate::source::Kind;
use crate::source::Stat;
use crate::source::Wanted;

/// Room for names as the kernel gives them.
const LISTING_BYTES: usize = 32 << 10;

/// Whether what is to be removed is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Removal {
    /// It is.
    Real,
    /// It is only told.
    Trial,
}

/// How things are removed from a target.
struct Sweep<'a> {
    removal: Removal,
    judge: &'a dyn Fn(&PathKey, Kind) -> Wanted,
    /// Is told what went, or would go.
    gone: &'a mut dyn FnMut(&PathKey),
}

/// A folder that is being removed.
struct Doomed {
    path: PathKey,
    /// Folders in it that are still there.
    inner: Vec<Vec<u8>>,
    /// Whether it is not to go itself, or something in it is not.
    stays: bool,
}

impl Target {
    /// The names in a folder, sorted; none if there is no such folder.
    pub fn names(&self, path: &PathKey) -> Result<Vec<Vec<u8>>, TargetError> {
        let folder = match self.folders.open(path) {
            Err(error) if is_absent(&error) => return Ok(Vec::new()),
            folder => folder.map_err(failed(Doing::Reach, path))?,
        };
        let listed = list(&folder).map_err(failed(Doing::List, path))?;
        let mut names: Vec<_> = listed.into_iter().map(|(name, _)| name.into_bytes()).collect();
        names.sort_unstable();
        Ok(names)
    }

    /// Says whether things may be removed from a folder.
    ///
    /// # Errors
    /// [`TargetError::OtherFileSystem`] at a mount point, other than the target itself; [`TargetError::Spared`].
    pub fn may_empty(&self, path: &PathKey) -> Result<(), TargetError> {
        let fail = failed(Doing::Remove, path);
        let place = self.place(path)?;
        if !path.as_bytes().is_empty() && is_mount(&place).map_err(&fail)? {
            return Err(TargetError::OtherFileSystem { path: path.clone() });
        }
        let stat = Stat::at(&place.folder.fd, &place.name).map_err(&fail)?;
        if self.spared.contains(&stat.id()) {
            return Err(TargetError::Spared { path: path.clone() });
        }
        Ok(())
    }

    /// Removes a file of any kind, or an empty folder, whose place is needed.
    ///
    /// # Errors
    /// [`TargetError::NotEmpty`].
    pub fn make_way(&self, path: &PathKey) -> Result<(), TargetError> {
        let Some(stat) = self.look(path)? else { return Ok(()) };
        if stat.kind != Kind::Folder {
            return self.unlink(path, AtFlags::empty());
        }
        if !self.names(path)?.is_empty() {
            return Err(TargetError::NotEmpty { path: path.clone() });
        }
        self.may_empty(path)?;
        self.unlink(path, AtFlags::REMOVEDIR)
    }

    /// Removes whatever is at a path, a folder with all that is in it, and returns how many names went. Links are
    /// removed, not followed, and other file systems are not entered.
    ///
    /// # Errors
    /// As [`may_empty`](Self::may_empty); what came before that folder is gone then.
    pub fn remove(&self, path: &PathKey) -> Result<u64, TargetError> {
        let mut removed = 0;
        self.remove_wanted(path, Removal::Real, &|_, _| Wanted::Yes, &mut |_| removed += 1)?;
        Ok(removed)
    }

    /// Removes of what is at a path what is wanted, and of folders those in which nothing stays. `gone` is told the path
    /// of each thing that went; of a trial, that would go.
    ///
    /// # Errors
    /// As [`remove`](Self::remove).
    pub fn remove_wanted(
        &self,
        path: &PathKey,
        removal: Removal,
        judge: &dyn Fn(&PathKey, Kind) -> Wanted,
        gone: &mut dyn FnMut(&PathKey),
    ) -> Result<(), TargetError> {
        let Some(stat) = self.look(path)? else { return Ok(()) };
        let wanted = judge(path, stat.kind);
        if wanted == Wanted::No {
            return Ok(());
        }
        let mut sweep = Sweep { removal, judge, gone };
        if stat.kind != Kind::Folder {
            return self.take_away(path, AtFlags::empty(), &mut sweep);
        }
        let mut doomed = vec![self.empty(path, wanted, &mut sweep)?];
        while let Some(innermost) = doomed.last_mut() {
            match innermost.inner.pop() {
                Some(name) => {
                    let path = innermost.path.join(&name).map_err(io::Error::other);
                    let path = path.map_err(failed(Doing::Remove, &innermost.path))?;
                    match (sweep.judge)(&path, Kind::Folder) {
                        Wanted::No => innermost.stays = true,
                        wanted => doomed.push(self.empty(&path, wanted, &mut sweep)?),
                    }
                }
                None if innermost.stays => {
                    doomed.pop();
                    if let Some(outer) = doomed.last_mut() {
                        outer.stays = true;
                    }
                }
                None => {
                    self.take_away(&innermost.path, AtFlags::REMOVEDIR, &mut sweep)?;
                    doomed.pop();
                }
            }
        }
        Ok(())
    }

    fn take_away(&self, path: &PathKey, flags: AtFlags, sweep: &mut Sweep<'_>) -> Result<(), TargetError> {
        if sweep.removal == Removal::Real {
            self.unlink(path, flags)?;
        }
        (sweep.gone)(path);
        Ok(())
    }

    /// Removes what is wanted in a folder, but not yet the folders in it.
    fn empty(&self, path: &PathKey, wanted: Wanted, sweep: &mut Sweep<'_>) -> Result<Doomed, TargetError> {
        let fail = failed(Doing::Remove, path);
        self.may_empty(path)?;
        let place = self.place(path)?;
        let stat = Stat::at(&place.folder.fd, &place.name).map_err(&fail)?;
        if sweep.removal == Removal::Real {
            self.unlock(&place, &stat).map_err(&fail)?;
        }
        let folder = self.folders.open(path).map_err(&fail)?;
        let mut inner = Vec::new();
        let mut stays = wanted != Wanted::Yes;
        for (name, kind) in list(&folder).map_err(&fail)? {
            let kind = match kind {
                Some(kind) => kind,
                None => Stat::at(&folder.fd, &name).map_err(&fail)?.kind,
            };
            if kind == Kind::Folder {
                inner.push(name.into_bytes());
                continue;
            }
            let file = path.join(name.to_bytes()).map_err(io::Error::other).map_err(&fail)?;
            if (sweep.judge)(&file, kind) == Wanted::No {
                stays = true;
                continue;
            }
            if sweep.removal == Removal::Real {
                rustix::fs::unlinkat(&folder.fd, &name, AtFlags::empty())
                    .map_err(|error| fail(error.into()))?;
            }
            (sweep.gone)(&file);
        }
        Ok(Doomed { path: path.clone(), inner, stays })
    }

    fn unlink(&self, path: &PathKey, flags: AtFlags) -> Result<(), TargetError> {
        let place = self.place(path)?;
        self.folders.forget(path);
        rustix::fs::unlinkat(&place.folder.fd, &place.name, flags)
            .map_err(|error| failed(Doing::Remove, path)(error.into()))
    }
}

/// Whether something is mounted at a name: another file system, or another place of the same one.
fn is_mount(place: &Place) -> io::Result<bool> {
    let flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT;
    let found = rustix::fs::statx(&place.folder.fd, &place.name, flags, StatxFlags::TYPE)?;
    let around = Stat::of(&place.folder.fd)?;
    let device = rustix::fs::makedev(found.stx_dev_major, found.stx_dev_minor);
    Ok(found.stx_attributes.contains(StatxAttributes::MOUNT_ROOT) || device != around.dev)
}

/// Names in a folder, with their kinds where it tells. The folder is opened anew, since the position in its list
/// belongs to the descriptor, which others may be using.
fn list(folder: &OpenFolder) -> io::Result<Vec<(CString, Option<Kind>)>> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let folder = rustix::fs::openat(&folder.fd, c".", flags, Mode::empty())?;
    let mut room = vec![MaybeUninit::uninit(); LISTING_BYTES];
    let mut listing = RawDir::new(&folder, &mut room);
    let mut names = Vec::new();
    while let Some(entry) = listing.next() {
        let entry = entry?;
        let name = entry.file_name();
        if name != c"." && name != c".." {
            let kind = entry.file_type();
            names.push((name.to_owned(), (kind != FileType::Unknown).then(|| Kind::from(kind))));
        }
    }
    Ok(names)
}
