//! Which packs are to be verified next, so that no verification becomes older than was promised ([`due`]).
//!
//! Pure: who asks says what time it is, and does as told. The oldest comes first. How much it is follows from the packs alone:
//! as many bytes as must pass until the next call, if from now on they pass evenly and the last moment of each pack is kept.
//! So packs that were verified together are spread over the whole time, and nobody need remember what was done before.

use std::time::Duration;

use farkeep_codec::time::Time;

#[cfg(test)]
mod tests;

/// Part of the time that was promised which is planned with, in tenths: the rest is for calls that come late.
const PLANNED_TENTHS: u32 = 8;

/// A pack, as far as patrols know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Watched {
    pub(super) number: u32,
    pub(super) bytes: u64,
    /// When all of it was verified last; or else, when it was seen first, or a part of it was verified.
    pub(super) since: Time,
    pub(super) is_verified: bool,
}

/// The oldest first; of equal ones that which was never verified.
pub(super) fn order(packs: &mut [Watched]) {
    packs.sort_unstable_by_key(|pack| (pack.since, pack.is_verified, pack.number));
}

/// How many of the packs, which stand in [`order`], are to be verified until this is asked again after `every`, so that
/// none becomes older than `bound`.
pub(super) fn due(packs: &[Watched], now: Time, bound: Duration, every: Duration) -> usize {
    let amount = bytes_due(packs, now, bound, every);
    let mut sum = 0;
    packs.iter().take_while(|pack| add(&mut sum, pack.bytes) <= amount).count()
}

/// Bytes that are to pass until then.
pub(super) fn bytes_due(packs: &[Watched], now: Time, bound: Duration, every: Duration) -> u128 {
    let planned = bound.saturating_mul(PLANNED_TENTHS) / 10;
    let (mut sum, mut amount) = (0, 0);
    for pack in packs {
        let before = add(&mut sum, pack.bytes);
        let left = planned.saturating_sub(age(pack.since, now));
        let share = if left <= every { before } else { before * every.as_nanos() / left.as_nanos() };
        amount = amount.max(share);
    }
    amount
}

/// How long ago that was.
pub(super) fn age(since: Time, now: Time) -> Duration {
    let nanoseconds = i128::from(now.nanoseconds()) - i128::from(since.nanoseconds());
    Duration::from_nanos(u64::try_from(nanoseconds.max(0)).unwrap_or(u64::MAX))
}

fn add(sum: &mut u128, bytes: u64) -> u128 {
    *sum += u128::from(bytes);
    *sum
}
