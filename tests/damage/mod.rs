//! Damage to the files of a repository: always found, never a wrong byte restored, what is lost is named.
//!
//! The engine's own tests flip every byte of a repository of few objects. Here real snapshots are checked and restored by
//! the client, which takes longer, so large files are sampled by a stride; what frames the rest (the first and last
//! block of every file) is tried more densely.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;

use farkeep::check;
use farkeep::check::Finding;
use farkeep::config::size::Share;
use farkeep::progress::Progress;
use farkeep::repository::Access;
use farkeep::repository::Extent;
use farkeep::repository::Repository;
use farkeep::repository::RepositoryError;
use farkeep::restore::Problem;
use farkeep::source::key_of;
use farkeep_codec::id::SnapshotId;
use farkeep_codec::tree::PathKey;
use farkeep_engine::StoreError;
use tempfile::TempDir;

use crate::world::Item;
use crate::world::Link;
use crate::world::Manifest;
use crate::world::Place;
use crate::world::Tree;
use crate::world::make;
use crate::world::restore;

/// Bytes at both ends of a file that are tried more densely.
const FRAME_BYTES: usize = 4096;
/// Places that are tried in each frame, and between the frames.
const PLACES: usize = 48;

struct Small {
    place: Place,
    source: Manifest,
    snapshot: SnapshotId,
}

/// What was found.
enum Found {
    /// The repository did not open, and said why.
    AtOpening,
    /// The check named damage, and these paths as lost.
    ByCheck(Lost),
    Nothing,
}

/// Paths that a check says are lost.
#[derive(Default)]
struct Lost {
    paths: BTreeSet<PathKey>,
    ranges: Vec<(PathKey, Option<PathKey>)>,
}

impl Lost {
    fn names(&self, path: &PathKey) -> bool {
        let inside = |(from, end): &(PathKey, Option<PathKey>)| {
            from <= path && end.as_ref().is_none_or(|end| path < end)
        };
        self.paths.contains(path) || self.ranges.iter().any(inside)
    }
}

impl Small {
    fn new() -> Self {
        let place = Place::new();
        let small = (0..24).map(|at| (format!("{at}"), Item::noise(at, 1_200)));
        let root = Item::folder([
            ("small", Item::folder(small)),
            ("large", Item::noise(100, 90_000)),
            ("larger", Item::noise(101, 180_000)),
            ("text", Item::text(&"words ".repeat(2_000))),
        ]);
        let links = vec![Link { file: 1, folder: 1, name: b"large too".to_vec() }];
        make(&Tree { root, links }, &place.source());
        let first = place.backup();
        fs::write(place.source().join("small/3"), "changed").expect("it can be written");
        let second = place.backup();
        assert_ne!(first.snapshot, second.snapshot);
        let source = Manifest::of(&place.source());
        Self { place, source, snapshot: second.snapshot.expect("it was no dry run") }
    }

    /// Opens, checks and restores; fails if a wrong byte comes back or something is lost and not named.
    fn find(&self) -> Found {
        let repository = match self.place.try_open(Access::Read) {
            Ok(repository) => repository,
            Err(error) => {
                expect_reason(&error);
                return Found::AtOpening;
            }
        };
        let request = check::Request { data: Some(Share::ALL), cancel: Arc::default() };
        let mut findings = Vec::new();
        let checked =
            check::run(&repository, &request, &Progress::new(), &mut |finding| findings.push(finding));
        let Ok(summary) = checked else {
            let check::CheckError::Repository(error) = checked.expect_err("just seen") else {
                panic!("not cancelled")
            };
            expect_reason(&error);
            return Found::AtOpening;
        };
        assert_eq!(summary.damage_count == 0, findings.is_empty());
        let lost = lost(&findings, self.snapshot);
        self.expect_true_bytes(&repository, &lost);
        if findings.is_empty() { Found::Nothing } else { Found::ByCheck(lost) }
    }

