//! Real threads on a real disk with RocksDB: agents write, snapshots are forgotten, others restore, and one collects all the
//! time. Nobody is ever told less than was promised, and at the end nothing is missing and nothing is left over.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;

use farkeep_codec::id::ObjectId;
use farkeep_codec::id::SnapshotId;
use farkeep_codec::time::Time;

use super::Objects;
use super::closure;
use super::expect_closed;
use super::expect_sound;
use super::knows;
use super::now;
use super::references;
use crate::Access;
use crate::CollectOutcome;
use crate::Engine;
use crate::IndexKind;
use crate::ManualClock;
use crate::Options;
use crate::PutError;
use crate::disk::Backend;
use crate::disk::RealDisk;
use crate::store::tests::Recorder;
use crate::store::tests::SLOT;
use crate::store::tests::SLOT_BYTES;
use crate::store::tests::data;
use crate::store::tests::expect_readable;
use crate::store::tests::node;
use crate::store::tests::parameters;

const WRITERS: u64 = 3;
const RESTORERS: u64 = 2;
const ROUNDS: u64 = 24;
const TREES: u64 = 12;

fn options(folder: &Path, seed: u8) -> Options {
    let clock = Arc::new(ManualClock::new(Time::from_nanoseconds(1_000)));
    Options {
        pack_bytes: 96 << 10,
        reserve_bytes: 64 << 10,
        // So that it is RocksDB that is asked.
        index_lag_objects: 24,
        index_lag_extents: 4,
        checkpoint_records: 20,
        ..Options::seeded(IndexKind::Rocks(folder.join("index")), clock, [seed; 32])
    }
}

fn open(folder: &Path, seed: u8) -> Engine {
    let disk = Arc::new(RealDisk::open(folder, Backend::Sync).expect("it is there"));
    Engine::open(disk, Access::Write { holder: "a test".to_owned() }, options(folder, seed)).expect("opened")
}

/// Trees that share data and leaves with one another.
fn universe() -> (Objects, Vec<ObjectId>) {
    let size = |number: u64| 2_000 + 500 * usize::try_from(number % 7).expect("small");
    let piece = |number: u64| data(number % 40, size(number % 40));
    let mut objects: Objects = (0..40).map(piece).collect();
    let mut roots = Vec::new();
    for tree in 0..TREES {
        let leaf = |tree: u64| node(tree, &[piece(3 * tree).0, piece(3 * tree + 1).0, piece(5 * tree + 2).0]);
        let (own, others) = (leaf(tree), leaf((tree + 1) % TREES));
        let root = node(100 + tree, &[own.0, others.0, piece(tree + 11).0]);
        roots.push(root.0);
        objects.extend([own, others, root]);
    }
    (objects, roots)
}

/// What everybody knows of one another.
struct Shared {
    engine: Engine,
    objects: Objects,
    roots: Vec<ObjectId>,
    /// Snapshots that nobody has forgotten yet.
    alive: Mutex<BTreeMap<SnapshotId, ObjectId>>,
    writing: AtomicUsize,
    restored: AtomicU64,
    removed: AtomicU64,
    collections: AtomicU64,
}

/// Others go on while somebody writes.
struct Writing<'a>(&'a AtomicUsize);

impl Drop for Writing<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Shared {
    /// Backs up one tree after the other, each in a session, and forgets all but its last ones.
    fn write(&self, writer: u64) {
        let _writing = Writing(&self.writing);
        let mut recorder = Recorder::new(&format!("host:/{writer}"));
        let mut own = Vec::new();
        for round in 0..ROUNDS {
            let at = usize::try_from((5 * writer + round * (writer + 1)) % TREES).expect("small");
            let root = self.roots[at];
            let session = self.engine.begin();
            self.put(&session, &closure(&self.objects, root));
            let record = recorder.record(root);
            let id = self.engine.commit(&session, &record).expect("all is there that it was told of").id;
            recorder.taken(&record);
            self.alive.lock().expect("no panic").insert(id, root);
            own.push(id);
            if own.len() > 2 {
                let old = own.remove(usize::try_from(round % 2).expect("small"));
                self.alive.lock().expect("no panic").remove(&old);
                self.engine.forget(&old, "a test").expect("forgotten");
            }
        }
    }

