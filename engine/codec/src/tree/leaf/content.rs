//! The columns of contents: lengths, and where the bytes lie.
//!
//! Small files lie in a bundle in the order in which they were stored, so a slice mostly begins where the one before
//! it in the same bundle ended. Each bundle has a cursor behind the last slice that the leaf took from it, and only
//! a slice that begins elsewhere says where. Lengths are split into their low byte, which is noise, and the rest,
//! which repeats; apart they compress by a fifteenth better than together.

use crate::layout::Malformed;
use crate::layout::Reader;
use crate::layout::Writer;
use crate::limits::HOLES_MAX;
use crate::limits::INLINE_POINTERS_MAX;
use crate::object::Pointer;
use crate::tree::entry::Content;
use crate::tree::entry::Hole;
use crate::tree::leaf::class::Form;
use crate::tree::leaf::column::read_column;
use crate::tree::table::FirstUse;
use crate::tree::table::Place;
use crate::tree::table::Table;
use crate::tree::table::are_distinct;

/// The slice begins at the cursor of the bundle that the slice before was taken from.
const FOLLOWS: usize = 0;
/// The slice is the first one of the next pointer; plus 1 if it does not begin at 0.
const NEXT_BUNDLE: usize = 1;
/// The slice is taken from a pointer that was used before, plus twice its number; plus 1 if it does not begin at
/// the cursor.
const KNOWN_BUNDLE: usize = 3;

/// Collects the contents of one leaf.
#[derive(Debug, Clone)]
pub(super) struct ContentWriter {
    pointers: Table<Pointer>,
    cursors: Cursors,
    lengths_high: Writer,
    lengths_low: Writer,
    placements: Writer,
    gaps: Writer,
    counts: Writer,
    references: Writer,
    heights: Writer,
    hole_counts: Writer,
    holes: Writer,
}

/// Behind the last slice of each bundle.
#[derive(Debug, Clone, Default)]
struct Cursors {
    offsets: Vec<u32>,
    last: Option<usize>,
}

impl Cursors {
    fn of(&self, bundle: usize) -> u32 {
        self.offsets.get(bundle).copied().unwrap_or(0)
    }

    fn advance(&mut self, bundle: usize, offset: u32) {
        if self.offsets.len() <= bundle {
            self.offsets.resize(bundle + 1, 0);
        }
        if let Some(cursor) = self.offsets.get_mut(bundle) {
            *cursor = offset;
        }
        self.last = Some(bundle);
    }
}

impl ContentWriter {
    /// No contents.
    pub(super) fn new() -> Self {
        Self {
            pointers: Table::new(),
            cursors: Cursors::default(),
            lengths_high: Writer::new(),
            lengths_low: Writer::new(),
            placements: Writer::new(),
            gaps: Writer::new(),
            counts: Writer::new(),
            references: Writer::new(),
            heights: Writer::new(),
            hole_counts: Writer::new(),
            holes: Writer::new(),
        }
    }

    /// What the contents point to.
    pub(super) fn pointers(&self) -> &[Pointer] {
        self.pointers.values()
    }

    /// The content of the next file.
    pub(super) fn push(&mut self, bytes: u64, content: &Content) {
        if Form::of(content).has_length() {
            let [low, ..] = bytes.to_le_bytes();
            self.lengths_high.varint(bytes >> 8);
            self.lengths_low.u8(low);
        }
        match content {
            Content::Empty => {}
            Content::Slice { bundle, offset } => self.push_slice(bundle, *offset, bytes),
            Content::Chunks { pointers, holes } => {
                self.counts.count(pointers.len());
                for pointer in pointers {
                    self.references.count(self.pointers.place(pointer).code());
                }
                self.push_holes(holes);
            }
            Content::List { root, height, holes } => {
                self.references.count(self.pointers.place(root).code());
                self.heights.u8(*height);
                self.push_holes(holes);
            }
        }
    }

