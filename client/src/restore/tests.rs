//! Restores over damage and over what a target has: everything that can be read comes back, and nothing else happens.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::FileExt;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::SystemTime;

use farkeep_codec::tree::Body;
use farkeep_codec::tree::Node;
use tempfile::TempDir;

use super::*;
use crate::backup;
use crate::backup::CacheUse;
use crate::backup::Sources;
use crate::repository::Access;
use crate::repository::Place;
use crate::repository::trial::Trial;
use crate::repository::trial::toggle_parity;
use crate::source::Missing;
use crate::source::Roots;
use crate::source::Rules;
use crate::source::key_of;

mod removal;

const FOLDERS: usize = 30;
const FILES: usize = 40;

/// A folder, a repository with one snapshot of it, and a folder to restore into.
struct Story {
    trial: Trial,
    source: TempDir,
    target: TempDir,
}

fn room() -> TempDir {
    TempDir::new().expect("a temporary folder can be made")
}

fn write(path: &Path, contents: impl AsRef<[u8]>) {
    fs::write(path, contents).expect("it can be written");
}

/// Bytes that do not repeat.
fn noise(bytes: u32) -> Vec<u8> {
    (0..bytes / 4).flat_map(|at| at.wrapping_mul(0x9E37_79B1).rotate_left(at % 31).to_le_bytes()).collect()
}

impl Story {
    fn of(fill: impl FnOnce(&Path)) -> Self {
        let story = Self { trial: Trial::new(), source: room(), target: room() };
        fill(story.source.path());
        let roots = Roots::new(&[story.source.path().to_owned()], Missing::Refuse).expect("it is there");
        let request = backup::Request {
            sources: Sources::Paths(roots),
            series: Some("trial".to_owned()),
            tags: Vec::new(),
            rules: Rules::default(),
            cache: CacheUse::Ignore,
            cache_folder: story.trial.folder().join("cache"),
            intent: backup::Intent::Store,
            host: "host".to_owned(),
            user: "user".to_owned(),
            cancel: Arc::default(),
            together: None,
        };
        backup::run(&story.trial.open(Access::Write), &request, &Progress::new()).expect("it can be read");
        story
    }

    /// Enough files for several leaves; the first of each folder has a further name behind all of them.
    fn large() -> Self {
        Self::of(|source| {
            for folder in 0..FOLDERS {
                let path = source.join(format!("{folder:02}"));
                fs::create_dir(&path).expect("it is new");
                (0..FILES)
                    .for_each(|file| write(&path.join(format!("{file:02}")), format!("{folder} {file}")));
                let link = source.join(format!("link {folder:02}"));
                fs::hard_link(path.join("00"), link).expect("it is new");
            }
        })
    }

    fn request(&self) -> Request {
        let repository = self.trial.open(Access::Read);
        let point = repository.snapshots().expect("the journal is good").pop().expect("there is one");
        Request {
            root: point.root(),
            subtree: Some(key_of(self.source.path()).expect("it is a path")),
            target: self.target.path().to_owned(),
            selection: Selection::new(&[], &[]).expect("no globs"),
            overwrite: Overwrite::Always,
            delete: Delete::Keep,
            spared: Vec::new(),
            intent: Intent::Write,
            verify: Verify::Skip,
            cancel: Arc::default(),
        }
    }

    fn restore(&self, request: &Request) -> Summary {
        run(&self.trial.open(Access::Read), request, &Progress::new()).expect("the target can be written")
    }

    /// Restores as is asked for, and fails if there were problems.
    fn restore_well(&self, request: &Request) -> Summary {
        let summary = self.restore(request);
        assert_eq!(summary.problems, []);
        summary
    }

    /// The nodes right below the root, with what lies below each.
    fn parts(&self, request: &Request) -> Vec<(Pointer, Gap)> {
        let Ok(Node::Inner { children, .. }) = self.trial.open(Access::Read).node(&request.root) else {
            panic!("the tree is one leaf")
        };
        let end = |at: usize| children.get(at + 1).map(|next| next.first.clone());
        let part = |(at, child): (usize, &farkeep_codec::tree::Child)| {
            let gap = Gap { first: child.first.clone(), end: end(at), entries: Some(child.entries) };
            (child.pointer, gap)
        };
        children.iter().enumerate().map(part).collect()
    }

