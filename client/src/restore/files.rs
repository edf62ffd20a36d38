//! Writing the contents of files: whole small ones, and stretches of large ones.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;

use farkeep_codec::object::Pointer;
use farkeep_codec::tree::Content;
use farkeep_codec::tree::Entry;
use farkeep_codec::tree::PathKey;

use super::Verify;
use super::missed::Fault;
use super::report::Report;
use super::report::count;
use crate::progress::Progress;
use crate::repository::Fetcher;
use crate::repository::RepositoryError;
use crate::target::OpenFile;
use crate::target::Target;
use crate::target::TargetError;

/// What every worker of a restore needs.
pub(super) struct Writing<'a> {
    pub(super) target: &'a Target,
    pub(super) report: &'a Report,
    pub(super) progress: &'a Progress,
    pub(super) verify: Verify,
}

/// A file of the target that is to be written: where it goes, and what it was in the snapshot.
pub(super) struct Destination {
    /// Path within the target.
    pub(super) path: PathKey,
    /// The entry with its metadata.
    pub(super) entry: Entry,
    pub(super) existing: Existing,
}

/// What the target has at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Existing {
    /// Nothing that is kept.
    Nothing,
    /// A regular file, of which only what differs is to be written.
    File,
    /// Something else whose name the file takes.
    Other,
}

/// A large file whose stretches are written by several workers. The last one ends it.
pub(super) struct LargeFile {
    destination: Destination,
    file: OpenFile,
    written_bytes: AtomicU64,
    /// Bytes that the progress was told of.
    passed_bytes: AtomicU64,
    /// Stretches that are not done, and one for the plan as long as it adds more.
    left: AtomicUsize,
    failed: Mutex<Option<(Fault, String)>>,
}

/// Why a stretch could not be written.
enum Failure {
    Repository(RepositoryError),
    Target(TargetError),
}

