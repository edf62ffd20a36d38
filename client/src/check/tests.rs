//! What a check finds: nothing where nothing is wrong, and exactly what cannot be read where something is.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::path::PathBuf;

use farkeep_codec::id::ContentId;
use farkeep_codec::snapshot::Draft;
use farkeep_codec::snapshot::Private;
use farkeep_codec::snapshot::Snapshot;
use tempfile::TempDir;

use super::*;
use crate::backup;
use crate::backup::CacheUse;
use crate::backup::Intent;
use crate::backup::Sources;
use crate::repository::Access;
use crate::repository::trial::Trial;
use crate::repository::trial::toggle_parity;
use crate::source::Missing;
use crate::source::Roots;
use crate::source::Rules;

/// A repository with two snapshots of a small tree.
struct Story {
    trial: Trial,
    source: TempDir,
}

impl Story {
    fn new() -> Self {
        let story =
            Self { trial: Trial::new(), source: TempDir::new().expect("a temporary folder can be made") };
        for at in 0..60_u32 {
            let folder = story.source.path().join(format!("folder {}", at % 7));
            fs::create_dir_all(&folder).expect("a folder can be made");
            let text = format!("{at} ").repeat(usize::try_from(at * 20).expect("small"));
            fs::write(folder.join(format!("file {at}")), text).expect("a file can be written");
        }
        let large: Vec<u8> = (0..700_000_u32).flat_map(|at| (at / 3).to_le_bytes()).collect();
        fs::write(story.source.path().join("large"), &large).expect("a file can be written");
        fs::hard_link(story.source.path().join("large"), story.source.path().join("large too"))
            .expect("it can be linked");
        story.backup();
        fs::write(story.source.path().join("folder 3/file 3"), b"changed").expect("a file can be written");
        fs::write(story.source.path().join("new"), b"new").expect("a file can be written");
        story.backup();
        story
    }

    fn backup(&self) {
        let roots = Roots::new(&[self.source.path().to_owned()], Missing::Refuse).expect("it is there");
        let request = backup::Request {
            sources: Sources::Paths(roots),
            series: Some("trial".to_owned()),
            tags: Vec::new(),
            rules: Rules::default(),
            cache: CacheUse::Use,
            cache_folder: self.trial.folder().join("cache"),
            intent: Intent::Store,
            host: "host".to_owned(),
            user: "user".to_owned(),
            cancel: Arc::default(),
            together: None,
        };
        backup::run(&self.trial.open(Access::Write), &request, &Progress::new())
            .expect("everything can be read");
    }

    fn check(&self, data: Option<Share>) -> (Summary, Vec<Finding>) {
        self.check_within(Limits::DEFAULT, data)
    }

    fn check_within(&self, limits: Limits, data: Option<Share>) -> (Summary, Vec<Finding>) {
        let repository = self.trial.open(Access::Read);
        let request = Request { data, cancel: Arc::default() };
        let mut findings = Vec::new();
        let summary = run_within(limits, &repository, &request, &Progress::new(), &mut |finding| {
            findings.push(finding);
        });
        (summary.expect("it comes to its end"), findings)
    }

    /// The files of the packs.
    fn packs(&self) -> Vec<PathBuf> {
        let folders = names(&self.trial.location().folder().expect("a folder").join("packs"));
        folders.iter().flat_map(|folder| names(folder)).collect()
    }

    /// The paths of each snapshot whose contents cannot be read.
    fn unreadable(&self) -> BTreeSet<(SnapshotId, PathKey)> {
        let repository = self.trial.open(Access::Read);
        let mut lost = BTreeSet::new();
        for point in repository.snapshots().expect("the journal is good") {
            let mut firsts = BTreeSet::new();
            let mut walk = repository.walk(point.root());
            while let Some(entry) = walk.next_entry().expect("the nodes are good") {
                let is_lost = match &entry.body {
                    Body::HardLink { first } => firsts.contains(first),
                    _ => content(&entry).is_some_and(|content| {
                        let mut fetcher = repository.fetcher();
                        fetcher.pieces::<RepositoryError>(entry.content_bytes(), content, |_| Ok(())).is_err()
                    }),
                };
                if is_lost {
                    firsts.insert(entry.path.clone());
                    lost.insert((point.id, entry.path));
                }
            }
        }
        lost
    }
}

fn names(folder: &Path) -> Vec<PathBuf> {
    let mut names: Vec<PathBuf> =
        fs::read_dir(folder).expect("it is there").map(|name| name.expect("it is listed").path()).collect();
    names.sort();
    names
}

/// The single paths that are lost.
fn lost(findings: &[Finding]) -> BTreeSet<(SnapshotId, PathKey)> {
    let lost = findings.iter().filter_map(|finding| match finding {
        Finding::Lost { snapshot, path, extent: Extent::Path } => Some((*snapshot, path.clone())),
        _ => None,
    });
    lost.collect()
}

fn flip(path: &Path, offset: usize) {
    let mut bytes = fs::read(path).expect("it can be read");
    bytes[offset] ^= 0x40;
    toggle_parity(&mut bytes);
    fs::write(path, bytes).expect("it can be written");
}

