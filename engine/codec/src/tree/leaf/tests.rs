use super::*;
use crate::id::ObjectId;
use crate::key::Epoch;
use crate::layout::Malformed;
use crate::limits::PATH_BYTES_MAX;
use crate::time::Time;
use crate::tree::Content;
use crate::tree::Flags;
use crate::tree::Hole;
use crate::tree::Node;
use crate::tree::PathKey;
use crate::tree::encode;
use crate::tree::samples::entry;
use crate::tree::samples::path;
use crate::tree::samples::pointer;

fn decode(entries: &[Entry]) -> Result<Node, Malformed> {
    let (plain, references) = encode(&Node::Leaf(entries.to_vec()));
    Node::decode(&plain, &references, Epoch::FIRST)
}

fn file(name: &str, bytes: u64, content: Content) -> Entry {
    entry(path(name), Body::File { bytes, content })
}

fn slice(name: &str, bytes: u64, bundle: u64, offset: u32) -> Entry {
    file(name, bytes, Content::Slice { bundle: pointer(bundle, 1000), offset })
}

fn seeds(numbers: &[u64]) -> Vec<u8> {
    numbers.iter().flat_map(|number| *pointer(*number, 1).seed.as_bytes()).collect()
}

#[test]
fn common_columns_are_as_documented() {
    let root = Arc::new(Owner::default());
    let mut entries = vec![
        entry(path("home"), Body::Ancestor),
        entry(path("home/ann"), Body::Folder),
        slice("home/ann/a.txt", 300, 1, 0),
        slice("home/ann/b.txt", 5, 1, 300),
        slice("home/ann/c.txt", 5, 2, 10),
        slice("home/ann/d.txt", 5, 1, 305),
    ];
    entries[0].mode = 0o755;
    entries[0].owner = root;
    entries[0].modified = Time::default();
    entries[1].mode = 0o755;
    entries[3].modified = Time::from_nanoseconds(1_760_000_001_000_000_007);
    entries[4].modified = Time::from_nanoseconds(1_760_000_001_000_000_007);
    entries[5].modified = Time::from_nanoseconds(-1);
    let attribute = |name: &[u8], value: &[u8]| Attribute { name: name.to_vec(), value: value.to_vec() };
    for entry in &mut entries[3..5] {
        entry.attributes = vec![attribute(b"user.a", b"1"), attribute(b"user.b", b"")];
    }
    entries[5].flags = Flags { inconsistent: true };

    let (plain, references) = encode(&Node::Leaf(entries.clone()));
    let expected: &[&[u8]] = &[
        &[0x01],                                                 // leaf
        &[0xe8, 0x07, 0xe8, 0x07],                               // lengths of the bundles: 1000, 1000
        &[0x06],                                                 // six entries
        &[0x02],                                                 // two owners
        &[0x00, 0x00, 0x00, 0x00],                               // 0, 0, no names
        &[0xe8, 0x07, 0x64, 0x03, 0x61, 0x6e, 0x6e],             // 1000, 100, "ann"
        &[0x05, 0x75, 0x73, 0x65, 0x72, 0x73],                   // "users"
        &[0x01, 0x02],                                           // one set of two attributes
        &[0x06, 0x75, 0x73, 0x65, 0x72, 0x2e, 0x61, 0x01, 0x31], // "user.a" = "1"
        &[0x06, 0x75, 0x73, 0x65, 0x72, 0x2e, 0x62, 0x00],       // "user.b" = ""
        &[0x05],                                                 // five classes
        &[0x02, 0xed, 0x03, 0x00, 0x00, 0x00],                   // ancestor, 0755, owner 0
        &[0x01, 0xed, 0x03, 0x01, 0x00, 0x00],                   // folder, 0755, owner 1
        &[0x04, 0xa4, 0x03, 0x01, 0x00, 0x00],                   // file as slice, 0644
        &[0x04, 0xa4, 0x03, 0x01, 0x01, 0x00],                   // with attributes 0
        &[0x04, 0xa4, 0x03, 0x01, 0x00, 0x01],                   // inconsistent
        b"home/\0ann/\0a.txt/b.txt/c.txt/d.txt/",                // new parts of the paths
        &[0x00, 0x04, 0x08, 0x09, 0x09, 0x09],                   // shared bytes
        &[0x00, 0x01, 0x02, 0x03, 0x03, 0x04],                   // classes
        &[0x80, 0xe0, 0xbb, 0x8e, 0x0d, 0x00, 0x02, 0x00],       // seconds: 1760000000, +0, +1, +0
        &[0x83, 0xe0, 0xbb, 0x8e, 0x0d],                         // and back to -1
        &[0x00, 0x00, 0x02, 0x01, 0x02],                         // whole, whole, own, same, own
        &[0x07, 0x00, 0x00, 0x00, 0xff, 0xc9, 0x9a, 0x3b],       // 7, 999999999 nanoseconds
        &[0x01, 0x00, 0x00, 0x00],                               // high parts of lengths
        &[0x2c, 0x05, 0x05, 0x05],                               // low bytes of lengths
        &[0x01, 0x00, 0x02, 0x03],                               // new, follows, new with a gap, known 0
        &[0x14],                                                 // the gap: 10
        &seeds(&[1, 2]),
    ];
    assert_eq!(plain, expected.concat());
    assert_eq!(references, [pointer(1, 1).id, pointer(2, 1).id]);
    assert_eq!(Node::decode(&plain, &references, Epoch::FIRST), Ok(Node::Leaf(entries)));
}

