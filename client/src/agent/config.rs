//! What an agent is told to do: one TOML file.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;

use farkeep_protocol::limits::CONNECTIONS_MAX;
use farkeep_protocol::limits::GROUP_DEADLINE_MS_MAX;
use farkeep_protocol::limits::GROUP_MEMBERS_MAX;
use jiff::tz::TimeZone;
use serde::Deserialize;
use thiserror::Error;

use super::hooks::Hook;
use super::schedule;
use super::schedule::CatchUp;
use super::schedule::Schedule;
use crate::config::Address;
use crate::config::Location;
use crate::config::size::Rate;
use crate::config::size::Size;

#[cfg(test)]
mod tests;

/// Time limit of a hook that names none: ten minutes.
const HOOK_LIMIT: Duration = Duration::from_secs(600);
/// How long a run tries to reach a server: one minute.
const REACH: Duration = Duration::from_secs(60);
/// How long a run waits for a connection that was cut: ten minutes.
const RESUME: Duration = Duration::from_secs(600);
/// Bytes that the spool takes: 8 GiB.
const SPOOL_BYTES: u64 = 8 << 30;
/// Length of a name.
const NAME_BYTES_MAX: usize = 64;
const NOT_A_NAME: &str =
    "a name has 1 to 64 letters, digits, dots, dashes and underscores, and is neither . nor ..";
const NO_TIME: &str = "in no time nothing is done: without a limit, leave it out";

/// An agent's configuration.
#[derive(Debug, Clone)]
pub struct Config {
    /// The repository at each of its servers, in the order in which they are tried.
    pub servers: Vec<Address>,
    /// Folder for what is remembered of runs.
    pub state: PathBuf,
    /// How long a run tries to reach a server.
    pub reach: Duration,
    /// How long a run waits for a connection that was cut.
    pub resume: Duration,
    /// No faster than this is sent.
    pub upload: Option<Rate>,
    /// Connections of a session.
    pub connections: usize,
    /// Bytes that the spool takes; 0 for no spool.
    pub spool_bytes: u64,
    /// Age of the newest acknowledged point of a job that `farkeep agent status` calls too old.
    pub alarm_age: Option<Duration>,
    /// What is to be done, and when.
    pub jobs: Vec<Job>,
}

/// One thing that is backed up again and again.
#[derive(Debug, Clone)]
pub struct Job {
    /// Its name, which is the series unless another is named.
    pub name: String,
    /// What is backed up.
    pub what: What,
    /// The series.
    pub series: Option<String>,
    /// Words to find its snapshots by.
    pub tags: Vec<String>,
    /// Globs of what is left out.
    pub exclude: Vec<String>,
    /// Whether marked caches are left out.
    pub exclude_caches: bool,
    /// Whether other file systems are left out.
    pub one_file_system: bool,
    /// The consistency group to which it belongs.
    pub member: Option<Member>,
    /// When it is due.
    pub schedule: Schedule,
    /// The due time is moved by a part of this.
    pub jitter: Duration,
    /// What is done about times that were missed.
    pub catch_up: CatchUp,
    /// What is run around it.
    pub hooks: Hooks,
}

/// What a job backs up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// Files and folders.
    Paths(Vec<PathBuf>),
    /// What a command prints.
    Command {
        /// The line, for `/bin/sh -c`.
        line: String,
        /// It is killed with its process group when this is over.
        limit: Option<Duration>,
    },
    /// Disk images and block devices.
    Images(Vec<PathBuf>),
}

/// What a job has to do with its consistency group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Name of the group.
    pub group: String,
    /// How many jobs it has, on all hosts.
    pub members: u32,
    /// How long they stand still at most.
    pub limit: Duration,
}

