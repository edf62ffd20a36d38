//! The line: rows on their way into the catalogue, in path order.
//!
//! A row that is complete goes straight on. One whose contents are read by a worker waits, and holds those behind it
//! back, within limits. When a small file's turn comes its place is decided, so bundles are filled in path order
//! whatever the order in which the workers finish.

use std::collections::HashMap;
use std::collections::HashSet;
use std::collections::VecDeque;
use std::sync::atomic::Ordering;

use crossbeam_channel::Receiver;
use crossbeam_channel::Sender;
use farkeep_codec::id::ContentHash;
use farkeep_codec::limits::SMALL_FILE_BYTES_MAX;
use farkeep_codec::snapshot::Counts;
use farkeep_codec::tree::Attribute;
use farkeep_codec::tree::PathKey;

use super::BackupError;
use super::Intent;
use super::bundler::Bundler;
use super::bundler::FullBundle;
use super::bundler::Piece;
use super::catalogue::Bundles;
use super::catalogue::CatalogueError;
use super::catalogue::CatalogueWriter;
use super::catalogue::Position;
use super::catalogue::Row;
use super::catalogue::RowContent;
use super::catalogue::Stamp;
use super::entry::Detail;
use super::entry::DetailBody;
use super::entry::Unfit;
use super::entry::hard_link_of;
use super::entry::kind_of;
use super::entry::stamp;
use super::missed::Missed;
use super::objects::Shared;
use super::pool::Done;
use super::pool::Job;
use super::rest::Rest;
use super::small::Batch;
use super::small::BatchDone;
use super::small::LargeDone;
use super::small::LargeFile;
use super::small::Outcome;
use super::small::ReadFile;
use super::small::SmallFile;
use crate::source::Accounts;
use crate::source::Found;
use crate::source::Kind;

#[cfg(test)]
mod tests;

/// Rows that may wait in line.
const PENDING_MAX: usize = 32 << 10;
/// Bytes of small files that are read together.
const BATCH_BYTES: u64 = 1 << 20;
/// Number of small files that are read together.
const BATCH_FILES: usize = 512;
/// Batches, bundles and large files that may be under way at once.
const BATCHES_MAX: usize = 6;
const BUNDLES_MAX: usize = 6;
const LARGES_MAX: usize = 3;
/// Missed files with further names that are remembered.
const MISSED_MAX: usize = 1 << 20;

/// Figures of a run.
#[derive(Debug, Clone, Default)]
pub(super) struct Figures {
    pub(super) files_new: u64,
    pub(super) files_changed: u64,
    pub(super) files_unchanged: u64,
    pub(super) counts: Counts,
    pub(super) entries: u64,
    pub(super) source_bytes: u64,
    pub(super) read_bytes: u64,
    pub(super) resumed_bytes: u64,
    pub(super) inconsistent: Missed,
    pub(super) unreadable: Missed,
}

impl Figures {
    /// Forgets what was counted of rows, before they are written once more.
    pub(super) fn count_anew(&mut self) {
        self.counts = Counts::default();
        self.entries = 0;
        self.source_bytes = 0;
    }

    /// Counts and names something that should be in the snapshot and is not.
    pub(super) fn miss(&mut self, path: PathKey, why: String) {
        self.unreadable.add(path, why);
    }
}

/// A file that is to be read.
pub(super) struct Fresh {
    pub(super) found: Found,
    pub(super) purpose: Purpose,
}

/// Why a file is read.
pub(super) enum Purpose {
    /// It is new or differs; what the last snapshot had at its path.
    Backup(Option<(Option<ContentHash>, RowContent)>),
    /// It is unchanged, and lies in a bundle that is mostly unused. When it cannot be read it stays there.
    Rebundle(Row),
}

enum Pending {
    Kept(Row, Option<Position>),
    Ready(Row),
    Small(Fresh, u64, usize),
    Large(Fresh, u64),
}

