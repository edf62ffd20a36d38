use super::*;

fn at(text: &str) -> Timestamp {
    text.parse().expect("a time")
}

#[test]
fn a_schedule_has_five_fields_and_goes_by_its_zone() {
    let schedule = |text: &str, zone: &str| {
        let zone = TimeZone::get(zone).expect("it is known");
        Schedule::parse(text, &zone).expect("a schedule").expect("not empty")
    };
    let next = schedule("0 4 * * *", "Europe/Berlin").next(at("2026-11-23T02:59:59Z"));
    assert_eq!(next, Some(at("2026-11-23T03:00:00Z")));
    let next = schedule("0 4 * * *", "UTC").next(at("2026-11-23T03:00:00Z"));
    assert_eq!(next, Some(at("2026-11-23T04:00:00Z")));
    assert!(Schedule::parse("  ", &TimeZone::UTC).expect("empty").is_none());
    for text in ["every 15m", "0 4 * *", "0 4 * * * *", "61 4 * * *", "0 4 * * * UTC"] {
        assert!(Schedule::parse(text, &TimeZone::UTC).is_err(), "{text}");
    }
}

#[test]
fn settings_with_a_schedule_that_is_none_do_not_fit() {
    let settings = Settings { retention_schedule: "0 4 * * *".to_owned(), ..Settings::default() };
    assert_eq!(expect_fit(&settings), Ok(()));
    for bad in [
        Settings { retention_schedule: "soon".to_owned(), ..settings.clone() },
        Settings { collection_schedule: "soon".to_owned(), ..settings.clone() },
        Settings { zone: "Nowhere".to_owned(), ..settings },
    ] {
        assert!(expect_fit(&bad).is_err());
    }
}
