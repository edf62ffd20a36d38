//! `farkeep forget`

use std::collections::HashSet;

use clap::Args;
use farkeep_codec::id::SnapshotId;
use farkeep_engine::Act;
use farkeep_engine::Freed;
use farkeep_engine::Rules;
use farkeep_engine::policy::Pattern;

use super::failure::Failure;
use super::rules::RuleArguments;
use super::session::Session;
use super::subject::Named;
use crate::output::chain;
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
  farkeep forget --keep-last 10 --dry-run
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
    /// Say what would go and what stays, why, and how many bytes that would free; change nothing. Reads all trees
    #[arg(long, short = 'n')]
    dry_run: bool,
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
        let mut named = Named::find(session, &self.snapshots, access)?;
        let mut seen = HashSet::new();
        named.ids.retain(|id| seen.insert(*id));
        if self.dry_run {
            return would_be_forgotten(session, named.keeper(), &named.ids);
        }
        for id in &named.ids {
            named.keeper().forget(id, &self.reason)?;
            let change = "forgotten";
            let (snapshot, until, unique_bytes) = (*id, None, None);
            session.output.summary(&line::SnapshotChange { snapshot, change, until, unique_bytes })?;
        }
        Ok(Exit::Done)
    }

    fn by_rules(&self, session: &Session) -> Result<Exit, Failure> {
        let act = if self.dry_run { Act::Plan } else { Act::Execute };
        report(session, &self.rules.ask(session, &self.series, act)?, act)?;
        Ok(Exit::Done)
    }
}

/// What rules say, and what it means.
#[derive(Debug)]
pub(super) struct Answer {
    retained: Retained,
    /// What a plan would free, if that is known.
    freed: Option<Freed>,
}

impl RuleArguments {
    /// What these rules say of the series that fit, or the stored policies if there are no rules.
    pub(super) fn ask(&self, session: &Session, series: &Pattern, act: Act) -> Result<Answer, Failure> {
        // A server plans for those alone who may carry it out.
        let is_plan_here = act == Act::Plan && session.location()?.folder().is_some();
        let access = if is_plan_here { Access::Read } else { Access::Write };
        if self.has_tags() {
            let repository = session.open(access)?;
            let rules = Rules::Given(vec![self.policy(series.clone(), Some(&repository))?]);
            return answer(session, repository.keeper(), &rules, act);
        }
        let locked = session.keep(access)?;
        let rules = if self.is_empty() {
            expect_policies(locked.keeper())?;
            Rules::Stored
        } else {
            Rules::Given(vec![self.policy(series.clone(), None)?])
        };
        answer(session, locked.keeper(), &rules, act)
    }
}

fn answer(session: &Session, keeper: &dyn Keeper, rules: &Rules, act: Act) -> Result<Answer, Failure> {
    let retained = keeper.retain(rules, act)?;
    let going: Vec<SnapshotId> =
        retained.judged.iter().filter(|judged| is_going(judged)).map(|judged| judged.id).collect();
    let freed = if act == Act::Plan { freed(session, keeper, &going) } else { None };
    Ok(Answer { retained, freed })
}

/// What would be free without these. A plan is told all the same where that cannot be said.
fn freed(session: &Session, keeper: &dyn Keeper, going: &[SnapshotId]) -> Option<Freed> {
    let told = keeper.freed(going).map_err(|error| {
        let why = chain(&error);
        session.output.warn(&format!("warning: it is not known how much that would free: {why}"));
    });
    told.ok()
}

/// Says what would happen to snapshots that were named.
fn would_be_forgotten(session: &Session, keeper: &dyn Keeper, ids: &[SnapshotId]) -> Result<Exit, Failure> {
    let freed = freed(session, keeper, ids);
    for (at, id) in ids.iter().enumerate() {
        session.output.summary(&line::SnapshotChange {
            snapshot: *id,
            change: "to be forgotten",
            until: None,
            unique_bytes: unique_bytes(freed.as_ref(), at),
        })?;
    }
    tell_freed(session, freed.as_ref())?;
    Ok(Exit::Done)
}

fn unique_bytes(freed: Option<&Freed>, at: usize) -> Option<u64> {
    freed?.each.get(at).map(|size| size.unique_bytes)
}

fn is_going(judged: &Judged) -> bool {
    matches!(judged.fate, Fate::Forgotten { .. })
}

/// Says what was decided of each snapshot, and how many stay.
pub(super) fn report(session: &Session, answer: &Answer, act: Act) -> Result<(), Failure> {
    let (is_plan, mut forgotten) = (act == Act::Plan, 0);
    let Answer { retained, freed } = answer;
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
            unique_bytes: if is_going(judged) { unique_bytes(freed.as_ref(), forgotten) } else { None },
        };
        forgotten += usize::from(is_going(judged));
        // Who only wants it done hears of what goes.
        if is_plan {
            session.output.line(&line)?;
        } else if fate == "forget" {
            session.output.summary(&line)?;
        }
    }
    let kept = retained.judged.len() - forgotten;
    let (kept, forgotten) = (kept as u64, forgotten as u64);
    let is_frozen = retained.is_frozen;
    session.output.summary(&line::Retention { kept, forgotten, dry_run: is_plan, is_frozen })?;
    tell_freed(session, freed.as_ref())
}

/// Says how much room would be free without these snapshots.
fn tell_freed(session: &Session, freed: Option<&Freed>) -> Result<(), Failure> {
    let Some(Freed { bytes, is_estimated, .. }) = freed else { return Ok(()) };
    let (bytes, is_estimated) = (*bytes, *is_estimated);
    Ok(session.output.summary(&line::Freed { bytes, is_estimated })?)
}

fn expect_policies(keeper: &dyn Keeper) -> Result<(), Failure> {
    let has_some = !keeper.settings()?.policies.is_empty();
    has_some.then_some(()).ok_or(Failure::NoPolicy)
}
