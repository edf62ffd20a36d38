//! The columns of times: seconds against the entry before, and nanoseconds apart from them.
//!
//! Archives and tools set whole seconds, and files that were made in one go share their nanoseconds; only other
//! nanoseconds take bytes of their own. They are as good as random, so they are neither shortened nor subtracted.

use crate::layout::Malformed;
use crate::layout::Reader;
use crate::layout::Writer;
use crate::time::Time;

/// Nanoseconds of one second.
const SECOND: i64 = 1_000_000_000;

/// The time is a whole second.
const WHOLE: u8 = 0;
/// The time has the nanoseconds of the time before, which are not 0.
const SAME: u8 = 1;
/// The time's nanoseconds stand in the column of nanoseconds.
const OWN: u8 = 2;

/// Collects the times of one leaf.
#[derive(Debug, Clone, Default)]
pub(super) struct MomentWriter {
    seconds: Writer,
    forms: Writer,
    nanoseconds: Writer,
    last_second: i64,
    last_nanosecond: u32,
}

impl MomentWriter {
    /// The time of the next entry that has one.
    pub(super) fn push(&mut self, time: Time) {
        let second = time.nanoseconds().div_euclid(SECOND);
        let nanosecond =
            u32::try_from(time.nanoseconds().rem_euclid(SECOND)).expect("a remainder is below a second");
        self.seconds.zigzag(second - self.last_second);
        let form = match nanosecond {
            0 => WHOLE,
            same if same == self.last_nanosecond => SAME,
            _ => OWN,
        };
        self.forms.u8(form);
        if form == OWN {
            self.nanoseconds.u32(nanosecond);
        }
        self.last_second = second;
        self.last_nanosecond = nanosecond;
    }

    /// Writes the three columns.
    pub(super) fn write(&self, writer: &mut Writer) {
        writer.bytes(self.seconds.as_bytes()).bytes(self.forms.as_bytes()).bytes(self.nanoseconds.as_bytes());
    }

    /// Forgets the times and keeps the memory.
    pub(super) fn clear(&mut self) {
        self.seconds.clear();
        self.forms.clear();
        self.nanoseconds.clear();
        self.last_second = 0;
        self.last_nanosecond = 0;
    }
}

/// Reads the three columns for `count` times.
pub(super) fn read_moments(reader: &mut Reader<'_>, count: usize) -> Result<Vec<Time>, Malformed> {
    let mut seconds = Vec::with_capacity(count);
    let mut second = 0_i64;
    for _ in 0..count {
        let step = reader.zigzag("seconds")?;
        second = second.checked_add(step).ok_or(reader.malformed("seconds"))?;
        seconds.push(second);
    }
    let forms = reader.bytes(count, "form of a time")?;
    let mut times = Vec::with_capacity(count);
    let mut last = 0;
    for (second, form) in seconds.into_iter().zip(forms) {
        let nanosecond = match *form {
            WHOLE => 0,
            SAME if last != 0 => last,
            OWN => own_nanosecond(reader, last)?,
            _ => return Err(reader.malformed("form of a time")),
        };
        last = nanosecond;
        let time = i128::from(second) * i128::from(SECOND) + i128::from(nanosecond);
        let time = i64::try_from(time).map_err(|_| reader.malformed("seconds"))?;
        times.push(Time::from_nanoseconds(time));
    }
    Ok(times)
}

fn own_nanosecond(reader: &mut Reader<'_>, last: u32) -> Result<u32, Malformed> {
    let nanosecond = reader.u32("nanoseconds")?;
    let is_own = nanosecond != 0 && nanosecond != last && i64::from(nanosecond) < SECOND;
    if is_own { Ok(nanosecond) } else { Err(reader.malformed("nanoseconds")) }
}
