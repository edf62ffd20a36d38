//! What a backup starts from: [`Roots`], the paths that were named, in order and without repetition.

use std::collections::HashSet;
use std::ffi::CString;
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Component;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;

use farkeep_codec::tree::NotAPath;
use farkeep_codec::tree::PathKey;
use thiserror::Error;

use crate::source::Stat;
use crate::source::folder::Descriptors;
use crate::source::folder::Folder;
use crate::source::folder::Links;

#[cfg(test)]
mod tests;

/// Paths to back up, sorted, none of them inside another.
#[derive(Debug, Clone, Default)]
pub struct Roots {
    paths: Vec<PathKey>,
    devices: HashSet<u64>,
}

/// What to do about a path that does not exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    /// It is an error before anything starts: somebody typed it.
    Refuse,
    /// The walk reports it when it comes by: some program listed it, and it may have vanished since.
    Report,
}

/// Why a walk cannot start from a path.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RootError {
    /// It does not exist or cannot be reached.
    #[error("cannot back up {}", path.display())]
    NotThere {
        /// As it was named.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// It is not absolute, and the current folder is unknown.
    #[error("cannot tell where {} is", path.display())]
    NoCurrentFolder {
        /// As it was named.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Too long, or a component is.
    #[error("cannot back up {}", path.display())]
    NotAPath {
        /// As it was named.
        path: PathBuf,
        /// What is wrong with it.
        source: NotAPath,
    },
}

impl Roots {
    /// Makes the paths absolute, resolves `.` and `..` in them by their text, and leaves out those inside others.
    ///
    /// A root that is a symbolic link is backed up as a link; links above it are followed. Rules do not apply to the
    /// roots themselves.
    ///
    /// # Errors
    /// With [`Missing::Refuse`], names the first path that is not there.
    pub fn new(paths: &[PathBuf], missing: Missing) -> Result<Self, RootError> {
        let mut roots = Self::default();
        let top = Folder::top(&Descriptors::new(CHECK_DESCRIPTORS));
        for path in paths {
            let key = key_of(path)?;
            match (stat(&top, &key), missing) {
                (Ok(stat), _) => {
                    roots.devices.insert(stat.dev);
                }
                (Err(source), Missing::Refuse) => {
                    return Err(RootError::NotThere { path: path.clone(), source });
                }
                (Err(_), Missing::Report) => {}
            }
            roots.paths.push(key);
        }
        roots.paths.sort_unstable();
        // A folder's contents follow it directly, so what is inside a root is inside the last one that was kept.
        roots.paths.dedup_by(|next, kept| next.starts_with(kept));
        Ok(roots)
    }

    /// The paths.
    pub fn paths(&self) -> &[PathKey] {
        &self.paths
    }

    /// The file systems that the paths (those inside others too) are on.
    pub(super) fn devices(&self) -> &HashSet<u64> {
        &self.devices
    }
}

/// The path key of an absolute or relative path, with `.` and `..` resolved by their text.
///
/// # Errors
/// If the current folder is wanted and unknown, or the path is too long.
pub fn key_of(path: &Path) -> Result<PathKey, RootError> {
    let absolute = std::path::absolute(path)
        .map_err(|source| RootError::NoCurrentFolder { path: path.to_owned(), source })?;
    let mut components: Vec<&[u8]> = Vec::new();
    for component in absolute.components() {
        match component {
            Component::Normal(name) => components.push(name.as_bytes()),
            Component::ParentDir => {
                components.pop();
            }
            Component::CurDir | Component::RootDir | Component::Prefix(_) => {}
        }
    }
    PathKey::from_components(components)
        .map_err(|source| RootError::NotAPath { path: path.to_owned(), source })
}

/// The absolute path that a key stands for.
pub fn path_of(key: &PathKey) -> PathBuf {
    let mut path = PathBuf::from("/");
    path.extend(key.components().map(OsStr::from_bytes));
    path
}

/// The paths in a list as `find -print0` or `find` write it: if there is a zero byte, every path ends with one, else
/// with the end of a line. Nothing has a special meaning; empty paths are left out.
pub fn paths_in_list(list: &[u8]) -> Vec<PathBuf> {
    let end = if list.contains(&0) { 0 } else { b'\n' };
    let paths = list.split(|&byte| byte == end).filter(|path| !path.is_empty());
    paths.map(|path| PathBuf::from(OsStr::from_bytes(path))).collect()
}

/// Descriptors that are kept open while roots are looked at one after another.
const CHECK_DESCRIPTORS: usize = 16;

/// Splits a path into its last component and an unopened folder for those above.
pub(super) fn place(top: &Arc<Folder>, key: &PathKey) -> (Arc<Folder>, CString) {
    let mut folder = Arc::clone(top);
    let mut last = c".".to_owned();
    for (index, name) in key.components().enumerate() {
        if index > 0 {
            folder = folder.child(&last, Links::Follow);
        }
        last = CString::new(name).expect("path keys have no zero bytes inside components");
    }
    (folder, last)
}

fn stat(top: &Arc<Folder>, key: &PathKey) -> io::Result<Stat> {
    let (folder, name) = place(top, key);
    Stat::at(&*folder.descriptor()?, &name)
}
