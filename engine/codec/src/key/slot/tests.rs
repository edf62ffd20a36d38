use proptest::option;
use proptest::prelude::Strategy;
use proptest::prelude::any;
use proptest::prop_assert_eq;
use proptest::proptest;

use super::KdfCost;
use super::Lock;
use super::Slot;
use super::SlotError;
use super::SlotSecret;
use super::TABLE;
use crate::envelope;
use crate::envelope::EnvelopeError;
use crate::key::AgentIdentity;
use crate::key::DomainSecret;
use crate::key::Epoch;
use crate::key::ReaderSecret;
use crate::key::RecoveryCode;
use crate::key::Secrets;
use crate::limits::FORMAT_VERSION;
use crate::limits::KDF_LANES_MAX;
use crate::limits::KDF_MEMORY_KIB_MAX;
use crate::limits::KDF_PASSES_MAX;

/// Cheap, since debug builds are slow and the strength is not what is tested.
const COST: KdfCost = KdfCost { memory_kib: 8, passes: 1, lanes: 1 };
const PARAMETERS: &[u8] = b"the parameters of the repository";

fn secrets() -> Secrets {
    Secrets {
        domain: DomainSecret::from_bytes([0xd0; 32]).into(),
        reader: Some(ReaderSecret::from_bytes([0xe0; 32])),
        agent: AgentIdentity::from_bytes(&[0xa0; 32]),
    }
}

/// Not random: the next byte of every call, so that golden bytes hold still.
fn counting() -> impl FnMut(&mut [u8]) {
    let mut next = 0_u8;
    move |bytes| {
        for byte in bytes {
            *byte = next;
            next = next.wrapping_add(1);
        }
    }
}

fn passphrase_slot() -> Slot {
    Slot::seal(&secrets(), &SlotSecret::Passphrase(b"correct horse"), "desk", COST, PARAMETERS, counting())
}

fn some_secrets() -> impl Strategy<Value = Secrets> {
    (any::<[u8; 32]>(), option::of(any::<[u8; 32]>()), any::<[u8; 32]>()).prop_map(
        |(domain, reader, agent)| Secrets {
            domain: DomainSecret::from_bytes(domain).into(),
            reader: reader.map(ReaderSecret::from_bytes),
            agent: AgentIdentity::from_bytes(&agent),
        },
    )
}

proptest! {
    #[test]
    fn secrets_come_back(secrets in some_secrets(), passphrase: Vec<u8>, label in ".{0,60}", parameters: Vec<u8>) {
        let secret = SlotSecret::Passphrase(&passphrase);
        let slot = Slot::seal(&secrets, &secret, &label, COST, &parameters, counting());
        let read = Slot::parse(&slot.encode())?;
        prop_assert_eq!(&read, &slot);
        prop_assert_eq!(read.label(), label);
        prop_assert_eq!(read.open(&secret, &parameters)?, secrets);
    }

    #[test]
    fn a_code_opens_its_slot_and_no_other_does(secrets in some_secrets(), code: [u8; 32], other: [u8; 32]) {
        let code = RecoveryCode::from_bytes(code);
        let other = RecoveryCode::from_bytes(other);
        let slot = Slot::seal(&secrets, &SlotSecret::Recovery(&code), "", COST, PARAMETERS, counting());
        let slot = Slot::parse(&slot.encode())?;
        prop_assert_eq!(slot.open(&SlotSecret::Recovery(&code), PARAMETERS)?, secrets);
        let refused = slot.open(&SlotSecret::Recovery(&other), PARAMETERS);
        prop_assert_eq!(refused, Err(SlotError::WrongSecret));
    }

    #[test]
    fn a_slot_that_parses_encodes_to_the_same_bytes(flips: Vec<(usize, u8)>) {
        let mut body = envelope::body(&TABLE, &passphrase_slot().encode())?.to_vec();
        let length = body.len();
        flips.iter().for_each(|(at, byte)| body[at % length] = *byte);
        let bytes = envelope::wrap(&TABLE, &body);
        if let Ok(slot) = Slot::parse(&bytes) {
            prop_assert_eq!(slot.encode(), bytes);
        }
    }
}

