//! The laws that the fuzz targets try to break: decoders take any bytes, and accept only what they would write.

use farkeep_codec::envelope;
use farkeep_codec::envelope::Table;
use farkeep_codec::id::ObjectId;
use farkeep_codec::key::Slot;
use farkeep_codec::object::Header;
use farkeep_codec::object::ObjectView;
use farkeep_codec::parameters::Parameters;
use farkeep_codec::snapshot::Snapshot;
use farkeep_codec::tree::Node;

/// A repository's parameters.
pub fn parameters(bytes: &[u8]) {
    for whole in [bytes.to_vec(), enveloped(*b"FKconf", bytes)] {
        if let Ok(value) = Parameters::parse(&whole) {
            assert_eq!(value.encode(), whole);
        }
    }
}

/// A key slot.
pub fn slot(bytes: &[u8]) {
    for whole in [bytes.to_vec(), enveloped(*b"FKslot", bytes)] {
        if let Ok(value) = Slot::parse(&whole) {
            assert_eq!(value.encode(), whole);
        }
    }
}

/// A snapshot record.
pub fn snapshot(bytes: &[u8]) {
    for whole in [bytes.to_vec(), enveloped(*b"FKsnap", bytes)] {
        if let Ok(value) = Snapshot::parse(&whole) {
            assert_eq!(value.encode(), whole);
        }
    }
}

/// A sealed object as the keyless side sees it.
pub fn object(bytes: &[u8]) {
    if let Ok(header) = Header::parse(bytes) {
        assert!(bytes.starts_with(&header.encode()));
    }
    if let Ok(object) = ObjectView::parse(bytes) {
        assert_eq!(object.references().count(), object.reference_count());
        assert!(bytes.ends_with(object.sealed()));
    }
}

/// A node of the tree: the first byte says how many references come before the plaintext.
pub fn node(bytes: &[u8]) {
    let Some((count, mut rest)) = bytes.split_first() else { return };
    let mut references = Vec::new();
    for _ in 0..*count {
        let Some((id, behind)) = rest.split_first_chunk::<32>() else { break };
        references.push(ObjectId::from_bytes(*id));
        rest = behind;
    }
    drop(Node::decode(rest, &references));
}

/// No fuzzer guesses a checksum: the body is put into a correct envelope, so that what lies behind it is reached.
fn enveloped(magic: [u8; 6], body: &[u8]) -> Vec<u8> {
    const BODY_BYTES_MAX: usize = 1 << 20;
    let body = &body[..body.len().min(BODY_BYTES_MAX)];
    envelope::wrap(&Table { magic, name: "fuzzed table", body_bytes_max: BODY_BYTES_MAX }, body)
}
