//! `farkeep scrub`

use std::cell::Cell;
use std::num::NonZeroU64;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use std::time::Instant;

use clap::Args;
use farkeep_engine::Care;
use farkeep_engine::Healing;
use farkeep_engine::PatrolOptions;
use farkeep_engine::PatrolOutcome;
use farkeep_engine::Patrolled;
use farkeep_engine::Progress as PackProgress;
use farkeep_engine::Turn;
use farkeep_engine::collect::pace::Limits;

use super::failure::Failure;
use super::interrupt;
use super::session::Session;
use crate::config::period::Period;
use crate::config::size::Rate;
use crate::output::exit::Exit;
use crate::output::line;
use crate::progress::Phase;
use crate::progress::Progress;
use crate::repository::Access;

/// Verify every stored byte, what was verified longest ago first, and heal what can be healed
///
/// Nothing but a disk and time is needed: no key, no passphrase. Each pack is read from the medium and compared with what the
/// journal says about it. Blocks that are not as they were written are computed from the parity of their pack and written
/// anew. Objects that are beyond that are quarantined: nothing is deleted, and the next backup that still has the data stores
/// them again; `farkeep check` names the snapshots and files that they belong to.
///
/// What was verified is noted, so a scrub that is stopped goes on with the rest the next time. Backups and restores go on
/// meanwhile; only while something is healed, backups wait. A repository behind a server is scrubbed by the server, by
/// itself and when a keeper says so; --status says how far that is.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  farkeep scrub
  farkeep scrub --for 1h --limit-io 50MiB
  farkeep scrub --status")]
pub(super) struct Scrub {
    /// Stop after that: 30m, 2h
    #[arg(long = "for", value_name = "TIME")]
    time_max: Option<Period>,
    /// Read no more than this per second: 50MiB
    #[arg(long, value_name = "RATE")]
    limit_io: Option<Rate>,
    /// Say how much was verified and how long ago, and do nothing
    #[arg(long, conflicts_with_all = ["time_max", "limit_io"])]
    status: bool,
}

impl Scrub {
    pub(super) fn run(&self, session: &Session) -> Result<Exit, Failure> {
        let begun = Instant::now();
        if self.status {
            let locked = session.keep(Access::Read)?;
            let status = line::ScrubStatus::of(&locked.keeper().verifications()?);
            session.output.line(&status)?;
            return Ok(if status.late { Exit::Attention } else { Exit::Done });
        }
        let locked = session.keep_to_look()?;
        let progress = Arc::new(Progress::new());
        let watch = session.output.watch(&progress);
        progress.begin(Phase::Reading, 0, 0);
        let cancel = interrupt::cancel_flag();
        let was_cancelled = Cell::new(false);
        let patrolled = locked.keeper().patrol(&self.options(), &|at: PackProgress| {
            progress.show(at.bytes_done, at.bytes_total);
            was_cancelled.set(cancel.load(Ordering::Relaxed));
            if was_cancelled.get() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        // Writers wait for what is damaged alone.
        drop(locked);
        let healing = match patrolled.damaged.is_empty() {
            true => Healing::default(),
            false => session.keep(Access::Write)?.keeper().heal(&patrolled.damaged)?,
        };
        drop(watch);
        let is_done = patrolled.outcome == PatrolOutcome::Complete || !was_cancelled.get();
        let summary = line::Scrub::of(&Patrolled { healing, ..patrolled }, begun.elapsed());
        session.output.summary(&summary)?;
        Ok(match summary.result {
            "damaged" => Exit::Damage,
            _ if is_done => Exit::Done,
            _ => Exit::Failed,
        })
    }

    fn options(&self) -> PatrolOptions {
        let bytes_per_second = self.limit_io.and_then(|rate| NonZeroU64::new(rate.bytes_per_second()));
        PatrolOptions {
            turn: Turn::All,
            care: Care::Report,
            time_max: self.time_max.map(|period| Duration::from_secs(period.seconds)),
            limits: Limits { bytes_per_second, ..Limits::NONE },
            by: String::new(),
        }
    }
}
