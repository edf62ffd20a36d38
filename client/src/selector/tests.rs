//! Which snapshot is meant.

use proptest::prelude::*;
use proptest::sample::Index;

use super::*;

fn now() -> Zoned {
    "2025-11-19T15:30:00Z[UTC]".parse().expect("a moment")
}

fn parse(text: &str) -> Result<Target, SelectorError> {
    Target::parse(OsStr::new(text), &now())
}

fn key(path: &str) -> PathKey {
    PathKey::from_slashes(path.as_bytes()).expect("a path")
}

/// A snapshot captured `sequence` seconds after 1970.
fn label(first_bytes: &[u8], sequence: u64, series: &str) -> Label {
    let mut id = [0; 32];
    id[..first_bytes.len()].copy_from_slice(first_bytes);
    let seconds = i64::try_from(sequence).expect("small numbers");
    Label {
        id: SnapshotId::from_bytes(id),
        sequence,
        captured: Time::from_nanoseconds(seconds * 1_000_000_000),
        received: Time::from_nanoseconds(seconds * 1_000_000_000),
        spooled: false,
        complete: true,
        series: series.to_owned(),
        host: format!("{series}-host"),
        tags: vec![series.to_owned(), "all".to_owned()],
    }
}

fn second(seconds: i64) -> Selector {
    Selector::At(Time::from_nanoseconds(seconds * 1_000_000_000))
}

#[test]
fn every_form_is_read() {
    let target = |snapshot, path: Option<&str>| Target { snapshot, path: path.map(key) };
    let latest = |back| Selector::Latest { back };
    let cases = [
        ("latest", target(latest(0), None)),
        ("latest~3", target(latest(3), None)),
        ("3F2a", target(Selector::Prefix("3f2a".to_owned()), None)),
        ("latest:/etc/passwd", target(latest(0), Some("etc/passwd"))),
        ("latest:etc//passwd/", target(latest(0), Some("etc/passwd"))),
        ("ab:a:b", target(Selector::Prefix("ab".to_owned()), Some("a:b"))),
        ("latest:/", target(latest(0), Some("/"))),
        ("@1970-01-01T00:00:05Z", target(second(5), None)),
        ("@1970-01-01T00:00:05Z:/a b", target(second(5), Some("a b"))),
    ];
    for (text, expected) in cases {
        assert_eq!(parse(text).expect(text), expected, "{text}");
    }
}

#[test]
fn a_path_need_not_be_text() {
    let target = Target::parse(OsStr::from_bytes(b"latest:/a\xff"), &now()).expect("bytes are a path");
    assert_eq!(target.path, PathKey::from_slashes(b"a\xff").ok());
}

#[test]
fn what_has_no_form_is_refused() {
    for text in [
        "",
        "last",
        "latest~",
        "latest~-1",
        "latest~+1",
        "latest~99999999999999999999",
        "xyz",
        "latest1",
        ":a",
    ] {
        assert!(matches!(parse(text), Err(SelectorError::Form { .. })), "{text}");
    }
    assert!(matches!(parse("@soon"), Err(SelectorError::Moment { .. })));
    assert!(matches!(parse("latest:/a/../b"), Err(SelectorError::Path { .. })));
}

#[test]
fn an_ambiguous_prefix_lists_whom_it_could_mean() {
    let labels = [label(b"\xab\x01", 1, "one"), label(b"\xab\x02", 2, "two"), label(b"\xcd", 3, "three")];
    let all = Filter::default();
    let prefix = |digits: &str| Selector::Prefix(digits.to_owned());
    assert_eq!(select(&labels, &all, &prefix("ab01")).expect("one fits"), 0);
    assert_eq!(select(&labels, &all, &prefix("c")).expect("one fits"), 2);

    let problem = select(&labels, &all, &prefix("ab")).expect_err("two fit").to_string();
    assert!(problem.contains("ab0100000000") && problem.contains("ab0200000000"), "{problem}");
    assert!(!problem.contains("cd0000000000"), "{problem}");

    let problem = select(&labels, &all, &prefix("ff")).expect_err("none fits").to_string();
    assert!(problem.contains("ff") && problem.contains("cd0000000000"), "{problem}");
}

#[test]
fn a_filter_makes_a_prefix_unambiguous() {
    let labels = [label(b"\xab\x01", 1, "one"), label(b"\xab\x02", 2, "two")];
    let filter = Filter { series: vec!["two".to_owned()], ..Filter::default() };
    assert_eq!(select(&labels, &filter, &Selector::Prefix("ab".to_owned())).expect("one is left"), 1);
    let filter = Filter { tags: vec!["all".to_owned(), "one".to_owned()], ..Filter::default() };
    assert_eq!(select(&labels, &filter, &Selector::Latest { back: 0 }).expect("one is left"), 0);
    let filter = Filter { hosts: vec!["nobody".to_owned()], ..Filter::default() };
    let problem =
        select(&labels, &filter, &Selector::Latest { back: 0 }).expect_err("none is left").to_string();
    assert_eq!(problem, "there is no snapshot from host nobody");
}

#[test]
fn a_partial_snapshot_is_the_latest_but_no_answer_to_a_time() {
    let mut labels = [label(b"\x01", 10, "s"), label(b"\x02", 20, "s")];
    labels[1].complete = false;
    let all = Filter::default();
    assert_eq!(select(&labels, &all, &Selector::Latest { back: 0 }).expect("there is one"), 1);
    assert_eq!(select(&labels, &all, &second(30)).expect("there is one"), 0);
}