    /// What is restored is what was backed up; what is not was named, by the check and by the restore.
    fn expect_true_bytes(&self, repository: &Repository, lost: &Lost) {
        let points = match repository.snapshots() {
            Ok(points) => points,
            Err(error) => return expect_reason(&error),
        };
        if points.iter().all(|point| point.id != self.snapshot) {
            let listing = repository.listing().expect("just listed");
            assert!(
                listing.refused.iter().any(|refused| refused.id == self.snapshot),
                "a snapshot is gone silently"
            );
            return;
        }
        let target = TempDir::new().expect("a temporary folder can be made");
        let summary = restore(repository, self.snapshot, &self.place.source(), target.path());
        let summary = summary.expect("damage is named, and the rest is restored");
        let restored = Manifest::of(target.path());
        let (restored, wanted) = (restored.files(), self.source.files());
        let top = key_of(&self.place.source()).expect("it is a path");
        let named = named(&summary.problems);
        for (path, wanted) in wanted {
            let full = path
                .iter()
                .fold(top.clone(), |key, name| key.join(name.as_encoded_bytes()).expect("it is a name"));
            match restored.get(path) {
                Some(found) => assert_eq!(*found, wanted, "{} has wrong bytes", path.display()),
                None => {
                    assert!(
                        named.names(&full),
                        "{} is not restored and not named: {:?}",
                        path.display(),
                        summary.problems
                    );
                    assert!(lost.names(&full), "{} is lost and the check does not name it", path.display());
                }
            }
        }
    }
}

fn lost(findings: &[Finding], of: SnapshotId) -> Lost {
    let mut lost = Lost::default();
    for finding in findings {
        match finding {
            Finding::Lost { snapshot, path, extent } if *snapshot == of => match extent {
                Extent::Path => drop(lost.paths.insert(path.clone())),
                Extent::Range { end, .. } => lost.ranges.push((path.clone(), end.clone())),
            },
            _ => {}
        }
    }
    lost
}

fn named(problems: &[Problem]) -> Lost {
    let mut lost = Lost::default();
    for Problem { path, extent, .. } in problems {
        match extent {
            Extent::Path => drop(lost.paths.insert(path.clone())),
            Extent::Range { end, .. } => lost.ranges.push((path.clone(), end.clone())),
        }
    }
    lost
}

/// A damaged repository is refused as such, not by an error from which nothing can be learned.
fn expect_reason(error: &RepositoryError) {
    let by_store = matches!(
        error.store(),
        Some(
            StoreError::NotThere
                | StoreError::NewerFormat { .. }
                | StoreError::Unsupported { .. }
                | StoreError::Index { .. }
        )
    );
    assert!(by_store || error.is_damage(), "{error:?}");
}

/// The files of the repository, the lock aside, which is empty of meaning.
fn files(folder: &Path) -> Vec<PathBuf> {
    let manifest = Manifest::of(folder);
    let files: Vec<PathBuf> = manifest.files().keys().map(|path| folder.join(path)).collect();
    files
        .into_iter()
        .filter(|path| path.file_name().is_some_and(|name| name != "lock" && name != "LOCK"))
        .collect()
}

/// Offsets to try: densely at both ends, by a stride between.
fn places(bytes: usize) -> Vec<usize> {
    let front = (0..bytes.min(FRAME_BYTES)).step_by(FRAME_BYTES / PLACES);
    let middle = (FRAME_BYTES..bytes.saturating_sub(FRAME_BYTES)).step_by(bytes / PLACES + 1);
    let back = (bytes.saturating_sub(FRAME_BYTES).max(FRAME_BYTES)..bytes).step_by(FRAME_BYTES / PLACES);
    front.chain(middle).chain(back).chain(bytes.checked_sub(1)).collect()
}

/// Whether nothing that is in the file counts: the index can be built anew, and of a lock only who holds it matters.
fn is_of_no_account(path: &Path) -> bool {
    path.iter().any(|name| name == "index" || name == "pins")
}

/// Without its tables, parity mends nothing.
fn spoil_parity(file: &mut [u8]) {
    for block in file.chunks_exact_mut(4096).filter(|block| block.starts_with(b"FKpt")) {
        block[20] ^= 1;
    }
}

