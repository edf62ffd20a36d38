//! The spool: points in time that were captured while no server could be reached, until one takes them.
//!
//! A spool is a repository in a folder, with the keys of the one at the server and a reader of its own. Its objects may
//! refer to what the server has: a run that writes to it takes for stored what the last acknowledged snapshot had, and
//! stores the rest here. Draining goes through its points in the order in which they were captured, puts what they reach
//! and the spool holds, and commits each anew behind the newest of its series, with the time of its capture and a tag that
//! says where it waited.

use std::collections::HashSet;
use std::fs;
use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;

use farkeep_codec::id::ObjectId;
use farkeep_codec::id::SnapshotId;
use farkeep_codec::key::AgentCode;
use farkeep_codec::key::AgentIdentity;
use farkeep_codec::key::READER_SECRET_BYTES;
use farkeep_codec::key::ReaderSecret;
use farkeep_codec::key::Secrets;
use farkeep_codec::limits::SNAPSHOT_TAGS_MAX;
use farkeep_codec::object::ObjectView;
use farkeep_codec::parameters::Parameters;
use farkeep_codec::snapshot::Draft;
use farkeep_codec::time::Time;
use farkeep_engine::Listed;
use farkeep_engine::StoreError;

use super::Point;
use super::Repository;
use super::RepositoryError;
use super::create::fill_random;
use super::create::new_slot_id;
use super::keeper::Keeper;
use super::local::LocalStore;
use super::remote::RemoteError;
use super::store::Store;
use crate::config::Location;
use crate::output::chain;

#[cfg(test)]
mod tests;

/// The tag of a point that waited in a spool. It tells that others may have arrived before it that were captured later.
pub const SPOOLED: &str = "spooled";
/// What an emptied spool is called until it is removed.
const EMPTIED: &str = "emptied";

/// An open spool.
pub struct Spool {
    folder: PathBuf,
    store: Arc<LocalStore>,
    repository: Repository,
}

/// What waits in a spool.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Depth {
    /// Points.
    pub points: u64,
    /// Bytes that the spool takes.
    pub bytes: u64,
    /// When the oldest of the points was captured.
    pub oldest: Option<Time>,
}

impl Spool {
    /// Opens the spool in `folder`, or makes it, for a repository with these parameters. It takes `bytes_max` bytes of
    /// objects, and leaves 1 GiB of the file system free.
    ///
    /// # Errors
    /// [`RepositoryError::Spool`] when another repository's points wait there, or its key is damaged;
    /// [`RepositoryError::OtherAgentCode`].
    pub fn open(
        folder: &Path,
        parameters: &Parameters,
        code: &AgentCode,
        identity: AgentIdentity,
        bytes_max: u64,
    ) -> Result<Self, RepositoryError> {
        let location = Location::Folder(folder.to_owned());
        let Some(domain) = code.secret_for(&parameters.repository) else {
            return Err(RepositoryError::OtherAgentCode { location });
        };
        let broken = |why: String| RepositoryError::Spool { folder: folder.to_owned(), why };
        remove_emptied(folder).map_err(|error| broken(error.to_string()))?;
        let failed = |source| RepositoryError::Open { location: location.clone(), source };
        let store = match LocalStore::open_spool(folder, bytes_max) {
            Err(StoreError::NotThere) => {
                create(folder, parameters)?;
                LocalStore::open_spool(folder, bytes_max).map_err(failed)?
            }
            opened => opened.map_err(failed)?,
        };
        if store.parameters().repository != parameters.repository {
            return Err(broken("it holds points of another repository".to_owned()));
        }
        let slots = store.slots()?;
        let secret =
            slots.first().and_then(|(_, bytes)| <[u8; READER_SECRET_BYTES]>::try_from(&**bytes).ok());
        let reader = secret.map(ReaderSecret::from_bytes);
        let Some(reader) = reader.filter(|reader| reader.public() == store.parameters().reader_public) else {
            return Err(broken("its key is damaged".to_owned()));
        };
        let store = Arc::new(store);
        let secrets = Secrets { domain, reader: Some(reader), agent: identity };
        let repository = Repository::new(Arc::clone(&store) as Arc<dyn Store>, location, secrets, None);
        Ok(Self { folder: folder.to_owned(), store, repository })
    }

    /// What a run writes to.
    pub fn repository(&self) -> &Repository {
        &self.repository
    }

