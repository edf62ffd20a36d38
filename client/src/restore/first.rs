//! The first pass: everything that has contents or a place of its own.
//!
//! Folders are made as they are reached. Small files are gathered for a stretch of the tree, so that each bundle is
//! opened once for all of its files there, and bundles are asked for in the order in which they lie in their packs.

use std::collections::HashMap;
use std::sync::Arc;

use crossbeam_channel::Sender;
use farkeep_codec::id::ObjectId;
use farkeep_codec::object::Pointer;
use farkeep_codec::tree::Body;
use farkeep_codec::tree::Content;
use farkeep_codec::tree::Entry;
use farkeep_codec::tree::Gap;
use farkeep_codec::tree::PathKey;

use super::Delete;
use super::Intent;
use super::Overwrite;
use super::Pass;
use super::files::Destination;
use super::files::Existing;
use super::files::LargeFile;
use super::files::Writing;
use super::make_way;
use super::missed::Fault;
use super::report::count;
use super::view::View;
use crate::repository::Layout;
use crate::repository::Place;
use crate::repository::Repository;
use crate::repository::RepositoryError;
use crate::source::Kind;
use crate::source::Wanted;
use crate::target;
use crate::target::Made;
use crate::target::TargetError;

/// Small files that are gathered before they are written.
const GATHERED_FILES_MAX: usize = 8 << 10;
/// Bundles that they may lie in.
const GATHERED_BUNDLES_MAX: usize = 64;
/// Bytes of a large file that one worker writes at a time.
const STRETCH_BYTES: u64 = 8 << 20;

/// Work for any worker.
pub(super) enum Job {
    /// Small files that lie in one bundle, with the offset of each; without a bundle they are empty.
    Small(Option<Pointer>, Vec<(Destination, u32)>),
    /// Chunks of a large file, with the offset of each.
    Stretch(Arc<LargeFile>, Vec<(Pointer, u64)>),
}

/// The first pass in progress.
pub(super) struct FirstPass<'a> {
    pub(super) repository: &'a Repository,
    pub(super) root: Pointer,
    pub(super) view: &'a View,
    pub(super) writing: &'a Writing<'a>,
    pub(super) overwrite: Overwrite,
    pub(super) delete: Delete,
    pub(super) intent: Intent,
    pub(super) jobs: Sender<Job>,
    /// The folder of the target that the last entry went into.
    pub(super) folder: PathKey,
    pub(super) gathered: HashMap<Option<Pointer>, Vec<(Destination, u32)>>,
    pub(super) gathered_files: usize,
}

impl Pass for FirstPass<'_> {
    fn entry(&mut self, entry: Entry) -> Wanted {
        let Some(path) = self.view.place(&entry.path) else { return Wanted::No };
        let wanted = self.view.judge(&entry);
        if wanted != Wanted::Yes {
            return wanted;
        }
        self.writing.progress.add_entries(1);
        let from = entry.path.clone();
        match self.make(path, entry) {
            Ok(()) => Wanted::Yes,
            Err(error) => {
                self.writing.report.problem(&from, Fault::Target, &error);
                Wanted::No
            }
        }
    }

    fn gap(&mut self, gap: Gap, error: &RepositoryError) {
        self.writing.report.gap(gap, error);
    }
}

