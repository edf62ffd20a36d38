//! Bounds, and what is written about them.

use super::*;

#[test]
fn a_bound_is_met_at_its_value_unless_it_says_below() {
    let third = at_most(Measure::Wall(Act::Check), OTHERS, 1.0 / 3.0);
    assert!(third.holds(1.0 / 3.0) && third.holds(0.1) && !third.holds(0.34));
    let smaller = below(Measure::Added, OTHERS);
    assert!(smaller.holds(0.999) && !smaller.holds(1.0));
    assert!(PEAK.holds(256.0 * 1024.0 * 1024.0) && !PEAK.holds(256.0 * 1024.0 * 1024.0 + 1.0));
}

#[test]
fn bounds_and_values_are_written_as_people_say_them() {
    let twelfth = at_most(Measure::Wall(Act::Unchanged), OTHERS, 1.0 / 12.0);
    assert_eq!(twelfth.limit_text(), "1/12");
    assert_eq!(twelfth.text(0.05), "0.050 (1/20.0)");
    assert_eq!(twelfth.text(1.5), "1.50");
    assert_eq!(at_most(Measure::Wall(Act::Restore), COPY, 1.1).limit_text(), "1.10");
    assert_eq!(below(Measure::Repository, OTHERS).limit_text(), "below 1.00");
    assert_eq!(PEAK.limit_text(), "256 MiB");
}