    /// Changes a byte in the middle of an object; the same again heals it.
    fn flip(&self, object: &Pointer) {
        let repository = self.trial.open(Access::Read);
        let places = repository.locate(&[object.id]).expect("the index is good");
        let [Some(Place::Folder(place))] = places.as_slice() else { panic!("{places:?}") };
        let name = place.pack.to_string();
        let pack =
            self.trial.location().folder().expect("a folder").join("packs").join(&name[..2]).join(&name);
        let mut bytes = fs::read(&pack).expect("it is there");
        bytes[(place.offset + place.bytes / 2) as usize] ^= 4;
        toggle_parity(&mut bytes);
        fs::write(&pack, bytes).expect("it can be written");
    }

    /// The key in the snapshot of a path in the source.
    fn key(&self, path: &str) -> PathKey {
        key_of(&self.source.path().join(path)).expect("it is a path")
    }
}

/// The contents of all files and links below a folder; of a folder, nothing.
fn contents(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut all = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(at) = folders.pop() {
        for entry in fs::read_dir(&at).expect("it is a folder") {
            let path = entry.expect("it is listed").path();
            let stat = fs::symlink_metadata(&path).expect("it is there");
            let name = path.strip_prefix(folder).expect("it is inside").to_string_lossy().into_owned();
            let bytes = match stat.file_type() {
                kind if kind.is_symlink() => {
                    fs::read_link(&path).expect("a link").into_os_string().into_encoded_bytes()
                }
                kind if kind.is_dir() => {
                    folders.push(path);
                    Vec::new()
                }
                _ => fs::read(&path).expect("it can be read"),
            };
            all.insert(name, bytes);
        }
    }
    all
}

fn is_in(gap: &Gap, path: &PathKey) -> bool {
    gap.first <= *path && gap.end.as_ref().is_none_or(|end| path < end)
}

/// Each leaf in turn is damaged: into an empty target, and over older files, everything else comes back, and no name gets
/// what is not its own.
#[test]
fn behind_a_damaged_leaf_the_restore_goes_on() {
    let story = Story::large();
    let wanted = contents(story.source.path());
    let request = story.request();
    let parts = story.parts(&request);
    assert!(parts.len() > 1, "{} leaves", parts.len());
    for (leaf, gap) in &parts {
        story.flip(leaf);
        for old in [None, Some(b"older".as_slice())] {
            let target = room();
            for name in wanted.keys().filter(|name| name.contains('/')) {
                let path = target.path().join(name);
                fs::create_dir_all(path.parent().expect("it has one")).expect("it can be made");
                old.iter().for_each(|old| write(&path, old));
            }
            let summary = story.restore(&Request { target: target.path().to_owned(), ..request.clone() });
            let found = contents(target.path());
            let is_lost = |name: &String| {
                let first = name.strip_prefix("link ").map(|folder| story.key(&format!("{folder}/00")));
                is_in(gap, &story.key(name)) || first.is_some_and(|first| is_in(gap, &first))
            };
            let is_named = |name: &String| {
                summary.problems.iter().any(|problem| match &problem.extent {
                    Extent::Path => problem.path == story.key(name),
                    Extent::Range { end, entries } => {
                        let range = Gap { first: problem.path.clone(), end: end.clone(), entries: *entries };
                        is_in(&range, &story.key(name))
                    }
                })
            };
            for (name, bytes) in &wanted {
                let is_folder = !name.contains('/') && !name.starts_with("link");
                match found.get(name) {
                    _ if is_folder => {}
                    Some(found) if is_lost(name) => assert_eq!(Some(found.as_slice()), old, "{name}"),
                    Some(found) => assert_eq!(found, bytes, "{name}"),
                    None => assert!(is_lost(name), "{name} is not there, and {gap:?} is lost"),
                }
                assert_eq!(is_named(name), is_lost(name), "{name} in {:?}", summary.problems);
            }
            assert!(summary.problems.iter().all(|problem| problem.damage), "{:?}", summary.problems);
            assert_eq!(summary.damage_count, summary.problem_count);
        }
        story.flip(leaf);
    }
    story.restore_well(&request);
    assert_eq!(contents(story.target.path()), wanted);
}

