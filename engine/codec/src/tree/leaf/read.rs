//! Reads a leaf: tables and columns first, then entry by entry out of them.

use std::sync::Arc;

use crate::layout::Malformed;
use crate::layout::Reader;
use crate::limits::ATTRIBUTE_NAME_BYTES_MAX;
use crate::limits::ATTRIBUTE_VALUE_BYTES_MAX;
use crate::limits::ATTRIBUTES_MAX;
use crate::limits::LEAF_ENTRIES_MAX;
use crate::limits::LINK_TARGET_BYTES_MAX;
use crate::limits::OWNER_NAME_BYTES_MAX;
use crate::limits::PATH_BYTES_MAX;
use crate::object::Pointer;
use crate::time::Time;
use crate::tree::entry::Attribute;
use crate::tree::entry::Body;
use crate::tree::entry::Entry;
use crate::tree::entry::Owner;
use crate::tree::entry::attributes_fault;
use crate::tree::entry::attributes_weight_bytes;
use crate::tree::entry::entry_weight_bytes;
use crate::tree::leaf::class::Class;
use crate::tree::leaf::class::Kind;
use crate::tree::leaf::column::read_column;
use crate::tree::leaf::content::ContentReader;
use crate::tree::leaf::has_room;
use crate::tree::leaf::moment::read_moments;
use crate::tree::names::NameReader;
use crate::tree::path::PathKey;
use crate::tree::path::shared_bytes;
use crate::tree::table::FirstUse;
use crate::tree::table::are_distinct;

/// Reads what follows the front of a leaf, to the end.
pub(crate) fn read<'a>(mut reader: Reader<'a>, pointers: &'a [Pointer]) -> Result<Vec<Entry>, Malformed> {
    let count = reader.count(LEAF_ENTRIES_MAX, "leaf entries")?;
    let tables = Tables::read(&mut reader, count)?;
    let mut rows = Rows::read(&mut reader, count, &tables, pointers)?;
    let mut entries: Vec<Entry> = Vec::with_capacity(count);
    let mut weight_bytes = 0;
    for _ in 0..count {
        let entry = rows.next(&tables, &entries, weight_bytes).ok_or(reader.malformed("leaf entry"))?;
        weight_bytes += entry.weight_bytes();
        entries.push(entry);
    }
    if !rows.contents.is_complete() {
        return Err(reader.malformed("leaf references"));
    }
    reader.finish()?;
    Ok(entries)
}

/// What several entries have in common.
struct Tables {
    owners: Vec<Arc<Owner>>,
    attributes: Vec<Vec<Attribute>>,
    classes: Vec<Class>,
}

impl Tables {
    /// Reads the tables of a leaf of `entries` entries, none of which has more rows than that.
    fn read(reader: &mut Reader<'_>, entries: usize) -> Result<Self, Malformed> {
        let owners = read_table(reader, entries, read_owner)?;
        let attributes = read_table(reader, entries, read_attributes)?;
        let (owner_count, set_count) = (owners.len(), attributes.len());
        let classes = read_table(reader, entries, |reader| Class::read(reader, owner_count, set_count))?;
        let mut owner_use = FirstUse::default();
        let mut set_use = FirstUse::default();
        let in_order = classes.iter().all(|class| {
            let set = class.attributes.map_or(Some(0), |set| set_use.index(set));
            owner_use.index(class.owner).is_some() && set.is_some()
        });
        if !in_order || !owner_use.is_complete(owner_count) || !set_use.is_complete(set_count) {
            return Err(reader.malformed("order of owners or attributes"));
        }
        Ok(Self { owners, attributes, classes })
    }
}

/// Reads a table whose rows all differ.
fn read_table<'a, T: Ord>(
    reader: &mut Reader<'a>,
    rows_most: usize,
    mut row: impl FnMut(&mut Reader<'a>) -> Result<T, Malformed>,
) -> Result<Vec<T>, Malformed> {
    let count = reader.count(rows_most, "rows of a table")?;
    let mut rows = Vec::with_capacity(count.min(reader.remaining()));
    for _ in 0..count {
        rows.push(row(reader)?);
    }
    if are_distinct(&rows) { Ok(rows) } else { Err(reader.malformed("rows of a table")) }
}

fn read_owner(reader: &mut Reader<'_>) -> Result<Arc<Owner>, Malformed> {
    let uid = reader.varint_u32("user number")?;
    let gid = reader.varint_u32("group number")?;
    let user = reader.counted(OWNER_NAME_BYTES_MAX, "user name")?.to_vec();
    let group = reader.counted(OWNER_NAME_BYTES_MAX, "group name")?.to_vec();
    Ok(Arc::new(Owner { uid, gid, user, group }))
}

fn read_attributes(reader: &mut Reader<'_>) -> Result<Vec<Attribute>, Malformed> {
    let count = reader.count(ATTRIBUTES_MAX, "number of attributes")?;
    let mut attributes = Vec::with_capacity(count.min(reader.remaining()));
    for _ in 0..count {
        let name = reader.counted(ATTRIBUTE_NAME_BYTES_MAX, "attribute name")?.to_vec();
        let value = reader.counted(ATTRIBUTE_VALUE_BYTES_MAX, "attribute value")?.to_vec();
        attributes.push(Attribute { name, value });
    }
    if attributes_fault(&attributes).is_some() {
        return Err(reader.malformed("attributes"));
    }
    Ok(attributes)
}

