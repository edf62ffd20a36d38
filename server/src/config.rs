//! What an administrator may set: one TOML file, in which everything has a sensible default.
//!
//! Times are in seconds, sizes in bytes. A key that is not known is refused: a misspelt limit is none.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;

use farkeep_protocol::hello::Role;
use farkeep_protocol::identity::PORT;
use farkeep_protocol::limits::FRAME_BODY_BYTES_MAX;
use serde::Deserialize;
use serde::Deserializer;
use serde::Serialize;
use serde::Serializer;
use thiserror::Error;
use ureq::http::Uri;

#[cfg(test)]
mod tests;

/// Name of the file in the data folder.
pub const FILE: &str = "farkeepd.toml";
/// Where `/metrics` and `/health` are answered unless the config says otherwise.
const OBSERVE_PORT: u16 = 7718;

/// What an administrator may set.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where clients connect to.
    pub listen: SocketAddr,
    /// Host by which clients reach the server, as enrolment strings have it.
    pub public_host: Option<String>,
    /// Where `/metrics` and `/health` are answered. It wants to be an address that strangers do not reach.
    pub observe: SocketAddr,
    /// A command with its arguments that is run for each event, with the event on its input.
    pub notify: Vec<String>,
    /// An address, `http:` or `https:`, to which each event is posted.
    pub webhook: Option<String>,
    /// Certificates in PEM that are trusted there.
    pub webhook_roots: PathBuf,
    /// How many, and how much memory for them.
    pub limits: Limits,
    /// How long.
    pub deadlines: Deadlines,
    /// How fast.
    pub rates: Rates,
    /// How much may be stored.
    pub quotas: Quotas,
    /// When somebody is told.
    pub alerts: Alerts,
    /// Policies on their schedules.
    pub retention: Retention,
    /// Collections on their schedules.
    pub collect: Collect,
    /// How packs are verified again.
    pub scrub: Scrub,
}

/// Policies on their schedules.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Retention {
    /// Whether this server applies the policies of its repositories when they are due. The clock is watched all the same.
    pub enabled: bool,
    /// How often it looks what is due.
    #[serde(with = "seconds")]
    pub every: Duration,
}

/// Collections on their schedules. Those that a keeper asks for go as fast as the keeper says.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Collect {
    /// Whether this server collects its repositories when they are due.
    pub enabled: bool,
    /// Bytes per second that a collection may read and write; 0 for no limit.
    pub io_bytes: u64,
    /// Part of the time in which it may work: above 0, and 1 for all of it.
    pub cpu_share: f64,
}

/// How packs are verified again, before the last time is longer ago than the settings of the repository allow.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Scrub {
    /// Whether this server verifies the packs of its repositories when they are due.
    pub enabled: bool,
    /// How often it verifies some of them.
    #[serde(with = "seconds")]
    pub every: Duration,
    /// Bytes per second that it may read; 0 for no limit. With too low a limit verifications come late, which is told.
    pub io_bytes: u64,
    /// Part of the time in which it may work: above 0, and 1 for all of it.
    pub cpu_share: f64,
}

/// When somebody is told.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Alerts {
    /// Seconds after which the newest point of a series is too old. Without it, none ever is.
    pub point_age: Option<u64>,
    /// By how much the clock must go too far to have jumped.
    #[serde(with = "seconds")]
    pub clock_jump: Duration,
}

/// How many, and how much memory for them.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Sessions, those included that wait to be resumed.
    pub sessions: usize,
    /// Sessions of one client.
    pub sessions_per_client: usize,
    /// Connections that are on their way to a session. When there are more, the oldest is cut.
    pub handshakes: usize,
    /// Bytes of objects that all sessions together may have under way to the server.
    pub memory_bytes: u64,
    /// Most bytes that one session may have under way to the server.
    pub session_bytes: u32,
    /// Requests that one session may have under way.
    pub session_requests: u32,
    /// Threads that work on repositories.
    pub threads: usize,
    /// Verifications that run at a time.
    pub verifications: usize,
}

/// How long.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Deadlines {
    /// For each step up to the session.
    #[serde(with = "seconds")]
    pub step: Duration,
    /// Silence after which the server says that it is alive.
    #[serde(with = "seconds")]
    pub heartbeat: Duration,
    /// Silence after which a connection is taken for cut.
    #[serde(with = "seconds")]
    pub silence: Duration,
    /// Time over which the least progress is measured.
    #[serde(with = "seconds")]
    pub progress: Duration,
    /// How long a session whose connections were cut waits to be resumed.
    #[serde(with = "seconds")]
    pub resume: Duration,
    /// How long puts wait for others before they are made durable together.
    #[serde(with = "seconds")]
    pub gather: Duration,
    /// How long a repository stays open that no session uses.
    #[serde(with = "seconds")]
    pub repository_idle: Duration,
    /// How long sessions have to end when the server is being stopped.
    #[serde(with = "seconds")]
    pub stop: Duration,
    /// How often the files of clients are looked at.
    #[serde(with = "seconds")]
    pub registry: Duration,
    /// How long the command for an event may run, and how long it is tried to post it.
    #[serde(with = "seconds")]
    pub notify: Duration,
}

