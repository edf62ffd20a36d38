//! Snapshots before and after: the same files but for what was erased, and nothing but dead bytes gone.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use farkeep_codec::tree::Body;
use farkeep_codec::tree::Entry;
use farkeep_codec::tree::Flags;
use farkeep_codec::tree::Owner;
use tempfile::TempDir;

use super::*;
use crate::backup;
use crate::backup::CacheUse;
use crate::backup::Intent;
use crate::backup::Sources;
use crate::repository::Access;
use crate::repository::Piece;
use crate::repository::trial::Trial;
use crate::source::Missing;
use crate::source::Roots;
use crate::source::Rules;

/// What is said of an entry wherever its content lies, and the content.
type Told = (Body, u32, Owner, Flags, Vec<u8>);

/// A repository, and the folder that is backed up into it.
struct Story {
    trial: Trial,
    source: TempDir,
}

impl Story {
    fn new() -> Self {
        Self { trial: Trial::new(), source: TempDir::new().expect("a temporary folder can be made") }
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.source.path().join(path);
        fs::create_dir_all(path.parent().expect("it is in the folder")).expect("a folder can be made");
        fs::write(path, text).expect("a file can be written");
    }

    fn backup(&self, series: &str) -> ContentId {
        let roots = Roots::new(&[self.source.path().to_owned()], Missing::Refuse).expect("it is there");
        let request = backup::Request {
            sources: Sources::Paths(roots),
            series: Some(series.to_owned()),
            tags: vec!["kept".to_owned()],
            rules: Rules::default(),
            cache: CacheUse::Use,
            cache_folder: self.trial.folder().join("cache"),
            intent: Intent::Store,
            host: "host".to_owned(),
            user: "user".to_owned(),
            cancel: Arc::default(),
            together: None,
        };
        let repository = self.trial.open(Access::Write);
        backup::run(&repository, &request, &Progress::new()).expect("everything can be read").content
    }

    /// The key of a path in the source.
    fn key(&self, path: &str) -> PathKey {
        let path = self.source.path().join(path);
        PathKey::from_slashes(path.as_os_str().as_encoded_bytes()).expect("a path")
    }

    fn request(purpose: Purpose) -> Request {
        Request { purpose, held: HashSet::new(), cancel: Arc::default() }
    }

    fn plan(&self, request: &Request) -> Result<Plan, RewriteError> {
        let repository = self.trial.open(Access::Read);
        plan(&repository, &repository.snapshots().expect("they open"), request, &Progress::new())
    }

    fn rewrite(&self, request: &Request) -> Summary {
        let repository = self.trial.open(Access::Write);
        let points = repository.snapshots().expect("they open");
        let plan = plan(&repository, &points, request, &Progress::new()).expect("the trees can be read");
        plan.carry_out(&repository, &Progress::new()).expect("nothing is held")
    }

    fn points(&self) -> Vec<Point> {
        self.trial.open(Access::Read).snapshots().expect("they open")
    }

    /// Everything that a snapshot holds.
    fn contents(&self, point: &Point) -> BTreeMap<PathKey, Told> {
        let repository = self.trial.open(Access::Read);
        let mut walk = repository.walk(point.root());
        let mut told = BTreeMap::new();
        while let Some(entry) = walk.next_entry().expect("it can be read") {
            let mut text = Vec::new();
            if let Some(content) = entry.content() {
                let mut take = |piece: Piece<'_>| -> Result<(), RepositoryError> {
                    match piece {
                        Piece::Data(bytes) => text.extend_from_slice(bytes),
                        Piece::Hole(bytes) => {
                            let bytes = usize::try_from(bytes).expect("small");
                            text.resize(text.len() + bytes, 0);
                        }
                    }
                    Ok(())
                };
                let mut fetcher = repository.fetcher();
                fetcher.pieces(entry.content_bytes(), content, &mut take).expect("it can be read");
            }
            let Entry { path, mode, owner, flags, body, .. } = entry;
            let body = match body {
                Body::File { bytes, .. } => {
                    Body::File { bytes, content: farkeep_codec::tree::Content::Empty }
                }
                body => body,
            };
            told.insert(path, (body, mode, Owner::clone(&owner), flags, text));
        }
        told
    }

    /// What the snapshots say of themselves holds, to the last byte.
    fn expect_sound(&self, snapshots: u64) {
        let repository = self.trial.open(Access::Read);
        let request = check::Request { data: Some(Share::ALL), cancel: Arc::default() };
        let mut findings = Vec::new();
        let summary = check::run(&repository, &request, &Progress::new(), &mut |found| findings.push(found));
        assert_eq!((findings, summary.expect("it comes to its end").content_ids), (vec![], snapshots));
    }
}

