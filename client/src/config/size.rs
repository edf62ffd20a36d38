//! Sizes as people write them: `512KiB`, `1MiB`, `4M`, `65536`; rates, which are sizes per second, and shares.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// A number of bytes, written with or without a unit. K, M and G are powers of 1024, as KiB, MiB and GiB are;
/// KB, MB and GB are powers of 1000.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// The number of bytes.
    pub bytes: u64,
}

/// A text that is not a size.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{text:?} is not a size: write a number with or without B, KiB, MiB or GiB, as in 512KiB")]
pub struct NotASize {
    /// What was given.
    pub text: String,
}

const UNITS: [(&str, u64); 11] = [
    ("", 1),
    ("B", 1),
    ("K", 1 << 10),
    ("KIB", 1 << 10),
    ("KB", 1_000),
    ("M", 1 << 20),
    ("MIB", 1 << 20),
    ("MB", 1_000_000),
    ("G", 1 << 30),
    ("GIB", 1 << 30),
    ("GB", 1_000_000_000),
];

impl FromStr for Size {
    type Err = NotASize;

    fn from_str(text: &str) -> Result<Self, NotASize> {
        let refused = || NotASize { text: text.to_owned() };
        let trimmed = text.trim();
        let digits = trimmed.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = trimmed.split_at(digits);
        let number: u64 = number.parse().map_err(|_| refused())?;
        let unit = unit.trim_start().to_ascii_uppercase();
        let (_, factor) = UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(refused)?;
        let bytes = number.checked_mul(*factor).ok_or_else(refused)?;
        Ok(Self { bytes })
    }
}

/// So many bytes per second at most, written as a size with or without `/s`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    bytes_per_second: u64,
}

/// A text that is not a rate.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum NotARate {
    /// It is not even a size.
    #[error(transparent)]
    Size(#[from] NotASize),
    /// So little that it is as good as nothing.
    #[error(
        "{text:?} is too little: a server takes a connection that hardly moves for cut; 16KiB per second is the least"
    )]
    Little {
        /// What was given.
        text: String,
    },
}

impl Rate {
    /// The least: what a server asks for of each of eight connections, twice.
    const BYTES_PER_SECOND_LEAST: u64 = 16 << 10;

    /// Bytes per second.
    pub fn bytes_per_second(self) -> u64 {
        self.bytes_per_second
    }
}

impl FromStr for Rate {
    type Err = NotARate;

    fn from_str(text: &str) -> Result<Self, NotARate> {
        let trimmed = text.trim();
        let Size { bytes } = trimmed.strip_suffix("/s").unwrap_or(trimmed).parse()?;
        if bytes < Self::BYTES_PER_SECOND_LEAST {
            return Err(NotARate::Little { text: text.to_owned() });
        }
        Ok(Self { bytes_per_second: bytes })
    }
}

/// A part of a whole, between 0 and 1, written as a percentage.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Share {
    /// The part: 1.0 is everything.
    pub part: f64,
}

/// A text that is not a percentage.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{text:?} is not a share: write a percentage above 0 and up to 100, as in 10%")]
pub struct NotAShare {
    /// What was given.
    pub text: String,
}

impl Share {
    /// Everything.
    pub const ALL: Self = Self { part: 1.0 };
}

impl FromStr for Share {
    type Err = NotAShare;

    fn from_str(text: &str) -> Result<Self, NotAShare> {
        let refused = || NotAShare { text: text.to_owned() };
        let number = text.trim().strip_suffix('%').ok_or_else(refused)?;
        let percent: f64 = number.trim_end().parse().map_err(|_| refused())?;
        if !(percent > 0.0 && percent <= 100.0) {
            return Err(refused());
        }
        Ok(Self { part: percent / 100.0 })
    }
}

/// A part of a whole in thousandths, written as a percentage with one digit behind the point at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Thousandths {
    /// 10 are one percent.
    pub thousandths: u16,
}

/// A text that is no percentage with one digit behind the point at most.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{text:?} is not a percentage in steps of 0.1%: write 1% or 0.5%")]
pub struct NotThousandths {
    /// What was given.
    pub text: String,
}

impl fmt::Display for Thousandths {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.thousandths / 10, self.thousandths % 10) {
            (whole, 0) => write!(f, "{whole}%"),
            (whole, tenth) => write!(f, "{whole}.{tenth}%"),
        }
    }
}

impl FromStr for Thousandths {
    type Err = NotThousandths;

    fn from_str(text: &str) -> Result<Self, NotThousandths> {
        let read = || {
            let number = text.trim().strip_suffix('%')?.trim_end();
            let (whole, tenth) = number.split_once('.').unwrap_or((number, "0"));
            let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            if !is_digits(whole) || !is_digits(tenth) || tenth.len() != 1 {
                return None;
            }
            whole.parse::<u16>().ok()?.checked_mul(10)?.checked_add(tenth.parse().ok()?)
        };
        read().map(|thousandths| Self { thousandths }).ok_or_else(|| NotThousandths { text: text.to_owned() })
    }
}

#[cfg(test)]
mod tests;
