//! The laws that the fuzz targets try to break: decoders take any bytes, and accept only what they would write.
//!
//! Each law says whether the decoder accepted the bytes, so that the smoke run can see that its corpus still leads
//! behind the first check.

use std::pin::pin;
use std::task::Context;
use std::task::Poll;
use std::task::Waker;

use farkeep_codec::envelope;
use farkeep_codec::envelope::Table;
use farkeep_codec::fuzzing;
use farkeep_codec::id::ObjectId;
use farkeep_codec::key::AgentCode;
use farkeep_codec::key::Epoch;
use farkeep_codec::key::ReaderPublic;
use farkeep_codec::key::RecoveryCode;
use farkeep_codec::key::Slot;
use farkeep_codec::layout::Writer;
use farkeep_codec::object;
use farkeep_codec::object::ObjectView;
use farkeep_codec::parameters::Parameters;
use farkeep_codec::snapshot::Snapshot;
use farkeep_codec::tree::Node;
use farkeep_codec::tree::PathKey;
use farkeep_engine::Settings;
use farkeep_engine::SlotId;
use farkeep_engine::fuzzing as inside;
use farkeep_engine::policy::Pattern;
use farkeep_engine::policy::Policy;
use farkeep_protocol::frame;
use farkeep_protocol::identity::EnrolmentString;
use farkeep_protocol::identity::Host;
use farkeep_protocol::identity::PublicKey;
use farkeep_protocol::kind::Body;
use farkeep_protocol::kind::Kind;
use farkeep_protocol::message::FromClient;
use farkeep_protocol::message::FromServer;
use farkeep_protocol::stream::FrameReader;

/// A law, which says whether the decoder accepted the bytes, and panics when it is broken.
pub type Law = fn(&[u8]) -> bool;

/// What a fuzzer calls. It wants no answer.
pub fn hold(law: Law, bytes: &[u8]) {
    law(bytes);
}

macro_rules! targets {
    ($($target:ident)*) => {
        /// Every target with its law.
        pub const TARGETS: &[(&str, Law)] = &[$((stringify!($target), $target)),*];
    };
}

targets! {
    parameters slot secrets snapshot private_part object payload node path id reader_public recovery_code agent_code
    frame_header frames from_client from_server public_key host enrolment
    policy parity_table settings
}

/// A repository's parameters.
pub fn parameters(bytes: &[u8]) -> bool {
    in_envelope(*b"FKconf", bytes, |whole| Parameters::parse(whole).ok().map(|value| value.encode()))
}

/// A key slot.
pub fn slot(bytes: &[u8]) -> bool {
    in_envelope(*b"FKslot", bytes, |whole| Slot::parse(whole).ok().map(|value| value.encode()))
}

/// A snapshot record.
pub fn snapshot(bytes: &[u8]) -> bool {
    in_envelope(*b"FKsnap", bytes, |whole| Snapshot::parse(whole).ok().map(|value| value.encode()))
}

/// What is sealed in a key slot, behind the hash of its parameters.
pub fn secrets(bytes: &[u8]) -> bool {
    const PARAMETERS: &[u8] = b"";
    let whole = [blake3::hash(PARAMETERS).as_bytes(), bytes].concat();
    same(fuzzing::secrets(&whole, PARAMETERS), &whole)
}

/// What is sealed in a snapshot record.
pub fn private_part(bytes: &[u8]) -> bool {
    same(fuzzing::private_part(bytes), bytes)
}

/// A sealed object as the keyless side sees it.
pub fn object(bytes: &[u8]) -> bool {
    if let Ok(header) = object::Header::parse(bytes) {
        assert!(bytes.starts_with(&header.encode()));
    }
    let Ok(object) = ObjectView::parse(bytes) else { return false };
    assert_eq!(object.references().count(), object.reference_count());
    assert!(bytes.ends_with(object.sealed()));
    true
}

