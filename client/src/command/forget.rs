//! `farkeep forget`

use clap::Args;
use farkeep_codec::id::SnapshotId;
use farkeep_engine::Act;
use farkeep_engine::Rules;
use farkeep_engine::policy::Pattern;

use super::failure::Failure;
use super::rules::RuleArguments;
use super::session::Session;
use super::subject::Named;
use crate::output::exit::Exit;
use crate::output::line;
use crate::repository::Access;
use crate::repository::Fate;
use crate::repository::Judged;
use crate::repository::Keeper;
use crate::repository::Retained;

/// Take snapshots off the list: some by name, or all that no rule keeps
///
/// With SNAPSHOT these are forgotten. With rules (--keep-...) everything goes that none of them keeps, series by series; rules do
/// not see one another, so one that is added never costs a snapshot. With neither, the policies of the repository are applied
/// (`farkeep policy`). What is held, what is newest of its series and whatever no policy is for stays.
///
/// What was forgotten stays restorable by its id for the grace of the repository, a week unless it was set, and can be put on
/// the list again with `recover`; `snapshots --forgotten` shows it. Its bytes go when a collection comes after that. Nothing
/// is forgotten by rules while the clock is not believed that they go by. A folder needs no passphrase for this.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  farkeep forget 3f2a --reason 'made by mistake'
  farkeep forget --keep-daily 7 --keep-weekly 5 --keep-monthly 12 --dry-run
  farkeep forget --keep-last 10 --dry-run --sizes
  farkeep forget --series 'db*' --keep-within 30d
  farkeep forget")]
pub(super) struct Forget {
    /// The snapshots
    #[arg(value_name = "SNAPSHOT")]
    snapshots: Vec<String>,
    #[command(flatten)]
    rules: RuleArguments,
    /// With rules: only series whose names fit; `*` stands for any characters, `?` for one
    #[arg(long, value_name = "PATTERN", default_value = "*", hide_default_value = true)]
    series: Pattern,
    /// Say what would go and what stays, and why, and change nothing
    #[arg(long, short = 'n')]
    dry_run: bool,
    /// With --dry-run: also say how much room it would free, once grace and holds are over. Reads all trees
    #[arg(long, requires = "dry_run")]
    sizes: bool,
    /// Why, for the journal
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    reason: String,
}

impl Forget {
    pub(super) fn run(&self, session: &Session) -> Result<Exit, Failure> {
        if self.snapshots.is_empty() {
            return self.by_rules(session);
        }
        if !self.rules.is_empty() {
            return Err(Failure::SnapshotsAndRules);
        }
        let access = if self.dry_run { Access::Read } else { Access::Write };
        let named = Named::find(session, &self.snapshots, access)?;
        for id in &named.ids {
            if !self.dry_run {
                named.keeper().forget(id, &self.reason)?;
            }
            let change = if self.dry_run { "to be forgotten" } else { "forgotten" };
            session.output.summary(&line::SnapshotChange { snapshot: *id, change, until: None })?;
        }
        if self.sizes {
            tell_freed(session, named.keeper(), &named.ids)?;
        }
        Ok(Exit::Done)
    }

    fn by_rules(&self, session: &Session) -> Result<Exit, Failure> {
        let act = if self.dry_run { Act::Plan } else { Act::Execute };
        let retained = self.rules.ask(session, &self.series, act)?;
        report(session, &retained, act)?;
        if self.sizes {
            let is_going = |judged: &&Judged| matches!(judged.fate, Fate::Forgotten { .. });
            let going: Vec<SnapshotId> =
                retained.judged.iter().filter(is_going).map(|judged| judged.id).collect();
            tell_freed(session, session.keep(Access::Read)?.keeper(), &going)?;
        }
        Ok(Exit::Done)
    }
}

impl RuleArguments {
    /// What these rules say of the series that fit, or the stored policies if there are no rules.
    pub(super) fn ask(&self, session: &Session, series: &Pattern, act: Act) -> Result<Retained, Failure> {
        // A server plans for those alone who may carry it out.
        let is_plan_here = act == Act::Plan && session.location()?.folder().is_some();
        let access = if is_plan_here { Access::Read } else { Access::Write };
        if self.has_tags() {
            let repository = session.open(access)?;
            let rules = Rules::Given(vec![self.policy(series.clone(), Some(&repository))?]);
            return Ok(repository.keeper().retain(&rules, act)?);
        }
        let locked = session.keep(access)?;
        let rules = if self.is_empty() {
            expect_policies(locked.keeper())?;
            Rules::Stored
        } else {
            Rules::Given(vec![self.policy(series.clone(), None)?])
        };
        Ok(locked.keeper().retain(&rules, act)?)
    }
}

/// Says what was decided of each snapshot, and how many stay.
pub(super) fn report(session: &Session, retained: &Retained, act: Act) -> Result<(), Failure> {
    let is_plan = act == Act::Plan;
    for judged in &retained.judged {
        let (fate, reasons, policy) = match &judged.fate {
            Fate::Kept { reasons } => ("keep", reasons.clone(), None),
            Fate::Forgotten { policy } => ("forget", Vec::new(), Some(policy.clone())),
        };
        let line = line::Judged {
            snapshot: judged.id,
            series: judged.series.clone(),
            received: judged.received,
            fate,
            reasons,
            policy,
        };
        // Who only wants it done hears of what goes.
        if is_plan {
            session.output.line(&line)?;
        } else if fate == "forget" {
            session.output.summary(&line)?;
        }
    }
    let forgotten =
        retained.judged.iter().filter(|judged| matches!(judged.fate, Fate::Forgotten { .. })).count();
    let kept = retained.judged.len() - forgotten;
    let (kept, forgotten) = (kept as u64, forgotten as u64);
    let is_frozen = retained.is_frozen;
    Ok(session.output.summary(&line::Retention { kept, forgotten, dry_run: is_plan, is_frozen })?)
}

/// Says how much room would be free without these snapshots.
fn tell_freed(session: &Session, keeper: &dyn Keeper, going: &[SnapshotId]) -> Result<(), Failure> {
    let freed = keeper.freed(going)?;
    Ok(session.output.summary(&line::Freed { bytes: freed.bytes, is_estimated: freed.is_estimated })?)
}

fn expect_policies(keeper: &dyn Keeper) -> Result<(), Failure> {
    let has_some = !keeper.settings()?.policies.is_empty();
    has_some.then_some(()).ok_or(Failure::NoPolicy)
}