    /// What waits.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn depth(&self) -> Result<Depth, RepositoryError> {
        let points = self.store.snapshots()?;
        Ok(Depth {
            points: points.len() as u64,
            bytes: self.store.taken_bytes(),
            oldest: points.iter().map(|point| point.record.captured).min(),
        })
    }

    /// Brings all points to a repository, in the order of their capture, and tells `ended` of each. One that cannot be
    /// brought there, since something is missing of it, stays, and those of its series behind it; others are brought
    /// nevertheless. Ends early when `cancel` is set, and between two points when `goes_on` says no.
    ///
    /// # Errors
    /// When the repository takes nothing any more. What was not brought yet stays.
    pub fn drain(
        &self,
        to: &Repository,
        cancel: &AtomicBool,
        goes_on: &dyn Fn() -> bool,
        ended: &mut dyn FnMut(&Draft, Result<SnapshotId, &RepositoryError>),
    ) -> Result<(), RepositoryError> {
        let mut brought = HashSet::new();
        let mut held = HashSet::new();
        for listed in self.store.snapshots()? {
            let draft = (*listed.record).clone();
            if held.contains(&draft.series) {
                continue;
            }
            if !goes_on() {
                return Ok(());
            }
            let id = listed.id;
            let made =
                self.repository.point(listed).and_then(|point| self.bring(&point, to, cancel, &mut brought));
            match made {
                Ok(made) => {
                    self.store.forget(&id, "drained").map_err(|error| RepositoryError::Spool {
                        folder: self.folder.clone(),
                        why: chain(&error),
                    })?;
                    ended(&draft, Ok(made));
                }
                Err(error) if error.is_of_one_point() => {
                    ended(&draft, Err(&error));
                    held.insert(draft.series);
                    to.begin_anew();
                    brought.clear();
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Closes the spool, and removes it when nothing waits in it.
    ///
    /// # Errors
    /// When it cannot be read or removed.
    pub fn close(self) -> Result<Depth, RepositoryError> {
        let depth = self.depth()?;
        if depth.points > 0 {
            return Ok(depth);
        }
        let Self { folder, store, repository } = self;
        drop((store, repository));
        let emptied =
            fs::rename(&folder, folder.with_extension(EMPTIED)).and_then(|()| remove_emptied(&folder));
        emptied.map_err(|error| RepositoryError::Spool { folder, why: error.to_string() })?;
        Ok(Depth::default())
    }

    /// Brings one point, unless the answer of an earlier try was lost and it is there.
    fn bring(
        &self,
        point: &Point,
        to: &Repository,
        cancel: &AtomicBool,
        brought: &mut HashSet<ObjectId>,
    ) -> Result<SnapshotId, RepositoryError> {
        let newest = to.newest_of(&point.record.series)?;
        let is_it = |captured: Time, root| (captured, root) == (point.record.captured, point.record.root);
        match newest {
            Some(newest) if is_it(newest.captured, newest.root) => return Ok(newest.id),
            Some(newest) if newest.captured >= point.record.captured => {
                let records = to.records(&point.record.series)?;
                let it = |listed: &&Listed| is_it(listed.record.captured, listed.record.root);
                if let Some(before) = records.iter().find(it) {
                    return Ok(before.id);
                }
            }
            _ => {}
        }
        self.copy(point.record.root, to, cancel, brought)?;
        let draft = Draft {
            sequence: newest.map_or(0, |newest| newest.sequence.saturating_add(1)),
            previous: newest.map(|newest| newest.id),
            ..(*point.record).clone()
        };
        let spoilt = |error| RepositoryError::Spool { folder: self.folder.clone(), why: chain(&error) };
        let mut private = point.private.clone();
        if private.tags.len() < SNAPSHOT_TAGS_MAX && !private.tags.iter().any(|tag| tag == SPOOLED) {
            private.tags.push(SPOOLED.to_owned());
        }
        let record = to.sign(draft, &private).map_err(spoilt)?;
        Ok(to.commit(&record.encode(), &private.tags)?.id)
    }

    /// Puts everything that the object reaches and the spool holds, and then the object. What it does not hold was
    /// acknowledged before: whether it is there still, the store finds out meanwhile.
    fn copy(
        &self,
        root: ObjectId,
        to: &Repository,
        cancel: &AtomicBool,
        brought: &mut HashSet<ObjectId>,
    ) -> Result<(), RepositoryError> {
        let mut object = Vec::new();
        let mut stack = vec![(root, Visit::First)];
        while let Some((id, visit)) = stack.pop() {
            if cancel.load(Ordering::Relaxed) {
                return Err(RemoteError::Ended.into());
            }
            if visit == Visit::First && !brought.insert(id) {
                continue;
            }
            if !self.repository.has(&id)? {
                to.assume(&id)?;
                continue;
            }
            self.store.object(&id, &mut object)?;
            let malformed =
                |error| RepositoryError::Spool { folder: self.folder.clone(), why: chain(&error) };
            let view = ObjectView::parse(&object).map_err(malformed)?;
            if visit == Visit::Last || view.reference_count() == 0 {
                to.put(&id, &object)?;
            } else {
                stack.push((id, Visit::Last));
                stack.extend(view.references().map(|reference| (reference, Visit::First)));
            }
        }
        Ok(())
    }
}

/// An object with references is met twice: before what it refers to, and after.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Visit {
    First,
    Last,
}

/// Makes a spool for the repository with these parameters. Its key slot holds the reader's secret as it is: whoever reads
/// the folder reads the source as well.
fn create(folder: &Path, parameters: &Parameters) -> Result<(), RepositoryError> {
    let spoilt =
        |error: io::Error| RepositoryError::Spool { folder: folder.to_owned(), why: error.to_string() };
    match DirBuilder::new().mode(0o700).create(folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(spoilt(error)),
        _ => {}
    }
    let mut secret = [0; READER_SECRET_BYTES];
    fill_random(&mut secret);
    let reader_public = ReaderSecret::from_bytes(secret).public();
    let parameters = Parameters { reader_public, ..parameters.clone() };
    LocalStore::create(folder, &parameters.encode(), (new_slot_id(), &secret))
        .map_err(|source| RepositoryError::Create { location: Location::Folder(folder.to_owned()), source })
}

/// Removes what is left of a spool that was emptied.
fn remove_emptied(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder.with_extension(EMPTIED)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