/// What the damage hides is no extra file, and in folders whose names are all known extra files go.
#[test]
fn nothing_is_deleted_where_damage_hides_the_names() {
    let story = Story::large();
    let request = story.request();
    let wanted = contents(story.source.path());
    story.restore_well(&request);
    let folders: Vec<String> = (0..FOLDERS).map(|folder| format!("{folder:02}")).collect();
    for (leaf, gap) in story.parts(&request) {
        for folder in &folders {
            write(&story.target.path().join(folder).join("extra"), "extra");
        }
        story.flip(&leaf);
        let summary = story.restore(&Request { delete: Delete::Extra, ..request.clone() });
        story.flip(&leaf);
        let mut found = contents(story.target.path());
        let mut kept = 0;
        for folder in &folders {
            let (first, last) = (story.key(folder), story.key(&format!("{folder}/zz")));
            let overlaps = gap.first <= last && gap.end.as_ref().is_none_or(|end| first < *end);
            let extra = found.remove(&format!("{folder}/extra"));
            assert!(extra.is_none() || overlaps, "{folder} is known in full beside {gap:?}");
            kept += usize::from(extra.is_some());
        }
        assert_eq!(summary.deleted, (FOLDERS - kept) as u64);
        assert!(kept < FOLDERS);
        assert_eq!(found, wanted, "without {gap:?}");
    }
}

#[test]
fn without_the_root_nothing_is_restored_and_everything_is_named() {
    let story = Story::large();
    let request = story.request();
    write(&story.target.path().join("mine"), "precious");
    story.flip(&request.root);
    let summary = story.restore(&Request { delete: Delete::Extra, ..request.clone() });
    let [Problem { path, extent, damage, .. }] = summary.problems.as_slice() else {
        panic!("{:?}", summary.problems)
    };
    assert_eq!((Some(path), *damage), (request.subtree.as_ref(), true));
    assert_eq!(*extent, Extent::Range { end: None, entries: None });
    assert_eq!((summary.files, summary.deleted, summary.damage_count), (0, 0, 1));
    assert_eq!(contents(story.target.path()).len(), 1);
}

/// A dry run looks at the target that was named, and makes none.
#[test]
fn a_dry_run_into_nothing_finds_nothing_there() {
    let story = Story::of(|source| {
        fs::create_dir(source.join("folder")).expect("it is new");
        write(&source.join("folder/file"), "text");
        symlink("file", source.join("folder/link")).expect("it is new");
    });
    let target = story.target.path().join("not/there");
    for (overwrite, delete) in [
        (Overwrite::Refuse, Delete::Keep),
        (Overwrite::Always, Delete::Extra),
        (Overwrite::IfChanged, Delete::Extra),
        (Overwrite::Never, Delete::Extra),
    ] {
        let intent = Intent::DryRun;
        let request = Request { target: target.clone(), overwrite, delete, intent, ..story.request() };
        let summary = story.restore_well(&request);
        assert_eq!((summary.files, summary.folders, summary.others, summary.bytes), (1, 2, 1, 4));
        assert_eq!((summary.files_equal, summary.files_skipped, summary.deleted), (0, 0, 0));
    }
    assert_eq!(contents(story.target.path()).len(), 0);
}

/// Whatever part is restored, and whatever is there already: at the end everything that was announced is done.
#[test]
fn the_progress_ends_at_its_totals() {
    let story = Story::large();
    write(&story.source.path().join("sparse"), "");
    let of_folder = Some(story.key("17"));
    let globs = Selection::new(&["1*".to_owned()], &["[0-9]*5".to_owned()]).expect("they parse");
    let all = Request { subtree: None, ..story.request() };
    let requests = [
        Request { intent: Intent::DryRun, ..story.request() },
        story.request(),
        Request { overwrite: Overwrite::Never, ..story.request() },
        Request { overwrite: Overwrite::IfChanged, ..story.request() },
        Request { subtree: of_folder, ..story.request() },
        Request { selection: globs, ..story.request() },
        Request { target: story.target.path().join("all"), ..all },
    ];
    let mut seen = Vec::new();
    for request in requests {
        let progress = Progress::new();
        run(&story.trial.open(Access::Read), &request, &progress).expect("the target can be written");
        let sample = progress.sample();
        assert_eq!(sample.phase, Phase::Restoring);
        assert_eq!((sample.entries_done, sample.bytes_done), (sample.entries_total, sample.bytes_total));
        seen.push(sample.entries_total);
    }
    let whole = (FOLDERS * (FILES + 2) + 1) as u64;
    assert_eq!(seen[..4], [whole; 4]);
    assert_eq!(seen[4], FILES as u64 + 1);
    assert!(seen[5] > 0 && seen[5] < whole / 2, "{seen:?}");
    assert!(seen[6] > whole, "{seen:?}");
}

