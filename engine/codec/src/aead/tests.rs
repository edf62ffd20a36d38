use proptest::collection::vec;
use proptest::prelude::any;
use proptest::prop_assert_eq;
use proptest::proptest;

use super::Refused;
use super::open;
use super::portable;
use super::seal;

proptest! {
    #[test]
    fn both_implementations_give_the_same_bytes(
        key: [u8; 32],
        nonce: [u8; 12],
        bound in vec(any::<u8>(), 0..200),
        text in vec(any::<u8>(), 0..3000),
    ) {
        let mut fast = text.clone();
        let mut slow = text.clone();
        let tag = seal(&key, nonce, &bound, &mut fast);
        prop_assert_eq!(portable::seal(&key, nonce, &bound, &mut slow), tag);
        prop_assert_eq!(&fast, &slow);

        let mut opened = vec![0; text.len()];
        prop_assert_eq!(open(&key, nonce, &bound, &slow, &tag, &mut opened), Ok(()));
        prop_assert_eq!(portable::open(&key, nonce, &bound, &mut fast, &tag), Ok(()));
        prop_assert_eq!(&opened, &text);
        prop_assert_eq!(&fast, &text);
    }

    #[test]
    fn neither_opens_what_was_altered(key: [u8; 32], nonce: [u8; 12], flipped in 0_usize..40, bit in 0_u32..8) {
        let mut sealed = b"0123456789".to_vec();
        let tag = seal(&key, nonce, b"bound bytes :-", &mut sealed);
        let mut all = [b"bound bytes :-".as_slice(), &sealed, &tag].concat();
        all[flipped] ^= 1 << bit;
        let (bound, rest) = all.split_at(14);
        let (ciphertext, tag) = rest.split_at(10);
        let tag: [u8; 16] = tag.try_into()?;
        prop_assert_eq!(open(&key, nonce, bound, ciphertext, &tag, &mut [0; 10]), Err(Refused));
        prop_assert_eq!(portable::open(&key, nonce, bound, &mut ciphertext.to_vec(), &tag), Err(Refused));
    }
}

/// Test case 16 of McGrew and Viega, "The Galois/Counter Mode of Operation", appendix B.
#[test]
fn known_answer() {
    let key = bytes("feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308");
    let nonce = bytes("cafebabefacedbaddecaf888");
    let bound = bytes::<20>("feedfacedeadbeeffeedfacedeadbeefabaddad2");
    let mut text = bytes::<60>(
        "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525\
         b16aedf5aa0de657ba637b39",
    );
    let tag = seal(&key, nonce, &bound, &mut text);
    let sealed = bytes::<60>(
        "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838\
         c5f61e6393ba7a0abcc9f662",
    );
    assert_eq!(text, sealed);
    assert_eq!(tag, bytes("76fc6ece0f4e1768cddf8853bb2d551b"));
}

fn bytes<const N: usize>(hex: &str) -> [u8; N] {
    let digits: Vec<u8> = hex.bytes().collect();
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks(2)) {
        let pair = std::str::from_utf8(pair).expect("hexadecimal digits are ASCII");
        *byte = u8::from_str_radix(pair, 16).expect("hexadecimal digits");
    }
    bytes
}
