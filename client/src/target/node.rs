//! Everything that is neither folder nor regular file: symbolic links, further names, pipes, sockets, devices.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use farkeep_codec::tree::Body;
use farkeep_codec::tree::Entry;
use farkeep_codec::tree::PathKey;
use rustix::fs::AtFlags;
use rustix::fs::FileType;
use rustix::fs::Mode;
use rustix::io::Errno;

use super::Doing;
use super::Made;
use super::Target;
use super::TargetError;
use super::failed;
use super::file::draft_name;
use super::folders::Place;
use crate::source::Kind;
use crate::source::Stat;

impl Target {
    /// Makes a symbolic link, pipe, socket or device, with its metadata. Entries of other kinds are none of these and
    /// come back as [`Made::Refused`].
    ///
    /// # Errors
    /// [`TargetError::InTheWay`] if anything has the name.
    pub fn make_node(&self, path: &PathKey, entry: &Entry) -> Result<Made, TargetError> {
        let place = self.place(path)?;
        match self.make_bare(&place, &entry.body) {
            Ok(Made::New) => {}
            Ok(other) => return Ok(other),
            Err(Errno::EXIST) => return Err(in_the_way(&place, path)?),
            Err(error) => return Err(failed(Doing::Make, path)(error.into())),
        }
        self.set_metadata_at(&place, entry).map_err(failed(Doing::SetMetadata, path))?;
        Ok(Made::New)
    }

    /// The same, for a name that something has. What has it is replaced when the new is whole, and stays when the new
    /// cannot be made; a folder has to be removed by `make_way`.
    pub fn replace_node(
        &self,
        path: &PathKey,
        entry: &Entry,
        make_way: impl FnOnce() -> Result<(), TargetError>,
    ) -> Result<Made, TargetError> {
        let place = self.place(path)?;
        let draft = loop {
            let name = draft_name().map_err(failed(Doing::Make, path))?;
            let draft = Place { folder: Arc::clone(&place.folder), name };
            match self.make_bare(&draft, &entry.body) {
                Ok(Made::New) => break draft,
                Ok(other) => return Ok(other),
                Err(Errno::EXIST) => {}
                Err(error) => return Err(failed(Doing::Make, path)(error.into())),
            }
        };
        let set = self.set_metadata_at(&draft, entry).map_err(failed(Doing::SetMetadata, path));
        let named = set.and_then(|()| make_way()).and_then(|()| {
            rustix::fs::renameat(&draft.folder.fd, &draft.name, &place.folder.fd, &place.name)
                .map_err(|error| failed(Doing::Make, path)(error.into()))
        });
        if named.is_err()
            && let Err(error) = rustix::fs::unlinkat(&draft.folder.fd, &draft.name, AtFlags::empty())
        {
            tracing::warn!(%error, name = ?draft.name, "an unfinished file stays in the target");
        }
        named.map(|()| Made::New)
    }

    /// Makes a node that has its metadata still to get, unless this user may not or it is none.
    fn make_bare(&self, place: &Place, body: &Body) -> Result<Made, Errno> {
        let made = match (body, device(body)) {
            (Body::Symlink { target }, _) => {
                rustix::fs::symlinkat(target.as_slice(), &place.folder.fd, &place.name)
            }
            (_, Some((kind, number))) => {
                rustix::fs::mknodat(&place.folder.fd, &place.name, kind, Mode::RUSR | Mode::WUSR, number)
            }
            (_, None) => return Ok(Made::Refused),
        };
        match made {
            Err(Errno::PERM) if matches!(body, Body::CharDevice { .. } | Body::BlockDevice { .. }) => {
                self.notices.devices.fetch_add(1, Ordering::Relaxed);
                Ok(Made::Refused)
            }
            made => made.map(|()| Made::New),
        }
    }

    /// Gives a file of any kind that was restored a further name. A symbolic link is not followed.
    ///
    /// # Errors
    /// [`TargetError::InTheWay`] if anything else has the name.
    pub fn link(&self, path: &PathKey, first: &PathKey) -> Result<Made, TargetError> {
        let place = self.place(path)?;
        let from = self.place(first)?;
        let linked =
            rustix::fs::linkat(&from.folder.fd, &from.name, &place.folder.fd, &place.name, AtFlags::empty());
        match linked {
            Ok(()) => Ok(Made::New),
            Err(Errno::EXIST) => {
                let stat = |place: &Place| Stat::at(&place.folder.fd, &place.name);
                let there = stat(&place).map_err(failed(Doing::Make, path))?;
                let wanted = stat(&from).map_err(failed(Doing::Make, path))?;
                if there.id() == wanted.id() {
                    return Ok(Made::Existing);
                }
                Err(TargetError::InTheWay { path: path.clone(), kind: there.kind })
            }
            Err(error) => Err(failed(Doing::Make, path)(error.into())),
        }
    }

    /// Whether what [`look`](Self::look) found is already the link, pipe, socket or device that the entry says; its
    /// metadata may differ.
    pub fn is_node(&self, path: &PathKey, entry: &Entry, found: &Stat) -> Result<bool, TargetError> {
        if let Body::Symlink { target } = &entry.body {
            if found.kind != Kind::Symlink {
                return Ok(false);
            }
            let place = self.place(path)?;
            let there = rustix::fs::readlinkat(&place.folder.fd, &place.name, Vec::new());
            let there = there.map_err(|error| failed(Doing::Read, path)(error.into()))?;
            return Ok(there.as_bytes() == target.as_slice());
        }
        let number = rustix::fs::makedev(found.rdev.major, found.rdev.minor);
        Ok(device(&entry.body)
            .is_some_and(|(kind, wanted)| Kind::from(kind) == found.kind && number == wanted))
    }
}

/// What mknod is to make.
fn device(body: &Body) -> Option<(FileType, u64)> {
    Some(match body {
        Body::Fifo => (FileType::Fifo, 0),
        Body::Socket => (FileType::Socket, 0),
        Body::CharDevice { major, minor } => (FileType::CharacterDevice, rustix::fs::makedev(*major, *minor)),
        Body::BlockDevice { major, minor } => (FileType::BlockDevice, rustix::fs::makedev(*major, *minor)),
        _ => return None,
    })
}

fn in_the_way(place: &Place, path: &PathKey) -> Result<TargetError, TargetError> {
    let stat = Stat::at(&place.folder.fd, &place.name).map_err(failed(Doing::Make, path))?;
    Ok(TargetError::InTheWay { path: path.clone(), kind: stat.kind })
}
