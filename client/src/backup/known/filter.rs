//! A filter over keys that are hashes: what it denies was never added.
//!
//! A Bloom filter whose bits for one key lie in one word (Putze, Sanders, Singler, "Cache-, Hash- and Space-Efficient Bloom
//! Filters", 2007). With 16 bits and 5 of them set for each key about one in a hundred strangers is let through.

/// Keys for one word of 64 bits.
const KEYS_PER_WORD: usize = 4;
/// Bits that are set for one key.
const BITS: u32 = 5;
/// Beyond so many keys there is no filter: it would take more than 32 MiB.
const KEYS_MAX: usize = 16 << 20;

/// The filter.
pub(super) struct Filter {
    words: Vec<u64>,
}

impl Filter {
    /// A filter with room for so many keys, unless they are too many.
    pub(super) fn for_keys(keys: usize) -> Option<Self> {
        (keys <= KEYS_MAX).then(|| Self { words: vec![0; keys / KEYS_PER_WORD + 1] })
    }

    /// Adds a key.
    pub(super) fn add(&mut self, key: &[u8; 32]) {
        let (at, bits) = self.place(key);
        if let Some(word) = self.words.get_mut(at) {
            *word |= bits;
        }
    }

    /// Whether the key may have been added.
    pub(super) fn may_have(&self, key: &[u8; 32]) -> bool {
        let (at, bits) = self.place(key);
        self.words.get(at).is_none_or(|word| word & bits == bits)
    }

    /// The word of a key, and its bits there: from two different parts of the key, which is a hash already.
    fn place(&self, key: &[u8; 32]) -> (usize, u64) {
        let part = |at: usize| {
            let bytes = key.get(at..at + 8).and_then(|part| part.try_into().ok());
            u64::from_le_bytes(bytes.expect("a key has 32 bytes"))
        };
        let at = (u128::from(part(8)) * self.words.len() as u128) >> 64;
        let bits = (0..BITS).fold(0, |bits, bit| bits | 1 << (part(16) >> (6 * bit) & 63));
        (usize::try_from(at).expect("less than the number of words"), bits)
    }
}

#[cfg(test)]
mod tests;
