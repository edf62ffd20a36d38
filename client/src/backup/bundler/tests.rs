use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use farkeep_codec::id::ContentHash;
use farkeep_codec::id::ObjectId;
use farkeep_codec::id::Seed;
use farkeep_codec::key::Epoch;
use farkeep_codec::object::Pointer;
use tempfile::TempDir;

use super::Bundler;
use super::FullBundle;
use super::Piece;
use crate::backup::CacheUse;
use crate::backup::buffers::Buffers;
use crate::backup::catalogue::BundleNumber;
use crate::backup::catalogue::Bundles;
use crate::backup::catalogue::Placement;
use crate::repository::Access;
use crate::repository::Repository;
use crate::repository::trial::Trial;

/// Bytes of every file.
const FILE_BYTES: usize = 5_000;

/// A repository with a folder for its cache.
struct Room {
    repository: Repository,
    cache: TempDir,
    _trial: Trial,
}

/// What became of a list of files: their places, and the bundles in the order in which they were full.
type Laid = (Vec<Placement>, Vec<(BundleNumber, Vec<Range<usize>>)>);

impl Room {
    fn new() -> Self {
        let trial = Trial::new();
        let cache = TempDir::new().expect("a temporary folder can be made");
        Self { repository: trial.open(Access::Write), cache, _trial: trial }
    }

    fn bundler(&self, cache: CacheUse, bundles: &Bundles) -> Bundler {
        let folder: &Path = self.cache.path();
        Bundler::new(self.repository.keys(), self.repository.parameters(), cache, folder, bundles)
    }

    fn hash(&self, file: u32) -> ContentHash {
        self.repository.keys().file_hash(&file.to_le_bytes())
    }

    /// The place of a file, and the bundle that it filled. The piece's range tells which file it is.
    fn place(
        &self,
        bundler: &mut Bundler,
        bundles: &mut Bundles,
        file: u32,
    ) -> (Placement, Option<FullBundle>) {
        let start = usize::try_from(file).expect("it is small");
        let buffer = Arc::<Buffers>::default().share(vec![0; FILE_BYTES + start]);
        bundler.place(self.hash(file), Piece { buffer, range: start..start + FILE_BYTES }, bundles)
    }

    fn lay(&self, bundler: &mut Bundler, bundles: &mut Bundles, files: Range<u32>) -> Laid {
        let (mut places, mut all) = (Vec::new(), Vec::new());
        for file in files {
            let (place, full) = self.place(bundler, bundles, file);
            places.push(place);
            all.extend(full);
        }
        all.extend(bundler.finish());
        let ranges = |bundle: &FullBundle| bundle.pieces.iter().map(|piece| piece.range.clone()).collect();
        (places, all.iter().map(|bundle| (bundle.number, ranges(bundle))).collect())
    }
}

/// As if the bundle had been stored.
fn store(bundles: &mut Bundles, number: BundleNumber) {
    let byte = u8::try_from(number.0 + 1).expect("there are few");
    let (id, seed) = (ObjectId::from_bytes([byte; 32]), Seed::from_bytes([byte; 32]));
    bundles.define(number, Pointer { id, seed, plain_bytes: 1 << 20, epoch: Epoch::FIRST });
}

#[test]
fn files_lie_one_behind_the_other_in_the_order_in_which_they_come() {
    let room = Room::new();
    let mut bundles = Bundles::default();
    let mut bundler = room.bundler(CacheUse::Ignore, &bundles);
    let (places, full) = room.lay(&mut bundler, &mut bundles, 0..400);
    assert!(full.len() > 2, "{} bundles", full.len());
    let mut files = 0..400_u32;
    for (number, ranges) in &full {
        for (at, range) in ranges.iter().enumerate() {
            let file =
                usize::try_from(files.next().expect("no file lies in two bundles")).expect("it is small");
            assert_eq!(range.start, file, "the piece is another file's");
            let offset = u32::try_from(at * FILE_BYTES).expect("it is small");
            assert_eq!(places[file], Placement { bundle: *number, offset, borrowed: false });
        }
    }
    assert_eq!(files.next(), None, "a file lies in no bundle");
}

