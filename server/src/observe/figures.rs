//! What is known of one repository, whether it is open or not.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicI64;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;

use farkeep_codec::time::Time;

use super::text::Form;
use super::text::Text;
use crate::config::Quota;

#[cfg(test)]
mod tests;

/// Series of one repository that are shown. Their names come from clients, and those that were there first stay.
pub(super) const SERIES_MAX: usize = 1_000;

/// What is known of one repository.
#[derive(Debug)]
pub(crate) struct Figures {
    quota: Quota,
    /// Counted against the quota, what is under way included.
    used_bytes: AtomicU64,
    bytes: AtomicU64,
    objects: AtomicU64,
    is_failed: AtomicBool,
    /// When that pack was verified that was so longest ago, in nanoseconds; the least number before that is known.
    verified: AtomicI64,
    unverified_bytes: AtomicU64,
    is_late: AtomicBool,
    series: Mutex<SeriesTable>,
}

#[derive(Debug, Default)]
struct SeriesTable {
    shown: BTreeMap<String, Newest>,
    /// Points of series that are not shown.
    hidden_points: u64,
}

/// The newest point of a series.
#[derive(Debug)]
struct Newest {
    received: Time,
    /// An event was raised for it.
    is_old: bool,
}

impl Figures {
    pub(super) fn new(quota: Quota) -> Self {
        Self {
            quota,
            used_bytes: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            objects: AtomicU64::new(0),
            is_failed: AtomicBool::new(false),
            verified: AtomicI64::new(i64::MIN),
            unverified_bytes: AtomicU64::new(0),
            is_late: AtomicBool::new(false),
            series: Mutex::default(),
        }
    }

    /// What is stored now.
    pub(crate) fn stored(&self, objects: u64, bytes: u64, used_bytes: u64) {
        self.objects.store(objects, Ordering::Relaxed);
        self.bytes.store(bytes, Ordering::Relaxed);
        self.used_bytes.store(used_bytes, Ordering::Relaxed);
    }

    /// A series has a point that was received then.
    pub(crate) fn point(&self, series: &str, received: Time) {
        let mut table = self.table();
        if let Some(newest) = table.shown.get_mut(series) {
            if newest.received < received {
                *newest = Newest { received, is_old: false };
            }
        } else if table.shown.len() < SERIES_MAX {
            table.shown.insert(series.to_owned(), Newest { received, is_old: false });
        } else {
            table.hidden_points += 1;
        }
    }

    /// The storage failed.
    pub(crate) fn failed(&self) {
        self.is_failed.store(true, Ordering::Relaxed);
    }

    /// The repository was opened anew.
    pub(crate) fn opened(&self) {
        self.is_failed.store(false, Ordering::Relaxed);
    }

    /// When that pack was verified that was so longest ago, and bytes of those that never were.
    pub(crate) fn verified(&self, oldest: Option<Time>, unverified_bytes: u64) {
        let oldest = oldest.map_or(i64::MIN, Time::nanoseconds);
        self.verified.store(oldest, Ordering::Relaxed);
        self.unverified_bytes.store(unverified_bytes, Ordering::Relaxed);
    }

    /// Whether verifications have become late since this was asked before.
    pub(crate) fn turned_late(&self, is_late: bool) -> bool {
        let was_late = self.is_late.swap(is_late, Ordering::Relaxed);
        is_late && !was_late
    }

    fn oldest_verified(&self) -> Option<Time> {
        let oldest = self.verified.load(Ordering::Relaxed);
        (oldest != i64::MIN).then(|| Time::from_nanoseconds(oldest))
    }

    pub(super) fn is_failed(&self) -> bool {
        self.is_failed.load(Ordering::Relaxed)
    }

    /// Series whose newest point has become too old since the last look, each with its age.
    pub(super) fn grown_old(&self, limit_seconds: u64, now: Time) -> Vec<(String, u64)> {
        let mut grown = Vec::new();
        for (series, newest) in &mut self.table().shown {
            let age_seconds = age_seconds(newest.received, now);
            if age_seconds > limit_seconds && !newest.is_old {
                newest.is_old = true;
                grown.push((series.clone(), age_seconds));
            }
        }
        grown
    }

    fn table(&self) -> MutexGuard<'_, SeriesTable> {
        self.series.lock().expect("nothing panics while it holds the series")
    }
}

fn age_seconds(received: Time, now: Time) -> u64 {
    let nanoseconds = now.nanoseconds().saturating_sub(received.nanoseconds());
    u64::try_from(nanoseconds).unwrap_or(0) / 1_000_000_000
}

/// Writes down the figures of all repositories.
pub(super) fn write(all: &[(String, Arc<Figures>)], now: Time, text: &mut Text) {
    let each: [(&str, &str, fn(&Figures) -> u64); 4] = [
        ("farkeep_repository_bytes", "Bytes of all packs.", |f| f.bytes.load(Ordering::Relaxed)),
        ("farkeep_repository_objects", "Objects in all packs.", |f| f.objects.load(Ordering::Relaxed)),
        ("farkeep_repository_failed", "1 if the storage failed, and was not opened anew.", |f| {
            u64::from(f.is_failed())
        }),
        ("farkeep_quota_used_bytes", "Bytes that count against the quota.", |f| {
            f.used_bytes.load(Ordering::Relaxed)
        }),
    ];
    for (name, help, value) in each {
        text.family(name, Form::Gauge, help);
        for (repository, figures) in all {
            text.sample(name, &[("repository", repository)], value(figures));
        }
    }
    let name = "farkeep_verification_oldest_seconds";
    text.family(name, Form::Gauge, "How long ago that pack was verified that was so longest ago.");
    for (repository, figures) in all {
        if let Some(oldest) = figures.oldest_verified() {
            text.sample(name, &[("repository", repository)], age_seconds(oldest, now));
        }
    }
    let name = "farkeep_unverified_bytes";
    text.family(name, Form::Gauge, "Bytes of packs that were not verified since they were written.");
    for (repository, figures) in all {
        let bytes = figures.unverified_bytes.load(Ordering::Relaxed);
        text.sample(name, &[("repository", repository)], bytes);
    }
    let name = "farkeep_quota_limit_bytes";
    text.family(name, Form::Gauge, "Bytes beyond which the server warns (soft) or refuses (hard).");
    for (repository, figures) in all {
        for (kind, limit) in [("soft", figures.quota.soft_bytes), ("hard", figures.quota.hard_bytes)] {
            if let Some(limit) = limit {
                text.sample(name, &[("repository", repository), ("kind", kind)], limit);
            }
        }
    }
    let name = "farkeep_newest_point_seconds";
    text.family(name, Form::Gauge, "Age of the newest point of a series, from when it was received.");
    for (repository, figures) in all {
        for (series, newest) in &figures.table().shown {
            let labels = [("repository", repository.as_str()), ("series", series)];
            text.sample(name, &labels, age_seconds(newest.received, now));
        }
    }
    let name = "farkeep_hidden_points_total";
    text.family(name, Form::Counter, "Points of series that are too many to be shown.");
    for (repository, figures) in all {
        text.sample(name, &[("repository", repository)], figures.table().hidden_points);
    }
}
