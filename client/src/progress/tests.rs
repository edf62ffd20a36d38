//! The counters and their phases.

use super::*;

#[test]
fn every_phase_reads_back_as_itself() {
    let progress = Progress::new();
    for phase in PHASES {
        progress.begin(phase, 1, 2);
        assert_eq!(progress.sample().phase, phase);
    }
}

#[test]
fn a_new_phase_begins_at_zero() {
    let progress = Progress::new();
    progress.begin(Phase::Storing, 0, 0);
    progress.add_entries(3);
    progress.add_bytes(500);
    progress.expect_more(10, 1000);
    let sample = progress.sample();
    assert_eq!((sample.entries_done, sample.bytes_done), (3, 500));
    assert_eq!((sample.entries_total, sample.bytes_total), (10, 1000));

    progress.begin(Phase::Committing, 0, 0);
    let sample = progress.sample();
    assert_eq!((sample.entries_done, sample.bytes_done, sample.bytes_total), (0, 0, 0));
}

#[test]
fn what_others_counted_is_shown_as_it_is() {
    let progress = Progress::new();
    progress.begin(Phase::Reading, 0, 0);
    progress.add_bytes(7);
    progress.show(30, 100);
    let sample = progress.sample();
    assert_eq!((sample.bytes_done, sample.bytes_total), (30, 100));
}
