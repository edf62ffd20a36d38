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
    let mut display = Display { bar: ProgressBar::hidden(), shown: None };
    display.show(&sample(0, 0));
    assert_eq!((display.bar.position(), display.bar.length()), (50, None));
    display.show(&sample(10, 0));
    assert_eq!((display.bar.position(), display.bar.length()), (5, Some(10)));
    display.show(&sample(10, 40));
    assert_eq!((display.bar.position(), display.bar.length()), (50, Some(50)));
}

#[test]
fn dropping_a_watch_does_not_wait_for_a_tick() {
    let watch = Watch::begin(Arc::new(Progress::new()));
    let dropped = std::time::Instant::now();
    drop(watch);
    assert!(dropped.elapsed() < Duration::from_secs(5));
}