#[test]
fn holes_and_large_files_are_in_the_progress() {
    let story = Story::of(|source| {
        let sparse = fs::File::create(source.join("sparse")).expect("it is new");
        sparse.write_all_at(&noise(300_000), 5 << 20).expect("there is room");
        sparse.set_len(9 << 20).expect("there is room");
        write(&source.join("large"), noise(1_000_000));
    });
    let progress = Progress::new();
    run(&story.trial.open(Access::Read), &story.request(), &progress).expect("the target can be written");
    let sample = progress.sample();
    assert_eq!((sample.bytes_done, sample.bytes_total), ((9 << 20) + 1_000_000, (9 << 20) + 1_000_000));
}

/// Blocks are counted from the beginning of each chunk, and a chunk's last one is shorter.
fn is_one_block(bytes: u64) -> bool {
    (1..=64 << 10).contains(&bytes)
}

#[test]
fn only_blocks_that_differ_are_written() {
    let story = Story::of(|source| {
        write(&source.join("large"), noise(1_000_000));
        write(&source.join("same"), noise(500_000));
        write(&source.join("small"), "text");
    });
    let request = Request { overwrite: Overwrite::IfChanged, ..story.request() };
    let first = story.restore_well(&request);
    assert_eq!((first.written_bytes, first.files_equal), (1_500_004, 0));
    let path = story.target.path().join("large");
    let before = fs::metadata(&path).expect("it is there");
    let change = || {
        let large = fs::File::options().write(true).open(&path).expect("it is there");
        large.write_all_at(b"!", 500_000).expect("it can be written");
        large
    };
    change().set_modified(SystemTime::UNIX_EPOCH).expect("it is ours");
    let second = story.restore_well(&request);
    assert!(is_one_block(second.written_bytes), "{}", second.written_bytes);
    assert_eq!(second.files_equal, 2);
    assert_eq!(contents(story.target.path()), contents(story.source.path()));

    // Equal length and time are believed, unless the contents are to be compared.
    change().set_modified(before.modified().expect("it has one")).expect("it is ours");
    assert_eq!(story.restore_well(&request).written_bytes, 0);
    let always = Request { overwrite: Overwrite::Always, ..request };
    assert!(is_one_block(story.restore_well(&always).written_bytes));
    assert_eq!(contents(story.target.path()), contents(story.source.path()));
}

#[test]
fn what_is_not_selected_is_not_deleted() {
    let story = Story::of(|source| {
        fs::create_dir_all(source.join("folder/inner")).expect("it is new");
        for name in ["folder/a.conf", "folder/b.txt", "folder/inner/c.conf", "top.conf"] {
            write(&source.join(name), name);
        }
    });
    let fill = |target: &Path| {
        fs::create_dir_all(target.join("folder/extra")).expect("it is new");
        fs::create_dir_all(target.join("other")).expect("it is new");
        for name in ["folder/extra.txt", "folder/extra/x.keep", "folder/extra/y", "other/z", "extra.txt"] {
            write(&target.join(name), "mine");
        }
    };
    let cases: [(&[&str], &[&str], &[&str]); 4] = [
        (&["*.conf"], &[], &[]),
        (&["folder"], &[], &["folder/extra.txt", "folder/extra/x.keep", "folder/extra/y", "folder/extra"]),
        (&["folder"], &["*.keep"], &["folder/extra.txt", "folder/extra/y"]),
        (&[], &["extra*", "other"], &[]),
    ];
    for (include, exclude, gone) in cases {
        let target = room();
        fill(target.path());
        let before = contents(target.path());
        let owned = |globs: &[&str]| globs.iter().map(|glob| (*glob).to_owned()).collect::<Vec<String>>();
        let selection = Selection::new(&owned(include), &owned(exclude)).expect("they parse");
        let (path, delete) = (target.path().to_owned(), Delete::Extra);
        let summary = story.restore_well(&Request { target: path, selection, delete, ..story.request() });
        let after = contents(target.path());
        let removed: Vec<&String> = before.keys().filter(|name| !after.contains_key(*name)).collect();
        let mut gone = gone.to_vec();
        gone.sort_unstable();
        assert_eq!(removed, gone, "{include:?} {exclude:?}");
        assert_eq!(summary.deleted, gone.len() as u64, "{include:?} {exclude:?}");
    }
}

