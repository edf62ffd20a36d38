//! What Farkeep sets out to reach against the others: a ratio, whom it is taken against, and where.

use std::fmt;

use crate::tool::Act;
use crate::tool::Kind;

/// One figure of one tool.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Measure {
    /// Wall time of an act.
    Wall(Act),
    /// CPU time of an act.
    Cpu(Act),
    /// The repository's length after the first backup.
    Repository,
    /// What the incremental run added to it.
    Added,
    /// What a removal left, as a multiple of a new repository with the same.
    Left(Act),
    /// The largest peak of memory over all acts, in bytes.
    Peak,
}

impl fmt::Display for Measure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Wall(act) => write!(f, "{}, wall", act.title()),
            Self::Cpu(act) => write!(f, "{}, CPU", act.title()),
            Self::Repository => f.write_str("repository after the first backup"),
            Self::Added => f.write_str("added by the incremental run"),
            Self::Left(act) => write!(f, "{}: what is left, over a new repository", act.title()),
            Self::Peak => f.write_str("largest memory, all acts"),
        }
    }
}

/// An upper bound for one figure of Farkeep.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Target {
    /// Which figure.
    pub measure: Measure,
    /// Divided by the best of these; `None` means the figure itself.
    pub rivals: Option<&'static [Kind]>,
    /// The bound.
    pub at_most: f64,
    /// Whether the bound itself is good enough.
    pub bound: Bound,
}

/// How a figure is held against its bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bound {
    /// At the bound is met.
    Inclusive,
    /// Only below it is met.
    Below,
}

impl Target {
    /// Whether a value meets it.
    pub(crate) fn holds(&self, value: f64) -> bool {
        match self.bound {
            Bound::Inclusive => value <= self.at_most,
            Bound::Below => value < self.at_most,
        }
    }

    /// The bound in words.
    pub(crate) fn limit_text(&self) -> String {
        match (self.rivals, self.bound) {
            (None, _) => self.text(self.at_most),
            (Some(_), Bound::Below) => format!("below {}", self.text(self.at_most)),
            (Some(_), Bound::Inclusive) if self.at_most < 1.0 => format!("1/{:.0}", 1.0 / self.at_most),
            (Some(_), Bound::Inclusive) => self.text(self.at_most),
        }
    }

    /// A value in words: a ratio, or memory.
    pub(crate) fn text(&self, value: f64) -> String {
        match (self.rivals, value < 1.0) {
            (None, _) if matches!(self.measure, Measure::Left(_)) => format!("{value:.3}"),
            (None, _) => format!("{:.0} MiB", value / f64::from(1 << 20)),
            (Some(_), true) if value > 0.0 => format!("{value:.3} (1/{:.1})", 1.0 / value),
            (Some(_), _) => format!("{value:.2}"),
        }
    }
}

const OTHERS: &[Kind] = &[Kind::Restic, Kind::Borg, Kind::Rustic];
const ALL: &[Kind] = &[Kind::Restic, Kind::Borg, Kind::Rustic, Kind::Bupstash];
const BUPSTASH: &[Kind] = &[Kind::Bupstash];
const RESTIC: &[Kind] = &[Kind::Restic];
const COPY: &[Kind] = &[Kind::Copy];
const PEAK: Target = Target {
    measure: Measure::Peak,
    rivals: None,
    at_most: 256.0 * 1024.0 * 1024.0,
    bound: Bound::Inclusive,
};

const fn at_most(measure: Measure, rivals: &'static [Kind], at_most: f64) -> Target {
    Target { measure, rivals: Some(rivals), at_most, bound: Bound::Inclusive }
}

const fn left(act: Act) -> Target {
    Target { measure: Measure::Left(act), rivals: None, at_most: 1.02, bound: Bound::Inclusive }
}

const fn below(measure: Measure, rivals: &'static [Kind]) -> Target {
    Target { measure, rivals: Some(rivals), at_most: 1.0, bound: Bound::Below }
}

/// Two releases of a large source tree.
pub(crate) const VERSIONS: &[Target] = &[
    at_most(Measure::Wall(Act::First), OTHERS, 1.0 / 5.0),
    at_most(Measure::Wall(Act::First), BUPSTASH, 1.0 / 2.0),
    at_most(Measure::Cpu(Act::First), OTHERS, 1.0 / 4.0),
    at_most(Measure::Cpu(Act::First), BUPSTASH, 1.0 / 2.0),
    below(Measure::Repository, OTHERS),
    below(Measure::Repository, BUPSTASH),
    below(Measure::Added, OTHERS),
    at_most(Measure::Added, BUPSTASH, 1.0 / 2.0),
    at_most(Measure::Wall(Act::Unchanged), OTHERS, 1.0 / 12.0),
    at_most(Measure::Wall(Act::Unchanged), BUPSTASH, 1.0 / 3.0),
    at_most(Measure::Wall(Act::Incremental), OTHERS, 1.0 / 6.0),
    at_most(Measure::Wall(Act::Incremental), BUPSTASH, 1.0 / 5.0),
    at_most(Measure::Wall(Act::Restore), OTHERS, 1.0 / 2.0),
    at_most(Measure::Wall(Act::Restore), BUPSTASH, 1.0 / 2.0),
    at_most(Measure::Wall(Act::Restore), COPY, 1.1),
    at_most(Measure::Wall(Act::Check), OTHERS, 1.0 / 3.0),
    at_most(Measure::Wall(Act::RemoveNewest), ALL, 1.0 / 3.0),
    left(Act::RemoveNewest),
    at_most(Measure::Wall(Act::Remove), ALL, 1.0 / 3.0),
    left(Act::Remove),
    left(Act::Repack),
    PEAK,
];

/// A great many small files.
pub(crate) const EDITED: &[Target] = &[
    at_most(Measure::Wall(Act::First), RESTIC, 1.0 / 10.0),
    at_most(Measure::Wall(Act::Unchanged), RESTIC, 1.0 / 10.0),
    at_most(Measure::Added, RESTIC, 1.0 / 4.0),
    PEAK,
];

/// One large file.
pub(crate) const LARGE: &[Target] = &[PEAK];

#[cfg(test)]
mod tests;
