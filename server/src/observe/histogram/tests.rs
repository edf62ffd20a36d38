use super::*;

#[test]
fn buckets_hold_all_that_is_no_longer() {
    let histogram = Histogram::default();
    for milliseconds in [1, 2, 5, 6, 30_000, 30_001] {
        histogram.count(Duration::from_millis(milliseconds));
    }
    let mut text = Text::default();
    histogram.write("t", "How long.", &mut text);
    let text = text.finish();
    let value = |line: &str| {
        let found = text.lines().find_map(|of_text| of_text.strip_prefix(line)?.strip_prefix(' '));
        found.unwrap_or_else(|| panic!("no {line} in {text}")).to_owned()
    };
    let bucket = |end: &str| value(&format!("t_bucket{{le=\"{end}\"}}"));
    assert_eq!([bucket("0.001"), bucket("0.005"), bucket("0.01"), bucket("10")], ["1", "3", "4", "4"]);
    assert_eq!([bucket("30"), bucket("+Inf")], ["5", "6"]);
    assert_eq!([value("t_count"), value("t_sum")], ["6", "60.015"]);
}

#[test]
fn the_ends_rise_and_say_what_they_are() {
    assert!(ENDS.is_sorted_by_key(|(end, _)| *end));
    for (microseconds, seconds) in ENDS {
        let seconds: f64 = seconds.parse().expect("a number");
        assert_eq!(Duration::from_secs_f64(seconds), Duration::from_micros(microseconds));
    }
}
