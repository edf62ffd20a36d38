//! Which snapshots are kept, and why: [`plan`], a pure function of the snapshots, the policies and the time.
//!
//! Rules are a union, as restic's `forget` has them: no rule sees what another one keeps. So a rule that is added, or a
//! count that grows, never costs a snapshot. The time of a snapshot is the one at which the store received it; what an
//! agent claims plays no part.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fmt;

use farkeep_codec::id::SnapshotId;
use farkeep_codec::snapshot::Series;
use farkeep_codec::time::Time;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::Offset;
use jiff::tz::TimeZone;

use super::policy::Pattern;
use super::policy::Policy;
use super::policy::PolicySet;
use super::policy::TagToken;

#[cfg(test)]
mod tests;

const NANOSECONDS: i128 = 1_000_000_000;

/// A snapshot that is not forgotten, as far as retention has to know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Name of the record.
    pub id: SnapshotId,
    /// What it is of.
    pub series: Series,
    /// When the store received it, by its own clock.
    pub received: Time,
    /// Number of the journal record that holds it: says which is newer of two that were received at one time.
    pub sequence: u64,
    /// Whether everything was read.
    pub complete: bool,
    /// Its tags; `None` where nobody told the store whether it has any.
    pub tags: Option<Vec<TagToken>>,
    /// Until when nobody may forget it.
    pub hold: Option<Time>,
}

/// Why a snapshot is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// No policy is for its series.
    NoPolicy,
    /// It was received after the time that the plan is for, so the clock cannot be right.
    Future,
    /// It is held until then.
    Held(Time),
    /// It is among so many that are kept whatever the rules say.
    Least(u32),
    /// It is among so many newest ones.
    Last(u32),
    /// It is not older than so many seconds.
    Within(u64),
    /// It is the newest one of that time.
    Newest(Bucket),
    /// It is the oldest one of its series, and a rule for periods of that length asks for more than there are.
    Oldest(Period),
    /// It has one of the tags.
    Tagged,
    /// It may have one of the tags: nobody told the store.
    TagsUnknown,
}

/// The length of the periods that a rule counts, from the shortest to the longest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Period {
    /// By the clock on the wall.
    Hour,
    /// From midnight.
    Day,
    /// From Monday, as ISO 8601 has it.
    Week,
    /// Of the calendar.
    Month,
    /// Of the calendar.
    Year,
}

/// One period in the policies' time zone. A later one is greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Bucket {
    /// An hour. When clocks are set back, the hour that comes twice counts twice.
    Hour {
        /// When it began, or would have, had the clocks not been set meanwhile.
        begin: Timestamp,
        /// Of the clock on the wall.
        offset: Offset,
    },
    /// A day.
    Day(Date),
    /// A week.
    Week {
        /// The year that it is counted in.
        year: i16,
        /// 1 to 53.
        week: i8,
    },
    /// A month.
    Month {
        /// Its year.
        year: i16,
        /// 1 to 12.
        month: i8,
    },
    /// A year.
    Year(i16),
}

/// What is to be done. Both lists are in the order of series, and then in that in which snapshots were received.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// What stays.
    pub keep: Vec<Kept>,
    /// What goes.
    pub forget: Vec<Forgotten>,
}

/// A snapshot that stays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// Which.
    pub id: SnapshotId,
    /// Why: one reason or more.
    pub reasons: Vec<Reason>,
}

/// A snapshot that goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forgotten {
    /// Which.
    pub id: SnapshotId,
    /// The policy none of whose rules keeps it.
    pub policy: Pattern,
}

