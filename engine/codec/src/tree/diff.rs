//! The difference of two trees.

use std::cmp::Ordering;

use crate::layout::Malformed;
use crate::object::Pointer;
use crate::tree::cursor::Cursor;
use crate::tree::cursor::Head;
use crate::tree::entry::Entry;
use crate::tree::node::Node;

#[cfg(test)]
mod tests;

/// Hands out, in path order, what differs between two trees. Parts that both have as the same node are passed over
/// unread, so the cost follows the change and not the size.
#[derive(Debug)]
pub struct Diff<F> {
    fetch: F,
    before: Cursor,
    after: Cursor,
}

/// Compares the trees with these roots. `fetch` gives the node that a pointer of either leads to.
pub fn diff<F>(before: Pointer, after: Pointer, fetch: F) -> Diff<F> {
    Diff { fetch, before: Cursor::new(before), after: Cursor::new(after) }
}

/// What to do with the two cursors next.
enum Step {
    OpenBefore,
    OpenAfter,
    OpenBoth,
    SkipNodes,
    TakeBefore,
    TakeAfter,
    TakeBoth,
    End,
}

impl<F> Diff<F> {
    /// The next path whose entries differ in anything, placement included: the entry before and the entry after,
    /// of which one is missing where the path was added or removed. Nothing at the end.
    ///
    /// # Errors
    /// What `fetch` says, and [`Malformed`] when a node is not the one that the node above it describes.
    #[expect(clippy::type_complexity, reason = "a pair of sides, as the name of the method says")]
    pub fn next_change<E>(&mut self) -> Result<Option<(Option<Entry>, Option<Entry>)>, E>
    where
        F: FnMut(&Pointer) -> Result<Node, E>,
        E: From<Malformed>,
    {
        loop {
            match step(self.before.head(), self.after.head()) {
                Step::OpenBefore => self.before.open(&mut self.fetch)?,
                Step::OpenAfter => self.after.open(&mut self.fetch)?,
                Step::OpenBoth => {
                    self.before.open(&mut self.fetch)?;
                    self.after.open(&mut self.fetch)?;
                }
                Step::SkipNodes => {
                    self.before.skip_node();
                    self.after.skip_node();
                }
                Step::TakeBefore => return Ok(Some((self.before.take_entry(), None))),
                Step::TakeAfter => return Ok(Some((None, self.after.take_entry()))),
                Step::TakeBoth => {
                    let (before, after) = (self.before.take_entry(), self.after.take_entry());
                    if before != after {
                        return Ok(Some((before, after)));
                    }
                }
                Step::End => return Ok(None),
            }
        }
    }
}

/// Entries go out in path order. A node is opened when the other side has come to it; of two nodes the one that
/// begins first, for the other side does not have it, and where both begin together the higher one, for the other
/// may be found in it.
fn step(before: Head<'_>, after: Head<'_>) -> Step {
    match (before, after) {
        (Head::Root(left), Head::Root(right)) if left == right => Step::SkipNodes,
        (Head::Root(_), Head::Root(_)) => Step::OpenBoth,
        (Head::Root(_), _) => Step::OpenBefore,
        (_, Head::Root(_)) => Step::OpenAfter,
        (Head::Node(left), Head::Node(right)) if left.child.pointer == right.child.pointer => Step::SkipNodes,
        (Head::Node(left), Head::Node(right)) => {
            let by_place = left.child.first.cmp(&right.child.first);
            match by_place.then(right.level.cmp(&left.level)) {
                Ordering::Less => Step::OpenBefore,
                Ordering::Greater => Step::OpenAfter,
                Ordering::Equal => Step::OpenBoth,
            }
        }
        (Head::Entry(left), Head::Entry(right)) => match left.path.cmp(&right.path) {
            Ordering::Less => Step::TakeBefore,
            Ordering::Greater => Step::TakeAfter,
            Ordering::Equal => Step::TakeBoth,
        },
        (Head::Entry(left), Head::Node(right)) if left.path < right.child.first => Step::TakeBefore,
        (Head::Node(left), Head::Entry(right)) if right.path < left.child.first => Step::TakeAfter,
        (Head::Node(_), _) => Step::OpenBefore,
        (_, Head::Node(_)) => Step::OpenAfter,
        (Head::Entry(_), Head::End) => Step::TakeBefore,
        (Head::End, Head::Entry(_)) => Step::TakeAfter,
        (Head::End, Head::End) => Step::End,
    }
}
