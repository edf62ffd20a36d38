use super::*;

const SECOND: i64 = 1_000_000_000;

fn at(seconds: i64) -> Time {
    Time::from_nanoseconds(seconds * SECOND)
}

fn figures() -> Figures {
    Figures::new(Quota { soft_bytes: None, hard_bytes: Some(9) })
}

fn written(figures: Figures, now: Time) -> String {
    let mut text = Text::default();
    write(&[("main".to_owned(), Arc::new(figures))], now, &mut text);
    text.finish()
}

#[test]
fn a_point_grows_old_until_another_one_comes() {
    let figures = figures();
    figures.point("a", at(100));
    assert_eq!(figures.grown_old(10, at(110)), []);
    assert_eq!(figures.grown_old(10, at(111)), [("a".to_owned(), 11)]);
    assert_eq!(figures.grown_old(10, at(112)), [], "once is enough");
    figures.point("a", at(90));
    assert_eq!(figures.grown_old(10, at(113)), [], "an older point changes nothing");
    figures.point("a", at(113));
    assert_eq!(figures.grown_old(10, at(200)), [("a".to_owned(), 87)]);
}

#[test]
fn figures_are_written_with_their_repository() {
    let figures = figures();
    figures.stored(3, 4, 5);
    figures.point("a", at(100));
    let text = written(figures, at(160));
    for line in [
        "farkeep_repository_objects{repository=\"main\"} 3",
        "farkeep_repository_bytes{repository=\"main\"} 4",
        "farkeep_quota_used_bytes{repository=\"main\"} 5",
        "farkeep_quota_limit_bytes{repository=\"main\",kind=\"hard\"} 9",
        "farkeep_newest_point_seconds{repository=\"main\",series=\"a\"} 60",
    ] {
        assert!(text.lines().any(|found| found == line), "no {line} in {text}");
    }
    assert!(!text.contains("soft\""), "what is not limited has no limit: {text}");
}

#[test]
fn a_clock_that_went_back_makes_no_age() {
    let figures = figures();
    figures.point("a", at(100));
    assert!(written(figures, at(50)).contains("series=\"a\"} 0\n"));
}

/// A client that makes up series neither fills the memory nor hides those of others.
#[test]
fn so_many_series_are_shown_and_the_first_ones_stay() {
    let figures = figures();
    figures.point("first", at(1));
    for number in 0..2 * SERIES_MAX {
        figures.point(&format!("made up {number}"), at(2));
    }
    figures.point("first", at(50));
    let text = written(figures, at(60));
    assert_eq!(
        text.lines().filter(|line| line.starts_with("farkeep_newest_point_seconds{")).count(),
        SERIES_MAX
    );
    assert!(text.contains("series=\"first\"} 10\n"), "{text}");
    assert!(text.contains(&format!("farkeep_hidden_points_total{{repository=\"main\"}} {}", SERIES_MAX + 1)));
}
