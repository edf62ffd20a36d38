//! Lengths of time as people write them: `30d`, `12h`, `90m`, `2w`.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// A length of time in whole seconds. A day has 24 hours, a year 365 days.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period {
    /// The number of seconds.
    pub seconds: u64,
}

/// A text that is no length of time.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{text:?} is no length of time: write a number with s, m, h, d, w or y, as in 30d")]
pub struct NotAPeriod {
    /// What was given.
    pub text: String,
}

/// From the longest to the shortest.
const UNITS: [(&str, u64); 6] =
    [("y", 365 * 86_400), ("w", 7 * 86_400), ("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)];

impl FromStr for Period {
    type Err = NotAPeriod;

    fn from_str(text: &str) -> Result<Self, NotAPeriod> {
        let refused = || NotAPeriod { text: text.to_owned() };
        let trimmed = text.trim();
        let digits = trimmed.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = trimmed.split_at(digits);
        let number: u64 = number.parse().map_err(|_| refused())?;
        if number == 0 && unit.is_empty() {
            return Ok(Self { seconds: 0 });
        }
        let (_, factor) = UNITS.iter().find(|(name, _)| *name == unit.trim_start()).ok_or_else(refused)?;
        Ok(Self { seconds: number.checked_mul(*factor).ok_or_else(refused)? })
    }
}

impl fmt::Display for Period {
    /// In the longest unit that it is a whole number of.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fits = |(name, factor): &(&'static str, u64)| {
            // Weeks and years are for whoever types them: nobody reads 52w.
            !matches!(*name, "w" | "y") && self.seconds > 0 && self.seconds.is_multiple_of(*factor)
        };
        let (name, factor) = UNITS.iter().find(|unit| fits(unit)).copied().unwrap_or(("s", 1));
        write!(f, "{}{name}", self.seconds / factor)
    }
}

#[cfg(test)]
mod tests;
