//! `farkeep repack`

use std::sync::Arc;

use clap::Args;

use super::failure::Failure;
use super::interrupt;
use super::rewriting::figures;
use super::rewriting::held;
use super::rewriting::replaced;
use super::session::Session;
use super::subject::points;
use crate::config::size::Share;
use crate::output::exit::Exit;
use crate::progress::Progress;
use crate::repository::Access;
use crate::rewrite;
use crate::rewrite::Purpose;

/// Lay small files closer together of which others around them are dead
///
/// Small files lie together in bundles. When older snapshots are gone, parts of a bundle may be of no use any more, which a
/// collection cannot see, since bundles are encrypted. This lays what is used of such bundles into new ones and replaces the
/// snapshots that use them by equal ones: same time, same place, same content id, which is computed anew from what was stored
/// before anything is replaced. The old bundles go with the next collection (`farkeep collect --now`).
///
/// What a held snapshot uses stays where it is. It needs the passphrase. Through a server snapshots are replaced one by one:
/// after an interruption the same command does the rest.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  farkeep repack --dry-run
  farkeep repack && farkeep collect --now")]
pub(super) struct Repack {
    /// Bundles of which more than this part is dead: 10%, 1/5
    #[arg(long, value_name = "PART", default_value = "5%")]
    dead: Share,
    /// Say what would be done, and change nothing
    #[arg(long, short = 'n')]
    dry_run: bool,
}

impl Repack {
    pub(super) fn run(&self, session: &Session) -> Result<Exit, Failure> {
        let access = if self.dry_run { Access::Read } else { Access::Write };
        let repository = session.open(access)?;
        let points = points(session, &repository)?;
        let request = rewrite::Request {
            purpose: Purpose::Repack(self.dead),
            held: held(&repository)?,
            cancel: interrupt::cancel_flag(),
        };
        let progress = Arc::new(Progress::new());
        let watch = session.output.watch(&progress);
        let plan = rewrite::plan(&repository, &points, &request, &progress)?;
        let mut summary = figures(&plan, self.dry_run);
        let done = match self.dry_run || plan.snapshots.is_empty() {
            true => None,
            false => Some(plan.carry_out(&repository, &progress)?),
        };
        drop(watch);
        if let Some(done) = &done {
            summary.stored_bytes = done.stored.bytes;
            replaced(session, done)?;
        }
        session.output.summary(&summary)?;
        Ok(Exit::Done)
    }
}
