use proptest::collection::vec;
use proptest::prelude::Strategy;
use proptest::prelude::any;
use proptest::prop_assert_eq;
use proptest::prop_assert_ne;
use proptest::prop_oneof;
use proptest::proptest;

use super::Codec;
use super::Inner;
use super::OpenError;
use super::Part;
use super::Sealer;
use super::synthetic_nonce;
use crate::aead;
use crate::aead::portable;
use crate::id::ObjectId;
use crate::id::RepositoryId;
use crate::id::Seed;
use crate::key::DomainKeys;
use crate::key::DomainSecret;
use crate::key::DomainSecrets;
use crate::key::Epoch;
use crate::limits::PLAIN_BYTES_MAX;
use crate::object::Header;
use crate::object::Kind;
use crate::object::ObjectView;
use crate::object::Pointer;
use crate::object::object_id;
use crate::parameters::Compression;

const DOMAIN: [u8; 32] = [0x11; 32];
const REPOSITORY: [u8; 32] = [0x22; 32];

fn keys() -> DomainKeys {
    DomainKeys::derive(&DomainSecret::from_bytes(DOMAIN), RepositoryId::from_bytes(REPOSITORY))
}

fn sealer() -> Sealer {
    Sealer::new(&keys(), &Compression::at_level(3))
}

fn seal(kind: Kind, references: &[ObjectId], plain: &[u8]) -> (Vec<u8>, Pointer) {
    seal_by(&mut sealer(), kind, references, plain)
}

fn seal_by(sealer: &mut Sealer, kind: Kind, references: &[ObjectId], plain: &[u8]) -> (Vec<u8>, Pointer) {
    let seed = keys().seed(kind, plain);
    let mut object = Vec::new();
    let id = sealer.seal(kind, &seed, references, plain, &mut object);
    assert_eq!(id, object_id(&object));
    let plain_bytes = u32::try_from(plain.len()).expect("test data is short");
    (object, Pointer { id, seed, plain_bytes, epoch: Epoch::FIRST })
}

/// Bytes without a pattern, the same in every run.
fn noise(length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    blake3::Hasher::new().update(b"noise").finalize_xof().fill(&mut bytes);
    bytes
}

fn contents() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        vec(any::<u8>(), 0..300),
        vec(0_u8..4, 0..30_000),
        (0_usize..30_000).prop_map(noise),
        (0_usize..9000, 0_usize..9000).prop_map(|(random, text)| [noise(random), vec![b'a'; text]].concat()),
    ]
}

proptest! {
    #[test]
    fn what_is_sealed_opens(kind in prop_oneof![proptest::strategy::Just(Kind::Data), proptest::strategy::Just(Kind::Node)],
                            references: Vec<[u8; 32]>, plain in contents()) {
        let references: Vec<_> = references.into_iter().map(ObjectId::from_bytes).collect();
        let references = if kind == Kind::Node { references.as_slice() } else { &[] };
        let (object, pointer) = seal(kind, references, &plain);
        let mut opened = b"what was there before".to_vec();
        prop_assert_eq!(sealer().open(&object, &pointer, &mut opened), Ok(()));
        prop_assert_eq!(opened, plain);
        let view = ObjectView::parse(&object)?;
        prop_assert_eq!(view.references().collect::<Vec<_>>(), references);
    }

    #[test]
    fn a_used_sealer_makes_the_same_objects_as_a_fresh_one(plains in vec(contents(), 1..6)) {
        let mut used = sealer();
        for plain in &plains {
            prop_assert_eq!(seal_by(&mut used, Kind::Data, &[], plain), seal(Kind::Data, &[], plain));
        }
    }

    #[test]
    fn other_seeds_do_not_open(plain in contents(), other: [u8; 32]) {
        let (object, pointer) = seal(Kind::Data, &[], &plain);
        let wrong = Pointer { seed: Seed::from_bytes(other), ..pointer };
        let refused = OpenError::Tampered { id: pointer.id, part: Part::Seal };
        prop_assert_eq!(sealer().open(&object, &wrong, &mut Vec::new()), Err(refused));
    }

    #[test]
    fn other_references_take_another_nonce(plain in contents(), one: [u8; 32], other: [u8; 32]) {
        proptest::prop_assume!(one != other);
        let (first, _) = seal(Kind::Node, &[ObjectId::from_bytes(one)], &plain);
        let (second, _) = seal(Kind::Node, &[ObjectId::from_bytes(other)], &plain);
        let nonce = |object: &[u8]| ObjectView::parse(object).map(|view| view.sealed()[..12].to_vec());
        prop_assert_ne!(nonce(&first)?, nonce(&second)?);
    }
}

