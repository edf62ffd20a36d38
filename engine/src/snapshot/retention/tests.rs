use std::num::NonZeroU32;

use jiff::civil::DateTime;
use jiff::civil::date;

use super::*;

mod examples;
mod laws;

/// Central European Time, written out, so that no file of the system decides.
pub(super) fn berlin() -> TimeZone {
    TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").expect("a good rule")
}

pub(super) fn time(zone: &TimeZone, at: DateTime) -> Time {
    let at = at.to_zoned(zone.clone()).expect("a time within reach");
    Time::from_nanoseconds(i64::try_from(at.timestamp().as_nanosecond()).expect("a time within reach"))
}

/// A complete snapshot whose name is its number.
pub(super) fn snapshot(series: &str, number: u64, received: Time) -> Candidate {
    let mut id = [0; 32];
    id[..8].copy_from_slice(&number.to_be_bytes());
    Candidate {
        id: SnapshotId::from_bytes(id),
        series: Series::new(series).expect("a good name"),
        received,
        sequence: number,
        complete: true,
        tags: None,
        hold: None,
    }
}

pub(super) fn policy() -> Policy {
    Policy::new("*".parse().expect("a good pattern"))
}

pub(super) fn only(policy: Policy, zone: TimeZone) -> PolicySet {
    PolicySet { policies: vec![policy], zone }
}
