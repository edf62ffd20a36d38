//! Cut points inside one file.

use std::fmt;

use fastcdc::v2020::Normalization;
use fastcdc::v2020::cut_gear;
use fastcdc::v2020::select_masks;

use crate::key::DomainKeys;
use crate::parameters;
use crate::parameters::Parameters;

#[cfg(test)]
mod tests;

/// Whether more of the file follows the bytes at hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tail {
    /// More may follow.
    More,
    /// The file ends here.
    End,
}

/// Cuts large files where their content says so: FastCDC (Xia et al., "FastCDC: a Fast and Efficient
/// Content-Defined Chunking Approach for Data Deduplication", USENIX ATC 2016, and "The Design of Fast
/// Content-Defined Chunking for Data Deduplication Based Storage Systems", IEEE TPDS 31(9), 2020), with a gear
/// table of the repository's own.
#[derive(Clone)]
pub struct Chunker {
    min: usize,
    average: usize,
    max: usize,
    mask_strict: u64,
    mask_generous: u64,
    gear: Box<[u64; 256]>,
    gear_shifted: Box<[u64; 256]>,
}

impl Chunker {
    /// The chunker of the repository with these keys and parameters.
    pub fn new(keys: &DomainKeys, parameters: &Parameters) -> Self {
        let parameters::Chunker::FastCdcKeyed { min, average, max } = parameters.chunker;
        let gear = Box::new(keys.gear());
        let gear_shifted = Box::new(gear.map(|number| number << 1));
        // Two bits more before the average length and two fewer behind it, which the authors found best.
        let (mask_strict, mask_generous) = select_masks(average as usize, Normalization::Level2);
        // The algorithm looks at pairs of bytes.
        let even = |bytes: u32| bytes as usize & !1;
        Self {
            min: even(min),
            average: even(average),
            max: even(max),
            mask_strict,
            mask_generous,
            gear,
            gear_shifted,
        }
    }

    /// Length of the chunk at the front of `data`; `None` when that takes more bytes, or when there are none.
    ///
    /// The answer does not depend on how much of the file is at hand. Give at least
    /// [`bytes_wanted`](Self::bytes_wanted) unless the file ends, or bytes are looked at more than once.
    pub fn cut(&self, data: &[u8], tail: Tail) -> Option<usize> {
        let (_, length) = cut_gear(
            data,
            self.min,
            self.average,
            self.max,
            self.mask_strict,
            self.mask_generous,
            self.mask_strict << 1,
            self.mask_generous << 1,
            self.gear.as_slice(),
            self.gear_shifted.as_slice(),
        );
        let is_sure = length < data.len() || data.len() >= self.max || tail == Tail::End;
        (is_sure && length > 0).then_some(length)
    }

    /// Number of bytes that are always enough to cut one chunk.
    pub fn bytes_wanted(&self) -> usize {
        self.max
    }
}

impl fmt::Debug for Chunker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Chunker({}, {}, {})", self.min, self.average, self.max)
    }
}

/// Cuts disk images and block devices at multiples of a fixed length: what lies in them is aligned, so its place
/// tells more than its content, and an overwritten block changes its own chunk only.
#[derive(Debug, Clone, Copy)]
pub struct ImageChunker {
    chunk_bytes: usize,
}

impl ImageChunker {
    /// The chunker of the repository with these parameters.
    pub fn new(parameters: &Parameters) -> Self {
        Self { chunk_bytes: parameters.image_chunk_bytes as usize }
    }

    /// Length of the chunk at the front of `data`, which begins at a multiple of the fixed length; `None` when that
    /// takes more bytes, or when there are none.
    pub fn cut(&self, data: &[u8], tail: Tail) -> Option<usize> {
        let length = data.len().min(self.chunk_bytes);
        let is_sure = length == self.chunk_bytes || tail == Tail::End;
        (is_sure && length > 0).then_some(length)
    }

    /// The fixed length in bytes.
    pub fn bytes_wanted(&self) -> usize {
        self.chunk_bytes
    }
}
