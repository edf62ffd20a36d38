//! Points in time: the snapshots of a repository, opened.

use farkeep_codec::id::SnapshotId;
use farkeep_codec::object::Pointer;
use farkeep_codec::snapshot::Private;
use farkeep_codec::snapshot::Series;
use farkeep_codec::snapshot::Snapshot;
use farkeep_codec::time::Time;
use farkeep_codec::tree::PathKey;
use farkeep_engine::Known;
use farkeep_engine::Listed;
use farkeep_engine::Newest;

use super::Repository;
use super::RepositoryError;
use crate::output::chain;

/// A snapshot whose record was verified and opened.
#[derive(Debug, Clone)]
pub struct Point {
    /// Its id.
    pub id: SnapshotId,
    /// Its place in the repository's order of arrival.
    pub sequence: u64,
    /// When the repository took it in.
    pub received: Time,
    /// What the record says in plain.
    pub record: Snapshot,
    /// What it says to readers.
    pub private: Private,
}

/// A snapshot whose record does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// Its id.
    pub id: SnapshotId,
    /// Why not.
    pub why: String,
}

/// The snapshots of a repository that were not forgotten, in the order of arrival.
#[derive(Debug, Clone, Default)]
pub struct Listing {
    /// Those that can be read.
    pub points: Vec<Point>,
    /// Those that cannot.
    pub refused: Vec<Refused>,
}

/// A snapshot that was not purged, on the list or off it.
#[derive(Debug, Clone)]
pub struct Kept {
    /// The snapshot.
    pub point: Point,
    /// When it was forgotten, and until when it can be recovered for certain.
    pub forgotten: Option<(Time, Time)>,
    /// Until when it is held, which may be over.
    pub held_until: Time,
}

impl Point {
    /// The root of its tree.
    pub fn root(&self) -> Pointer {
        self.record.root_pointer(&self.private)
    }

    /// The paths that were backed up.
    pub fn paths(&self) -> Vec<PathKey> {
        self.private.paths.iter().filter_map(|path| PathKey::from_slashes(path).ok()).collect()
    }
}

impl Repository {
    /// All snapshots, those that do not hold by their reason.
    ///
    /// # Errors
    /// When the journal cannot be read, or the keys do not allow to read snapshots.
    pub fn listing(&self) -> Result<Listing, RepositoryError> {
        self.reader()?;
        let mut listing = Listing::default();
        for listed in self.store.snapshots()? {
            let id = listed.id;
            match self.point(listed) {
                Ok(point) => listing.points.push(point),
                Err(RepositoryError::Snapshot { why, .. }) => listing.refused.push(Refused { id, why }),
                Err(other) => return Err(other),
            }
        }
        Ok(listing)
    }

    /// All snapshots that were not purged, forgotten ones included, and those that do not hold by their reason.
    ///
    /// # Errors
    /// As [`listing`](Self::listing).
    pub fn known(&self) -> Result<(Vec<Kept>, Vec<Refused>), RepositoryError> {
        self.reader()?;
        let (mut all, mut refused) = (Vec::new(), Vec::new());
        for Known { listed, forgotten, held_until, .. } in self.store.keeper().known()? {
            let id = listed.id;
            match self.point(listed) {
                Ok(point) => all.push(Kept { point, forgotten, held_until }),
                Err(RepositoryError::Snapshot { why, .. }) => refused.push(Refused { id, why }),
                Err(other) => return Err(other),
            }
        }
        Ok((all, refused))
    }

    /// The snapshots that can be read, in the order of arrival.
    ///
    /// # Errors
    /// As [`listing`](Self::listing).
    pub fn snapshots(&self) -> Result<Vec<Point>, RepositoryError> {
        let listing = self.listing()?;
        for refused in &listing.refused {
            tracing::warn!("snapshot {} is left out: {}", refused.id, refused.why);
        }
        Ok(listing.points)
    }

    /// All records of a series, as far as whoever asks may see it.
    ///
    /// # Errors
    /// When they cannot be listed.
    pub(crate) fn records(&self, series: &Series) -> Result<Vec<Listed>, RepositoryError> {
        let mut records = self.store.snapshots()?;
        records.retain(|listed| listed.record.series == *series);
        Ok(records)
    }

    /// The newest record of a series, even if that was forgotten.
    ///
    /// # Errors
    /// When the store cannot say.
    pub(crate) fn newest_of(&self, series: &Series) -> Result<Option<Newest>, RepositoryError> {
        self.store.newest_of(series)
    }

    /// Verifies and opens a record.
    ///
    /// # Errors
    /// [`RepositoryError::Snapshot`] when it does not hold, [`RepositoryError::NoReader`] without the key for it.
    pub fn point(&self, listed: Listed) -> Result<Point, RepositoryError> {
        let reader = self.reader()?;
        let Listed { id, record, received, sequence } = listed;
        let refused = |why: String| RepositoryError::Snapshot { id, why };
        if record.repository != self.parameters().repository {
            return Err(refused("it belongs to another repository".to_owned()));
        }
        record.verify().map_err(|error| refused(chain(&error)))?;
        let private = record.open(reader).map_err(|error| refused(chain(&error)))?;
        Ok(Point { id, sequence, received, record, private })
    }
}
