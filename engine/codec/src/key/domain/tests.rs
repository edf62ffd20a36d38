use proptest::prop_assert_eq;
use proptest::prop_assert_ne;
use proptest::proptest;

use super::DomainKeys;
use super::DomainSecret;
use crate::id::RepositoryId;
use crate::id::Seed;
use crate::object::Kind;

fn keys() -> DomainKeys {
    DomainKeys::derive(&DomainSecret::from_bytes([0x11; 32]), RepositoryId::from_bytes([0x22; 32]))
}

proptest! {
    #[test]
    fn chunks_and_holes_may_come_in_any_interleaving(chunks: Vec<([u8; 32], u32)>, holes: Vec<(u64, u64)>) {
        let keys = keys();
        let (mut together, mut apart) = (keys.list_hasher(), keys.list_hasher());
        for at in 0..chunks.len().max(holes.len()) {
            if let Some((offset, bytes)) = holes.get(at) {
                together.hole(*offset, *bytes);
            }
            if let Some((seed, bytes)) = chunks.get(at) {
                together.chunk(&Seed::from_bytes(*seed), *bytes);
            }
        }
        chunks.iter().for_each(|(seed, bytes)| apart.chunk(&Seed::from_bytes(*seed), *bytes));
        holes.iter().for_each(|(offset, bytes)| apart.hole(*offset, *bytes));
        prop_assert_eq!(together.finish(), apart.finish());
    }

    #[test]
    fn no_purpose_shares_a_hash_with_another(bytes: Vec<u8>) {
        let keys = keys();
        let mut content_id = keys.content_id_hasher();
        content_id.update(&bytes);
        let hashes = [
            *keys.seed(Kind::Data, &bytes).as_bytes(),
            *keys.seed(Kind::Node, &bytes).as_bytes(),
            *keys.file_hash(&bytes).as_bytes(),
            *content_id.finish().as_bytes(),
        ];
        for (at, hash) in hashes.iter().enumerate() {
            prop_assert_eq!(hashes.iter().position(|other| other == hash), Some(at));
        }
    }

    #[test]
    fn every_secret_and_every_repository_has_its_own_keys(secret: [u8; 32], repository: [u8; 32]) {
        proptest::prop_assume!(secret != [0x11; 32] || repository != [0x22; 32]);
        let other = DomainKeys::derive(&DomainSecret::from_bytes(secret), RepositoryId::from_bytes(repository));
        prop_assert_ne!(other.seed(Kind::Data, b"same"), keys().seed(Kind::Data, b"same"));
        prop_assert_ne!(other.border(b"same"), keys().border(b"same"));
        prop_assert_ne!(other.gear(), keys().gear());
    }
}

#[test]
fn golden_hashes() {
    let keys = keys();
    let mut list = keys.list_hasher();
    list.chunk(&Seed::from_bytes([1; 32]), 1000);
    list.hole(1000, 24);
    let mut content_id = keys.content_id_hasher();
    content_id.update(b"farkeep");
    let object = keys.object(&Seed::from_bytes([1; 32]));
    let golden = [
        (
            keys.seed(Kind::Data, b"farkeep").to_string(),
            "39bbe0de05328cf473316b942663ca271a8807814f39ae4899ef489b54396071",
        ),
        (
            keys.seed(Kind::Node, b"farkeep").to_string(),
            "8f319055400a228e5896a295388df0b44b72d276f27f12e88f36df7bcbfea0be",
        ),
        (
            keys.file_hash(b"farkeep").to_string(),
            "c7d4fdd4c1c7c090b3a033dd75a2420a3d1ccc7e200d50537f5ed96f16c99f75",
        ),
        (list.finish().to_string(), "038ae44ecc9293bb405dc640a3e089dcb9357c0b65771b5fd0548859e09e5d82"),
        (content_id.finish().to_string(), "77a6cd352ca724a32202cbf9976eb6cfc5b0689b421d623d946637bd846ea050"),
        (
            Seed::from_bytes(object.seal).to_string(),
            "f5960b9805c44dead3ea5680029783e68fe2026ad973353ba6e881144f5f1770",
        ),
        (
            Seed::from_bytes(object.nonce).to_string(),
            "530b5db4576fe9039a7735e08feb5480b2a76ebc9703675835e491590650ba09",
        ),
        (format!("{:016x}", keys.border(b"farkeep")), "051dd4f65d9db4ff"),
        (format!("{:016x}", u64::from_be_bytes(keys.tag_token("farkeep"))), "e5be07ddb5dbb754"),
        (format!("{:016x}", keys.gear()[0]), "029286fabd2b6fb3"),
        (format!("{:016x}", keys.gear()[255]), "dc9fbc84a5e8ec96"),
    ];
    for (hash, expected) in golden {
        assert_eq!(hash, expected);
    }
}

#[test]
fn nothing_prints_keys() {
    let printed = format!("{:?} {:?}", DomainSecret::from_bytes([0x11; 32]), keys());
    assert_eq!(printed, "DomainSecret(..) DomainKeys(..)");
}
