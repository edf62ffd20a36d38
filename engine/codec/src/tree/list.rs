//! Content lists: the pointers to the chunks of a large file, in nodes of their own, several levels high when needed.
//!
//! Borders are decided by the seeds of what is listed, so an edit inside a large file changes the list nodes above
//! it and no others.

use crate::id::ObjectId;
use crate::layout::Malformed;
use crate::layout::Reader;
use crate::layout::Writer;
use crate::limits::INLINE_POINTERS_MAX;
use crate::limits::LIST_HEIGHT_MAX;
use crate::limits::LIST_POINTERS_MAX;
use crate::object::Pointer;
use crate::tree::border;
use crate::tree::entry::Content;
use crate::tree::entry::Hole;
use crate::tree::entry::pointer_fault;
use crate::tree::error::BuildError;
use crate::tree::node;
use crate::tree::node::Node;
use crate::tree::node::NodePlain;
use crate::tree::table::FirstUse;
use crate::tree::table::Table;
use crate::tree::table::are_distinct;

#[cfg(test)]
mod tests;

/// Collects the chunks of one file, and writes list nodes when they are more than an entry holds itself.
#[derive(Debug, Default)]
pub struct ListBuilder {
    levels: Vec<Level>,
}

/// The items of the list node that is being filled on one level, with the bytes of the file below each.
#[derive(Debug, Default)]
struct Level {
    items: Vec<(Pointer, u64)>,
}

impl ListBuilder {
    /// A list without chunks.
    pub fn new() -> Self {
        Self::default()
    }

