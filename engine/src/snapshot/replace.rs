//! Snapshots in the places of others: the same points in time, with trees that were laid anew.

use std::collections::HashSet;

use farkeep_codec::id::SnapshotId;
use farkeep_codec::time::Time;
use thiserror::Error;

use super::Candidate;
use super::CommitError;
use super::Committed;
use super::Marked;
use super::committed;
use super::examine;
use crate::journal::Event;
use crate::store::Catalogue;
use crate::store::Session;
use crate::store::Store;
use crate::store::StoreError;

/// A record that is to stand where another one stands.
#[derive(Debug, Clone, Copy)]
pub struct Replacement<'a> {
    /// The snapshot that goes.
    pub old: SnapshotId,
    /// The record that comes, of the same series, with the same number in it and the same predecessor.
    pub record: &'a [u8],
}

/// Why snapshots were not replaced. None of them was.
#[derive(Debug, Clone, Error)]
#[non_exhaustive]
pub enum ReplaceError {
    /// There is no such snapshot.
    #[error("there is no snapshot {id}")]
    Unknown {
        /// The snapshot that was to go.
        id: SnapshotId,
    },
    /// It is held, and what is held stays as it is.
    #[error("snapshot {id} is held")]
    Held {
        /// The snapshot that was to go.
        id: SnapshotId,
        /// The end of its hold.
        until: Time,
    },
    /// It was forgotten.
    #[error("snapshot {id} was forgotten")]
    Forgotten {
        /// The snapshot that was to go.
        id: SnapshotId,
    },
    /// The record is of another point in time.
    #[error("the record is not of the same point in time as snapshot {id}")]
    Another {
        /// The snapshot that was to go.
        id: SnapshotId,
    },
    /// The record cannot be committed, whatever it replaces.
    #[error(transparent)]
    Commit(#[from] CommitError),
}

impl From<StoreError> for ReplaceError {
    fn from(error: StoreError) -> Self {
        Self::Commit(error.into())
    }
}

/// Replaces snapshots, all of them or none, and makes durable everything that was put before. The old ones are forgotten
/// without grace. The same replacements again get the same answer until the old ones are purged.
pub(crate) fn replace(
    store: &Store,
    session: &Session,
    replacements: &[Replacement<'_>],
) -> Result<Vec<Committed>, ReplaceError> {
    let (before, now) = (store.moment()?, store.now());
    let candidates = replacements
        .iter()
        .map(|replacement| examine(store, Marked { session, record: replacement.record, tags: None }));
    let candidates: Vec<Candidate<'_>> = candidates.collect::<Result<_, _>>()?;
    let before = before.until(store.moment()?);
    store.persist(before, |catalogue| decide(catalogue, now, replacements, &candidates))?;
    let catalogue = store.catalogue();
    let known = |candidate: &Candidate<'_>| {
        committed(catalogue.snapshot(&candidate.id).expect("its event was taken into the catalogue"))
    };
    Ok(candidates.iter().map(known).collect())
}

/// The events, in view of everything that happened before.
fn decide(
    catalogue: &Catalogue,
    now: Time,
    replacements: &[Replacement<'_>],
    candidates: &[Candidate<'_>],
) -> Result<Vec<Event>, ReplaceError> {
    let (mut events, mut gone) = (Vec::new(), HashSet::new());
    for (Replacement { old, record }, candidate) in replacements.iter().zip(candidates) {
        if catalogue.snapshot(&candidate.id).is_some() {
            continue;
        }
        let at = catalogue.snapshot(old).ok_or(ReplaceError::Unknown { id: *old })?;
        if at.held_until > now {
            return Err(ReplaceError::Held { id: *old, until: at.held_until });
        }
        if at.forgotten.is_some() || !gone.insert(*old) {
            return Err(ReplaceError::Forgotten { id: *old });
        }
        let new = &candidate.snapshot;
        let is_same = catalogue.series_of(at) == Some(&new.series)
            && (at.number, at.previous) == (new.sequence, new.previous);
        if !is_same {
            return Err(ReplaceError::Another { id: *old });
        }
        events.push(Event::SnapshotReplaced { old: *old, record: record.to_vec() });
    }
    Ok(events)
}
