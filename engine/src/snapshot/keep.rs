//! What keepers decide about single snapshots: forgotten for a while, recovered, held.
//!
//! A hold is a promise, grace a convenience: no event can make a hold shorter, and what is held stays restorable even
//! when it is forgotten.

use farkeep_codec::id::SnapshotId;
use farkeep_codec::time::Time;
use thiserror::Error;

use super::Listed;
use super::policy::TagToken;
use super::read;
use crate::journal::Event;
use crate::limits::JOURNAL_TEXT_BYTES_MAX;
use crate::store::SnapshotAt;
use crate::store::Store;
use crate::store::StoreError;

/// A snapshot that is off the list, and can be recovered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forgotten {
    /// The snapshot.
    pub listed: Listed,
    /// When it was forgotten, by the clock of the store.
    pub forgotten: Time,
    /// Until then it can be recovered for certain; the first collection behind that purges it.
    pub until: Time,
}

/// A snapshot that was not purged, on the list or off it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// The snapshot.
    pub listed: Listed,
    /// When it was forgotten, by the clock of the store, and until when it can be recovered for certain.
    pub forgotten: Option<(Time, Time)>,
    /// Until when it is held, which may be over.
    pub held_until: Time,
    /// What is known of its tags.
    pub tags: Option<Vec<TagToken>>,
}

/// Why a snapshot was not forgotten, or not recovered.
#[derive(Debug, Clone, Error)]
#[non_exhaustive]
pub enum ForgetError {
    /// There is no such snapshot.
    #[error("there is no snapshot {id}")]
    Unknown {
        /// Name of the record.
        id: SnapshotId,
    },
    /// Anything else.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a snapshot was not held.
#[derive(Debug, Clone, Error)]
#[non_exhaustive]
pub enum HoldError {
    /// There is no such snapshot.
    #[error("there is no snapshot {id}")]
    Unknown {
        /// Name of the record.
        id: SnapshotId,
    },
    /// It is held for longer already, and no hold is shortened.
    #[error("snapshot {id} is held for longer already")]
    Held {
        /// Name of the record.
        id: SnapshotId,
        /// The end of the hold that it has.
        until: Time,
    },
    /// The hold would be over before it began.
    #[error("a hold of snapshot {id} would be over already")]
    Past {
        /// Name of the record.
        id: SnapshotId,
        /// What the clock of the store shows.
        now: Time,
    },
    /// Anything else.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Takes a snapshot off the list. It stays restorable for the grace that the settings give it. Once more changes nothing.
pub(crate) fn forget(store: &Store, id: &SnapshotId, reason: &str) -> Result<(), ForgetError> {
    let (before, by) = (store.moment()?, signed(store, reason)?);
    store.persist(before, |catalogue| match catalogue.snapshot(id) {
        None => Err(ForgetError::Unknown { id: *id }),
        Some(at) if at.forgotten.is_some() => Ok(None),
        Some(_) => Ok(Some(Event::SnapshotForgotten { id: *id, by, reason: reason.into() })),
    })?;
    Ok(())
}

/// Puts a forgotten snapshot on the list again. One that is on it stays as it is.
pub(crate) fn recover(store: &Store, id: &SnapshotId, reason: &str) -> Result<(), ForgetError> {
    let (before, by) = (store.moment()?, signed(store, reason)?);
    store.persist(before, |catalogue| match catalogue.snapshot(id) {
        None => Err(ForgetError::Unknown { id: *id }),
        Some(at) if at.forgotten.is_none() => Ok(None),
        Some(_) => Ok(Some(Event::SnapshotRecovered { id: *id, by, reason: reason.into() })),
    })?;
    Ok(())
}

/// Keeps a snapshot restorable until then, whatever anybody says. The same hold again changes nothing.
pub(crate) fn hold(store: &Store, id: &SnapshotId, until: Time, reason: &str) -> Result<(), HoldError> {
    let (before, by, now) = (store.moment()?, signed(store, reason)?, store.now());
    store.persist(before, |catalogue| match catalogue.snapshot(id) {
        None => Err(HoldError::Unknown { id: *id }),
        Some(at) if until == at.held_until => Ok(None),
        Some(_) if until <= now => Err(HoldError::Past { id: *id, now }),
        Some(at) if until < at.held_until => Err(HoldError::Held { id: *id, until: at.held_until }),
        Some(_) => Ok(Some(Event::SnapshotHeld { id: *id, until, by, reason: reason.into() })),
    })?;
    Ok(())
}

/// All snapshots that were forgotten and can be recovered, in the order in which they were received.
pub(crate) fn forgotten(store: &Store) -> Result<Vec<Forgotten>, StoreError> {
    let known: Vec<SnapshotAt> =
        store.catalogue().snapshots().filter(|at| at.forgotten.is_some()).cloned().collect();
    let times =
        known.iter().filter_map(|at| Some((at.forgotten?.at, at.forgotten?.until.max(at.held_until))));
    let listed = read(store, &known)?.into_iter().zip(times);
    Ok(listed.map(|(listed, (forgotten, until))| Forgotten { listed, forgotten, until }).collect())
}

/// All snapshots whose series have names that begin so, forgotten ones included, in the order in which they were
/// received.
pub(crate) fn known(store: &Store, prefix: &str) -> Result<Vec<Known>, StoreError> {
    let known: Vec<SnapshotAt> = {
        let catalogue = store.catalogue();
        let fits = |at: &&SnapshotAt| {
            catalogue.series_of(at).is_some_and(|series| series.as_str().starts_with(prefix))
        };
        catalogue.snapshots().filter(fits).cloned().collect()
    };
    let listed = read(store, &known)?.into_iter().zip(&known);
    let one = |(listed, at): (Listed, &SnapshotAt)| Known {
        listed,
        forgotten: at.forgotten.map(|forgotten| (forgotten.at, forgotten.until.max(at.held_until))),
        held_until: at.held_until,
        tags: at.tokens().map(|tokens| tokens.iter().copied().map(TagToken).collect()),
    };
    Ok(listed.map(one).collect())
}

/// Who says so, once the texts are known to fit.
pub(super) fn signed(store: &Store, reason: &str) -> Result<String, StoreError> {
    let by = store.holder()?;
    for (what, text) in [("the reason", reason), ("the name of the writer", by)] {
        let (bytes, bytes_max) = (text.len() as u64, JOURNAL_TEXT_BYTES_MAX as u64);
        if bytes > bytes_max {
            return Err(StoreError::TooLarge { what, bytes, bytes_max });
        }
    }
    Ok(by.to_owned())
}
