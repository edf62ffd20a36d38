//! Snapshots: committed once everything that they reach is stored, listed, forgotten.
//!
//! That everything is there needs no walk: an object is taken in only after those that it refers to, so a root that is
//! there proves the rest, as long as no pack was lost ([`closure`]).

pub mod clockguard;
mod closure;
mod history;
mod keep;
mod replace;
pub mod policy;
mod retain;
pub mod retention;
mod settings;
mod sizes;

use std::collections::BTreeSet;
use std::collections::HashMap;

use farkeep_codec::envelope::EnvelopeError;
use farkeep_codec::id::ObjectId;
use farkeep_codec::id::RepositoryId;
use farkeep_codec::id::SnapshotId;
use farkeep_codec::snapshot::Series;
use farkeep_codec::snapshot::Snapshot;
use farkeep_codec::time::Time;
use thiserror::Error;

use crate::journal::Event;
use crate::journal::Payloads;
use crate::limits::JOURNAL_PAYLOAD_BYTES_MAX;
use crate::limits::SNAPSHOT_TOKENS_MAX;
use crate::store::Catalogue;
use crate::store::Name;
use crate::store::References;
use crate::store::Session;
use crate::store::SnapshotAt;
use crate::store::Store;
use crate::store::StoreError;
use crate::store::layout;

use policy::TagToken;

pub use history::Grown;
pub(crate) use history::history;
pub use keep::ForgetError;
pub use keep::Forgotten;
pub use keep::HoldError;
pub use keep::Known;
pub(crate) use keep::forget;
pub(crate) use keep::forgotten;
pub(crate) use keep::hold;
pub(crate) use keep::known;
pub(crate) use keep::recover;
pub use replace::ReplaceError;
pub use replace::Replacement;
pub(crate) use replace::replace;
pub use retain::Act;
pub use retain::Fate;
pub use retain::Judged;
pub use retain::RetainError;
pub use retain::Retained;
pub use retain::Rules;
pub(crate) use retain::freeze;
pub(crate) use retain::frozen;
pub(crate) use retain::retain;
pub(crate) use retain::thaw;
pub use settings::SettingsError;
pub(crate) use settings::change as change_settings;
pub use settings::expect_fit;
pub use settings::policies;
pub use sizes::Freed;
pub use sizes::Size;
pub use sizes::Sizes;
pub(crate) use sizes::freed;
pub(crate) use sizes::series_ids;
pub(crate) use sizes::sizes;

/// The answer to a commit: the snapshot is durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Committed {
    /// Name of the record.
    pub id: SnapshotId,
    /// Number of the journal record that holds it.
    pub sequence: u64,
    /// When the store received it, by its own clock.
    pub received: Time,
}

/// A snapshot of the repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Name of the record.
    pub id: SnapshotId,
    /// The record.
    pub record: Snapshot,
    /// When the store received it, by its own clock. Never before the one in front of it in a list.
    pub received: Time,
    /// Number of the journal record that brought this point in time: one that was written anew keeps its place.
    pub sequence: u64,
}

/// Why a snapshot was not committed.
#[derive(Debug, Clone, Error)]
#[non_exhaustive]
pub enum CommitError {
    /// The bytes are no snapshot record.
    #[error("the snapshot record cannot be read")]
    Malformed {
        /// What is wrong with it.
        #[from]
        source: EnvelopeError,
    },
    /// The agent that the record names did not sign it.
    #[error("the signature of snapshot {id} does not fit")]
    Forged {
        /// Name of the record.
        id: SnapshotId,
    },
    /// The record is of another repository.
    #[error("snapshot {id} belongs to repository {repository}")]
    Foreign {
        /// Name of the record.
        id: SnapshotId,
        /// The repository that the record names.
        repository: RepositoryId,
    },
    /// The root of the snapshot is not stored.
    #[error("the root {root} of snapshot {id} is not stored")]
    MissingRoot {
        /// Name of the record.
        id: SnapshotId,
        /// Root of its tree.
        root: ObjectId,
    },
    /// Something that the snapshot needs lay in a pack that was lost.
    #[error("snapshot {id} needs object {missing}, which was lost")]
    Incomplete {
        /// Name of the record.
        id: SnapshotId,
        /// What is not there any more.
        missing: ObjectId,
    },
    /// The record does not follow the newest one of its series: somebody else has added to the series meanwhile.
    #[error("snapshot {id} does not follow the newest of the series {series}")]
    OutOfOrder {
        /// Name of the record.
        id: SnapshotId,
        /// The series.
        series: Series,
        /// The newest record of the series, and its number in it, if there is any.
        newest: Option<(SnapshotId, u64)>,
    },
    /// Anything else.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A record that somebody wants to commit, with what may be known of its tags.
#[derive(Clone, Copy)]
pub struct Marked<'a> {
    /// The one that stored what the snapshot needs.
    pub session: &'a Session,
    /// The bytes of the record.
    pub record: &'a [u8],
    /// One for each tag, in any order; `None` if nobody tells. More than the journal takes are as good as not told.
    pub tags: Option<&'a [TagToken]>,
}