#[test]
fn flipped_bytes_are_found_and_never_restored() {
    let small = Small::new();
    assert!(matches!(small.find(), Found::Nothing));
    let (mut flips, mut named) = (0, 0);
    for path in files(&small.place.repository()).into_iter().filter(|path| !is_of_no_account(path)) {
        let good = fs::read(&path).expect("it can be read");
        for at in places(good.len()) {
            let mut bad = good.clone();
            bad[at] ^= 1 << (at % 8);
            if flips % 8 > 0 {
                spoil_parity(&mut bad);
            }
            fs::write(&path, bad).expect("it can be written");
            match small.find() {
                Found::Nothing => panic!("byte {at} of {} changed unnoticed", path.display()),
                Found::ByCheck(lost) => named += usize::from(!lost.paths.is_empty()),
                Found::AtOpening => {}
            }
            flips += 1;
        }
        fs::write(&path, good).expect("it can be written");
    }
    assert!(matches!(small.find(), Found::Nothing));
    assert!(flips > 400 && named > 30, "{flips} flips, {named} of them hit files");
}

#[test]
fn truncated_and_missing_files_are_found() {
    let small = Small::new();
    for path in files(&small.place.repository()).into_iter().filter(|path| !is_of_no_account(path)) {
        let good = fs::read(&path).expect("it can be read");
        let lengths = places(good.len()).into_iter().step_by(7).chain([0, good.len() - 1]);
        for length in lengths {
            fs::write(&path, &good[..length]).expect("it can be written");
            let found = small.find();
            assert!(!matches!(found, Found::Nothing), "{} cut to {length} unnoticed", path.display());
        }
        fs::remove_file(&path).expect("it is there");
        assert!(!matches!(small.find(), Found::Nothing), "{} is gone unnoticed", path.display());
        fs::write(&path, good).expect("it can be written");
    }
    assert!(matches!(small.find(), Found::Nothing));
}

/// First bytes of the objects in the packs of that kind, as the header block of a pack and the object say it.
fn objects(packs: &Path, kind: u8) -> Vec<(PathBuf, usize)> {
    let mut objects = Vec::new();
    for path in files(packs) {
        let bytes = fs::read(&path).expect("it can be read");
        if bytes[6] == kind {
            let starts = (0..bytes.len() - 8)
                .filter(|at| bytes[*at..].starts_with(&[b'F', b'K', b'o', b'b', 1, 0, kind, 0]));
            objects.extend(starts.map(|at| (path.clone(), at)));
        }
    }
    objects
}

/// Two things damaged beyond what parity mends, two nodes of trees or things of two packs: a check names those, and every path
/// of every snapshot that cannot be restored for it, and no other.
#[test]
fn what_two_damaged_nodes_cost_is_named_exactly() {
    let place = Place::new();
    let file = |at: u64| (format!("{at:04}"), Item::noise(at, 40));
    let folder = |from: u64| (format!("{from}"), Item::folder((from..from + 500).map(file)));
    let large = (0..4).map(|at| (format!("large{at}"), Item::noise(9_000 + at, 300_000)));
    let root = Item::folder([1_000, 2_000, 3_000].map(folder).into_iter().chain(large));
    make(&Tree { root, links: Vec::new() }, &place.source());
    let snapshots = ["", "changed", "changed once more"].map(|text| {
        if !text.is_empty() {
            fs::write(place.source().join("3000/3007"), text).expect("it can be written");
        }
        let snapshot = place.backup().snapshot.expect("it was no dry run");
        (snapshot, Manifest::of(&place.source()))
    });

    let packs = place.repository().join("packs");
    let (data, nodes) = (objects(&packs, 1), objects(&packs, 2));
    assert!(data.len() > 4 && nodes.len() > 6, "{} data objects, {} nodes", data.len(), nodes.len());
    let pairs = (1..nodes.len()).map(|at| [&nodes[at - 1], &nodes[at]]);
    let pairs = pairs.chain([[&nodes[0], &data[0]], [&nodes[3], &data[data.len() - 1]]]);
    let (mut partly, mut untouched) = (0, 0);
    for pair in pairs {
        let read = |(path, _): &(PathBuf, usize)| (path.clone(), fs::read(path).expect("it can be read"));
        let good: BTreeMap<PathBuf, Vec<u8>> = pair.into_iter().map(read).collect();
        for (path, bytes) in &good {
            let mut bad = bytes.clone();
            pair.iter().filter(|(of, _)| of == path).for_each(|(_, at)| bad[at + 40] ^= 1);
            spoil_parity(&mut bad);
            fs::write(path, &bad).expect("it can be written");
        }
        for (snapshot, source) in &snapshots {
            let (lost, kept) = expect_exact(&place, *snapshot, source);
            partly += usize::from(lost > 0 && kept > 0);
            untouched += usize::from(lost == 0);
        }
        good.into_iter().for_each(|(path, bytes)| fs::write(path, bytes).expect("it can be written"));
    }
    assert!(partly > 3 && untouched > 3, "{partly} partly, {untouched} not at all");
}