/// Rows on their way.
pub(super) struct Line<'a> {
    pub(super) shared: &'a Shared<'a>,
    pub(super) writer: CatalogueWriter,
    pub(super) bundles: Bundles,
    pub(super) bundler: Bundler,
    pub(super) figures: Figures,
    accounts: Accounts,
    rest: Rest,
    jobs: Sender<Job>,
    done: Receiver<Done>,
    pending: VecDeque<Pending>,
    batch: Batch,
    batch_tickets: u64,
    large_tickets: u64,
    batches: HashMap<u64, BatchDone>,
    larges: HashMap<u64, LargeDone>,
    under_way: UnderWay,
    /// Paths of files of any kind with several names that are not in the snapshot.
    missed: HashSet<Vec<u8>>,
    /// Whether a job failed, which is not under way any more and was not counted as done.
    has_failed: bool,
}

/// Jobs that the workers have.
#[derive(Default)]
struct UnderWay {
    batches: usize,
    bundles: usize,
    larges: usize,
}

impl<'a> Line<'a> {
    pub(super) fn new(
        shared: &'a Shared<'a>,
        (jobs, done): (Sender<Job>, Receiver<Done>),
        (writer, bundles, bundler): (CatalogueWriter, Bundles, Bundler),
        accounts: Accounts,
        rest: Rest,
    ) -> Self {
        Self {
            shared,
            writer,
            bundles,
            bundler,
            figures: Figures::default(),
            accounts,
            rest,
            jobs,
            done,
            pending: VecDeque::new(),
            batch: Batch::default(),
            batch_tickets: 0,
            large_tickets: 0,
            batches: HashMap::new(),
            larges: HashMap::new(),
            under_way: UnderWay::default(),
            missed: HashSet::new(),
            has_failed: false,
        }
    }

    /// Takes over a row of the last snapshot as it is.
    pub(super) fn keep(&mut self, row: &Row, position: Option<Position>) -> Result<(), BackupError> {
        if self.pending.is_empty() {
            return self.emit_kept(row, position);
        }
        self.pending.push_back(Pending::Kept(row.clone(), position));
        self.advance()
    }

    /// A row that is complete.
    pub(super) fn ready(&mut self, row: Row) -> Result<(), BackupError> {
        if self.pending.is_empty() {
            return self.emit(&row);
        }
        self.pending.push_back(Pending::Ready(row));
        self.advance()
    }

    /// A regular file that is to be read.
    pub(super) fn read(&mut self, fresh: Fresh) -> Result<(), BackupError> {
        if fresh.found.stat.size > SMALL_FILE_BYTES_MAX {
            let ticket = self.send_large(&fresh)?;
            self.pending.push_back(Pending::Large(fresh, ticket));
        } else {
            self.batch.bytes += fresh.found.stat.size;
            self.batch.files.push(fresh.found.clone());
            let index = self.batch.files.len() - 1;
            self.pending.push_back(Pending::Small(fresh, self.batch.ticket, index));
            if self.batch.bytes >= BATCH_BYTES || self.batch.files.len() >= BATCH_FILES {
                self.send_batch()?;
            }
        }
        self.advance()
    }

    /// Ends the line: everything that was begun is done and written.
    pub(super) fn finish(&mut self) -> Result<(), BackupError> {
        self.send_batch()?;
        while !self.pending.is_empty() {
            self.settle()?;
            if !self.pending.is_empty() {
                self.wait()?;
            }
        }
        if let Some(bundle) = self.bundler.finish() {
            self.send_bundle(bundle)?;
        }
        self.finish_bundles()
    }

    /// Waits until every bundle that is full is stored.
    fn finish_bundles(&mut self) -> Result<(), BackupError> {
        while self.under_way.bundles > 0 {
            self.wait()?;
        }
        Ok(())
    }

    /// The same at the end of a run that was ended early: it asks no more whether it was, and waits for nothing when a
    /// job has failed, since that may have been the one that it waits for.
    pub(super) fn leave_bundles(&mut self) -> Result<(), BackupError> {
        while self.under_way.bundles > 0 && !self.has_failed {
            let done = self.done.recv().map_err(|_| self.interrupted())?;
            self.take(done)?;
        }
        Ok(())
    }