/// A record that somebody wants to commit, and that may be committed as far as it alone can tell.
struct Candidate<'a> {
    id: SnapshotId,
    snapshot: Snapshot,
    record: &'a [u8],
    tags: Option<BTreeSet<TagToken>>,
}

/// Makes a snapshot durable, and everything that was put before it. The same record again gets the same answer.
pub(crate) fn commit(store: &Store, session: &Session, record: &[u8]) -> Result<Committed, CommitError> {
    let mut committed = commit_marked(store, &[Marked { session, record, tags: None }])?;
    Ok(committed.pop().expect("one record gives one answer"))
}

/// Makes snapshots durable, all of them or none, and everything that was put before them. Each record comes with the
/// session that stored what it needs.
pub(crate) fn commit_marked(store: &Store, records: &[Marked<'_>]) -> Result<Vec<Committed>, CommitError> {
    let before = store.moment()?;
    let candidates = records.iter().map(|marked| examine(store, *marked));
    let candidates: Vec<Candidate<'_>> = candidates.collect::<Result<_, _>>()?;
    let before = before.until(store.moment()?);
    if candidates.iter().any(|candidate| store.catalogue().snapshot(&candidate.id).is_none()) {
        store.persist(before, |catalogue| decide(catalogue, &candidates))?;
    }
    let catalogue = store.catalogue();
    let known = |candidate: &Candidate<'_>| {
        committed(catalogue.snapshot(&candidate.id).expect("its event was taken into the catalogue"))
    };
    Ok(candidates.iter().map(known).collect())
}

/// The snapshot with this id, even if that was forgotten.
pub(crate) fn find(store: &Store, id: &SnapshotId) -> Option<Committed> {
    store.catalogue().snapshot(id).map(committed)
}

/// Each series, and when its newest record was received, even if that was forgotten.
pub(crate) fn newest(store: &Store) -> Vec<(Series, Time)> {
    let catalogue = store.catalogue();
    catalogue.newest_of_all().map(|(series, newest)| (series.clone(), newest.received)).collect()
}

/// Reads a record, and looks at what does not depend on its series. A record that is there already was looked at.
fn examine<'a>(store: &Store, marked: Marked<'a>) -> Result<Candidate<'a>, CommitError> {
    let Marked { session, record, tags } = marked;
    let tags = tags.map(|tags| tags.iter().copied().collect());
    let snapshot = Snapshot::parse(record)?;
    let id = SnapshotId::from_bytes(*blake3::hash(record).as_bytes());
    if store.catalogue().snapshot(&id).is_none() {
        snapshot.verify().map_err(|_| CommitError::Forged { id })?;
        if snapshot.repository != store.parameters().repository {
            return Err(CommitError::Foreign { id, repository: snapshot.repository });
        }
        let missing = match store.references() {
            References::Here => closure::missing(store, session, &snapshot.root)?,
            References::Elsewhere => None,
        };
        match missing {
            None => {}
            Some(root) if root == snapshot.root => return Err(CommitError::MissingRoot { id, root }),
            Some(missing) => return Err(CommitError::Incomplete { id, missing }),
        }
    }
    Ok(Candidate { id, snapshot, record, tags })
}

