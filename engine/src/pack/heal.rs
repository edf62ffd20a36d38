//! Healing a pack where it lies ([`heal`]).
//!
//! Only blocks that are not as they were written are written, after everything that they belong to was verified in
//! memory. So a write that tears, and a crash in the middle, harm nothing that was sound; and doing it again does the
//! rest.

use std::collections::BTreeSet;
use std::io;

use farkeep_codec::id::ObjectId;
use farkeep_codec::id::PackId;

use super::PackError;
use super::check::Flaw;
use super::check::check;
use super::extent::Extent;
use super::header::PackHeader;
use super::mend::mend_all;
use super::path;
use super::reader::PackReader;
use super::reader::Patches;
use crate::disk::Act;
use crate::disk::Advice;
use crate::disk::Disk;
use crate::disk::DiskError;
use crate::disk::Mode;
use crate::limits::BLOCK_BYTES;

/// What a healing did.
#[derive(Debug, Default)]
pub(crate) struct Healed {
    /// Blocks that were written anew, durably, and read again.
    pub(crate) blocks: u64,
    /// What is wrong with the pack still.
    pub(crate) flaws: Vec<Flaw>,
    /// Why the blocks were not written, or are not what was written. They can be read through parity.
    pub(crate) failure: Option<DiskError>,
}

/// What is wrong with a pack, and what can be done about it.
#[derive(Debug, Default)]
pub(crate) struct Diagnosis {
    /// Blocks that are not as they were written, as they should be.
    pub(crate) patches: Patches,
    /// What is wrong all the same.
    pub(crate) flaws: Vec<Flaw>,
}

/// Heals a pack, whose extents are given in order. `buffer` is as in [`check`].
///
/// # Errors
/// If the pack does not open.
pub(crate) fn heal(
    disk: &dyn Disk,
    header: &PackHeader,
    extents: &[Extent],
    buffer: &mut [u8],
) -> Result<Healed, PackError> {
    let Diagnosis { patches, flaws } = diagnose(disk, header, extents, buffer)?;
    let mut healed = Healed { flaws, ..Healed::default() };
    if !patches.is_empty() {
        match write(disk, &header.pack, &patches) {
            Ok(()) => healed.blocks = patches.len() as u64,
            Err(error) => healed.failure = Some(error),
        }
    }
    Ok(healed)
}

/// Finds out what a healing would do. Changes nothing.
///
/// # Errors
/// If the pack does not open.
pub(crate) fn diagnose(
    disk: &dyn Disk,
    header: &PackHeader,
    extents: &[Extent],
    buffer: &mut [u8],
) -> Result<Diagnosis, PackError> {
    let mut remaining = Vec::new();
    let mut reader = PackReader::open(disk, &header.pack, Advice::Sequential)?;
    for (number, extent) in extents.iter().enumerate() {
        let mut flaws = |reader: &PackReader| {
            let mut flaws = flaws(reader, header, extent, buffer);
            // The header block belongs to the first.
            flaws.retain(|flaw| number == 0 || flaw.offset > 0);
            flaws
        };
        let before = flaws(&reader);
        if before.is_empty() {
            continue;
        }
        let earlier = reader.patches().clone();
        let mended = mend_all(&reader, extent);
        reader =
            reader.patched(earlier.iter().map(|(at, block)| (*at, block.clone())).chain(mended).collect());
        let after = flaws(&reader);
        if is_better(&before, &after) {
            remaining.extend(after);
        } else {
            // A table that never was right would make it worse.
            reader = reader.patched(earlier);
            remaining.extend(before);
        }
    }
    Ok(Diagnosis { patches: reader.patches().clone(), flaws: remaining })
}

/// Writes blocks into a pack, durably, and reads them again from the medium.
fn write(disk: &dyn Disk, pack: &PackId, patches: &Patches) -> Result<(), DiskError> {
    let path = path(pack);
    let file = disk.open(&path, Mode::Write)?;
    for (offset, block) in patches {
        file.write_at(*offset, block)?;
    }
    file.sync()?;
    let mut again = vec![0; BLOCK_BYTES];
    for (offset, block) in patches {
        file.advise(Advice::Done { offset: *offset, bytes: BLOCK_BYTES as u64 });
        file.read_exact_at(*offset, &mut again)?;
        if again != *block {
            let source = io::Error::other("what was written is not what is read");
            return Err(DiskError::new(Act::Read, &path, source));
        }
    }
    Ok(())
}

fn flaws(reader: &PackReader, header: &PackHeader, extent: &Extent, buffer: &mut [u8]) -> Vec<Flaw> {
    let mut flaws = Vec::new();
    let extents = std::slice::from_ref(extent);
    check(reader, header, extents, buffer, &mut |_| {}, &mut |_| {}, &mut |flaw| flaws.push(flaw));
    flaws
}

/// Whether nothing of an extent is lost that was not before.
fn is_better(before: &[Flaw], after: &[Flaw]) -> bool {
    let names = |flaws: &[Flaw]| flaws.iter().all(|flaw| flaw.unnamed.is_none());
    let lost = |flaws: &[Flaw]| -> BTreeSet<ObjectId> {
        flaws.iter().flat_map(|flaw| flaw.objects.iter().copied()).collect()
    };
    !names(before) || (names(after) && lost(after).is_subset(&lost(before)))
}
