use super::*;
use crate::key::Epoch;
use crate::limits::PATH_BYTES_MAX;
use crate::tree::encode;
use crate::tree::samples::path;
use crate::tree::samples::pointer;

fn child(first: PathKey, number: u64) -> Child {
    Child { first, pointer: pointer(number, 300), entries: 200, bytes: 1 << 20 }
}

fn decode(node: &Node) -> Result<Node, Malformed> {
    let (plain, references) = encode(node);
    Node::decode(&plain, &references, Epoch::FIRST)
}

#[test]
fn bytes_are_as_documented() {
    let children = vec![child(path("etc"), 1), child(path("etc/passwd"), 2)];
    let seeds: Vec<u8> = children.iter().flat_map(|child| *child.pointer.seed.as_bytes()).collect();
    let (plain, references) = encode(&Node::Inner { level: 1, children });
    let expected: &[&[u8]] = &[
        &[0x02],                               // inner node
        &[0xac, 0x02, 0xac, 0x02],             // lengths of the children's plaintexts: 300, 300
        &[0x01],                               // level 1
        b"etc/\0passwd/",                      // new parts of the keys
        &[0x00, 0x03],                         // shared bytes: 0, 3
        &[0xc8, 0x01, 0xc8, 0x01],             // entries: 200, 200
        &[0x80, 0x80, 0x40, 0x80, 0x80, 0x40], // bytes: 1 MiB, 1 MiB
        &seeds,
    ];
    assert_eq!(plain, expected.concat());
    assert_eq!(references, [pointer(1, 300).id, pointer(2, 300).id]);
}

#[test]
fn levels_counts_and_sums_are_bounded() {
    let inner = |level, children| Node::Inner { level, children };
    assert!(decode(&inner(1, vec![child(path("a"), 1)])).is_ok());
    assert!(decode(&inner(0, vec![child(path("a"), 1)])).is_err());
    assert!(decode(&inner(TREE_LEVELS_MAX + 1, vec![child(path("a"), 1)])).is_err());
    assert!(decode(&inner(1, Vec::new())).is_err());
    let many = |count: u64| (0..count).map(|n| child(path(&format!("{n:04}")), n)).collect::<Vec<_>>();
    assert!(decode(&inner(1, many(256))).is_ok());
    assert!(decode(&inner(1, many(257))).is_err());
    let mut empty = child(path("a"), 1);
    empty.entries = 0;
    assert!(decode(&inner(1, vec![empty])).is_err());
    let mut huge = [child(path("a"), 1), child(path("b"), 2)];
    huge[0].entries = u64::MAX;
    assert!(decode(&inner(1, huge.to_vec())).is_err());
}

#[test]
fn keys_that_share_much_do_not_take_much_memory() {
    let folder =
        PathKey::from_components(vec![b"x".repeat(255); PATH_BYTES_MAX / 256 - 1]).expect("a long path");
    let children: Vec<Child> = (0..3_u64)
        .map(|number| child(folder.join(format!("{number}").as_bytes()).expect("room for a name"), number))
        .collect();
    assert!(decode(&Node::Inner { level: 1, children: children[..2].to_vec() }).is_ok());
    let error = decode(&Node::Inner { level: 1, children }).expect_err("three such keys are too many");
    assert_eq!(error.what, "inner node size");
}