proptest! {
    #[test]
    fn the_readers_secret_opens_the_slot_of_an_epoch(number in 1_u32.., secret: [u8; 32], reader: [u8; 32]) {
        let (epoch, secret) = (Epoch::new(number), DomainSecret::from_bytes(secret));
        let (right, wrong) = (ReaderSecret::from_bytes(reader), ReaderSecret::from_bytes([0xe1; 32]));
        let slot = Slot::seal_epoch((epoch, &secret), &right, PARAMETERS, counting());
        let slot = Slot::parse(&slot.encode())?;
        prop_assert_eq!(slot.open_epoch(&right, PARAMETERS), Ok((epoch, secret)));
        prop_assert_eq!(slot.open_epoch(&wrong, PARAMETERS), Err(SlotError::WrongSecret));
        prop_assert_eq!(slot.open_epoch(&right, b"swapped"), Err(SlotError::OtherParameters));
        prop_assert_eq!(slot.open(&SlotSecret::Passphrase(b""), PARAMETERS), Err(SlotError::OtherKind));
        prop_assert_eq!(passphrase_slot().open_epoch(&right, PARAMETERS), Err(SlotError::OtherKind));
    }
}

#[test]
fn the_first_epoch_has_no_slot_of_its_own() {
    let (reader, secret) = (ReaderSecret::from_bytes([0xe0; 32]), DomainSecret::from_bytes([0xd0; 32]));
    let slot = Slot::seal_epoch((Epoch::FIRST, &secret), &reader, PARAMETERS, counting());
    assert!(matches!(slot.open_epoch(&reader, PARAMETERS), Err(SlotError::Malformed(_))));
}

#[test]
fn golden_slot_of_an_epoch() {
    let (reader, secret) = (ReaderSecret::from_bytes([0xe0; 32]), DomainSecret::from_bytes([0xd1; 32]));
    let bytes = Slot::seal_epoch((Epoch::new(7), &secret), &reader, PARAMETERS, counting()).encode();
    // Envelope, kind, label, salt, nonce, length.
    assert_eq!(bytes[..6], *b"FKslot");
    let front = [
        &[3, 7][..],
        b"epoch 7",
        &std::array::from_fn::<u8, 44, _>(|n| u8::try_from(n).expect("small")),
        &[68],
    ];
    assert_eq!(bytes[16..70], front.concat());
    assert_eq!(
        blake3::hash(&bytes).to_hex().as_str(),
        "d52305cbc4a5f71df00f6c3b5c55ae4068b024b4e2ae5698e3989d9fc9da6b8a"
    );
}

#[test]
fn each_refusal_is_its_own() {
    let slot = passphrase_slot();
    let right = SlotSecret::Passphrase(b"correct horse");
    assert_eq!(slot.open(&right, PARAMETERS), Ok(secrets()));
    assert_eq!(slot.open(&SlotSecret::Passphrase(b"wrong"), PARAMETERS), Err(SlotError::WrongSecret));
    assert_eq!(slot.open(&right, b"swapped"), Err(SlotError::OtherParameters));
    let code = RecoveryCode::from_bytes([0; 32]);
    assert_eq!(slot.open(&SlotSecret::Recovery(&code), PARAMETERS), Err(SlotError::OtherKind));
}

#[test]
fn every_flipped_bit_and_every_other_length_is_damage() {
    let slot = passphrase_slot();
    let bytes = slot.encode();
    for at in 0..bytes.len() * 8 {
        let mut altered = bytes.clone();
        altered[at / 8] ^= 1 << (at % 8);
        let refused = Slot::parse(&altered);
        let expected = if at < 6 * 8 {
            EnvelopeError::Foreign { table: "key slot" }
        } else {
            EnvelopeError::Damaged { table: "key slot" }
        };
        assert_eq!(refused, Err(expected), "bit {at}");
    }
    for length in 0..bytes.len() {
        assert!(Slot::parse(&bytes[..length]).is_err(), "{length}");
    }
    assert!(Slot::parse(&[bytes.as_slice(), &[0]].concat()).is_err());
}

#[test]
fn whoever_mends_the_checksum_still_does_not_open_the_slot() {
    let bytes = passphrase_slot().encode();
    let body = envelope::body(&TABLE, &bytes).expect("intact").to_vec();
    for at in 0..body.len() * 8 {
        let mut altered = body.clone();
        altered[at / 8] ^= 1 << (at % 8);
        let Ok(slot) = Slot::parse(&envelope::wrap(&TABLE, &altered)) else { continue };
        // Not worth the time: a cost of gigabytes that an altered bit asks for.
        if let Lock::Passphrase { cost, .. } = slot.lock()
            && cost.memory_kib * cost.passes > 1024
        {
            continue;
        }
        let refused = slot.open(&SlotSecret::Passphrase(b"correct horse"), PARAMETERS);
        assert!(
            matches!(refused, Err(SlotError::WrongSecret | SlotError::OtherKind)),
            "bit {at}: {refused:?}"
        );
    }
}

