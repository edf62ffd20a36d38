//! Naming a point in time: `3f2a`, `latest`, `latest~2`, `@yesterday 14:00`, and a path in it behind a colon.
//!
//! Two steps. [`Target::parse`] reads what was typed and knows no repository; [`select`] finds the one snapshot that is
//! meant, or says which ones it could have been. Nothing is ever guessed: two snapshots that fit are an error.

pub mod moment;
pub mod order;

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt;

use farkeep_codec::id::SnapshotId;
use farkeep_codec::time::Time;
use farkeep_codec::tree::NotAPath;
use farkeep_codec::tree::PathKey;
use jiff::Timestamp;
use jiff::Zoned;
use jiff::tz::TimeZone;
use thiserror::Error;

use self::moment::MomentError;
use self::order::Placed;
use self::order::in_order;

/// Most candidates that an error names.
const CANDIDATES_SHOWN: usize = 8;

/// Which snapshot is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selector {
    /// The one whose id begins with these hexadecimal digits.
    Prefix(String),
    /// The newest, as [`order`] has it, or the one `back` places before it.
    Latest {
        /// How many to go back.
        back: u64,
    },
    /// The newest complete one captured at or before this time.
    At(Time),
}

/// A snapshot, and perhaps one path in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The snapshot.
    pub snapshot: Selector,
    /// The path.
    pub path: Option<PathKey>,
}

/// What a snapshot must have to be considered at all. Empty lists ask for nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Names of series, one of which it must have.
    pub series: Vec<String>,
    /// Names of hosts, one of which it must have.
    pub hosts: Vec<String>,
    /// Words, all of which it must have.
    pub tags: Vec<String>,
}

/// What can be asked of a snapshot when one is looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// Its id.
    pub id: SnapshotId,
    /// Its place in the order of arrival.
    pub sequence: u64,
    /// When the agent began to read, by the clock of its host.
    pub captured: Time,
    /// When the repository took it in, by its own clock.
    pub received: Time,
    /// Whether it waited in a spool, and may have arrived behind newer ones.
    pub spooled: bool,
    /// Whether every source file could be read.
    pub complete: bool,
    /// Its series.
    pub series: String,
    /// Its host.
    pub host: String,
    /// Its words.
    pub tags: Vec<String>,
}

/// Why what was typed names no snapshot.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SelectorError {
    /// It follows none of the forms.
    #[error("{text:?} names no snapshot")]
    Form {
        /// What was typed.
        text: String,
    },
    /// What follows the `@` is no time.
    #[error("{text:?} names no snapshot")]
    Moment {
        /// What was typed.
        text: String,
        /// Why it is no time.
        source: MomentError,
    },
    /// What follows the colon is no path.
    #[error("{text:?} names no path in a snapshot")]
    Path {
        /// What was typed.
        text: String,
        /// Why it is no path.
        source: NotAPath,
    },
    /// There is nothing to choose from.
    #[error("there is no snapshot{filter}")]
    None {
        /// The filter, in words.
        filter: String,
    },
    /// No snapshot is of the series.
    #[error("no snapshot is of series {series}; {}", match known.as_slice() {
        [] => "there are none at all".to_owned(),
        known => format!("the series are:\n    {}", known.join("\n    ")),
    })]
    NoSuchSeries {
        /// What was asked for.
        series: String,
        /// The series there are.
        known: Vec<String>,
    },
    /// No snapshot has an id that begins like this.
    #[error(
        "no snapshot{filter} has an id that begins with {prefix}{}",
        among("; the newest are", candidates)
    )]
    Unknown {
        /// The digits.
        prefix: String,
        /// The filter, in words.
        filter: String,
        /// The newest ones there are.
        candidates: Vec<Candidate>,
    },
    /// More than one snapshot has an id that begins like this.
    #[error("{prefix} is the beginning of {count} snapshots' ids{}", among("", candidates))]
    Ambiguous {
        /// The digits.
        prefix: String,
        /// How many there are.
        count: usize,
        /// The newest of them.
        candidates: Vec<Candidate>,
    },
    /// The repository does not go back that far in number.
    #[error("latest~{back} does not exist: there {}{filter}", are(*count))]
    NotThatMany {
        /// How many to go back.
        back: u64,
        /// How many there are.
        count: usize,
        /// The filter, in words.
        filter: String,
    },
    /// The repository does not go back that far in time.
    #[error("no complete snapshot{filter} was captured at or before {}{}", spoken(*time), among("; the oldest are", candidates))]
    NotThatOld {
        /// The time.
        time: Time,
        /// The filter, in words.
        filter: String,
        /// The oldest complete ones there are.
        candidates: Vec<Candidate>,
    },
}

