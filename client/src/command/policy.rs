//! `farkeep policy`

use std::fs;
use std::path::PathBuf;

use clap::Args;
use clap::Subcommand;
use farkeep_engine::Act as Retain;
use farkeep_engine::Settings;
use farkeep_engine::expect_fit;
use farkeep_engine::policies;
use farkeep_engine::policy::Pattern;
use farkeep_engine::policy::Policy;

use super::failure::Failure;
use super::forget::report;
use super::rules::RuleArguments;
use super::session::Session;
use crate::agent::schedule::Schedule;
use crate::config::period::Period;
use crate::config::size::Thousandths;
use crate::output::exit::Exit;
use crate::output::line;
use crate::repository::Access;
use crate::repository::Keeper;
use crate::repository::Repository;

mod file;

/// Decide what a repository keeps, and for how long
///
/// Policies live with the repository. For a series the first policy counts whose pattern fits, and no other; a series that
/// none fits keeps everything. A server carries them out on the schedule that is set here; for a repository in a folder
/// `farkeep forget` does. A folder needs no passphrase, except for --keep-tag.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  farkeep policy set --series 'db*' --keep-hourly 48 --keep-daily 14
  farkeep policy set --series '*' --keep-daily 7 --keep-weekly 5 --keep-monthly 12
  farkeep policy set --schedule '0 4 * * *' --zone Europe/Berlin --grace 14d
  farkeep policy test
  farkeep policy show --toml > policy.toml
  farkeep policy set --from policy.toml
  farkeep policy show")]
pub(super) struct PolicyCommand {
    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// Show the policies, in the order in which they are tried, and what else is set
    Show {
        /// As a file that `set --from` takes
        #[arg(long, conflicts_with = "json")]
        toml: bool,
    },
    /// Set the policy of a pattern of series, or other settings; what is not named stays
    Set(Box<Set>),
    /// Say what the policies would keep and forget now, and why; with rules, what these would
    Test {
        #[command(flatten)]
        rules: RuleArguments,
        /// With rules: only series whose names fit
        #[arg(long, value_name = "PATTERN", default_value = "*", hide_default_value = true)]
        series: Pattern,
    },
}

#[derive(Debug, Args)]
struct Set {
    #[command(flatten)]
    rules: RuleArguments,
    /// The series that the rules are for. A policy of the same pattern is replaced where it stands, another one comes last
    #[arg(long, value_name = "PATTERN", default_value = "*", hide_default_value = true)]
    series: Pattern,
    /// Set what this file says, as `show --toml` writes it: its policies take the place of all others, other settings that it
    /// does not name stay. What else is named beside it is changed after that
    #[arg(long, value_name = "FILE")]
    from: Option<PathBuf>,
    /// Put the policy in front of all others
    #[arg(long)]
    first: bool,
    /// Remove the policy of this pattern; may be repeated
    #[arg(long, value_name = "PATTERN")]
    remove: Vec<Pattern>,
    /// How long forgotten snapshots stay restorable
    #[arg(long, value_name = "TIME", help_heading = "Other settings")]
    grace: Option<Period>,
    /// How long every new snapshot is held: nobody can shorten that afterwards
    #[arg(long, value_name = "TIME", help_heading = "Other settings")]
    least_hold: Option<Period>,
    /// When the server applies the policies: the five fields of cron; empty for never
    #[arg(long, value_name = "CRON", help_heading = "Other settings")]
    schedule: Option<String>,
    /// When the server collects: the five fields of cron; empty for never
    #[arg(long, value_name = "CRON", help_heading = "Other settings")]
    collect_schedule: Option<String>,
    /// The time zone of schedules, days, weeks, months and years, such as Europe/Berlin; empty for UTC
    #[arg(long, value_name = "ZONE", help_heading = "Other settings")]
    zone: Option<String>,
    /// Parity of new packs: 1%, 0%
    #[arg(long, value_name = "SHARE", help_heading = "Other settings")]
    parity: Option<Thousandths>,
    /// Garbage that a collection may leave: 1%
    #[arg(long, value_name = "SHARE", help_heading = "Other settings")]
    garbage: Option<Thousandths>,
    /// How old the last verification of a byte may become, in days
    #[arg(long, value_name = "DAYS", help_heading = "Other settings")]
    scrub_within: Option<u32>,
    /// How far the clock may move on its own before nothing is deleted any more
    #[arg(long, value_name = "TIME", help_heading = "Other settings")]
    clock_limit: Option<Period>,
}

impl PolicyCommand {
    /// Whether what it prints is a file.
    pub(super) fn is_data(&self) -> bool {
        matches!(self.act, Act::Show { toml: true })
    }

    pub(super) fn run(&self, session: &Session) -> Result<Exit, Failure> {
        match &self.act {
            Act::Show { toml: true } => {
                let settings = session.keep(Access::Read)?.keeper().settings()?;
                let text = file::write(&settings).map_err(|why| Failure::PolicyUnknown { why })?;
                session.output.data(text.as_bytes())?;
            }
            Act::Show { toml: false } => show(session, &session.keep(Access::Read)?.keeper().settings()?)?,
            Act::Test { rules, series } => {
                report(session, &rules.ask(session, series, Retain::Plan)?, Retain::Plan)?;
            }
            Act::Set(set) if set.rules.has_tags() => {
                let repository = session.open(Access::Write)?;
                set.change(session, repository.keeper(), Some(&repository))?;
            }
            Act::Set(set) => set.change(session, session.keep(Access::Write)?.keeper(), None)?,
        }
        Ok(Exit::Done)
    }
}

