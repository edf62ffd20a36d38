//! Which objects of data are live, approximately and on one side ([`LiveFilter`]): what is in it is never denied.
//!
//! A split-block Bloom filter (Putze, Sanders, Singler: "Cache-, Hash- and Space-Efficient Bloom Filters", 2007, with the
//! blocks and salts of Apache Parquet's BloomFilter.md): one cache line is touched for each question. With 16 bits
//! for each id it says yes to 0.13 percent of those that are not in it (its test measures that). What stays so goes next
//! time, since every collection has another seed. A repository with more ids than the memory allows is marked in
//! several passes, each over one [part](Parts) of the id space.

use farkeep_codec::id::ObjectId;

use super::mix;

#[cfg(test)]
mod tests;

/// Odd, as Apache Parquet has them.
const SALTS: [u32; 8] =
    [0x47b6_137b, 0x4497_4d91, 0x8824_ad5b, 0xa2b7_289d, 0x7054_95c7, 0x2df1_424b, 0x9efc_4947, 0x5c6b_fb31];
/// Bits that each id gets.
const ID_BITS: u64 = 16;
const BLOCK_BITS: u64 = 256;

/// One block: eight words, in each of which an id has one bit.
#[derive(Debug, Clone, Copy)]
#[repr(align(32))]
struct Block([u32; 8]);

/// A set of ids that may hold more than was put in.
#[derive(Debug)]
pub struct LiveFilter {
    blocks: Vec<Block>,
    seed: u64,
}

impl LiveFilter {
    /// An empty one for so many ids.
    pub fn new(ids: u64, seed: u64) -> Self {
        let blocks = usize::try_from(blocks(ids)).expect("a pointer has 64 bits");
        Self { blocks: vec![Block([0; 8]); blocks], seed }
    }

    /// Puts an id in.
    pub fn insert(&mut self, id: &ObjectId) {
        let (block, low) = self.place(id);
        for (word, salt) in self.blocks[block].0.iter_mut().zip(SALTS) {
            *word |= bit(low, salt);
        }
    }

    /// Whether the id may be in it. Yes, if it is.
    pub fn may_contain(&self, id: &ObjectId) -> bool {
        let (block, low) = self.place(id);
        self.blocks[block].0.iter().zip(SALTS).all(|(word, salt)| word & bit(low, salt) != 0)
    }

    /// Bytes of memory that it takes.
    pub fn memory_bytes(&self) -> usize {
        self.blocks.capacity() * size_of::<Block>()
    }

    /// The block of an id, and what says which bits of it.
    fn place(&self, id: &ObjectId) -> (usize, u32) {
        let [_, _, _, _, _, _, _, _, a, b, c, d, e, f, g, h, ..] = *id.as_bytes();
        let hash = mix(u64::from_le_bytes([a, b, c, d, e, f, g, h]) ^ self.seed);
        let [a, b, c, d, e, f, g, h] = hash.to_le_bytes();
        let (low, high) = (u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes([e, f, g, h]));
        let block = (u128::from(high) * self.blocks.len() as u128) >> 32;
        (usize::try_from(block).expect("less than the number of blocks"), low)
    }
}

fn blocks(ids: u64) -> u64 {
    ids.saturating_mul(ID_BITS).div_ceil(BLOCK_BITS).max(1)
}

fn bit(low: u32, salt: u32) -> u32 {
    1 << (low.wrapping_mul(salt) >> 27)
}

/// How the id space is cut: into so many parts, by the first bits of an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parts {
    bits: u32,
}

impl Parts {
    /// As few as it takes for the filter of one part to fit the memory: ids are hashes, so parts are of one size, but for
    /// a hundredth that they may be larger by chance. 65,536 at most.
    pub fn fitting(ids: u64, memory_bytes: u64) -> Self {
        let fits = |bits: &u32| {
            let part = ids >> bits;
            blocks(part.saturating_add(part / 100)).saturating_mul(BLOCK_BITS / 8) <= memory_bytes
        };
        Self { bits: (0..16).find(fits).unwrap_or(16) }
    }

    /// How many there are.
    pub fn count(self) -> u32 {
        1 << self.bits
    }

    /// Which of them an id belongs to, counted from 0.
    pub fn of(self, id: &ObjectId) -> u32 {
        let [first, second, ..] = *id.as_bytes();
        u32::from(u16::from_be_bytes([first, second])) >> (16 - self.bits)
    }
}
