//! A power cut at every operation of the client's backups, under the client and the engine together.
//!
//! The engine's own tests cut its life at every operation too. Here the questions are the user's: does every snapshot that
//! was acknowledged come back bit by bit, is every one that is listed whole, and does the next run go on, with a cache
//! that may know of objects which the crash has taken? The keys are rotated on the way, and every passphrase opens what is of
//! the epochs before and after.

use std::fs;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::thread;

use farkeep::check;
use farkeep::config::Location;
use farkeep::config::passphrase::Passphrase;
use farkeep::config::size::Share;
use farkeep::progress::Progress;
use farkeep::repository::Locked;
use farkeep::repository::Point;
use farkeep::repository::Repository;
use farkeep_codec::id::RepositoryId;
use farkeep_codec::id::SnapshotId;
use farkeep_codec::key::ReaderSecret;
use farkeep_codec::key::Secrets;
use farkeep_codec::key::Slot;
use farkeep_codec::key::SlotSecret;
use farkeep_codec::parameters::Parameters;
use farkeep_codec::time::Time;
use farkeep_engine::Access;
use farkeep_engine::Engine;
use farkeep_engine::IndexKind;
use farkeep_engine::ManualClock;
use farkeep_engine::Options;
use farkeep_engine::SlotId;
use farkeep_engine::StoreError;
use farkeep_engine::disk::SimulatedDisk;
use farkeep_engine::disk::simulated::Crash;
use tempfile::TempDir;

use crate::world::Item;
use crate::world::Job;
use crate::world::Manifest;
use crate::world::PASSPHRASE;
use crate::world::Random;
use crate::world::make;
use crate::world::plan;
use crate::world::restore;
use crate::world::settle;

/// Sources that share most of what they hold, backed up one after the other into one series.
const SOURCES: [&str; 2] = ["first", "second"];

/// The passphrase of somebody else.
const COLLEAGUE: &str = "a colleague's";

/// What the power cut leaves is drawn so many times for each operation, besides all and nothing.
const SEEDS: u64 = 3;

/// Stops that are tried at a time.
const WORKERS: usize = 2;

/// The sources on the real disk, made once, and the bytes that the repository begins with.
struct Story {
    folder: TempDir,
    sources: Vec<(PathBuf, Manifest)>,
    parameters: Vec<u8>,
    slot: Vec<u8>,
}

impl Story {
    fn new() -> Self {
        let folder = TempDir::new().expect("a temporary folder can be made");
        let sources = SOURCES.iter().zip(0..).map(|(name, number)| {
            let small = (number..number + 5).map(|at| (format!("{at}"), Item::noise(at, 1_500)));
            let tree =
                Item::folder([("small", Item::folder(small)), ("large", Item::noise(number % 2, 150_000))]);
            let path = folder.path().join(name);
            make(&tree.into(), &path);
            let manifest = Manifest::of(&path);
            (path, manifest)
        });
        let sources = sources.collect();
        settle();
        let (parameters, slot) = settings();
        Self { folder, sources, parameters, slot }
    }

    /// Lives until something fails; notes what was acknowledged.
    fn live(&self, disk: &SimulatedDisk, cache: &Path, acknowledged: &mut Acknowledged) -> Option<()> {
        let first_slot = (SlotId::from_bytes([7; 16]), self.slot.as_slice());
        let options = options(1);
        let engine = Engine::create(Arc::new(disk.clone()), &self.parameters, first_slot, options).ok()?;
        acknowledged.created = true;
        let mut repository = unlock(engine, PASSPHRASE);
        let colleague = Passphrase::from(COLLEAGUE.as_bytes().to_vec());
        repository.add_passphrase(&colleague, "colleague", plan().cost).ok()?;
        acknowledged.passphrases.push(COLLEAGUE);
        for (at, (source, _)) in self.sources.iter().enumerate() {
            if at > 0 {
                // What follows is of another epoch.
                repository.rotate().ok()?;
                drop(repository);
                let access = Access::Write { holder: "the test".to_owned() };
                repository = unlock(open(disk, access, 5).ok()?, PASSPHRASE);
                assert_eq!(repository.keys().epoch().number(), 1, "what was acknowledged is there");
            }
            let summary = job(source, cache).run(&repository).ok()?;
            acknowledged.snapshots.push(summary.snapshot.expect("it was no dry run"));
        }
        Some(())
    }

