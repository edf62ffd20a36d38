//! The work of an agent: waits until a job is due, runs it with its hooks, and remembers how it went.

use std::fs::DirBuilder;
use std::fs::File;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::time::Duration;
use std::time::Instant;

use farkeep_codec::snapshot::Status;
use jiff::Timestamp;

use super::config::Config;
use super::config::Job;
use super::config::Member;
use super::error::JobError;
use super::job;
use super::job::Made;
use super::place::LOOK;
use super::place::Place;
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
use crate::lock::Lock;
use crate::output::chain;
use crate::progress::Progress;
use crate::repository::Repository;
use crate::repository::jittered;

/// Name of the file whose lock says that an agent is at work.
const LOCK: &str = "lock";
/// By how much the clock may be put back unnoticed.
const CLOCK_GRACE: Duration = Duration::from_secs(60);
/// First and longest wait before points that wait in the spool are brought to a server.
const DRAIN_FIRST: Duration = Duration::from_secs(1);
const DRAIN_MAX: Duration = Duration::from_secs(300);

/// A run of a job that ended.
#[derive(Debug, Clone)]
pub struct Ended {
    /// Name of the job.
    pub job: String,
    /// How it went.
    pub remembered: Remembered,
}

/// An agent at work.
pub struct Agent<'a> {
    config: &'a Config,
    place: &'a Place,
    spooling: Spooling<'a>,
    runs: Runs,
    /// When the spool is drained next, and the wait before.
    drain: (Instant, Duration),
    /// The time of the clock when it was looked at last.
    seen: Timestamp,
    /// Of the agent's folder, while it is at work.
    lock: Option<Lock>,
}

impl<'a> Agent<'a> {
    /// An agent that goes on from what earlier ones remembered.
    pub fn new(config: &'a Config, place: &'a Place) -> Self {
        let mut runs = Runs::read(&config.state);
        runs.jobs.retain(|name, _| config.jobs.iter().any(|job| job.name == *name));
        // The schedule may be another since.
        runs.jobs.values_mut().for_each(|remembered| remembered.next = None);
        let spooling = Spooling { servers: Servers { config, place } };
        Self {
            config,
            place,
            spooling,
            runs,
            drain: (Instant::now(), DRAIN_FIRST),
            seen: Timestamp::now(),
            lock: None,
        }
    }

    /// Runs jobs as they come due until it is told to end, and tells `ended` of each.
    ///
    /// # Errors
    /// When what it remembers cannot be written.
    pub fn run(&mut self, ended: &mut dyn FnMut(&Ended)) -> io::Result<()> {
        self.begin()?;
        while !self.place.is_cancelled() {
            let now = Timestamp::now();
            match self.first_due(now)? {
                Some((job, at)) if at <= now => self.take(job)?.iter().for_each(&mut *ended),
                _ if self.drain_is_due() => self.drain_idle()?,
                Some((_, at)) => {
                    self.place.sleep(at.duration_since(now).try_into().unwrap_or(LOOK).min(LOOK));
                }
                None => self.place.sleep(LOOK),
            }
        }
        Ok(())
    }

    /// Makes the agent's folder, for itself alone: a spool holds what was backed up. What an agent before left standing
    /// still is thawed.
    fn begin(&mut self) -> io::Result<()> {
        let state = &self.config.state;
        DirBuilder::new().recursive(true).mode(0o700).create(state)?;
        let lock =
            Lock::take(File::options().create(true).truncate(false).write(true).open(state.join(LOCK))?)?;
        self.lock = Some(lock.ok_or_else(|| io::Error::other("another agent is at work there"))?);
        for job in &self.config.jobs {
            let was_cut = |run: &Remembered| run.begun.is_some() && run.ended.is_none();
            if job.member.is_some() && self.runs.jobs.get(&job.name).is_some_and(was_cut) {
                tracing::warn!("job {}: it was cut short, and is thawed", job.name);
                together::thaw(job);
            }
        }
        Ok(())
    }

