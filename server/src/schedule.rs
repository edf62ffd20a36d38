//! What is due in repositories without anybody asking: policies are applied and repositories collected on their schedules, by
//! a clock that is watched. What was missed while the server was down is caught up when it starts, each once.
//!
//! A repository that nobody uses stays closed: what is set for it is read from its files when these have changed, as a
//! reader does. It is opened to be written only when something is due, or when the clock is found out to be wrong.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;
use std::time::SystemTime;

use cronexpr::Crontab;
use farkeep_codec::time::Time;
use farkeep_engine::Access;
use farkeep_engine::Act;
use farkeep_engine::Engine;
use farkeep_engine::Fate;
use farkeep_engine::Rules;
use farkeep_engine::Settings;
use farkeep_engine::clockguard::ClockGuard;
use farkeep_engine::clockguard::Frozen;
use farkeep_engine::clockguard::Verdict;
use farkeep_engine::clockguard::ahead;
use farkeep_engine::disk::Backend;
use farkeep_engine::disk::RealDisk;
use farkeep_engine::policies;
use farkeep_protocol::fault::Code;
use farkeep_protocol::field::Name;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use tokio::time::MissedTickBehavior;
use tokio::time::interval;

use self::collecting::Collecting;
use self::collecting::Ended;
use self::collecting::UnderWay;
use self::done::Done;
use self::done::UpTo;
use self::patrolling::Patrolling;
use crate::bridge::Collections;
use crate::bridge::Failure;
use crate::bridge::How;
use crate::bridge::Lease;
use crate::bridge::Pool;
use crate::bridge::Repositories;
use crate::config::Config;
use crate::machine::Machine;
use crate::observe::Event;
use crate::observe::Observer;
use crate::registry::Folder;

mod collecting;
mod done;
mod patrolling;
#[cfg(test)]
mod tests;

/// When something is due: the five fields of cron.
#[derive(Debug, Clone)]
struct Schedule(Crontab);

impl Schedule {
    /// Reads a schedule in a time zone; nothing is due by an empty one.
    fn parse(text: &str, zone: &TimeZone) -> Result<Option<Self>, String> {
        let words = text.split_whitespace().count();
        if words == 0 {
            return Ok(None);
        }
        if words != 5 {
            return Err(format!("{text:?} is no schedule: cron has five fields"));
        }
        let name = zone.iana_name().unwrap_or("UTC");
        let crontab = cronexpr::parse_crontab(&format!("{text} {name}"));
        crontab
            .map(|crontab| Some(Self(crontab)))
            .map_err(|error| format!("{text:?} is no schedule: {error}"))
    }

    /// The first time after that one.
    fn next(&self, after: Timestamp) -> Option<Timestamp> {
        self.0.find_next(after).ok().map(|next| next.timestamp())
    }
}

/// Whether the schedules of settings can be kept.
pub(crate) fn expect_fit(settings: &Settings) -> Result<(), String> {
    let zone = policies(settings).map_err(|error| error.to_string())?.zone;
    Schedule::parse(&settings.retention_schedule, &zone)?;
    Schedule::parse(&settings.collection_schedule, &zone)?;
    Ok(())
}

/// Keeps the schedules of all repositories.
pub(crate) struct Keeping {
    /// The data folder.
    pub(crate) folder: Folder,
    pub(crate) config: Arc<Config>,
    pub(crate) machine: Machine,
    pub(crate) repositories: Repositories,
    pub(crate) pool: Pool,
    pub(crate) collections: Collections,
    pub(crate) observer: Arc<Observer>,
}

/// What is known of a repository.
struct Entry {
    guard: ClockGuard,
    /// When its journal had last changed when it was looked at.
    changed: Option<SystemTime>,
    settings: Settings,
    /// The time of its newest record.
    last: Time,
    /// The journal says that nothing is deleted.
    is_frozen: bool,
    /// It says so because of what this process saw.
    is_frozen_by_us: bool,
    next: Next,
    /// When its packs were last patrolled.
    patrolled: Option<Time>,
}

