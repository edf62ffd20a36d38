use std::collections::HashMap;

use farkeep_codec::id::RepositoryId;
use farkeep_codec::key::DomainKeys;
use farkeep_codec::key::DomainSecret;
use proptest::prelude::any;
use proptest::prop_assert_eq;
use proptest::proptest;

use super::Known;

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
            known.insert(key(number % 512), *value)?;
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
        known.insert(key(number), [1; 4]).expect("space");
    }
    known.save().expect("space");
    let path = folder.path().join("seeds.0");
    let mut bytes = std::fs::read(&path).expect("the run");
    bytes[44 * 50 + 33] ^= 1;
    std::fs::write(&path, bytes).expect("space");
    let known = Known::<4>::open(folder.path(), "seeds", &keys());
    assert_eq!((0..100).filter(|number| known.find(&key(*number)).is_some()).count(), 99);
}
