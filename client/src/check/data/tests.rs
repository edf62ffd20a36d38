//! The choice of a share.

use super::*;

#[test]
fn a_share_is_about_that_large() {
    let chosen = chance(100_000, Share { part: 0.1 }).into_iter().filter(|hit| *hit).count();
    // Twenty standard deviations.
    assert!((8_000..12_000).contains(&chosen), "{chosen} of 100,000");
}

#[test]
fn everything_is_everything() {
    assert!(chance(10_000, Share::ALL).into_iter().all(|hit| hit));
}