/// The columns of a leaf, out of which entries are put together one by one.
struct Rows<'a> {
    names: NameReader<'a>,
    classes: std::vec::IntoIter<Class>,
    moments: std::vec::IntoIter<Time>,
    contents: ContentReader<'a>,
    targets: std::vec::IntoIter<&'a [u8]>,
    hard_links: std::vec::IntoIter<(usize, &'a [u8])>,
    devices: std::vec::IntoIter<(u32, u32)>,
}

impl<'a> Rows<'a> {
    fn read(
        reader: &mut Reader<'a>,
        count: usize,
        tables: &Tables,
        pointers: &'a [Pointer],
    ) -> Result<Self, Malformed> {
        let names = NameReader::read(reader, count)?;
        let classes = read_classes(reader, count, tables)?;
        let moments = classes.iter().filter(|class| class.kind.has_moment()).count();
        let moments = read_moments(reader, moments)?;
        let forms: Vec<_> = classes.iter().filter_map(|class| class.kind.form()).collect();
        let contents = ContentReader::read(reader, pointers, &forms)?;
        let number_of = |wanted: &[Kind]| classes.iter().filter(|class| wanted.contains(&class.kind)).count();
        let targets = read_column(number_of(&[Kind::Symlink]), || {
            reader.counted(LINK_TARGET_BYTES_MAX, "target of a link")
        })?;
        let hard_links = read_column(number_of(&[Kind::HardLink]), || {
            let shared = reader.count(PATH_BYTES_MAX, "hard link")?;
            Ok((shared, reader.counted(PATH_BYTES_MAX, "hard link")?))
        })?;
        let devices = read_column(number_of(&[Kind::CharDevice, Kind::BlockDevice]), || {
            Ok((reader.varint_u32("device number")?, reader.varint_u32("device number")?))
        })?;
        Ok(Self {
            names,
            classes: classes.into_iter(),
            moments: moments.into_iter(),
            contents,
            targets: targets.into_iter(),
            hard_links: hard_links.into_iter(),
            devices: devices.into_iter(),
        })
    }

    /// The next entry, behind the `above` ones, which weigh `weight_bytes`; `None` when it breaks a rule.
    fn next(&mut self, tables: &Tables, above: &[Entry], weight_bytes: usize) -> Option<Entry> {
        let class = self.classes.next()?;
        let no_attributes = Vec::new();
        let attributes = match class.attributes {
            None => &no_attributes,
            Some(set) => tables.attributes.get(set)?,
        };
        let (path_bytes, attributes_bytes) = (self.names.next_bytes(), attributes_weight_bytes(attributes));
        let room = |body_bytes: usize| {
            has_room(above.len(), weight_bytes, entry_weight_bytes(path_bytes, attributes_bytes, body_bytes))
        };
        // Shared bytes are cheap to write and dear to read: the room is measured before memory is spent on them.
        if !room(self.next_link_bytes(class.kind)) {
            return None;
        }
        let path = self.names.next(above.last().map(|entry| &entry.path))?;
        let modified = if class.kind.has_moment() { self.moments.next()? } else { Time::default() };
        let entry = Entry {
            mode: class.mode,
            owner: Arc::clone(tables.owners.get(class.owner)?),
            modified,
            attributes: attributes.clone(),
            flags: class.flags,
            body: self.next_body(class.kind, &path)?,
            path,
        };
        let fits = has_room(above.len(), weight_bytes, entry.weight_bytes());
        (fits && entry.body_fault().is_none()).then_some(entry)
    }

    /// Length of the other path that the next entry names, if it is of a kind that does.
    fn next_link_bytes(&self, kind: Kind) -> usize {
        match (kind, self.hard_links.as_slice().first()) {
            (Kind::HardLink, Some((shared, rest))) => shared + rest.len(),
            _ => 0,
        }
    }

    fn next_body(&mut self, kind: Kind, path: &PathKey) -> Option<Body> {
        Some(match kind {
            Kind::Folder => Body::Folder,
            Kind::Ancestor => Body::Ancestor,
            Kind::File(form) => {
                let (bytes, content) = self.contents.next(form)?;
                Body::File { bytes, content }
            }
            Kind::Image(form) => {
                let (bytes, content) = self.contents.next(form)?;
                Body::Image { bytes, content }
            }
            Kind::Symlink => Body::Symlink { target: self.targets.next()?.to_vec() },
            Kind::HardLink => {
                let (shared, rest) = self.hard_links.next()?;
                let first = path.with_suffix(shared, rest)?;
                let is_shortest = shared_bytes(first.as_bytes(), path.as_bytes()) == shared;
                Body::HardLink { first: is_shortest.then_some(first)? }
            }
            Kind::Fifo => Body::Fifo,
            Kind::Socket => Body::Socket,
            Kind::CharDevice => {
                let (major, minor) = self.devices.next()?;
                Body::CharDevice { major, minor }
            }
            Kind::BlockDevice => {
                let (major, minor) = self.devices.next()?;
                Body::BlockDevice { major, minor }
            }
        })
    }
}

/// Reads the class of each entry, and checks that classes are first used in the order of their table.
fn read_classes(reader: &mut Reader<'_>, count: usize, tables: &Tables) -> Result<Vec<Class>, Malformed> {
    let mut first_use = FirstUse::default();
    let classes = read_column(count, || {
        let index = reader.count(tables.classes.len(), "class of an entry")?;
        let class = first_use.index(index).and_then(|index| tables.classes.get(index));
        class.copied().ok_or(reader.malformed("class of an entry"))
    })?;
    if first_use.is_complete(tables.classes.len()) { Ok(classes) } else { Err(reader.malformed("classes")) }
}
