use super::*;

#[test]
fn a_jump_is_seen_once_and_in_both_directions() {
    let steady = Instant::now();
    let wall = |seconds: i64| Time::from_nanoseconds((1_000_000 + seconds) * 1_000_000_000);
    let mut clock = ClockWatch::new(Duration::from_secs(60), wall(0), steady);
    let second = Duration::from_secs(1);
    assert_eq!(clock.look(wall(1), steady + second), None);
    assert_eq!(clock.look(wall(60), steady + 2 * second), None, "58 seconds are few");
    assert_eq!(clock.look(wall(161), steady + 3 * second), Some(100.0));
    assert_eq!(clock.look(wall(162), steady + 4 * second), None);
    assert_eq!(clock.look(wall(63), steady + 5 * second), Some(-100.0));
}
