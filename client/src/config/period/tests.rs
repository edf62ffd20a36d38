use super::*;

#[test]
fn lengths_of_time_are_read() {
    let seconds = |text: &str| text.parse::<Period>().map(|period| period.seconds).ok();
    assert_eq!(seconds("30d"), Some(30 * 86_400));
    assert_eq!(seconds(" 12 h "), Some(43_200));
    assert_eq!(seconds("90m"), Some(5_400));
    assert_eq!(seconds("2w"), Some(14 * 86_400));
    assert_eq!(seconds("1y"), Some(365 * 86_400));
    assert_eq!(seconds("0"), Some(0));
    for text in ["", "d", "5", "5 days", "-1d", "1.5h", "99999999999999999999s", "999999999999999999y"] {
        assert_eq!(seconds(text), None, "{text}");
    }
}

#[test]
fn lengths_of_time_are_written_as_they_are_read() {
    for text in ["30d", "25h", "90m", "61s", "0s", "400d"] {
        let period: Period = text.parse().expect("a length of time");
        assert_eq!(period.to_string(), text);
    }
    assert_eq!(Period { seconds: 7 * 86_400 }.to_string(), "7d");
}
