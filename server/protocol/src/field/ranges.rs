//! Ranges of requests, by which one message acknowledges many puts.

use farkeep_codec::layout::Malformed;
use farkeep_codec::layout::Reader;
use farkeep_codec::layout::Writer;

use super::Field;
use super::List;
use super::Sequence;
use super::Unfit;
use super::table;
use crate::limits::DURABLE_RANGES_MAX;

table! {
    /// Requests that follow one another.
    Range {
        /// Number of the first of them.
        first: Sequence,
        /// How many there are, at least one.
        count: u64,
    }
}

impl Range {
    /// Number of the last request of the range; `None` if there is no such number.
    pub fn last(&self) -> Option<u64> {
        self.first.number().checked_add(self.count.checked_sub(1)?)
    }
}

/// 1 to [`DURABLE_RANGES_MAX`] ranges that rise and neither overlap nor touch, so that a set has one encoding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ranges(List<Range, 1, DURABLE_RANGES_MAX>);

impl Ranges {
    /// The ranges, if they are in order.
    ///
    /// # Errors
    /// [`Unfit`] if they are not.
    pub fn new(ranges: Vec<Range>) -> Result<Self, Unfit> {
        Self::checked(List::new(ranges)?).ok_or(Unfit { expected: "ranges that rise and do not touch" })
    }

    /// The ranges, in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Range> + use<'_> {
        self.0.iter().copied()
    }

    fn checked(ranges: List<Range, 1, DURABLE_RANGES_MAX>) -> Option<Self> {
        let mut least = Some(1);
        for range in ranges.iter() {
            let last = range.last().filter(|_| least.is_some_and(|least| range.first.number() >= least))?;
            // At least one number lies between two ranges, or they would be one.
            least = last.checked_add(2);
        }
        Some(Self(ranges))
    }
}

impl Field<'_> for Ranges {
    const BYTES_MIN: usize = <List<Range, 1, DURABLE_RANGES_MAX> as Field<'_>>::BYTES_MIN;
    const BYTES_MAX: usize = <List<Range, 1, DURABLE_RANGES_MAX> as Field<'_>>::BYTES_MAX;

    fn read(reader: &mut Reader<'_>, what: &'static str) -> Result<Self, Malformed> {
        let disordered = reader.malformed(what);
        Self::checked(List::read(reader, what)?).ok_or(disordered)
    }

    fn write(&self, writer: &mut Writer) {
        self.0.write(writer);
    }
}
