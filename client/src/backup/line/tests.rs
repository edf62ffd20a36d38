use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::Receiver;
use crossbeam_channel::Sender;
use farkeep_codec::object::Kind as ObjectKind;
use farkeep_codec::object::Pointer;
use tempfile::TempDir;

use super::BATCH_FILES;
use super::Fresh;
use super::Line;
use super::Purpose;
use crate::backup::CacheUse;
use crate::backup::Intent;
use crate::backup::Request;
use crate::backup::Sources;
use crate::backup::bundler::Bundler;
use crate::backup::caches::Caches;
use crate::backup::catalogue::Bundles;
use crate::backup::catalogue::CatalogueWriter;
use crate::backup::catalogue::Previous;
use crate::backup::catalogue::RowContent;
use crate::backup::objects::ObjectWriter;
use crate::backup::objects::Shared;
use crate::backup::pool::Done;
use crate::backup::pool::Job;
use crate::backup::rest::Rest;
use crate::backup::scan::Scan;
use crate::backup::sealing::Chunks;
use crate::backup::small::SmallReader;
use crate::progress::Progress;
use crate::repository::Access;
use crate::repository::Repository;
use crate::repository::trial::Trial;
use crate::source::Accounts;
use crate::source::Effort;
use crate::source::Missing;
use crate::source::Roots;
use crate::source::Rules;
use crate::source::Walker;

/// When a worker answers.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Answers {
    AtOnce,
    /// Of two jobs of a kind, the second first.
    SecondFirst,
}

/// Where a file came to lie: its bundle and its offset there, or else its chunks.
type Place = (Vec<u8>, Option<(Pointer, u32, bool)>, Vec<Pointer>);

/// Four full batches of small files, some of them equal, and two large files among them.
fn make(folder: &Path) {
    for at in 0..4 * BATCH_FILES {
        let text = format!("{} ", at % 1_600).repeat(at % 400 + 1);
        fs::write(folder.join(format!("{at:05}")), text).expect("there is room");
    }
    for name in ["00100 large", "01500 large"] {
        fs::write(folder.join(name), name.repeat(20_000)).expect("there is room");
    }
}

/// A worker that holds every other batch and large file back until the next one is answered.
fn work(shared: &Shared<'_>, jobs: &Receiver<Job>, done: &Sender<Done>, answers: Answers) {
    let chunks = Chunks::new(1, Arc::default());
    let mut writer = ObjectWriter::new(shared);
    let mut reader = SmallReader::new(&shared.buffers).expect("files can be read");
    let (mut batch_before, mut large_before) = (None, None);
    for job in jobs {
        let (answer, before) = match job {
            Job::Batch(batch) => (Done::Batch(reader.read(&batch, shared.keys())), &mut batch_before),
            Job::Large(file) => {
                (Done::Large(file.store(&mut writer, &chunks).expect("it is there")), &mut large_before)
            }
            Job::Bundle(bundle) => {
                let plain: Vec<u8> = bundle.pieces.iter().flat_map(|piece| piece.bytes().to_vec()).collect();
                let stored = writer.write(ObjectKind::Data, &[], &plain).expect("there is room");
                done.send(Done::Bundle(bundle.number, stored)).expect("the line waits");
                continue;
            }
        };
        match (answers, before.take()) {
            (Answers::SecondFirst, None) => *before = Some(answer),
            (_, held) => {
                let answered = [Some(answer), held].into_iter().flatten();
                answered.for_each(|answer| done.send(answer).expect("the line waits"));
            }
        }
    }
}

fn request(cache_folder: &Path) -> Request {
    Request {
        sources: Sources::Stdin { name: "nothing".to_owned() },
        series: None,
        tags: Vec::new(),
        rules: Rules::default(),
        cache: CacheUse::Ignore,
        cache_folder: cache_folder.to_owned(),
        intent: Intent::Store,
        host: "host".to_owned(),
        user: "user".to_owned(),
        cancel: Arc::default(),
        together: None,
    }
}

