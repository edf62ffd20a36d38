//! Policies at work ([`retain`]): what they keep and forget of what is there, decided and written down as one step.
//!
//! The plan is made from the catalogue while nobody can write, so a snapshot that was held or recovered a moment before
//! is seen.

use std::collections::HashMap;
use std::time::Duration;

use farkeep_codec::id::SnapshotId;
use farkeep_codec::snapshot::Series;
use farkeep_codec::time::Time;
use thiserror::Error;

use super::clockguard::Frozen;
use super::clockguard::behind;
use super::keep::signed;
use super::policy::Pattern;
use super::policy::Policy;
use super::policy::PolicySet;
use super::policy::TagToken;
use super::retention::Candidate;
use super::retention::Reason;
use super::retention::plan;
use super::settings::SettingsError;
use super::settings::policies;
use crate::journal::ClockTrust;
use crate::journal::Event;
use crate::limits::FORGOTTEN_TOGETHER_MAX;
use crate::limits::JOURNAL_TEXT_BYTES_MAX;
use crate::store::Catalogue;
use crate::store::Store;
use crate::store::StoreError;

#[cfg(test)]
mod tests;

/// Which policies are asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rules {
    /// Those of the settings.
    Stored,
    /// These, in the time zone of the settings.
    Given(Vec<Policy>),
}

/// Whether a plan is carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// Nothing is changed.
    Plan,
    /// What no rule keeps is forgotten.
    Execute,
}

/// What policies say about all snapshots that are on the list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Retained {
    /// By series, and in each the oldest first.
    pub judged: Vec<Judged>,
    /// Nothing may be deleted, and therefore nothing was, or would be.
    pub frozen: Option<Frozen>,
}

/// What policies say about one snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judged {
    /// Which.
    pub id: SnapshotId,
    /// What it is of.
    pub series: Series,
    /// When the store received it, by its own clock.
    pub received: Time,
    /// Number of the journal record that holds it.
    pub sequence: u64,
    /// What becomes of it.
    pub fate: Fate,
}

/// What becomes of a snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// It stays, for one reason or more.
    Kept(Vec<Reason>),
    /// It goes, since no rule of that policy keeps it.
    Forgotten(Pattern),
}

