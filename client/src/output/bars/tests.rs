//! The bars' templates, and what they measure.

use super::*;

fn sample(entries_total: u64, bytes_total: u64) -> Sample {
    Sample { phase: Phase::Storing, entries_done: 5, bytes_done: 50, entries_total, bytes_total }
}

#[test]
fn bytes_are_measured_where_they_are_known() {
    assert_eq!(Measure::of(&sample(10, 100)), Measure::BytesOfTotal);
    assert_eq!(Measure::of(&sample(10, 0)), Measure::EntriesOfTotal);
    assert_eq!(Measure::of(&sample(0, 0)), Measure::Bytes);
}

#[test]
fn every_template_is_one() {
    for measure in [Measure::BytesOfTotal, Measure::Bytes, Measure::EntriesOfTotal] {
        assert!(ProgressStyle::with_template(measure.template()).is_ok(), "{measure:?}");
    }
}

#[test]
fn a_display_follows_the_samples() {
    let mut display = Display::new();
    display.show(&sample(0, 0));
    assert_eq!((display.bar.position(), display.bar.length()), (50, None));
    display.show(&sample(10, 0));
    assert_eq!((display.bar.position(), display.bar.length()), (5, Some(10)));
    display.show(&sample(10, 40));
    assert_eq!((display.bar.position(), display.bar.length()), (50, Some(50)));
}

#[test]
fn a_rate_is_shown_when_it_means_something() {
    let of_bytes = |elapsed| pace(Measure::BytesOfTotal, &sample(10, 150), Duration::from_millis(elapsed));
    assert_eq!(of_bytes(999), "5 entries");
    assert_eq!(of_bytes(2000), "25 B/s  5 entries  4.00 s left");
    let nothing = Sample { bytes_done: 0, ..sample(10, 150) };
    assert_eq!(pace(Measure::BytesOfTotal, &nothing, Duration::from_secs(9)), "5 entries");
    let of_entries = |elapsed| pace(Measure::EntriesOfTotal, &sample(15, 0), Duration::from_millis(elapsed));
    assert_eq!(of_entries(10), "");
    assert_eq!(of_entries(2500), "2/s  5.00 s left");
    assert_eq!(pace(Measure::Bytes, &sample(0, 0), Duration::from_secs(5)), "10 B/s  5 entries");
}

/// The beginning of a phase is not forgotten when more of it becomes known.
#[test]
fn a_total_that_comes_later_begins_nothing_anew() {
    let mut display = Display::new();
    display.show(&sample(0, 0));
    let begun = display.begun;
    display.show(&sample(10, 100));
    assert_eq!(display.begun, begun);
    display.show(&Sample { phase: Phase::Committing, ..sample(10, 100) });
    assert_ne!(display.begun, begun);
}

#[test]
fn dropping_a_watch_does_not_wait_for_a_tick() {
    let watch = Watch::begin(Arc::new(Progress::new()));
    let dropped = Instant::now();
    drop(watch);
    assert!(dropped.elapsed() < Duration::from_secs(5));
}