/// Links of the target that lead out of it, where the snapshot has folders and files.
#[test]
fn links_in_the_target_are_replaced_or_left_and_never_followed() {
    let story = Story::of(|source| {
        fs::create_dir(source.join("folder")).expect("it is new");
        for name in ["folder/file", "large", "small"] {
            write(&source.join(name), noise(if name == "large" { 300_000 } else { 100 }));
        }
    });
    for overwrite in [Overwrite::Always, Overwrite::IfChanged, Overwrite::Never] {
        for delete in [Delete::Keep, Delete::Extra] {
            let (outside, target) = (room(), room());
            for name in ["file", "large", "small", "other"] {
                write(&outside.path().join(name), "precious");
            }
            let before = contents(outside.path());
            for (name, leads_to) in [("folder", ""), ("large", "large"), ("small", "small"), ("extra", "")] {
                symlink(outside.path().join(leads_to), target.path().join(name)).expect("it is new");
            }
            let path = target.path().to_owned();
            let summary = story.restore(&Request { target: path, overwrite, delete, ..story.request() });
            assert_eq!(contents(outside.path()), before, "{overwrite:?}");
            let mut found = contents(target.path());
            assert_eq!(found.remove("extra").is_some(), delete == Delete::Keep);
            if overwrite == Overwrite::Never {
                assert!(
                    fs::symlink_metadata(target.path().join("folder")).expect("it is there").is_symlink()
                );
                assert_eq!(summary.files_skipped, 2);
                assert!(summary.problem_count > 0 && summary.damage_count == 0, "{:?}", summary.problems);
            } else {
                assert_eq!(summary.problems, []);
                assert_eq!(found, contents(story.source.path()));
            }
        }
    }
}

/// Where one has a folder the other has a file, both ways, and likewise with a link. A folder that is not empty stays,
/// unless what the snapshot does not have is deleted.
#[test]
fn files_and_folders_take_each_others_places_unless_they_may_not() {
    let story = Story::of(|source| {
        for folder in ["folder", "from link"] {
            fs::create_dir(source.join(folder)).expect("it is new");
            write(&source.join(folder).join("inside"), "inside");
        }
        write(&source.join("file"), "file");
        symlink("file", source.join("link")).expect("it is new");
    });
    let rules = [Overwrite::Always, Overwrite::IfChanged, Overwrite::Never];
    for (overwrite, delete) in rules.map(|rule| [(rule, Delete::Keep), (rule, Delete::Extra)]).as_flattened()
    {
        let (overwrite, delete) = (*overwrite, *delete);
        let target = room();
        write(&target.path().join("folder"), "a file");
        symlink("nowhere", target.path().join("from link")).expect("it is new");
        for name in ["file", "link"] {
            fs::create_dir_all(target.path().join(name).join("deep")).expect("it is new");
            write(&target.path().join(name).join("deep/mine"), "mine");
        }
        let before = contents(target.path());
        let path = target.path().to_owned();
        let summary = story.restore(&Request { target: path, overwrite, delete, ..story.request() });
        let after = contents(target.path());
        if overwrite == Overwrite::Never {
            assert_eq!(after, before);
            assert_eq!(summary.files_skipped, 2);
            assert!(summary.problem_count > 0 && summary.damage_count == 0, "{:?}", summary.problems);
        } else if delete == Delete::Keep {
            let named: Vec<&PathKey> = summary.problems.iter().map(|problem| &problem.path).collect();
            assert_eq!(named, [&story.key("file"), &story.key("link")]);
            assert_eq!((summary.damage_count, after.get("file/deep/mine")), (0, Some(&b"mine".to_vec())));
            assert_eq!(after.get("link/deep/mine"), Some(&b"mine".to_vec()));
            assert_eq!(after.get("folder/inside"), Some(&b"inside".to_vec()));
        } else {
            assert_eq!(summary.problems, []);
            assert_eq!(after, contents(story.source.path()), "{overwrite:?}");
        }
    }
}