#[test]
fn rare_columns_are_as_documented() {
    let hole = |offset, bytes| Hole { offset, bytes };
    let chunked = |pointers, holes| Content::Chunks { pointers, holes };
    let listed = Content::List { root: pointer(3, 700), height: 1, holes: vec![hole(1, 2)] };
    let mut entries = vec![
        file("a", 205, chunked(vec![pointer(1, 100), pointer(1, 100)], vec![hole(0, 3), hole(103, 2)])),
        file("b", 100, chunked(vec![pointer(1, 100)], Vec::new())),
        file("c", 0x12345, listed),
        file("d", 0, Content::Empty),
        entry(path("e"), Body::Image { bytes: 5, content: chunked(vec![pointer(2, 5)], Vec::new()) }),
        entry(path("f"), Body::Symlink { target: b"../x".to_vec() }),
        entry(path("g"), Body::HardLink { first: path("a") }),
        entry(path("g/h"), Body::HardLink { first: path("g/a") }),
        entry(path("h"), Body::CharDevice { major: 5, minor: 1 }),
        entry(path("i"), Body::BlockDevice { major: 259, minor: 0 }),
        entry(path("j"), Body::Fifo),
        entry(path("k"), Body::Socket),
    ];
    entries.iter_mut().for_each(|entry| entry.modified = Time::default());
    let (plain, references) = encode(&Node::Leaf(entries.clone()));
    let kinds = [5, 6, 3, 9, 11, 12, 15, 16, 13, 14];
    let classes: Vec<u8> = kinds.iter().flat_map(|kind| [*kind, 0xa4, 0x03, 0x00, 0x00, 0x00]).collect();
    let expected: &[&[u8]] = &[
        &[0x01, 0x64, 0xbc, 0x05, 0x05], // leaf; lengths of plaintexts: 100, 700, 5
        &[0x0c],                         // twelve entries
        &[0x01, 0xe8, 0x07, 0x64],       // one owner: 1000, 100
        b"\x03ann\x05users",             // and the names
        &[0x00],                         // no attributes
        &[0x0a],                         // ten classes
        &classes,
        b"a/b/c/d/e/f/g/\0h/h/i/j/k/",         // new parts of the paths
        &[0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0], // shared bytes
        &[0, 0, 1, 2, 3, 4, 5, 5, 6, 7, 8, 9], // classes
        &[0; 12],                              // seconds
        &[0; 12],                              // form of the times: whole
        &[0xa3, 0x02, 0x45],                   // length of the list: 0x123 and 0x45
        &[0x02, 0x01, 0x01],                   // numbers of chunks
        &[0x00, 0x01, 0x01, 0x00, 0x00],       // new, 0, 0 | new root | new
        &[0x01],                               // height of the list
        &[0x02, 0x00, 0x01, 0x00],             // numbers of holes
        &[0x00, 0x03, 0x64, 0x02, 0x01, 0x02], // gaps and lengths of holes
        b"\x04../x",                           // target of the link
        &[0x00, 0x01, 0x61, 0x02, 0x01, 0x61], // hard links: 0 + "a", 2 + "a"
        &[0x05, 0x01, 0x83, 0x02, 0x00],       // devices: 5, 1 and 259, 0
        &seeds(&[1, 3, 2]),
    ];
    assert_eq!(plain, expected.concat());
    assert_eq!(Node::decode(&plain, &references, Epoch::FIRST), Ok(Node::Leaf(entries)));
}