#[test]
fn every_flipped_bit_and_every_other_length_is_refused() {
    let references = [ObjectId::from_bytes([7; 32]), ObjectId::from_bytes([8; 32])];
    for plain in [b"a node that does not shrink".to_vec(), vec![b'x'; 900]] {
        let (object, pointer) = seal(Kind::Node, &references, &plain);
        let mut sealer = sealer();
        let mut buffer = Vec::new();
        for at in 0..object.len() * 8 {
            let mut altered = object.clone();
            altered[at / 8] ^= 1 << (at % 8);
            let refused = OpenError::Tampered { id: pointer.id, part: Part::Bytes };
            assert_eq!(sealer.open(&altered, &pointer, &mut buffer), Err(refused), "bit {at}");
            // Even whoever adjusts the id does not get through.
            let renamed = Pointer { id: object_id(&altered), ..pointer };
            assert!(sealer.open(&altered, &renamed, &mut buffer).is_err(), "bit {at}");
        }
        for length in 0..object.len() {
            let cut = &object[..length];
            let renamed = Pointer { id: object_id(cut), ..pointer };
            let refused = sealer.open(cut, &renamed, &mut buffer);
            assert!(matches!(refused, Err(OpenError::Malformed { .. })), "{length}: {refused:?}");
        }
        assert_eq!(sealer.open(&object, &pointer, &mut buffer), Ok(()));
    }
}

#[test]
fn a_wrong_length_in_the_pointer_is_refused() {
    let (object, pointer) = seal(Kind::Data, &[], b"seven b");
    let wrong = Pointer { plain_bytes: 8, ..pointer };
    let refused = OpenError::Tampered { id: pointer.id, part: Part::Plaintext };
    assert_eq!(sealer().open(&object, &wrong, &mut Vec::new()), Err(refused));
}

#[test]
fn repositories_and_kinds_share_nothing() {
    let (data, _) = seal(Kind::Data, &[], b"same");
    let (node, pointer) = seal(Kind::Node, &[], b"same");
    assert_ne!(data[16..28], node[16..28]);
    let elsewhere =
        DomainKeys::derive(&DomainSecret::from_bytes(DOMAIN), RepositoryId::from_bytes([0x23; 32]));
    assert_ne!(elsewhere.seed(Kind::Node, b"same"), pointer.seed);
    let refused = Sealer::new(&elsewhere, &Compression::at_level(3)).open(&node, &pointer, &mut Vec::new());
    assert_eq!(refused, Err(OpenError::Tampered { id: pointer.id, part: Part::Seal }));
}

#[test]
fn an_object_takes_the_keys_of_its_epoch() {
    let mut secrets = DomainSecrets::from(DomainSecret::from_bytes(DOMAIN));
    secrets.learn(Epoch::new(1), DomainSecret::from_bytes([0x77; 32]));
    let both = DomainKeys::derive_all(&secrets, RepositoryId::from_bytes(REPOSITORY));
    assert_eq!(both.epoch(), Epoch::new(1));
    let (old_object, old) = seal(Kind::Data, &[], b"same");
    let (mut new_object, seed) = (Vec::new(), both.seed(Kind::Data, b"same"));
    let mut sealer = Sealer::new(&both, &Compression::at_level(3));
    let id = sealer.seal(Kind::Data, &seed, &[], b"same", &mut new_object);
    let new = Pointer { id, seed, plain_bytes: 4, epoch: Epoch::new(1) };
    assert!(new.id != old.id && new.seed != old.seed, "epochs share nothing");
    let mut plain = Vec::new();
    for (object, pointer) in [(&old_object, old), (&new_object, new)] {
        assert_eq!(sealer.open(object, &pointer, &mut plain), Ok(()));
        assert_eq!(plain, b"same");
        let other = Epoch::new(1 - pointer.epoch.number());
        let refused = sealer.open(object, &Pointer { epoch: other, ..pointer }, &mut plain);
        assert_eq!(refused, Err(OpenError::Tampered { id: pointer.id, part: Part::Seal }));
    }
    let epoch = Epoch::new(2);
    let refused = sealer.open(&new_object, &Pointer { epoch, ..new }, &mut plain);
    assert_eq!(refused, Err(OpenError::Epoch { id, epoch }));
}

