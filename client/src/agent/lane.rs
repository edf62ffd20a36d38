//! A lane of the agent: jobs that run one after the other, each when it is due, with their hooks.

use std::collections::BTreeSet;
use std::sync::mpsc::SyncSender;
use std::thread::Builder;
use std::thread::ScopedJoinHandle;
use std::time::Duration;
use std::time::Instant;

use farkeep_codec::snapshot::Status;
use jiff::Timestamp;

use super::config::Config;
use super::config::Job;
use super::config::Member;
use super::error::JobError;
use super::event::Event;
use super::hooks::HookError;
use super::job;
use super::job::Made;
use super::place::LOOK;
use super::place::Place;
use super::runs::Memory;
use super::runs::Outcome;
use super::runs::Remembered;
use super::runs::Runs;
use super::schedule::Due;
use super::schedule::due;
use super::schedule::spread;
use super::servers::ReachError;
use super::servers::Servers;
use super::spooling::Spooling;
use super::spooling::timestamp;
use super::together;
use crate::backup;
use crate::backup::BackupError;
use crate::backup::Summary;
use crate::output::chain;
use crate::progress::Progress;
use crate::repository::Repository;
use crate::repository::jittered;

/// By how much the clock may be put back unnoticed.
const CLOCK_GRACE: Duration = Duration::from_secs(60);
/// First and longest wait before points that wait in the spool are brought to a server.
const DRAIN_FIRST: Duration = Duration::from_secs(1);
const DRAIN_MAX: Duration = Duration::from_secs(300);

/// Jobs that run one after the other.
pub(super) struct Lane<'a> {
    config: &'a Config,
    place: &'a Place,
    memory: &'a Memory<'a>,
    events: SyncSender<Event>,
    when: When,
    jobs: Vec<&'a Job>,
    spooling: Spooling<'a>,
    /// When the spool is drained next, and the wait before.
    drain: (Instant, Duration),
    /// The time of the clock when it was looked at last.
    seen: Timestamp,
}

/// When the jobs of a lane run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum When {
    /// As they come due, until the agent is told to end.
    Due,
    /// Once, now, whatever their schedules say.
    Once,
}

/// The lanes of a configuration: one of the jobs that stand alone, which has the spool too, and one of each group, whose
/// other members do not wait until a long job ends.
pub(super) fn lanes<'a>(
    servers: &'a Servers<'a>,
    memory: &'a Memory<'a>,
    events: &SyncSender<Event>,
    when: When,
) -> Vec<Lane<'a>> {
    let (config, place) = (servers.config, servers.place);
    let mut lanes: Vec<(Option<&Member>, Vec<&Job>)> = vec![(None, Vec::new())];
    for job in &config.jobs {
        match lanes.iter_mut().find(|(member, _)| *member == job.member.as_ref()) {
            Some((_, jobs)) => jobs.push(job),
            None => lanes.push((job.member.as_ref(), vec![job])),
        }
    }
    let lane = |(_, jobs)| Lane {
        config,
        place,
        memory,
        events: events.clone(),
        when,
        jobs,
        spooling: Spooling { servers },
        drain: (Instant::now(), DRAIN_FIRST),
        seen: Timestamp::now(),
    };
    lanes.into_iter().map(lane).collect()
}

impl<'a> Lane<'a> {
    /// Runs its jobs.
    pub(super) fn run(&mut self) {
        match self.when {
            When::Due => self.run_due(),
            When::Once => self.run_once(),
        }
    }

    fn run_due(&mut self) {
        while !self.place.is_cancelled() {
            let now = Timestamp::now();
            match self.first_due(now) {
                Some((job, at)) if at <= now => self.take(job),
                _ if self.drain_is_due() => self.drain_idle(),
                Some((_, at)) => {
                    self.place.sleep(at.duration_since(now).try_into().unwrap_or(LOOK).min(LOOK));
                }
                None => self.place.sleep(LOOK),
            }
        }
    }

    fn run_once(&mut self) {
        let is_group = self.group().is_some();
        for job in self.jobs.clone().into_iter().take(if is_group { 1 } else { usize::MAX }) {
            if !self.place.is_cancelled() {
                self.take(job);
            }
        }
    }