    /// Lives until the disk stops after so many operations, and tries what a crash may leave then.
    fn stop_after(&self, stop: u64, states: &AtomicU64) -> Cut {
        let disk = SimulatedDisk::new(stop);
        disk.stop_after(stop);
        let left = TempDir::new_in(self.folder.path()).expect("a temporary folder can be made");
        let mut acknowledged = Acknowledged::default();
        let lived = self.live(&disk, &left.path().join("cache"), &mut acknowledged);
        let seeded = (0..SEEDS).map(|seed| Crash::Seeded(stop * SEEDS + seed));
        for crash in [Crash::LoseAll, Crash::KeepAll].into_iter().chain(seeded) {
            // Whichever of the promises is broken, this says how to see it again.
            let _context = Context { stop, crash: &crash };
            let cache = TempDir::new_in(left.path()).expect("a temporary folder can be made");
            copy(&left.path().join("cache"), cache.path());
            self.expect_promises(&disk.crash(&crash), cache.path(), &acknowledged);
            states.fetch_add(1, Ordering::Relaxed);
        }
        match lived {
            None => Cut::Short,
            Some(()) => {
                assert_eq!(acknowledged.snapshots.len(), SOURCES.len());
                Cut::Nothing
            }
        }
    }

    /// What must hold of what a crash left, and that life goes on from there.
    fn expect_promises(&self, disk: &SimulatedDisk, cache: &Path, acknowledged: &Acknowledged) {
        let repository = match open(disk, Access::Read, 2) {
            Err(StoreError::NotThere) if !acknowledged.created => return,
            opened => unlock(opened.expect("a crash damages nothing"), PASSPHRASE),
        };
        Self::expect_listed(&repository, acknowledged);
        expect_good(&repository);
        drop(repository);
        // Whoever else has a passphrase reads all of it, too.
        for passphrase in &acknowledged.passphrases {
            let repository =
                unlock(open(disk, Access::Read, 6).expect("a crash damages nothing"), passphrase);
            Self::expect_listed(&repository, acknowledged);
            expect_good(&repository);
        }
        let access = Access::Write { holder: "the test".to_owned() };
        let repository = unlock(open(disk, access, 3).expect("a crash damages nothing"), PASSPHRASE);
        let (source, _) = self.sources.last().expect("there are some");
        let summary = job(source, cache).run(&repository).expect("the next run goes on");
        let mut acknowledged = acknowledged.clone();
        acknowledged.snapshots.push(summary.snapshot.expect("it was no dry run"));
        drop(repository);
        // What was acknowledged after the crash survives the next one.
        let disk = disk.crash(&Crash::LoseAll);
        let repository = unlock(open(&disk, Access::Read, 4).expect("a crash damages nothing"), PASSPHRASE);
        self.expect_whole(&repository, &acknowledged);
    }

    /// Every acknowledged snapshot is listed, and every listed one comes back.
    fn expect_whole(&self, repository: &Repository, acknowledged: &Acknowledged) {
        for point in Self::expect_listed(repository, acknowledged) {
            let of_point = self.sources.iter().find(|(path, _)| point.paths() == paths(path));
            let (source, manifest) = of_point.expect("it is one of the story");
            let target = TempDir::new_in(self.folder.path()).expect("a temporary folder can be made");
            let summary = restore(repository, point.id, source, target.path()).expect("its tree is whole");
            assert_eq!(summary.problems, []);
            Manifest::of(target.path()).expect(manifest, &source.display());
        }
    }

    fn expect_listed(repository: &Repository, acknowledged: &Acknowledged) -> Vec<Point> {
        let listing = repository.listing().expect("the journal is good");
        assert_eq!(listing.refused, []);
        let listed: Vec<SnapshotId> = listing.points.iter().map(|point| point.id).collect();
        for snapshot in &acknowledged.snapshots {
            assert!(listed.contains(snapshot), "an acknowledged snapshot is lost");
        }
        listing.points
    }
}

fn paths(path: &Path) -> Vec<farkeep_codec::tree::PathKey> {
    vec![farkeep::source::key_of(path).expect("it is a path")]
}

/// How far the story came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cut {
    /// It was cut short.
    Short,
    /// To its end.
    Nothing,
}

