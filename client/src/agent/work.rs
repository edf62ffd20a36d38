//! The work of an agent: waits until a job is due, runs it with its hooks, and remembers how it went.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::time::Duration;
use std::time::Instant;

use farkeep_protocol::hello::Role;
use jiff::Timestamp;
use thiserror::Error;

use super::config::Config;
use super::config::Job;
use super::config::What;
use super::hooks::Hook;
use super::hooks::HookError;
use super::runs::Outcome;
use super::runs::Remembered;
use super::runs::Runs;
use super::schedule::Due;
use super::schedule::due;
use super::schedule::spread;
use crate::backup;
use crate::backup::BackupError;
use crate::backup::CacheUse;
use crate::backup::Intent;
use crate::backup::Request;
use crate::backup::Sources;
use crate::backup::Summary;
use crate::config::Address;
use crate::config::enrolment::Enrolment;
use crate::config::enrolment::EnrolmentError;
use crate::output::chain;
use crate::progress::Progress;
use crate::repository::Access;
use crate::repository::Line;
use crate::repository::Locked;
use crate::repository::Repository;
use crate::repository::RepositoryError;
use crate::source::Caches;
use crate::source::FileId;
use crate::source::Missing;
use crate::source::Mounts;
use crate::source::RootError;
use crate::source::Roots;
use crate::source::RuleError;
use crate::source::Rules;

/// How long the agent sleeps at most before it looks whether it is told to end, and at the clock, which somebody may set.
const LOOK: Duration = Duration::from_millis(500);
/// First and longest wait before all servers are tried again.
const WAIT_FIRST: Duration = Duration::from_millis(500);
const WAIT_MAX: Duration = Duration::from_secs(30);

/// Where an agent runs, and what it was told besides its configuration.
#[derive(Debug, Clone)]
pub struct Place {
    /// Folder of enrolments.
    pub enrolments: PathBuf,
    /// Folder of the caches.
    pub caches: PathBuf,
    /// Name of this host.
    pub host: String,
    /// Name of the user who runs it.
    pub user: String,
    /// Set from outside to end the agent.
    pub cancel: Arc<AtomicBool>,
}

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
    /// No server was reached.
    #[error("no server was reached; the last one: {0}")]
    Unreached(String),
    /// The backup failed.
    #[error(transparent)]
    Backup(#[from] BackupError),
}

/// Why a server was not reached.
#[derive(Debug, Error)]
enum ReachError {
    #[error(transparent)]
    Enrolment(#[from] EnrolmentError),
    #[error("this host is enrolled at {0} as a {1}, which an agent is not")]
    Role(String, &'static str),
    #[error("no agent code is there for {0}: `farkeep enroll farkeep://{0}` asks for it")]
    Code(String),
    #[error(transparent)]
    Repository(#[from] RepositoryError),
}

/// An agent at work.
pub struct Agent<'a> {
    config: &'a Config,
    place: &'a Place,
    runs: Runs,
}

impl<'a> Agent<'a> {
    /// An agent that goes on from what earlier ones remembered.
    pub fn new(config: &'a Config, place: &'a Place) -> Self {
        let mut runs = Runs::read(&config.state);
        runs.jobs.retain(|name, _| config.jobs.iter().any(|job| job.name == *name));
        // The schedule may be another since.
        runs.jobs.values_mut().for_each(|remembered| remembered.next = None);
        Self { config, place, runs }
    }

    /// Runs jobs as they come due until it is told to end, and tells `ended` of each.
    ///
    /// # Errors
    /// When what it remembers cannot be written.
    pub fn run(&mut self, ended: &mut dyn FnMut(&Ended)) -> io::Result<()> {
        std::fs::create_dir_all(&self.config.state)?;
        while !self.is_cancelled() {
            let now = Timestamp::now();
            match self.first_due(now)? {
                Some((job, at)) if at <= now => ended(&self.take(job)?),
                Some((_, at)) => self.sleep(at.duration_since(now).try_into().unwrap_or(LOOK).min(LOOK)),
                None => self.sleep(LOOK),
            }
        }
        Ok(())
    }

    /// Runs every job once, now, whatever its schedule says.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub fn run_once(&mut self, ended: &mut dyn FnMut(&Ended)) -> io::Result<()> {
        std::fs::create_dir_all(&self.config.state)?;
        let config = self.config;
        for job in &config.jobs {
            if !self.is_cancelled() {
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
        if !self.place.cancel.load(Ordering::Relaxed) {
            remembered.due = Some(begun);
        }
        match outcome {
            Ok((summary, message)) => {
                let missing = summary.unreadable_count + summary.inconsistent_count;
                remembered.outcome = Some(if missing == 0 { Outcome::Complete } else { Outcome::Partial });
                remembered.message = message.or_else(|| {
                    (missing > 0)
                        .then(|| format!("{missing} files could not be read or changed while they were"))
                });
                remembered.acknowledged = Some(begun);
                remembered.snapshot = summary.snapshot.map(|id| id.to_string());
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
    fn with_hooks(&self, job: &Job) -> Result<(Summary, Option<String>), JobError> {
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
        made.map(|summary| (summary, (!complaints.is_empty()).then(|| complaints.join("; "))))
    }

    fn back_up(&self, job: &Job) -> Result<Summary, JobError> {
        let request = self.request(job)?;
        let repository = self.reach()?;
        Ok(backup::begin(&request).store(&repository, &Progress::new())?)
    }

    /// The repository at the first server that answers. All are tried again until the time for it is over.
    fn reach(&self) -> Result<Repository, JobError> {
        let begun = Instant::now();
        let mut wait = WAIT_FIRST;
        loop {
            let mut last = String::new();
            for address in &self.config.servers {
                match self.open(address) {
                    Ok(repository) => return Ok(repository),
                    Err(error) => last = format!("{}: {}", address.host, chain(&error)),
                }
                tracing::debug!("{last}");
            }
            if self.is_cancelled() || begun.elapsed() + wait > self.config.reach {
                return Err(JobError::Unreached(last));
            }
            self.sleep(wait);
            wait = (wait * 2).min(WAIT_MAX);
        }
    }

    fn open(&self, address: &Address) -> Result<Repository, ReachError> {
        let enrolment = Enrolment::read(&self.place.enrolments, &address.host, address.port)?;
        if enrolment.role != Role::Agent {
            return Err(ReachError::Role(address.host.to_string(), enrolment.role.name()));
        }
        let code = enrolment.codes.get(&address.repository).cloned();
        let code =
            code.ok_or_else(|| ReachError::Code(format!("{}/{}", address.host, address.repository)))?;
        let line = Line { cancel: Arc::clone(&self.place.cancel), ..Line::default() };
        let locked = Locked::connect(address, &enrolment, Access::Write, &line)?;
        Ok(locked.unlock_as_agent(&code, enrolment.identity)?.finish()?)
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
        let series = job.series.clone().unwrap_or_else(|| format!("{}:{}", self.place.host, job.name));
        Ok(Request {
            sources,
            series: Some(series),
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

    /// Sleeps, and looks now and then whether the agent is told to end.
    fn sleep(&self, duration: Duration) {
        let begun = Instant::now();
        while !self.is_cancelled() {
            let left = duration.saturating_sub(begun.elapsed());
            if left.is_zero() {
                return;
            }
            std::thread::sleep(left.min(LOOK));
        }
    }

    fn is_cancelled(&self) -> bool {
        self.place.cancel.load(Ordering::Relaxed)
    }
}