/// A snapshot that an error names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    id: SnapshotId,
    captured: Time,
    series: String,
}

impl Target {
    /// Reads `SNAPSHOT` or `SNAPSHOT:PATH`. Words for times are relative to `now`, and in its time zone.
    ///
    /// A time holds colons itself, so behind `@TIME` the path begins with `:/`. Paths count from the root folder with or
    /// without a slash in front.
    ///
    /// # Errors
    /// [`SelectorError::Form`], [`SelectorError::Moment`] and [`SelectorError::Path`].
    pub fn parse(text: &OsStr, now: &Zoned) -> Result<Self, SelectorError> {
        let bytes = text.as_bytes();
        let border: &[u8] = if bytes.starts_with(b"@") { b":/" } else { b":" };
        let at = bytes.windows(border.len()).position(|window| window == border);
        let (snapshot, path) = match at {
            Some(at) => (&bytes[..at], Some(&bytes[at + 1..])),
            None => (bytes, None),
        };
        let shown = || text.to_string_lossy().into_owned();
        let path = path.map(PathKey::from_slashes).transpose();
        let path = path.map_err(|source| SelectorError::Path { text: shown(), source })?;
        let snapshot = std::str::from_utf8(snapshot).map_err(|_| SelectorError::Form { text: shown() })?;
        Ok(Self { snapshot: Selector::parse(snapshot, now)?, path })
    }
}

impl Selector {
    /// Reads the name of a snapshot without a path.
    ///
    /// # Errors
    /// [`SelectorError::Form`] and [`SelectorError::Moment`].
    pub fn parse(text: &str, now: &Zoned) -> Result<Self, SelectorError> {
        let unformed = || SelectorError::Form { text: text.to_owned() };
        if let Some(words) = text.strip_prefix('@') {
            let time = moment::parse(words, now);
            let time = time.map_err(|source| SelectorError::Moment { text: text.to_owned(), source })?;
            return Ok(Self::At(time));
        }
        if let Some(rest) = text.strip_prefix("latest") {
            return match rest.strip_prefix('~') {
                None if rest.is_empty() => Ok(Self::Latest { back: 0 }),
                Some(digits) if digits.bytes().all(|c| c.is_ascii_digit()) => {
                    digits.parse().map(|back| Self::Latest { back }).map_err(|_| unformed())
                }
                _ => Err(unformed()),
            };
        }
        let hexadecimal = (1..=64).contains(&text.len()) && text.bytes().all(|c| c.is_ascii_hexdigit());
        if hexadecimal { Ok(Self::Prefix(text.to_ascii_lowercase())) } else { Err(unformed()) }
    }
}

impl Filter {
    /// Whether the snapshot is one to consider.
    pub fn admits(&self, label: &Label) -> bool {
        let one_of = |names: &[String], name: &String| names.is_empty() || names.contains(name);
        one_of(&self.series, &label.series)
            && one_of(&self.hosts, &label.host)
            && self.tags.iter().all(|tag| label.tags.contains(tag))
    }

    /// Whether every series that is named is there: a name that was mistyped shall not pass for a series with nothing
    /// in it.
    ///
    /// # Errors
    /// [`SelectorError::NoSuchSeries`].
    pub fn check_series(&self, labels: &[Label]) -> Result<(), SelectorError> {
        let is_there = |name: &&String| labels.iter().any(|label| label.series == **name);
        let Some(unknown) = self.series.iter().find(|name| !is_there(name)) else { return Ok(()) };
        let known: BTreeSet<String> = labels.iter().map(|label| label.series.clone()).collect();
        let known = known.into_iter().take(CANDIDATES_SHOWN).collect();
        Err(SelectorError::NoSuchSeries { series: unknown.clone(), known })
    }

