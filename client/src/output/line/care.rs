//! What is said about scrubs and repairs.

use std::io;
use std::io::Write;
use std::time::Duration;

use farkeep_codec::time::Time;
use farkeep_engine::PatrolOutcome;
use farkeep_engine::Patrolled;
use farkeep_engine::RepairPlan;
use farkeep_engine::Repaired;
use farkeep_engine::Verifications;
use serde::Serialize;

use super::super::Line;
use super::super::text;

/// When the packs of a repository were verified.
#[derive(Debug, Clone, Serialize)]
pub struct ScrubStatus {
    /// All packs.
    pub packs: u64,
    /// Bytes of them.
    pub bytes: u64,
    /// Packs that were never verified as they are now.
    pub packs_unverified: u64,
    /// Bytes of them.
    pub bytes_unverified: u64,
    /// The oldest of the last verifications of the others.
    #[serde(serialize_with = "text::rfc3339_or_null")]
    pub oldest: Option<Time>,
    /// How old a verification may become, in seconds; 0 for any age.
    pub within_seconds: u64,
    /// Whether one is older than that.
    pub late: bool,
    /// So many bytes must be verified each second, so that none becomes older.
    pub bytes_per_second: u64,
}

/// The end of a scrub.
#[derive(Debug, Clone, Serialize)]
pub struct Scrub {
    /// `good`, `healed` or `damaged`.
    pub result: &'static str,
    /// `complete`, `stopped` or `running`: then another one is under way.
    pub outcome: &'static str,
    /// Packs that were verified.
    pub packs: u64,
    /// Bytes of them.
    pub bytes: u64,
    /// Packs in which something was not as it was written.
    pub packs_damaged: u64,
    /// Blocks that were written anew.
    pub blocks_healed: u64,
    /// Packs of which everything was copied, since nothing can be written into them.
    pub packs_evacuated: u64,
    /// Objects that are lost until they are stored again.
    pub objects_lost: u64,
    /// Packs of which something is damaged still.
    pub packs_unhealed: u64,
    /// How long it took.
    #[serde(serialize_with = "text::seconds")]
    pub seconds: Duration,
}

/// One step of a repair.
#[derive(Debug, Clone, Serialize)]
pub struct RepairStep {
    /// `heal`, `quarantine`, `rebuild-index`, `mend`, `remove` or `leave`.
    pub act: &'static str,
    /// The pack or the file.
    pub name: String,
    /// Blocks that are written, or objects that are given up until they are stored again.
    pub count: u64,
    /// What is wrong.
    pub why: String,
}

/// The end of a repair.
#[derive(Debug, Clone, Serialize)]
pub struct Repair {
    /// Steps of the plan that do something.
    pub steps: u64,
    /// Damage for which there is nothing to be done.
    pub left: u64,
    /// Whether it was carried out.
    pub carried_out: bool,
    /// Blocks that were written anew.
    pub blocks_healed: u64,
    /// Packs of which everything was copied, since nothing can be written into them.
    pub packs_evacuated: u64,
    /// Objects that are lost until they are stored again.
    pub objects_lost: u64,
}

impl ScrubStatus {
    /// In the words of the output.
    pub fn of(known: &Verifications) -> Self {
        Self {
            packs: known.packs,
            bytes: known.bytes,
            packs_unverified: known.packs_unverified,
            bytes_unverified: known.bytes_unverified,
            oldest: known.oldest,
            within_seconds: known.bound.map_or(0, |bound| bound.as_secs()),
            late: known.is_late,
            bytes_per_second: known.bytes_per_second,
        }
    }
}

impl Scrub {
    /// The figures of a patrol.
    pub fn of(patrolled: &Patrolled, elapsed: Duration) -> Self {
        let healing = &patrolled.healing;
        Self {
            result: match patrolled.damaged_count {
                0 => "good",
                _ if healing.object_count == 0 && healing.unhealed.is_empty() => "healed",
                _ => "damaged",
            },
            outcome: match patrolled.outcome {
                PatrolOutcome::Complete => "complete",
                PatrolOutcome::Stopped => "stopped",
                PatrolOutcome::Running => "running",
            },
            packs: patrolled.packs,
            bytes: patrolled.bytes,
            packs_damaged: patrolled.damaged_count,
            blocks_healed: healing.blocks,
            packs_evacuated: healing.evacuated.len() as u64,
            objects_lost: healing.object_count,
            packs_unhealed: healing.unhealed.len() as u64,
            seconds: elapsed,
        }
    }
}

impl RepairStep {
    /// In the words of the output.
    pub fn of(step: &farkeep_engine::RepairStep) -> Self {
        use farkeep_engine::RepairStep as Step;
        let new = |act, name: String, count, why: &str| Self { act, name, count, why: why.to_owned() };
        match step {
            Step::Heal { pack, blocks } => new("heal", pack.to_string(), *blocks, "not as they were written"),
            Step::Quarantine { pack, records, .. } => {
                new("quarantine", pack.to_string(), *records, "more is damaged than parity heals")
            }
            Step::RebuildIndex => {
                new("rebuild-index", "index".to_owned(), 0, "it says otherwise than the packs")
            }
            Step::Mend { path, what } => new("mend", path.display().to_string(), 0, what),
            Step::Remove { path } => {
                new("remove", path.display().to_string(), 0, "left by a run that did not end")
            }
            Step::Leave { path, what } => new("leave", path.display().to_string(), 0, what),
            _ => new("leave", String::new(), 0, "unknown to this program"),
        }
    }
}