/// When something is due.
#[derive(Debug, Clone, Copy, Default)]
struct Next {
    retention: Option<Timestamp>,
    collection: Option<Timestamp>,
}

/// What the files of a repository say.
struct Look {
    changed: SystemTime,
    settings: Settings,
    last: Time,
    is_frozen: bool,
}

impl Keeping {
    /// Looks again and again what is due.
    pub(crate) async fn run(self) {
        let began = Instant::now();
        let mut entries: HashMap<String, Entry> = HashMap::new();
        let mut done = Done::read(self.folder.clone());
        let mut under_way: Option<UnderWay> = None;
        let mut patrol: Option<UnderWay> = None;
        let mut ticks = interval(self.config.retention.every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let folder = self.folder.repositories();
            let names = match self.pool.run(move || names(&folder)).await {
                Ok(Ok(names)) => names,
                Ok(Err(error)) => {
                    tracing::warn!(%error, "the repositories cannot be listed");
                    continue;
                }
                Err(_) => continue,
            };
            entries.retain(|name, _| names.contains(name));
            done.retain(&names);
            for name in names {
                let (now, steady) = (self.observer.now(), began.elapsed());
                let entry = entries.entry(name.clone()).or_insert_with(|| Entry::new(now, steady));
                if let Err(failure) = self.look_after(&name, (entry, &mut done), now, steady).await {
                    tracing::warn!(repository = %name, %failure, "what was due was not done");
                }
            }
            under_way = self.collect(under_way, &mut entries, &mut done).await;
            patrol = self.patrol(patrol, &mut entries).await;
            if let Err(failure) = done.save(&self.pool).await {
                tracing::warn!(%failure, "what was done is not written down");
            }
            let frozen = entries.values().filter(|entry| entry.is_frozen).count();
            self.observer.counters.frozen(frozen as u64);
        }
    }

    async fn look_after(
        &self,
        name: &str,
        (entry, done): (&mut Entry, &mut Done),
        now: Time,
        steady: Duration,
    ) -> Result<(), Failure> {
        let is_first = entry.changed.is_none();
        if let Some(look) = self.look(name, entry.changed).await? {
            entry.learn(look, now, (name, done));
        }
        let limit = Duration::from_secs(entry.settings.clock_seconds.into());
        let idle = if is_first { ahead(now, entry.last) } else { None };
        match entry.guard.look(now, steady, entry.last, limit) {
            Verdict::Wrong(frozen) => self.freeze(name, entry, frozen).await?,
            Verdict::Settled if entry.is_frozen_by_us => self.thaw(name, entry).await?,
            _ => {}
        }
        if let Some(frozen) = idle {
            self.freeze(name, entry, frozen).await?;
            // What this process has not seen to go wrong it does not see to come right either.
            entry.is_frozen_by_us = false;
        }
        let is_due = entry.next.retention.is_some_and(|next| next <= timestamp(now));
        if is_due && self.config.retention.enabled {
            if !entry.is_frozen {
                self.retain(name).await?;
            }
            done.note(name, |up_to| up_to.retention = Some(timestamp(now)));
            entry.plan_next(done.of(name));
        }
        Ok(())
    }

    /// Begins the collection that has been due for longest, if none is under way. One that is frozen is not caught up later.
    async fn collect(
        &self,
        under_way: Option<UnderWay>,
        entries: &mut HashMap<String, Entry>,
        done: &mut Done,
    ) -> Option<UnderWay> {
        let now = timestamp(self.observer.now());
        let mut is_over = |name: &str, entries: &mut HashMap<String, Entry>| {
            done.note(name, |up_to| up_to.collection = Some(now));
            if let Some(entry) = entries.get_mut(name) {
                entry.plan_next(done.of(name));
            }
        };
        if let Some(mut under_way) = under_way {
            match under_way.ended().await {
                None | Some(Ended::GivenUp) => return Some(under_way),
                Some(Ended::Done) => is_over(&under_way.name, entries),
            }
        }
        if !self.config.collect.enabled {
            return None;
        }
        let due = |(name, entry): (&String, &Entry)| {
            Some((entry.next.collection.filter(|at| *at <= now)?, name.clone()))
        };
        let mut due: Vec<(Timestamp, String)> = entries.iter().filter_map(due).collect();
        due.sort_unstable();
        for (_, name) in due {
            if entries.get(&name).is_none_or(|entry| entry.is_frozen) {
                is_over(&name, entries);
                continue;
            }
            let collecting = Collecting {
                name,
                config: self.config.collect.clone(),
                repositories: self.repositories.clone(),
                collections: self.collections.clone(),
                observer: Arc::clone(&self.observer),
            };
            return Some(collecting.begin());
        }
        None
    }

