use proptest::collection::vec;
use proptest::prelude::any;
use proptest::prop_assert_eq;
use proptest::proptest;

use super::HEADER_BYTES;
use super::Header;
use super::Kind;
use super::ObjectError;
use super::ObjectView;
use super::object_id;
use crate::layout::Malformed;
use crate::limits::FORMAT_VERSION;
use crate::limits::OBJECT_BYTES_MAX;
use crate::limits::REFERENCES_MAX;

fn node(references: &[[u8; 32]], sealed: &[u8]) -> Vec<u8> {
    let header = Header::new(Kind::Node, references.len(), sealed.len()).expect("within the limits");
    [&header.encode(), references.as_flattened(), sealed].concat()
}

proptest! {
    #[test]
    fn an_object_comes_back_from_its_bytes(references: Vec<[u8; 32]>, sealed in vec(any::<u8>(), 33..99)) {
        let bytes = node(&references, &sealed);
        let view = ObjectView::parse(&bytes)?;
        prop_assert_eq!(view.kind(), Kind::Node);
        prop_assert_eq!(view.reference_count(), references.len());
        prop_assert_eq!(view.references().map(|id| *id.as_bytes()).collect::<Vec<_>>(), references);
        prop_assert_eq!(view.sealed(), sealed);
        prop_assert_eq!(Header::parse(&bytes)?.object_bytes(), bytes.len());
    }

    #[test]
    fn a_header_that_parses_encodes_to_the_same_bytes(kind in 0_u16..4, references in 0_u32..3, sealed in 0_u32..99) {
        let mut bytes = *b"FKob\x01\x00__________";
        bytes[6..8].copy_from_slice(&kind.to_le_bytes());
        bytes[8..12].copy_from_slice(&references.to_le_bytes());
        bytes[12..].copy_from_slice(&sealed.to_le_bytes());
        let allowed = sealed >= 33 && (kind == 2 || kind == 1 && references == 0);
        prop_assert_eq!(Header::parse(&bytes).ok().map(|header| header.encode()), allowed.then_some(bytes));
    }
}

#[test]
fn golden_header() {
    let bytes = node(&[[0xaa; 32]], &[0xbb; 40]);
    let hex = "464b6f62_0100_0200_01000000_28000000".replace('_', "");
    let header: String = bytes[..HEADER_BYTES].iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(header, hex);
    assert_eq!(bytes.len(), HEADER_BYTES + 32 + 40);
}

#[test]
fn golden_id() {
    let id = "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262";
    assert_eq!(object_id(b"").to_string(), id);
}

#[test]
fn a_later_version_is_refused_by_name() {
    let mut bytes = node(&[], &[0; 33]);
    bytes[4] = 7;
    let refused = ObjectView::parse(&bytes).map(|_| ());
    assert_eq!(refused, Err(ObjectError::NewerFormat { found: 7, known: FORMAT_VERSION }));
    bytes[4] = 0;
    assert!(matches!(ObjectView::parse(&bytes), Err(ObjectError::Malformed(_))));
}

#[test]
fn every_other_length_is_refused() {
    let bytes = node(&[[1; 32], [2; 32]], &[3; 50]);
    assert!(ObjectView::parse(&bytes).is_ok());
    for length in 0..bytes.len() {
        assert!(matches!(ObjectView::parse(&bytes[..length]), Err(ObjectError::Malformed(_))), "{length}");
    }
    let longer = [bytes.as_slice(), &[0]].concat();
    assert_eq!(
        ObjectView::parse(&longer).map(|_| ()),
        Err(Malformed { what: "end: trailing bytes", offset: bytes.len() }.into())
    );
}

#[test]
fn hostile_lengths_are_refused_before_anything_is_read() {
    let mut bytes = node(&[], &[3; 50]);
    for (at, number) in
        [(8, u32::MAX), (8, 1 << 16 | 1), (12, u32::MAX), (12, 32), (12, 0), (12, (8 << 20) + 34)]
    {
        let kept = bytes.clone();
        bytes[at..at + 4].copy_from_slice(&number.to_le_bytes());
        assert!(Header::parse(&bytes).is_err(), "{number} at {at}");
        bytes = kept;
    }
    let largest = Header::new(Kind::Node, REFERENCES_MAX, (8 << 20) + 33).expect("the limits themselves");
    assert!(largest.object_bytes() <= OBJECT_BYTES_MAX);
    assert!(Header::new(Kind::Data, 1, 50).is_none());
}
