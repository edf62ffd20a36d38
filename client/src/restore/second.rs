//! The second pass: further names, what the snapshot does not have, and folders' metadata.
//!
//! A folder gets its times when the tree leaves it for good; nothing is written into it after that.

use std::collections::HashSet;

use farkeep_codec::object::Pointer;
use farkeep_codec::tree::Body;
use farkeep_codec::tree::Entry;
use farkeep_codec::tree::Gap;
use farkeep_codec::tree::PathKey;

use super::Delete;
use super::Intent;
use super::Overwrite;
use super::Pass;
use super::make_way;
use super::missed::Fault;
use super::report::Report;
use super::report::count;
use super::view::View;
use crate::repository::Repository;
use crate::repository::RepositoryError;
use crate::source::Kind;
use crate::source::Wanted;
use crate::target::Made;
use crate::target::Target;
use crate::target::TargetError;

/// The second pass in progress.
pub(super) struct SecondPass<'a> {
    pub(super) repository: &'a Repository,
    pub(super) root: Pointer,
    pub(super) target: &'a Target,
    pub(super) report: &'a Report,
    pub(super) view: &'a View,
    pub(super) overwrite: Overwrite,
    pub(super) delete: Delete,
    pub(super) intent: Intent,
    /// The folders that lead to the last entry, outermost first.
    pub(super) open: Vec<OpenFolder>,
}

/// A folder that entries are still coming for.
pub(super) struct OpenFolder {
    path: PathKey,
    entry: Entry,
    /// Names that the snapshot has in it, when those it does not have are to be removed. Nothing when not all of them
    /// can be read.
    names: Option<HashSet<Vec<u8>>>,
}

impl Pass for SecondPass<'_> {
    fn entry(&mut self, entry: Entry) -> Wanted {
        let Some(path) = self.view.place(&entry.path) else { return Wanted::No };
        self.leave_until(&path);
        if self.delete == Delete::Extra
            && let (Some(folder), Some(name)) = (self.open.last_mut(), path.name())
            && let Some(names) = &mut folder.names
        {
            names.insert(name.to_vec());
        }
        let wanted = self.view.judge(&entry);
        if wanted != Wanted::Yes {
            return wanted;
        }
        match &entry.body {
            Body::Folder | Body::Ancestor => {
                self.open.push(OpenFolder { path, entry, names: Some(HashSet::new()) });
            }
            Body::HardLink { first } if self.view.has_file(first) => {
                self.link(&path, &entry, first);
            }
            _ => {}
        }
        Wanted::Yes
    }

    /// The first pass has named it. Which names its folders have there nobody knows, so none of them is an extra one.
    fn gap(&mut self, gap: Gap, _: &RepositoryError) {
        if let Some(path) = self.view.place(&gap.first) {
            self.leave_until(&path);
        }
        for folder in &mut self.open {
            folder.names = None;
        }
    }
}

impl SecondPass<'_> {
    /// Leaves all folders.
    pub(super) fn finish(mut self) {
        while let Some(folder) = self.open.pop() {
            self.leave(&folder);
        }
    }

    fn leave_until(&mut self, path: &PathKey) {
        while let Some(folder) = self.open.pop_if(|folder| !path.starts_with(&folder.path)) {
            self.leave(&folder);
        }
    }

    fn leave(&self, folder: &OpenFolder) {
        // Above a backup's root there is much that the snapshot never saw.
        if self.delete == Delete::Extra
            && matches!(folder.entry.body, Body::Folder)
            && let Some(names) = &folder.names
        {
            self.remove_extra(folder, names);
        }
        if self.intent == Intent::Write
            && let Err(error) = self.target.finish_folder(&folder.path, &folder.entry)
        {
            self.report.problem(&folder.entry.path, Fault::Target, &error);
        }
    }

    fn remove_extra(&self, folder: &OpenFolder, names: &HashSet<Vec<u8>>) {
        let extra = self.target.names(&folder.path).and_then(|mut there| {
            there.retain(|name| !names.contains(name));
            if !there.is_empty() {
                self.target.may_empty(&folder.path)?;
            }
            Ok(there)
        });
        let extra = extra.unwrap_or_else(|error| {
            self.report.problem(&folder.entry.path, Fault::Target, &error);
            Vec::new()
        });
        for path in extra.iter().filter_map(|name| folder.path.join(name).ok()) {
            let judge = |path: &PathKey, kind: Kind| self.view.judge_extra(path, kind);
            let gone = &mut |path: &PathKey| self.report.gone(path);
            if let Err(error) = self.target.remove_wanted(&path, self.intent.removal(), &judge, gone) {
                self.report.problem(&folder.entry.path, Fault::Target, &error);
            }
        }
    }

    fn link(&self, path: &PathKey, entry: &Entry, first: &PathKey) {
        if let Some(fault) = self.report.fault(first) {
            if fault == Fault::User && self.is_refused(path, entry, first) {
                return;
            }
            let why = format!("it is a further name of {first}, which is not restored");
            return self.report.problem_because(&entry.path, fault, why);
        }
        if let Err(error) = self.try_link(path, first) {
            self.report.problem(&entry.path, Fault::Target, &error);
        }
    }

    /// Whether this user may not make the device that something is a further name of, which is counted.
    fn is_refused(&self, path: &PathKey, entry: &Entry, first: &PathKey) -> bool {
        let first = self.repository.entry(self.root, first).ok().flatten();
        let device = first
            .filter(|first| matches!(first.body, Body::CharDevice { .. } | Body::BlockDevice { .. }))
            .map(|first| Entry { body: first.body, attributes: first.attributes, ..entry.clone() });
        let make_way = || make_way(self.target, self.view, self.report, (self.delete, self.intent), path);
        device.is_some_and(|device| {
            matches!(self.target.replace_node(path, &device, make_way), Ok(Made::Refused))
        })
    }

    fn try_link(&self, path: &PathKey, first: &PathKey) -> Result<(), TargetError> {
        let Some(first) = self.view.place(first) else { return Ok(()) };
        if self.intent == Intent::DryRun {
            count(&self.report.others, 1);
            return Ok(());
        }
        match self.target.link(path, &first) {
            Err(TargetError::InTheWay { .. }) if self.overwrite == Overwrite::Never => {
                count(&self.report.files_skipped, 1);
                return Ok(());
            }
            Err(TargetError::InTheWay { .. }) if self.overwrite != Overwrite::Refuse => {
                make_way(self.target, self.view, self.report, (self.delete, self.intent), path)?;
                self.target.link(path, &first)?;
            }
            linked => {
                linked?;
            }
        }
        count(&self.report.others, 1);
        Ok(())
    }
}
