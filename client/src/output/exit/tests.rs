//! The exit codes are an interface: scripts know these numbers.

use super::*;

#[test]
fn the_numbers_never_change() {
    let codes = TABLE.map(|(exit, _)| exit.code());
    assert_eq!(codes, [0, 1, 2, 3, 10, 11, 12, 13, 14]);
}

#[test]
fn the_help_names_every_code_once() {
    let help = Exit::help();
    for (exit, meaning) in TABLE {
        let row = format!("  {:>2}  {meaning}\n", exit.code());
        assert_eq!(help.matches(&row).count(), 1, "{row}");
    }
}