/// How fast.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rates {
    /// Bytes per second that a frame under way, and what is under way to a client, must at least move with.
    pub progress_bytes: u64,
    /// Requests per second of an agent. One that asks faster is read more slowly.
    pub agent_requests: u32,
    /// Requests per second of a reader.
    pub reader_requests: u32,
    /// Requests per second of a keeper.
    pub keeper_requests: u32,
    /// Requests per second of a peer.
    pub peer_requests: u32,
    /// Requests per second of a monitor.
    pub monitor_requests: u32,
}

/// How much may be stored.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Quotas {
    /// Of each repository that has none of its own.
    pub each_repository: Quota,
    /// Of each client that has none of its own.
    pub each_client: Quota,
    /// Of repositories, by name.
    pub repositories: BTreeMap<String, Quota>,
    /// Of clients, by name.
    pub clients: BTreeMap<String, Quota>,
}

/// How much somebody may store.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Quota {
    /// Beyond this the server warns.
    pub soft_bytes: Option<u64>,
    /// Beyond this it refuses.
    pub hard_bytes: Option<u64>,
}

/// Why there is no config.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read {}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The file is no config.
    #[error("{} is no config", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: Box<toml::de::Error>,
    },
    /// A value cannot work.
    #[error("{what}")]
    Unfit {
        /// What would have to hold.
        what: String,
    },
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([0, 0, 0, 0], PORT)),
            public_host: None,
            observe: SocketAddr::from(([127, 0, 0, 1], OBSERVE_PORT)),
            notify: Vec::new(),
            webhook: None,
            webhook_roots: PathBuf::from("/etc/ssl/certs/ca-certificates.crt"),
            limits: Limits::default(),
            deadlines: Deadlines::default(),
            rates: Rates::default(),
            quotas: Quotas::default(),
            alerts: Alerts::default(),
            retention: Retention::default(),
            collect: Collect::default(),
            scrub: Scrub::default(),
        }
    }
}

impl Default for Retention {
    fn default() -> Self {
        Self { enabled: true, every: Duration::from_secs(30) }
    }
}

impl Default for Collect {
    fn default() -> Self {
        Self { enabled: true, io_bytes: 100 << 20, cpu_share: 0.5 }
    }
}

impl Default for Scrub {
    fn default() -> Self {
        Self { enabled: true, every: Duration::from_secs(3_600), io_bytes: 100 << 20, cpu_share: 0.5 }
    }
}

impl Default for Alerts {
    fn default() -> Self {
        Self { point_age: None, clock_jump: Duration::from_secs(60) }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            sessions: 4_096,
            sessions_per_client: 64,
            handshakes: 256,
            memory_bytes: 256 << 20,
            session_bytes: 64 << 20,
            session_requests: 4_096,
            threads: 16,
            verifications: 2,
        }
    }
}

impl Default for Deadlines {
    fn default() -> Self {
        Self {
            step: Duration::from_secs(10),
            heartbeat: Duration::from_secs(15),
            silence: Duration::from_secs(60),
            progress: Duration::from_secs(30),
            resume: Duration::from_secs(120),
            gather: Duration::from_millis(100),
            repository_idle: Duration::from_secs(60),
            stop: Duration::from_secs(30),
            registry: Duration::from_secs(1),
            notify: Duration::from_secs(10),
        }
    }
}

impl Default for Rates {
    fn default() -> Self {
        Self {
            progress_bytes: 1 << 10,
            agent_requests: 50_000,
            reader_requests: 20_000,
            keeper_requests: 50_000,
            peer_requests: 50_000,
            monitor_requests: 100,
        }
    }
}