    /// Row of an entry that is not a regular file with contents.
    ///
    /// # Errors
    /// [`Unfit`] when the format has no room for it.
    pub(super) fn row(
        &self,
        path: &PathKey,
        stamp: Stamp,
        body: DetailBody<'_>,
        attributes: &[Attribute],
    ) -> Result<Row, Unfit> {
        let owner = self.accounts.owner(stamp.uid, stamp.gid);
        let (user, group) = (owner.user.as_slice(), owner.group.as_slice());
        let detail = Detail { body, user, group, attributes, inconsistent: false };
        Ok(Row {
            path: path.as_bytes().to_vec(),
            stamp,
            settled: self.rest.has_come_to(&stamp),
            detail: detail.encode(path, &stamp)?,
            hash: None,
            content: RowContent::None,
        })
    }

    /// What a regular file that was read is, except its contents.
    fn read_row(&self, path: &PathKey, read: &ReadFile) -> Result<Row, Unfit> {
        let stamp = stamp(&read.stat);
        let owner = self.accounts.owner(read.stat.uid, read.stat.gid);
        let detail = Detail {
            body: DetailBody::File,
            user: &owner.user,
            group: &owner.group,
            attributes: &read.attributes,
            inconsistent: read.inconsistent,
        };
        Ok(Row {
            path: path.as_bytes().to_vec(),
            stamp,
            settled: !read.inconsistent && self.rest.has_file_come_to(&stamp),
            detail: detail.encode(path, &stamp)?,
            hash: None,
            content: RowContent::None,
        })
    }

    fn advance(&mut self) -> Result<(), BackupError> {
        self.take_done()?;
        self.settle()?;
        while self.is_full() {
            self.wait()?;
            self.settle()?;
        }
        Ok(())
    }

    fn is_full(&self) -> bool {
        self.pending.len() >= PENDING_MAX
            || self.under_way.batches >= BATCHES_MAX
            || self.under_way.bundles >= BUNDLES_MAX
            || self.under_way.larges >= LARGES_MAX
    }

    /// Writes the rows at the front that wait for nothing.
    fn settle(&mut self) -> Result<(), BackupError> {
        while let Some(front) = self.pending.front() {
            let waits = match front {
                Pending::Kept(..) | Pending::Ready(_) => false,
                Pending::Small(_, ticket, _) => !self.batches.contains_key(ticket),
                Pending::Large(_, ticket) => !self.larges.contains_key(ticket),
            };
            if waits {
                return Ok(());
            }
            match self.pending.pop_front().expect("it was looked at") {
                Pending::Kept(row, position) => self.emit_kept(&row, position)?,
                Pending::Ready(row) => self.emit(&row)?,
                Pending::Small(fresh, ticket, index) => self.settle_small(fresh, ticket, index)?,
                Pending::Large(fresh, ticket) => self.settle_large(fresh, ticket)?,
            }
        }
        Ok(())
    }

    fn settle_small(&mut self, fresh: Fresh, ticket: u64, index: usize) -> Result<(), BackupError> {
        let batch = self.batches.get_mut(&ticket).expect("settle saw that it is there");
        let outcome =
            batch.outcomes.get_mut(index).and_then(Option::take).expect("one outcome for each file");
        let buffer = batch.buffer.clone();
        if index + 1 == batch.outcomes.len() {
            self.batches.remove(&ticket);
        }
        match outcome {
            Outcome::Read(file) => {
                self.shared.progress.add_bytes(file.read.stat.size);
                match self.read_row(&fresh.found.path, &file.read) {
                    Ok(row) => {
                        let piece = Piece { buffer, range: file.range.clone() };
                        self.place_small(fresh, &file, row, piece)
                    }
                    Err(unfit) => self.fail(fresh, &unfit),
                }
            }
            Outcome::NotSmall => {
                let ticket = self.send_large(&fresh)?;
                self.pending.push_front(Pending::Large(fresh, ticket));
                Ok(())
            }
            Outcome::Failed(error) => self.fail(fresh, &error),
        }
    }