/// A bundle that cannot be read takes only the files in it, and their further names.
#[test]
fn a_damaged_bundle_takes_its_files_and_nothing_is_linked_to_what_was_there() {
    let story = Story::of(|source| {
        write(&source.join("first"), noise(60_000));
        fs::hard_link(source.join("first"), source.join("second")).expect("it is new");
        write(&source.join("other"), noise(90_000));
    });
    let request = story.request();
    let entry = story.trial.open(Access::Read).entry(request.root, &story.key("first"));
    let Body::File { content: farkeep_codec::tree::Content::Slice { bundle, .. }, .. } =
        entry.expect("the tree is good").expect("it is there").body
    else {
        panic!("it is small")
    };
    story.flip(&bundle);
    write(&story.target.path().join("first"), "older");
    let summary = story.restore(&request);
    let named: Vec<&PathKey> = summary.problems.iter().map(|problem| &problem.path).collect();
    assert_eq!(named, [&story.key("first"), &story.key("second")]);
    assert_eq!(summary.damage_count, 2);
    let found = contents(story.target.path());
    assert_eq!(found.get("first").map(Vec::as_slice), Some(b"older".as_slice()));
    assert_eq!(found.get("second"), None);
    assert!(found.contains_key("other"));
}

/// What was there is as it was when its successor cannot be read to the end, be it a file, one of two names, or a link.
#[test]
fn a_damaged_chunk_leaves_what_was_there() {
    let story = Story::of(|source| write(&source.join("large"), noise(20 << 20)));
    let repository = story.trial.open(Access::Read);
    let entry = repository.entry(story.request().root, &story.key("large"));
    let entry = entry.expect("the tree is good").expect("it is there");
    let chunks = repository.chunks(entry.content().expect("it has some"));
    let last = chunks.last().expect("there are some").expect("they can be read");
    drop(repository);
    story.flip(&last);
    let path = story.target.path().join("large");
    let fill: [&dyn Fn(); 4] = [
        &|| {},
        &|| write(&path, vec![7; 21 << 20]),
        &|| fs::hard_link(&path, story.target.path().join("other")).expect("it is new"),
        &|| {
            fs::remove_file(&path).expect("it is there");
            symlink("other", &path).expect("it is new");
        },
    ];
    for fill in fill {
        fill();
        let before = contents(story.target.path());
        let summary = story.restore(&story.request());
        assert_eq!((summary.damage_count, summary.files), (1, 0));
        assert!(contents(story.target.path()) == before, "{:?}", before.keys());
    }
    story.flip(&last);
    story.restore_well(&Request { delete: Delete::Extra, ..story.request() });
    assert!(contents(story.target.path()) == contents(story.source.path()));
}

/// The repository may lie in the target: under an extra name, below one, or where the snapshot has an empty folder.
#[test]
fn nothing_is_deleted_from_the_repository() {
    let story = Story::of(|source| fs::create_dir_all(source.join("folder/inner")).expect("it is new"));
    for own in ["extra", "extra/deep", "folder", "folder/inner", "."] {
        let target = room();
        let folder = target.path().join(own);
        fs::create_dir_all(&folder).expect("it can be made");
        write(&folder.join("pack"), "precious");
        write(&target.path().join("more"), "more");
        let spared = vec![FileId::of(&folder).expect("it is there")];
        let request =
            Request { target: target.path().to_owned(), delete: Delete::Extra, spared, ..story.request() };
        let ran = run(&story.trial.open(Access::Read), &request, &Progress::new());
        assert_eq!(contents(&folder).get("pack"), Some(&b"precious".to_vec()), "{own}");
        if own == "." {
            assert!(matches!(ran, Err(RestoreError::Spared { .. })), "{ran:?}");
        } else {
            let summary = ran.expect("the target can be written");
            assert_eq!((summary.problem_count, summary.deleted), (1, 1), "{own}: {:?}", summary.problems);
        }
    }
}
