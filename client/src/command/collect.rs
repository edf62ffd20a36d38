//! `farkeep collect`

use std::cell::Cell;
use std::cell::RefCell;
use std::num::NonZeroU64;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::time::Duration;
use std::time::Instant;

use clap::Args;
use farkeep_engine::collect::CollectOptions;
use farkeep_engine::collect::CollectStep;
use farkeep_engine::collect::Collected;
use farkeep_engine::collect::Outcome;
use farkeep_engine::collect::Purge;
use farkeep_engine::collect::Young;
use farkeep_engine::collect::pace::Limits;

use super::failure::Failure;
use super::interrupt;
use super::session::Session;
use crate::config::period::Period;
use crate::config::size::Rate;
use crate::config::size::Share;
use crate::config::size::Thousandths;
use crate::output::exit::Exit;
use crate::output::line;
use crate::progress::Phase;
use crate::progress::Progress;
use crate::repository::Access;
use crate::repository::CollectAt;
use crate::repository::Keeper;
use crate::repository::Packs;

/// It is asked so often whether somebody waits for the repository.
const ASK: Duration = Duration::from_millis(100);

/// Remove what no snapshot needs any more, and lay together what is left
///
/// Forgotten snapshots whose grace and holds are over can be restored no longer from here on. What the others need is found by
/// following their trees; packs of which enough is dead are emptied into new ones, small packs are laid together, and what the
/// newest snapshots need comes to lie together. Backups and restores that began before are waited for, and nothing is removed
/// while one of them counts on it. Whatever ends a collection costs nothing but time: the next one goes on.
///
/// What was stored since the last collection and belongs to no snapshot stays for one more, so that an interrupted first backup
/// can go on from it. A folder needs no passphrase for this; a repository behind a server is collected by the server.
///
/// While a folder is collected, nobody else writes to it; but whoever wants to is let in within moments, and the collection goes
/// on behind them.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  farkeep collect --dry-run
  farkeep collect --max-time 30m --limit-io 50MiB
  farkeep collect --now")]
pub(super) struct Collect {
    /// Say what would be done, and change nothing
    #[arg(long, short = 'n')]
    dry_run: bool,
    /// Purge forgotten snapshots at once that nobody holds, whatever grace they have, and what belongs to no snapshot
    #[arg(long)]
    now: bool,
    /// Stop after that: 30m, 2h
    #[arg(long, value_name = "TIME")]
    max_time: Option<Period>,
    /// Read and write no more than this per second: 50MiB
    #[arg(long, value_name = "RATE")]
    limit_io: Option<Rate>,
    /// Work no more than this part of the time: 25%
    #[arg(long, value_name = "PART", default_value = "100%", hide_default_value = true)]
    limit_cpu: Share,
    /// Leave so much dead data, measured by the live: 1%; otherwise as the settings of the repository say
    #[arg(long, value_name = "PART")]
    garbage: Option<Thousandths>,
}

impl Collect {
    pub(super) fn run(&self, session: &Session) -> Result<Exit, Failure> {
        if self.dry_run {
            return self.plan(session);
        }
        let progress = Arc::new(Progress::new());
        let watch = session.output.watch(&progress);
        let cancel = interrupt::cancel_flag();
        let collected = self.collect(session, &progress, &cancel)?;
        drop(watch);
        let is_done = match collected.outcome {
            Outcome::Complete => true,
            Outcome::Stopped => self.max_time.is_some() && !cancel.load(Ordering::Relaxed),
            _ => false,
        };
        session.output.summary(&line::Collection::of(&collected))?;
        Ok(if is_done { Exit::Done } else { Exit::Failed })
    }

    fn plan(&self, session: &Session) -> Result<Exit, Failure> {
        let locked = session.keep_to_look()?;
        let plan = locked.keeper().plan_collection(&self.options())?;
        let acts = [("remove", plan.removed), ("strike", plan.struck), ("empty", plan.emptied)];
        for (act, packs) in acts.iter().filter(|(_, packs)| packs.packs > 0) {
            let Packs { packs, file_bytes, live_bytes, dead_bytes } = *packs;
            session.output.line(&line::PacksPlanned { act, packs, file_bytes, live_bytes, dead_bytes })?;
        }
        session.output.summary(&line::CollectionPlan {
            packs: acts.iter().map(|(_, packs)| packs.packs).sum(),
            moved_bytes: plan.moved_bytes,
            freed_bytes: plan.freed_bytes,
            left_bytes: plan.left_bytes,
        })?;
        Ok(Exit::Done)
    }