    /// Begins the patrol of the repository whose last one is longest ago, if that is long enough and none is under way.
    async fn patrol(
        &self,
        under_way: Option<UnderWay>,
        entries: &mut HashMap<String, Entry>,
    ) -> Option<UnderWay> {
        let config = &self.config.scrub;
        let now = self.observer.now();
        if let Some(mut under_way) = under_way {
            match under_way.ended().await {
                None | Some(Ended::GivenUp) => return Some(under_way),
                Some(Ended::Done) => {}
            }
        }
        let is_due = |at: Time| {
            let passed = now.nanoseconds().abs_diff(at.nanoseconds());
            u128::from(passed) >= config.every.as_nanos()
        };
        let due = |(_, entry): &(&String, &mut Entry)| {
            // Whoever does not care how old verifications are has set no bound.
            entry.settings.scrub_days > 0 && entry.patrolled.is_none_or(is_due)
        };
        let due = entries.iter_mut().filter(due);
        let (name, entry) = due.min_by_key(|(name, entry)| (entry.patrolled, (*name).clone()))?;
        if !config.enabled {
            return None;
        }
        entry.patrolled = Some(now);
        let patrolling = Patrolling {
            name: name.clone(),
            config: config.clone(),
            repositories: self.repositories.clone(),
            collections: self.collections.clone(),
            observer: Arc::clone(&self.observer),
            figures: self.observer.repository(name, self.config.quotas.repository(name)),
        };
        Some(patrolling.begin())
    }

    /// What the files of a repository say, if they have changed since.
    async fn look(&self, name: &str, changed: Option<SystemTime>) -> Result<Option<Look>, Failure> {
        let (machine, folder) = (self.machine.clone(), self.folder.repositories().join(name));
        self.pool.run(move || look(&machine, &folder, changed)).await?
    }

    async fn open(&self, name: &str) -> Result<Lease, Failure> {
        self.repositories.open(name, How::Open).await
    }

    async fn freeze(&self, name: &str, entry: &mut Entry, seen: Frozen) -> Result<(), Failure> {
        if entry.is_frozen {
            return Ok(());
        }
        let lease = self.open(name).await?;
        let is_new =
            self.pool.run(move || lease.engine().freeze(seen, "farkeepd: the clock moved")).await??;
        (entry.is_frozen, entry.is_frozen_by_us) = (true, true);
        if is_new {
            self.observer.recorder.raise(Event::DeletionsFrozen {
                repository: name.to_owned(),
                shown: timestamp(seen.shown),
                expected: timestamp(seen.expected.unwrap_or(seen.shown)),
            });
        }
        Ok(())
    }

    async fn thaw(&self, name: &str, entry: &mut Entry) -> Result<(), Failure> {
        let lease = self.open(name).await?;
        let is_new =
            self.pool.run(move || lease.engine().thaw("farkeepd: the clock is right again")).await??;
        (entry.is_frozen, entry.is_frozen_by_us) = (false, false);
        if is_new {
            self.observer.recorder.raise(Event::DeletionsThawed { repository: name.to_owned() });
        }
        Ok(())
    }

