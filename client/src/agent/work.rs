//! The work of an agent: waits until a job is due, runs it with its hooks, and remembers how it went.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use farkeep_codec::snapshot::Status;
use jiff::Timestamp;
use thiserror::Error;

use super::config::Config;
use super::config::Job;
use super::config::What;
use super::hooks::Hook;
use super::hooks::HookError;
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
use super::servers::jittered;
use super::spooling::SpoolError;
use super::spooling::Spooling;
use super::spooling::timestamp;
use crate::backup;
use crate::backup::BackupError;
use crate::backup::CacheUse;
use crate::backup::Intent;
use crate::backup::Request;
use crate::backup::Sources;
use crate::backup::Summary;
use crate::output::chain;
use crate::progress::Progress;
use crate::repository::Repository;
use crate::source::Caches;
use crate::source::FileId;
use crate::source::Missing;
use crate::source::Mounts;
use crate::source::RootError;
use crate::source::Roots;
use crate::source::RuleError;
use crate::source::Rules;

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

/// Why a job made no point.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum JobError {
    /// A hook in front of it failed.
    #[error(transparent)]
    Hook(#[from] HookError),
    /// What is to be left out is not understood.
    #[error(transparent)]
    Rules(#[from] RuleError),
    /// What is to be backed up cannot be found.
    #[error(transparent)]
    Roots(#[from] RootError),
    /// No server was reached, and the spool took nothing.
    #[error("{unreached}, and the point was not spooled")]
    NotSpooled {
        /// Why no server has it.
        unreached: String,
        /// Why the spool has not.
        source: Box<SpoolError>,
    },
    /// No server takes it.
    #[error(transparent)]
    Reach(#[from] ReachError),
    /// The backup failed.
    #[error(transparent)]
    Backup(#[from] BackupError),
}

/// A point that was made.
enum Made {
    /// A server has it.
    Acknowledged(Box<Summary>),
    /// It waits in the spool, for this reason.
    Spooled(String),
}

/// An agent at work.
pub struct Agent<'a> {
    config: &'a Config,
    place: &'a Place,
    spooling: Spooling<'a>,
    runs: Runs,
    /// When the spool is drained next, and the wait before.
    drain: (Instant, Duration),
}

impl<'a> Agent<'a> {
    /// An agent that goes on from what earlier ones remembered.
    pub fn new(config: &'a Config, place: &'a Place) -> Self {
        let mut runs = Runs::read(&config.state);
        runs.jobs.retain(|name, _| config.jobs.iter().any(|job| job.name == *name));
        // The schedule may be another since.
        runs.jobs.values_mut().for_each(|remembered| remembered.next = None);
        let spooling = Spooling { servers: Servers { config, place } };
        Self { config, place, spooling, runs, drain: (Instant::now(), DRAIN_FIRST) }
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
                Some((job, at)) if at <= now => ended(&self.take(job)?),
                _ if self.drain_is_due() => self.drain_idle()?,
                Some((_, at)) => {
                    self.place.sleep(at.duration_since(now).try_into().unwrap_or(LOOK).min(LOOK));
                }
                None => self.place.sleep(LOOK),
            }
        }
        Ok(())
    }

    /// Makes the agent's folder, for itself alone: a spool holds what was backed up.
    fn begin(&self) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.config.state)
    }

    /// Runs every job once, now, whatever its schedule says.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub fn run_once(&mut self, ended: &mut dyn FnMut(&Ended)) -> io::Result<()> {
        self.begin()?;
        let config = self.config;
        for job in &config.jobs {
            if !self.place.is_cancelled() {
                ended(&self.take(job)?);
            }
        }
        Ok(())
    }

    /// The job that is due first, and when.
    fn first_due(&mut self, now: Timestamp) -> io::Result<Option<(&'a Job, Timestamp)>> {
        let mut is_new = false;
        for job in &self.config.jobs {
            let remembered = self.runs.jobs.entry(job.name.clone()).or_default();
            if remembered.next.is_some() {
                continue;
            }
            let spread = spread(&self.place.host, &job.name, job.jitter);
            remembered.next = match due(&job.schedule, remembered.due, now, spread, job.catch_up) {
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

    /// Runs one job, and remembers how it went. A run that is killed or told to end was none: its time is made up for.
    fn take(&mut self, job: &'a Job) -> io::Result<Ended> {
        let begun = Timestamp::now();
        let remembered = self.runs.jobs.entry(job.name.clone()).or_default();
        remembered.begun = Some(begun);
        remembered.ended = None;
        self.runs.write(&self.config.state)?;
        let outcome = self.with_hooks(job);
        let remembered = self.runs.jobs.entry(job.name.clone()).or_default();
        remembered.ended = Some(Timestamp::now());
        remembered.next = None;
        if !self.place.is_cancelled() {
            remembered.due = Some(begun);
        }
        match outcome {
            Ok((Made::Acknowledged(summary), message)) => {
                let missing = summary.unreadable_count + summary.inconsistent_count;
                remembered.outcome = Some(if missing == 0 { Outcome::Complete } else { Outcome::Partial });
                remembered.message = message.or_else(|| missed(missing));
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
        let ended = Ended { job: job.name.clone(), remembered: remembered.clone() };
        self.runs.write(&self.config.state)?;
        Ok(ended)
    }

    /// The job between its hooks. A failure behind the backup is a message: the point is there.
    fn with_hooks(&mut self, job: &Job) -> Result<(Made, Option<String>), JobError> {
        let run = |hook: &Option<Hook>, outcome: &str| match hook {
            Some(hook) => hook.run(&[("FARKEEP_JOB", &job.name), ("FARKEEP_OUTCOME", outcome)]),
            None => Ok(()),
        };
        let made = run(&job.hooks.before, "none").map_err(JobError::from).and_then(|()| self.back_up(job));
        let (outcome, behind) = match &made {
            Ok(_) => ("done", &job.hooks.after),
            Err(_) => ("failed", &job.hooks.on_failure),
        };
        let said = [run(behind, outcome), run(&job.hooks.finally, outcome)];
        let complaints: Vec<String> =
            said.into_iter().filter_map(Result::err).map(|error| chain(&error)).collect();
        for complaint in &complaints {
            tracing::warn!("job {}: {complaint}", job.name);
        }
        made.map(|made| (made, (!complaints.is_empty()).then(|| complaints.join("; "))))
    }

    /// Makes a point at the first server that answers, behind those that wait; where none does, in the spool.
    fn back_up(&mut self, job: &Job) -> Result<Made, JobError> {
        let request = self.request(job)?;
        let unreached = match self.spooling.servers.reach() {
            Ok(repository) => {
                self.drain_to(&repository);
                match backup::begin(&request).store(&repository, &Progress::new()) {
                    Ok(summary) => return Ok(Made::Acknowledged(Box::new(summary))),
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
                let missing = missed(summary.unreadable_count + summary.inconsistent_count);
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
            let Some(job) = jobs.iter().find(|job| series(job, host) == draft.series.as_str()) else {
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
                remembered.message = missed(missing);
            }
        });
        self.drain = (Instant::now(), DRAIN_FIRST);
    }

    fn request(&self, job: &Job) -> Result<Request, JobError> {
        let mut rules = Rules::new(&job.exclude, &[])?;
        rules.caches = if job.exclude_caches { Caches::Leave } else { Caches::Take };
        rules.mounts = if job.one_file_system { Mounts::Stay } else { Mounts::Enter };
        if let Ok(state) = FileId::of(&self.config.state) {
            rules.avoid(state);
        }
        let sources = match &job.what {
            What::Paths(paths) => Sources::Paths(Roots::new(paths, Missing::Report)?),
            What::Command(line) => Sources::Command { line: line.clone(), name: job.name.clone() },
            What::Images(paths) => Sources::Images(paths.clone()),
        };
        Ok(Request {
            sources,
            series: Some(series(job, &self.place.host)),
            tags: job.tags.clone(),
            rules,
            cache: CacheUse::Use,
            cache_folder: self.place.caches.clone(),
            intent: Intent::Store,
            host: self.place.host.clone(),
            user: self.place.user.clone(),
            cancel: Arc::clone(&self.place.cancel),
        })
    }
}

/// The series of a job.
fn series(job: &Job, host: &str) -> String {
    job.series.clone().unwrap_or_else(|| format!("{host}:{}", job.name))
}

/// What is said of files that are missing from a point.
fn missed(count: u64) -> Option<String> {
    (count > 0).then(|| format!("{count} files could not be read or changed while they were"))
}
