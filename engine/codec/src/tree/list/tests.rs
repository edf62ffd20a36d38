use std::convert::Infallible;

use proptest::collection::vec;
use proptest::prop_assert_eq;
use proptest::proptest;

use super::*;
use crate::key::Epoch;
use crate::tree::encode;
use crate::tree::samples::Store;
use crate::tree::samples::pointer;

fn build(store: &mut Store, chunks: &[Pointer], holes: Vec<Hole>) -> Content {
    let mut list = ListBuilder::new();
    let mut sink = |node: NodePlain<'_>| store.put(node);
    for chunk in chunks {
        list.push(*chunk, &mut sink).expect("chunks are not empty");
    }
    list.finish(holes, &mut sink).expect("the store takes everything")
}

fn walk(store: &Store, content: &Content) -> Vec<Pointer> {
    let Content::List { root, height, .. } = content else {
        panic!("a list was expected: {content:?}");
    };
    let mut walk = ListWalk::new(*root, *height, |pointer: &Pointer| store.fetch(pointer));
    std::iter::from_fn(|| walk.next_chunk().expect("the list is whole")).collect()
}

fn chunks(numbers: impl Iterator<Item = u64>) -> Vec<Pointer> {
    numbers.map(|number| pointer(number, 1000)).collect()
}

proptest! {
    #[test]
    fn a_list_gives_its_chunks_back(numbers in vec(0..2000_u64, 9..1500)) {
        let mut store = Store::default();
        let chunks = chunks(numbers.into_iter());
        let content = build(&mut store, &chunks, Vec::new());
        prop_assert_eq!(walk(&store, &content), chunks);
    }
}

#[test]
fn few_chunks_stand_in_the_entry() {
    let mut store = Store::default();
    let hole = Hole { offset: 0, bytes: 5 };
    assert_eq!(build(&mut store, &[], Vec::new()), Content::Empty);
    assert_eq!(
        build(&mut store, &[], vec![hole]),
        Content::Chunks { pointers: Vec::new(), holes: vec![hole] }
    );
    let eight = chunks(0..8);
    let content = build(&mut store, &eight, vec![hole]);
    assert_eq!(content, Content::Chunks { pointers: eight, holes: vec![hole] });
    assert_eq!(store.len(), 0);
    let content = build(&mut store, &chunks(0..9), vec![hole]);
    assert!(matches!(content, Content::List { height: 0, ref holes, .. } if *holes == [hole]), "{content:?}");
    assert_eq!(store.len(), 1);
}

#[test]
fn an_edit_changes_the_nodes_above_it_only() {
    let mut store = Store::default();
    let mut chunks = chunks(0..30_000);
    let content = build(&mut store, &chunks, Vec::new());
    assert!(matches!(content, Content::List { height: 2, .. }), "{content:?}");
    assert_eq!(walk(&store, &content), chunks);
    let mut changed = 0;
    for number in 0..20_u64 {
        let place = usize::try_from(number * 1499).expect("small numbers");
        let nodes = store.len();
        match number % 3 {
            0 => chunks[place] = pointer(1_000_000 + number, 1000),
            1 => chunks.insert(place, pointer(1_000_000 + number, 1000)),
            _ => drop(chunks.remove(place)),
        }
        let content = build(&mut store, &chunks, Vec::new());
        assert_eq!(walk(&store, &content), chunks);
        changed += store.len() - nodes;
    }
    assert!(changed <= 20 * 5, "{changed} nodes changed by 20 edits");
}

#[test]
fn repeated_chunks_stand_once() {
    let mut store = Store::default();
    let zeros = vec![pointer(7, 1 << 20); 20 << 10];
    let content = build(&mut store, &zeros, Vec::new());
    assert_eq!(walk(&store, &content), zeros);
    assert!(store.len() <= 4, "{} nodes", store.len());
}

#[test]
fn bytes_are_as_documented() {
    let (one, two) = (pointer(1, 100), pointer(2, 200));
    let seeds = [one.seed.as_bytes().as_slice(), two.seed.as_bytes()].concat();
    let lowest = Node::List { height: 0, pointers: vec![one, two, one], bytes: vec![100, 200, 100] };
    let (plain, references) = encode(&lowest);
    let expected: &[&[u8]] = &[
        &[0x03],             // content list
        &[0x64, 0xc8, 0x01], // lengths of plaintexts: 100, 200
        &[0x00],             // height 0
        &[0x03],             // three pointers
        &[0x00, 0x00, 0x01], // next new, next new, number 0 again
        &seeds,
    ];
    assert_eq!(plain, expected.concat());
    assert_eq!(references, [one.id, two.id]);
    let higher = Node::List { height: 1, pointers: vec![one, two], bytes: vec![5, 300] };
    let (plain, _) = encode(&higher);
    let expected: &[&[u8]] = &[
        &[0x03, 0x64, 0xc8, 0x01, 0x01, 0x02, 0x00, 0x00],
        &[0x05, 0xac, 0x02], // bytes of the file below each
        &seeds,
    ];
    assert_eq!(plain, expected.concat());
}

#[test]
fn lists_that_are_none_are_refused() {
    let decode = |height, pointers: Vec<Pointer>, bytes: Vec<u64>| {
        let (plain, references) = encode(&Node::List { height, pointers, bytes });
        Node::decode(&plain, &references, Epoch::FIRST)
    };
    let one = pointer(1, 100);
    assert!(decode(16, vec![one], vec![100]).is_ok());
    assert!(decode(17, vec![one], vec![100]).is_err());
    assert!(decode(0, Vec::new(), Vec::new()).is_err());
    assert!(decode(1, vec![one], vec![0]).is_err());
    assert!(decode(1, vec![one, one], vec![u64::MAX, 1]).is_err());
    assert!(decode(0, vec![one; 1024], vec![100; 1024]).is_ok());
    assert!(decode(0, vec![one; 1025], vec![100; 1025]).is_err());
}

#[test]
fn a_list_put_together_wrongly_is_not_followed() {
    let mut store = Store::default();
    let mut put = |height, pointers: Vec<Pointer>, bytes: Vec<u64>| {
        let (plain, references) = encode(&Node::List { height, pointers, bytes });
        store.put(NodePlain { plain: &plain, references: &references }).expect("the store takes everything")
    };
    let low = put(0, vec![pointer(1, 100)], vec![100]);
    let good = put(1, vec![low], vec![100]);
    let long = put(1, vec![low], vec![101]);
    let high = put(2, vec![low], vec![100]);
    let first = |root, height| {
        ListWalk::new(root, height, |pointer: &Pointer| store.fetch(pointer)).next_chunk::<Malformed>()
    };
    assert_eq!(first(good, 1), Ok(Some(pointer(1, 100))));
    assert_eq!(first(good, 2).expect_err("not that high").what, "content list: wrong height");
    assert_eq!(first(high, 2).expect_err("a level is missing").what, "content list: wrong height");
    assert_eq!(first(long, 1).expect_err("too short").what, "content list: wrong length");
    let leaf = Store::default().build(&[]).pointer;
    assert!(first(leaf, 0).is_err());
}

#[test]
fn a_chunk_without_bytes_is_refused() {
    let mut list = ListBuilder::new();
    let mut sink = |_: NodePlain<'_>| -> Result<Pointer, Infallible> { panic!("nothing is full") };
    assert!(matches!(list.push(pointer(1, 0), &mut sink), Err(BuildError::Pointer { .. })));
}
