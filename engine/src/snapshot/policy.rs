//! Retention policies ([`Policy`]): which series one is for, what it keeps, and its bytes.
//!
//! A policy lives with the repository, so its meaning may never depend on the version of a library: patterns are matched
//! by twenty lines of our own. FORMAT.md, "Policies".

use std::collections::BTreeSet;
use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;

use farkeep_codec::layout::Malformed;
use farkeep_codec::layout::Reader;
use farkeep_codec::layout::Writer;
use farkeep_codec::limits::SERIES_BYTES_MAX;
use farkeep_codec::snapshot::Series;
use jiff::tz::TimeZone;
use thiserror::Error;

use crate::limits::POLICY_TAGS_MAX;

#[cfg(test)]
mod tests;

/// Which series a policy is for: `*` stands for any run of characters, `?` for one. A slash is a character like others.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pattern(String);

/// A text that is no pattern of series.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("a pattern of series has 1 to {SERIES_BYTES_MAX} bytes and no control characters: {text:?}")]
pub struct NotAPattern {
    /// The text as it was given.
    pub text: String,
}

impl Pattern {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it stands for that series.
    pub fn matches(&self, series: &Series) -> bool {
        matches(&self.0, series.as_str())
    }
}

impl FromStr for Pattern {
    type Err = NotAPattern;

    fn from_str(text: &str) -> Result<Self, NotAPattern> {
        let allowed = (1..=SERIES_BYTES_MAX).contains(&text.len()) && !text.chars().any(char::is_control);
        if allowed { Ok(Self(text.to_owned())) } else { Err(NotAPattern { text: text.to_owned() }) }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A policy with more tags than the format allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a policy has at most {POLICY_TAGS_MAX} tags, not {tags}")]
pub struct TooManyTags {
    /// How many it has.
    pub tags: usize,
}

/// What the keyless side knows of a tag: equal tags of a repository have equal tokens, and that is all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TagToken(pub [u8; 8]);

/// What is kept of the series that a pattern stands for. Rules do not see one another: a snapshot stays that one of them
/// keeps. A count of 0 is a rule that keeps nothing, [`ALL`](Self::ALL) one that has no end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// The series. It names the policy, too.
    pub series: Pattern,
    /// So many of the newest snapshots.
    pub last: u32,
    /// All that were received in so many seconds until now.
    pub within_seconds: u64,
    /// One in each of the newest hours that have any.
    pub hourly: u32,
    /// One in each of the newest days that have any.
    pub daily: u32,
    /// One in each of the newest weeks that have any, from Monday to Sunday.
    pub weekly: u32,
    /// One in each of the newest months that have any.
    pub monthly: u32,
    /// One in each of the newest years that have any.
    pub yearly: u32,
    /// So many of the newest snapshots, whatever the other rules say. It cannot be 0: no policy empties a series.
    pub least: NonZeroU32,
    /// All that have one of these tags: at most [`POLICY_TAGS_MAX`].
    pub tags: BTreeSet<TagToken>,
}

impl Policy {
    /// A count without an end.
    pub const ALL: u32 = u32::MAX;

    /// A policy that keeps the newest snapshot of each series and nothing else, to add rules to.
    pub fn new(series: Pattern) -> Self {
        Self {
            series,
            last: 0,
            within_seconds: 0,
            hourly: 0,
            daily: 0,
            weekly: 0,
            monthly: 0,
            yearly: 0,
            least: NonZeroU32::MIN,
            tags: BTreeSet::new(),
        }
    }

    /// Its bytes.
    ///
    /// # Errors
    /// [`TooManyTags`].
    pub fn encode(&self) -> Result<Vec<u8>, TooManyTags> {
        if self.tags.len() > POLICY_TAGS_MAX {
            return Err(TooManyTags { tags: self.tags.len() });
        }
        let mut writer = Writer::new();
        writer.counted(self.series.0.as_bytes()).u32(self.last).u64(self.within_seconds);
        for count in [self.hourly, self.daily, self.weekly, self.monthly, self.yearly, self.least.get()] {
            writer.u32(count);
        }
        writer.count(self.tags.len());
        for TagToken(token) in &self.tags {
            writer.bytes(token);
        }
        Ok(writer.into_bytes())
    }

    /// Reads its bytes.
    ///
    /// # Errors
    /// [`Malformed`] says what is wrong, and where.
    pub fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes);
        let policy = Self {
            series: pattern(&mut reader)?,
            last: reader.u32("snapshots that a policy keeps")?,
            within_seconds: reader.u64("time that a policy keeps")?,
            hourly: reader.u32("hours of a policy")?,
            daily: reader.u32("days of a policy")?,
            weekly: reader.u32("weeks of a policy")?,
            monthly: reader.u32("months of a policy")?,
            yearly: reader.u32("years of a policy")?,
            least: least(&mut reader)?,
            tags: tags(&mut reader)?,
        };
        reader.finish()?;
        Ok(policy)
    }
}

/// The policies of a repository. For a series, the first one whose pattern matches holds, and no other.
#[derive(Debug, Clone)]
pub struct PolicySet {
    /// In the order in which they are tried.
    pub policies: Vec<Policy>,
    /// Where days, weeks, months and years begin.
    pub zone: TimeZone,
}

impl PolicySet {
    /// The policy that holds for that series.
    pub fn of(&self, series: &Series) -> Option<&Policy> {
        self.policies.iter().find(|policy| policy.series.matches(series))
    }
}

fn pattern(reader: &mut Reader<'_>) -> Result<Pattern, Malformed> {
    let unfit = reader.malformed("pattern of a policy");
    let text = reader.counted(SERIES_BYTES_MAX, "pattern of a policy")?;
    let text = str::from_utf8(text).map_err(|_| unfit.clone())?;
    text.parse().map_err(|_| unfit)
}

fn least(reader: &mut Reader<'_>) -> Result<NonZeroU32, Malformed> {
    let none = reader.malformed("least number of a policy");
    NonZeroU32::new(reader.u32("least number of a policy")?).ok_or(none)
}

/// In their order and without doubles, so that a set has one encoding.
fn tags(reader: &mut Reader<'_>) -> Result<BTreeSet<TagToken>, Malformed> {
    let mut tags = BTreeSet::new();
    for _ in 0..reader.count(POLICY_TAGS_MAX, "tags of a policy")? {
        let disorder = reader.malformed("order of the tags of a policy");
        let tag = TagToken(reader.array("tag of a policy")?);
        if tags.last().is_some_and(|last| *last >= tag) {
            return Err(disorder);
        }
        tags.insert(tag);
    }
    Ok(tags)
}

/// Goes back to the last `*` only: what an earlier one took never has to be given back (Krauss: Matching wildcards,
/// 2008). So a pattern costs at most its length times that of the text.
fn matches(pattern: &str, text: &str) -> bool {
    let (mut pattern, mut text) = (pattern.chars(), text.chars());
    // What stands behind the last star, and what that star has not taken.
    let mut star = None;
    loop {
        let (mut behind, mut rest) = (pattern.clone(), text.clone());
        match (behind.next(), rest.next()) {
            (None, None) => return true,
            (Some('*'), _) => {
                star = Some((behind.clone(), text.clone()));
                pattern = behind;
                continue;
            }
            (Some(wanted), Some(found)) if wanted == '?' || wanted == found => {
                (pattern, text) = (behind, rest);
                continue;
            }
            _ => {}
        }
        let Some((after, untaken)) = &mut star else { return false };
        if untaken.next().is_none() {
            return false;
        }
        (pattern, text) = (after.clone(), untaken.clone());
    }
}
