//! The settings of a repository as a file: `policy show --toml` writes it, and `policy set --from` reads it.
//!
//! What was written is read as the same settings. Tags stand there as the repository knows them, which are no names: whoever
//! wants one by its name sets it with --keep-tag.

use std::collections::BTreeSet;
use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;

use farkeep_engine::Settings;
use farkeep_engine::policy::Policy;
use farkeep_engine::policy::TagToken;
use serde::Deserialize;
use serde::Deserializer;
use serde::Serialize;
use serde::Serializer;
use serde::de;

use super::super::rules::Count;
use crate::config::period::Period;
use crate::config::size::Thousandths;

#[cfg(test)]
mod tests;

/// What a file says. What it does not name stays as it is, but for policies: those of the file are all there are.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
struct Written {
    #[serde(skip_serializing_if = "Option::is_none")]
    grace: Option<Text<Period>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    least_hold: Option<Text<Period>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    schedule: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    collect_schedule: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    zone: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parity: Option<Text<Thousandths>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    garbage: Option<Text<Thousandths>>,
    /// In days.
    #[serde(skip_serializing_if = "Option::is_none")]
    scrub_within: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    clock_limit: Option<Text<Period>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    policy: Vec<WrittenPolicy>,
}

#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
struct WrittenPolicy {
    series: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    keep_last: Option<Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    keep_within: Option<Text<Period>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    keep_hourly: Option<Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    keep_daily: Option<Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    keep_weekly: Option<Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    keep_monthly: Option<Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    keep_yearly: Option<Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    keep_least: Option<NonZeroU32>,
    /// As 16 hexadecimal digits each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    keep_tokens: Vec<String>,
}

/// What is written as people write it on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Text<T>(T);

impl<T: fmt::Display> Serialize for Text<T> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(&self.0)
    }
}

impl<'de, T: FromStr<Err: fmt::Display>> Deserialize<'de> for Text<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map(Self).map_err(de::Error::custom)
    }
}

/// A count, or `"all"`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
enum Number {
    Number(u32),
    Word(Text<Count>),
}

impl Number {
    fn of(count: u32) -> Option<Self> {
        match count {
            0 => None,
            Policy::ALL => Some(Self::Word(Text(Count(count)))),
            count => Some(Self::Number(count)),
        }
    }

    fn count(number: Option<&Self>) -> u32 {
        match number {
            None => 0,
            Some(Self::Number(count) | Self::Word(Text(Count(count)))) => *count,
        }
    }
}

/// Settings as a file. A policy that this program cannot read has no place there.
pub(super) fn write(settings: &Settings) -> Result<String, String> {
    let period = |seconds: u64| Some(Text(Period { seconds }));
    let share = |thousandths: u16| Some(Text(Thousandths { thousandths }));
    let policies = settings.policies.iter().map(|bytes| Policy::parse(bytes));
    let policies: Vec<Policy> = policies.collect::<Result<_, _>>().map_err(|error| error.to_string())?;
    let written = Written {
        grace: period(settings.grace_seconds),
        least_hold: period(settings.hold_seconds),
        schedule: Some(settings.retention_schedule.clone()),
        collect_schedule: Some(settings.collection_schedule.clone()),
        zone: Some(settings.zone.clone()),
        parity: share(settings.parity_thousandths),
        garbage: share(settings.garbage_thousandths),
        scrub_within: Some(settings.scrub_days),
        clock_limit: period(settings.clock_seconds.into()),
        policy: policies.iter().map(written_policy).collect(),
    };
    toml::to_string(&written).map_err(|error| error.to_string())
}

/// What a file makes of settings.
pub(super) fn read(text: &str, settings: Settings) -> Result<Settings, String> {
    let written: Written = toml::from_str(text).map_err(|error| error.to_string())?;
    let seconds = |new: Option<Text<Period>>, old: u64| new.map_or(old, |Text(period)| period.seconds);
    let share = |new: Option<Text<Thousandths>>, old: u16| new.map_or(old, |Text(share)| share.thousandths);
    let clock_seconds = seconds(written.clock_limit, settings.clock_seconds.into());
    let policies = written.policy.iter().map(|written| {
        let policy = policy(written)?;
        policy.encode().map_err(|error| error.to_string())
    });
    Ok(Settings {
        grace_seconds: seconds(written.grace, settings.grace_seconds),
        hold_seconds: seconds(written.least_hold, settings.hold_seconds),
        retention_schedule: written.schedule.unwrap_or(settings.retention_schedule),
        collection_schedule: written.collect_schedule.unwrap_or(settings.collection_schedule),
        zone: written.zone.unwrap_or(settings.zone),
        parity_thousandths: share(written.parity, settings.parity_thousandths),
        garbage_thousandths: share(written.garbage, settings.garbage_thousandths),
        scrub_days: written.scrub_within.unwrap_or(settings.scrub_days),
        clock_seconds: u32::try_from(clock_seconds).map_err(|_| "clock-limit: it is too long".to_owned())?,
        policies: policies.collect::<Result<_, String>>()?,
    })
}

fn written_policy(policy: &Policy) -> WrittenPolicy {
    let digits = |TagToken(token): &TagToken| token.iter().map(|byte| format!("{byte:02x}")).collect();
    let seconds = policy.within_seconds;
    WrittenPolicy {
        series: policy.series.to_string(),
        keep_last: Number::of(policy.last),
        keep_within: (seconds > 0).then_some(Text(Period { seconds })),
        keep_hourly: Number::of(policy.hourly),
        keep_daily: Number::of(policy.daily),
        keep_weekly: Number::of(policy.weekly),
        keep_monthly: Number::of(policy.monthly),
        keep_yearly: Number::of(policy.yearly),
        keep_least: (policy.least > NonZeroU32::MIN).then_some(policy.least),
        keep_tokens: policy.tags.iter().map(digits).collect(),
    }
}

fn policy(written: &WrittenPolicy) -> Result<Policy, String> {
    let series = written.series.parse().map_err(|error| format!("series: {error}"))?;
    let tags: BTreeSet<TagToken> =
        written.keep_tokens.iter().map(|text| token(text)).collect::<Result<_, _>>()?;
    Ok(Policy {
        last: Number::count(written.keep_last.as_ref()),
        within_seconds: written.keep_within.map_or(0, |Text(period)| period.seconds),
        hourly: Number::count(written.keep_hourly.as_ref()),
        daily: Number::count(written.keep_daily.as_ref()),
        weekly: Number::count(written.keep_weekly.as_ref()),
        monthly: Number::count(written.keep_monthly.as_ref()),
        yearly: Number::count(written.keep_yearly.as_ref()),
        least: written.keep_least.unwrap_or(NonZeroU32::MIN),
        tags,
        ..Policy::new(series)
    })
}

fn token(text: &str) -> Result<TagToken, String> {
    let is_token = text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let number = u64::from_str_radix(text, 16).ok().filter(|_| is_token);
    let refused = || format!("keep-tokens: {text:?} is not 16 hexadecimal digits");
    number.map(|number| TagToken(number.to_be_bytes())).ok_or_else(refused)
}