    /// The group, if it is the lane of one.
    fn group(&self) -> Option<&'a Member> {
        self.jobs.first()?.member.as_ref()
    }

    /// The job that is due first, and when.
    fn first_due(&mut self, now: Timestamp) -> Option<(&'a Job, Timestamp)> {
        let was_put_back = now + CLOCK_GRACE < self.seen;
        self.seen = now;
        let (jobs, host) = (&self.jobs, &self.place.host);
        let next = |runs: &mut Runs| {
            let mut is_new = false;
            for job in jobs {
                let remembered = runs.jobs.entry(job.name.clone()).or_default();
                if was_put_back {
                    // What was due by the old clock may be years away.
                    remembered.next = None;
                }
                if remembered.next.is_some() {
                    continue;
                }
                let spread = spread(host, &job.name, job.jitter);
                let last = remembered.due.filter(|due| *due <= now);
                remembered.next = match due(&job.schedule, last, now, spread, job.catch_up) {
                    Due::Now => Some(now),
                    Due::At(time) => Some(time),
                    Due::Never => None,
                };
                is_new |= remembered.next.is_some();
            }
            is_new
        };
        let is_new = self.memory.with(next);
        if is_new {
            self.memory.write();
        }
        self.next()
    }

    /// The job whose time comes first, as far as times are known.
    fn next(&self) -> Option<(&'a Job, Timestamp)> {
        self.memory.with(|runs| {
            let next = |job: &Job| runs.jobs.get(&job.name)?.next;
            let times = self.jobs.iter().filter_map(|job| Some((*job, next(job)?)));
            times.min_by_key(|(_, time)| *time)
        })
    }

    /// Runs one job, or all of the group, and remembers how they went. A run that is killed or told to end was none: its time
    /// is made up for.
    fn take(&mut self, job: &'a Job) {
        let begun = Timestamp::now();
        let jobs = if self.group().is_some() { self.jobs.clone() } else { vec![job] };
        self.memory.with(|runs| {
            for job in &jobs {
                let remembered = runs.jobs.entry(job.name.clone()).or_default();
                remembered.begun = Some(begun);
                remembered.ended = None;
            }
        });
        self.memory.write();
        let outcomes = match self.group() {
            None => vec![job::between_hooks(job, |before| {
                before.map_err(JobError::from).and_then(|()| self.back_up(job))
            })],
            Some(member)
                if self.when == When::Due
                    && together::is_in_vain(member, job.schedule.last(begun), jobs.len(), begun) =>
            {
                jobs.iter().map(|_| Err(JobError::TooLate)).collect()
            }
            Some(member) => self.back_up_together(&jobs, member, begun),
        };
        let is_cancelled = self.place.is_cancelled();
        let ended = self.memory.with(|runs| {
            let remember = |(job, outcome): (&&Job, job::Outcome)| {
                let remembered = runs.jobs.entry(job.name.clone()).or_default();
                remembered.ended = Some(Timestamp::now());
                remembered.next = None;
                if !is_cancelled {
                    remembered.due = Some(begun);
                }
                remember(remembered, begun, outcome);
                Event::Ended { job: job.name.clone(), remembered: Box::new(remembered.clone()) }
            };
            jobs.iter().zip(outcomes).map(remember).collect::<Vec<_>>()
        });
        self.memory.write();
        ended.into_iter().for_each(|event| self.tell(event));
    }

    /// Makes the points of a group's jobs. Without a server there is nobody to gather them.
    fn back_up_together(&self, jobs: &[&Job], member: &Member, begun: Timestamp) -> Vec<job::Outcome> {
        let (config, place, servers) = (self.config, self.place, self.spooling.servers);
        let due = jobs.first().and_then(|job| job.schedule.last(begun));
        let id = together::id(member, due, jobs.len());
        let make = |job: &Job, before: Result<(), HookError>| {
            let request = || {
                before?;
                // A point of one moment has all of its paths.
                let mut request = job::request(job, config, place, &mut BTreeSet::new())?;
                // Runs at the same time do not share a cache.
                request.cache_folder.push(&job.name);
                request.tags.push(together::tag(member, id));
                Ok(request)
            };
            together::run(servers, job, member, id, request)
                .map(|(summary, complaint)| Made::Acknowledged(Box::new(summary), complaint))
        };
        let make = &make;
        std::thread::scope(|scope| {
            let run = |job| {
                let run = move || job::between_hooks(job, |before| make(job, before));
                Builder::new().name("member".to_owned()).spawn_scoped(scope, run)
            };
            let running: Vec<_> = jobs.iter().map(|job| run(*job)).collect();
            let ended = |handle: ScopedJoinHandle<'_, job::Outcome>| {
                handle.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            };
            running
                .into_iter()
                .map(|started| started.map_or_else(|error| Err(JobError::Thread(error)), ended))
                .collect()
        })
    }

    /// Makes a point at the first server that answers, behind those that wait; where none does, in the spool. Where many
    /// wait, the next jobs would wait too until all are brought: so a job that comes due meanwhile spools its point behind.
    fn back_up(&mut self, job: &Job) -> Result<Made, JobError> {
        let mut seen = self.memory.with(|runs| runs.jobs.entry(job.name.clone()).or_default().seen.clone());
        let request = job::request(job, self.config, self.place, &mut seen)?;
        self.memory.with(|runs| runs.jobs.entry(job.name.clone()).or_default().seen = seen);
        if self.when == When::Due
            && self.spooling.is_there()
            && let Ok((summary, waiting)) = self.spooling.store(&request)
        {
            self.memory.with(|runs| runs.spool = waiting);
            self.drain.0 = Instant::now();
            return Ok(spooled("points wait to be brought to a server", &summary));
        }
        let unreached = match self.spooling.servers.reach() {
            Ok(repository) => {
                self.drain_to(&repository);
                match backup::begin(&request).store(&repository, &Progress::new()) {
                    Ok(summary) => return Ok(Made::Acknowledged(Box::new(summary), None)),
                    Err(BackupError::Repository(error)) if error.is_out_of_reach() => chain(&error),
                    Err(error) => return Err(error.into()),
                }
            }
            Err(ReachError::Refused(why)) => return Err(ReachError::Refused(why).into()),
            Err(error) => error.to_string(),
        };
        if self.place.is_cancelled() {
            return Err(ReachError::Unreached(unreached).into());
        }
        match self.spooling.store(&request) {
            Ok((summary, waiting)) => {
                self.memory.with(|runs| runs.spool = waiting);
                tracing::warn!("job {}: the point is spooled: {unreached}", job.name);
                Ok(spooled(&unreached, &summary))
            }
            Err(source) => Err(JobError::NotSpooled { unreached, source: Box::new(source) }),
        }
    }

    fn drain_is_due(&self) -> bool {
        self.group().is_none() && self.drain.0 <= Instant::now() && self.spooling.is_there()
    }

    /// Looks whether a server is there that takes what waits. As long as it takes something, more is brought at once.
    fn drain_idle(&mut self) {
        let (_, wait) = self.drain;
        let brought = match self.spooling.servers.try_all() {
            Ok(repository) => self.drain_to(&repository),
            Err(error) => {
                tracing::debug!("{error}");
                0
            }
        };
        self.drain = match brought {
            0 => (Instant::now() + jittered(wait), (wait * 2).min(DRAIN_MAX)),
            _ => (Instant::now(), DRAIN_FIRST),
        };
        self.memory.write();
    }

    /// Brings what waits in the spool to a server, until a job comes due, and says how many points it brought.
    fn drain_to(&self, repository: &Repository) -> u64 {
        let (jobs, host) = (&self.config.jobs, &self.place.host);
        let mut points = 0;
        let goes_on = || self.when == When::Once || self.next().is_none_or(|(_, at)| Timestamp::now() < at);
        let waiting = self.spooling.drain(repository, &goes_on, &mut |draft, id| {
            points += 1;
            let captured = timestamp(draft.captured);
            tracing::info!("the point of {} of {captured:.0} was brought to the server", draft.series);
            let Some(job) = jobs.iter().find(|job| job.series(host) == draft.series.as_str()) else {
                return;
            };
            self.memory.with(|runs| {
                let remembered = runs.jobs.entry(job.name.clone()).or_default();
                if remembered.acknowledged.is_none_or(|newest| newest <= captured) {
                    remembered.acknowledged = Some(captured);
                    remembered.snapshot = Some(id.to_string());
                }
                // The point of an earlier run says nothing of how the last one went.
                let is_of_last = remembered.begun.is_some_and(|begun| begun <= captured);
                if is_of_last && remembered.outcome == Some(Outcome::Spooled) {
                    let missing = match draft.status {
                        Status::Complete => 0,
                        Status::Partial { unreadable } => unreadable,
                    };
                    remembered.outcome =
                        Some(if missing == 0 { Outcome::Complete } else { Outcome::Partial });
                    remembered.message = job::missed(missing, None);
                }
            });
        });
        if points > 0 {
            let waiting = waiting.as_ref().map_or(0, |waiting| waiting.points);
            self.tell(Event::Brought { points, waiting });
        }
        self.memory.with(|runs| runs.spool = waiting);
        points
    }

    /// Backups do not wait until somebody reads how they went.
    fn tell(&self, event: Event) {
        if self.events.try_send(event).is_err() {
            tracing::warn!("nobody reads what is told of the jobs");
        }
    }
}

/// A point that waits in the spool, for this reason.
fn spooled(why: &str, summary: &Summary) -> Made {
    Made::Spooled(job::missed_by(summary).map_or(why.to_owned(), |missing| format!("{why}; {missing}")))
}

/// Remembers how a run that began then has ended.
fn remember(remembered: &mut Remembered, begun: Timestamp, outcome: job::Outcome) {
    match outcome {
        Ok((Made::Acknowledged(summary, complaint), message)) => {
            let missing = summary.unreadable_count + summary.inconsistent_count;
            remembered.outcome = Some(if missing == 0 { Outcome::Complete } else { Outcome::Partial });
            remembered.message = complaint.or(message).or_else(|| job::missed_by(&summary));
            remembered.acknowledged = Some(begun);
            remembered.snapshot = summary.snapshot.map(|id| id.to_string());
        }
        Ok((Made::Spooled(why), message)) => {
            remembered.outcome = Some(Outcome::Spooled);
            remembered.message = Some(message.map_or(why.clone(), |message| format!("{why}; {message}")));
        }
        Err(error) => {
            remembered.outcome = Some(Outcome::Failed);
            remembered.message = Some(chain(&error));
        }
    }
}