impl Set {
    fn change(
        &self,
        session: &Session,
        keeper: &dyn Keeper,
        keys: Option<&Repository>,
    ) -> Result<(), Failure> {
        let mut settings = keeper.settings()?;
        if let Some(file) = &self.from {
            let unread = |source| Failure::PolicyUnread { file: file.clone(), source };
            let text = fs::read_to_string(file).map_err(unread)?;
            let unfit = |why| Failure::PolicyFile { file: file.clone(), why };
            settings = file::read(&text, settings).map_err(unfit)?;
        }
        self.change_policies(&mut settings, keys)?;
        let seconds = |new: Option<Period>, old: u64| new.map_or(old, |period| period.seconds);
        let text = |new: &Option<String>, old: String| new.clone().unwrap_or(old);
        let share = |new: Option<Thousandths>, old: u16| new.map_or(old, |share| share.thousandths);
        let clock_seconds = seconds(self.clock_limit, settings.clock_seconds.into());
        let settings = Settings {
            grace_seconds: seconds(self.grace, settings.grace_seconds),
            hold_seconds: seconds(self.least_hold, settings.hold_seconds),
            retention_schedule: text(&self.schedule, settings.retention_schedule),
            collection_schedule: text(&self.collect_schedule, settings.collection_schedule),
            zone: text(&self.zone, settings.zone),
            parity_thousandths: share(self.parity, settings.parity_thousandths),
            garbage_thousandths: share(self.garbage, settings.garbage_thousandths),
            scrub_days: self.scrub_within.unwrap_or(settings.scrub_days),
            clock_seconds: u32::try_from(clock_seconds).unwrap_or(u32::MAX),
            policies: settings.policies,
        };
        expect_schedules(&settings)?;
        keeper.change_settings(&settings)?;
        show(session, &settings)
    }

    fn change_policies(&self, settings: &mut Settings, keys: Option<&Repository>) -> Result<(), Failure> {
        let of = |bytes: &[u8]| Policy::parse(bytes).ok().map(|policy| policy.series);
        for pattern in &self.remove {
            let before = settings.policies.len();
            settings.policies.retain(|bytes| of(bytes).as_ref() != Some(pattern));
            if settings.policies.len() == before {
                return Err(Failure::NoSuchPolicy { pattern: pattern.clone() });
            }
        }
        if self.rules.is_empty() {
            return Ok(());
        }
        let policy = self.rules.policy(self.series.clone(), keys)?;
        let bytes = policy.encode().map_err(|source| Failure::TooManyTags { source })?;
        let stands = settings.policies.iter().position(|bytes| of(bytes).as_ref() == Some(&self.series));
        if let Some(at) = stands {
            settings.policies.remove(at);
        }
        let at = if self.first { 0 } else { stands.unwrap_or(settings.policies.len()) };
        settings.policies.insert(at, bytes);
        Ok(())
    }
}

/// Says what is set.
fn show(session: &Session, settings: &Settings) -> Result<(), Failure> {
    for bytes in &settings.policies {
        let Ok(policy) = Policy::parse(bytes) else {
            session.output.warn("warning: there is a policy that this program cannot read");
            continue;
        };
        session.output.summary(&line::Policy {
            series: policy.series.to_string(),
            last: policy.last,
            within_seconds: policy.within_seconds,
            hourly: policy.hourly,
            daily: policy.daily,
            weekly: policy.weekly,
            monthly: policy.monthly,
            yearly: policy.yearly,
            least: policy.least.get(),
            tags_count: policy.tags.len() as u64,
        })?;
    }
    Ok(session.output.summary(&line::Settings {
        policies_count: settings.policies.len() as u64,
        grace_seconds: settings.grace_seconds,
        least_hold_seconds: settings.hold_seconds,
        schedule: settings.retention_schedule.clone(),
        collect_schedule: settings.collection_schedule.clone(),
        zone: settings.zone.clone(),
        parity_thousandths: settings.parity_thousandths,
        garbage_thousandths: settings.garbage_thousandths,
        scrub_within_days: settings.scrub_days,
        clock_limit_seconds: settings.clock_seconds,
    })?)
}

/// Looks whether the server will understand the schedules.
fn expect_schedules(settings: &Settings) -> Result<(), Failure> {
    expect_fit(settings).map_err(|source| Failure::Settings { source })?;
    let zone = policies(settings).map_err(|source| Failure::Settings { source })?.zone;
    for text in [&settings.retention_schedule, &settings.collection_schedule] {
        let is_cron = text.is_empty() || !text.trim().starts_with("every");
        if !is_cron {
            return Err(Failure::NoCron { text: text.clone() });
        }
        if !text.is_empty() {
            Schedule::parse(text, &zone).map_err(|source| Failure::Schedule { source })?;
        }
    }
    Ok(())
}