/// Text that does not compress to nothing.
fn text(seed: u64, bytes: usize) -> String {
    let mut hasher = blake3::Hasher::new();
    let mut reader = hasher.update(&seed.to_le_bytes()).finalize_xof();
    let mut noise = vec![0; bytes / 2];
    reader.fill(&mut noise);
    noise.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Two versions of many files, half of which change.
fn versions() -> Story {
    let story = Story::new();
    for at in 0..80 {
        story.write(&format!("folder {}/file {at:02}", at % 5), &text(at, 900));
    }
    story.write("large", &text(1_000, 900_000));
    story.backup("trial");
    for at in 0..80 {
        if at % 2 == 0 {
            story.write(&format!("folder {}/file {at:02}", at % 5), &text(100 + at, 900));
        }
    }
    story.backup("trial");
    story
}

#[test]
fn files_of_half_dead_bundles_move_and_stay_the_same() {
    let story = versions();
    story.trial.forget(&story.points().first().expect("two").id);
    let [before] = &story.points()[..] else { panic!("one is left") };
    let contents = story.contents(before);
    let request = Story::request(Purpose::Repack(Share { part: 0.1 }));
    let plan = story.plan(&request).expect("it can be read");
    assert!(plan.bundles() >= 2 && plan.dead_bytes > 30_000, "{plan:?}");
    assert_eq!((plan.snapshots.len(), plan.held.len()), (1, 0));
    // Which files lie together is for the threads to say: one by itself is worth no move.
    assert!((30 * 900..=40 * 900).contains(&plan.moved_bytes), "{plan:?}");
    let summary = story.rewrite(&request);
    let [after] = &story.points()[..] else { panic!("it took the place of the other one") };
    assert_eq!(summary.replaced, [(before.id, after.id)]);
    assert_ne!(before.record.root, after.record.root);
    assert_eq!((before.received, before.sequence), (after.received, after.sequence));
    let [mut old, new] = [before, after].map(|point| point.private.clone());
    (old.root_seed, old.root_bytes) = (new.root_seed, new.root_bytes);
    assert_eq!(old, new, "content id, counts, tags and all the rest");
    assert_eq!(story.contents(after), contents);
    story.expect_sound(1);
    let again = story.plan(&request).expect("it can be read");
    assert_eq!((again.bundles(), again.snapshots.len()), (0, 0), "nothing is left to do");
    // The next backup goes on behind it, and stores nothing anew.
    let content = story.backup("trial");
    assert_eq!(content, after.private.content);
    story.expect_sound(2);
}

#[test]
fn another_tree_is_not_taken_for_the_same() {
    let story = versions();
    let repository = story.trial.open(Access::Read);
    let roots: Vec<_> = story.points().iter().map(Point::root).collect();
    let cancel = AtomicBool::new(false);
    let nothing = lay(&[], &repository, &cancel, &Progress::new()).expect("nothing to do");
    let is_same = |one, other| tree::is_same(&repository, one, other, &nothing, &cancel).expect("read");
    assert!(is_same(&roots[0], &roots[0]) && is_same(&roots[1], &roots[1]));
    assert!(!is_same(&roots[0], &roots[1]) && !is_same(&roots[1], &roots[0]));
}

#[test]
fn what_a_held_snapshot_uses_is_not_moved() {
    let story = versions();
    let points = story.points();
    let held: HashSet<SnapshotId> = points.iter().map(|point| point.id).take(1).collect();
    let request = Request { held, ..Story::request(Purpose::Repack(Share { part: 0.1 })) };
    let plan = story.plan(&request).expect("it can be read");
    assert_eq!((plan.bundles(), plan.snapshots.len()), (0, 0));
}

#[test]
fn a_path_is_erased_from_all_snapshots_and_nothing_else() {
    let story = versions();
    story.write("other", "of another series");
    story.backup("second");
    let before = story.points();
    let erased = vec![story.key("folder 3"), story.key("large")];
    let kept = |told: BTreeMap<PathKey, Told>| {
        let gone = |path: &PathKey| erased.iter().any(|erased| path.starts_with(erased));
        told.into_iter().filter(|(path, _)| !gone(path)).collect::<BTreeMap<_, _>>()
    };
    let expected: Vec<_> = before.iter().map(|point| kept(story.contents(point))).collect();
    let request = Story::request(Purpose::Erase(erased.clone()));
    let plan = story.plan(&request).expect("it can be read");
    let planned: Vec<Erased> = plan.snapshots.iter().map(|planned| planned.erased).collect();
    assert_eq!(planned, [Erased { entries: 18, bytes: 16 * 900 + 900_000 }; 3]);
    let summary = story.rewrite(&request);
    assert_eq!(summary.replaced.len(), 3);
    let after = story.points();
    for ((before, after), expected) in before.iter().zip(&after).zip(expected) {
        assert_eq!(story.contents(after), expected);
        assert_eq!(after.record.entries, expected.len() as u64);
        assert_eq!(after.private.counts.files, before.private.counts.files - 17);
        assert_eq!(after.private.counts.folders, before.private.counts.folders - 1);
        assert_eq!(
            (&after.private.tags, &after.record.captured),
            (&before.private.tags, &before.record.captured)
        );
        assert_ne!(after.private.content, before.private.content);
    }
    story.expect_sound(3);
    assert!(story.plan(&request).expect("it can be read").snapshots.is_empty());
    expect_no_erased_bytes(&story, &after, &text(3, 900));
}

/// The bytes lie in no bundle that a snapshot uses.
fn expect_no_erased_bytes(story: &Story, points: &[Point], erased: &str) {
    let repository = story.trial.open(Access::Read);
    for point in points {
        let mut walk = repository.walk(point.root());
        while let Some(entry) = walk.next_entry().expect("it can be read") {
            if let Some(farkeep_codec::tree::Content::Slice { bundle, .. }) = entry.content() {
                let plain = repository.plain(bundle).expect("it opens");
                let found = plain.windows(erased.len()).any(|window| window == erased.as_bytes());
                assert!(!found, "{} lies beside what was erased", entry.path);
            }
        }
    }
}

#[test]
fn a_snapshot_that_is_held_keeps_the_path_and_is_named() {
    let story = versions();
    let points = story.points();
    let first = points.first().expect("two").id;
    let request = Request {
        held: HashSet::from([first]),
        ..Story::request(Purpose::Erase(vec![story.key("folder 3")]))
    };
    let plan = story.plan(&request).expect("it can be read");
    assert_eq!((plan.held.as_slice(), plan.snapshots.len()), (&[first][..], 1));
    story.rewrite(&request);
    let after = story.points();
    assert_eq!(after.first().map(|point| point.id), Some(first));
    assert_eq!(story.contents(&after[0]), story.contents(&points[0]));
    story.expect_sound(2);
}

#[test]
fn a_further_name_of_what_is_erased_lives_on() {
    let story = Story::new();
    story.write("a/first", &text(1, 700));
    story.write("a/beside", &text(2, 700));
    let link = |to: &str| fs::hard_link(story.source.path().join("a/first"), story.source.path().join(to));
    link("second").and_then(|()| link("third")).expect("it can be linked");
    story.backup("trial");
    story.rewrite(&Story::request(Purpose::Erase(vec![story.key("a")])));
    let points = story.points();
    let told = story.contents(&points[0]);
    let (second, third) = (&told[&story.key("second")], &told[&story.key("third")]);
    assert_eq!(second.4, text(1, 700).into_bytes());
    assert!(matches!(&third.0, Body::HardLink { first } if *first == story.key("second")), "{third:?}");
    assert_eq!((points[0].private.counts.files, points[0].private.counts.hard_links), (1, 1));
    expect_no_erased_bytes(&story, &points, &text(2, 700));
    story.expect_sound(1);
}

#[test]
fn whoever_ends_it_early_replaces_nothing() {
    let story = versions();
    let before: Vec<SnapshotId> = story.points().iter().map(|point| point.id).collect();
    let request = Story::request(Purpose::Erase(vec![story.key("folder 3")]));
    let plan = story.plan(&request).expect("it can be read");
    request.cancel.store(true, Ordering::Relaxed);
    let repository = story.trial.open(Access::Write);
    let ended = plan.carry_out(&repository, &Progress::new());
    assert!(matches!(ended, Err(RewriteError::Interrupted)), "{ended:?}");
    drop(repository);
    assert_eq!(story.points().iter().map(|point| point.id).collect::<Vec<_>>(), before);
    let everything = Story::request(Purpose::Erase(vec![PathKey::root()]));
    assert!(matches!(story.plan(&everything), Err(RewriteError::Everything)));
    assert!(Path::new(&story.source.path().join("large")).exists());
}
