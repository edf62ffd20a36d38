//! What the snapshots use of which bundle, and which trees have to be built anew. Each node is read once for all snapshots.

use std::collections::BTreeSet;
use std::collections::HashMap;
use std::collections::HashSet;
use std::sync::atomic::AtomicBool;

use farkeep_codec::id::ObjectId;
use farkeep_codec::object::Pointer;
use farkeep_codec::tree::Body;
use farkeep_codec::tree::Content;
use farkeep_codec::tree::Entry;
use farkeep_codec::tree::Node;
use farkeep_codec::tree::PathKey;

use super::Erased;
use super::RewriteError;
use super::check_cancelled;
use crate::repository::Fetcher;
use crate::repository::Point;
use crate::repository::Repository;

/// The place of a small file in a bundle: offset and length.
pub(super) type Slice = (u32, u32);

/// What goes from one bundle into new ones.
#[derive(Debug)]
pub(super) struct Move {
    pub(super) bundle: Pointer,
    pub(super) slices: BTreeSet<Slice>,
}

impl Move {
    /// Bytes that are used. Slices may overlap, where a stranger laid them.
    pub(super) fn used_bytes(&self) -> u64 {
        let mut end = 0;
        let mut used = 0;
        for (offset, bytes) in &self.slices {
            let (from, to) = (u64::from(*offset).max(end), u64::from(*offset) + u64::from(*bytes));
            used += to.saturating_sub(from);
            end = end.max(to);
        }
        used
    }
}

/// A bundle, and what is used of it.
struct Bundle {
    pointer: Pointer,
    slices: BTreeSet<Slice>,
    is_pinned: bool,
}

/// What is known so far.
pub(super) struct Survey<'a> {
    repository: &'a Repository,
    fetcher: Fetcher<'a>,
    erased: &'a [PathKey],
    /// Those of them that no snapshot had so far.
    pub(super) missing: BTreeSet<&'a PathKey>,
    cancel: &'a AtomicBool,
    bundles: Vec<Bundle>,
    numbers: HashMap<ObjectId, usize>,
    seen: HashSet<ObjectId>,
    seen_held: HashSet<ObjectId>,
    /// First names in erased folders that have further names elsewhere.
    heirs_of: BTreeSet<PathKey>,
    /// Bundles that are made anew.
    moving: HashSet<ObjectId>,
    /// Nodes below which something is erased or moves, or nothing.
    touched: HashMap<ObjectId, bool>,
}

impl<'a> Survey<'a> {
    pub(super) fn new(repository: &'a Repository, erased: &'a [PathKey], cancel: &'a AtomicBool) -> Self {
        Self {
            repository,
            fetcher: repository.fetcher(),
            erased,
            missing: erased.iter().collect(),
            cancel,
            bundles: Vec::new(),
            numbers: HashMap::new(),
            seen: HashSet::new(),
            seen_held: HashSet::new(),
            heirs_of: BTreeSet::new(),
            moving: HashSet::new(),
            touched: HashMap::new(),
        }
    }

    /// What a snapshot loses. The bundles of what it loses are the ones that are looked at.
    pub(super) fn erased(&mut self, point: &Point) -> Result<Erased, RewriteError> {
        let mut erased = Erased::default();
        for path in self.erased {
            let mut walk = self.repository.walk(point.root());
            walk.seek(path)?;
            while let Some(entry) = walk.next_entry()?.filter(|entry| entry.path.starts_with(path)) {
                check_cancelled(self.cancel)?;
                self.missing.remove(path);
                erased.entries += 1;
                erased.bytes = erased.bytes.saturating_add(entry.content_bytes());
                if let Some(Content::Slice { bundle, .. }) = entry.content() {
                    self.number(bundle);
                }
            }
        }
        Ok(erased)
    }

    /// The bundles of this tree stay.
    pub(super) fn pin(&mut self, root: &Pointer) -> Result<(), RewriteError> {
        let mut seen = std::mem::take(&mut self.seen_held);
        let pinned = self.follow(root, &mut seen, &mut |survey, entry| {
            if let Some(Content::Slice { bundle, .. }) = entry.content() {
                let number = survey.number(bundle);
                survey.bundles[number].is_pinned = true;
            }
        });
        self.seen_held = seen;
        pinned
    }

