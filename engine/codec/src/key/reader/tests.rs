use proptest::prop_assert_eq;
use proptest::proptest;

use super::KeyRefused;
use super::READER_PUBLIC_BYTES;
use super::ReaderPublic;
use super::ReaderSecret;
use super::SEALING_OVERHEAD_BYTES;

fn counting() -> impl FnMut(&mut [u8]) {
    let mut next = 0_u8;
    move |bytes| {
        for byte in bytes {
            *byte = next;
            next = next.wrapping_add(1);
        }
    }
}

proptest! {
    #![proptest_config(proptest::test_runner::Config::with_cases(30))]

    #[test]
    fn what_is_sealed_opens(seed: [u8; 32], context: Vec<u8>, plain: Vec<u8>, message: Vec<u8>) {
        let secret = ReaderSecret::from_bytes(seed);
        let sealed = secret.public().seal(&context, &plain, &message, counting());
        prop_assert_eq!(sealed.len(), message.len() + SEALING_OVERHEAD_BYTES);
        prop_assert_eq!(secret.open(&context, &plain, &sealed)?, message);
        let other = [plain.as_slice(), b"."].concat();
        prop_assert_eq!(secret.open(&context, &other, &sealed), Err(KeyRefused));
        prop_assert_eq!(secret.open(&other, &plain, &sealed[1..]), Err(KeyRefused));
    }

    #[test]
    fn a_public_key_comes_back(seed: [u8; 32]) {
        let public = ReaderSecret::from_bytes(seed).public();
        prop_assert_eq!(ReaderPublic::from_bytes(public.as_bytes())?, public);
    }
}

/// First test vector of draft-connolly-cfrg-xwing-kem.
#[test]
fn known_answer() {
    let mut seed = [0; 32];
    let digits = b"7f9c2ba4e88f827d616045507605853ed73b8093f6efbc88eb1a6eacfa66ef26";
    for (byte, pair) in seed.iter_mut().zip(digits.chunks(2)) {
        let pair = std::str::from_utf8(pair).expect("hexadecimal digits are ASCII");
        *byte = u8::from_str_radix(pair, 16).expect("hexadecimal digits");
    }
    let public = ReaderSecret::from_bytes(seed).public();
    let hex: String = public.as_bytes()[..32].iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex, "e2236b35a8c24b39b10aa1323a96a919a2ced88400633a7b07131713fc14b2b5");
    assert_eq!(public.as_bytes().len(), READER_PUBLIC_BYTES);
}

#[test]
fn other_lengths_are_no_keys_and_open_nothing() {
    let secret = ReaderSecret::from_bytes([1; 32]);
    let bytes = secret.public().as_bytes().to_vec();
    assert_eq!(ReaderPublic::from_bytes(&bytes[1..]), Err(KeyRefused));
    assert_eq!(ReaderPublic::from_bytes(&[bytes.as_slice(), &[0]].concat()), Err(KeyRefused));
    let sealed = secret.public().seal(b"", b"", b"", counting());
    for length in 0..sealed.len() {
        assert_eq!(secret.open(b"", b"", &sealed[..length]), Err(KeyRefused), "{length}");
    }
}

#[test]
fn nothing_prints_the_secret() {
    assert_eq!(format!("{:?}", ReaderSecret::from_bytes([7; 32])), "ReaderSecret(..)");
}