/// Why nothing was forgotten.
#[derive(Debug, Clone, Error)]
#[non_exhaustive]
pub enum RetainError {
    /// The clock is not believed.
    #[error("nothing is deleted, since the clock moved by itself")]
    Frozen(Frozen),
    /// The stored policies cannot be carried out.
    #[error("the policies of the repository cannot be carried out")]
    Settings(#[from] SettingsError),
    /// Anything else.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Applies policies to all snapshots that are on the list.
pub(crate) fn retain(store: &Store, rules: &Rules, act: Act, reason: &str) -> Result<Retained, RetainError> {
    let now = store.now();
    if act == Act::Plan {
        let catalogue = store.catalogue();
        let frozen = frozen(&catalogue, now);
        return Ok(Retained { judged: judge(&catalogue, rules, now)?, frozen });
    }
    execute(store, rules, reason, FORGOTTEN_TOGETHER_MAX)
}

/// Forgets what no rule keeps, so many snapshots with one write to the journal.
fn execute(store: &Store, rules: &Rules, reason: &str, together: usize) -> Result<Retained, RetainError> {
    let (by, now) = (signed(store, reason)?, store.now());
    let mut gone: Vec<Judged> = Vec::new();
    loop {
        let before = store.moment()?;
        let mut judged = Vec::new();
        let mut going = 0;
        store.persist(before, |catalogue| {
            if let Some(frozen) = frozen(catalogue, now) {
                return Err(RetainError::Frozen(frozen));
            }
            judged = judge(catalogue, rules, now)?;
            let events: Vec<Event> = judged.iter().filter_map(|one| event(one, &by, reason)).collect();
            going = events.len();
            Ok(events.into_iter().take(together))
        })?;
        if going <= together {
            judged.append(&mut gone);
            let order = |one: &Judged| (one.series.clone(), one.received, one.sequence);
            judged.sort_by_cached_key(order);
            return Ok(Retained { judged, frozen: None });
        }
        let goes = judged.into_iter().filter(|one| matches!(one.fate, Fate::Forgotten(_)));
        gone.extend(goes.take(together));
    }
}

/// Why nothing may be deleted at the moment.
pub(crate) fn frozen(catalogue: &Catalogue, now: Time) -> Option<Frozen> {
    let limit = Duration::from_secs(catalogue.settings().clock_seconds.into());
    let written = catalogue.frozen().map(|shown| Frozen { shown, expected: None });
    written.or_else(|| behind(now, catalogue.at().time, limit))
}

/// Writes down that nothing is deleted from here on; whether that is new.
pub(crate) fn freeze(store: &Store, seen: Frozen, by: &str) -> Result<bool, StoreError> {
    let expected = seen.expected.unwrap_or(seen.shown);
    trust(store, ClockTrust::Frozen, (seen.shown, expected), by)
}

/// Writes down that the clock is believed again; whether that is new.
pub(crate) fn thaw(store: &Store, by: &str) -> Result<bool, StoreError> {
    let now = store.now();
    trust(store, ClockTrust::Thawed, (now, now), by)
}

fn trust(
    store: &Store,
    clock: ClockTrust,
    (shown, expected): (Time, Time),
    by: &str,
) -> Result<bool, StoreError> {
    let (before, holder) = (store.moment()?, signed(store, by)?);
    let by = if by.is_empty() { holder } else { by.to_owned() };
    let entries = store.persist(before, |catalogue| {
        let is_new = catalogue.frozen().is_some() != (clock == ClockTrust::Frozen);
        Ok::<_, StoreError>(is_new.then_some(Event::DeletionsFrozen { clock, shown, expected, by }))
    })?;
    Ok(entries.iter().any(|entry| matches!(entry.record.event, Event::DeletionsFrozen { .. })))
}

/// What policies say, in view of everything that happened before.
fn judge(catalogue: &Catalogue, rules: &Rules, now: Time) -> Result<Vec<Judged>, SettingsError> {
    let mut set: PolicySet = policies(catalogue.settings())?;
    if let Rules::Given(given) = rules {
        set.policies.clone_from(given);
    }
    let candidates: Vec<Candidate> = candidates(catalogue, now).collect();
    let plan = plan(&candidates, &set, now);
    let kept = plan.keep.into_iter().map(|kept| (kept.id, Fate::Kept(kept.reasons)));
    let goes = plan.forget.into_iter().map(|goes| (goes.id, Fate::Forgotten(goes.policy)));
    let mut fates: HashMap<SnapshotId, Fate> = kept.chain(goes).collect();
    let mut sorted = candidates;
    sorted.sort_by(|one, other| order(one).cmp(&order(other)));
    let judged = sorted.into_iter().filter_map(|Candidate { id, series, received, sequence, .. }| {
        let fate = fates.remove(&id)?;
        Some(Judged { id, series, received, sequence, fate })
    });
    Ok(judged.collect())
}

fn order(one: &Candidate) -> (&Series, Time, u64, SnapshotId) {
    (&one.series, one.received, one.sequence, one.id)
}

/// What retention has to know of all snapshots that are on the list.
fn candidates(catalogue: &Catalogue, now: Time) -> impl Iterator<Item = Candidate> {
    let listed = catalogue.snapshots().filter(|at| at.forgotten.is_none());
    listed.filter_map(move |at| {
        Some(Candidate {
            id: at.id,
            series: catalogue.series_of(at)?.clone(),
            received: at.received,
            sequence: at.sequence,
            complete: at.is_complete(),
            tags: at.tokens().map(|tokens| tokens.iter().copied().map(TagToken).collect()),
            hold: (at.held_until > now).then_some(at.held_until),
        })
    })
}

fn event(judged: &Judged, by: &str, reason: &str) -> Option<Event> {
    let Fate::Forgotten(policy) = &judged.fate else { return None };
    let mut why = format!("policy {policy}");
    if !reason.is_empty() {
        why = format!("{reason}: {why}");
    }
    while why.len() > JOURNAL_TEXT_BYTES_MAX {
        why.pop();
    }
    Some(Event::SnapshotForgotten { id: judged.id, by: by.to_owned(), reason: why })
}