    /// Notes what this tree uses.
    pub(super) fn look_at(&mut self, root: &Pointer) -> Result<(), RewriteError> {
        let mut seen = std::mem::take(&mut self.seen);
        let looked = self.follow(root, &mut seen, &mut |survey, entry| {
            if survey.is_erased(&entry.path) {
                return;
            }
            match &entry.body {
                Body::HardLink { first } if survey.is_erased(first) => {
                    survey.heirs_of.insert(first.clone());
                }
                _ => survey.use_of(entry),
            }
        });
        self.seen = seen;
        looked?;
        // What has a further name elsewhere lives on under that, and its content may be another one in each snapshot.
        for path in self.heirs_of.clone() {
            if let Some(entry) = self.repository.entry(*root, &path)? {
                self.use_of(&entry);
            }
        }
        Ok(())
    }

    fn use_of(&mut self, entry: &Entry) {
        let Some(Content::Slice { bundle, offset }) = entry.content() else { return };
        // Where paths are erased, other bundles stay as they are.
        if !self.erased.is_empty() && !self.numbers.contains_key(&bundle.id) {
            return;
        }
        let number = self.number(bundle);
        let bytes = u32::try_from(entry.content_bytes()).unwrap_or(u32::MAX);
        self.bundles[number].slices.insert((*offset, bytes));
    }

    fn number(&mut self, pointer: &Pointer) -> usize {
        *self.numbers.entry(pointer.id).or_insert_with(|| {
            self.bundles.push(Bundle { pointer: *pointer, slices: BTreeSet::new(), is_pinned: false });
            self.bundles.len() - 1
        })
    }

    /// The bundles that are worth it, by what is used of them and how long they are.
    pub(super) fn moves(&mut self, is_worth_it: impl Fn(f64, f64) -> bool) -> Vec<Move> {
        let bundles = std::mem::take(&mut self.bundles).into_iter().filter(|bundle| !bundle.is_pinned);
        let moves = bundles.map(|Bundle { pointer, slices, .. }| Move { bundle: pointer, slices });
        let figure = |bytes: u64| {
            #[expect(clippy::cast_precision_loss, reason = "a bundle has at most 4 MiB")]
            let figure = bytes as f64;
            figure
        };
        let is_worth_it = |of: &Move| is_worth_it(figure(of.used_bytes()), f64::from(of.bundle.plain_bytes));
        moves.filter(is_worth_it).collect()
    }

    /// From here on it is known what moves.
    pub(super) fn expect_moves(&mut self, moves: &[Move]) {
        self.moving = moves.iter().map(|of| of.bundle.id).collect();
    }

    /// Whether a tree, or the part of one below this node, has to be built anew.
    pub(super) fn is_touched(&mut self, node: &Pointer) -> Result<bool, RewriteError> {
        if let Some(known) = self.touched.get(&node.id) {
            return Ok(*known);
        }
        check_cancelled(self.cancel)?;
        let touched = match self.fetcher.node_on_the_way(node)? {
            Node::Leaf(entries) => entries.iter().any(|entry| {
                let moves = |bundle: &Pointer| self.moving.contains(&bundle.id);
                self.is_erased(&entry.path)
                    || matches!(entry.content(), Some(Content::Slice { bundle, .. }) if moves(bundle))
            }),
            Node::Inner { children, .. } => {
                let mut touched = false;
                for child in children {
                    touched |= self.is_touched(&child.pointer)?;
                }
                touched
            }
            Node::List { .. } => false,
        };
        self.touched.insert(node.id, touched);
        Ok(touched)
    }

    fn is_erased(&self, path: &PathKey) -> bool {
        self.erased.iter().any(|erased| path.starts_with(erased))
    }

    /// Visits every entry below a node that is reached for the first time.
    fn follow(
        &mut self,
        root: &Pointer,
        seen: &mut HashSet<ObjectId>,
        visit: &mut dyn FnMut(&mut Self, &Entry),
    ) -> Result<(), RewriteError> {
        let mut ahead = vec![*root];
        while let Some(pointer) = ahead.pop() {
            if !seen.insert(pointer.id) {
                continue;
            }
            check_cancelled(self.cancel)?;
            match self.fetcher.node_on_the_way(&pointer)? {
                Node::Leaf(entries) => entries.iter().for_each(|entry| visit(self, entry)),
                Node::Inner { children, .. } => {
                    ahead.extend(children.iter().rev().map(|child| child.pointer));
                }
                Node::List { .. } => {}
            }
        }
        Ok(())
    }
}