    /// Collects until nothing is left to do. Who waits for a repository in a folder gets it in between, and the collection
    /// goes on behind them: what it removed until then stays removed.
    fn collect(
        &self,
        session: &Session,
        progress: &Progress,
        cancel: &AtomicBool,
    ) -> Result<Collected, Failure> {
        let began = Instant::now();
        let mut options = self.options();
        let mut so_far = Collected::default();
        let mut locked = session.keep(Access::Write)?;
        loop {
            let watched = Watched::new(session, progress, cancel);
            let ended = locked.keeper().collect(&options, &|at| watched.look(locked.keeper(), at))?;
            so_far = so_far.then(&ended);
            if !watched.gives_way.get() || ended.outcome == Outcome::Complete {
                return Ok(so_far);
            }
            drop(locked);
            let left = |most: Duration| most.saturating_sub(began.elapsed());
            options.time_max = self.options().time_max.map(left);
            let Some(again) = session.keep_again(options.time_max)? else { return Ok(so_far) };
            locked = again;
        }
    }

    fn options(&self) -> CollectOptions {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a part of 1000")]
        let work_thousandths = (self.limit_cpu.part * 1000.0).round().clamp(1.0, 1000.0) as u16;
        let bytes_per_second = self.limit_io.and_then(|rate| NonZeroU64::new(rate.bytes_per_second()));
        CollectOptions {
            purge: if self.now { Purge::AtOnce } else { Purge::WhenOver },
            young: if self.now { Young::Goes } else { Young::Stays },
            garbage_thousandths: self.garbage.map(|garbage| garbage.thousandths),
            time_max: self.max_time.map(|period| Duration::from_secs(period.seconds)),
            limits: Limits { bytes_per_second, work_thousandths },
            ..CollectOptions::default()
        }
    }
}

/// Who watches a collection.
struct Watched<'a> {
    session: &'a Session,
    progress: &'a Progress,
    cancel: &'a AtomicBool,
    phase: Cell<Option<Phase>>,
    /// Those whom it waits for.
    named: RefCell<Vec<String>>,
    /// When it was last asked whether somebody waits.
    asked: Cell<Instant>,
    /// Whether somebody does.
    gives_way: Cell<bool>,
}

impl<'a> Watched<'a> {
    fn new(session: &'a Session, progress: &'a Progress, cancel: &'a AtomicBool) -> Self {
        Self {
            session,
            progress,
            cancel,
            phase: Cell::new(None),
            named: RefCell::default(),
            asked: Cell::new(Instant::now()),
            gives_way: Cell::new(false),
        }
    }

    fn look(&self, keeper: &dyn Keeper, at: &CollectAt) -> ControlFlow<()> {
        let phase = if at.is_queued { Phase::Waiting } else { phase(at.progress.step) };
        if self.phase.replace(Some(phase)) != Some(phase) {
            self.progress.begin(phase, 0, 0);
        }
        self.progress.show_entries(at.progress.done, at.progress.total);
        if !at.waits_for.is_empty() && self.named.replace(at.waits_for.clone()) != at.waits_for {
            self.session.output.note(&format!("waiting for {}", at.waits_for.join(", ")));
        }
        if self.asked.get().elapsed() >= ASK {
            self.asked.set(Instant::now());
            self.gives_way.set(keeper.is_wanted());
        }
        if self.gives_way.get() || self.cancel.load(Ordering::Relaxed) {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    }
}

fn phase(step: CollectStep) -> Phase {
    match step {
        CollectStep::Begun | CollectStep::Condemned => Phase::Planning,
        CollectStep::Marking => Phase::Walking,
        CollectStep::Sorting => Phase::Sorting,
        CollectStep::Copying => Phase::Copying,
        CollectStep::Waiting => Phase::Waiting,
        CollectStep::Settled | CollectStep::Removed => Phase::Removing,
        _ => Phase::Planning,
    }
}
