use std::cell::RefCell;
use std::fs;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;

use farkeep_codec::snapshot::Series;
use farkeep_codec::tree::Node;
use tempfile::TempDir;

use super::*;
use crate::backup;
use crate::backup::BackupError;
use crate::backup::CacheUse;
use crate::backup::Intent;
use crate::backup::Sources;
use crate::backup::Summary;
use crate::progress::Progress;
use crate::repository::Access;
use crate::repository::trial::Trial;
use crate::source::Missing;
use crate::source::Roots;
use crate::source::Rules;

const SERIES: &str = "trial";

/// A source, the repository that stands for one at a server, and a spool.
struct Story {
    trial: Trial,
    source: TempDir,
    state: TempDir,
}

impl Story {
    /// With a point of twenty files at the server.
    fn new() -> Self {
        let room = || TempDir::new().expect("a temporary folder can be made");
        let story = Self { trial: Trial::new(), source: room(), state: room() };
        for file in 0..20 {
            story.write(&format!("{file:02}"), 300_000, file);
        }
        story.back_up(&story.trial.open(Access::Write)).expect("there is room");
        story
    }

    fn write(&self, name: &str, bytes: u32, seed: u32) {
        let noise =
            (0..bytes / 4).flat_map(|at| (at + seed * 0x0100_0000).wrapping_mul(0x9E37_79B1).to_le_bytes());
        fs::write(self.source.path().join(name), noise.collect::<Vec<u8>>()).expect("there is room");
    }

    fn back_up(&self, to: &Repository) -> Result<Summary, BackupError> {
        let roots = Roots::new(&[self.source.path().to_owned()], Missing::Refuse).expect("it is there");
        let request = backup::Request {
            sources: Sources::Paths(roots),
            series: Some(SERIES.to_owned()),
            tags: vec!["kept".to_owned()],
            rules: Rules::default(),
            cache: CacheUse::Use,
            cache_folder: self.state.path().join("cache"),
            intent: Intent::Store,
            host: "host".to_owned(),
            user: "user".to_owned(),
            cancel: Arc::default(),
            together: None,
        };
        backup::run(to, &request, &Progress::new())
    }

    fn folder(&self) -> PathBuf {
        self.state.path().join("spool")
    }

    fn spool_of(&self, bytes_max: u64) -> Spool {
        let repository = self.trial.open(Access::Read);
        let identity = AgentIdentity::from_bytes(&[7; 32]);
        let code = repository.agent_code();
        Spool::open(&self.folder(), repository.parameters(), &code, identity, bytes_max).expect("it opens")
    }

    fn spool(&self) -> Spool {
        self.spool_of(1 << 30)
    }

    /// Content ids of all points at the server, with their capture times.
    fn points(&self) -> Vec<(Time, farkeep_codec::id::ContentId)> {
        let points = self.trial.open(Access::Read).snapshots().expect("all points hold");
        assert!(points.iter().enumerate().all(|(at, point)| point.record.sequence == at as u64));
        points.into_iter().map(|point| (point.record.captured, point.private.content)).collect()
    }

    fn drain(&self) -> usize {
        let (spool, ended) = (self.spool(), RefCell::new(0));
        let to = self.trial.open(Access::Write);
        spool
            .drain(&to, &never(), &|| true, &mut |_, made| *ended.borrow_mut() += usize::from(made.is_ok()))
            .expect("there is room");
        spool.close().expect("it can be removed");
        ended.into_inner()
    }
}

fn never() -> AtomicBool {
    AtomicBool::new(false)
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("there is room");
    for entry in fs::read_dir(from).expect("it is there").map(|entry| entry.expect("it can be read")) {
        let to = to.join(entry.file_name());
        match entry.file_type().expect("it is known").is_dir() {
            true => copy(&entry.path(), &to),
            false => drop(fs::copy(entry.path(), to).expect("there is room")),
        }
    }
}