/// What is sealed in an object.
pub fn payload(bytes: &[u8]) -> bool {
    fuzzing::payload(bytes).is_some()
}

/// A node of the tree: the first byte says how many references come before the plaintext.
pub fn node(bytes: &[u8]) -> bool {
    let Some((count, mut plain)) = bytes.split_first() else { return false };
    let mut references = Vec::new();
    for _ in 0..*count {
        let Some((id, behind)) = plain.split_first_chunk::<32>() else { break };
        references.push(ObjectId::from_bytes(*id));
        plain = behind;
    }
    let again = fuzzing::node(plain, &references);
    assert_eq!(again.is_some(), Node::decode(plain, &references, Epoch::FIRST).is_ok());
    let Some(again) = again else { return false };
    assert_eq!(again, (plain.to_vec(), references));
    true
}

/// A path, as the key of the tree and as people write it.
pub fn path(bytes: &[u8]) -> bool {
    if let Ok(path) = PathKey::from_slashes(bytes) {
        let slashes = path.components().collect::<Vec<_>>().join(&b'/');
        assert_eq!(PathKey::from_slashes(&slashes), Ok(path));
    }
    let Ok(path) = PathKey::from_bytes(bytes.to_vec()) else { return false };
    assert_eq!(path.as_bytes(), bytes);
    assert_eq!(PathKey::from_components(path.components()), Ok(path));
    true
}

/// An id as text, or the shorter name of a key slot.
pub fn id(bytes: &[u8]) -> bool {
    text(bytes, |text| {
        if let Ok(slot) = text.parse::<SlotId>() {
            assert_eq!(slot.to_string(), text.to_ascii_lowercase());
            return Some(());
        }
        text.parse::<ObjectId>().ok().map(|id| assert_eq!(id.to_string(), text.to_ascii_lowercase()))
    })
}

/// The reader's public key.
pub fn reader_public(bytes: &[u8]) -> bool {
    same(ReaderPublic::from_bytes(bytes).ok().map(|key| key.as_bytes().to_vec()), bytes)
}

/// A recovery code as people type it.
pub fn recovery_code(bytes: &[u8]) -> bool {
    text(bytes, |text| {
        let code = RecoveryCode::parse(text).ok()?;
        assert_eq!(RecoveryCode::parse(&code.to_text()), Ok(code));
        Some(())
    })
}

/// An agent code as people type it.
pub fn agent_code(bytes: &[u8]) -> bool {
    text(bytes, |text| {
        let code = AgentCode::parse(text).ok()?;
        assert_eq!(AgentCode::parse(&code.to_text()), Ok(code));
        Some(())
    })
}

/// The header of a frame.
pub fn frame_header(bytes: &[u8]) -> bool {
    let Some((header, _)) = bytes.split_first_chunk() else { return false };
    same(frame::Header::decode(*header).ok().map(|value| value.encode().to_vec()), header)
}

/// All that comes over a connection.
pub fn frames(bytes: &[u8]) -> bool {
    let mut reader = FrameReader::new(bytes);
    let mut rest = bytes;
    loop {
        let next = pin!(reader.next(|_| true));
        let Poll::Ready(outcome) = next.poll(&mut Context::from_waker(Waker::noop())) else {
            panic!("a slice never makes a reader wait");
        };
        let Ok(frame) = outcome else { return rest.is_empty() };
        let header = frame::Header::new(frame.kind, frame.body.len()).expect("it came with one");
        let whole = [&header.encode(), frame.body].concat();
        rest = rest.strip_prefix(whole.as_slice()).expect("frames come as they were sent");
    }
}

/// A message of a client: the first two bytes are the number of its kind.
pub fn from_client(bytes: &[u8]) -> bool {
    message(bytes, |kind, body| FromClient::decode(kind, body).ok().map(|message| written(&message)))
}

/// A message of a server: the first two bytes are the number of its kind.
pub fn from_server(bytes: &[u8]) -> bool {
    message(bytes, |kind, body| FromServer::decode(kind, body).ok().map(|message| written(&message)))
}

