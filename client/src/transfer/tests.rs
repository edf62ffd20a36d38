//! What a copy holds: what a backup of the same files into the other repository would.

use std::fs;
use std::fs::File;
use std::os::unix::fs::FileExt;

use farkeep_codec::id::ContentId;
use tempfile::TempDir;

use super::*;
use crate::backup;
use crate::backup::CacheUse;
use crate::backup::Intent;
use crate::backup::Sources;
use crate::check;
use crate::config::size::Share;
use crate::repository::Access;
use crate::repository::trial::Trial;
use crate::source::Missing;
use crate::source::Roots;
use crate::source::Rules;

/// Two repositories, and a folder that is backed up.
struct Story {
    from: Trial,
    to: Trial,
    source: TempDir,
}

impl Story {
    fn new() -> Self {
        let source = TempDir::new().expect("a temporary folder can be made");
        let story = Self { from: Trial::new(), to: Trial::new(), source };
        for at in 0..60_u64 {
            let folder = story.source.path().join(format!("folder {}", at % 7));
            fs::create_dir_all(&folder).expect("a folder can be made");
            fs::write(folder.join(format!("file {at}")), noise(at, 900)).expect("a file can be written");
        }
        fs::write(story.source.path().join("empty"), "").expect("a file can be written");
        fs::write(story.source.path().join("large"), noise(100, 3_000_000)).expect("a file can be written");
        let sparse = File::create(story.source.path().join("sparse")).expect("a file can be made");
        sparse.write_all_at(&noise(101, 300_000), 5 << 20).expect("a file can be written");
        sparse.set_len(9 << 20).expect("a file can be longer");
        let link = |to: &str| fs::hard_link(story.source.path().join("large"), story.source.path().join(to));
        link("linked").expect("it can be linked");
        story
    }

    fn backup(&self, trial: &Trial) -> ContentId {
        let roots = Roots::new(&[self.source.path().to_owned()], Missing::Refuse).expect("it is there");
        let request = backup::Request {
            sources: Sources::Paths(roots),
            series: Some("trial".to_owned()),
            tags: vec!["kept".to_owned()],
            rules: Rules::default(),
            cache: CacheUse::Ignore,
            cache_folder: trial.folder().join("cache"),
            intent: Intent::Store,
            host: "host".to_owned(),
            user: "user".to_owned(),
            cancel: Arc::default(),
            together: None,
        };
        let repository = trial.open(Access::Write);
        backup::run(&repository, &request, &Progress::new()).expect("everything can be read").content
    }

    /// The next version of the folder.
    fn change(&self) {
        fs::write(self.source.path().join("folder 3/file 3"), "changed").expect("a file can be written");
        fs::write(self.source.path().join("new"), noise(200, 400)).expect("a file can be written");
    }

    fn copy(&self, points: &[Point]) -> (Vec<Outcome>, Stored) {
        let mut outcomes = Vec::new();
        let stored = copy(
            &self.from.open(Access::Read),
            &self.to.open(Access::Write),
            points,
            &Arc::default(),
            &Progress::new(),
            &mut |_, outcome| outcomes.push(outcome),
        );
        (outcomes, stored.expect("both can be used"))
    }
}

fn points(trial: &Trial) -> Vec<Point> {
    trial.open(Access::Read).snapshots().expect("they open")
}

fn noise(seed: u64, bytes: usize) -> Vec<u8> {
    let mut noise = vec![0; bytes];
    blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof().fill(&mut noise);
    noise
}

#[test]
fn a_copy_is_what_a_backup_would_have_made() {
    let story = Story::new();
    let content = story.backup(&story.to);
    story.backup(&story.from);
    let (outcomes, stored) = story.copy(&points(&story.from));
    // Equal files are cut and sealed alike, whichever way they come.
    assert_eq!(stored, Stored::default());
    let there = points(&story.to);
    let [original, copied] = &there[..] else { panic!("a backup and a copy") };
    assert_eq!(outcomes, [Outcome::Copied(copied.id)]);
    assert_eq!((copied.private.content, copied.record.root), (content, original.record.root));
    assert_ne!(points(&story.from)[0].private.content, content, "they share no keys");
}

#[test]
fn copies_of_a_series_are_a_series() {
    let story = Story::new();
    story.backup(&story.from);
    story.change();
    story.backup(&story.from);
    let originals = points(&story.from);
    let (outcomes, stored) = story.copy(&originals);
    let copies = points(&story.to);
    assert_eq!(outcomes.len(), 2);
    assert!(stored.objects > 0);
    for (at, (original, copy)) in originals.iter().zip(&copies).enumerate() {
        assert_eq!((copy.record.sequence, copy.record.series.as_str()), (at as u64, "trial"));
        assert_eq!(copy.record.captured, original.record.captured);
        assert_eq!(
            (copy.record.entries, copy.record.bytes),
            (original.record.entries, original.record.bytes)
        );
        assert_eq!(copy.private.counts, original.private.counts);
        assert_eq!(copy.private.tags, ["kept".to_owned(), format!("{COPIED}{}", original.id)]);
    }
    assert_eq!(copies[1].record.previous, Some(copies[0].id));
    // Again is nothing, and what came since follows.
    let (outcomes, stored) = story.copy(&originals);
    assert_eq!(outcomes, [Outcome::There(copies[0].id), Outcome::There(copies[1].id)]);
    assert_eq!(stored, Stored::default());
    let request = check::Request { data: Some(Share::ALL), cancel: Arc::default() };
    let repository = story.to.open(Access::Read);
    let mut findings = Vec::new();
    let summary = check::run(&repository, &request, &Progress::new(), &mut |found| findings.push(found));
    assert_eq!((findings, summary.expect("it comes to its end").content_ids), (vec![], 2));
    drop(repository);
    assert_eq!(story.backup(&story.to), copies[1].private.content, "the files are those of the folder");
}

#[test]
fn what_was_ended_early_goes_on() {
    let story = Story::new();
    story.backup(&story.from);
    let (from, to) = (story.from.open(Access::Read), story.to.open(Access::Write));
    let cancelled = Arc::new(AtomicBool::new(true));
    let ended = copy(&from, &to, &points(&story.from), &cancelled, &Progress::new(), &mut |_, _| {});
    assert!(matches!(ended, Err(TransferError::Interrupted)), "{ended:?}");
    drop((from, to));
    assert_eq!(points(&story.to).len(), 0);
    assert_eq!(story.copy(&points(&story.from)).0.len(), 1);
}

#[test]
fn a_repository_is_not_copied_into_itself() {
    let story = Story::new();
    let (from, to) = (story.from.open(Access::Read), story.from.open(Access::Read));
    let same = copy(&from, &to, &[], &Arc::default(), &Progress::new(), &mut |_, _| {});
    assert!(matches!(same, Err(TransferError::Same)), "{same:?}");
}