#[test]
fn spooled_points_hold_what_changed_and_come_out_as_they_were_captured() {
    let story = Story::new();
    let mut spooled = Vec::new();
    for round in 0..3 {
        story.write("new", 200_000, 100 + round);
        let spool = story.spool();
        let summary = story.back_up(spool.repository()).expect("there is room");
        spooled.push(summary.content);
        assert_eq!(spool.close().expect("it is kept").points, u64::from(round) + 1, "{summary:?}");
    }
    // Nothing changed: the point is one nevertheless.
    let spool = story.spool();
    spooled.push(story.back_up(spool.repository()).expect("there is room").content);
    let depth = spool.depth().expect("it can be read");
    assert!((600_000..900_000).contains(&depth.bytes), "{depth:?}");
    let captured: Vec<Time> =
        spool.store.snapshots().expect("all hold").iter().map(|at| at.record.captured).collect();
    assert_eq!(depth.oldest, captured.first().copied());
    drop(spool);

    assert_eq!(story.points().len(), 1);
    assert_eq!(story.drain(), 4);
    let points = story.points();
    assert_eq!(points[1..], captured.into_iter().zip(spooled).collect::<Vec<_>>());
    assert!(!story.folder().exists(), "what is empty is removed");
    let brought = story.trial.open(Access::Read).snapshots().expect("all points hold").split_off(1);
    assert!(
        brought.iter().all(|point| point.private.tags == ["kept", SPOOLED]),
        "it is told where they waited"
    );

    // The next run goes on from the last point that was spooled.
    let summary = story.back_up(&story.trial.open(Access::Write)).expect("there is room");
    assert_eq!(summary.stored_objects, 0);
    let newest = story.trial.open(Access::Read).snapshots().expect("all points hold").pop().expect("one");
    assert_eq!((newest.private.content, newest.private.tags), (points[4].1, vec!["kept".to_owned()]));
}

#[test]
fn a_drain_whose_end_was_not_noted_adds_nothing() {
    let story = Story::new();
    story.write("new", 200_000, 100);
    let spool = story.spool();
    story.back_up(spool.repository()).expect("there is room");
    drop(spool);
    let kept = story.state.path().join("kept");
    copy(&story.folder(), &kept);
    assert_eq!(story.drain(), 1);
    let again = story.state.path().join("again");
    copy(&kept, &again);
    fs::rename(&kept, story.folder()).expect("the place is empty");
    assert_eq!(story.drain(), 1);
    assert_eq!(story.points().len(), 2);
    // Nor behind a newer one.
    story.back_up(&story.trial.open(Access::Write)).expect("there is room");
    fs::rename(&again, story.folder()).expect("the place is empty");
    assert_eq!(story.drain(), 1);
    assert_eq!(story.points().len(), 3);
}

#[test]
fn a_drain_gives_way_between_two_points() {
    let story = Story::new();
    for round in 0..3 {
        story.write("new", 200_000, 100 + round);
        story.back_up(story.spool().repository()).expect("there is room");
    }
    let (spool, to, brought) = (story.spool(), story.trial.open(Access::Write), RefCell::new(0));
    let goes_on = || *brought.borrow() < 2;
    spool.drain(&to, &never(), &goes_on, &mut |_, _| *brought.borrow_mut() += 1).expect("it is no failure");
    assert_eq!((spool.close().expect("it is kept").points, to.snapshots().expect("all hold").len()), (1, 3));
}

#[test]
fn a_point_beyond_the_bound_is_refused_and_those_before_it_stay() {
    let story = Story::new();
    story.write("new", 200_000, 100);
    let spool = story.spool_of(500_000);
    story.back_up(spool.repository()).expect("there is room");
    story.write("newer", 400_000, 101);
    let refused = story.back_up(spool.repository()).expect_err("there is no room");
    assert!(
        matches!(refused, BackupError::Repository(RepositoryError::SpoolFull { bytes_max: 500_000 })),
        "{refused}"
    );
    assert_eq!(spool.close().expect("it is kept").points, 1);
    assert_eq!(story.drain(), 1);
    // What was put for the refused one is gone with the spool, and no run counts on it.
    story.back_up(&story.trial.open(Access::Write)).expect("there is room");
    assert_eq!(story.points().len(), 3);
}

#[test]
fn no_run_counts_on_what_a_refused_point_left_in_the_spool() {
    let story = Story::new();
    story.write("large", 400_000, 100);
    story.write("larger", 600_000, 101);
    let spool = story.spool_of(500_000);
    story.back_up(spool.repository()).expect_err("there is no room for both");
    assert_eq!(spool.close().expect("nothing waits").points, 0);
    assert!(!story.folder().exists());
    fs::remove_file(story.source.path().join("larger")).expect("it is there");
    let spool = story.spool_of(500_000);
    story.back_up(spool.repository()).expect("there is room for one");
    drop(spool);
    assert_eq!(story.drain(), 1, "all of it was stored again");
}

#[test]
fn a_tree_of_many_nodes_is_brought_from_its_leaves_up() {
    let story = Story::new();
    for file in 0..6_000 {
        fs::write(story.source.path().join(format!("empty {file} with a name that takes room")), "")
            .expect("room");
    }
    let spool = story.spool();
    story.back_up(spool.repository()).expect("there is room");
    drop(spool);
    assert_eq!(story.drain(), 1);
    let repository = story.trial.open(Access::Read);
    let newest = repository.snapshots().expect("all points hold").pop().expect("one");
    let root = repository.node(&newest.root()).expect("it is there");
    assert!(matches!(root, Node::Inner { .. }), "there are levels");
}

