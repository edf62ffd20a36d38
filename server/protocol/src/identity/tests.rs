use proptest::prelude::any;
use proptest::prop_assert;
use proptest::prop_assert_eq;
use proptest::proptest;

use super::*;

/// The key pair of RFC 8410, section 10.3.
const SEED: [u8; 32] = [
    0xd4, 0xee, 0x72, 0xdb, 0xf9, 0x13, 0x58, 0x4a, 0xd5, 0xb6, 0xd8, 0xf1, 0xf7, 0x69, 0xf8, 0xad, 0x3a,
    0xfe, 0x7c, 0x28, 0xcb, 0xf1, 0xd4, 0xfb, 0xe0, 0x97, 0xa8, 0x8f, 0x44, 0x75, 0x58, 0x42,
];
const KEY: &str = "19bf44096984cdfe8541bac167dc3b96c85086aa30b6b6cb0c5c38ad703166e1";

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn enrolment(host: &str) -> EnrolmentString {
    EnrolmentString {
        host: Host::new(host).expect("a host"),
        port: PORT,
        server: KEY.parse().expect("a key"),
        token: Token::from_bytes([0x0f; 32]),
    }
}

/// What RFC 8410 prints in base64: the front of its examples, and their keys.
#[test]
fn keys_have_the_bytes_of_the_rfc() {
    let key: PublicKey = KEY.parse().expect("a key");
    assert_eq!(hex(&key.spki()), format!("302a300506032b6570032100{KEY}"));
    assert_eq!(hex(&*pkcs8(&SEED)), format!("302e020100300506032b657004220420{}", hex(&SEED)));
    assert_eq!((key.spki().len(), pkcs8(&SEED).len()), (44, 48));
}

#[test]
fn only_ed25519_is_a_key() {
    let key = PublicKey::from_bytes([7; 32]);
    assert_eq!(PublicKey::from_spki(&key.spki()), Some(key));
    for at in 0..SPKI_FRONT.len() {
        let mut other = key.spki();
        other[at] ^= 1;
        assert_eq!(PublicKey::from_spki(&other), None, "byte {at}");
    }
    assert_eq!(PublicKey::from_spki(&key.spki()[..SPKI_BYTES - 1]), None);
    assert_eq!(PublicKey::from_spki(&[key.spki().as_slice(), &[0]].concat()), None);
}

#[test]
fn an_enrolment_string_is_read_as_it_was_written() {
    let token = "0f".repeat(32);
    for (host, written) in [
        ("backup.example.org", "backup.example.org"),
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8::1", "[2001:db8::1]"),
        ("[2001:db8::1]", "[2001:db8::1]"),
    ] {
        let enrolment = enrolment(host);
        let text = enrolment.to_string();
        assert_eq!(text, format!("fk1:{written}:7717:{KEY}:{token}"));
        assert_eq!(text.parse(), Ok(enrolment));
    }
}

#[test]
fn an_enrolment_does_not_show_its_token_by_accident() {
    assert!(!format!("{:?}", enrolment("host")).contains("0f0f"));
}

#[test]
fn what_is_no_enrolment_is_refused() {
    let token = "0f".repeat(32);
    for text in [
        String::new(),
        "fk1:".to_owned(),
        format!("fk2:host:7717:{KEY}:{token}"),
        format!("host:7717:{KEY}:{token}"),
        format!("fk1:7717:{KEY}:{token}"),
        format!("fk1::7717:{KEY}:{token}"),
        format!("fk1:host:0:{KEY}:{token}"),
        format!("fk1:host:07717:{KEY}:{token}"),
        format!("fk1:host:+7717:{KEY}:{token}"),
        format!("fk1:host:65536:{KEY}:{token}"),
        format!("fk1:ho st:7717:{KEY}:{token}"),
        format!("fk1:-host:7717:{KEY}:{token}"),
        format!("fk1:host/x:7717:{KEY}:{token}"),
        format!("fk1:2001:db8::1:7717:{KEY}:{token}"),
        format!("fk1:[2001:db8:0::1]:7717:{KEY}:{token}"),
        format!("fk1:[host]:7717:{KEY}:{token}"),
        format!("fk1:host:7717:{}:{token}", KEY.to_uppercase()),
        format!("fk1:host:7717:{}:{token}", &KEY[2..]),
        format!("fk1:host:7717:{KEY}:{token}0"),
        format!("fk1:host:7717:{KEY}:{}g", &token[1..]),
        format!("fk1:host:7717:{KEY}:{token}:"),
        format!(" fk1:host:7717:{KEY}:{token}"),
        format!("fk1:host:7717:{KEY}:{token}\n"),
        format!("fk1:{}:7717:{KEY}:{token}", "h".repeat(HOST_BYTES_MAX + 1)),
    ] {
        assert!(text.parse::<EnrolmentString>().is_err(), "{text}");
    }
}

proptest! {
    #[test]
    fn keys_come_back(bytes: [u8; 32]) {
        let key = PublicKey::from_bytes(bytes);
        prop_assert_eq!(key.to_string().parse(), Ok(key));
        prop_assert_eq!(PublicKey::from_spki(&key.spki()), Some(key));
    }

    /// Whatever is accepted is the one way to write it.
    #[test]
    fn no_text_upsets_the_reader(text in any::<String>(), at in 0..200_usize, with: char) {
        drop(text.parse::<EnrolmentString>());
        let mut chars: Vec<char> = enrolment("2001:db8::1").to_string().chars().collect();
        let at = at % chars.len();
        chars[at] = with;
        let changed: String = chars.into_iter().collect();
        if let Ok(enrolment) = changed.parse::<EnrolmentString>() {
            prop_assert_eq!(enrolment.to_string(), changed);
        }
        prop_assert!(Host::new(&text).is_err() || !text.contains('/'));
    }
}