#[test]
fn a_good_repository_has_nothing_to_tell() {
    let story = Story::new();
    let (structure, findings) = story.check(None);
    assert_eq!(findings, []);
    assert_eq!((structure.snapshots, structure.damage_count, structure.objects_opened), (2, 0, 0));

    let (data, findings) = story.check(Some(Share::ALL));
    assert_eq!(findings, []);
    assert_eq!((data.content_ids, data.objects_opened), (2, data.objects));
    assert!(data.objects > 10 && data.nodes >= 2, "{data:?}");
    assert!(data.pack_bytes > 0 && data.plain_bytes > 2_800_000, "{data:?}");
}

#[test]
fn windows_of_any_size_give_the_same_content_ids() {
    let story = Story::new();
    for (slices_max, slices_least, snapshots_together_max) in [(1, 1, 64), (8, 3, 1), (1_000, 7, 2)] {
        let limits = Limits { slices_max, slices_least, snapshots_together_max };
        let (summary, findings) = story.check_within(limits, Some(Share::ALL));
        assert_eq!(findings, [], "{limits:?}");
        assert_eq!(summary.content_ids, 2, "{limits:?}");
    }
}

#[test]
fn every_damaged_byte_is_found_and_exactly_the_lost_paths_are_named() {
    let story = Story::new();
    let mut hits = 0;
    for pack in story.packs() {
        let original = fs::read(&pack).expect("it can be read");
        for part in 0..16 {
            let offset = original.len() * part / 16;
            flip(&pack, offset);
            let (summary, findings) = story.check(Some(Share::ALL));
            assert!(summary.damage_count > 0, "byte {offset} of {}", pack.display());
            let nodes_are_good = findings
                .iter()
                .all(|finding| !matches!(finding, Finding::Lost { extent: Extent::Range { .. }, .. }));
            if nodes_are_good {
                assert_eq!(lost(&findings), story.unreadable(), "byte {offset} of {}", pack.display());
            }
            hits += usize::from(summary.lost_count > 0);
            fs::write(&pack, &original).expect("it can be written");
        }
    }
    assert!(hits > 10, "{hits}");
    assert_eq!(story.check(Some(Share::ALL)).1, []);
}

#[test]
fn a_pack_that_is_gone_is_found_without_reading_data() {
    let story = Story::new();
    for pack in story.packs() {
        let aside = pack.with_extension("aside");
        fs::rename(&pack, &aside).expect("it can be moved");
        let (summary, findings) = story.check(None);
        assert!(summary.damage_count > 0, "{}", pack.display());
        let (summary, _) = story.check(Some(Share::ALL));
        assert!(summary.damage_count > 0 && summary.lost_count > 0, "{findings:?}");
        fs::rename(&aside, &pack).expect("it can be moved back");
    }
}

#[test]
fn a_snapshot_that_names_another_content_id_is_found() {
    let story = Story::new();
    {
        let repository = story.trial.open(Access::Write);
        let last = repository.snapshots().expect("they open").pop().expect("there are two");
        let private = Private { content: ContentId::from_bytes([7; 32]), ..last.private.clone() };
        let sequence = last.record.sequence + 1;
        let draft = Draft { sequence, previous: Some(last.id), ..(*last.record).clone() };
        let reader = &repository.parameters().reader_public;
        let agent = &repository.secrets().agent;
        let fill = |bytes: &mut [u8]| bytes.fill(5);
        let record = Snapshot::sign(draft, &private, reader, agent, fill).expect("it fits");
        repository.commit(&record.encode(), &[]).expect("it follows the last one");
    }
    assert_eq!(story.check(None).1, []);
    let (summary, findings) = story.check(Some(Share::ALL));
    assert!(matches!(findings.as_slice(), [Finding::Damage { what: "snapshot", .. }]), "{findings:?}");
    assert_eq!(summary.damage_count, 1);
}

#[test]
fn a_tree_of_other_size_than_the_record_says_is_found() {
    let story = Story::new();
    {
        let repository = story.trial.open(Access::Write);
        let last = repository.snapshots().expect("they open").pop().expect("there are two");
        let (sequence, entries) = (last.record.sequence + 1, last.record.entries + 1);
        let draft = Draft { sequence, entries, previous: Some(last.id), ..(*last.record).clone() };
        let (parameters, agent) = (repository.parameters(), &repository.secrets().agent);
        let fill = |bytes: &mut [u8]| bytes.fill(6);
        let record =
            Snapshot::sign(draft, &last.private, &parameters.reader_public, agent, fill).expect("it fits");
        repository.commit(&record.encode(), &[]).expect("it follows the last one");
    }
    assert!(story.check(None).0.damage_count > 0);
}

#[test]
fn a_check_ends_when_it_is_told_to() {
    let story = Story::new();
    let request = Request { data: Some(Share::ALL), cancel: Arc::new(AtomicBool::new(true)) };
    let ended = run(&story.trial.open(Access::Read), &request, &Progress::new(), &mut |_| {});
    assert!(matches!(ended, Err(CheckError::Interrupted)));
}
