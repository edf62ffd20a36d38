//! How much a restore has before it, so that whoever watches sees when it ends.
//!
//! The nodes of a tree say how much lies below them: what is restored whole is summed up from the few nodes along its
//! borders. Only where globs decide about each path the tree is read through. What cannot be read is not counted; the
//! passes name it.

use farkeep_codec::object::Pointer;
use farkeep_codec::tree::Entry;
use farkeep_codec::tree::Gap;
use farkeep_codec::tree::Node;
use farkeep_codec::tree::PathKey;

use super::Pass;
use super::Request;
use super::RestoreError;
use super::view::View;
use super::visit;
use crate::repository::Fetcher;
use crate::repository::Repository;
use crate::repository::RepositoryError;
use crate::source::Wanted;

/// Entries, and the bytes of the files among them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Totals {
    pub(super) entries: u64,
    pub(super) bytes: u64,
}

impl Totals {
    fn add(&mut self, entries: u64, bytes: u64) {
        self.entries = self.entries.saturating_add(entries);
        self.bytes = self.bytes.saturating_add(bytes);
    }
}

/// Counts what is restored.
pub(super) fn totals(
    repository: &Repository,
    request: &Request,
    view: &View,
) -> Result<Totals, RestoreError> {
    let mut totals = Totals::default();
    if view.is_everything() {
        sum(&mut repository.fetcher(), &request.root, None, view, &mut totals);
    } else {
        visit(repository, request, view, &mut Count { view, totals: &mut totals })?;
    }
    Ok(totals)
}

/// Adds up what of the view lies below one node, whose paths end before `end`.
fn sum(fetcher: &mut Fetcher<'_>, node: &Pointer, end: Option<&PathKey>, view: &View, totals: &mut Totals) {
    match fetcher.node(node) {
        Ok(Node::Leaf(entries)) => {
            for entry in entries.iter().filter(|entry| entry.path.starts_with(view.first())) {
                totals.add(1, entry.content_bytes());
            }
        }
        Ok(Node::Inner { children, .. }) => {
            for (at, child) in children.iter().enumerate() {
                let end = children.get(at + 1).map(|next| &next.first).or(end);
                let gap = Gap { first: child.first.clone(), end: end.cloned(), entries: Some(child.entries) };
                match view.clip(&gap) {
                    Some(Gap { entries: Some(entries), .. }) => totals.add(entries, child.bytes),
                    Some(_) => sum(fetcher, &child.pointer, end, view, totals),
                    None => {}
                }
            }
        }
        Ok(Node::List { .. }) | Err(_) => {}
    }
}

/// Counts entry by entry.
struct Count<'a> {
    view: &'a View,
    totals: &'a mut Totals,
}

impl Pass for Count<'_> {
    fn entry(&mut self, entry: Entry) -> Wanted {
        let wanted = self.view.judge(&entry);
        if wanted == Wanted::Yes {
            self.totals.add(1, entry.content_bytes());
        }
        wanted
    }

    fn gap(&mut self, _: Gap, _: &RepositoryError) {}
}