    fn push_slice(&mut self, bundle: &Pointer, offset: u32, bytes: u64) {
        let place = self.pointers.place(bundle);
        let index = place.index();
        let gap = i64::from(offset) - i64::from(self.cursors.of(index));
        let jumps = usize::from(gap != 0);
        self.placements.count(match place {
            Place::New(_) => NEXT_BUNDLE + jumps,
            Place::Known(_) if gap == 0 && self.cursors.last == Some(index) => FOLLOWS,
            Place::Known(_) => KNOWN_BUNDLE + 2 * index + jumps,
        });
        if gap != 0 {
            self.gaps.zigzag(gap);
        }
        let end = u64::from(offset) + bytes;
        self.cursors.advance(index, u32::try_from(end).expect("a valid slice ends inside its bundle"));
    }

    fn push_holes(&mut self, holes: &[Hole]) {
        self.hole_counts.count(holes.len());
        let mut end = 0;
        for hole in holes {
            self.holes.varint(hole.offset - end).varint(hole.bytes);
            end = hole.offset + hole.bytes;
        }
    }

    /// Writes the columns.
    pub(super) fn write(&self, writer: &mut Writer) {
        for column in self.columns() {
            writer.bytes(column.as_bytes());
        }
    }

    /// Forgets the contents and keeps the memory.
    pub(super) fn clear(&mut self) {
        self.pointers.clear();
        self.cursors.offsets.clear();
        self.cursors.last = None;
        self.lengths_high.clear();
        self.lengths_low.clear();
        self.placements.clear();
        self.gaps.clear();
        self.counts.clear();
        self.references.clear();
        self.heights.clear();
        self.hole_counts.clear();
        self.holes.clear();
    }

    /// The columns in the order of the format.
    fn columns(&self) -> [&Writer; 9] {
        [
            &self.lengths_high,
            &self.lengths_low,
            &self.placements,
            &self.gaps,
            &self.counts,
            &self.references,
            &self.heights,
            &self.hole_counts,
            &self.holes,
        ]
    }
}

/// Hands out the contents of one leaf.
#[derive(Debug)]
pub(super) struct ContentReader<'a> {
    pointers: &'a [Pointer],
    first_use: FirstUse,
    cursors: Cursors,
    lengths: std::vec::IntoIter<u64>,
    placements: std::vec::IntoIter<usize>,
    gaps: std::vec::IntoIter<i64>,
    counts: std::vec::IntoIter<usize>,
    references: std::vec::IntoIter<usize>,
    heights: std::slice::Iter<'a, u8>,
    holes: std::vec::IntoIter<Vec<Hole>>,
}

impl<'a> ContentReader<'a> {
    /// Reads the columns for files of these forms.
    pub(super) fn read(
        reader: &mut Reader<'a>,
        pointers: &'a [Pointer],
        forms: &[Form],
    ) -> Result<Self, Malformed> {
        if !are_distinct(pointers) {
            return Err(reader.malformed("leaf pointers"));
        }
        let number_of = |wanted: Form| forms.iter().filter(|form| **form == wanted).count();
        let (slices, chunked, listed) =
            (number_of(Form::Slice), number_of(Form::Chunks), number_of(Form::List));
        let lengths = read_lengths(reader, slices + listed)?;
        let placements = read_column(slices, || reader.count(usize::MAX, "placement"))?;
        let jumps =
            placements.iter().filter(|code| **code != FOLLOWS && (**code - NEXT_BUNDLE) % 2 == 1).count();
        let gaps = read_column(jumps, || reader.zigzag("gap before a slice"))?;
        let counts = read_column(chunked, || reader.count(INLINE_POINTERS_MAX, "number of chunks"))?;
        let references = counts.iter().sum::<usize>() + listed;
        let references = read_column(references, || reader.count(pointers.len(), "reference"))?;
        let heights = reader.bytes(listed, "height of a content list")?.iter();
        let hole_counts = read_column(chunked + listed, || reader.count(HOLES_MAX, "number of holes"))?;
        let mut holes = Vec::with_capacity(hole_counts.len());
        for count in hole_counts {
            holes.push(read_holes(reader, count)?);
        }
        Ok(Self {
            pointers,
            first_use: FirstUse::default(),
            cursors: Cursors::default(),
            lengths: lengths.into_iter(),
            placements: placements.into_iter(),
            gaps: gaps.into_iter(),
            counts: counts.into_iter(),
            references: references.into_iter(),
            heights,
            holes: holes.into_iter(),
        })
    }