#[test]
fn a_clock_that_was_ahead_makes_no_snapshot_newer_than_it_arrived() {
    let mut labels =
        [label(b"\x01", 10, "ahead"), label(b"\x02", 20, "right"), label(b"\x03", 30, "spooled")];
    labels[0].captured = Time::from_nanoseconds(i64::MAX);
    labels[2].captured = Time::from_nanoseconds(5_000_000_000);
    labels[2].spooled = true;
    let latest =
        |back| select(&labels, &Filter::default(), &Selector::Latest { back }).expect("there is one");
    assert_eq!([latest(0), latest(1), latest(2)], [1, 0, 2]);
    let at = |time| select(&labels, &Filter::default(), &second(time)).expect("there is one");
    assert_eq!([at(25), at(15), at(9)], [1, 0, 2]);
}

#[test]
fn a_clock_that_was_behind_makes_no_old_snapshot_the_latest() {
    let mut labels = [label(b"\x01", 1_000, "s"), label(b"\x02", 1_010, "s"), label(b"\x03", 900, "other")];
    labels[1].captured = Time::from_nanoseconds(10);
    labels[2].captured = Time::from_nanoseconds(5);
    let all = Filter::default();
    let latest = |back| select(&labels, &all, &Selector::Latest { back }).expect("there is one");
    assert_eq!([latest(0), latest(1), latest(2)], [1, 0, 2]);
    assert_eq!(select(&labels, &all, &second(1_000)).expect("there is one"), 1);
    let of_s = Filter { series: vec!["s".to_owned()], ..Filter::default() };
    select(&labels, &of_s, &second(500)).expect_err("there was none of that series");
}

#[test]
fn what_waited_in_a_spool_is_where_it_was_captured() {
    let mut labels =
        [label(b"\x01", 10, "s"), label(b"\x02", 20, "s"), label(b"\x03", 30, "s"), label(b"\x04", 40, "s")];
    // Two were held back behind the second one; what was made then has a clock that is behind.
    for (at, seconds) in [(2, 15), (3, 3)] {
        labels[at].captured = Time::from_nanoseconds(seconds * 1_000_000_000);
    }
    labels[2].spooled = true;
    let found = |selector| select(&labels, &Filter::default(), &selector).expect("there is one");
    let latest = |back| found(Selector::Latest { back });
    assert_eq!([latest(0), latest(1), latest(2), latest(3)], [3, 1, 2, 0]);
    assert_eq!([found(second(12)), found(second(17)), found(second(20))], [0, 2, 3]);
}

#[test]
fn a_time_before_the_first_snapshot_names_the_oldest() {
    let labels = [label(b"\x01", 20, "s"), label(b"\x02", 10, "s")];
    assert_eq!(select(&labels, &Filter::default(), &second(10)).expect("exactly then"), 1);
    let problem = select(&labels, &Filter::default(), &second(9)).expect_err("before the first").to_string();
    let first = problem.find("020000000000").expect("the oldest is named");
    assert!(first < problem.find("010000000000").expect("and the next"), "{problem}");
}

proptest! {
    #[test]
    fn latest_counts_back_by_the_chain_and_what_was_spooled_by_capture(
        mut times in proptest::collection::hash_set(0u64..1000, 1..20),
        spooled: bool,
        back in 0u64..25,
    ) {
        let arrived = |(sequence, at): (u64, u64)| {
            let received = Time::from_nanoseconds(2_000_000_000_000);
            Label { sequence, received, spooled, ..label(&at.to_be_bytes(), at, "s") }
        };
        let labels: Vec<Label> = (1..).zip(times.drain()).map(arrived).collect();
        let mut order: Vec<Time> = labels.iter().map(|label| label.captured).collect();
        if spooled {
            order.sort_unstable();
        }
        let expected = order.iter().rev().nth(usize::try_from(back).expect("small")).copied();
        let found = select(&labels, &Filter::default(), &Selector::Latest { back }).ok();
        prop_assert_eq!(found.map(|at| labels[at].captured), expected);
        prop_assert_eq!(parse(&format!("latest~{back}")).ok().map(|t| t.snapshot), Some(Selector::Latest { back }));
    }

    #[test]
    fn a_prefix_is_never_guessed(
        ids in proptest::collection::hash_set(proptest::array::uniform2(0u8..4), 1..12),
        which: Index,
        digits in 1usize..=4,
    ) {
        let ids: Vec<[u8; 2]> = ids.into_iter().collect();
        let labels: Vec<Label> = (0..).zip(&ids).map(|(at, id)| label(id, at, "s")).collect();
        let at = which.index(labels.len());
        let prefix = labels[at].id.to_string()[..digits].to_owned();
        let fitting = labels.iter().filter(|label| label.id.to_string().starts_with(&prefix)).count();
        match select(&labels, &Filter::default(), &Selector::Prefix(prefix)) {
            Ok(found) => prop_assert!(fitting == 1 && found == at),
            Err(SelectorError::Ambiguous { count, .. }) => prop_assert!(fitting > 1 && count == fitting),
            Err(problem) => prop_assert!(false, "{problem}"),
        }
    }

    #[test]
    fn a_time_gives_the_newest_at_or_before(times in proptest::collection::vec(0u64..50, 1..20), asked in 0i64..60) {
        let labels: Vec<Label> = times.iter().map(|at| label(&at.to_be_bytes(), *at, "s")).collect();
        let expected = times.iter().filter(|at| i64::try_from(**at).expect("small") <= asked).max().copied();
        let found = select(&labels, &Filter::default(), &second(asked)).ok();
        prop_assert_eq!(found.map(|at| labels[at].sequence), expected);
    }

    #[test]
    fn no_text_makes_it_panic(text in ".{0,24}") {
        let _ = parse(&text);
    }
}