/// An object as only somebody with the domain secret could forge it: right key, right nonce, any inner bytes.
fn forge(inner: &[u8], seed: Seed) -> (Vec<u8>, ObjectId) {
    let header = Header::new(Kind::Data, 0, 12 + inner.len() + 16).expect("within the limits").encode();
    let keys = keys().object(&seed);
    let nonce = synthetic_nonce(&keys.nonce, &header, Codec::Zstd, inner);
    let mut sealed = inner.to_vec();
    let tag = aead::seal(&keys.seal, nonce, &header, &mut sealed);
    let object = [header.as_slice(), &nonce, &sealed, &tag].concat();
    let id = object_id(&object);
    (object, id)
}

#[test]
fn hostile_inner_bytes_are_refused_within_bounded_memory() {
    let bomb = zstd::bulk::compress(&vec![0; PLAIN_BYTES_MAX + 1], 19).expect("compresses");
    let inner =
        |codec: u8, length: u32, payload: &[u8]| [&[codec], &length.to_le_bytes()[..], payload].concat();
    let beyond = u32::try_from(PLAIN_BYTES_MAX + 1).expect("fits");
    for (inner, plain_bytes) in [
        (inner(2, 4, b"abcd"), 4),
        (inner(0, 5, b"abcd"), 5),
        (inner(0, 3, b"abcd"), 3),
        (inner(0, 4, b"abcd"), 5),
        (inner(1, 4, b"abcd"), 4),
        (inner(1, 4, b""), 4),
        (inner(0, u32::MAX, b"abcd"), u32::MAX),
        (inner(1, beyond, &bomb), beyond),
        (inner(1, 100, &bomb), 100),
        (inner(0, 4, b"abcd"), 4),
    ] {
        let seed = Seed::from_bytes([5; 32]);
        let (object, id) = forge(&inner, seed);
        let mut plain = Vec::new();
        let refused =
            sealer().open(&object, &Pointer { id, seed, plain_bytes, epoch: Epoch::FIRST }, &mut plain);
        assert!(refused.is_err(), "{inner:02x?}");
        assert!(plain.capacity() <= 128, "{inner:02x?} took {} bytes", plain.capacity());
    }
}

#[test]
fn random_bytes_are_stored_raw_and_text_shrinks() {
    let (random, _) = seal(Kind::Data, &[], &noise(100_000));
    assert_eq!(random.len(), 100_000 + 16 + 12 + 5 + 16);
    let (text, _) = seal(Kind::Data, &[], &b"some text, ".repeat(10_000));
    assert!(text.len() < 1000);
    let (empty, pointer) = seal(Kind::Data, &[], b"");
    assert_eq!(empty.len(), 16 + 12 + 5 + 16);
    assert_eq!(sealer().open(&empty, &pointer, &mut vec![1]), Ok(()));
}

#[test]
fn the_largest_object_keeps_its_limit() {
    let (object, pointer) = seal(Kind::Data, &[], &noise(PLAIN_BYTES_MAX));
    assert!(object.len() <= crate::limits::OBJECT_BYTES_MAX);
    let mut plain = Vec::new();
    assert_eq!(sealer().open(&object, &pointer, &mut plain), Ok(()));
    assert_eq!(plain.len(), PLAIN_BYTES_MAX);
}

