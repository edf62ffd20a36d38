use super::*;

/// Under glibc a mapping begins with a page, and what lies in it behind 16 bytes of the allocator's own. What the heap has
/// left is used up first, so that only the last of many is looked at.
#[test]
fn large_buffers_are_mappings_of_their_own() {
    give_back_buffers();
    // From this, glibc would learn to take what is smaller from the heap.
    drop(Vec::<u8>::with_capacity(4 << 20));
    let buffers: Vec<Vec<u8>> = (0..200).map(|_| Vec::with_capacity(1 << 20)).collect();
    let last = buffers.last().expect("there are many").as_ptr().addr();
    assert_eq!(last % 4096, 16, "it comes from the heap");
}