    /// Length and content of the next file; `None` when a reference, an offset or an order breaks the rules.
    pub(super) fn next(&mut self, form: Form) -> Option<(u64, Content)> {
        match form {
            Form::Empty => Some((0, Content::Empty)),
            Form::Slice => self.next_slice(),
            Form::Chunks => {
                let count = self.counts.next()?;
                let pointers = (0..count).map(|_| self.next_pointer()).collect::<Option<Vec<Pointer>>>()?;
                let holes = self.holes.next()?;
                let stored: u64 = pointers.iter().map(|pointer| u64::from(pointer.plain_bytes)).sum();
                let bytes = holes.iter().try_fold(stored, |sum, hole| sum.checked_add(hole.bytes))?;
                Some((bytes, Content::Chunks { pointers, holes }))
            }
            Form::List => {
                let bytes = self.lengths.next()?;
                let root = self.next_pointer()?;
                let height = *self.heights.next()?;
                Some((bytes, Content::List { root, height, holes: self.holes.next()? }))
            }
        }
    }

    /// Whether every pointer was used.
    pub(super) fn is_complete(&self) -> bool {
        self.first_use.is_complete(self.pointers.len())
    }

    fn next_pointer(&mut self) -> Option<Pointer> {
        let index = self.first_use.code(self.references.next()?)?;
        self.pointers.get(index).copied()
    }

    fn next_slice(&mut self) -> Option<(u64, Content)> {
        let bytes = self.lengths.next()?;
        let (index, jumps) = match self.placements.next()? {
            FOLLOWS => (self.cursors.last?, false),
            code @ NEXT_BUNDLE..KNOWN_BUNDLE => (self.first_use.code(0)?, code != NEXT_BUNDLE),
            code => {
                let index = (code - KNOWN_BUNDLE) / 2;
                let jumps = (code - KNOWN_BUNDLE) % 2 == 1;
                if !jumps && self.cursors.last == Some(index) {
                    return None;
                }
                (self.first_use.code(index + 1)?, jumps)
            }
        };
        let gap = if jumps { self.gaps.next().filter(|gap| *gap != 0)? } else { 0 };
        let bundle = *self.pointers.get(index)?;
        let offset = u32::try_from(i64::from(self.cursors.of(index)).checked_add(gap)?).ok()?;
        let end = u64::from(offset).checked_add(bytes).and_then(|end| u32::try_from(end).ok())?;
        self.cursors.advance(index, end);
        Some((bytes, Content::Slice { bundle, offset }))
    }
}

fn read_lengths(reader: &mut Reader<'_>, count: usize) -> Result<Vec<u64>, Malformed> {
    let mut lengths = read_column(count, || reader.varint("high part of a length"))?;
    let low = reader.bytes(count, "low byte of a length")?;
    for (length, low) in lengths.iter_mut().zip(low) {
        let shifted = length.checked_mul(256).ok_or(reader.malformed("high part of a length"))?;
        *length = shifted + u64::from(*low);
    }
    Ok(lengths)
}

fn read_holes(reader: &mut Reader<'_>, count: usize) -> Result<Vec<Hole>, Malformed> {
    let mut holes = Vec::with_capacity(count.min(reader.remaining()));
    let mut end = 0_u64;
    for _ in 0..count {
        let gap = reader.varint("gap before a hole")?;
        let bytes = reader.varint("length of a hole")?;
        let offset = end.checked_add(gap).ok_or(reader.malformed("gap before a hole"))?;
        end = offset.checked_add(bytes).ok_or(reader.malformed("length of a hole"))?;
        holes.push(Hole { offset, bytes });
    }
    Ok(holes)
}
