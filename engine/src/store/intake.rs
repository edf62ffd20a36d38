//! Packs under construction ([`Intake`]): at most one per kind of object.
//!
//! It knows what lies where, and nothing of what that means: [`persist`](super::persist) says what is durable.

use std::collections::BTreeSet;
use std::path::PathBuf;

use farkeep_codec::id::ObjectId;
use farkeep_codec::id::PackId;
use farkeep_codec::id::RepositoryId;
use farkeep_codec::object::Kind;

use super::catalogue::Catalogue;
use super::options::Options;
use crate::disk::Disk;
use crate::disk::DiskError;
use crate::index::Spot;
use crate::journal::StoredExtent;
use crate::limits::BLOCK_BYTES;
use crate::limits::PACK_ROOM_BYTES_MIN;
use crate::pack;
use crate::pack::Encoder;
use crate::pack::Encoders;
use crate::pack::PackHeader;
use crate::pack::PackWriter;
use crate::pack::RECORD_HEADER_BYTES;

/// Packs under construction.
pub(super) struct Intake {
    open: Vec<OpenPack>,
    /// Number of the next pack: they get their numbers in the order in which they are begun, which is also the order
    /// of their first appearance in the journal, because one event covers all of them.
    next_number: u32,
    /// Folders with names that are not durable yet.
    new_names: BTreeSet<PathBuf>,
    /// Folders whose own names are durable, because the journal knows a pack in them. That a folder is there says
    /// nothing: a process that died may have made it.
    durable_folders: BTreeSet<PathBuf>,
    /// Whether what earlier runs left behind was removed.
    pub(super) is_swept: bool,
    /// Packs that a collection writes, beside these.
    pub(super) moving: BTreeSet<PackId>,
    /// The write that failed, until everything that was not durable is given up.
    pub(super) failed: Option<DiskError>,
    seed: [u8; 32],
    begun: u64,
    encoders: Encoders,
}

struct OpenPack {
    number: u32,
    writer: PackWriter,
    /// Something was written since the last sync.
    is_dirty: bool,
    /// An object did not fit.
    is_full: bool,
}

/// What became of an object that was added.
pub(super) enum Added {
    /// It lies there.
    At(Spot),
    /// A pack must be begun first.
    NoPack,
    /// The pack is full, and what was written to it must be made durable first.
    NoRoom,
}

impl Intake {
    /// Without any pack, in a repository that has these.
    pub(super) fn new(options: &Options, catalogue: &Catalogue) -> Self {
        Self {
            open: Vec::new(),
            next_number: catalogue.next_number(),
            new_names: BTreeSet::new(),
            durable_folders: catalogue.packs().map(|(_, pack)| pack::folder(&pack.id)).collect(),
            is_swept: false,
            moving: BTreeSet::new(),
            failed: None,
            seed: options.seed,
            begun: 0,
            encoders: Encoders::default(),
        }
    }

    /// Appends an object to the pack of its kind.
    pub(super) fn add(&mut self, kind: Kind, id: &ObjectId, object: &[u8]) -> Result<Added, DiskError> {
        let Some(at) = self.open.iter().position(|open| open.writer.kind() == kind) else {
            return Ok(Added::NoPack);
        };
        let open = &mut self.open[at];
        let bytes = u32::try_from(object.len()).expect("an object has a limit");
        open.is_full |= !open.writer.fits(bytes);
        if open.is_full && open.is_dirty {
            return Ok(Added::NoRoom);
        }
        if open.is_full {
            self.open.remove(at);
            return Ok(Added::NoPack);
        }
        open.is_dirty = true;
        let offset = open.writer.add(id, object)?;
        Ok(Added::At(Spot { ordinal: open.number, offset, bytes }))
    }

    /// Begins a pack for objects of that kind, with so much room and parity.
    pub(super) fn begin(
        &mut self,
        disk: &dyn Disk,
        repository: RepositoryId,
        kind: Kind,
        (room_bytes, parity_thousandths): (u32, u16),
    ) -> Result<(), DiskError> {
        let pack = self.next_id();
        let folder = pack::folder(&pack);
        match disk.create_folder(&folder) {
            Ok(()) | Err(DiskError::Exists { .. }) => {}
            Err(error) => return Err(error),
        }
        if !self.durable_folders.contains(&folder) {
            self.new_names.insert(pack::FOLDER.into());
        }
        let file = disk.append(&pack::path(&pack), u64::from(room_bytes))?;
        self.new_names.insert(folder);
        let parity = self.encoder(parity_thousandths);
        let writer = PackWriter::begin(file, PackHeader { repository, pack, kind }, room_bytes, parity)?;
        self.open.push(OpenPack { number: self.next_number, writer, is_dirty: true, is_full: false });
        self.next_number += 1;
        Ok(())
    }

