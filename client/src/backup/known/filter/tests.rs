use super::Filter;

fn key(number: u32) -> [u8; 32] {
    *blake3::hash(&number.to_le_bytes()).as_bytes()
}

#[test]
fn what_was_added_is_never_denied_and_few_others_are_let_through() {
    let mut filter = Filter::for_keys(10_000).expect("they are few");
    (0..10_000).for_each(|number| filter.add(&key(number)));
    assert!((0..10_000).all(|number| filter.may_have(&key(number))));
    let strangers = (10_000..110_000).filter(|number| filter.may_have(&key(*number))).count();
    assert!(strangers < 3_000, "{strangers} of 100,000");
    assert!(Filter::for_keys(super::KEYS_MAX + 1).is_none());
}
