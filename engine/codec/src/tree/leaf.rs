//! Bytes of leaves.
//!
//! A leaf is written column by column, not entry by entry: values of one kind stand together, each written against
//! the one before it, so that what repeats is a run that the compressor swallows. What many entries have in common
//! stands in tables: owners, sets of attributes, and classes, which join kind, mode, owner, attributes and flags.
//! FORMAT.md, "Tree", lists the columns.

pub(crate) use read::read;

use std::sync::Arc;

use crate::layout::Writer;
use crate::limits::LEAF_ENTRIES_MAX;
use crate::limits::LEAF_WEIGHT_BYTES_MAX;
use crate::object::Pointer;
use crate::tree::entry::Attribute;
use crate::tree::entry::Body;
use crate::tree::entry::Entry;
use crate::tree::entry::Owner;
use crate::tree::leaf::class::Class;
use crate::tree::leaf::class::Kind;
use crate::tree::leaf::content::ContentWriter;
use crate::tree::leaf::moment::MomentWriter;
use crate::tree::names::NameWriter;
use crate::tree::node;
use crate::tree::path::shared_bytes;
use crate::tree::table::Table;

mod class;
mod column;
mod content;
mod moment;
mod read;
#[cfg(test)]
mod tests;

/// Whether a leaf of `entries` entries that weigh `weight_bytes` has room for one more of `entry_bytes`. One entry
/// it always has room for.
pub(crate) fn has_room(entries: usize, weight_bytes: usize, entry_bytes: usize) -> bool {
    entries == 0 || (entries < LEAF_ENTRIES_MAX && weight_bytes + entry_bytes <= LEAF_WEIGHT_BYTES_MAX)
}

/// Collects the entries of one leaf, straight into their columns.
#[derive(Debug, Clone)]
pub(crate) struct LeafWriter {
    entries: usize,
    weight_bytes: usize,
    owners: Table<Arc<Owner>>,
    attributes: Table<Vec<Attribute>>,
    classes: Table<Class>,
    names: NameWriter,
    class_column: Writer,
    moments: MomentWriter,
    contents: ContentWriter,
    targets: Writer,
    hard_links: Writer,
    devices: Writer,
}

impl LeafWriter {
    /// A leaf without entries.
    pub(crate) fn new() -> Self {
        Self {
            entries: 0,
            weight_bytes: 0,
            owners: Table::new(),
            attributes: Table::new(),
            classes: Table::new(),
            names: NameWriter::default(),
            class_column: Writer::new(),
            moments: MomentWriter::default(),
            contents: ContentWriter::new(),
            targets: Writer::new(),
            hard_links: Writer::new(),
            devices: Writer::new(),
        }
    }

    /// Number of entries.
    pub(crate) fn entries(&self) -> usize {
        self.entries
    }

    /// What the entries weigh together.
    pub(crate) fn weight_bytes(&self) -> usize {
        self.weight_bytes
    }

    /// What the leaf points to, in the order of its references.
    pub(crate) fn pointers(&self) -> &[Pointer] {
        self.contents.pointers()
    }

    /// The next entry in path order, which was found valid and for which there is room.
    pub(crate) fn push(&mut self, entry: &Entry) {
        self.entries += 1;
        self.weight_bytes += entry.weight_bytes();
        self.names.push(entry.path.as_bytes());
        let class = self.class(entry);
        self.class_column.count(self.classes.place(&class).index());
        if class.kind.has_moment() {
            self.moments.push(entry.modified);
        }
        match &entry.body {
            Body::Folder | Body::Ancestor | Body::Fifo | Body::Socket => {}
            Body::File { bytes, content } | Body::Image { bytes, content } => {
                self.contents.push(*bytes, content);
            }
            Body::Symlink { target } => {
                self.targets.counted(target);
            }
            Body::HardLink { first } => {
                let shared = shared_bytes(first.as_bytes(), entry.path.as_bytes());
                let (_, rest) = first.as_bytes().split_at(shared);
                self.hard_links.count(shared).counted(rest);
            }
            Body::CharDevice { major, minor } | Body::BlockDevice { major, minor } => {
                self.devices.varint(u64::from(*major)).varint(u64::from(*minor));
            }
        }
    }

    /// Writes the leaf.
    pub(crate) fn write(&self, writer: &mut Writer) {
        node::write_front(writer, node::LEAF, self.pointers());
        writer.count(self.entries);
        self.write_tables(writer);
        self.names.write(writer);
        writer.bytes(self.class_column.as_bytes());
        self.moments.write(writer);
        self.contents.write(writer);
        for column in [&self.targets, &self.hard_links, &self.devices] {
            writer.bytes(column.as_bytes());
        }
        node::write_seeds(writer, self.pointers());
    }

    /// Forgets the entries and keeps the memory.
    pub(crate) fn clear(&mut self) {
        self.entries = 0;
        self.weight_bytes = 0;
        self.owners.clear();
        self.attributes.clear();
        self.classes.clear();
        self.names.clear();
        self.class_column.clear();
        self.moments.clear();
        self.contents.clear();
        self.targets.clear();
        self.hard_links.clear();
        self.devices.clear();
    }

    fn class(&mut self, entry: &Entry) -> Class {
        let attributes = match entry.attributes.as_slice() {
            [] => None,
            _ => Some(self.attributes.place(&entry.attributes).index()),
        };
        Class {
            kind: Kind::of(&entry.body),
            mode: entry.mode,
            owner: self.owners.place(&entry.owner).index(),
            attributes,
            flags: entry.flags,
        }
    }

    fn write_tables(&self, writer: &mut Writer) {
        writer.count(self.owners.values().len());
        for owner in self.owners.values() {
            writer.varint(u64::from(owner.uid)).varint(u64::from(owner.gid));
            writer.counted(&owner.user).counted(&owner.group);
        }
        writer.count(self.attributes.values().len());
        for attributes in self.attributes.values() {
            writer.count(attributes.len());
            for attribute in attributes {
                writer.counted(&attribute.name).counted(&attribute.value);
            }
        }
        writer.count(self.classes.values().len());
        for class in self.classes.values() {
            class.write(writer);
        }
    }
}