/// Scans a folder, and lets `then` go on with the line.
fn scanned<T>(
    repository: &Repository,
    source: &Path,
    answers: Answers,
    then: impl FnOnce(&mut Line<'_>, &Previous) -> T,
) -> T {
    let cache = TempDir::new().expect("a temporary folder can be made");
    let (progress, request) = (Progress::new(), request(cache.path()));
    let caches = Caches::of(&request, repository, "series").expect("there is room");
    let shared = Shared::new(repository, &progress, &request, &caches);
    let roots = Roots::new(&[source.to_owned()], Missing::Refuse).expect("it is there");
    let walker = Walker::new(&roots, Rules::default(), Effort::default());
    let previous = Previous::nothing(repository.keys());
    let writer =
        CatalogueWriter::begin(cache.path(), &previous, previous.bundles(), [5; 16]).expect("there is room");
    let bundles = Bundles::default();
    let bundler =
        Bundler::new(repository.keys(), repository.parameters(), CacheUse::Ignore, cache.path(), &bundles);
    std::thread::scope(|scope| {
        let (jobs, job_queue) = crossbeam_channel::bounded(1);
        let (done, done_queue) = crossbeam_channel::unbounded();
        let worker_shared = &shared;
        scope.spawn(move || work(worker_shared, &job_queue, &done, answers));
        let begun = (writer, bundles, bundler);
        let mut line = Line::new(
            &shared,
            (jobs, done_queue),
            begun,
            Accounts::default(),
            Rest::before(0, Duration::ZERO),
        );
        Scan::new(&mut line, previous.rows()).run(walker).expect("everything can be read");
        then(&mut line, &previous)
    })
}

/// Backs up a folder up to the rows of its catalogue.
fn places(repository: &Repository, source: &Path, answers: Answers) -> Vec<Place> {
    scanned(repository, source, answers, |line, previous| {
        let mut rows = line.writer.written(previous).expect("there is room");
        let mut places = Vec::new();
        while let Some(row) = rows.peek() {
            let (slice, chunks) = match &row.content {
                RowContent::Slice(place) => {
                    let bundle = *line.bundles.pointer(place.bundle).expect("every bundle is stored");
                    (Some((bundle, place.offset, place.borrowed)), Vec::new())
                }
                RowContent::Chunks(chunks, _) => (None, chunks.clone()),
                RowContent::List(root, ..) => (None, vec![*root]),
                RowContent::None => (None, Vec::new()),
            };
            places.push((row.path.clone(), slice, chunks));
            rows.advance();
        }
        places
    })
}

#[test]
fn places_follow_the_order_of_paths_and_not_the_order_in_which_files_are_read() {
    let (trial, source) = (Trial::new(), TempDir::new().expect("a temporary folder can be made"));
    make(source.path());
    let repository = trial.open(Access::Write);
    let in_order = places(&repository, source.path(), Answers::AtOnce);
    let files = in_order.iter().filter(|(_, slice, chunks)| slice.is_some() || !chunks.is_empty());
    assert_eq!(files.count(), 4 * BATCH_FILES + 2);
    assert!(in_order.is_sorted_by(|(left, ..), (right, ..)| left < right), "rows come in path order");
    let slices: Vec<_> = in_order.iter().filter_map(|(_, slice, _)| *slice).collect();
    let own: Vec<_> = slices.iter().filter(|(.., borrowed)| !borrowed).collect();
    assert!(own.len() < slices.len(), "equal files share a place");
    let ascending = |pair: &[&(Pointer, u32, bool)]| pair[0].0 != pair[1].0 || pair[0].1 < pair[1].1;
    assert!(own.windows(2).all(ascending), "files lie in their bundle in path order");
    assert_eq!(places(&repository, source.path(), Answers::SecondFirst), in_order);
}

#[test]
fn a_file_that_changed_since_the_scan_is_not_taken_for_what_lies_in_its_place() {
    let (trial, source) = (Trial::new(), TempDir::new().expect("a temporary folder can be made"));
    let file = source.path().join("file");
    fs::write(&file, "the old contents").expect("there is room");
    let repository = trial.open(Access::Write);
    let slices = scanned(&repository, source.path(), Answers::AtOnce, |line, previous| {
        let mut rows = line.writer.written(previous).expect("there is room");
        while rows.peek().is_some_and(|row| row.hash.is_none()) {
            rows.advance();
        }
        let row = rows.peek().expect("the file has one").clone();
        fs::write(&file, "the new contents").expect("there is room");
        let roots = Roots::new(std::slice::from_ref(&file), Missing::Refuse).expect("it is there");
        let walker = Walker::new(&roots, Rules::default(), Effort::default());
        let found = walker.filter_map(Result::ok).last().expect("the file itself");
        for purpose in [Purpose::Rebundle(row.clone()), Purpose::Backup(None)] {
            line.read(Fresh { found: found.clone(), purpose }).expect("it is there");
        }
        line.finish().expect("there is room");
        let mut rows = line.writer.written(previous).expect("there is room");
        let mut slices = Vec::new();
        while let Some(row) = rows.peek() {
            if let RowContent::Slice(place) = &row.content {
                slices.push((place.bundle, place.offset));
            }
            rows.advance();
        }
        slices
    });
    let [scanned, moved, read] = slices.as_slice() else { panic!("{slices:?}") };
    assert_eq!(scanned, moved, "it stays as it was scanned");
    assert_ne!(scanned, read, "the new contents have a place of their own");
}
