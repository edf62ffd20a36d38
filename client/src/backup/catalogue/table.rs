//! The table of bundles: rows name a bundle by a small number, and the table knows its pointer and how much of it
//! is still used.
//!
//! It is the one part of a catalogue that is held in memory: about a hundred bytes for each bundle of half a mebibyte.

use farkeep_codec::layout::Malformed;
use farkeep_codec::layout::Reader;
use farkeep_codec::layout::Writer;
use farkeep_codec::object::Pointer;

use super::block::pointer;
use super::block::write_pointer;

/// Number of a bundle in a table of bundles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct BundleNumber(pub(crate) u32);

/// What is known of one bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Bundle {
    /// Where it is; `None` while it is filled or sealed.
    pub(crate) pointer: Option<Pointer>,
    /// Bytes of it that rows of the snapshot in the making use.
    pub(crate) live_bytes: u64,
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
        let bundle = Some(Bundle { pointer: None, live_bytes: 0 });
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
            let live_bytes = place.as_ref().map_or(0, |bundle| bundle.live_bytes);
            *place = Some(Bundle { pointer: Some(stored), live_bytes });
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

    /// Sets all counts of used bytes to 0, before a pass that counts them.
    pub(crate) fn count_anew(&mut self) {
        self.table.iter_mut().flatten().for_each(|bundle| bundle.live_bytes = 0);
    }

    /// The bundles that are used, but less than half: their files are to be bundled anew.
    pub(crate) fn wasteful(&self) -> Vec<BundleNumber> {
        self.stored()
            .filter(|(_, stored, live_bytes)| {
                *live_bytes > 0 && live_bytes * 2 < u64::from(stored.plain_bytes)
            })
            .map(|(number, _, _)| number)
            .collect()
    }

    /// Every stored bundle with its pointer and the bytes that are used of it.
    pub(crate) fn stored(&self) -> impl Iterator<Item = (BundleNumber, &Pointer, u64)> {
        (0_u32..).zip(&self.table).filter_map(|(number, bundle)| {
            let bundle = bundle.as_ref()?;
            Some((BundleNumber(number), bundle.pointer.as_ref()?, bundle.live_bytes))
        })
    }

    /// Makes the numbers of bundles that nothing uses free for new ones.
    pub(crate) fn free_unused(&mut self) {
        for place in &mut self.table {
            if place.as_ref().is_some_and(|bundle| bundle.live_bytes == 0) {
                *place = None;
            }
        }
        self.refresh_free();
    }

    /// Forgets the bundles that `has` denies.
    pub(crate) fn retain<E>(&mut self, mut has: impl FnMut(&Pointer) -> Result<bool, E>) -> Result<(), E> {
        for place in &mut self.table {
            if let Some(Bundle { pointer: Some(stored), .. }) = place
                && !has(stored)?
            {
                *place = None;
            }
        }
        self.refresh_free();
        Ok(())
    }

    pub(super) fn refresh_free(&mut self) {
        self.free =
            (0_u32..).zip(&self.table).filter(|(_, b)| b.is_none()).map(|(number, _)| number).collect();
    }

    pub(super) fn encode(&self, out: &mut Writer) {
        out.count(self.stored().count());
        for (number, stored, live_bytes) in self.stored() {
            encode_record(number, stored, live_bytes, out);
        }
    }

    /// Adds the records of an encoded table to this one, in place of what has the same numbers.
    pub(super) fn decode_over(&mut self, reader: &mut Reader<'_>) -> Result<(), Malformed> {
        let count = reader.count(reader.remaining(), "bundles")?;
        for _ in 0..count {
            let number = BundleNumber(reader.u32("bundle")?);
            let live_bytes = reader.varint("used bytes")?;
            let stored = pointer(reader)?;
            if number.0 > 1 << 28 {
                return Err(reader.malformed("bundle"));
            }
            self.define(number, stored);
            self.count_live(number, live_bytes);
        }
        self.refresh_free();
        Ok(())
    }
}

pub(super) fn encode_record(number: BundleNumber, stored: &Pointer, live_bytes: u64, out: &mut Writer) {
    out.u32(number.0).varint(live_bytes);
    write_pointer(stored, out);
}
