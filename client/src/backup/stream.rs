//! Backups of one stream: standard input, the output of a command, images of disks.
//!
//! There is no catalogue to merge with: everything is read, and chunks that are known are not stored again.

use std::io;
use std::os::fd::AsFd;
use std::os::fd::BorrowedFd;
use std::path::Path;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use std::time::Instant;

use farkeep_codec::id::ContentHash;
use farkeep_codec::object::Kind as ObjectKind;
use farkeep_codec::time::Time;
use farkeep_codec::tree::Body;
use farkeep_codec::tree::Builder;
use farkeep_codec::tree::Content;
use farkeep_codec::tree::ContentDigest;
use farkeep_codec::tree::Entry;
use farkeep_codec::tree::Flags;
use farkeep_codec::tree::NodePlain;
use farkeep_codec::tree::PathKey;

use rustix::event::PollFd;
use rustix::event::PollFlags;
use rustix::event::Timespec;
use rustix::io::Errno;

use super::BackupError;
use super::CacheUse;
use super::Request;
use super::Sources;
use super::Summary;
use super::caches::Caches;
use super::catalogue::RowContent;
use super::catalogue::Trailer;
use super::chunks::ChunkStream;
use super::chunks::Cutting;
use super::commit::Capture;
use super::commit::Moment;
use super::line::Figures;
use super::objects::ObjectWriter;
use super::objects::Shared;
use super::pool;
use super::sealing::Chunks;
use crate::process::Running;
use crate::process::Standing;
use crate::progress::Progress;
use crate::repository::Repository;
use crate::source::Accounts;
use crate::source::Contents;
use crate::source::Effort;
use crate::source::Found;
use crate::source::Kind;
use crate::source::Missing;
use crate::source::Role;
use crate::source::Roots;
use crate::source::Rules;
use crate::source::Steadiness;
use crate::source::Walker;
use crate::source::path_of;

/// Permission bits of a file that came from a stream: its owner may read and write it.
const STREAM_MODE: u32 = 0o600;

/// How long a stream that gives nothing is waited for before it is asked again whether to go on: 100 ms.
const PATIENCE_NS: u32 = 100_000_000;

/// Backs up what the request names, which is not [`Sources::Paths`].
pub(super) fn run(
    repository: &Repository,
    request: &Request,
    moment: Moment,
    progress: &Progress,
) -> Result<Summary, BackupError> {
    let paths = paths_of(request)?;
    let capture = Capture::begin(repository, request, moment, &paths)?;
    let mut caches = Caches::of(request, repository, capture.series())?;
    if repository.may_be_stale() && !matches!(request.sources, Sources::Images(_)) {
        // A stream comes once: what is assumed of it in vain cannot be read again.
        caches.cache = CacheUse::Ignore;
    }
    let witness = caches.witness();
    witness.warn(repository);
    let shared = Shared::new(repository, progress, request, &caches);
    let chunks = Chunks::new(pool::workers(), Arc::clone(&request.cancel));
    std::thread::scope(|scope| {
        let (jobs, job_queue) = crossbeam_channel::bounded(1);
        let (done, _done_queue) = crossbeam_channel::unbounded();
        // The thread that reads seals too.
        for _ in 1..pool::workers() {
            let (shared, chunks, jobs, done) = (&shared, chunks.clone(), job_queue.clone(), done.clone());
            scope.spawn(move || pool::work(shared, &jobs, &chunks, &done));
        }
        let mut stream = Streams {
            request,
            figures: Figures::default(),
            accounts: Accounts::read()?,
            builder: Builder::new(repository.keys()),
            digest: ContentDigest::new(repository.keys()),
            writer: ObjectWriter::new(&shared),
            chunks: &chunks,
            captured: Time::from_nanoseconds(capture.begun_ns()),
        };
        let outcome = stream.add_sources(&paths).and_then(|()| stream.finish(&capture));
        match &outcome {
            Ok(_) => shared.save(),
            Err(_) => shared.save_durable(),
        }
        witness.remember(repository);
        drop(jobs);
        outcome
    })
}

/// The paths that the snapshot will have.
fn paths_of(request: &Request) -> Result<Vec<PathKey>, BackupError> {
    match &request.sources {
        Sources::Stdin { name } | Sources::Command { name, .. } => {
            let path = PathKey::from_slashes(name.trim_start_matches('/').as_bytes());
            Ok(vec![path.map_err(|error| BackupError::Io {
                doing: format!("use the name {name:?}"),
                source: io::Error::new(io::ErrorKind::InvalidInput, error),
            })?])
        }
        Sources::Images(paths) => {
            // Links are followed, since that is how devices are named.
            let resolved: Result<Vec<PathBuf>, BackupError> =
                paths.iter().map(|path| resolve(path)).collect();
            Ok(Roots::new(&resolved?, Missing::Refuse)?.paths().to_vec())
        }
        Sources::Paths(roots) => Ok(roots.paths().to_vec()),
    }
}