    /// Runs every job once, now, whatever its schedule says.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub fn run_once(&mut self, ended: &mut dyn FnMut(&Ended)) -> io::Result<()> {
        self.begin()?;
        let config = self.config;
        let mut taken: Vec<&str> = Vec::new();
        for job in &config.jobs {
            if !self.place.is_cancelled() && !taken.contains(&job.name.as_str()) {
                let all = self.take(job)?;
                all.iter().for_each(&mut *ended);
                taken.extend(self.companions(job).iter().map(|job| job.name.as_str()));
            }
        }
        Ok(())
    }

    /// The job that is due first, and when.
    fn first_due(&mut self, now: Timestamp) -> io::Result<Option<(&'a Job, Timestamp)>> {
        let mut is_new = false;
        if now + CLOCK_GRACE < self.seen {
            // The clock was put back: what was due by the old one may be years away.
            self.runs.jobs.values_mut().for_each(|remembered| remembered.next = None);
        }
        self.seen = now;
        for job in &self.config.jobs {
            let remembered = self.runs.jobs.entry(job.name.clone()).or_default();
            if remembered.next.is_some() {
                continue;
            }
            let spread = spread(&self.place.host, &job.name, job.jitter);
            remembered.next =
                match due(&job.schedule, remembered.due.filter(|due| *due <= now), now, spread, job.catch_up)
                {
                    Due::Now => Some(now),
                    Due::At(time) => Some(time),
                    Due::Never => None,
                };
            is_new |= remembered.next.is_some();
        }
        if is_new {
            self.runs.write(&self.config.state)?;
        }
        let next = |job: &Job| self.runs.jobs.get(&job.name)?.next;
        let times = self.config.jobs.iter().filter_map(|job| Some((job, next(job)?)));
        Ok(times.min_by_key(|(_, time)| *time))
    }

    /// Runs one job, with the others of its group on this host, and remembers how they went. A run that is killed or told to
    /// end was none: its time is made up for.
    fn take(&mut self, job: &'a Job) -> io::Result<Vec<Ended>> {
        let begun = Timestamp::now();
        let jobs = self.companions(job);
        let due = self.runs.jobs.get(&job.name).and_then(|remembered| remembered.next);
        for job in &jobs {
            let remembered = self.runs.jobs.entry(job.name.clone()).or_default();
            remembered.begun = Some(begun);
            remembered.ended = None;
        }
        self.runs.write(&self.config.state)?;
        let outcomes = match &job.member {
            None => vec![job::between_hooks(job, || self.back_up(job))],
            // The others have waited for it in vain, and have thawed.
            Some(member) if due.is_some_and(|due| due + member.limit < begun) => {
                jobs.iter().map(|_| Err(JobError::TooLate)).collect()
            }
            Some(member) => self.back_up_together(&jobs, member, begun),
        };
        let is_cancelled = self.place.is_cancelled();
        let mut ended = Vec::new();
        for (job, outcome) in jobs.iter().zip(outcomes) {
            let remembered = self.runs.jobs.entry(job.name.clone()).or_default();
            remembered.ended = Some(Timestamp::now());
            remembered.next = None;
            if !is_cancelled {
                remembered.due = Some(begun);
            }
            remember(remembered, begun, outcome);
            ended.push(Ended { job: job.name.clone(), remembered: remembered.clone() });
        }
        self.runs.write(&self.config.state)?;
        Ok(ended)
    }

    /// The job, and with it all of its group on this host.
    fn companions(&self, job: &'a Job) -> Vec<&'a Job> {
        let config = self.config;
        match &job.member {
            None => vec![job],
            Some(member) => config.jobs.iter().filter(|job| job.member.as_ref() == Some(member)).collect(),
        }
    }

    /// Makes the points of a group's jobs. Without a server there is nobody to gather them.
    fn back_up_together(&mut self, jobs: &[&Job], member: &Member, begun: Timestamp) -> Vec<job::Outcome> {
        if self.spooling.is_there()
            && let Ok(repository) = self.spooling.servers.try_all()
        {
            self.drain_to(&repository);
        }
        let (config, place, servers) = (self.config, self.place, self.spooling.servers);
        let due = jobs.first().and_then(|job| job.schedule.last(begun));
        let id = together::id(member, due, jobs.len());
        let make = |job: &Job| {
            let mut request = job::request(job, config, place)?;
            // Runs at the same time do not share a cache.
            request.cache_folder.push(&job.name);
            request.tags.push(together::tag(member, id));
            together::run(servers, job, member, id, request)
                .map(|(summary, complaint)| Made::Acknowledged(Box::new(summary), complaint))
        };
        std::thread::scope(|scope| {
            let run = |job| scope.spawn(move || job::between_hooks(job, || make(job)));
            let running: Vec<_> = jobs.iter().map(|job| run(*job)).collect();
            let ended = |handle: std::thread::ScopedJoinHandle<'_, job::Outcome>| {
                handle.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            };
            running.into_iter().map(ended).collect()
        })
    }

    /// Makes a point at the first server that answers, behind those that wait; where none does, in the spool.
    fn back_up(&mut self, job: &Job) -> Result<Made, JobError> {
        let request = job::request(job, self.config, self.place)?;
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
                self.runs.spool = waiting;
                tracing::warn!("job {}: the point is spooled: {unreached}", job.name);
                let missing = job::missed_by(&summary);
                Ok(Made::Spooled(
                    missing.map_or(unreached.clone(), |missing| format!("{unreached}; {missing}")),
                ))
            }
            Err(source) => Err(JobError::NotSpooled { unreached, source: Box::new(source) }),
        }
    }

    fn drain_is_due(&self) -> bool {
        self.drain.0 <= Instant::now() && self.spooling.is_there()
    }

    /// Looks whether a server is there that takes what waits.
    fn drain_idle(&mut self) -> io::Result<()> {
        let (_, wait) = self.drain;
        match self.spooling.servers.try_all() {
            Ok(repository) => self.drain_to(&repository),
            Err(error) => tracing::debug!("{error}"),
        }
        self.drain = (Instant::now() + jittered(wait), (wait * 2).min(DRAIN_MAX));
        self.runs.write(&self.config.state)
    }

    /// Brings what waits in the spool to a server.
    fn drain_to(&mut self, repository: &Repository) {
        let (jobs, runs) = (&self.config.jobs, &mut self.runs.jobs);
        let host = &self.place.host;
        self.runs.spool = self.spooling.drain(repository, &mut |draft, id| {
            let captured = timestamp(draft.captured);
            tracing::info!("the point of {} of {captured:.0} was brought to the server", draft.series);
            let Some(job) = jobs.iter().find(|job| job::series(job, host) == draft.series.as_str()) else {
                return;
            };
            let remembered = runs.entry(job.name.clone()).or_default();
            remembered.acknowledged = remembered.acknowledged.max(Some(captured));
            remembered.snapshot = Some(id.to_string());
            if remembered.outcome == Some(Outcome::Spooled) {
                let missing = match draft.status {
                    Status::Complete => 0,
                    Status::Partial { unreadable } => unreadable,
                };
                remembered.outcome = Some(if missing == 0 { Outcome::Complete } else { Outcome::Partial });
                remembered.message = job::missed(missing, None);
            }
        });
        self.drain = (Instant::now(), DRAIN_FIRST);
    }
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

/// Whether an agent is at work in this folder.
pub fn is_at_work(state: &Path) -> bool {
    let taken = File::options().write(true).open(state.join(LOCK)).and_then(Lock::take);
    matches!(taken, Ok(None))
}
