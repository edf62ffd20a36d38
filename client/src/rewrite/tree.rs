//! A tree anew: without what is erased, with slices where they went.

use std::collections::HashMap;
use std::sync::atomic::AtomicBool;

use farkeep_codec::object::Pointer;
use farkeep_codec::snapshot::Counts;
use farkeep_codec::tree::Body;
use farkeep_codec::tree::Builder;
use farkeep_codec::tree::Content;
use farkeep_codec::tree::Entry;
use farkeep_codec::tree::NodePlain;
use farkeep_codec::tree::PathKey;
use farkeep_codec::tree::Root;

use super::RewriteError;
use super::bundles::Moved;
use super::check_cancelled;
use crate::progress::Progress;
use crate::repository::ObjectWriter;
use crate::repository::Repository;

/// A tree that is stored, and not durable yet.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rebuilt {
    pub(super) root: Root,
    pub(super) counts: Counts,
}

/// Builds the tree below `old` anew.
pub(super) fn build(
    old: &Pointer,
    erased: &[PathKey],
    moved: &Moved,
    writer: &mut ObjectWriter<'_>,
    cancel: &AtomicBool,
    progress: &Progress,
) -> Result<Rebuilt, RewriteError> {
    let repository = writer.repository();
    writer.turn_to(old)?;
    let mut builder = Builder::new(writer.keys());
    let mut counts = Counts::default();
    let mut heirs = Heirs { repository, root: *old, names: HashMap::new() };
    let mut walk = repository.walk(*old);
    while let Some(entry) = walk.next_entry()? {
        check_cancelled(cancel)?;
        progress.add_entries(1);
        if is_erased(&entry.path, erased) {
            continue;
        }
        let mut entry = heirs.entry(entry, erased)?;
        take_along(&mut entry, moved);
        count(&entry, &mut counts);
        builder.push(entry, &mut |node| store(writer, node))?;
    }
    let root = builder.finish(&mut |node| store(writer, node))?;
    Ok(Rebuilt { root, counts })
}

/// Whether the tree below `new` is the one below `old`, but for slices, which lie where they were moved.
pub(super) fn is_same(
    repository: &Repository,
    old: &Pointer,
    new: &Pointer,
    moved: &Moved,
    cancel: &AtomicBool,
) -> Result<bool, RewriteError> {
    let (mut old, mut new) = (repository.walk(*old), repository.walk(*new));
    loop {
        check_cancelled(cancel)?;
        match (old.next_entry()?, new.next_entry()?) {
            (None, None) => return Ok(true),
            (Some(mut old), Some(new)) => {
                take_along(&mut old, moved);
                if old != new {
                    return Ok(false);
                }
            }
            _ => return Ok(false),
        }
    }
}

fn store(writer: &mut ObjectWriter<'_>, node: NodePlain<'_>) -> Result<Pointer, RewriteError> {
    Ok(writer.node(node)?)
}

fn is_erased(path: &PathKey, erased: &[PathKey]) -> bool {
    erased.iter().any(|erased| path.starts_with(erased))
}

/// Names in the place of first names that were erased.
struct Heirs<'a> {
    repository: &'a Repository,
    root: Pointer,
    names: HashMap<PathKey, PathKey>,
}

impl Heirs<'_> {
    /// The entry as it is without the erased names: the next one in path order says what it is from then on.
    fn entry(&mut self, entry: Entry, erased: &[PathKey]) -> Result<Entry, RewriteError> {
        let Body::HardLink { first } = &entry.body else { return Ok(entry) };
        if !is_erased(first, erased) {
            return Ok(entry);
        }
        if let Some(heir) = self.names.get(first) {
            return Ok(Entry { body: Body::HardLink { first: heir.clone() }, ..entry });
        }
        let Some(whole) = self.repository.entry(self.root, first)? else { return Ok(entry) };
        self.names.insert(first.clone(), entry.path.clone());
        Ok(Entry { path: entry.path, ..whole })
    }
}

/// Points to where the content went.
fn take_along(entry: &mut Entry, moved: &Moved) {
    let (Body::File { bytes, content } | Body::Image { bytes, content }) = &mut entry.body else { return };
    let Content::Slice { bundle, offset } = content else { return };
    let Ok(bytes) = u32::try_from(*bytes) else { return };
    if let Some((to, at)) = moved.place(bundle, (*offset, bytes)) {
        (*bundle, *offset) = (to, at);
    }
}

fn count(entry: &Entry, counts: &mut Counts) {
    let kind = match &entry.body {
        Body::Folder | Body::Ancestor => &mut counts.folders,
        Body::File { .. } | Body::Image { .. } => &mut counts.files,
        Body::Symlink { .. } => &mut counts.symlinks,
        Body::HardLink { .. } => &mut counts.hard_links,
        Body::Fifo | Body::Socket | Body::CharDevice { .. } | Body::BlockDevice { .. } => &mut counts.others,
    };
    *kind += 1;
}
