use proptest::collection::vec;
use proptest::prelude::Just;
use proptest::prelude::Strategy;
use proptest::prelude::any;
use proptest::prop_assert;
use proptest::prop_assert_eq;
use proptest::prop_oneof;
use proptest::proptest;
use proptest::sample::Index;

use super::*;
use crate::key::Epoch;
use crate::tree::encode;
use crate::tree::samples::any_path;
use crate::tree::samples::entries;
use crate::tree::samples::pointer;

/// Nodes of every kind, as a builder could write them.
fn any_node() -> impl Strategy<Value = Node> {
    let leaf = entries(40).prop_map(Node::Leaf);
    let children =
        proptest::collection::btree_map(any_path(), (any::<u64>(), 1..1000_u64, any::<u64>()), 1..30);
    let inner = (1..=64_u8, children).prop_map(|(level, children)| {
        let child =
            |(first, (number, entries, bytes))| Child { first, pointer: pointer(number, 9), entries, bytes };
        Node::Inner { level, children: children.into_iter().map(child).collect() }
    });
    let items = vec((0..20_u64, 1..u64::from(u32::MAX)), 1..60);
    let list = (0..=16_u8, items).prop_map(|(height, items)| {
        let pointers: Vec<Pointer> = items.iter().map(|(number, _)| pointer(*number, 7)).collect();
        let bytes = items.iter().map(|(_, bytes)| if height == 0 { 7 } else { *bytes }).collect();
        Node::List { height, pointers, bytes }
    });
    prop_oneof![4 => leaf, 1 => inner, 1 => list]
}

/// A change to some bytes.
#[derive(Debug, Clone)]
enum Damage {
    Set(Index, u8),
    Flip(Index, u8),
    Insert(Index, u8),
    Remove(Index),
    Repeat(Index, Index),
    Swap(Index, Index),
    Cut(Index),
}

fn any_damage() -> impl Strategy<Value = Damage> {
    let at = any::<Index>;
    prop_oneof![
        (at(), prop_oneof![0..5_u8, Just(0x7f), Just(0x80), Just(0xff)])
            .prop_map(|(at, byte)| Damage::Set(at, byte)),
        (at(), 0..8_u8).prop_map(|(at, bit)| Damage::Flip(at, 1 << bit)),
        (at(), any::<u8>()).prop_map(|(at, byte)| Damage::Insert(at, byte)),
        at().prop_map(Damage::Remove),
        (at(), at()).prop_map(|(from, to)| Damage::Repeat(from, to)),
        (at(), at()).prop_map(|(left, right)| Damage::Swap(left, right)),
        at().prop_map(Damage::Cut),
    ]
}

fn damage(bytes: &mut Vec<u8>, damages: &[Damage]) {
    for damage in damages {
        let length = bytes.len();
        if length == 0 {
            return;
        }
        match damage {
            Damage::Set(at, byte) => bytes[at.index(length)] = *byte,
            Damage::Flip(at, bits) => bytes[at.index(length)] ^= bits,
            Damage::Insert(at, byte) => bytes.insert(at.index(length), *byte),
            Damage::Remove(at) => drop(bytes.remove(at.index(length))),
            Damage::Repeat(from, to) => {
                let byte = bytes[from.index(length)];
                bytes.insert(to.index(length), byte);
            }
            Damage::Swap(left, right) => bytes.swap(left.index(length), right.index(length)),
            Damage::Cut(at) => bytes.truncate(at.index(length)),
        }
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read(node in any_node()) {
        let (plain, references) = encode(&node);
        prop_assert_eq!(Node::decode(&plain, &references, Epoch::FIRST), Ok(node));
    }

    #[test]
    fn what_is_accepted_is_written_the_same(
        node in any_node(),
        damages in vec(any_damage(), 1..4),
        dropped in any::<(bool, Index)>(),
    ) {
        let (mut plain, mut references) = encode(&node);
        damage(&mut plain, &damages);
        if dropped.0 && !references.is_empty() {
            references.remove(dropped.1.index(references.len()));
        }
        if let Ok(other) = Node::decode(&plain, &references, Epoch::FIRST) {
            prop_assert_eq!(encode(&other), (plain, references));
        }
    }

    #[test]
    fn noise_is_refused_or_written_the_same(
        tag in 0..5_u8,
        noise in vec(prop_oneof![0..4_u8, any::<u8>()], 0..60),
        references in 0..3_u64,
    ) {
        let references: Vec<ObjectId> = (0..references).map(|number| pointer(number, 1).id).collect();
        let plain = [&[tag], noise.as_slice()].concat();
        if let Ok(node) = Node::decode(&plain, &references, Epoch::FIRST) {
            prop_assert_eq!(encode(&node), (plain, references));
        }
    }

    #[test]
    fn every_end_is_the_end(node in any_node(), at in any::<Index>()) {
        let (plain, references) = encode(&node);
        prop_assert!(Node::decode(&plain[..at.index(plain.len())], &references, Epoch::FIRST).is_err());
        prop_assert!(Node::decode(&[plain.as_slice(), &[0]].concat(), &references, Epoch::FIRST).is_err());
    }
}

#[test]
fn front_and_end_are_as_documented() {
    let mut writer = Writer::new();
    let pointers = [pointer(1, 5), pointer(2, 300)];
    write_front(&mut writer, LEAF, &pointers);
    write_seeds(&mut writer, &pointers);
    let seeds = [pointers[0].seed.as_bytes().as_slice(), pointers[1].seed.as_bytes()].concat();
    assert_eq!(writer.as_bytes(), [&[0x01, 0x05, 0xac, 0x02], seeds.as_slice()].concat());
}

#[test]
fn pointers_to_nothing_are_refused() {
    let list = Node::List { height: 0, pointers: vec![pointer(1, 0)], bytes: vec![0] };
    let (plain, references) = encode(&list);
    let error = Node::decode(&plain, &references, Epoch::FIRST).expect_err("no object is empty");
    assert_eq!(error.what, "node plaintext length");
}