    fn words(&self) -> String {
        let part = |what: &str, names: &[String]| match names {
            [] => String::new(),
            _ => format!(" {what} {}", names.join(", ")),
        };
        [part("of series", &self.series), part("from host", &self.hosts), part("tagged", &self.tags)].concat()
    }
}

/// The place in `labels` of the snapshot that is meant.
///
/// # Errors
/// [`SelectorError`] names those that it could have been, or the nearest there are.
pub fn select(labels: &[Label], filter: &Filter, selector: &Selector) -> Result<usize, SelectorError> {
    let mut placed = in_order(labels);
    placed.retain(|placed| filter.admits(&labels[placed.at]));
    let admitted: Vec<usize> = placed.iter().rev().map(|placed| placed.at).collect();
    if admitted.is_empty() {
        return Err(SelectorError::None { filter: filter.words() });
    }
    match selector {
        Selector::Prefix(prefix) => by_prefix(labels, &admitted, filter, prefix),
        Selector::Latest { back } => {
            let found = usize::try_from(*back).ok().and_then(|back| admitted.get(back)).copied();
            let (back, count, filter) = (*back, admitted.len(), filter.words());
            found.ok_or(SelectorError::NotThatMany { back, count, filter })
        }
        Selector::At(time) => by_time(labels, &placed, filter, *time),
    }
}

fn by_prefix(
    labels: &[Label],
    admitted: &[usize],
    filter: &Filter,
    prefix: &str,
) -> Result<usize, SelectorError> {
    let fits = |at: &usize| labels[*at].id.to_string().starts_with(prefix);
    let fitting: Vec<usize> = admitted.iter().copied().filter(fits).collect();
    let prefix = prefix.to_owned();
    match fitting.as_slice() {
        [only] => Ok(*only),
        [] => {
            let candidates = candidates(labels, admitted.iter().copied());
            Err(SelectorError::Unknown { prefix, filter: filter.words(), candidates })
        }
        several => {
            let candidates = candidates(labels, several.iter().copied());
            Err(SelectorError::Ambiguous { prefix, count: several.len(), candidates })
        }
    }
}

fn by_time(labels: &[Label], placed: &[Placed], filter: &Filter, time: Time) -> Result<usize, SelectorError> {
    let complete = || placed.iter().filter(|placed| labels[placed.at].complete);
    let before = complete().filter(|placed| placed.captured <= time);
    // Of several series the one captured last; of those captured at once the last in order.
    let newest = before.max_by_key(|placed| placed.captured);
    newest.map(|placed| placed.at).ok_or_else(|| {
        let mut oldest: Vec<&Placed> = complete().collect();
        oldest.sort_by_key(|placed| placed.captured);
        let candidates = candidates(labels, oldest.into_iter().map(|placed| placed.at));
        SelectorError::NotThatOld { time, filter: filter.words(), candidates }
    })
}

fn candidates(labels: &[Label], places: impl Iterator<Item = usize>) -> Vec<Candidate> {
    places
        .take(CANDIDATES_SHOWN)
        .map(|at| &labels[at])
        .map(|label| Candidate { id: label.id, captured: label.captured, series: label.series.clone() })
        .collect()
}

impl fmt::Display for Candidate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.12}  {}  {}", self.id.to_string(), spoken(self.captured), self.series)
    }
}

fn among(introduction: &str, candidates: &[Candidate]) -> String {
    if candidates.is_empty() {
        return String::new();
    }
    let rows: String = candidates.iter().map(|candidate| format!("\n    {candidate}")).collect();
    format!("{introduction}:{rows}")
}

fn are(count: usize) -> String {
    if count == 1 { "is 1 snapshot".to_owned() } else { format!("are {count} snapshots") }
}

fn spoken(time: Time) -> String {
    let timestamp = Timestamp::from_nanosecond(i128::from(time.nanoseconds()));
    let timestamp = timestamp.expect("jiff holds years -9999 to 9999");
    timestamp.to_zoned(TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

#[cfg(test)]
mod tests;