#[test]
fn the_same_files_have_the_same_borders_in_every_run() {
    let room = Room::new();
    let lay = || {
        let mut bundles = Bundles::default();
        let mut bundler = room.bundler(CacheUse::Ignore, &bundles);
        room.lay(&mut bundler, &mut bundles, 0..400)
    };
    assert_eq!(lay(), lay());
}

#[test]
fn equal_files_of_one_run_share_a_place() {
    let room = Room::new();
    let mut bundles = Bundles::default();
    let mut bundler = room.bundler(CacheUse::Ignore, &bundles);
    let (first, after_first) = room.place(&mut bundler, &mut bundles, 1);
    let (_, after_second) = room.place(&mut bundler, &mut bundles, 2);
    let (again, full) = room.place(&mut bundler, &mut bundles, 1);
    assert_eq!(again, Placement { borrowed: true, ..first });
    assert!(full.is_none());
    let kept = Placement { bundle: BundleNumber(77), offset: 5, borrowed: true };
    bundler.keep(room.hash(3), kept);
    assert_eq!(room.place(&mut bundler, &mut bundles, 3).0, kept, "what another path kept is borrowed too");
    // Where the borders are depends on the repository's keys.
    let full = [after_first, after_second, bundler.finish()];
    let pieces: usize = full.iter().flatten().map(|bundle| bundle.pieces.len()).sum();
    assert_eq!(pieces, 2, "each is stored once");
}

#[test]
fn the_next_run_borrows_what_was_stored_and_nothing_else() {
    let room = Room::new();
    let mut bundles = Bundles::default();
    let mut bundler = room.bundler(CacheUse::Use, &bundles);
    let (places, full) = room.lay(&mut bundler, &mut bundles, 0..400);
    let ((unstored, lost), stored) = full.split_last().expect("there are several");
    stored.iter().for_each(|(number, _)| store(&mut bundles, *number));
    bundler.spill(&bundles).expect("there is room");
    // This run still knows the slices of the bundle that is under way, as it does the others.
    for (file, place) in (0..).zip(&places) {
        let found = room.place(&mut bundler, &mut bundles, file).0;
        assert_eq!(found, Placement { borrowed: true, ..*place }, "file {file}");
    }
    bundler.spill(&bundles).expect("there is room");

    let mut table = Bundles::default();
    stored.iter().for_each(|(number, _)| store(&mut table, *number));
    let mut next = room.bundler(CacheUse::Use, &table);
    for (file, place) in (0..).zip(&places) {
        let found = room.place(&mut next, &mut table, file).0;
        assert_eq!(found.borrowed, place.bundle != *unstored, "file {file}");
        assert!(
            !found.borrowed || (found.bundle, found.offset) == (place.bundle, place.offset),
            "file {file}"
        );
    }
    assert!(!lost.is_empty());

    let mut without = room.bundler(CacheUse::Ignore, &table);
    assert!(!room.place(&mut without, &mut table.clone(), 0).0.borrowed, "the cache is not used");
    let mut nothing = Bundles::default();
    let mut elsewhere = room.bundler(CacheUse::Use, &nothing);
    assert!(!room.place(&mut elsewhere, &mut nothing, 0).0.borrowed, "the bundle is in no table any more");
}

#[test]
fn bundles_that_are_avoided_get_no_file_and_what_leaves_them_is_shared() {
    let room = Room::new();
    let mut bundles = Bundles::default();
    let mut bundler = room.bundler(CacheUse::Use, &bundles);
    let (places, full) = room.lay(&mut bundler, &mut bundles, 0..400);
    full.iter().for_each(|(number, _)| store(&mut bundles, *number));
    bundler.spill(&bundles).expect("there is room");
    let avoided = places[0].bundle;
    bundler.avoid([avoided]);
    for (file, place) in (0..).zip(&places) {
        let found = room.place(&mut bundler, &mut bundles, file).0;
        if place.bundle == avoided {
            assert!(found.bundle != avoided && !found.borrowed, "file {file}");
            let again = room.place(&mut bundler, &mut bundles, file).0;
            assert_eq!(again, Placement { borrowed: true, ..found }, "file {file}");
        } else {
            assert_eq!(found, Placement { borrowed: true, ..*place }, "file {file}");
        }
    }
}
