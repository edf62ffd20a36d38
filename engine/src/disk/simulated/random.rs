//! A small generator of numbers that a seed decides.
//!
//! SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", OOPSLA 2014). A simulated run
//! must come out the same on every machine and with every version of every library, so no other generator will do.

#[derive(Debug, Clone)]
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`, which is not zero. The bias is far below what a test could notice.
    pub(super) fn below(&mut self, bound: usize) -> usize {
        let bound = u64::try_from(bound).expect("a count in memory fits 64 bits");
        usize::try_from(self.next() % bound).expect("less than a count in memory")
    }

    /// True `parts` times out of `whole`.
    pub(super) fn chance(&mut self, parts: usize, whole: usize) -> bool {
        self.below(whole) < parts
    }
}
