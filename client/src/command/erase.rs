//! `farkeep erase`

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;

use clap::Args;
use farkeep_codec::tree::PathKey;

use super::failure::Failure;
use super::interrupt;
use super::rewriting::erased;
use super::rewriting::figures;
use super::rewriting::held;
use super::rewriting::replaced;
use super::session::Session;
use super::subject::FilterArguments;
use super::subject::admitted;
use super::subject::points;
use crate::output::exit::Exit;
use crate::output::line;
use crate::progress::Progress;
use crate::repository::Access;
use crate::rewrite;
use crate::rewrite::Purpose;

/// Take paths out of snapshots, as if they had never been backed up
///
/// Every snapshot that has one of the paths is replaced by one without it, with the same time and place in its series; the rest
/// of it stays to the last bit. Small files that lie in one bundle with what is erased are laid into new bundles. Of a
/// file with several names only those that were given go: under another name it lives on.
///
/// The bytes stay in the repository until a collection comes that is allowed to remove them (`farkeep collect --now`), and in every
/// copy of the repository. Snapshots that are held keep the paths, and are named. A host that still has the files brings them
/// back with its next backup: exclude them there first. It needs the passphrase. A path that no snapshot has is an error. Through
/// a server snapshots are replaced one by one: after an interruption the same command does the rest.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  farkeep erase /home/me/secret.txt --dry-run
  farkeep erase /home/me/secret.txt --yes
  farkeep collect --now")]
pub(super) struct Erase {
    /// The paths, as `ls` shows them
    #[arg(value_name = "PATH", required = true)]
    paths: Vec<OsString>,
    #[command(flatten)]
    filter: FilterArguments,
    /// Say what would be erased, and change nothing
    #[arg(long, short = 'n', conflicts_with = "yes")]
    dry_run: bool,
    /// Do it: what is erased cannot be brought back
    #[arg(long, required_unless_present = "dry_run")]
    yes: bool,
}

impl Erase {
    pub(super) fn run(&self, session: &Session) -> Result<Exit, Failure> {
        let key = |path: &OsString| PathKey::from_slashes(path.as_bytes());
        let paths = self.paths.iter().map(key).collect::<Result<Vec<_>, _>>()?;
        let access = if self.dry_run { Access::Read } else { Access::Write };
        let repository = session.open(access)?;
        let points = admitted(points(session, &repository)?, &self.filter.filter())?;
        let request = rewrite::Request {
            purpose: Purpose::Erase(paths),
            held: held(&repository)?,
            cancel: interrupt::cancel_flag(),
        };
        let progress = Arc::new(Progress::new());
        let watch = session.output.watch(&progress);
        let plan = rewrite::plan(&repository, &points, &request, &progress)?;
        if let Some(path) = plan.missing.first() {
            // A path that is not there is misspelt, and what was meant would stay.
            drop(watch);
            return Err(Failure::NothingToErase { path: path.clone() });
        }
        let mut summary = figures(&plan, self.dry_run);
        let lines: Vec<line::Erased> = plan.snapshots.iter().map(erased).collect();
        let is_held = !plan.held.is_empty();
        let held_lines: Vec<line::StillHeld> =
            plan.held.iter().map(|id| line::StillHeld { snapshot: *id }).collect();
        let done = match self.dry_run || plan.snapshots.is_empty() {
            true => None,
            false => Some(plan.carry_out(&repository, &progress)?),
        };
        drop(watch);
        lines.iter().try_for_each(|erased| session.output.line(erased))?;
        held_lines.iter().try_for_each(|held| session.output.problem(held))?;
        if let Some(done) = &done {
            summary.stored_bytes = done.stored.bytes;
            replaced(session, done)?;
        }
        session.output.summary(&summary)?;
        Ok(if is_held { Exit::Failed } else { Exit::Done })
    }
}
