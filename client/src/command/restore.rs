//! `farkeep restore`

use std::env;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use clap::ValueEnum;
use farkeep_codec::snapshot::Status;

use super::failure::Failure;
use super::interrupt;
use super::session::Session;
use super::subject::FilterArguments;
use super::subject::Subject;
use crate::config::cache_folder;
use crate::output::exit::Exit;
use crate::output::line;
use crate::output::line::Named;
use crate::progress::Progress;
use crate::repository::Access;
use crate::repository::Extent;
use crate::restore;
use crate::restore::Delete;
use crate::restore::Intent;
use crate::restore::Overwrite;
use crate::restore::Request;
use crate::restore::Summary;
use crate::restore::Verify;
use crate::source::FileId;
use crate::source::Selection;
use crate::source::path_of;

/// Turn a snapshot, or a part of it, into files again
///
/// Nothing is ever written outside of the target. Every object is verified before bytes of it are written: as it is
/// stored by its id, and opened by its seal; what cannot be verified is not written, is named, and the exit code says so.
/// With --verify each file that was written or compared is also read back; what --overwrite if-changed takes for equal is
/// not read at all. A restore whose --include matches nothing fails. Where damage hides which names a folder had, --delete removes
/// nothing from it. It is refused for a partial snapshot, and spares mount points, the repository and the cache.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  farkeep restore latest --target /mnt/new
  farkeep restore '@yesterday 14:00:/home/me' --target /home/me --overwrite if-changed
  farkeep restore latest --target /tmp/t --include '*.conf' --dry-run

PATH itself becomes the target: what lies in /home/me goes right into --target. Globs follow .gitignore, but for what a
slash does: one that begins with a slash counts from the root folder of the snapshot, and every other one matches at any
depth, also when it has a slash inside.")]
pub(super) struct Restore {
    /// The snapshot, and a path in it
    #[arg(value_name = "SNAPSHOT[:PATH]")]
    subject: OsString,
    /// The folder to write into; it is made if it is not there
    #[arg(long, short, value_name = "DIR")]
    target: PathBuf,
    /// Only what matches this glob; may be repeated
    #[arg(long, short, value_name = "GLOB")]
    include: Vec<String>,
    /// Nothing that matches this glob; may be repeated
    #[arg(long, short, value_name = "GLOB")]
    exclude: Vec<String>,
    /// What to do with files that are there already; without this, the target must be empty
    #[arg(long, value_name = "WHEN")]
    overwrite: Option<When>,
    /// Remove what the target has and the snapshot does not; the first thousand are named
    #[arg(long, requires = "overwrite")]
    delete: bool,
    /// Say what would be done, and write nothing
    #[arg(long, short = 'n')]
    dry_run: bool,
    /// Read back what was written, and compare it with what was verified
    #[arg(long, conflicts_with = "dry_run")]
    verify: bool,
    #[command(flatten)]
    filter: FilterArguments,
}

/// What to do with files that are there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum When {
    /// Make them equal to the snapshot's; only what differs is written
    Always,
    /// The same, but believe that equal size and modification time mean equal contents
    IfChanged,
    /// Leave them as they are
    Never,
}

impl Restore {
    pub(super) fn run(&self, session: &Session) -> Result<Exit, Failure> {
        let selection = Selection::new(&self.include, &self.exclude)?;
        let repository = session.open(Access::Read)?;
        let subject = Subject::find(session, &repository, &self.subject, &self.filter)?;
        if let (true, Status::Partial { unreadable }) = (self.delete, &subject.point.record.status) {
            return Err(Failure::PartialDelete { snapshot: subject.point.id, unreadable: *unreadable });
        }
        let request = self.request(session, selection, &subject)?;
        let progress = Arc::new(Progress::new());
        let watch = session.output.watch(&progress);
        let summary = restore::run(&repository, &request, &progress)?;
        drop(watch);
        self.report(session, &subject, &summary)
    }

    fn request(
        &self,
        session: &Session,
        selection: Selection,
        subject: &Subject,
    ) -> Result<Request, Failure> {
        let cache = env::var_os("FARKEEP_CACHE").map(PathBuf::from);
        let cache = cache.unwrap_or_else(|| cache_folder(|name| env::var_os(name)));
        let location = session.location()?;
        let own = [location.folder(), Some(cache.as_path())];
        Ok(Request {
            root: subject.point.root(),
            subtree: subject.path.clone(),
            target: self.target.clone(),
            selection,
            overwrite: match self.overwrite {
                None => Overwrite::Refuse,
                Some(When::Always) => Overwrite::Always,
                Some(When::IfChanged) => Overwrite::IfChanged,
                Some(When::Never) => Overwrite::Never,
            },
            delete: if self.delete { Delete::Extra } else { Delete::Keep },
            intent: if self.dry_run { Intent::DryRun } else { Intent::Write },
            verify: if self.verify { Verify::ReadBack } else { Verify::Skip },
            spared: own.into_iter().flatten().filter_map(|folder| FileId::of(folder).ok()).collect(),
            cancel: interrupt::cancel_flag(),
        })
    }

    fn report(&self, session: &Session, subject: &Subject, summary: &Summary) -> Result<Exit, Failure> {
        for problem in &summary.problems {
            let (path, why) = (Named::of_key(&problem.path), problem.why.clone());
            let (extent, before, entries) = match &problem.extent {
                Extent::Path => ("path", None, None),
                Extent::Range { end, entries } => ("range", end.as_ref().map(Named::of_key), *entries),
            };
            let damage = problem.damage;
            session.output.problem(&line::RestoreProblem { path, extent, before, entries, why, damage })?;
        }
        let is_in_vain = !self.include.is_empty() && summary.selected == 0 && summary.problem_count == 0;
        if is_in_vain {
            session.output.problem(&line::NoMatch { globs: self.include.clone() })?;
        }
        for path in &summary.gone {
            let path = path_of(path);
            let path = self.target.join(path.strip_prefix("/").unwrap_or(&path));
            let path = Named::of_os(path.as_os_str());
            session.output.summary(&line::Removed { path, dry_run: self.dry_run })?;
        }
        session.output.summary(&line::Restore {
            snapshot: subject.point.id,
            target: Named::of_os(self.target.as_os_str()),
            dry_run: self.dry_run,
            files: summary.files,
            folders: summary.folders,
            others: summary.others,
            files_equal: summary.files_equal,
            files_skipped: summary.files_skipped,
            bytes: summary.bytes,
            written_bytes: summary.written_bytes,
            deleted: summary.deleted,
            verified: summary.verified,
            problem_count: summary.problem_count,
            damage_count: summary.damage_count,
            notices: summary.notices,
            elapsed: summary.elapsed,
        })?;
        Ok(match (summary.damage_count, summary.problem_count) {
            (0, 0) if !is_in_vain => Exit::Done,
            (0, _) => Exit::Failed,
            _ => Exit::Damage,
        })
    }
}