#[test]
fn a_later_version_is_named() {
    let mut bytes = passphrase_slot().encode();
    bytes[6] = 9;
    let checksum = blake3::hash(&bytes[..12]);
    bytes[12..16].copy_from_slice(&checksum.as_bytes()[..4]);
    let refused = Slot::parse(&bytes);
    let expected = EnvelopeError::NewerFormat { table: "key slot", found: 9, known: FORMAT_VERSION };
    assert_eq!(refused, Err(expected));
}

#[test]
fn a_hostile_cost_is_refused() {
    let bytes = passphrase_slot().encode();
    let body = envelope::body(&TABLE, &bytes).expect("intact").to_vec();
    let cost_at = 1 + 1 + "desk".len();
    for (offset, number) in [
        (0, KDF_MEMORY_KIB_MAX + 1),
        (0, u32::MAX),
        (0, 7),
        (4, KDF_PASSES_MAX + 1),
        (4, 0),
        (8, KDF_LANES_MAX + 1),
        (8, 0),
        (8, 2),
    ] {
        let mut hostile = body.clone();
        hostile[cost_at + offset..][..4].copy_from_slice(&number.to_le_bytes());
        let refused = Slot::parse(&envelope::wrap(&TABLE, &hostile));
        assert!(matches!(refused, Err(EnvelopeError::Malformed(_))), "{number} at {offset}: {refused:?}");
    }
}

#[test]
fn the_default_cost_is_within_the_limits() {
    assert!(KdfCost::DEFAULT.params().is_some());
}

#[test]
fn golden_bytes() {
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let code = RecoveryCode::from_bytes([0xc0; 32]);
    let writer_only = Secrets { reader: None, ..secrets() };
    let recovery = Slot::seal(&writer_only, &SlotSecret::Recovery(&code), "r", COST, PARAMETERS, counting());
    let parts = [
        "464b736c6f74_0100_d1000000_3ee60a25",
        "01_046465736b_08000000_01000000_01000000",
        "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
        "202122232425262728292a2b_8101",
        "1ccaefea4b43454d6a7440f23d9749219bfee995040671cc8b5591cb9e13b13a",
        "172bfd3066d1f17f9d8ccfad6b03ffce4d8e8ca3c0a55789ce39b45322617cb6",
        "a870bbef863db3f265fd3709db0827457958076d09b1ce4c398625ff2b4e75a4",
        "7d_54e7b76ab7a83b5dd3fc6615e7f6a2d82efa8e7339d51febe426e0e3d085b3e8",
        "a561f7d09865eb2e6523c20b9b360c50",
        "85d1d9d15dc4993a2251dc7befdf2e0d",
    ];
    assert_eq!(hex(&passphrase_slot().encode()), parts.concat().replace('_', ""));
    let parts = [
        "464b736c6f74_0100_a1000000_c0b867ab",
        "02_0172",
        "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
        "202122232425262728292a2b_61",
        "0308c98090a641745b4b6c4fc9cb322b3de045bfd732e25963ba0a0c401443b1",
        "d0d88e635aadf6d31bd50c5b9cd51a524901953b584ff212100118dacc3d5c3b",
        "52f8197e81f55e8c44d1bf2c8778435f7088d8f20d1ae0d16e7fd9af0bfb3f99",
        "91_b02ea08325be4170bcc6e878c9c93dc5",
        "92c43e3d821e34077f1ed6b40de87a14",
    ];
    assert_eq!(hex(&recovery.encode()), parts.concat().replace('_', ""));
}

#[test]
fn nothing_prints_secrets() {
    let printed =
        format!("{:?} {:?} {:?}", secrets(), passphrase_slot(), SlotSecret::Passphrase(b"correct horse"));
    for secret in ["208, 208", "d0d0", "224, 224", "e0e0", "160, 160", "a0a0", "correct"] {
        assert!(!printed.contains(secret), "{printed}");
    }
}
