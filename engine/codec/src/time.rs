//! A point in time, as every table of the format holds it.
//!
//! Nothing in this crate asks a clock; times come in as values, so that the same input gives the same bytes.

/// Nanoseconds since 1970-01-01T00:00:00Z, leap seconds not counted; reaches from the year 1677 to 2262.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(i64);

impl Time {
    /// The time that lies `nanoseconds` after (or, if negative, before) 1970.
    pub const fn from_nanoseconds(nanoseconds: i64) -> Self {
        Self(nanoseconds)
    }

    /// Nanoseconds since 1970.
    pub const fn nanoseconds(self) -> i64 {
        self.0
    }
}