    fn place_small(
        &mut self,
        fresh: Fresh,
        file: &SmallFile,
        row: Row,
        piece: Piece,
    ) -> Result<(), BackupError> {
        if piece.range.is_empty() {
            return self.emit_read(fresh.purpose, &file.read, row);
        }
        let place = match &fresh.purpose {
            // It changed since it was scanned: the next run is for that, and what lies in its place are the old contents.
            Purpose::Rebundle(row) if row.hash != Some(file.hash) => {
                let row = row.clone();
                return self.emit(&row);
            }
            Purpose::Backup(Some((hash, RowContent::Slice(place)))) if *hash == Some(file.hash) => {
                self.bundler.keep(file.hash, *place);
                *place
            }
            Purpose::Backup(_) | Purpose::Rebundle(_) => {
                let (place, full) = self.bundler.place(file.hash, piece, &mut self.bundles);
                if let Some(full) = full {
                    self.send_bundle(full)?;
                }
                place
            }
        };
        let row = Row { hash: Some(file.hash), content: RowContent::Slice(place), ..row };
        self.emit_read(fresh.purpose, &file.read, row)?;
        if self.bundler.is_heavy() {
            self.spill();
        }
        Ok(())
    }

    fn settle_large(&mut self, fresh: Fresh, ticket: u64) -> Result<(), BackupError> {
        let done = self.larges.remove(&ticket).expect("settle saw that it is there");
        match done.outcome {
            Ok(large) => match self.read_row(&fresh.found.path, &large.read) {
                Ok(row) => {
                    let row = Row { hash: large.hash, content: large.content, ..row };
                    self.emit_read(fresh.purpose, &large.read, row)
                }
                Err(unfit) => self.fail(fresh, &unfit),
            },
            Err(error) => self.fail(fresh, &error),
        }
    }

    /// A file that could not be read is not in the snapshot, unless it was there to be moved only.
    fn fail(&mut self, fresh: Fresh, error: &dyn std::error::Error) -> Result<(), BackupError> {
        match fresh.purpose {
            Purpose::Rebundle(row) => self.emit(&row),
            Purpose::Backup(_) => self.miss(&fresh.found, error),
        }
    }

    /// Counts and names something that was found and is not in the snapshot. Its further names cannot be either.
    pub(super) fn miss(&mut self, found: &Found, error: &dyn std::error::Error) -> Result<(), BackupError> {
        self.figures.miss(found.path.clone(), crate::output::chain(error));
        if found.stat.kind != Kind::Folder && found.stat.nlink > 1 && self.missed.len() < MISSED_MAX {
            self.missed.insert(found.path.as_bytes().to_vec());
        }
        Ok(())
    }

    fn emit_read(&mut self, purpose: Purpose, read: &ReadFile, row: Row) -> Result<(), BackupError> {
        let before = match purpose {
            Purpose::Rebundle(before) => {
                let unchanged = before.hash == row.hash;
                return self.emit(&if unchanged { Row { content: row.content, ..before } } else { before });
            }
            Purpose::Backup(before) => before,
        };
        let figures = &mut self.figures;
        figures.read_bytes = figures.read_bytes.saturating_add(read.stat.size);
        if read.inconsistent {
            figures.inconsistent.add_changing(path_of(&row)?);
        }
        *(if before.is_some() { &mut figures.files_changed } else { &mut figures.files_new }) += 1;
        self.emit(&row)
    }

    fn emit_kept(&mut self, row: &Row, position: Option<Position>) -> Result<(), BackupError> {
        if self.is_link_to_missed(row)? {
            return Ok(());
        }
        let bytes = self.count(row);
        self.shared.progress.add_bytes(bytes);
        Ok(self.writer.keep(row, position)?)
    }

    fn emit(&mut self, row: &Row) -> Result<(), BackupError> {
        if self.is_link_to_missed(row)? {
            return Ok(());
        }
        self.count(row);
        Ok(self.writer.put(row)?)
    }

    /// Whether the row is a further name of something that is not in the snapshot. Then it is left out, and named.
    fn is_link_to_missed(&mut self, row: &Row) -> Result<bool, BackupError> {
        let is_link = |first| self.missed.contains(first);
        if self.missed.is_empty() || !hard_link_of(&row.detail).is_some_and(is_link) {
            return Ok(false);
        }
        self.writer.diverge()?;
        self.figures.miss(path_of(row)?, "its first name could not be read".to_owned());
        Ok(true)
    }