impl FirstPass<'_> {
    /// Writes what was gathered and not written yet.
    pub(super) fn finish(mut self) {
        self.write_gathered();
    }

    fn make(&mut self, path: PathKey, entry: Entry) -> Result<(), TargetError> {
        let report = self.writing.report;
        match &entry.body {
            Body::Folder | Body::Ancestor => {
                count(&report.folders, 1);
                self.enter(&path)
            }
            Body::File { .. } | Body::Image { .. } => self.file(path, entry),
            Body::HardLink { first } if self.view.has_file(first) => Ok(()),
            Body::HardLink { first } => {
                let first = first.clone();
                self.lone_link(path, entry, &first)
            }
            _ => {
                self.enter_parent(&path)?;
                self.node(&path, &entry)
            }
        }
    }

    /// Makes the folders that lead to a path, as far as they were not made for the entry before.
    fn enter_parent(&mut self, path: &PathKey) -> Result<(), TargetError> {
        match path.parent() {
            Some(parent) => self.enter(&parent),
            None => Ok(()),
        }
    }

    /// Makes a folder and those above it.
    fn enter(&mut self, folder: &PathKey) -> Result<(), TargetError> {
        if self.intent == Intent::DryRun || self.folder == *folder {
            return Ok(());
        }
        let mut above = Vec::new();
        let mut at = folder.clone();
        while !self.folder.starts_with(&at) {
            let parent = at.parent();
            above.push(at);
            match parent {
                Some(parent) => at = parent,
                None => break,
            }
        }
        for missing in above.iter().rev() {
            self.make_folder(missing)?;
        }
        self.folder = folder.clone();
        Ok(())
    }

    fn make_folder(&self, path: &PathKey) -> Result<(), TargetError> {
        match self.writing.target.make_folder(path) {
            Err(TargetError::InTheWay { .. }) if self.may_replace() => {
                self.make_way(path)?;
                self.writing.target.make_folder(path).map(|_| ())
            }
            made => made.map(|_| ()),
        }
    }

    fn make_way(&self, path: &PathKey) -> Result<(), TargetError> {
        let Writing { target, report, .. } = self.writing;
        make_way(target, self.view, report, (self.delete, self.intent), path)
    }

    fn may_replace(&self) -> bool {
        matches!(self.overwrite, Overwrite::Always | Overwrite::IfChanged)
    }

    fn node(&self, path: &PathKey, entry: &Entry) -> Result<(), TargetError> {
        let (target, report) = (self.writing.target, self.writing.report);
        let found = if self.overwrite == Overwrite::Refuse { None } else { target.look(path)? };
        let is_there = match &found {
            Some(stat) => target.is_node(path, entry, stat)?,
            None => false,
        };
        if found.is_some() && self.overwrite == Overwrite::Never {
            count(&report.files_skipped, 1);
            return Ok(());
        }
        count(&report.others, 1);
        let made = match (self.intent, is_there, found) {
            (Intent::DryRun, false, Some(_)) => return self.make_way(path),
            (Intent::DryRun, ..) => return Ok(()),
            (Intent::Write, true, _) => return target.refresh(path, entry),
            (Intent::Write, false, None) => target.make_node(path, entry)?,
            (Intent::Write, false, Some(found)) => {
                let make_way = || if found.kind == Kind::Folder { self.make_way(path) } else { Ok(()) };
                target.replace_node(path, entry, make_way)?
            }
        };
        if made == Made::Refused {
            report.refused(&entry.path);
        }
        Ok(())
    }

    fn file(&mut self, path: PathKey, entry: Entry) -> Result<(), TargetError> {
        let existing = self.enter_parent(&path).and_then(|()| self.existing(&path, &entry));
        // What cannot be written is done with too.
        let existing = existing.inspect_err(|_| self.writing.progress.add_bytes(entry.content_bytes()))?;
        let Some(existing) = existing else { return Ok(()) };
        if self.intent == Intent::DryRun {
            count(&self.writing.report.files, 1);
            count(&self.writing.report.bytes, entry.content_bytes());
            self.writing.progress.add_bytes(entry.content_bytes());
            return Ok(());
        }
        let destination = Destination { path, entry, existing };
        match destination.entry.content() {
            Some(&Content::Slice { bundle, offset }) => self.gather(Some(bundle), destination, offset),
            Some(Content::Chunks { .. } | Content::List { .. }) => self.large(destination),
            Some(Content::Empty) | None => self.gather(None, destination, 0),
        }
        Ok(())
    }

    /// What of the target's file is kept; `None` when it stays as it is.
    fn existing(&self, path: &PathKey, entry: &Entry) -> Result<Option<Existing>, TargetError> {
        let (target, report) = (self.writing.target, self.writing.report);
        if self.overwrite == Overwrite::Refuse {
            return Ok(Some(Existing::Nothing));
        }
        let Some(stat) = target.look(path)? else { return Ok(Some(Existing::Nothing)) };
        match self.overwrite {
            Overwrite::Never => {
                count(&report.files_skipped, 1);
                self.writing.progress.add_bytes(entry.content_bytes());
                Ok(None)
            }
            Overwrite::IfChanged if target::matches(entry, &stat) => {
                count(&report.files, 1);
                count(&report.files_equal, 1);
                count(&report.bytes, entry.content_bytes());
                if self.intent == Intent::Write {
                    target.refresh(path, entry)?;
                }
                self.writing.progress.add_bytes(entry.content_bytes());
                Ok(None)
            }
            _ if stat.kind == Kind::File => Ok(Some(Existing::File)),
            _ if stat.kind != Kind::Folder => Ok(Some(Existing::Other)),
            _ => {
                self.make_way(path)?;
                Ok(Some(Existing::Nothing))
            }
        }
    }

    /// A further name of something whose first name is not restored: it becomes one of its own.
    fn lone_link(&mut self, path: PathKey, entry: Entry, first: &PathKey) -> Result<(), TargetError> {
        match self.repository.entry(self.root, first) {
            Ok(Some(first)) => {
                let entry = Entry { body: first.body, attributes: first.attributes, ..entry };
                match entry.body {
                    Body::File { .. } | Body::Image { .. } => self.file(path, entry),
                    _ => {
                        self.enter_parent(&path)?;
                        self.node(&path, &entry)
                    }
                }
            }
            Ok(None) => {
                let why = format!("the snapshot has no {first}, which it is a link to");
                self.writing.report.problem_because(&entry.path, Fault::Repository, why);
                Ok(())
            }
            Err(error) => {
                self.writing.report.problem(&entry.path, Fault::Repository, &error);
                Ok(())
            }
        }
    }

    fn gather(&mut self, bundle: Option<Pointer>, destination: Destination, offset: u32) {
        self.gathered.entry(bundle).or_default().push((destination, offset));
        self.gathered_files += 1;
        if self.gathered_files >= GATHERED_FILES_MAX || self.gathered.len() > GATHERED_BUNDLES_MAX {
            self.write_gathered();
        }
    }

    /// Gives the gathered files to the workers, bundle by bundle in the order of the packs.
    pub(super) fn write_gathered(&mut self) {
        self.gathered_files = 0;
        let mut bundles: Vec<_> = self.gathered.drain().collect();
        let wanted: Vec<Pointer> = bundles.iter().filter_map(|(bundle, _)| *bundle).collect();
        let places = self.places(&wanted);
        bundles.sort_by_key(|(bundle, _)| bundle.and_then(|bundle| places.get(&bundle.id).copied()));
        let sorted: Vec<Pointer> = bundles.iter().filter_map(|(bundle, _)| *bundle).collect();
        self.repository.soon(&sorted);
        for (bundle, files) in bundles {
            self.send(Job::Small(bundle, files));
        }
    }

    /// Where objects lie; nothing when that cannot be told, which fetching them will say.
    fn places(&self, wanted: &[Pointer]) -> HashMap<ObjectId, Place> {
        let ids: Vec<ObjectId> = wanted.iter().map(|pointer| pointer.id).collect();
        let places =
            if ids.is_empty() { Vec::new() } else { self.repository.locate(&ids).unwrap_or_default() };
        ids.into_iter().zip(places).filter_map(|(id, place)| Some((id, place?))).collect()
    }

    fn large(&mut self, destination: Destination) {
        let Some(content) = destination.entry.content().cloned() else { return };
        let bytes = destination.entry.content_bytes();
        let Some(file) = self.writing.begin_large(destination) else { return };
        let mut layout = Layout::new(&content, bytes);
        let mut stretch = Vec::new();
        let mut stretch_bytes = 0;
        let mut fault = None;
        for chunk in self.repository.chunks(&content) {
            let placed = chunk.and_then(|chunk| {
                let at = layout.chunk(u64::from(chunk.plain_bytes))?;
                Ok((chunk, at.offset))
            });
            let (chunk, offset) = match placed {
                Ok(placed) => placed,
                Err(error) => {
                    fault = Some(error);
                    break;
                }
            };
            stretch.push((chunk, offset));
            stretch_bytes += u64::from(chunk.plain_bytes);
            if stretch_bytes >= STRETCH_BYTES {
                file.expect_stretch();
                self.send(Job::Stretch(Arc::clone(&file), std::mem::take(&mut stretch)));
                stretch_bytes = 0;
            }
        }
        if let Some(error) = fault.or_else(|| layout.end().err()) {
            file.fail(Fault::Repository, &error);
        }
        // The last stretch ends what the plan itself was counted for.
        self.send(Job::Stretch(file, stretch));
    }

    fn send(&self, job: Job) {
        if let Job::Stretch(_, chunks) = &job {
            let chunks: Vec<Pointer> = chunks.iter().map(|(chunk, _)| *chunk).collect();
            self.repository.soon(&chunks);
        }
        self.jobs.send(job).expect("the workers take jobs until there are no more senders");
    }
}