/// What the client was told.
#[derive(Debug, Clone, Default)]
struct Acknowledged {
    created: bool,
    snapshots: Vec<SnapshotId>,
    /// Passphrases that were added.
    passphrases: Vec<&'static str>,
}

/// Parameters and a key slot, as `farkeep init` would make them.
fn settings() -> (Vec<u8>, Vec<u8>) {
    let mut random = Random::new(1);
    let mut fill = |bytes: &mut [u8]| {
        let count = bytes.len();
        bytes.copy_from_slice(&random.bytes(count));
    };
    let secrets = Secrets::generate(&mut fill);
    let plan = plan();
    let parameters = Parameters {
        repository: RepositoryId::from_bytes([1; 32]),
        created: Time::from_nanoseconds(0),
        chunker: plan.chunker,
        image_chunk_bytes: plan.image_chunk_bytes,
        bundle_bytes_target: plan.bundle_bytes_target,
        compression: plan.compression,
        reader_public: secrets.reader.as_ref().map(ReaderSecret::public).expect("an owner reads"),
    };
    let bytes = parameters.encode();
    let secret = SlotSecret::Passphrase(PASSPHRASE.as_bytes());
    let slot = Slot::seal(&secrets, &secret, &plan.label, plan.cost, &bytes, &mut fill);
    (bytes, slot.encode())
}

/// Small packs, so that even this story fills some.
fn options(seed: u8) -> Options {
    let clock = Arc::new(ManualClock::new(Time::from_nanoseconds(1)));
    let mut options = Options::seeded(IndexKind::Memory, clock, [seed; 32]);
    options.pack_bytes = 128 << 10;
    options.reserve_bytes = 0;
    options
}

fn open(disk: &SimulatedDisk, access: Access, seed: u8) -> Result<Engine, StoreError> {
    Engine::open(Arc::new(disk.clone()), access, options(seed))
}

fn unlock(engine: Engine, passphrase: &str) -> Repository {
    let location = Location::named(Some("simulated".into())).expect("it is a name");
    let passphrase = Passphrase::from(passphrase.as_bytes().to_vec());
    Locked::over(engine, location).unlock(passphrase).finish().expect("the slot is good")
}

fn job(source: &Path, cache: &Path) -> Job {
    Job {
        source: source.to_owned(),
        series: "main",
        cache: farkeep::backup::CacheUse::Use,
        cache_folder: cache.to_owned(),
        intent: farkeep::backup::Intent::Store,
        cancel: Arc::default(),
    }
}

fn expect_good(repository: &Repository) {
    let request = check::Request { data: Some(Share::ALL), cancel: Arc::default() };
    let mut findings = Vec::new();
    let summary = check::run(repository, &request, &Progress::new(), &mut |finding| findings.push(finding));
    assert_eq!(findings, []);
    assert_eq!(summary.expect("it comes to its end").damage_count, 0);
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("it can be made");
    for entry in fs::read_dir(from).into_iter().flatten() {
        let entry = entry.expect("it is listed");
        let to = to.join(entry.file_name());
        match entry.file_type().expect("it is listed").is_dir() {
            true => copy(&entry.path(), &to),
            false => fs::copy(entry.path(), to).map(|_| ()).expect("it can be copied"),
        }
    }
}

#[test]
fn acknowledged_snapshots_come_back_wherever_the_power_fails() {
    let story = Story::new();
    let (next, states) = (AtomicU64::new(0), AtomicU64::new(0));
    let operations = AtomicU64::new(u64::MAX);
    thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                loop {
                    let stop = next.fetch_add(1, Ordering::Relaxed);
                    if stop > operations.load(Ordering::Relaxed) {
                        return;
                    }
                    if story.stop_after(stop, &states) == Cut::Nothing {
                        operations.fetch_min(stop, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    let (operations, states) = (operations.into_inner(), states.into_inner());
    assert!(operations > 40 && states > 4 * operations, "{states} states of {operations} operations");
}

/// Says where it was when a test fails.
struct Context<'a> {
    stop: u64,
    crash: &'a Crash,
}

impl Drop for Context<'_> {
    #[expect(clippy::print_stderr, reason = "the seeds of a failure belong beside it")]
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!(
                "the disk had the seed {0} and stopped after {0} operations; then {1:?}",
                self.stop, self.crash
            );
        }
    }
}
