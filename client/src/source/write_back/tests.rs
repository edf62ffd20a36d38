use std::time::Duration;

use super::delay;

#[test]
fn a_page_is_written_after_it_is_due_and_two_looks_have_passed() {
    assert_eq!(delay("3000\n", "500\n"), Duration::from_secs(40));
    assert_eq!(delay("", "no number"), Duration::from_secs(40), "the kernel's defaults");
    assert!(delay("3000", "0") > Duration::from_secs(3_600), "nobody looks");
    assert!(delay("18446744073709551615", "18446744073709551615") > Duration::from_secs(3_600));
}