/// What the policies keep of the snapshots, each of which is given once, and what they do not.
pub fn plan(snapshots: &[Candidate], policies: &PolicySet, now: Time) -> Plan {
    let mut series: BTreeMap<&Series, Vec<&Candidate>> = BTreeMap::new();
    for snapshot in snapshots {
        series.entry(&snapshot.series).or_default().push(snapshot);
    }
    let mut plan = Plan::default();
    for (name, mut members) in series {
        members.sort_unstable_by_key(|member| Reverse((member.received, member.sequence, member.id)));
        let policy = policies.of(name);
        let reasons = match policy {
            None => vec![vec![Reason::NoPolicy]; members.len()],
            Some(policy) => Judge::new(&members, policy, now).judge(policy, &policies.zone, now),
        };
        for (member, reasons) in members.iter().zip(reasons).rev() {
            match policy {
                Some(policy) if reasons.is_empty() => {
                    plan.forget.push(Forgotten { id: member.id, policy: policy.series.clone() });
                }
                _ => plan.keep.push(Kept { id: member.id, reasons }),
            }
        }
    }
    plan
}

/// Until when a snapshot that was forgotten then can be restored and recovered: its grace, or its hold if that is longer.
pub fn restorable_until(forgotten: Time, grace_seconds: u64, hold: Option<Time>) -> Time {
    let grace = i64::try_from(i128::from(grace_seconds) * NANOSECONDS).unwrap_or(i64::MAX);
    let over = Time::from_nanoseconds(forgotten.nanoseconds().saturating_add(grace));
    hold.map_or(over, |hold| hold.max(over))
}

/// The snapshots of one series, the newest first, and what speaks for each of them.
struct Judge<'a> {
    members: &'a [&'a Candidate],
    reasons: Vec<Vec<Reason>>,
    /// So many at the front come from the future: rules neither count nor touch them.
    future: usize,
}

impl<'a> Judge<'a> {
    fn new(members: &'a [&'a Candidate], policy: &Policy, now: Time) -> Self {
        let future = members.partition_point(|member| member.received > now);
        let own = |(index, member): (usize, &&Candidate)| {
            let mut reasons = Vec::new();
            reasons.extend((index < future).then_some(Reason::Future));
            reasons.extend(member.hold.filter(|until| *until > now).map(Reason::Held));
            reasons.extend(tagged(member, policy));
            reasons
        };
        Self { members, reasons: members.iter().enumerate().map(own).collect(), future }
    }

    fn judge(mut self, policy: &Policy, zone: &TimeZone, now: Time) -> Vec<Vec<Reason>> {
        let least = policy.least.get();
        self.newest(least, &Reason::Least(least));
        self.newest(policy.last, &Reason::Last(policy.last));
        self.within(policy.within_seconds, now);
        let rules = [
            (Period::Hour, policy.hourly),
            (Period::Day, policy.daily),
            (Period::Week, policy.weekly),
            (Period::Month, policy.monthly),
            (Period::Year, policy.yearly),
        ];
        let mut short = None;
        for (period, count) in rules.into_iter().filter(|(_, count)| *count > 0) {
            if self.buckets(period, count, zone) < count {
                short = Some(period);
            }
        }
        if let Some(period) = short {
            self.oldest(period);
        }
        self.reasons
    }

    /// Those that rules look at, the newest first.
    fn past(&self) -> impl DoubleEndedIterator<Item = (usize, &'a Candidate)> + use<'a> {
        let members = self.members;
        (self.future..members.len()).map(move |index| (index, members[index]))
    }

    /// Keeps so many of the newest complete ones, and as many partial ones at most that are newer than all of these: what
    /// could not be read whole must not push out what could.
    fn newest(&mut self, count: u32, reason: &Reason) {
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        let partial = self.past().take_while(|(_, member)| !member.complete).take(count);
        let complete = self.past().filter(|(_, member)| member.complete).take(count);
        for (index, _) in partial.chain(complete) {
            self.reasons[index].push(reason.clone());
        }
    }

    fn within(&mut self, seconds: u64, now: Time) {
        let since = i128::from(now.nanoseconds()) - i128::from(seconds) * NANOSECONDS;
        for (index, _) in
            self.past().take_while(|(_, member)| i128::from(member.received.nanoseconds()) > since)
        {
            self.reasons[index].push(Reason::Within(seconds));
        }
    }

    /// Keeps the newest of each of the newest periods that have any, complete ones before partial ones. Returns how many
    /// periods there are.
    fn buckets(&mut self, period: Period, count: u32, zone: &TimeZone) -> u32 {
        let mut newest: BTreeMap<Bucket, usize> = BTreeMap::new();
        for (index, member) in self.past() {
            let kept = newest.entry(Bucket::of(period, member.received, zone)).or_insert(index);
            if member.complete && !self.members[*kept].complete {
                *kept = index;
            }
        }
        for (bucket, index) in newest.iter().rev().take(usize::try_from(count).unwrap_or(usize::MAX)) {
            self.reasons[*index].push(Reason::Newest(*bucket));
        }
        u32::try_from(newest.len()).unwrap_or(u32::MAX)
    }

    /// Keeps the oldest complete one, or the oldest of all if none is.
    fn oldest(&mut self, period: Period) {
        let complete = self.past().rfind(|(_, member)| member.complete);
        if let Some((index, _)) = complete.or_else(|| self.past().next_back()) {
            self.reasons[index].push(Reason::Oldest(period));
        }
    }
}