#[test]
fn a_leaf_without_entries_is_short() {
    let (plain, references) = encode(&Node::Leaf(Vec::new()));
    assert_eq!(plain, [0x01, 0x00, 0x00, 0x00, 0x00]);
    assert_eq!(Node::decode(&plain, &references, Epoch::FIRST), Ok(Node::Leaf(Vec::new())));
}

#[test]
fn a_writer_begins_anew_when_it_is_cleared() {
    let mut leaf = LeafWriter::new();
    leaf.push(&slice("a", 5, 1, 10));
    leaf.push(&slice("b", 5, 2, 0));
    leaf.clear();
    assert_eq!((leaf.entries(), leaf.weight_bytes()), (0, 0));
    leaf.push(&slice("b", 5, 2, 0));
    let mut writer = Writer::new();
    leaf.write(&mut writer);
    assert_eq!(writer.as_bytes(), encode(&Node::Leaf(vec![slice("b", 5, 2, 0)])).0);
}

#[test]
fn files_in_a_row_cost_no_placement() {
    let placed = |offset_of: fn(u32) -> u32| {
        let files = (0..100).map(|number: u32| slice(&format!("{number:02}"), 10, 1, offset_of(number)));
        encode(&Node::Leaf(files.collect())).0
    };
    let in_a_row = placed(|number| 10 * number);
    let zeros = in_a_row.windows(99).any(|run| run.iter().all(|byte| *byte == 0));
    assert!(zeros, "99 slices that follow the first");
    assert!(in_a_row.len() + 99 <= placed(|number| 990 - 10 * number).len());
}

#[test]
fn contents_that_cannot_be_are_refused() {
    let refused = |entries: &[Entry], what: &str| {
        assert_eq!(decode(entries).expect_err("breaks a rule").what, what);
    };
    assert!(decode(&[slice("a", 1000, 1, 0)]).is_ok());
    refused(&[slice("a", 1001, 1, 0)], "leaf entry");
    refused(&[slice("a", 1, 1, 1000)], "leaf entry");
    refused(&[slice("a", 0, 1, 0)], "leaf entry");
    let holes = |holes: &[(u64, u64)]| {
        let holes: Vec<Hole> =
            holes.iter().map(|(offset, bytes)| Hole { offset: *offset, bytes: *bytes }).collect();
        let bytes = holes.iter().map(|hole| hole.bytes).sum::<u64>() + 10;
        file("a", bytes, Content::Chunks { pointers: vec![pointer(1, 10)], holes })
    };
    assert!(decode(&[holes(&[(0, 5), (6, 5), (20, 1)])]).is_ok());
    refused(&[holes(&[(0, 5), (5, 5)])], "leaf entry");
    refused(&[holes(&[(0, 5), (16, 1)])], "leaf entry");
    refused(&[holes(&[(3, 0)])], "leaf entry");
    let nine = Content::Chunks { pointers: vec![pointer(1, 1); 9], holes: Vec::new() };
    refused(&[file("a", 9, nine)], "number of chunks");
    let high = Content::List { root: pointer(1, 1), height: 17, holes: Vec::new() };
    refused(&[file("a", 9, high)], "leaf entry");
}