/// All snapshots that are not forgotten, in the order in which they were received.
pub(crate) fn list(store: &Store) -> Result<Vec<Listed>, StoreError> {
    let known: Vec<SnapshotAt> =
        store.catalogue().snapshots().filter(|at| at.forgotten.is_none()).cloned().collect();
    read(store, &known)
}

/// The newest record of each series whose name begins so, forgotten ones included, in the order in which they were
/// received. Reads one record for each, however many there are.
pub(crate) fn newest_records(store: &Store, prefix: &str) -> Result<Vec<Listed>, StoreError> {
    let mut known: Vec<SnapshotAt> = {
        let catalogue = store.catalogue();
        let of_prefix = catalogue.newest_of_all().filter(|(series, _)| series.as_str().starts_with(prefix));
        of_prefix.filter_map(|(_, newest)| catalogue.snapshot(&newest.id).cloned()).collect()
    };
    known.sort_unstable_by_key(|at| at.arrived);
    read(store, &known)
}

/// Reads records from the journal.
fn read(store: &Store, known: &[SnapshotAt]) -> Result<Vec<Listed>, StoreError> {
    let mut payloads = Payloads::new(store.disk());
    let mut listed = Vec::with_capacity(known.len());
    for at in known {
        let is_right = |bytes: &Vec<u8>| blake3::hash(bytes) == *at.id.as_bytes();
        let bytes = match payloads.read(at.payload, at.payload_bytes) {
            Ok(bytes) if is_right(&bytes) => Ok(bytes),
            read => {
                payloads.read_in_mirror(at.payload, at.payload_bytes).ok().filter(is_right).map_or(read, Ok)
            }
        }?;
        let changed = || StoreError::Damaged {
            path: layout::path(Name::Journal).into(),
            offset: at.payload.offset,
            what: "a snapshot record: it changed since the journal was opened",
        };
        if !is_right(&bytes) {
            return Err(changed());
        }
        let record = Snapshot::parse(&bytes).map_err(|_| changed())?;
        listed.push(Listed { id: at.id, record, received: at.received, sequence: at.arrived });
    }
    Ok(listed)
}

/// The events of a commit, in view of everything that happened before.
fn decide(catalogue: &Catalogue, candidates: &[Candidate<'_>]) -> Result<Vec<Event>, CommitError> {
    let mut events = Vec::new();
    // What candidates add to their series, in front of the candidates behind them.
    let mut added: HashMap<&Series, (SnapshotId, u64)> = HashMap::new();
    for Candidate { id, snapshot, record, tags } in candidates {
        let is_added = added.get(&snapshot.series).is_some_and(|(added, _)| added == id);
        if is_added || catalogue.snapshot(id).is_some() {
            continue;
        }
        let known = || catalogue.newest(&snapshot.series).map(|newest| (newest.id, newest.sequence));
        let newest = added.get(&snapshot.series).copied().or_else(known);
        let follows = match newest {
            None => snapshot.previous.is_none() && snapshot.sequence == 0,
            Some((newest, sequence)) => {
                snapshot.previous == Some(newest) && sequence.checked_add(1) == Some(snapshot.sequence)
            }
        };
        if !follows {
            return Err(CommitError::OutOfOrder { id: *id, series: snapshot.series.clone(), newest });
        }
        added.insert(&snapshot.series, (*id, snapshot.sequence));
        events.push(Event::SnapshotCommitted { record: record.to_vec() });
        if let Some(tags) = tags.as_ref().filter(|tags| tags.len() <= SNAPSHOT_TOKENS_MAX) {
            let tokens = tags.iter().map(|TagToken(token)| *token).collect();
            events.push(Event::SnapshotMarked { id: *id, tokens });
        }
    }
    Ok(events)
}

fn committed(at: &SnapshotAt) -> Committed {
    Committed { id: at.id, sequence: at.sequence, received: at.received }
}

const _: () = assert!(
    farkeep_codec::limits::SERIES_BYTES_MAX + farkeep_codec::limits::PRIVATE_BYTES_MAX + (64 << 10)
        <= JOURNAL_PAYLOAD_BYTES_MAX,
    "a snapshot record fits a journal record",
);
