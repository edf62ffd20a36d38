//! `farkeep repair`

use std::sync::Arc;

use clap::Args;
use farkeep_engine::Progress as PackProgress;

use super::failure::Failure;
use super::session::Session;
use crate::output::exit::Exit;
use crate::output::line;
use crate::progress::Phase;
use crate::progress::Progress;
use crate::repository::Access;

/// Find out what is damaged, say what can be done about it, and do that
///
/// Everything is read, and a plan is printed: which packs get how many blocks anew from their parity, which objects are
/// beyond that and quarantined, so that the next backup of the same data stores them again, whether the index is built anew,
/// which small files are written again, which leftovers of interrupted runs go, and what stays damaged. It is carried out
/// with --yes alone. Nothing is ever removed that could be data: what is damaged and cannot be healed stays where it is.
///
/// `farkeep check` names the snapshots and files that are touched. A folder needs no passphrase for this; a repository behind a
/// server is repaired by the server, for a keeper.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  farkeep repair
  farkeep repair --yes")]
pub(super) struct Repair {
    /// Print the plan and change nothing, as without --yes
    #[arg(long, short = 'n', conflicts_with = "yes")]
    dry_run: bool,
    /// Carry the plan out
    #[arg(long)]
    yes: bool,
}

impl Repair {
    pub(super) fn run(&self, session: &Session) -> Result<Exit, Failure> {
        let progress = Arc::new(Progress::new());
        let watch = session.output.watch(&progress);
        progress.begin(Phase::Reading, 0, 0);
        let show = |at: PackProgress| progress.show(at.bytes_done, at.bytes_total);
        let locked = session.keep_to_look()?;
        let plan = locked.keeper().plan_repair(&show)?;
        drop((locked, watch));
        plan.steps.iter().try_for_each(|step| session.output.line(&line::RepairStep::of(step)))?;
        let mut summary = line::Repair::of(&plan);
        if self.yes && !plan.is_empty() {
            let repaired = session.keep(Access::Write)?.keeper().repair(&plan)?;
            summary.done(&repaired);
        }
        session.output.summary(&summary)?;
        let is_sound = plan.steps.is_empty() || summary.left == 0 && summary.carried_out;
        Ok(if is_sound { Exit::Done } else { Exit::Damage })
    }
}
