//! How values look.

use super::*;

#[test]
fn modes_look_as_ls_shows_them() {
    let cases = [
        ('-', 0o644, "-rw-r--r--"),
        ('d', 0o1777, "drwxrwxrwt"),
        ('-', 0o4755, "-rwsr-xr-x"),
        ('-', 0o2644, "-rw-r-Sr--"),
        ('l', 0o777, "lrwxrwxrwx"),
        ('-', 0, "----------"),
    ];
    for (kind, bits, text) in cases {
        assert_eq!(mode(kind, bits), text);
    }
}

#[test]
fn durations_keep_the_digits_that_matter() {
    let cases = [(0.254, "0.25 s"), (12.34, "12.3 s"), (100.0, "1 min 40 s"), (7_260.0, "2 h 1 min")];
    for (seconds, text) in cases {
        assert_eq!(duration(Duration::from_secs_f64(seconds)), text);
    }
}

#[test]
fn rates_and_ratios_survive_zero() {
    assert_eq!(rate(1_500_000, Duration::from_millis(500)), "3.00 MB/s");
    assert_eq!(rate(1, Duration::ZERO), "1.00 GB/s");
    assert_eq!(ratio(10, 4), 2.5);
    assert_eq!(ratio(10, 0), 0.0);
}

#[test]
fn times_in_json_are_exact_and_in_utc() {
    assert_eq!(timestamp(Time::from_nanoseconds(1)).to_string(), "1970-01-01T00:00:00.000000001Z");
    assert_eq!(timestamp(Time::from_nanoseconds(i64::MIN)).to_string(), "1677-09-21T00:12:43.145224192Z");
    assert_eq!(timestamp(Time::from_nanoseconds(i64::MAX)).to_string(), "2262-04-11T23:47:16.854775807Z");
}

#[test]
fn names_that_are_no_text_keep_their_exact_bytes() {
    let json = |bytes: &[u8]| serde_json::to_string(&Named::of_bytes(bytes)).expect("names serialize");
    assert_eq!(json("grün".as_bytes()), "\"grün\"");
    assert_eq!(json(b"a\xffb"), r#"{"text":"a\\xffb","hex":"61ff62"}"#);
}

#[test]
fn keys_are_paths_from_the_root() {
    let key = PathKey::from_slashes(b"srv/data").expect("a path");
    assert_eq!(Named::of_key(&key), Named::of_bytes(b"/srv/data"));
    assert_eq!(Named::of_key(&PathKey::root()), Named::of_bytes(b"/"));
}

#[test]
fn no_name_reaches_the_terminal_as_a_command() {
    let shown = Named::of_bytes(b"a\x1b[2Jb\nc\x9b").to_string();
    assert_eq!(shown, "a\\u{1b}[2Jb\\nc\\x9b");
}
