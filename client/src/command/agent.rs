//! `farkeep agent`

use std::env;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use clap::Subcommand;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::backup::host;
use super::backup::user;
use super::failure::Failure;
use super::interrupt;
use super::session::Session;
use crate::agent::config::Config;
use crate::agent::config::Job;
use crate::agent::doubts::doubts;
use crate::agent::doubts::never_there;
use crate::agent::event::Event;
use crate::agent::place::Place;
use crate::agent::runs::Outcome;
use crate::agent::runs::Remembered;
use crate::agent::runs::Runs;
use crate::agent::work;
use crate::agent::work::is_at_work;
use crate::config::cache_folder;
use crate::output::exit::Exit;
use crate::output::line;

/// How long a run may be overdue without an agent: five minutes.
const OVERDUE: Duration = Duration::from_secs(300);

/// Back up by itself, on schedules, and say how that goes
#[derive(Debug, Args)]
#[command(after_help = "\
A configuration, /etc/farkeep/agent.toml:

  # Copies of one repository; the first server that answers is taken.
  servers = [\"farkeep://backup.example/main\", \"farkeep://backup2.example/main\"]
  state = \"/var/lib/farkeep-agent\"
  reach = \"1m\"            # how long servers are tried before a point is spooled
  resume = \"10m\"          # how long a run waits for a cut connection
  spool = \"8GiB\"          # for points that wait for a server; \"0\" for none
  limit-upload = \"4MiB\"   # a second; without it as fast as the line is
  connections = 1          # of a session; more of them fill a long fat network
  alarm-age = \"2h\"        # status fails when a job's newest point is older

  [[job]]
  name = \"etc\"             # the series is HOST:etc, unless `series` says another
  paths = [\"/etc\", \"/home\"]
  exclude = [\"*.tmp\"]
  schedule = \"every 15m\"   # or the five fields of cron
  jitter = \"2m\"
  before = \"systemctl is-system-running --quiet || true\"
  finally = { run = \"/usr/local/bin/told\", limit = \"30s\" }

  [[job]]
  name = \"shop\"
  command = \"pg_dump shop\"
  time-limit = \"2h\"       # then it is killed with its process group, but for what
                           # left that by setsid; without it, no limit
  schedule = \"30 3 * * *\"

Jobs of a consistency group stand still together, on however many hosts, and
have points of one moment or none:

  [[group]]
  name = \"shop\"
  members = 3              # jobs on all hosts, each of which has this table
  schedule = \"0 * * * *\"
  limit = \"30s\"           # nothing stands still for longer

  [[job]]
  name = \"orders\"
  group = \"shop\"
  paths = [\"/mnt/orders\"]
  freeze = \"systemctl stop orders\"
  # A picture of the moment; without this hook all is read while it stands still.
  capture = \"lvcreate -s -n picture vg/orders && mount -r /dev/vg/picture /mnt/orders\"
  thaw = \"systemctl start orders\"
  finally = \"umount /mnt/orders; lvremove -y vg/picture\"

`run` ends with 14 when a job of `--once` made no complete point at a server;
`status` when a job failed, one of its paths never was there, or its newest
point is too old.")]
pub(super) struct AgentCommand {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Run jobs as they come due, until a signal says to end
    Run(Run),
    /// Show how the jobs went, and whether all is well
    Status(Configured),
    /// Only say whether the configuration can be used, and what of it does not fit this host
    Check(Configured),
}

#[derive(Debug, Args)]
struct Configured {
    /// The configuration
    #[arg(long, value_name = "FILE", default_value = "/etc/farkeep/agent.toml")]
    config: PathBuf,
}

#[derive(Debug, Args)]
struct Run {
    #[command(flatten)]
    configured: Configured,
    /// Run every job once, now, and end
    #[arg(long)]
    once: bool,
}

impl Configured {
    fn read(&self) -> Result<Config, Failure> {
        let config = Config::read(&self.config, &TimeZone::system())?;
        config.expect_own_series(&self.config, &host())?;
        Ok(config)
    }
}

impl AgentCommand {
    pub(super) fn run(&self, session: &Session) -> Result<Exit, Failure> {
        match &self.what {
            What::Run(run) => run.run(session),
            What::Status(configured) => status(session, &configured.read()?),
            What::Check(configured) => {
                let config = configured.read()?;
                for doubt in doubts(&config, &place()) {
                    session.output.warn(&format!("warning: {doubt}"));
                }
                let jobs = config.jobs.len();
                session.output.note(&format!("the configuration can be used; jobs: {jobs}"));
                Ok(Exit::Done)
            }
        }
    }
}

impl Run {
    fn run(&self, session: &Session) -> Result<Exit, Failure> {
        let config = self.configured.read()?;
        let place = Place { cancel: interrupt::cancel_flag(), ..place() };
        let mut exit = Exit::Done;
        let mut printed = Ok(());
        let mut show = |event: &Event| {
            let shown = match event {
                Event::Ended { job, remembered } => {
                    if remembered.outcome != Some(Outcome::Complete) {
                        exit = Exit::Attention;
                    }
                    let job =
                        config.jobs.iter().find(|known| known.name == *job).expect("it is of this agent");
                    session.output.line(&row(job, remembered, Timestamp::now(), None))
                }
                Event::Brought { points, waiting } => {
                    session.output.line(&line::Brought { points: *points, waiting: *waiting })
                }
            };
            let shown = shown.and_then(|()| session.output.flush());
            if let (Ok(()), Err(error)) = (&printed, shown) {
                printed = Err(error);
            }
        };
        if self.once {
            work::run_once(&config, &place, &mut show)
        } else {
            work::run(&config, &place, &mut show)
        }
        .map_err(|source| Failure::Agent { state: config.state.clone(), source })?;
        printed?;
        // An agent that was told to end did what it was told.
        Ok(if self.once { exit } else { Exit::Done })
    }
}

/// Where the agent runs.
fn place() -> Place {
    Place {
        enrolments: Session::config_folder(),
        caches: cache_folder(|name| env::var_os(name)),
        host: host(),
        user: user(),
        cancel: Arc::default(),
    }
}

fn status(session: &Session, config: &Config) -> Result<Exit, Failure> {
    let runs = Runs::read(&config.state);
    let now = Timestamp::now();
    let is_at_work = is_at_work(&config.state);
    let mut exit = Exit::Done;
    for job in &config.jobs {
        let remembered = runs.jobs.get(&job.name).cloned().unwrap_or_default();
        let mut row = row(job, &remembered, now, config.alarm_age);
        let is_running = is_at_work && remembered.begun.is_some() && remembered.ended.is_none();
        if is_running {
            row.message = remembered.begun.map(|begun| format!("a run goes on since {begun:.0}"));
        } else if remembered.next.is_some_and(|next| next + OVERDUE < now) {
            row.is_well = false;
            row.message = Some(match is_at_work {
                false => "no agent is at work, and the next run is overdue".to_owned(),
                true => "the next run is overdue: another job has run since before it was due".to_owned(),
            });
        }
        if !row.is_well {
            exit = Exit::Attention;
        }
        session.output.line(&row)?;
    }
    if let Some(waiting) = &runs.spool {
        if waiting.trouble.is_some() {
            exit = Exit::Attention;
        }
        session.output.line(&line::Spool {
            points: waiting.points,
            bytes: waiting.bytes,
            oldest: waiting.oldest,
            age_seconds: waiting.oldest.map(|time| now.duration_since(time).as_secs().max(0)),
            message: waiting.trouble.clone(),
        })?;
    }
    Ok(exit)
}

/// What is shown of a job. All is well with it when its last run did not fail, its newest point is not too old, and each of its
/// paths was there once.
fn row(job: &Job, remembered: &Remembered, now: Timestamp, alarm_age: Option<Duration>) -> line::Job {
    let age = remembered.acknowledged.map(|time| now.duration_since(time).as_secs().max(0));
    // A point from the future says nothing of its age.
    let is_ahead = remembered.acknowledged.is_some_and(|time| time > now + OVERDUE);
    let is_too_old = alarm_age
        .is_some_and(|alarm| age.is_none_or(|age| u64::try_from(age).unwrap_or(u64::MAX) > alarm.as_secs()));
    // What a failure is about comes first.
    let never = never_there(job, &remembered.seen).filter(|_| remembered.outcome != Some(Outcome::Failed));
    line::Job {
        job: job.name.clone(),
        outcome: match remembered.outcome {
            None => "never ran",
            Some(Outcome::Complete) => "complete",
            Some(Outcome::Partial) => "partial",
            Some(Outcome::Spooled) => "spooled",
            Some(Outcome::Failed) => "failed",
        },
        // Whether a point that waits is old enough to be looked at, the alarm age says where there is one.
        is_well: !is_too_old
            && !is_ahead
            && never.is_none()
            && match remembered.outcome {
                Some(Outcome::Failed) => false,
                Some(Outcome::Spooled) => alarm_age.is_some(),
                None | Some(Outcome::Complete | Outcome::Partial) => true,
            },
        begun: remembered.begun,
        ended: remembered.ended,
        next: remembered.next,
        acknowledged: remembered.acknowledged,
        age_seconds: age,
        snapshot: remembered.snapshot.clone(),
        message: never.or_else(|| remembered.message.clone()),
    }
}
