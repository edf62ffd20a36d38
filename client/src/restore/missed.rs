//! What a restore could not restore, so that nothing else is given its names.
//!
//! A hard link is made to a file of the target. When that file was not restored, what has its path there is something
//! older, or nothing.

use std::collections::HashMap;

use farkeep_codec::tree::Gap;
use farkeep_codec::tree::PathKey;

/// Paths and gaps that are remembered. Behind so many nothing is believed to be restored.
const MISSED_MAX: usize = 1 << 16;

/// Who is at fault when something could not be restored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// The repository: an object is missing or damaged.
    Repository,
    /// The target, or the system.
    Target,
    /// This user may not make it: that is counted, and is no problem.
    User,
}

/// Paths that were not restored.
#[derive(Debug, Default)]
pub(super) struct Missed {
    paths: HashMap<PathKey, Fault>,
    /// Parts of the tree that could not be read, in path order: the first path in each, and the first one behind it.
    gaps: Vec<(PathKey, Option<PathKey>)>,
    /// Who was at fault for what was too much to be remembered.
    more: Option<Fault>,
}

impl Missed {
    /// Remembers a path.
    pub(super) fn add(&mut self, path: &PathKey, fault: Fault) {
        if self.paths.len() < MISSED_MAX {
            self.paths.insert(path.clone(), fault);
        } else {
            self.more = Some(fault);
        }
    }

    /// Remembers a part of the tree, which lies behind all that were remembered before.
    pub(super) fn add_gap(&mut self, gap: &Gap) {
        let has_room = self.gaps.len() < MISSED_MAX;
        match self.gaps.last_mut() {
            Some((_, end)) if end.as_ref() == Some(&gap.first) => end.clone_from(&gap.end),
            _ if has_room => self.gaps.push((gap.first.clone(), gap.end.clone())),
            _ => self.more = Some(Fault::Repository),
        }
    }

    /// Who is at fault for a path that was not restored, or may not have been.
    pub(super) fn fault(&self, path: &PathKey) -> Option<Fault> {
        let behind = self.gaps.partition_point(|(first, _)| first <= path);
        let gap = behind.checked_sub(1).and_then(|at| self.gaps.get(at));
        let in_gap = gap.is_some_and(|(_, end)| end.as_ref().is_none_or(|end| path < end));
        let of_gap = in_gap.then_some(Fault::Repository);
        self.paths.get(path).copied().or(of_gap).or(self.more)
    }
}

#[cfg(test)]
mod tests;