impl Writing<'_> {
    /// Writes the small files that lie in one bundle; those without a bundle are empty.
    pub(super) fn small_files(
        &self,
        bundle: Option<&Pointer>,
        files: &[(Destination, u32)],
        fetcher: &mut Fetcher<'_>,
    ) {
        let plain = match bundle.map(|bundle| fetcher.plain(bundle)) {
            None => &[],
            Some(Ok(plain)) => plain,
            Some(Err(error)) => {
                for (file, _) in files {
                    self.progress.add_bytes(file.entry.content_bytes());
                    self.report.problem(&file.entry.path, Fault::Repository, &error);
                }
                return;
            }
        };
        for (file, offset) in files {
            let start = *offset as usize;
            let bytes = usize::try_from(file.entry.content_bytes()).unwrap_or(usize::MAX);
            let slice = plain.get(start..start.saturating_add(bytes));
            self.small_file(file, slice.expect("the codec refuses a leaf with slices beyond their bundles"));
        }
    }

    fn small_file(&self, file: &Destination, contents: &[u8]) {
        self.progress.add_bytes(contents.len() as u64);
        match self.try_small_file(file, contents) {
            Ok(written) => self.done(file, written),
            Err(error) => self.report.problem(&file.entry.path, Fault::Target, &error),
        }
    }

    fn try_small_file(&self, file: &Destination, contents: &[u8]) -> Result<u64, TargetError> {
        let open = self.open(file)?;
        let written = if contents.is_empty() { 0 } else { open.put(0, contents)? };
        self.check(&open, file, 0, contents)?;
        self.target.finish_file(open, &file.entry)?;
        Ok(written)
    }

    /// Opens a large file. Its stretches are written next, and then [`end_large`](Self::end_large) is called once.
    pub(super) fn begin_large(&self, destination: Destination) -> Option<Arc<LargeFile>> {
        let opened = self.open(&destination).and_then(|file| {
            let holes = destination.entry.content().map_or(&[][..], Content::holes);
            for hole in holes {
                file.dig(*hole)?;
            }
            Ok(file)
        });
        match opened {
            Ok(file) => Some(Arc::new(LargeFile {
                destination,
                file,
                written_bytes: AtomicU64::new(0),
                passed_bytes: AtomicU64::new(0),
                left: AtomicUsize::new(1),
                failed: Mutex::new(None),
            })),
            Err(error) => {
                self.progress.add_bytes(destination.entry.content_bytes());
                self.report.problem(&destination.entry.path, Fault::Target, &error);
                None
            }
        }
    }

    /// Writes chunks of a large file, each at its offset in bytes.
    pub(super) fn stretch(&self, file: Arc<LargeFile>, chunks: &[(Pointer, u64)], fetcher: &mut Fetcher<'_>) {
        if let Err(failure) = self.try_stretch(&file, chunks, fetcher) {
            match failure {
                Failure::Repository(error) => file.fail(Fault::Repository, &error),
                Failure::Target(error) => file.fail(Fault::Target, &error),
            }
        }
        self.end_large(file);
    }

    fn try_stretch(
        &self,
        file: &LargeFile,
        chunks: &[(Pointer, u64)],
        fetcher: &mut Fetcher<'_>,
    ) -> Result<(), Failure> {
        for (chunk, offset) in chunks {
            let plain = fetcher.plain(chunk).map_err(Failure::Repository)?;
            let written = file.file.put(*offset, plain).map_err(Failure::Target)?;
            file.written_bytes.fetch_add(written, Ordering::Relaxed);
            self.check(&file.file, &file.destination, *offset, plain).map_err(Failure::Target)?;
            self.progress.add_bytes(plain.len() as u64);
            file.passed_bytes.fetch_add(plain.len() as u64, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Says that a stretch, or the plan, is done with the file. Whoever is the last gives it its length and metadata; a
    /// file with a stretch that failed goes, and what was there before it stays: a file in the target is a whole one.
    pub(super) fn end_large(&self, file: Arc<LargeFile>) {
        if file.left.fetch_sub(1, Ordering::AcqRel) > 1 {
            return;
        }
        let Some(file) = Arc::into_inner(file) else { return };
        let failed = file.failed.into_inner().unwrap_or_else(PoisonError::into_inner);
        let destination = file.destination;
        // Holes, and what was not written because something failed.
        let rest_bytes = destination.entry.content_bytes().saturating_sub(file.passed_bytes.into_inner());
        self.progress.add_bytes(rest_bytes);
        let ended = match failed {
            Some((fault, why)) => {
                self.report.problem_because(&destination.entry.path, fault, why);
                Ok(())
            }
            None => self.target.finish_file(file.file, &destination.entry).map(|()| {
                self.done(&destination, file.written_bytes.into_inner());
            }),
        };
        if let Err(error) = ended {
            self.report.problem(&destination.entry.path, Fault::Target, &error);
        }
    }

    fn open(&self, file: &Destination) -> Result<OpenFile, TargetError> {
        match file.existing {
            Existing::Nothing => self.target.create(&file.path, &file.entry),
            Existing::File => self.target.update(&file.path, &file.entry),
            Existing::Other => self.target.replace(&file.path, &file.entry),
        }
    }

    /// Reads back what was written, when that was asked for.
    fn check(
        &self,
        open: &OpenFile,
        file: &Destination,
        offset: u64,
        contents: &[u8],
    ) -> Result<(), TargetError> {
        if self.verify == Verify::ReadBack && !open.holds(offset, contents)? {
            return Err(TargetError::Differs { path: file.path.clone() });
        }
        Ok(())
    }

    fn done(&self, file: &Destination, written_bytes: u64) {
        let bytes = file.entry.content_bytes();
        count(&self.report.files, 1);
        count(&self.report.bytes, bytes);
        count(&self.report.written_bytes, written_bytes);
        count(&self.report.files_equal, u64::from(written_bytes == 0 && file.existing == Existing::File));
        count(&self.report.verified, u64::from(self.verify == Verify::ReadBack));
    }
}

impl LargeFile {
    /// Announces one more stretch.
    pub(super) fn expect_stretch(&self) {
        self.left.fetch_add(1, Ordering::Relaxed);
    }

    /// Notes the first failure.
    pub(super) fn fail(&self, fault: Fault, error: &dyn std::error::Error) {
        let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        failed.get_or_insert_with(|| (fault, crate::output::chain(error)));
    }
}