fn resolve(path: &Path) -> Result<PathBuf, BackupError> {
    path.canonicalize()
        .map_err(|source| BackupError::Io { doing: format!("find {}", path.display()), source })
}

/// When a command has to have ended.
#[derive(Clone, Copy)]
struct Deadline<'a> {
    line: &'a str,
    limit: Duration,
    begun: Instant,
}

impl Deadline<'_> {
    fn is_over(&self) -> bool {
        self.begun.elapsed() >= self.limit
    }
}

/// The sources on their way into a tree.
struct Streams<'a, 'b> {
    request: &'a Request,
    figures: Figures,
    accounts: Accounts,
    builder: Builder,
    digest: ContentDigest,
    writer: ObjectWriter<'b>,
    chunks: &'a Chunks,
    captured: Time,
}

impl Streams<'_, '_> {
    fn add_sources(&mut self, paths: &[PathKey]) -> Result<(), BackupError> {
        match &self.request.sources {
            Sources::Stdin { .. } => {
                paths.iter().try_for_each(|path| self.add_stream(path, io::stdin().as_fd(), None))
            }
            Sources::Command { line, standing, limit, .. } => {
                paths.iter().try_for_each(|path| self.add_command(path, line, *standing, *limit))
            }
            Sources::Images(_) | Sources::Paths(_) => self.add_images(paths),
        }
    }

    fn add_command(
        &mut self,
        path: &PathKey,
        line: &str,
        standing: Standing,
        limit: Option<Duration>,
    ) -> Result<(), BackupError> {
        let failed = |source| BackupError::Io { doing: format!("run {line:?}"), source };
        let begun = Instant::now();
        let running = Running::start(line, standing, |command| {
            command.stdout(Stdio::piped());
        });
        let mut running = running.map_err(failed)?;
        let deadline = limit.map(|limit| Deadline { line, limit, begun });
        let output = running.take_output().expect("it was asked for a pipe");
        let added = self.add_stream(path, output.as_fd(), deadline);
        // When the reading failed nobody takes the rest: whoever writes it ends on a closed pipe, and the command, which
        // may be waiting for something else, is asked to end.
        drop(output);
        let ended = added.and_then(|()| {
            loop {
                if running.ends_within(Duration::from_nanos(PATIENCE_NS.into())).map_err(failed)? {
                    return Ok(());
                }
                self.go_on(deadline)?;
            }
        });
        if ended.is_err() {
            running.end();
        }
        let status = running.finish().map_err(failed)?;
        ended?;
        // The signal that ended this run may have ended the command first.
        self.go_on(None)?;
        if status.success() {
            Ok(())
        } else {
            Err(BackupError::CommandFailed { line: line.to_owned(), status: status.to_string() })
        }
    }

    /// Fails when the run is to end early, or the command that it reads from has had its time.
    fn go_on(&self, deadline: Option<Deadline<'_>>) -> Result<(), BackupError> {
        if self.request.cancel.load(Ordering::Relaxed) {
            return Err(BackupError::Interrupted { stored_bytes: self.writer.shared.stored().bytes });
        }
        match deadline {
            Some(deadline) if deadline.is_over() => {
                Err(BackupError::CommandTooSlow { line: deadline.line.to_owned(), limit: deadline.limit })
            }
            _ => Ok(()),
        }
    }

    fn add_stream(
        &mut self,
        path: &PathKey,
        input: BorrowedFd<'_>,
        deadline: Option<Deadline<'_>>,
    ) -> Result<(), BackupError> {
        let failed = |source| BackupError::Io { doing: format!("read {path}"), source };
        let cancel = &self.request.cancel;
        let is_over =
            || cancel.load(Ordering::Relaxed) || deadline.is_some_and(|deadline| deadline.is_over());
        let mut stream = ChunkStream::new(&mut self.writer, self.chunks, Cutting::ByContent);
        let mut bytes = 0;
        loop {
            match read_next(input, stream.room(), &is_over).map_err(failed)? {
                None => {
                    drop(stream);
                    return self.go_on(deadline);
                }
                Some(0) => break,
                Some(count) => {
                    bytes += count as u64;
                    stream.fill(count)?;
                }
            }
        }
        let (hash, content) = stream.finish()?;
        let content = content_of(content);
        let entry = self.entry(path.clone(), STREAM_MODE, None, self.captured, Body::File { bytes, content });
        self.add(entry, hash)
    }