impl Bucket {
    /// The period of that length which a time lies in.
    fn of(period: Period, time: Time, zone: &TimeZone) -> Self {
        let time = timestamp(time);
        let offset = zone.to_offset(time);
        let wall = offset.to_datetime(time);
        match period {
            Period::Hour => {
                let hour = wall.date().at(wall.hour(), 0, 0, 0);
                let begin = offset.to_timestamp(hour).expect("it is an hour earlier at most");
                Self::Hour { begin, offset }
            }
            Period::Day => Self::Day(wall.date()),
            Period::Week => {
                let week = wall.date().iso_week_date();
                Self::Week { year: week.year(), week: week.week() }
            }
            Period::Month => Self::Month { year: wall.year(), month: wall.month() },
            Period::Year => Self::Year(wall.year()),
        }
    }

    /// The length of the period.
    pub fn period(&self) -> Period {
        match self {
            Self::Hour { .. } => Period::Hour,
            Self::Day(_) => Period::Day,
            Self::Week { .. } => Period::Week,
            Self::Month { .. } => Period::Month,
            Self::Year(_) => Period::Year,
        }
    }
}

impl fmt::Display for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hour { begin, offset } => {
                let wall = offset.to_datetime(*begin);
                write!(f, "{} {:02}:00{offset}", wall.date(), wall.hour())
            }
            Self::Day(date) => write!(f, "{date}"),
            Self::Week { year, week } => write!(f, "{year}-W{week:02}"),
            Self::Month { year, month } => write!(f, "{year}-{month:02}"),
            Self::Year(year) => write!(f, "{year}"),
        }
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Hour => "hourly",
            Self::Day => "daily",
            Self::Week => "weekly",
            Self::Month => "monthly",
            Self::Year => "yearly",
        })
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoPolicy => f.write_str("no policy"),
            Self::Future => f.write_str("received in the future"),
            Self::Held(until) => write!(f, "held until {}", timestamp(*until)),
            Self::Least(count) => write!(f, "least {count}"),
            Self::Last(count) => write!(f, "last {count}"),
            Self::Within(seconds) => write!(f, "within {seconds} s"),
            Self::Newest(bucket) => write!(f, "{} {bucket}", bucket.period()),
            Self::Oldest(period) => write!(f, "{period}, the oldest"),
            Self::Tagged => f.write_str("tag"),
            Self::TagsUnknown => f.write_str("tags unknown"),
        }
    }
}

/// What the tags of a snapshot say for it. Not to know them is not to know that there are none.
fn tagged(snapshot: &Candidate, policy: &Policy) -> Option<Reason> {
    match &snapshot.tags {
        _ if policy.tags.is_empty() => None,
        None => Some(Reason::TagsUnknown),
        Some(tags) => tags.iter().any(|tag| policy.tags.contains(tag)).then_some(Reason::Tagged),
    }
}

fn timestamp(time: Time) -> Timestamp {
    Timestamp::from_nanosecond(i128::from(time.nanoseconds()))
        .expect("64 bits of nanoseconds reach less far than a timestamp")
}
