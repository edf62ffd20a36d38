use std::time::Duration;

use super::Rest;
use crate::backup::catalogue::Stamp;

const SECOND: i64 = 1_000_000_000;

fn stamp(changed: i64, modified: i64) -> Stamp {
    Stamp { changed_ns: changed * SECOND, modified_ns: modified * SECOND, ..Stamp::default() }
}

#[test]
fn a_file_is_at_rest_when_its_clock_ticked_and_its_pages_are_written() {
    let rest = Rest::before(100 * SECOND, Duration::from_secs(40));
    assert!(rest.has_file_come_to(&stamp(97, 59)));
    assert!(!rest.has_file_come_to(&stamp(98, 59)), "it may change within one tick");
    assert!(!rest.has_file_come_to(&stamp(97, 60)), "a page of it may be written through a map");
    assert!(rest.has_come_to(&stamp(97, 99)), "what has no pages rests sooner");
    assert!(!rest.has_come_to(&stamp(98, 0)));
    assert!(!rest.has_file_come_to(&stamp(97, i64::MAX / SECOND)), "a time that is still to come");
}
