use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

fn id(first: u8, twelfth: u8, last: u8) -> ObjectId {
    let mut bytes = [0; 32];
    (bytes[0], bytes[11], bytes[31]) = (first, twelfth, last);
    ObjectId::from_bytes(bytes)
}

fn found(table: &NodeTable, id: &ObjectId) -> Vec<u32> {
    let mut found: Vec<u32> = table.find(id).collect();
    found.sort_unstable();
    found
}

#[test]
fn nodes_whose_ids_begin_alike_are_all_found() {
    let mut table = NodeTable::new(0, 7);
    table.insert(&id(1, 2, 3), 10);
    table.insert(&id(1, 2, 4), 30);
    table.insert(&id(1, 2, 3), 20);
    table.insert(&id(1, 3, 3), 40);
    assert_eq!(found(&table, &id(1, 2, 3)), [10, 20, 30]);
    assert_eq!(found(&table, &id(1, 3, 9)), [40]);
    assert_eq!(found(&table, &id(2, 2, 3)), [0; 0]);
    assert_eq!(table.count(), 4);
}

#[test]
fn a_node_takes_sixteen_bytes_and_what_stays_empty() {
    let nodes = 700_000;
    let mut table = NodeTable::new(nodes, 1);
    let room = table.memory_bytes();
    for number in 0..u32::try_from(nodes).expect("few") {
        table.insert(&ObjectId::from_bytes(*blake3::hash(&number.to_le_bytes()).as_bytes()), number);
    }
    assert_eq!(table.memory_bytes(), room, "it has room for as many as were announced");
    assert_eq!(room, 16 << 20);
    let longest = longest_run(&table);
    assert!(longest < 200, "{longest} slots in a row are taken");
}

/// Ids that differ in their upper bits alone, as somebody would make them who knows the table and not its seed.
#[test]
fn nodes_cannot_be_made_to_crowd_together() {
    let mut table = NodeTable::new(60_000, 0x1234_5678);
    for number in 0..60_000_u32 {
        let mut bytes = [0; 32];
        bytes[4..8].copy_from_slice(&number.to_le_bytes());
        table.insert(&ObjectId::from_bytes(bytes), number);
    }
    let longest = longest_run(&table);
    assert!(longest < 200, "{longest} slots in a row are taken");
}

fn longest_run(table: &NodeTable) -> usize {
    let taken = table.slots.split(|slot| slot.number == EMPTY);
    taken.map(<[Slot]>::len).max().unwrap_or_default()
}

proptest! {
    #[test]
    fn it_is_a_map(
        nodes in prop::collection::vec((0..40_u8, 0..2_u8, 0..2_u8), 0..200),
        room in 0..100_usize,
        seed in any::<u64>(),
    ) {
        let mut table = NodeTable::new(room, seed);
        let mut naive: BTreeMap<(u8, u8), Vec<u32>> = BTreeMap::new();
        for (number, (first, twelfth, last)) in (0..).zip(&nodes) {
            table.insert(&id(*first, *twelfth, *last), number);
            naive.entry((*first, *twelfth)).or_default().push(number);
        }
        prop_assert_eq!(table.count(), nodes.len());
        for first in 0..50 {
            for twelfth in 0..3 {
                let expected = naive.get(&(first, twelfth)).cloned().unwrap_or_default();
                prop_assert_eq!(found(&table, &id(first, twelfth, 0)), expected);
            }
        }
    }
}