impl Repair {
    /// What would be done.
    pub fn of(plan: &RepairPlan) -> Self {
        let is_left =
            |step: &&farkeep_engine::RepairStep| matches!(step, farkeep_engine::RepairStep::Leave { .. });
        let left = plan.steps.iter().filter(is_left).count() as u64;
        Self {
            steps: plan.steps.len() as u64 - left,
            left,
            carried_out: false,
            blocks_healed: 0,
            packs_evacuated: 0,
            objects_lost: 0,
        }
    }

    /// What was done.
    pub fn done(&mut self, repaired: &Repaired) {
        self.carried_out = true;
        self.blocks_healed = repaired.healing.blocks;
        self.packs_evacuated = repaired.healing.evacuated.len() as u64;
        self.objects_lost = repaired.healing.object_count;
    }
}

/// What became of objects that are beyond healing.
fn lost(out: &mut dyn Write, objects: u64) -> io::Result<()> {
    if objects == 0 {
        return Ok(());
    }
    let objects = text::counted(objects, "object", "objects");
    writeln!(
        out,
        "{objects} cannot be healed: the next backup of the same data stores them again, and \
                   `farkeep check` names what they belong to"
    )
}

fn evacuated(out: &mut dyn Write, packs: u64) -> io::Result<()> {
    if packs == 0 {
        return Ok(());
    }
    let packs = text::counted(packs, "pack", "packs");
    writeln!(out, "{packs} could not be written, and were copied: look after the disk")
}

impl Line for ScrubStatus {
    const TYPE: &'static str = "scrub_status";

    fn human(&self, out: &mut dyn Write) -> io::Result<()> {
        let packs = text::counted(self.packs, "pack", "packs");
        let (bytes, waiting) = (text::bytes(self.bytes), text::bytes(self.bytes_unverified));
        writeln!(
            out,
            "{packs} ({bytes}), of which {} ({waiting}) were never verified",
            self.packs_unverified
        )?;
        if let Some(oldest) = self.oldest {
            writeln!(out, "the oldest verification is of {}", text::local(oldest))?;
        }
        if self.within_seconds > 0 {
            let days = self.within_seconds / 86_400;
            let rate = text::bytes(self.bytes_per_second);
            writeln!(out, "all of it every {}: {rate}/s from now on", text::counted(days, "day", "days"))?;
        }
        if self.late {
            writeln!(out, "LATE: something was verified longer ago than that")?;
        }
        Ok(())
    }
}

impl Line for Scrub {
    const TYPE: &'static str = "scrub";

    fn human(&self, out: &mut dyn Write) -> io::Result<()> {
        let packs = text::counted(self.packs, "pack", "packs");
        let (bytes, elapsed) = (text::bytes(self.bytes), text::duration(self.seconds));
        writeln!(out, "{}: {packs} ({bytes}) verified in {elapsed}", self.result)?;
        if self.packs_damaged > 0 {
            let damaged = text::counted(self.packs_damaged, "pack", "packs");
            let blocks = text::counted(self.blocks_healed, "block", "blocks");
            writeln!(out, "{damaged} with damage; {blocks} healed")?;
        }
        evacuated(out, self.packs_evacuated)?;
        lost(out, self.objects_lost)?;
        match self.outcome {
            "stopped" => writeln!(out, "it was stopped; the next one goes on with the rest"),
            "running" => writeln!(out, "another one is under way"),
            _ => Ok(()),
        }
    }
}

impl Line for RepairStep {
    const TYPE: &'static str = "repair_step";

    fn human(&self, out: &mut dyn Write) -> io::Result<()> {
        match self.act {
            "heal" => {
                let blocks = text::counted(self.count, "block", "blocks");
                writeln!(out, "heal           pack {}: {blocks} from parity", self.name)
            }
            "quarantine" => {
                let objects = text::counted(self.count, "object", "objects");
                writeln!(out, "quarantine     pack {}: {objects}, {}", self.name, self.why)
            }
            act => writeln!(out, "{act:<13}  {}: {}", self.name, self.why),
        }
    }
}

impl Line for Repair {
    const TYPE: &'static str = "repair";

    fn human(&self, out: &mut dyn Write) -> io::Result<()> {
        match (self.steps, self.carried_out) {
            (0, _) if self.left == 0 => writeln!(out, "nothing to repair")?,
            (0, _) => writeln!(out, "nothing can be done about what is damaged")?,
            (steps, false) => {
                let steps = text::counted(steps, "step", "steps");
                writeln!(out, "nothing was changed: {steps} to do, with --yes")?;
            }
            (steps, true) => {
                let steps = text::counted(steps, "step", "steps");
                let blocks = text::counted(self.blocks_healed, "block", "blocks");
                writeln!(out, "{steps} done; {blocks} healed")?;
            }
        }
        evacuated(out, self.packs_evacuated)?;
        lost(out, self.objects_lost)
    }
}
