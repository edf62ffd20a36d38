use super::*;
use crate::message::FromClient;
use crate::message::FromServer;
use crate::message::body_bytes_max;

#[test]
fn numbers_are_unique_and_name_their_kind() {
    assert!(Kind::ALL.is_sorted_by(|one, next| one.number() < next.number()));
    for number in 0..=u16::MAX {
        let known = Kind::ALL.iter().copied().find(|kind| kind.number() == number);
        assert_eq!(Kind::from_number(number), known);
    }
}

#[test]
fn numbers_tell_who_sends() {
    for kind in Kind::ALL {
        assert_eq!(FromClient::KINDS.contains(kind), kind.is_sent_by(Side::Client), "{}", kind.name());
        assert_eq!(FromServer::KINDS.contains(kind), kind.is_sent_by(Side::Server), "{}", kind.name());
    }
}

#[test]
fn the_specification_has_every_kind() {
    let specification = include_str!("../../PROTOCOL.md");
    for kind in Kind::ALL {
        let sender = match (kind.is_sent_by(Side::Client), kind.is_sent_by(Side::Server)) {
            (true, true) => "both",
            (true, false) => "client",
            _ => "server",
        };
        let charged = if kind.is_charged() { "yes" } else { "" };
        let row = format!(
            "| `{:#06x}` | {} | {sender} | {} | {charged} |",
            kind.number(),
            kind.name(),
            body_bytes_max(*kind)
        );
        assert!(specification.contains(&row), "missing: {row}");
    }
    // Rows of kinds begin with a number and a plain name, those of faults with a number and a name in backquotes.
    let rows = specification.lines().filter(|line| line.starts_with("| `0x") && !line.contains("` | `"));
    assert_eq!(rows.count(), Kind::ALL.len());
}
