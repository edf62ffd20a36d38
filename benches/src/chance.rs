//! Numbers and texts from a seed: the same each time, so that a measurement can be repeated.

/// What is drawn from.
#[derive(Debug)]
pub struct Chance(blake3::OutputReader);

impl Chance {
    /// All that follows from a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof())
    }

    /// A number below `end`, which is not 0.
    pub fn below(&mut self, end: u64) -> u64 {
        let mut bytes = [0; 8];
        self.0.fill(&mut bytes);
        u64::from_le_bytes(bytes) % end
    }

    /// So many bytes of sixty-four letters: they compress by a quarter, and hold nothing twice.
    pub fn text(&mut self, bytes: usize) -> Vec<u8> {
        let mut text = vec![0; bytes];
        self.0.fill(&mut text);
        text.iter_mut().for_each(|byte| *byte = b' ' + (*byte & 63));
        text
    }
}