#[test]
fn things_that_cannot_be_are_refused() {
    let refused = |entry: Entry, what: &str| {
        assert_eq!(decode(&[entry]).expect_err("breaks a rule").what, what);
    };
    let a = || entry(path("a"), Body::Fifo);
    refused(Entry { mode: 0o10_000, ..a() }, "class mode or owner");
    refused(Entry { body: Body::Symlink { target: Vec::new() }, ..a() }, "leaf entry");
    refused(Entry { body: Body::Symlink { target: b"a\0".to_vec() }, ..a() }, "leaf entry");
    refused(Entry { body: Body::HardLink { first: path("a") }, ..a() }, "leaf entry");
    refused(Entry { body: Body::HardLink { first: path("b") }, ..a() }, "leaf entry");
    refused(Entry { body: Body::HardLink { first: PathKey::root() }, ..a() }, "leaf entry");
    let attribute = |name: &[u8]| Attribute { name: name.to_vec(), value: Vec::new() };
    refused(Entry { attributes: vec![attribute(b"")], ..a() }, "attributes");
    refused(Entry { attributes: vec![attribute(b"b"), attribute(b"a")], ..a() }, "attributes");
    refused(Entry { attributes: vec![attribute(b"a"), attribute(b"a")], ..a() }, "attributes");
    refused(Entry { attributes: vec![attribute(b"a")], body: Body::Ancestor, ..a() }, "leaf entry");
    assert!(decode(&[a(), a()]).is_err());
}

/// Every form other than the one that is written is refused, here the bytes of `b` in place of those of `a`.
#[test]
fn tables_have_one_order() {
    let (plain, references) = encode(&Node::Leaf(vec![slice("a", 5, 1, 0), slice("b", 5, 2, 0)]));
    let swapped: Vec<ObjectId> = references.iter().rev().copied().collect();
    assert!(
        Node::decode(&plain, &swapped, Epoch::FIRST).is_ok(),
        "the order of ids is the writer's to choose"
    );
    let twice = vec![references[0]; 2];
    let mut same_seeds = plain.clone();
    let seeds_at = plain.len() - 64;
    same_seeds.copy_within(seeds_at..seeds_at + 32, seeds_at + 32);
    let error = Node::decode(&same_seeds, &twice, Epoch::FIRST).expect_err("one pointer stands twice");
    assert_eq!(error.what, "leaf pointers");
    let unused = [references.as_slice(), &[pointer(3, 1).id]].concat();
    assert!(Node::decode(&plain, &unused, Epoch::FIRST).is_err());
}

#[test]
fn entries_that_share_much_do_not_take_much_memory() {
    let folder =
        PathKey::from_components(vec![b"x".repeat(255); PATH_BYTES_MAX / 256 - 1]).expect("a long path");
    let below = |number: u32| folder.join(format!("{number:04}").as_bytes()).expect("room for a name");
    let deep: Vec<Entry> = (0..2).map(|number| entry(below(number), Body::Fifo)).collect();
    assert!(decode(&deep[..1]).is_ok());
    assert_eq!(decode(&deep).expect_err("two such paths").what, "leaf entry");

    let linked: Vec<Entry> = [entry(below(0), Body::HardLink { first: folder.clone() })].into();
    assert!(decode(&linked).is_ok());
    let mut rich = entry(path("a"), Body::Fifo);
    let attribute = |number: u8| Attribute { name: vec![b'a', number + 1], value: vec![7; 60_000] };
    rich.attributes = (0..60).map(attribute).collect();
    assert!(decode(std::slice::from_ref(&rich)).is_ok());
    let twice = [rich.clone(), Entry { path: path("b"), ..rich }];
    assert_eq!(decode(&twice).expect_err("two such sets of attributes").what, "leaf entry");
}

#[test]
fn too_many_entries_are_refused() {
    let entries: Vec<Entry> = (0..1025).map(|n| entry(path(&format!("{n:04}")), Body::Fifo)).collect();
    assert!(decode(&entries[..1024]).is_ok());
    assert_eq!(decode(&entries).expect_err("one too many").what, "leaf entries");
}

#[test]
fn times_that_do_not_fit_are_refused() {
    let (plain, references) = encode(&Node::Leaf(vec![entry(path("a"), Body::Fifo)]));
    // The seconds of the only entry are the last varint; i64::MAX seconds are no nanoseconds.
    let mut far = plain[..plain.len() - 6].to_vec();
    far.extend_from_slice(&[0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01, 0x00]);
    assert_eq!(Node::decode(&far, &references, Epoch::FIRST).expect_err("beyond all times").what, "seconds");
}