/// Commands around a job.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hooks {
    /// Before it; its failure is the job's.
    pub before: Option<Hook>,
    /// Has a member of a group stand still.
    pub freeze: Option<Hook>,
    /// Leaves a picture of what stands still, which is backed up when it does not any more.
    pub capture: Option<Hook>,
    /// Ends the standstill: once, whatever happened since the freeze.
    pub thaw: Option<Hook>,
    /// After it succeeded.
    pub after: Option<Hook>,
    /// After it failed.
    pub on_failure: Option<Hook>,
    /// At the end, whatever happened.
    pub finally: Option<Hook>,
}

/// Why a configuration cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read {}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It is no TOML, or has a key that is not known.
    #[error("{} cannot be used", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Where and what.
        source: Box<toml::de::Error>,
    },
    /// A value cannot be used.
    #[error("{}: {what}", path.display())]
    Refused {
        /// The file.
        path: PathBuf,
        /// Which one, and why.
        what: String,
    },
}

impl Config {
    /// Reads the file.
    ///
    /// # Errors
    /// [`ConfigError`] names what cannot be used.
    pub fn read(path: &Path, zone: &TimeZone) -> Result<Self, ConfigError> {
        let text = fs::read_to_string(path)
            .map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source })?;
        let file: ConfigFile = toml::from_str(&text)
            .map_err(|source| ConfigError::Malformed { path: path.to_owned(), source: Box::new(source) })?;
        file.check(zone).map_err(|what| ConfigError::Refused { path: path.to_owned(), what })
    }

    /// Whether each job has a series of its own on this host: else each run would be of other paths than the last one.
    ///
    /// # Errors
    /// [`ConfigError::Refused`] names the series.
    pub fn expect_own_series(&self, path: &Path, host: &str) -> Result<(), ConfigError> {
        let mut names = BTreeSet::new();
        let mut all = self.jobs.iter().map(|job| job.series(host));
        match all.find(|series| !names.insert(series.clone())) {
            None => Ok(()),
            Some(series) => Err(ConfigError::Refused {
                path: path.to_owned(),
                what: format!("two jobs have the same series {series:?}"),
            }),
        }
    }
}

