//! The table of bundles: rows name a bundle by a small number, and the table knows its pointer and how much of it
//! is still used.
//!
//! It is the one part of a catalogue that is held in memory: about a hundred bytes for each bundle of half a mebibyte.

use farkeep_codec::id::ObjectId;
use farkeep_codec::layout::Malformed;
use farkeep_codec::layout::Reader;
use farkeep_codec::layout::Writer;
use farkeep_codec::object::Pointer;

use super::block::pointer;
use super::block::write_pointer;

/// Bundles whose presence is asked for together.
const RETAINED_TOGETHER: usize = 4096;

/// Number of a bundle in a table of bundles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct BundleNumber(pub(crate) u32);

/// What is known of one bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Bundle {
    /// Where it is; `None` while it is filled or sealed.
    pub(crate) pointer: Option<Pointer>,
    /// Bytes of it that rows of the snapshot in the making use, each slice counted by the one row that owns it.
    pub(crate) live_bytes: u64,
    /// Bytes of the rows that borrow slices of it, as often as they do.
    pub(crate) borrowed_bytes: u64,
}

impl Bundle {
    fn stored_at(pointer: Option<Pointer>) -> Self {
        Self { pointer, live_bytes: 0, borrowed_bytes: 0 }
    }

    fn is_used(&self) -> bool {
        self.live_bytes + self.borrowed_bytes > 0
    }
}

/// The bundles of a catalogue.
#[derive(Debug, Clone, Default)]
pub(crate) struct Bundles {
    table: Vec<Option<Bundle>>,
    free: Vec<u32>,
}

impl Bundles {
    /// Gives a number to a bundle that begins.
    pub(crate) fn begin(&mut self) -> BundleNumber {
        let bundle = Some(Bundle::stored_at(None));
        match self.free.pop() {
            Some(number) => {
                if let Some(place) = self.table.get_mut(number as usize) {
                    *place = bundle;
                }
                BundleNumber(number)
            }
            None => {
                self.table.push(bundle);
                BundleNumber(
                    u32::try_from(self.table.len() - 1).expect("four thousand million bundles are 2 PiB"),
                )
            }
        }
    }

    /// Records where a bundle was stored.
    pub(crate) fn define(&mut self, number: BundleNumber, stored: Pointer) {
        let index = number.0 as usize;
        if index >= self.table.len() {
            self.table.resize(index + 1, None);
        }
        if let Some(place) = self.table.get_mut(index) {
            place.get_or_insert(Bundle::stored_at(None)).pointer = Some(stored);
        }
    }

    /// Where a bundle lies, when it is stored.
    pub(crate) fn pointer(&self, number: BundleNumber) -> Option<&Pointer> {
        self.bundle(number)?.pointer.as_ref()
    }

    /// What is known of a bundle.
    pub(crate) fn bundle(&self, number: BundleNumber) -> Option<&Bundle> {
        self.table.get(number.0 as usize)?.as_ref()
    }

    /// Counts `bytes` of a bundle as used.
    pub(crate) fn count_live(&mut self, number: BundleNumber, bytes: u64) {
        if let Some(Some(bundle)) = self.table.get_mut(number.0 as usize) {
            bundle.live_bytes += bytes;
        }
    }

    /// Counts `bytes` of a bundle as used by a row that borrows them.
    pub(crate) fn count_borrowed(&mut self, number: BundleNumber, bytes: u64) {
        if let Some(Some(bundle)) = self.table.get_mut(number.0 as usize) {
            bundle.borrowed_bytes += bytes;
        }
    }

    /// Sets all counts of used bytes to 0, before a pass that counts them.
    pub(crate) fn count_anew(&mut self) {
        for bundle in self.table.iter_mut().flatten() {
            *bundle = Bundle::stored_at(bundle.pointer);
        }
    }

    /// The bundles that are used, but too little as far as their owners tell, each with the bytes that are enough. What
    /// is borrowed may add to what the owners use.
    ///
    /// A quarter is enough as long as half of all bytes are used: then moving what is left of a bundle costs at most a
    /// third of what it sets free. Otherwise every bundle has to be used by half.
    pub(crate) fn sparse(&self) -> impl Iterator<Item = (BundleNumber, u64, &Bundle)> {
        let (live_bytes, plain_bytes) = self
            .used()
            .fold((0, 0), |(live, plain), (_, bundle, bytes)| (live + bundle.live_bytes, plain + bytes));
        let parts = if live_bytes * 2 < plain_bytes { 2 } else { 4 };
        self.used().filter_map(move |(number, bundle, plain_bytes)| {
            let enough_bytes = plain_bytes.div_ceil(parts);
            (bundle.live_bytes < enough_bytes).then_some((number, enough_bytes, bundle))
        })
    }

    /// The stored bundles of which anything is used, with the bytes of each.
    fn used(&self) -> impl Iterator<Item = (BundleNumber, &Bundle, u64)> {
        (0_u32..).zip(&self.table).filter_map(|(number, bundle)| {
            let bundle = bundle.as_ref().filter(|bundle| bundle.is_used())?;
            Some((BundleNumber(number), bundle, u64::from(bundle.pointer.as_ref()?.plain_bytes)))
        })
    }

    /// Every stored bundle with its pointer.
    pub(crate) fn stored(&self) -> impl Iterator<Item = (BundleNumber, &Pointer)> {
        (0_u32..)
            .zip(&self.table)
            .filter_map(|(number, bundle)| Some((BundleNumber(number), bundle.as_ref()?.pointer.as_ref()?)))
    }

    /// Forgets the bundles that `has` denies, which is asked for some of them together. Their numbers are not given to
    /// others, and neither are those that were free: rows of a run that was cut may name them.
    pub(crate) fn retain<E>(
        &mut self,
        mut has: impl FnMut(&[ObjectId]) -> Result<Vec<bool>, E>,
    ) -> Result<(), E> {
        for together in self.table.chunks_mut(RETAINED_TOGETHER) {
            let stored = |place: &Option<Bundle>| place.as_ref()?.pointer.map(|pointer| pointer.id);
            let ids: Vec<ObjectId> = together.iter().filter_map(stored).collect();
            if ids.is_empty() {
                continue;
            }
            let mut there = has(&ids)?.into_iter();
            for place in together.iter_mut().filter(|place| stored(place).is_some()) {
                if there.next() != Some(true) {
                    *place = None;
                }
            }
        }
        self.free.clear();
        Ok(())
    }

    fn refresh_free(&mut self) {
        self.free =
            (0_u32..).zip(&self.table).filter(|(_, b)| b.is_none()).map(|(number, _)| number).collect();
    }

    /// Only the bundles that are used: the numbers of the others are free for new ones in the next run.
    pub(super) fn encode(&self, out: &mut Writer) {
        out.count(self.used().count());
        for (number, bundle, _) in self.used() {
            encode_record(number, bundle.pointer.as_ref().expect("used ones are stored"), out);
        }
    }

    /// Adds the records of an encoded table to this one, in place of what has the same numbers.
    pub(super) fn decode_over(&mut self, reader: &mut Reader<'_>) -> Result<(), Malformed> {
        let count = reader.count(reader.remaining(), "bundles")?;
        for _ in 0..count {
            let number = BundleNumber(reader.u32("bundle")?);
            let stored = pointer(reader)?;
            if number.0 > 1 << 28 {
                return Err(reader.malformed("bundle"));
            }
            self.define(number, stored);
        }
        self.refresh_free();
        Ok(())
    }
}

pub(super) fn encode_record(number: BundleNumber, stored: &Pointer, out: &mut Writer) {
    out.u32(number.0);
    write_pointer(stored, out);
}