    /// What makes the parity of a pack; nothing where there is none.
    pub(super) fn encoder(&self, parity_thousandths: u16) -> Option<Encoder> {
        self.encoders.encoder(parity_thousandths)
    }

    /// Lets no pack grow any more, and gives away the numbers behind theirs: whatever gets those appears in the journal
    /// directly behind these packs, and every later pack behind it. Returns the first of them.
    pub(super) fn end_packs(&mut self, numbers: u32) -> u32 {
        self.open.iter_mut().for_each(|open| open.is_full = true);
        let first = self.next_number;
        self.next_number += numbers;
        first
    }

    /// Closes packs that do not grow any more, and have nothing that is not durable.
    pub(super) fn close_ended(&mut self) -> Result<(), DiskError> {
        let (ended, going_on): (Vec<_>, _) =
            std::mem::take(&mut self.open).into_iter().partition(|open| open.is_full && !open.is_dirty);
        self.open = going_on;
        ended.into_iter().try_for_each(|open| open.writer.finish().map(|_| ()))
    }

    /// The numbers of the packs that may grow, or that hold something which the journal does not know yet.
    pub(super) fn open_packs(&self) -> impl Iterator<Item = u32> + '_ {
        self.open.iter().filter(|open| open.is_dirty || !open.is_full).map(|open| open.number)
    }

    /// Closes the extents of all packs.
    pub(super) fn close_extents(&mut self) -> Result<Vec<StoredExtent>, DiskError> {
        let mut extents = Vec::new();
        for open in &mut self.open {
            if let Some(extent) = open.writer.close_extent()? {
                extents.push(StoredExtent { pack: *open.writer.id(), kind: open.writer.kind(), extent });
            }
        }
        Ok(extents)
    }

    /// Makes the bytes of all packs durable; full packs are ended.
    pub(super) fn sync(&mut self) -> Result<(), DiskError> {
        let (full, going_on) = std::mem::take(&mut self.open).into_iter().partition(|open| open.is_full);
        self.open = going_on;
        for open in self.open.iter_mut().filter(|open| open.is_dirty) {
            open.writer.sync()?;
            open.is_dirty = false;
        }
        let full: Vec<OpenPack> = full;
        full.into_iter().try_for_each(|open| open.writer.finish().map(|_| ()))
    }

    /// The folders whose names must be made durable, from the inside out.
    pub(super) fn take_new_names(&mut self) -> Vec<PathBuf> {
        std::mem::take(&mut self.new_names).into_iter().rev().collect()
    }

    /// Gives everything up that is in the packs and not in the journal, in which the next pack has that number.
    pub(super) fn abandon(&mut self, next_number: u32) {
        self.open.clear();
        self.new_names.clear();
        self.next_number = next_number;
        self.is_swept = false;
        self.failed = None;
    }

    /// Fills `into` from a pack under construction. False if the pack is no longer one.
    pub(super) fn read_back(&self, spot: &Spot, into: &mut [u8]) -> Result<bool, DiskError> {
        match self.open.iter().find(|open| open.number == spot.ordinal) {
            None => Ok(false),
            Some(open) => open.writer.read_back(spot.offset + RECORD_HEADER_BYTES, into).map(|()| true),
        }
    }

    /// The pack with this number, if it is under construction.
    pub(super) fn pack(&self, number: u32) -> Option<PackId> {
        self.open.iter().find(|open| open.number == number).map(|open| *open.writer.id())
    }

    /// A name that no pack has.
    pub(super) fn next_id(&mut self) -> PackId {
        let mut hasher = blake3::Hasher::new_keyed(&self.seed);
        hasher.update(&self.begun.to_le_bytes());
        self.begun += 1;
        PackId::from_bytes(*hasher.finalize().as_bytes())
    }
}

/// The room to reserve for a pack that begins with an object of `object_bytes`, where `free_bytes` are free.
///
/// # Errors
/// How many bytes would have to be free.
pub(super) fn pack_room_bytes(
    options: &Options,
    parity_thousandths: u16,
    object_bytes: u32,
    free_bytes: u64,
) -> Result<u32, u64> {
    let block = u32::try_from(BLOCK_BYTES).expect("a block is small");
    let summary_end = pack::extent_end(block + RECORD_HEADER_BYTES + object_bytes, 1);
    let first = pack::parity_end(block, summary_end, parity_thousandths);
    let least = u64::from(first).max(options.pack_bytes.min(PACK_ROOM_BYTES_MIN));
    let usable = free_bytes.saturating_sub(options.reserve_bytes);
    if usable < least {
        return Err(options.reserve_bytes + least);
    }
    let room = options.pack_bytes.max(u64::from(first)).min(usable);
    Ok(u32::try_from(room).expect("a pack has a limit") / block * block)
}