    /// Images with the folders above them.
    fn add_images(&mut self, paths: &[PathKey]) -> Result<(), BackupError> {
        let paths: Vec<PathBuf> = paths.iter().map(path_of).collect();
        let roots = Roots::new(&paths, Missing::Refuse)?;
        for item in Walker::new(&roots, Rules::default(), Effort::default()) {
            let found = item.map_err(|missed| BackupError::Io {
                doing: format!("read {}", missed.path),
                source: missed.error,
            })?;
            let (path, mode, owner) =
                (found.path.clone(), u32::from(found.stat.mode), Some((found.stat.uid, found.stat.gid)));
            let modified = Time::from_nanoseconds(found.stat.mtime_ns);
            match (found.role, found.stat.kind) {
                (Role::Ancestor, _) => {
                    let entry = self.entry(path, mode, owner, Time::from_nanoseconds(0), Body::Ancestor);
                    self.add(entry, None)?;
                }
                (Role::Member, Kind::File | Kind::BlockDevice) => {
                    let (body, hash, steadiness) = self.read_image(&found)?;
                    let mut entry = self.entry(path, mode, owner, modified, body);
                    entry.flags.inconsistent = steadiness == Steadiness::Changed;
                    self.add(entry, hash)?;
                }
                (Role::Member, _) => {
                    return Err(BackupError::Io {
                        doing: format!("back up {path} as an image"),
                        source: io::Error::new(
                            io::ErrorKind::InvalidInput,
                            "it is neither a block device nor an image file",
                        ),
                    });
                }
            }
        }
        Ok(())
    }

    fn read_image(&mut self, found: &Found) -> Result<(Body, Option<ContentHash>, Steadiness), BackupError> {
        let failed = |source| BackupError::Io { doing: format!("read {}", found.path), source };
        let mut contents = Contents::open_image(&path_of(&found.path)).map_err(failed)?;
        self.writer.shared.progress.expect_more(0, contents.stat().size);
        let mut stream = ChunkStream::new(&mut self.writer, self.chunks, Cutting::Fixed);
        stream.read_all(&mut contents)?.map_err(failed)?;
        let (hash, content) = stream.finish()?;
        let steadiness = contents.finish().map_err(failed)?;
        if steadiness == Steadiness::Changed {
            self.figures.inconsistent.add_changing(found.path.clone());
        }
        let body = Body::Image { bytes: contents.offset(), content: content_of(content) };
        Ok((body, hash, steadiness))
    }

    fn entry(
        &self,
        path: PathKey,
        mode: u32,
        owner: Option<(u32, u32)>,
        modified: Time,
        body: Body,
    ) -> Entry {
        let (uid, gid) = owner
            .unwrap_or_else(|| (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw()));
        let owner = self.accounts.owner(uid, gid);
        Entry { path, mode, owner, modified, attributes: Vec::new(), flags: Flags::default(), body }
    }

    fn add(&mut self, entry: Entry, hash: Option<ContentHash>) -> Result<(), BackupError> {
        let bytes = entry.content_bytes();
        let counts = &mut self.figures.counts;
        *(if matches!(entry.body, Body::Ancestor) { &mut counts.folders } else { &mut counts.files }) += 1;
        self.figures.entries += 1;
        self.figures.source_bytes += bytes;
        self.figures.read_bytes += bytes;
        self.digest.entry(&entry, hash.as_ref());
        let writer = &mut self.writer;
        let mut sink = |node: NodePlain<'_>| writer.write(ObjectKind::Node, node.references, node.plain);
        Ok(self.builder.push(entry, &mut sink)?)
    }

    fn finish(mut self, capture: &Capture<'_>) -> Result<Summary, BackupError> {
        self.go_on(None)?;
        let writer = &mut self.writer;
        let mut sink = |node: NodePlain<'_>| writer.write(ObjectKind::Node, node.references, node.plain);
        let root = self.builder.finish(&mut sink)?;
        let trailer = Trailer { root: root.pointer, content: self.digest.finish() };
        capture.commit(&trailer, &self.figures, self.writer.shared)
    }
}

/// Reads what a stream gives next, however long that takes; nothing when the run is over before.
fn read_next(
    input: BorrowedFd<'_>,
    room: &mut [u8],
    is_over: &dyn Fn() -> bool,
) -> io::Result<Option<usize>> {
    let patience = Timespec { tv_sec: 0, tv_nsec: PATIENCE_NS.into() };
    while !is_over() {
        match rustix::event::poll(&mut [PollFd::new(&input, PollFlags::IN)], Some(&patience)) {
            Ok(0) | Err(Errno::INTR) => continue,
            ready => ready?,
        };
        match rustix::io::read(input, &mut *room) {
            Err(Errno::INTR | Errno::AGAIN) => {}
            count => return Ok(Some(count?)),
        }
    }
    Ok(None)
}

fn content_of(content: RowContent) -> Content {
    match content {
        RowContent::None | RowContent::Slice(_) => Content::Empty,
        RowContent::Chunks(pointers, holes) => Content::Chunks { pointers, holes },
        RowContent::List(root, height, holes) => Content::List { root, height, holes },
    }
}