#[test]
fn a_point_of_which_something_is_missing_stays_and_keeps_no_other_back() {
    let story = Story::new();
    let empty = Trial::new();
    let spool = story.spool();
    story.write("new", 200_000, 100);
    story.back_up(spool.repository()).expect("there is room");
    let to = story.trial.open(Access::Write);
    // As if the server had lost everything: here, another repository's place with the same parameters.
    let mut refused = 0;
    let elsewhere = Repository::new(
        Arc::new(lost(&empty, &to)),
        to.location().clone(),
        Secrets {
            domain: to.secrets().domain.clone(),
            reader: None,
            agent: AgentIdentity::from_bytes(&[7; 32]),
        },
        None,
    );
    spool
        .drain(&elsewhere, &never(), &|| true, &mut |_, made| refused += usize::from(made.is_err()))
        .expect("it takes other points");
    assert_eq!(refused, 1);
    assert_eq!(spool.depth().expect("it can be read").points, 1);
    let mut drained = 0;
    spool
        .drain(&to, &never(), &|| true, &mut |_, made| drained += usize::from(made.is_ok()))
        .expect("there is room");
    assert_eq!(drained, 1);
    let newest = to.newest_of(&Series::new(SERIES).expect("a name")).expect("told");
    assert_eq!(newest.expect("there is one").sequence, 1);
}

/// A repository with the parameters of another one, and nothing in it.
fn lost(room: &Trial, of: &Repository) -> LocalStore {
    let folder = room.folder().join("lost");
    LocalStore::create(&folder, &of.parameters().encode(), (new_slot_id(), &[1])).expect("it is new");
    LocalStore::open(&folder, Access::Write).expect("it opens")
}

#[test]
fn a_drain_that_is_ended_early_is_gone_on_with() {
    let story = Story::new();
    for round in 0..2 {
        story.write("new", 200_000, 100 + round);
        let spool = story.spool();
        story.back_up(spool.repository()).expect("there is room");
    }
    let (spool, cancel) = (story.spool(), AtomicBool::new(false));
    let to = story.trial.open(Access::Write);
    let ended = spool.drain(&to, &cancel, &|| true, &mut |_, _| cancel.store(true, Ordering::Relaxed));
    assert!(ended.is_err());
    assert_eq!(spool.depth().expect("it can be read").points, 1);
    drop((spool, to));
    assert_eq!(story.drain(), 1);
    assert_eq!(story.points().len(), 3);
}

#[test]
fn another_repository_s_spool_is_not_written_to() {
    let story = Story::new();
    drop(story.spool());
    let other = Trial::new();
    let repository = other.open(Access::Read);
    let identity = AgentIdentity::from_bytes(&[7; 32]);
    let opened =
        Spool::open(&story.folder(), repository.parameters(), &repository.agent_code(), identity, 1 << 30);
    assert!(matches!(opened, Err(RepositoryError::Spool { .. })));
}

/// Forgets the newest point of a repository in a folder, and says which it was.
fn forget_newest(folder: &Path) -> SnapshotId {
    let store = LocalStore::open(folder, Access::Write).expect("it opens");
    let newest = store.snapshots().expect("all hold").pop().expect("there is one").id;
    store.forget(&newest, "a test").expect("it is listed");
    newest
}

#[test]
fn a_series_goes_on_when_its_newest_was_forgotten() {
    let story = Story::new();
    let folder = story.trial.folder().join("repository");
    let sequence = || {
        let series = Series::new(SERIES).expect("a name");
        let newest = story.trial.open(Access::Read).newest_of(&series).expect("told");
        newest.expect("there is one").sequence
    };
    forget_newest(&folder);
    story.back_up(&story.trial.open(Access::Write)).expect("it follows the forgotten one");
    assert_eq!(sequence(), 1);

    // What waits in a spool is brought behind a forgotten one as well.
    story.write("new", 200_000, 200);
    story.back_up(story.spool().repository()).expect("there is room");
    copy(&story.folder(), &story.state.path().join("before"));
    forget_newest(&folder);
    assert_eq!((story.drain(), sequence()), (1, 2));

    // It is brought once, even where the answer was lost and it was forgotten since.
    let brought = forget_newest(&folder);
    copy(&story.state.path().join("before"), &story.folder());
    let (spool, mut made) = (story.spool(), None);
    let to = story.trial.open(Access::Write);
    spool.drain(&to, &never(), &|| true, &mut |_, id| made = id.ok()).expect("it is there");
    assert_eq!((made, sequence()), (Some(brought), 2));
    drop(to);

    // The spool holds nothing of the series any more, and goes on with it.
    assert_eq!(spool.depth().expect("it can be read").points, 0);
    story.back_up(spool.repository()).expect("it follows what was drained");
}
