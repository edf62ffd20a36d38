//! The laws that the fuzz targets try to break: decoders take any bytes, and accept only what they would write.

use std::pin::pin;
use std::task::Context;
use std::task::Poll;
use std::task::Waker;

use farkeep_codec::envelope;
use farkeep_codec::envelope::Table;
use farkeep_codec::id::ObjectId;
use farkeep_codec::key::Slot;
use farkeep_codec::layout::Writer;
use farkeep_codec::object::Header as ObjectHeader;
use farkeep_codec::object::ObjectView;
use farkeep_codec::parameters::Parameters;
use farkeep_codec::snapshot::Snapshot;
use farkeep_codec::tree::Node;
use farkeep_protocol::frame::Header;
use farkeep_protocol::identity::EnrolmentString;
use farkeep_protocol::kind::Body;
use farkeep_protocol::message::FromClient;
use farkeep_protocol::message::FromServer;
use farkeep_protocol::stream::FrameReader;

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
    if let Ok(header) = ObjectHeader::parse(bytes) {
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

/// A message of a client: the first byte chooses its kind.
pub fn from_client(bytes: &[u8]) {
    let Some((which, body)) = bytes.split_first() else { return };
    let kind = FromClient::KINDS[usize::from(*which) % FromClient::KINDS.len()];
    if let Ok(message) = FromClient::decode(kind, body) {
        let mut writer = Writer::new();
        message.encode(&mut writer);
        assert_eq!((message.kind(), writer.as_bytes()), (kind, body));
    }
}

/// A message of a server: the first byte chooses its kind.
pub fn from_server(bytes: &[u8]) {
    let Some((which, body)) = bytes.split_first() else { return };
    let kind = FromServer::KINDS[usize::from(*which) % FromServer::KINDS.len()];
    if let Ok(message) = FromServer::decode(kind, body) {
        let mut writer = Writer::new();
        message.encode(&mut writer);
        assert_eq!((message.kind(), writer.as_bytes()), (kind, body));
    }
}

/// What an administrator typed.
pub fn enrolment(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else { return };
    if let Ok(enrolment) = text.parse::<EnrolmentString>() {
        assert_eq!(enrolment.to_string(), text);
    }
}

/// All that comes over a connection.
pub fn frames(bytes: &[u8]) {
    let mut reader = FrameReader::new(bytes);
    let mut rest = bytes;
    loop {
        let next = pin!(reader.next(|_| true));
        let Poll::Ready(outcome) = next.poll(&mut Context::from_waker(Waker::noop())) else {
            panic!("a slice never makes a reader wait");
        };
        let Ok(frame) = outcome else { return };
        let header = Header::new(frame.kind, frame.body.len()).expect("it came with one");
        let whole = [&header.encode(), frame.body].concat();
        rest = rest.strip_prefix(whole.as_slice()).expect("frames come as they were sent");
    }
}

/// No fuzzer guesses a checksum: the body is put into a correct envelope, so that what lies behind it is reached.
fn enveloped(magic: [u8; 6], body: &[u8]) -> Vec<u8> {
    const BODY_BYTES_MAX: usize = 1 << 20;
    let body = &body[..body.len().min(BODY_BYTES_MAX)];
    envelope::wrap(&Table { magic, name: "fuzzed table", body_bytes_max: BODY_BYTES_MAX }, body)
}
