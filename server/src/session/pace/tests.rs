use super::*;

fn pace(now: Instant) -> Pace {
    Pace::new(&Config::default(), now)
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn a_client_that_says_nothing_is_silent() {
    let start = Instant::now();
    let mut pace = pace(start);
    assert_eq!(pace.look(start + seconds(59), 0, false), Verdict::Moves);
    assert_eq!(pace.look(start + seconds(60), 0, false), Verdict::Silent);
    assert_eq!(pace.look(start + seconds(61), 16, false), Verdict::Moves);
    assert_eq!(pace.look(start + seconds(121), 16, false), Verdict::Silent);
}

#[test]
fn a_frame_that_drips_is_slow() {
    let start = Instant::now();
    let mut dripping = pace(start);
    assert_eq!(dripping.look(start, 1, true), Verdict::Moves);
    assert_eq!(dripping.look(start + seconds(29), 30, true), Verdict::Moves);
    assert_eq!(dripping.look(start + seconds(30), 31, true), Verdict::Slow);
}

#[test]
fn a_large_frame_may_take_its_time() {
    let start = Instant::now();
    let mut pace = pace(start);
    for step in 0..40 {
        let verdict = pace.look(start + seconds(30 * step), step * (30 << 10), true);
        assert_eq!(verdict, Verdict::Moves, "step {step}");
    }
}

#[test]
fn many_small_frames_are_no_large_one() {
    let start = Instant::now();
    let mut pace = pace(start);
    for step in 0..40 {
        assert_eq!(pace.look(start + seconds(7 * step), 24 * step, true), Verdict::Moves, "step {step}");
        pace.frame();
    }
}
