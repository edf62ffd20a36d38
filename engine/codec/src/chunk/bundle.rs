//! Borders between bundles of small files.

use crate::id::ContentHash;
use crate::limits::BUNDLE_BYTES_MAX;
use crate::limits::SMALL_FILE_BYTES_MAX;
use crate::parameters::Parameters;

#[cfg(test)]
mod tests;

/// Whether a bundle ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Border {
    /// The bundle ends behind this file.
    Cut,
    /// The next file goes into the same bundle.
    Continue,
}

/// Decides behind which files of a run a bundle ends.
///
/// A file ends its bundle when its own content hash says so, with a probability in proportion to its length:
/// the borders are as likely at every byte, whether the bytes come in many files or few. Two hosts with the same
/// run of files make the same bundles, and after a file that only one of them has they soon agree again.
#[derive(Debug, Clone)]
pub struct BundleBorder {
    filled_bytes: u64,
    /// No border before the bundle is as long.
    shortest_bytes: u64,
    /// Bytes from there to the border on average.
    span_bytes: u64,
    /// A border as soon as the bundle is as long, whatever the hash.
    longest_bytes: u64,
}

/// The longest bundle leaves room for the file that passes the border.
const LONGEST_BYTES_MAX: u64 = BUNDLE_BYTES_MAX as u64 - SMALL_FILE_BYTES_MAX;

impl BundleBorder {
    /// In front of the first file of a run, in the repository with these parameters.
    pub fn new(parameters: &Parameters) -> Self {
        let target_bytes = u64::from(parameters.bundle_bytes_target).min(LONGEST_BYTES_MAX);
        let shortest_bytes = target_bytes / 2;
        Self {
            filled_bytes: 0,
            shortest_bytes,
            span_bytes: target_bytes - shortest_bytes,
            longest_bytes: (3 * target_bytes).min(LONGEST_BYTES_MAX),
        }
    }

    /// Takes the next file of the run, with the hash of its content and its length, at most
    /// [`SMALL_FILE_BYTES_MAX`], and says whether the bundle ends behind it.
    pub fn after(&mut self, hash: &ContentHash, bytes: u32) -> Border {
        self.filled_bytes += u64::from(bytes);
        // Bytes of this file that lie behind the shortest length: only there a border may be.
        let open_bytes = u64::from(bytes).min(self.filled_bytes.saturating_sub(self.shortest_bytes));
        // The hash as a fraction of 2^64 is below open bytes / span.
        let [a, b, c, d, e, f, g, h, ..] = *hash.as_bytes();
        let number = u64::from_le_bytes([a, b, c, d, e, f, g, h]);
        let by_hash = u128::from(number) * u128::from(self.span_bytes) < u128::from(open_bytes) << 64;
        if by_hash || self.filled_bytes >= self.longest_bytes {
            self.filled_bytes = 0;
            return Border::Cut;
        }
        Border::Continue
    }
}
