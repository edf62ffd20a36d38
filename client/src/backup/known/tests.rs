use std::collections::HashMap;

use farkeep_codec::id::RepositoryId;
use farkeep_codec::key::DomainKeys;
use farkeep_codec::key::DomainSecret;
use proptest::prelude::any;
use proptest::prop_assert_eq;
use proptest::proptest;

use super::Known;
use super::WINDOW_RECORDS;
use super::search;

fn keys() -> DomainKeys {
    DomainKeys::derive(&DomainSecret::from_bytes([7; 32]), RepositoryId::from_bytes([8; 32]))
}

fn key(number: u16) -> [u8; 32] {
    *keys().file_hash(&number.to_le_bytes()).as_bytes()
}

proptest! {
    #[test]
    fn it_answers_like_a_map_over_saves_merges_and_reopenings(
        steps in proptest::collection::vec((any::<u16>(), any::<[u8; 4]>(), 0..12_u8), 1..400),
    ) {
        let folder = tempfile::tempdir()?;
        let mut known = Known::<4>::open(folder.path(), "seeds", &keys());
        let mut model = HashMap::new();
        for (number, value, step) in &steps {
            known.insert(key(number % 512), *value);
            model.insert(number % 512, *value);
            if *step == 0 {
                known.save()?;
            }
        }
        known.save()?;
        let known = Known::<4>::open(folder.path(), "seeds", &keys());
        for number in 0..512 {
            prop_assert_eq!(known.find(&key(number)), model.get(&number).copied());
        }
    }
}

#[test]
fn a_damaged_record_is_not_found_and_the_others_are() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut known = Known::<4>::open(folder.path(), "seeds", &keys());
    for number in 0..100 {
        known.insert(key(number), [1; 4]);
    }
    known.save().expect("space");
    let path = folder.path().join("seeds.0");
    let mut bytes = std::fs::read(&path).expect("the run");
    bytes[44 * 50 + 33] ^= 1;
    std::fs::write(&path, bytes).expect("space");
    let known = Known::<4>::open(folder.path(), "seeds", &keys());
    assert_eq!((0..100).filter(|number| known.find(&key(*number)).is_some()).count(), 99);
}

/// Sorted keys as records without values.
fn records(mut keys: Vec<[u8; 32]>) -> Vec<u8> {
    keys.sort_unstable();
    keys.concat()
}

/// Whether a key is among the records, and how often they had to be read.
fn looked_up(key: &[u8; 32], records: &[u8]) -> (bool, usize) {
    let mut window = [0; WINDOW_RECORDS * 32];
    let mut reads = 0;
    let read = |start: usize, window: &mut [u8]| {
        reads += 1;
        window.copy_from_slice(&records[start * 32..][..window.len()]);
        Ok(())
    };
    let found = search(key, records.len() / 32, 32, &mut window, read).expect("memory can be read");
    (found == Some(key.as_slice()), reads)
}

#[test]
fn a_key_is_found_or_missed_with_few_reads() {
    let spread = |number: u32| *keys().file_hash(&number.to_le_bytes()).as_bytes();
    let all = records((0..100_000).map(spread).collect());
    let mut total = 0;
    for number in (0..200_000).step_by(41) {
        let (found, reads) = looked_up(&spread(number), &all);
        assert_eq!(found, number < 100_000, "{number}");
        total += reads;
    }
    let lookups = 200_000_usize.div_ceil(41);
    assert!(total < 3 * lookups, "{total} reads for {lookups} keys");
}

#[test]
fn keys_that_crowd_together_cost_more_reads_and_no_more() {
    // All but the last 4 bytes are equal, as no hashes are.
    let crowded = |number: u32| {
        let mut key = [7; 32];
        key[28..].copy_from_slice(&number.to_be_bytes());
        key
    };
    let all = records((0..100_000).map(|number| crowded(2 * number)).collect());
    for number in (0..200_000).step_by(97) {
        let (found, reads) = looked_up(&crowded(number), &all);
        assert_eq!(found, number % 2 == 0, "{number}");
        assert!(reads < 32, "{reads} reads for {number}");
    }
    for key in [[0; 32], [7; 32], [255; 32]] {
        assert!(!looked_up(&key, &[]).0);
        assert!(looked_up(&key, &all).1 < 32);
    }
}