    /// The next chunk of the file. A full list node goes to `sink`, which seals it and gives its pointer back.
    ///
    /// # Errors
    /// [`BuildError::Sink`] with what the sink says; [`BuildError::Pointer`] for a pointer that no object can have.
    pub fn push<E>(
        &mut self,
        chunk: Pointer,
        sink: &mut impl FnMut(NodePlain<'_>) -> Result<Pointer, E>,
    ) -> Result<(), BuildError<E>> {
        if let Some(what) = pointer_fault(&chunk) {
            return Err(BuildError::Pointer { what });
        }
        self.push_on(0, (chunk, u64::from(chunk.plain_bytes)), sink)
    }

    /// Ends the file and says where its content lies. `holes` rise and do not touch.
    ///
    /// # Errors
    /// As [`push`](Self::push).
    pub fn finish<E>(
        mut self,
        holes: Vec<Hole>,
        sink: &mut impl FnMut(NodePlain<'_>) -> Result<Pointer, E>,
    ) -> Result<Content, BuildError<E>> {
        let chunks = self.levels.first().map_or(&[][..], |level| level.items.as_slice());
        if self.levels.len() < 2 && chunks.len() <= INLINE_POINTERS_MAX {
            let pointers: Vec<Pointer> = chunks.iter().map(|(pointer, _)| *pointer).collect();
            let is_empty = pointers.is_empty() && holes.is_empty();
            return Ok(if is_empty { Content::Empty } else { Content::Chunks { pointers, holes } });
        }
        let mut height = 0;
        loop {
            let top = self.write(height, sink)?;
            if self.levels.len() == height + 1 {
                return Ok(Content::List { root: top.0, height: height_byte(height), holes });
            }
            height += 1;
            self.push_on(height, top, sink)?;
        }
    }

    fn push_on<E>(
        &mut self,
        height: usize,
        item: (Pointer, u64),
        sink: &mut impl FnMut(NodePlain<'_>) -> Result<Pointer, E>,
    ) -> Result<(), BuildError<E>> {
        if self.levels.len() == height {
            self.levels.push(Level::default());
        }
        let items = self.levels.get(height).map_or(0, |level| level.items.len());
        if border::LIST.ends_before(items, || border_hash(&item.0)) {
            let full = self.write(height, sink)?;
            self.push_on(height + 1, full, sink)?;
        }
        let level = self.levels.get_mut(height).expect("the level was made above");
        level.items.push(item);
        Ok(())
    }

    /// Writes the node of one level, and empties it.
    fn write<E>(
        &mut self,
        height: usize,
        sink: &mut impl FnMut(NodePlain<'_>) -> Result<Pointer, E>,
    ) -> Result<(Pointer, u64), BuildError<E>> {
        let level = self.levels.get_mut(height).expect("only levels that are there are written");
        let mut writer = Writer::new();
        let references = write(&mut writer, height_byte(height), &level.items);
        let bytes = level.items.iter().map(|(_, bytes)| bytes).sum();
        level.items.clear();
        let pointer = sink(NodePlain { plain: writer.as_bytes(), references: &references });
        Ok((pointer.map_err(BuildError::Sink)?, bytes))
    }
}

fn height_byte(height: usize) -> u8 {
    u8::try_from(height).expect("every level has a fraction of the nodes of the one below")
}

/// What decides whether a list node ends before this pointer.
fn border_hash(pointer: &Pointer) -> u64 {
    let [a, b, c, d, e, f, g, h, ..] = *pointer.seed.as_bytes();
    u64::from_le_bytes([a, b, c, d, e, f, g, h])
}

/// Writes a list node, and says what it refers to.
pub(crate) fn write(writer: &mut Writer, height: u8, items: &[(Pointer, u64)]) -> Vec<ObjectId> {
    let mut table = Table::new();
    let mut codes = Writer::new();
    for (pointer, _) in items {
        codes.count(table.place(pointer).code());
    }
    node::write_front(writer, node::LIST, table.values());
    writer.u8(height).count(items.len()).bytes(codes.as_bytes());
    if height > 0 {
        for (_, bytes) in items {
            writer.varint(*bytes);
        }
    }
    node::write_seeds(writer, table.values());
    table.values().iter().map(|pointer| pointer.id).collect()
}

/// Reads what follows the front of a list node, to the end.
pub(crate) fn read(mut reader: Reader<'_>, table: &[Pointer]) -> Result<Node, Malformed> {
    let height = reader.u8("content list height")?;
    let count = reader.count(LIST_POINTERS_MAX, "content list length")?;
    if height > LIST_HEIGHT_MAX || count == 0 || !are_distinct(table) {
        return Err(reader.malformed("content list height, length or pointers"));
    }
    let mut first_use = FirstUse::default();
    let mut pointers = Vec::with_capacity(count);
    for _ in 0..count {
        let code = reader.count(table.len(), "content list reference")?;
        let pointer = first_use.code(code).and_then(|index| table.get(index));
        pointers.push(*pointer.ok_or(reader.malformed("content list reference"))?);
    }
    let mut bytes: Vec<u64> = pointers.iter().map(|pointer| u64::from(pointer.plain_bytes)).collect();
    if height > 0 {
        for bytes in &mut bytes {
            *bytes = reader.varint("content list bytes")?;
        }
    }
    let total = bytes.iter().try_fold(0_u64, |sum, bytes| sum.checked_add(*bytes).filter(|_| *bytes > 0));
    if total.is_none() || !first_use.is_complete(table.len()) {
        return Err(reader.malformed("content list bytes or references"));
    }
    reader.finish()?;
    Ok(Node::List { height, pointers, bytes })
}

/// Reads the chunks of a content list in the order of the file, with one node per level in memory.
#[derive(Debug)]
pub struct ListWalk<F> {
    fetch: F,
    /// The list node that nothing led to yet: the root.
    root: Option<(Pointer, u8)>,
    levels: Vec<ListFrame>,
}

#[derive(Debug)]
struct ListFrame {
    height: u8,
    items: std::iter::Zip<std::vec::IntoIter<Pointer>, std::vec::IntoIter<u64>>,
}

impl<F> ListWalk<F> {
    /// Walks the list with this root, as [`Content::List`] has it.
    pub fn new(root: Pointer, height: u8, fetch: F) -> Self {
        Self { fetch, root: Some((root, height)), levels: Vec::new() }
    }

    /// The pointer to the next chunk; nothing behind the last one.
    ///
    /// # Errors
    /// What `fetch` says, and [`Malformed`] when a node is not the one that the node above it describes.
    pub fn next_chunk<E>(&mut self) -> Result<Option<Pointer>, E>
    where
        F: FnMut(&Pointer) -> Result<Node, E>,
        E: From<Malformed>,
    {
        if let Some((root, height)) = self.root.take() {
            self.open(&root, height, None)?;
        }
        while let Some(frame) = self.levels.last_mut() {
            let height = frame.height;
            match frame.items.next() {
                None => drop(self.levels.pop()),
                Some((pointer, _)) if height == 0 => return Ok(Some(pointer)),
                Some((pointer, bytes)) => self.open(&pointer, height - 1, Some(bytes))?,
            }
        }
        Ok(None)
    }

    fn open<E>(&mut self, pointer: &Pointer, height: u8, bytes_wanted: Option<u64>) -> Result<(), E>
    where
        F: FnMut(&Pointer) -> Result<Node, E>,
        E: From<Malformed>,
    {
        let malformed = |what| E::from(Malformed { what, offset: 0 });
        let Node::List { height: found, pointers, bytes } = (self.fetch)(pointer)? else {
            return Err(malformed("content list: not a list node"));
        };
        if found != height {
            return Err(malformed("content list: wrong height"));
        }
        if bytes_wanted.is_some_and(|wanted| wanted != bytes.iter().sum::<u64>()) {
            return Err(malformed("content list: wrong length"));
        }
        let items = pointers.into_iter().zip(bytes);
        self.levels.push(ListFrame { height, items });
        Ok(())
    }
}