#[test]
fn explicit_settings_reach_the_compressor() {
    let plain: Vec<u8> = (0..40_000_u32).flat_map(|n| (n / 3).to_le_bytes()).collect();
    let level = Compression::at_level(3);
    let sizes = [
        level,
        Compression { strategy: 9, ..level },
        Compression { window_log: 10, ..level },
        Compression { strategy: 1, min_match: 7, ..level },
        Compression { strategy: 1, target_length: 4096, ..level },
    ]
    .map(|settings| seal_by(&mut Sealer::new(&keys(), &settings), Kind::Data, &[], &plain).0.len());
    let mut distinct = sizes.to_vec();
    distinct.sort_unstable();
    distinct.dedup();
    assert_eq!(distinct.len(), sizes.len(), "{sizes:?}");
}

/// Reads an object by the rules of FORMAT.md alone, with the portable cipher.
#[test]
fn a_stranger_can_read_an_object() {
    let plain = b"to be read by somebody else ".repeat(20);
    let (object, pointer) = seal(Kind::Node, &[ObjectId::from_bytes([9; 32])], &plain);

    let material = [DOMAIN, REPOSITORY].concat();
    let seed_key = blake3::derive_key("farkeep 1 seed of node", &material);
    let seed = blake3::keyed_hash(&seed_key, &plain);
    assert_eq!(seed.as_bytes(), pointer.seed.as_bytes());

    let object_key = blake3::derive_key("farkeep 1 object key", &material);
    let mut keys = [0; 64];
    blake3::Hasher::new_keyed(&object_key).update(seed.as_bytes()).finalize_xof().fill(&mut keys);
    let (key, nonce_key) = keys.split_at(32);

    let plain_part = &object[..48];
    let nonce: [u8; 12] = object[48..60].try_into().expect("twelve bytes");
    let tag: [u8; 16] = object[object.len() - 16..].try_into().expect("sixteen bytes");
    let mut inner = object[60..object.len() - 16].to_vec();
    let key = key.try_into().expect("32 bytes");
    portable::open(key, nonce, plain_part, &mut inner, &tag).expect("the seal holds");

    let nonce_key = nonce_key.try_into().expect("32 bytes");
    let expected = blake3::keyed_hash(nonce_key, &[plain_part, &inner].concat());
    assert_eq!(nonce, expected.as_bytes()[..12], "over all, for a compressed payload");
    assert_eq!(inner[0], 1);
    assert_eq!(inner[1..5], 560_u32.to_le_bytes());
    assert_eq!(zstd::bulk::decompress(&inner[5..], 560).expect("one frame"), plain);
}

#[test]
fn the_nonce_of_a_raw_payload_leaves_it_out() {
    let (object, pointer) = seal(Kind::Data, &[], &noise(5000));
    let keys = keys().object(&pointer.seed);
    let expected = blake3::keyed_hash(&keys.nonce, &[&object[..16], &[0], &5000_u32.to_le_bytes()].concat());
    assert_eq!(object[16..28], expected.as_bytes()[..12]);
}

#[test]
fn golden_objects() {
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let (raw, pointer) = seal(Kind::Data, &[], b"farkeep");
    assert_eq!(pointer.seed.to_string(), "39bbe0de05328cf473316b942663ca271a8807814f39ae4899ef489b54396071");
    assert_eq!(
        hex(&raw),
        "464b6f62010001000000000028000000\
         fd80651dfa433c5b81f77cd1\
         9b6bab4bfc2063f20ec5e714841865a3a933bc868608fcfd31edb139"
    );
    let (packed, _) = seal(Kind::Node, &[ObjectId::from_bytes([0xaa; 32])], &[b'f'; 100]);
    assert_eq!(
        hex(&packed),
        "464b6f62010002000100000032000000\
         aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\
         cb47fd5fdd440f7502aab5f7\
         5650c4d1f2b421f56363a1372d6eb712778271da4d01ea65602d30e8fbc4db4faacccce785d7"
    );
    let inner = Inner::parse(&[1, 100, 0, 0, 0, 9]).expect("well formed");
    assert_eq!((inner.codec, inner.plain_bytes, inner.payload), (Codec::Zstd, 100, &[9][..]));
}
