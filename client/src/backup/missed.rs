//! Files that the snapshot does not hold as they were: counted all, and the first of them named.

use farkeep_codec::tree::PathKey;

use super::Unreadable;

/// Files that are named.
const NAMED_MAX: usize = 1000;

/// Files with which the same thing went wrong.
#[derive(Debug, Clone, Default)]
pub(super) struct Missed {
    pub(super) named: Vec<Unreadable>,
    pub(super) count: u64,
}

impl Missed {
    /// Counts a file, and names it while there are not too many.
    pub(super) fn add(&mut self, path: PathKey, why: String) {
        self.count += 1;
        if self.named.len() < NAMED_MAX {
            self.named.push(Unreadable { path, why });
        }
    }

    /// The same for a file that changed each time that it was read.
    pub(super) fn add_changing(&mut self, path: PathKey) {
        self.add(path, "it changed while it was read".to_owned());
    }
}
