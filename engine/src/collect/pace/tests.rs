use proptest::prelude::*;

use super::*;

const MILLISECOND: Duration = Duration::from_millis(1);

fn limits(bytes_per_second: u64, work_thousandths: u16) -> Limits {
    Limits { bytes_per_second: NonZeroU64::new(bytes_per_second), work_thousandths }
}

/// Goes on for so many steps without a pause of its own. Returns how long it took.
fn took(limits: Limits, steps: u32, worked: Duration, bytes: u64) -> Duration {
    let begin = Duration::from_secs(1_000_000);
    let (mut pace, mut now) = (Pace::new(limits, begin), begin);
    for _ in 0..steps {
        now += worked;
        now += pace.rest(now, worked, bytes);
    }
    now - begin
}

#[test]
fn bytes_and_work_take_their_time() {
    assert_eq!(took(Limits::NONE, 100, MILLISECOND, 1 << 40), MILLISECOND * 100);
    assert_eq!(took(limits(1_000_000, 1000), 100, MILLISECOND, 10_000), MILLISECOND * 1000, "a megabyte");
    assert_eq!(took(limits(0, 250), 100, MILLISECOND, 0), MILLISECOND * 400, "a quarter of the time");
    assert_eq!(
        took(limits(1_000_000, 250), 100, MILLISECOND, 10_000),
        MILLISECOND * 1000,
        "rest counts for both"
    );
    assert_eq!(took(limits(100_000_000, 250), 100, MILLISECOND, 10_000), MILLISECOND * 400);
    assert_eq!(
        took(limits(10_000_000, 1000), 100, MILLISECOND, 10_000),
        MILLISECOND * 100,
        "work alone takes as long"
    );
}

#[test]
fn a_pause_is_made_up_for_a_quarter_of_a_second() {
    let mut pace = Pace::new(limits(1000, 1000), Duration::ZERO);
    let later = Duration::from_secs(3600);
    assert_eq!(pace.rest(later, Duration::ZERO, 250), Duration::ZERO);
    assert_eq!(pace.rest(later, Duration::ZERO, 100), MILLISECOND * 100);
}

#[test]
fn what_no_clock_shows_does_no_harm() {
    let mut pace = Pace::new(limits(1, 0), Duration::ZERO);
    assert_eq!(pace.rest(MILLISECOND, MILLISECOND, 0), MILLISECOND * 999, "0 thousandths are one");
    assert!(pace.rest(Duration::ZERO, Duration::MAX, u64::MAX) > Duration::from_secs(1 << 30));
    pace.rest(Duration::MAX, Duration::MAX, u64::MAX);
}

#[derive(Debug, Clone)]
struct Step {
    pause: Duration,
    worked: Duration,
    bytes: u64,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = (prop_oneof![3 => Just(0), 1 => 0..2_000_u64], 0..50_u64, 0..100_000_u64);
    let step = step.prop_map(|(pause, worked, bytes)| Step {
        pause: Duration::from_millis(pause),
        worked: Duration::from_millis(worked),
        bytes,
    });
    prop::collection::vec(step, 1..60)
}

proptest! {
    /// Between any two rests, no more is done than the time allows, with the credit and one step.
    #[test]
    fn no_stretch_of_time_sees_too_much(steps in steps(), rate in 10_000..2_000_000_u64, share in 50..=1000_u16) {
        let mut pace = Pace::new(limits(rate, share), Duration::ZERO);
        let (mut now, mut done) = (Duration::ZERO, Vec::new());
        for step in &steps {
            now += step.pause;
            let begun = now;
            now += step.worked;
            let rest = pace.rest(now, step.worked, step.bytes);
            done.push((begun, now + rest, step));
            now += rest;
        }
        for from in 0..done.len() {
            let (mut bytes, mut worked) = (0, Duration::ZERO);
            for (_, until, step) in &done[from..] {
                bytes += step.bytes;
                worked += step.worked;
                let time = (*until - done[from].0 + CREDIT).as_secs_f64() + 1e-6;
                prop_assert!(bytes as f64 <= time * rate as f64, "{bytes} bytes in {time} s");
                prop_assert!(worked.as_secs_f64() <= time * f64::from(share) / 1000.0, "{worked:?} in {time} s");
            }
        }
    }
}
