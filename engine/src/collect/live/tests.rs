use proptest::prelude::*;

use super::*;

const IDS: u32 = 100_000;

fn id(number: u32) -> ObjectId {
    ObjectId::from_bytes(*blake3::hash(&number.to_le_bytes()).as_bytes())
}

fn filled(seed: u64) -> LiveFilter {
    let mut filter = LiveFilter::new(u64::from(IDS), seed);
    (0..IDS).for_each(|number| filter.insert(&id(number)));
    filter
}

/// What the filter says yes to, of ids that are not in it.
fn false_yes(filter: &LiveFilter) -> Vec<u32> {
    (IDS..6 * IDS).filter(|number| filter.may_contain(&id(*number))).collect()
}

/// With these seeds, to 654 and 667 of half a million.
#[test]
fn it_says_yes_to_few_others_and_to_different_ones_with_another_seed() {
    let filters = [1, 2].map(filled);
    for filter in &filters {
        assert_eq!(filter.memory_bytes(), 200_000, "16 bits for each id");
        assert!((0..IDS).all(|number| filter.may_contain(&id(number))), "what is in it is never denied");
    }
    let [first, second] = filters.each_ref().map(false_yes);
    for (seed, yes) in [(1, first.len()), (2, second.len())] {
        assert!((250..1000).contains(&yes), "seed {seed}: {yes} of 500,000");
    }
    let again = first.iter().filter(|number| filters[1].may_contain(&id(**number))).count();
    assert!(again * 50 < first.len(), "{again} of {} stay with another seed, too", first.len());
}

#[test]
fn an_empty_one_denies_everything() {
    let filter = LiveFilter::new(0, 5);
    assert!((0..1000).all(|number| !filter.may_contain(&id(number))));
}

#[test]
fn parts_fit_the_memory() {
    let million = 1_000_000;
    assert_eq!(Parts::fitting(0, 0).count(), 1 << 16, "it does what it can");
    assert_eq!(Parts::fitting(million, 3 * million).count(), 1);
    assert_eq!(Parts::fitting(million, 2 * million).count(), 2, "a part may be larger by a hundredth");
    assert_eq!(Parts::fitting(1000 * million, 256 << 20).count(), 8, "10^9 ids in 256 MiB");
    assert_eq!(Parts::fitting(u64::MAX, 256 << 20).count(), 1 << 16);
}

proptest! {
    #[test]
    fn what_was_put_in_is_there(ids in prop::collection::vec(any::<[u8; 32]>(), 1..300), seed in any::<u64>(), room in 0..400_u64) {
        let mut filter = LiveFilter::new(room, seed);
        let ids: Vec<ObjectId> = ids.into_iter().map(ObjectId::from_bytes).collect();
        for id in &ids {
            filter.insert(id);
        }
        prop_assert!(ids.iter().all(|id| filter.may_contain(id)));
    }

    #[test]
    fn every_id_belongs_to_one_part(bytes in any::<[u8; 32]>(), bits in 0..=16_u32) {
        let parts = Parts { bits };
        let first = u32::from_be_bytes([0, 0, bytes[0], bytes[1]]);
        let part = parts.of(&ObjectId::from_bytes(bytes));
        prop_assert_eq!(part, first / (65_536 / parts.count()));
        prop_assert!(part < parts.count());
    }
}