/// What a check names of a snapshot and what cannot be restored of it are the same. How many files are lost, and how many not.
fn expect_exact(place: &Place, snapshot: SnapshotId, source: &Manifest) -> (usize, usize) {
    let repository = place.open(Access::Read);
    let request = check::Request { data: Some(Share::ALL), cancel: Arc::default() };
    let mut findings = Vec::new();
    let checked = check::run(&repository, &request, &Progress::new(), &mut |finding| findings.push(finding));
    checked.expect("checked");
    let lost = lost(&findings, snapshot);
    let target = TempDir::new().expect("a temporary folder can be made");
    restore(&repository, snapshot, &place.source(), target.path())
        .expect("damage is named, and the rest is restored");
    let restored = Manifest::of(target.path());
    let (restored, wanted) = (restored.files(), source.files());
    let top = key_of(&place.source()).expect("it is a path");
    let mut counts = (0, 0);
    for (path, wanted) in wanted {
        let join = |key: PathKey, name: &OsStr| key.join(name.as_encoded_bytes()).expect("it is a name");
        let full = path.iter().fold(top.clone(), join);
        let found = restored.get(path);
        assert!(found.is_none_or(|found| *found == wanted), "{} has wrong bytes", path.display());
        assert_eq!(found.is_none(), lost.names(&full), "{} of {snapshot}: {findings:?}", path.display());
        counts.0 += usize::from(found.is_none());
        counts.1 += usize::from(found.is_some());
    }
    counts
}

#[test]
fn packs_that_changed_places_are_found() {
    let small = Small::new();
    let packs: Vec<PathBuf> = files(&small.place.repository().join("packs"));
    let [first, second, ..] = packs.as_slice() else { panic!("{packs:?}") };
    let between = small.place.path("between");
    fs::rename(first, &between).expect("it is there");
    fs::rename(second, first).expect("it is there");
    fs::rename(&between, second).expect("it is there");
    assert!(!matches!(small.find(), Found::Nothing));
}

/// The index is derived: whatever happens to it is found or without effect, and rebuilding heals it.
#[test]
fn a_damaged_index_loses_nothing() {
    let small = Small::new();
    small.place.rebuild_index().expect("the packs are good");
    let folder = small.place.repository().join("index");
    let good: Vec<(PathBuf, Vec<u8>)> = files(&folder)
        .into_iter()
        .map(|path| (path.clone(), fs::read(path).expect("it can be read")))
        .collect();
    assert!(good.iter().any(|(path, _)| path.extension().is_some_and(|end| end == "sst")), "{good:?}");
    for (path, bytes) in good.iter().filter(|(_, bytes)| !bytes.is_empty()) {
        for at in places(bytes.len()).into_iter().step_by(11) {
            let mut bad = bytes.clone();
            bad[at] ^= 0x20;
            fs::write(path, bad).expect("it can be written");
            small.find();
            heal(&small, &format!("byte {at} of {}", path.display()));
            fs::remove_dir_all(&folder).expect("it was rebuilt");
            fs::create_dir(&folder).expect("it was removed");
            good.iter().for_each(|(path, bytes)| fs::write(path, bytes).expect("it can be written"));
        }
    }
}

/// Whatever a writer finds in place of the index, it ends with a good one.
fn heal(small: &Small, context: &str) {
    small.place.rebuild_index().unwrap_or_else(|error| panic!("{context}: {error:?}"));
    assert!(matches!(small.find(), Found::Nothing), "{context}: a rebuilt index is not good");
}