    /// What is not there, children first. Whatever the session was told stays true.
    fn put(&self, session: &crate::Session, objects: &Objects) {
        let mut waiting: Vec<_> =
            objects.iter().filter(|(id, _)| !knows(&self.engine, session, id)).collect();
        while !waiting.is_empty() {
            let before = waiting.len();
            waiting.retain(|(id, bytes)| match self.engine.put(session, id, bytes) {
                Ok(_) => false,
                Err(PutError::MissingReferences { .. }) => true,
                Err(error) => panic!("{error}"),
            });
            assert!(waiting.len() < before, "what a session was told is there is not there");
        }
    }

    fn is_written(&self) -> bool {
        self.writing.load(Ordering::SeqCst) == 0
    }

    /// Restores what is on the list when it begins, whatever becomes of it meanwhile.
    fn restore(&self, restorer: u64) {
        let mut turn = usize::try_from(restorer).expect("small");
        while !self.is_written() {
            let (session, root) = {
                let alive = self.alive.lock().expect("no panic");
                let root = alive.values().nth(turn % alive.len().max(1)).copied();
                (self.engine.begin(), root)
            };
            turn += 1;
            let Some(root) = root else { continue };
            let (mut waiting, mut object) = (vec![root], Vec::new());
            while let Some(id) = waiting.pop() {
                self.engine.object(&id, &mut object).expect("an open restore finds everything");
                assert_eq!(object, self.objects[&id]);
                waiting.extend(references(&object));
            }
            drop(session);
            self.restored.fetch_add(1, Ordering::SeqCst);
        }
    }

    fn collect(&self) {
        while !self.is_written() {
            let collected = self.engine.collect(&now(), &|_| ControlFlow::Continue(())).expect("collected");
            assert_eq!(collected.outcome, CollectOutcome::Complete);
            self.removed.fetch_add(collected.packs_removed, Ordering::SeqCst);
            self.collections.fetch_add(1, Ordering::SeqCst);
        }
    }

    fn expect_promises(&self) {
        for root in self.alive.lock().expect("no panic").values() {
            expect_readable(&self.engine, &closure(&self.objects, *root));
        }
        expect_closed(&self.engine, &self.objects);
        expect_sound(&self.engine);
    }
}

#[test]
fn many_threads_write_forget_and_restore_while_one_collects() {
    let folder = tempfile::tempdir().expect("there is room");
    let disk = Arc::new(RealDisk::open(folder.path(), Backend::Sync).expect("it is there"));
    let made = Engine::create(disk, &parameters(), (SLOT, SLOT_BYTES), options(folder.path(), 1));
    drop(made.expect("made"));
    let (objects, roots) = universe();
    let mut shared = Shared {
        engine: open(folder.path(), 2),
        objects,
        roots,
        alive: Mutex::default(),
        writing: AtomicUsize::new(usize::try_from(WRITERS).expect("few")),
        restored: AtomicU64::new(0),
        removed: AtomicU64::new(0),
        collections: AtomicU64::new(0),
    };
    std::thread::scope(|scope| {
        let shared = &shared;
        for writer in 0..WRITERS {
            scope.spawn(move || shared.write(writer));
        }
        for restorer in 0..RESTORERS {
            scope.spawn(move || shared.restore(restorer));
        }
        scope.spawn(|| shared.collect());
    });
    let counts =
        [&shared.collections, &shared.removed, &shared.restored].map(|count| count.load(Ordering::SeqCst));
    assert!(counts[0] > 0 && counts[1] > 0, "collections, packs removed, restores: {counts:?}");
    shared.expect_promises();
    drop(shared.engine);
    shared.engine = open(folder.path(), 3);
    shared.expect_promises();
    for _ in 0..3 {
        shared.engine.collect(&now(), &|_| ControlFlow::Continue(())).expect("collected");
    }
    shared.expect_promises();
    shared.engine.rebuild_index().expect("built");
    shared.expect_promises();
    let needed: Vec<Objects> =
        shared.alive.lock().expect("no panic").values().map(|root| closure(&shared.objects, *root)).collect();
    let session = shared.engine.begin();
    for (id, bytes) in shared.objects.iter().filter(|(_, bytes)| !references(bytes).is_empty()) {
        let is_needed = needed.iter().any(|tree| tree.contains_key(id));
        assert_eq!(knows(&shared.engine, &session, id), is_needed, "{id}: {} bytes", bytes.len());
    }
}