    /// Counts a row, and returns the bytes of the file that it stands for.
    fn count(&mut self, row: &Row) -> u64 {
        match &row.content {
            RowContent::Slice(place) if place.borrowed => {
                self.bundles.count_borrowed(place.bundle, row.stamp.bytes);
            }
            RowContent::Slice(place) => self.bundles.count_live(place.bundle, row.stamp.bytes),
            _ => {}
        }
        let kind = kind_of(&row.stamp);
        let further_link = hard_link_of(&row.detail).is_some();
        let bytes = if kind == Some(Kind::File) && !further_link { row.stamp.bytes } else { 0 };
        let counts = &mut self.figures.counts;
        *(match kind {
            _ if further_link => &mut counts.hard_links,
            Some(Kind::File) => &mut counts.files,
            Some(Kind::Folder) => &mut counts.folders,
            Some(Kind::Symlink) => &mut counts.symlinks,
            _ => &mut counts.others,
        }) += 1;
        self.figures.entries += 1;
        // Sparse files may be as long as a file system lets them.
        self.figures.source_bytes = self.figures.source_bytes.saturating_add(bytes);
        self.shared.progress.add_entries(1);
        bytes
    }

    fn send_batch(&mut self) -> Result<(), BackupError> {
        if self.batch.files.is_empty() {
            return Ok(());
        }
        self.batch_tickets += 1;
        let next = Batch { ticket: self.batch_tickets, ..Batch::default() };
        let batch = std::mem::replace(&mut self.batch, next);
        self.under_way.batches += 1;
        self.send(Job::Batch(batch))
    }

    fn send_large(&mut self, fresh: &Fresh) -> Result<u64, BackupError> {
        let ticket = self.large_tickets;
        self.large_tickets += 1;
        self.under_way.larges += 1;
        self.send(Job::Large(LargeFile { ticket, file: fresh.found.clone() }))?;
        Ok(ticket)
    }

    fn send_bundle(&mut self, bundle: FullBundle) -> Result<(), BackupError> {
        self.under_way.bundles += 1;
        self.send(Job::Bundle(bundle))
    }

    fn send(&self, job: Job) -> Result<(), BackupError> {
        self.jobs.send(job).map_err(|_| self.interrupted())
    }

    /// Takes what the workers did, without waiting.
    fn take_done(&mut self) -> Result<(), BackupError> {
        while let Ok(done) = self.done.try_recv() {
            self.take(done)?;
        }
        if self.shared.cancel.load(Ordering::Relaxed) { Err(self.interrupted()) } else { Ok(()) }
    }

    /// Waits for one thing that a worker does.
    fn wait(&mut self) -> Result<(), BackupError> {
        if let Some(Pending::Small(_, ticket, _)) = self.pending.front()
            && *ticket == self.batch.ticket
        {
            self.send_batch()?;
        }
        let done = self.done.recv().map_err(|_| self.interrupted())?;
        self.take(done)?;
        self.take_done()
    }

    fn take(&mut self, done: Done) -> Result<(), BackupError> {
        match done {
            Done::Batch(batch) => {
                self.under_way.batches -= 1;
                self.batches.insert(batch.ticket, batch);
            }
            Done::Large(large) => {
                self.under_way.larges -= 1;
                self.larges.insert(large.ticket, large);
            }
            Done::Bundle(number, stored) => {
                self.under_way.bundles -= 1;
                self.bundles.define(number, stored);
                self.writer.bundle(number, &stored)?;
            }
            Done::Failed(error) => {
                self.has_failed = true;
                return Err(error);
            }
        }
        Ok(())
    }

    /// Moves what is known of small files from memory to the cache.
    pub(super) fn spill(&mut self) {
        if self.shared.intent == Intent::Store
            && let Err(error) = self.bundler.spill(&self.bundles)
        {
            tracing::warn!("cannot write the cache of known files: {error}");
        }
    }

    fn interrupted(&self) -> BackupError {
        BackupError::Interrupted { stored_bytes: self.shared.stored().bytes }
    }
}

fn path_of(row: &Row) -> Result<PathKey, CatalogueError> {
    PathKey::from_bytes(row.path.clone()).map_err(|_| CatalogueError::Damaged)
}
