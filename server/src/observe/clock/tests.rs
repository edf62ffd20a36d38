use super::*;

#[test]
fn a_jump_is_seen_once_and_in_both_directions() {
    let (wall, steady) = (SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000), Instant::now());
    let mut clock = ClockWatch::new(Duration::from_secs(60), wall, steady);
    let second = Duration::from_secs(1);
    assert_eq!(clock.look(wall + second, steady + second), None);
    assert_eq!(clock.look(wall + 60 * second, steady + 2 * second), None, "58 seconds are few");
    assert_eq!(clock.look(wall + 161 * second, steady + 3 * second), Some(100.0));
    assert_eq!(clock.look(wall + 162 * second, steady + 4 * second), None);
    assert_eq!(clock.look(wall + 63 * second, steady + 5 * second), Some(-100.0));
}