impl Job {
    /// The series of the job on this host.
    pub fn series(&self, host: &str) -> String {
        self.series.clone().unwrap_or_else(|| format!("{host}:{}", self.name))
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct ConfigFile {
    servers: Vec<String>,
    state: PathBuf,
    #[serde(default)]
    reach: Option<String>,
    #[serde(default)]
    resume: Option<String>,
    #[serde(default)]
    limit_upload: Option<String>,
    #[serde(default)]
    connections: Option<usize>,
    #[serde(default)]
    spool: Option<String>,
    #[serde(default)]
    alarm_age: Option<String>,
    #[serde(default, rename = "group")]
    groups: Vec<GroupTable>,
    #[serde(default, rename = "job")]
    jobs: Vec<JobTable>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct GroupTable {
    name: String,
    members: u32,
    schedule: String,
    limit: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct JobTable {
    name: String,
    #[serde(default)]
    paths: Vec<PathBuf>,
    #[serde(default)]
    command: Option<String>,
    #[serde(default)]
    time_limit: Option<String>,
    #[serde(default)]
    images: Vec<PathBuf>,
    #[serde(default)]
    series: Option<String>,
    #[serde(default)]
    tags: Vec<String>,
    #[serde(default)]
    exclude: Vec<String>,
    #[serde(default)]
    exclude_caches: bool,
    #[serde(default)]
    one_file_system: bool,
    #[serde(default)]
    group: Option<String>,
    #[serde(default)]
    schedule: Option<String>,
    #[serde(default)]
    jitter: Option<String>,
    #[serde(default)]
    catch_up: Option<bool>,
    #[serde(default)]
    before: Option<HookTable>,
    #[serde(default)]
    freeze: Option<HookTable>,
    #[serde(default)]
    capture: Option<HookTable>,
    #[serde(default)]
    thaw: Option<HookTable>,
    #[serde(default)]
    after: Option<HookTable>,
    #[serde(default)]
    on_failure: Option<HookTable>,
    #[serde(default)]
    finally: Option<HookTable>,
}

/// A hook is a line, or a table with its limit.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum HookTable {
    Line(String),
    Table(LimitedHook),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct LimitedHook {
    run: String,
    limit: String,
}

impl ConfigFile {
    fn check(self, zone: &TimeZone) -> Result<Config, String> {
        let servers = self.servers.iter().map(|text| server(text)).collect::<Result<Vec<_>, _>>()?;
        if servers.is_empty() {
            return Err("servers: name at least one, as in \"farkeep://backup.example:7717/main\"".to_owned());
        }
        let groups = self.groups.into_iter().map(|group| group.check(zone)).collect::<Result<Vec<_>, _>>()?;
        let names: BTreeSet<&str> = groups.iter().map(|(member, _)| member.group.as_str()).collect();
        if names.len() < groups.len() {
            return Err("two groups have the same name".to_owned());
        }
        let jobs =
            self.jobs.into_iter().map(|job| job.check(&groups, zone)).collect::<Result<Vec<_>, _>>()?;
        let names: BTreeSet<&str> = jobs.iter().map(|job| job.name.as_str()).collect();
        if names.len() < jobs.len() {
            return Err("two jobs have the same name".to_owned());
        }
        if jobs.is_empty() {
            return Err("there is no [[job]]".to_owned());
        }
        Ok(Config {
            servers,
            state: self.state,
            reach: self.reach.map_or(Ok(REACH), |text| length("reach", &text))?,
            resume: self.resume.map_or(Ok(RESUME), |text| length("resume", &text))?,
            upload: self.limit_upload.map(|text| rate("limit-upload", &text)).transpose()?,
            connections: match self.connections.unwrap_or(1) {
                count @ 1..=CONNECTIONS_MAX => count,
                _ => return Err(format!("connections: a session has 1 to {CONNECTIONS_MAX}")),
            },
            spool_bytes: self.spool.map_or(Ok(SPOOL_BYTES), |text| size("spool", &text))?,
            alarm_age: self.alarm_age.map(|text| length("alarm-age", &text)).transpose()?,
            jobs,
        })
    }
}

impl GroupTable {
    fn check(self, zone: &TimeZone) -> Result<(Member, Schedule), String> {
        let group = |what: String| format!("group {:?}: {what}", self.name);
        if !is_name(&self.name) {
            return Err(group(NOT_A_NAME.to_owned()));
        }
        if !(1..=GROUP_MEMBERS_MAX).contains(&self.members) {
            return Err(group(format!("it has 1 to {GROUP_MEMBERS_MAX} members")));
        }
        let limit = length("limit", &self.limit).map_err(group)?;
        if limit.is_zero() || limit.as_millis() > u128::from(GROUP_DEADLINE_MS_MAX) {
            return Err(group("limit: its members stand still for 1s to 10m".to_owned()));
        }
        let schedule =
            Schedule::parse(&self.schedule, zone).map_err(|error| group(format!("schedule: {error}")))?;
        Ok((Member { members: self.members, limit, group: self.name }, schedule))
    }
}

impl JobTable {
    /// When it is due, and the group to which it belongs.
    fn due(
        &self,
        groups: &[(Member, Schedule)],
        zone: &TimeZone,
    ) -> Result<(Schedule, Option<Member>), String> {
        let Some(name) = &self.group else {
            if self.freeze.is_some() || self.capture.is_some() || self.thaw.is_some() {
                return Err("freeze, capture and thaw are for members of a group".to_owned());
            }
            let schedule = self.schedule.as_ref().ok_or("schedule: there is none")?;
            return match Schedule::parse(schedule, zone) {
                Ok(schedule) => Ok((schedule, None)),
                Err(error) => Err(format!("schedule: {error}")),
            };
        };
        if self.schedule.is_some() || self.jitter.is_some() || self.catch_up.is_some() {
            return Err("schedule, jitter and catch-up: the group says when its members are due".to_owned());
        }
        let group = groups.iter().find(|(member, _)| member.group == *name);
        let (member, schedule) = group.ok_or(format!("group: there is no [[group]] {name:?}"))?;
        Ok((schedule.clone(), Some(member.clone())))
    }

    fn check(self, groups: &[(Member, Schedule)], zone: &TimeZone) -> Result<Job, String> {
        let due = self.due(groups, zone);
        let name = self.name;
        let job = |what: String| format!("job {name:?}: {what}");
        if !is_name(&name) {
            return Err(job(NOT_A_NAME.to_owned()));
        }
        let limit = self.time_limit.map(|text| length("time-limit", &text)).transpose().map_err(&job)?;
        if limit.is_some() && self.command.is_none() {
            return Err(job("time-limit: it is for a command".to_owned()));
        }
        if limit.is_some_and(|limit| limit.is_zero()) {
            return Err(job(format!("time-limit: {NO_TIME}")));
        }
        let what = match (self.paths.is_empty(), self.command, self.images.is_empty()) {
            (false, None, true) => What::Paths(self.paths),
            (true, Some(line), true) => What::Command { line, limit },
            (true, None, false) => What::Images(self.images),
            _ => return Err(job("name either paths, or a command, or images".to_owned())),
        };
        let (schedule, member) = due.map_err(&job)?;
        let hook =
            |key: &str, hook: Option<HookTable>| hook.map(|hook| hook.check(key)).transpose().map_err(&job);
        let hooks = Hooks {
            before: hook("before", self.before)?,
            freeze: hook("freeze", self.freeze)?,
            capture: hook("capture", self.capture)?,
            thaw: hook("thaw", self.thaw)?,
            after: hook("after", self.after)?,
            on_failure: hook("on-failure", self.on_failure)?,
            finally: hook("finally", self.finally)?,
        };
        let jitter = self.jitter.map_or(Ok(Duration::ZERO), |text| length("jitter", &text)).map_err(&job)?;
        Ok(Job {
            what,
            series: self.series,
            tags: self.tags,
            exclude: self.exclude,
            exclude_caches: self.exclude_caches,
            one_file_system: self.one_file_system,
            schedule,
            jitter,
            // The other members of a group would not be there.
            catch_up: if member.is_none() && self.catch_up != Some(false) {
                CatchUp::Once
            } else {
                CatchUp::Skip
            },
            member,
            hooks,
            name,
        })
    }
}

impl HookTable {
    fn check(self, key: &str) -> Result<Hook, String> {
        match self {
            Self::Line(line) => Ok(Hook { line, limit: HOOK_LIMIT }),
            Self::Table(LimitedHook { run, limit }) => match length(key, &limit)? {
                Duration::ZERO => Err(format!("{key}: {NO_TIME}")),
                limit => Ok(Hook { line: run, limit }),
            },
        }
    }
}

/// Whether a job or a group can be called so.
fn is_name(name: &str) -> bool {
    let is_plain = |char: char| char.is_ascii_alphanumeric() || matches!(char, '.' | '_' | '-');
    // Folders are called after it.
    (1..=NAME_BYTES_MAX).contains(&name.len()) && name.chars().all(is_plain) && !matches!(name, "." | "..")
}

fn server(text: &str) -> Result<Address, String> {
    match Location::named(Some(text.into())) {
        Ok(Location::Server(address)) => Ok(*address),
        Ok(Location::Folder(_)) => Err(format!("servers: {text:?} is no farkeep://HOST/NAME")),
        Err(error) => Err(format!("servers: {error}")),
    }
}

fn length(key: &str, text: &str) -> Result<Duration, String> {
    schedule::length(text)
        .ok_or_else(|| format!("{key}: {text:?} is no length of time: write 30s, 15m, 6h or 1d"))
}

fn size(key: &str, text: &str) -> Result<u64, String> {
    text.parse::<Size>().map(|size| size.bytes).map_err(|error| format!("{key}: {error}"))
}

fn rate(key: &str, text: &str) -> Result<Rate, String> {
    text.parse::<Rate>().map_err(|error| format!("{key}: {error}"))
}