/// The key of a client or a server, as text and as TLS carries it.
pub fn public_key(bytes: &[u8]) -> bool {
    if let Some(key) = PublicKey::from_spki(bytes) {
        assert_eq!(key.spki(), bytes);
        return true;
    }
    text(bytes, |text| text.parse::<PublicKey>().ok().map(|key| assert_eq!(key.to_string(), text)))
}

/// A host as an administrator types it.
pub fn host(bytes: &[u8]) -> bool {
    text(bytes, |text| {
        let host = Host::new(text).ok()?;
        assert_eq!(Host::new(&host.to_string()), Ok(host.clone()));
        assert_eq!(Host::new(host.as_str()), Ok(host));
        Some(())
    })
}

/// What an administrator hands over.
pub fn enrolment(bytes: &[u8]) -> bool {
    text(bytes, |text| {
        text.parse::<EnrolmentString>().ok().map(|enrolment| assert_eq!(enrolment.to_string(), text))
    })
}

/// What a repository keeps of a series, and the pattern that says of which as people type it.
pub fn policy(bytes: &[u8]) -> bool {
    if text(bytes, |text| text.parse::<Pattern>().ok().map(|pattern| assert_eq!(pattern.as_str(), text))) {
        return true;
    }
    let again = Policy::parse(bytes).ok().map(|policy| policy.encode().expect("what was read has few tags"));
    same(again, bytes)
}

/// The table of an extent's parity, as it is, and in front of its hash and padding.
pub fn parity_table(bytes: &[u8]) -> bool {
    let mut whole = [bytes, blake3::hash(bytes).as_bytes()].concat();
    whole.resize(whole.len().next_multiple_of(4096), 0);
    let bare = same(inside::parity_table(bytes), bytes);
    same(inside::parity_table(&whole), &whole) || bare
}

/// What the keepers of a repository decided.
pub fn settings(bytes: &[u8]) -> bool {
    same(Settings::parse(bytes).ok().map(|settings| settings.encode()), bytes)
}

/// Whether the bytes were accepted, in which case they are written the same again.
fn same(again: Option<Vec<u8>>, bytes: &[u8]) -> bool {
    let Some(again) = again else { return false };
    assert_eq!(again, bytes, "what is accepted is written the same");
    true
}

fn text(bytes: &[u8], law: impl Fn(&str) -> Option<()>) -> bool {
    str::from_utf8(bytes).is_ok_and(|text| law(text).is_some())
}

fn message<'a>(bytes: &'a [u8], again: impl Fn(Kind, &'a [u8]) -> Option<(Kind, Vec<u8>)>) -> bool {
    let Some((number, body)) = bytes.split_first_chunk() else { return false };
    let Some(kind) = Kind::from_number(u16::from_le_bytes(*number)) else { return false };
    let Some(again) = again(kind, body) else { return false };
    assert_eq!(again, (kind, body.to_vec()), "what is accepted is written the same");
    true
}

fn written<'a>(message: &impl Body<'a>) -> (Kind, Vec<u8>) {
    let mut writer = Writer::new();
    message.encode(&mut writer);
    (message.kind(), writer.into_bytes())
}

/// A table as it is, and as the body of a correct envelope: no fuzzer guesses a checksum, and what lies behind it is
/// to be reached.
fn in_envelope(magic: [u8; 6], bytes: &[u8], again: impl Fn(&[u8]) -> Option<Vec<u8>>) -> bool {
    const BODY_BYTES_MAX: usize = 1 << 20;
    let body = &bytes[..bytes.len().min(BODY_BYTES_MAX)];
    let table = Table { magic, name: "fuzzed table", body_bytes_max: BODY_BYTES_MAX };
    let enveloped = envelope::wrap(&table, body);
    let bare = same(again(bytes), bytes);
    same(again(&enveloped), &enveloped) || bare
}
