//! Rules of retention, as several commands take them.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;

use clap::Args;
use farkeep_engine::policy::Pattern;
use farkeep_engine::policy::Policy;

use super::failure::Failure;
use crate::config::period::Period;
use crate::repository::Repository;

/// What is kept.
#[derive(Debug, Default, Clone, Args)]
#[command(
    next_help_heading = "What is kept (rules add up; of an hour, day and so on the newest complete snapshot)"
)]
pub(super) struct RuleArguments {
    /// So many of the newest snapshots, or `all`
    #[arg(long, value_name = "N")]
    keep_last: Option<Count>,
    /// All that came in so long until now: 30d, 12h
    #[arg(long, value_name = "TIME")]
    keep_within: Option<Period>,
    /// One for each of so many hours that have any, or `all`
    #[arg(long, value_name = "N")]
    keep_hourly: Option<Count>,
    /// One for each of so many days
    #[arg(long, value_name = "N")]
    keep_daily: Option<Count>,
    /// One for each of so many weeks, from Monday
    #[arg(long, value_name = "N")]
    keep_weekly: Option<Count>,
    /// One for each of so many months
    #[arg(long, value_name = "N")]
    keep_monthly: Option<Count>,
    /// One for each of so many years
    #[arg(long, value_name = "N")]
    keep_yearly: Option<Count>,
    /// All with this tag; may be repeated. Snapshots whose tags the repository was never told are kept, too
    #[arg(long, value_name = "TAG")]
    keep_tag: Vec<String>,
    /// So many of the newest of each series, whatever the rules say; at least 1
    #[arg(long, value_name = "N")]
    keep_least: Option<NonZeroU32>,
}

/// How many periods or snapshots a rule counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Count(pub(super) u32);

impl FromStr for Count {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "all" { Ok(Self(Policy::ALL)) } else { text.parse().map(Self) }
    }
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == Policy::ALL { f.write_str("all") } else { self.0.fmt(f) }
    }
}

impl RuleArguments {
    /// Whether nothing was said.
    pub(super) fn is_empty(&self) -> bool {
        let counts = [
            self.keep_last,
            self.keep_hourly,
            self.keep_daily,
            self.keep_weekly,
            self.keep_monthly,
            self.keep_yearly,
        ];
        counts.iter().all(Option::is_none)
            && self.keep_within.is_none()
            && self.keep_tag.is_empty()
            && self.keep_least.is_none()
    }

    /// Whether the keys are needed to say what is meant.
    pub(super) fn has_tags(&self) -> bool {
        !self.keep_tag.is_empty()
    }

    /// The policy for these series. Tags are given to the repository as tokens, which takes its keys.
    pub(super) fn policy(&self, series: Pattern, keys: Option<&Repository>) -> Result<Policy, Failure> {
        let count = |count: Option<Count>| count.map_or(0, |Count(count)| count);
        let tokens = |tag: &String| keys.map(|keys| keys.tag_tokens(tag)).unwrap_or_default();
        let policy = Policy {
            last: count(self.keep_last),
            within_seconds: self.keep_within.map_or(0, |period| period.seconds),
            hourly: count(self.keep_hourly),
            daily: count(self.keep_daily),
            weekly: count(self.keep_weekly),
            monthly: count(self.keep_monthly),
            yearly: count(self.keep_yearly),
            least: self.keep_least.unwrap_or(NonZeroU32::MIN),
            tags: self.keep_tag.iter().flat_map(tokens).collect(),
            ..Policy::new(series)
        };
        policy.encode().map_err(|source| Failure::TooManyTags { source })?;
        Ok(policy)
    }
}