impl Config {
    /// Reads the config of a data folder. A folder without one has the defaults.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn read(data: &Path) -> Result<Self, ConfigError> {
        let path = data.join(FILE);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(source) => return Err(ConfigError::Unreadable { path, source }),
        };
        let config: Self = toml::from_str(&text)
            .map_err(|source| ConfigError::Malformed { path, source: Box::new(source) })?;
        config.check()?;
        Ok(config)
    }

    /// Whether the values can work together.
    ///
    /// # Errors
    /// [`ConfigError::Unfit`] with what would have to hold.
    pub fn check(&self) -> Result<(), ConfigError> {
        let Limits { sessions, sessions_per_client, handshakes, threads, verifications, .. } = self.limits;
        let counts = [
            ("limits.sessions", sessions),
            ("limits.sessions_per_client", sessions_per_client),
            ("limits.handshakes", handshakes),
            ("limits.threads", threads),
            ("limits.verifications", verifications),
        ];
        let unfit = |what: String| Err(ConfigError::Unfit { what });
        if let Some((name, _)) = counts.iter().find(|(_, count)| *count == 0) {
            return unfit(format!("{name} must be at least 1"));
        }
        if self.limits.session_bytes < SESSION_BYTES_MIN {
            return unfit(format!("limits.session_bytes must be at least {SESSION_BYTES_MIN}"));
        }
        if self.limits.memory_bytes < FRAME_BODY_BYTES_MAX as u64 {
            return unfit(format!("limits.memory_bytes must be at least {FRAME_BODY_BYTES_MAX}"));
        }
        if self.limits.session_requests < SESSION_REQUESTS_MIN {
            return unfit(format!("limits.session_requests must be at least {SESSION_REQUESTS_MIN}"));
        }
        if self.deadlines.heartbeat >= self.deadlines.silence {
            return unfit("deadlines.heartbeat must be shorter than deadlines.silence".to_owned());
        }
        if self.alerts.clock_jump < CLOCK_JUMP_MIN {
            return unfit(format!("alerts.clock_jump must be at least {}", CLOCK_JUMP_MIN.as_secs()));
        }
        if self.retention.every.is_zero() {
            return unfit("retention.every must be above 0".to_owned());
        }
        for (name, share) in [("collect", self.collect.cpu_share), ("scrub", self.scrub.cpu_share)] {
            if !(share > 0.0 && share <= 1.0) {
                return unfit(format!("{name}.cpu_share must be above 0, and at most 1"));
            }
        }
        if self.scrub.every.is_zero() {
            return unfit("scrub.every must be above 0".to_owned());
        }
        if self.notify.first().is_some_and(String::is_empty) {
            return unfit("notify must begin with the name of a program".to_owned());
        }
        if self.webhook.as_ref().is_some_and(|url| !is_web_address(url)) {
            return unfit("webhook must be an address that begins with http:// or https://".to_owned());
        }
        for quota in self.quotas.all() {
            if quota.soft_bytes.zip(quota.hard_bytes).is_some_and(|(soft, hard)| soft > hard) {
                return unfit("soft_bytes of a quota must not be above its hard_bytes".to_owned());
            }
        }
        Ok(())
    }
}

fn is_web_address(text: &str) -> bool {
    let uri = text.parse::<Uri>();
    uri.is_ok_and(|uri| matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some())
}

/// Least bytes that a session may have under way.
pub const SESSION_BYTES_MIN: u32 = 64 << 10;
/// Least jump of the clock: less is how a clock is set right in small steps.
const CLOCK_JUMP_MIN: Duration = Duration::from_secs(1);
/// Least requests that a session may have under way.
pub const SESSION_REQUESTS_MIN: u32 = 16;

impl Rates {
    /// Requests per second of a client with this role.
    pub fn requests(&self, role: Role) -> u32 {
        match role {
            Role::Agent => self.agent_requests,
            Role::Reader => self.reader_requests,
            Role::Keeper => self.keeper_requests,
            Role::Peer => self.peer_requests,
            Role::Monitor => self.monitor_requests,
        }
    }
}

impl Quotas {
    /// The quota of a repository.
    pub fn repository(&self, name: &str) -> Quota {
        self.repositories.get(name).copied().unwrap_or(self.each_repository)
    }

    /// The quota of a client.
    pub fn client(&self, name: &str) -> Quota {
        self.clients.get(name).copied().unwrap_or(self.each_client)
    }

    fn all(&self) -> impl Iterator<Item = Quota> {
        let each = [self.each_repository, self.each_client];
        each.into_iter().chain(self.repositories.values().copied()).chain(self.clients.values().copied())
    }
}

/// A duration as a number of seconds.
mod seconds {
    use super::Deserialize;
    use super::Deserializer;
    use super::Duration;
    use super::Serializer;

    pub(super) fn serialize<S: Serializer>(duration: &Duration, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_f64(duration.as_secs_f64())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        Duration::try_from_secs_f64(f64::deserialize(from)?).map_err(serde::de::Error::custom)
    }
}
