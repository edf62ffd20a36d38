use proptest::prop_assert_eq;
use proptest::proptest;

use super::*;
use crate::tree::Node;
use crate::tree::encode;
use crate::tree::samples::entries;
use crate::tree::samples::entry;
use crate::tree::samples::path;
use crate::tree::samples::pointer;

proptest! {
    #[test]
    fn samples_are_valid_and_no_lighter_than_their_bytes(entries in entries(20)) {
        let weight: usize = entries.iter().map(Entry::weight_bytes).sum();
        let owners: usize = entries.iter().map(|entry| 20 + entry.owner.user.len() + entry.owner.group.len()).sum();
        let (plain, _) = encode(&Node::Leaf(entries.clone()));
        assert!(plain.len() <= weight + owners + 16, "{} bytes weigh {weight}", plain.len());
        for entry in entries {
            prop_assert_eq!(entry.check(), Ok(()));
        }
    }
}

fn fault(entry: &Entry) -> &'static str {
    entry.check().expect_err("the entry breaks a rule").what
}

fn with_content(bytes: u64, content: Content) -> Entry {
    entry(path("a"), Body::File { bytes, content })
}

#[test]
fn an_error_names_the_path_and_the_rule() {
    let mut odd = entry(path("a\n/b"), Body::Fifo);
    odd.mode = 0o10_644;
    let error = odd.check().expect_err("too many bits");
    assert_eq!(error.to_string(), "entry /a\\n/b: mode has more than the permission bits");
}

#[test]
fn contents_make_up_the_file() {
    let parts = "chunks and holes do not make up the file";
    let chunks = |pointers: &[Pointer], holes: &[(u64, u64)]| Content::Chunks {
        pointers: pointers.to_vec(),
        holes: holes.iter().map(|(offset, bytes)| Hole { offset: *offset, bytes: *bytes }).collect(),
    };
    let ten = pointer(1, 10);
    assert_eq!(with_content(10, chunks(&[ten], &[])).check(), Ok(()));
    assert_eq!(with_content(25, chunks(&[ten], &[(3, 15)])).check(), Ok(()));
    assert_eq!(with_content(15, chunks(&[], &[(0, 15)])).check(), Ok(()));
    assert_eq!(fault(&with_content(11, chunks(&[ten], &[]))), parts);
    assert_eq!(fault(&with_content(25, chunks(&[ten], &[(11, 15)]))), parts);
    assert_eq!(fault(&with_content(0, chunks(&[], &[]))), parts);
    let touching = chunks(&[ten], &[(0, 5), (5, 5)]);
    assert_eq!(fault(&with_content(20, touching)), "holes are empty, touch or do not rise");
    let endless = chunks(&[ten], &[(u64::MAX, 5)]);
    assert_eq!(fault(&with_content(20, endless)), "holes are empty, touch or do not rise");
    assert_eq!(fault(&with_content(1, Content::Empty)), "empty content has a length");
    let empty_list = Content::List { root: ten, height: 0, holes: vec![Hole { offset: 0, bytes: 7 }] };
    assert_eq!(fault(&with_content(7, empty_list)), "content list has nothing to hold");
    let nine = chunks(&[pointer(1, 1); 9], &[]);
    assert_eq!(fault(&with_content(9, nine)), "more chunks than an entry may have without a list");
    let hollow = chunks(&[pointer(1, 0)], &[(0, 7)]);
    assert_eq!(fault(&with_content(7, hollow)), "length of a pointer's plaintext is out of bounds");
    let huge = Content::Slice { bundle: pointer(1, u32::MAX), offset: 0 };
    assert_eq!(fault(&with_content(7, huge)), "length of a pointer's plaintext is out of bounds");
}

#[test]
fn too_much_is_refused() {
    let mut wordy = entry(path("a"), Body::Fifo);
    wordy.owner = Arc::new(Owner { user: vec![b'u'; 256], ..Owner::default() });
    assert_eq!(fault(&wordy), "name of user or group is too long");

    let attribute =
        |name: u16, value: usize| Attribute { name: name.to_be_bytes().to_vec(), value: vec![0; value] };
    let with = |attributes: Vec<Attribute>| Entry { attributes, ..entry(path("a"), Body::Fifo) };
    let name = |number: u16| 0x101 * (number + 1);
    assert_eq!(fault(&with(vec![attribute(name(0), 65_537)])), "value of an attribute is too long");
    let heavy = (0..70).map(|number| attribute(name(number), 65_536)).collect();
    assert_eq!(fault(&with(heavy)), "attributes take more bytes than one entry may have");
    let unnamed = vec![Attribute { name: vec![b'n'; 256], value: Vec::new() }];
    assert_eq!(fault(&with(unnamed)), "name of an attribute is empty, too long or holds a zero byte");

    let long = Body::Symlink { target: vec![b't'; 65_537] };
    assert_eq!(fault(&entry(path("a"), long)), "target of a link is empty or too long");
    let holes = (0..=HOLES_MAX as u64).map(|number| Hole { offset: 2 * number, bytes: 1 }).collect();
    let holey = Content::List { root: pointer(1, 1), height: 0, holes };
    assert_eq!(fault(&with_content(1 << 40, holey)), "more holes than an entry may have");
}

#[test]
fn the_heaviest_entry_fits_an_object() {
    let deep = PathKey::from_components(vec![b"x".repeat(255); 4095]).expect("a long path");
    let holes: Vec<Hole> =
        (1..=HOLES_MAX as u64).map(|number| Hole { offset: number << 40, bytes: 1 << 39 }).collect();
    let bytes = (HOLES_MAX as u64 + 1) << 40;
    let mut heaviest =
        entry(deep, Body::File { bytes, content: Content::List { root: pointer(1, 1), height: 0, holes } });
    let attribute = |number: u8| Attribute { name: vec![b'a', number + 1], value: vec![7; 65_536] };
    heaviest.attributes = (0..63).map(attribute).collect();
    assert_eq!(heaviest.check(), Ok(()));
    let (plain, _) = encode(&Node::Leaf(vec![heaviest]));
    assert!(plain.len() > 5 << 20, "{} bytes", plain.len());
    assert!(plain.len() <= PLAIN_BYTES_MAX);
}
