//! Which files with several names a scan has come by.

use std::collections::HashMap;

use farkeep_codec::tree::PathKey;

use crate::source::FileId;
use crate::source::Kind;
use crate::source::Stat;

#[cfg(test)]
mod tests;

/// How many files are remembered at once. Beyond it a link becomes a file of its own.
const LINKED_FILES_MAX: usize = 1 << 20;

/// Files of any kind with several names, until all of them were met.
#[derive(Debug, Default)]
pub(super) struct Links {
    first: HashMap<FileId, First>,
}

/// The first name of a file that a walk came by.
#[derive(Debug)]
struct First {
    path: PathKey,
    stat: Stat,
    /// How many names are still to come.
    left: u32,
}

impl Links {
    /// The first name of the file that this is a further name of. An inode that was freed meanwhile, and is another file
    /// now, has the number alone in common with it; so a file whose metadata changed since is taken for another, too.
    pub(super) fn first(&mut self, path: &PathKey, stat: &Stat) -> Option<PathKey> {
        if stat.kind == Kind::Folder || stat.nlink < 2 {
            return None;
        }
        if let Some(first) = self.first.get_mut(&stat.id())
            && is_same(&first.stat, stat)
        {
            let path = first.path.clone();
            first.left = first.left.saturating_sub(1);
            if first.left == 0 {
                self.first.remove(&stat.id());
            }
            return Some(path);
        }
        let first = First { path: path.clone(), stat: *stat, left: stat.nlink - 1 };
        if self.first.len() < LINKED_FILES_MAX || self.first.contains_key(&stat.id()) {
            self.first.insert(stat.id(), first);
        }
        None
    }
}

fn is_same(before: &Stat, now: &Stat) -> bool {
    before.same_contents(now) && before.nlink == now.nlink
}