    /// Applies the policies of a repository.
    async fn retain(&self, name: &str) -> Result<(), Failure> {
        let lease = self.open(name).await?;
        let retain = move || lease.engine().retain(&Rules::Stored, Act::Execute, "schedule");
        let retained = self.pool.run(retain).await??;
        let goes = retained.judged.iter().filter(|judged| matches!(judged.fate, Fate::Forgotten(_)));
        let (forgotten, all) = (goes.count() as u64, retained.judged.len() as u64);
        tracing::info!(repository = %name, forgotten, kept = all - forgotten, "policies were applied");
        self.observer.counters.forgotten(forgotten);
        if forgotten > 0 {
            let kept = all - forgotten;
            self.observer.recorder.raise(Event::Retained { repository: name.to_owned(), kept, forgotten });
        }
        Ok(())
    }
}

impl Entry {
    fn new(now: Time, steady: Duration) -> Self {
        Self {
            guard: ClockGuard::new(now, steady),
            changed: None,
            settings: Settings::default(),
            last: now,
            is_frozen: false,
            is_frozen_by_us: false,
            next: Next::default(),
            patrolled: None,
        }
    }

    /// Takes in what the files say. What was due before stays due.
    fn learn(&mut self, look: Look, now: Time, (name, done): (&str, &mut Done)) {
        let is_first = self.changed.is_none();
        let is_planned = self.changed.is_some() && self.settings == look.settings;
        // A keeper who thaws it by hand has looked at the clock.
        self.is_frozen_by_us &= look.is_frozen;
        (self.changed, self.last) = (Some(look.changed), look.last);
        (self.settings, self.is_frozen) = (look.settings, look.is_frozen);
        if is_planned {
            return;
        }
        let now = Some(timestamp(now));
        done.note(name, |up_to| match is_first {
            // What was missed while the server was down is due.
            true => {
                *up_to = UpTo { retention: up_to.retention.or(now), collection: up_to.collection.or(now) }
            }
            false => *up_to = UpTo { retention: now, collection: now },
        });
        self.plan_next(done.of(name));
    }

    /// Finds out what is due when, given up to when it was done.
    fn plan_next(&mut self, done: UpTo) {
        let zone = policies(&self.settings).map_or(TimeZone::UTC, |set| set.zone);
        let next = |schedule: &str, up_to: Option<Timestamp>| {
            let schedule = Schedule::parse(schedule, &zone).unwrap_or_default()?;
            schedule.next(up_to?)
        };
        self.next = Next {
            retention: next(&self.settings.retention_schedule, done.retention),
            collection: next(&self.settings.collection_schedule, done.collection),
        };
    }
}

fn names(folder: &Path) -> io::Result<Vec<String>> {
    let entries = fs::read_dir(folder)?.collect::<io::Result<Vec<_>>>()?;
    let names = entries.iter().filter_map(|entry| entry.file_name().into_string().ok());
    Ok(names.filter(|name| Name::new(name).is_ok()).collect())
}

/// Reads what the files of a repository say, unless they are as they were. Blocks.
fn look(machine: &Machine, folder: &Path, known: Option<SystemTime>) -> Result<Option<Look>, Failure> {
    // Every record of the journal changes this file, after the record is there.
    let Ok(changed) = fs::metadata(folder.join("head")).and_then(|head| head.modified()) else {
        // It is being made.
        return Ok(None);
    };
    if known == Some(changed) {
        return Ok(None);
    }
    let random = |error| Failure::new(Code::INTERNAL, format!("the system has no random numbers: {error}"));
    let options = machine.options(folder).map_err(random)?;
    let disk = machine.disk(RealDisk::open(folder, Backend::Auto)?);
    let engine = Engine::open(disk, Access::Read, options)?;
    let is_frozen = engine.is_frozen();
    Ok(Some(Look { changed, settings: engine.settings(), last: engine.last_time(), is_frozen }))
}

fn timestamp(time: Time) -> Timestamp {
    Timestamp::from_nanosecond(i128::from(time.nanoseconds()))
        .expect("64 bits of nanoseconds reach less far than a timestamp")
}
