//! Tables of what was measured, and of how it stands to what was set out to be reached.

use std::fmt::Write;

use farkeep_benches::tree::Size;
use serde_json::Value;
use serde_json::json;

use crate::measure::Cost;
use crate::scenario::Outcome;
use crate::scenario::Reached;
use crate::target::Measure;
use crate::target::Target;
use crate::tool::Act;
use crate::tool::Kind;
use crate::tool::Tool;

/// One scenario, measured.
pub(crate) struct Report<'a> {
    /// What the tree is.
    pub title: String,
    /// Its first state.
    pub tree: Size,
    /// Those that took part.
    pub tools: &'a [Tool],
    /// What was measured.
    pub acts: &'a [Act],
    /// By round, then by tool.
    pub rounds: Vec<Vec<Reached>>,
    /// What Farkeep is held to here.
    pub targets: &'static [Target],
}

/// How an act stands after all rounds.
enum Cell {
    Absent,
    Failed,
    Cost(Cost, Fidelity),
}

/// How well the restored tree was what it should be, in the worst round.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fidelity {
    Exact,
    Metadata,
    Contents,
}

impl Report<'_> {
    /// The table of figures, then the table of targets, as Markdown.
    pub(crate) fn markdown(&self) -> String {
        let mut text = format!("### {}\n\n", self.title);
        self.figures(&mut text);
        self.notes(&mut text);
        self.ratios(&mut text);
        text
    }

    fn figures(&self, text: &mut String) {
        let names: Vec<String> = self.tools.iter().map(ToString::to_string).collect();
        let _ = writeln!(text, "| | {} |\n|---|{}", names.join(" | "), "---|".repeat(names.len()));
        for act in self.acts {
            let cells = (0..self.tools.len()).map(|tool| match self.cell(tool, *act) {
                Cell::Absent => "-".to_owned(),
                Cell::Failed => "failed".to_owned(),
                Cell::Cost(cost, fidelity) => format!("{}{}", written(cost), fidelity.mark()),
            });
            row(text, act.title(), cells);
        }
        row(text, "repository after the first backup, MB", self.sizes(|r| r.first.bytes));
        row(text, "the same, as allocated on disk", self.sizes(|r| r.first.allocated_bytes));
        if self.acts.contains(&Act::Incremental) {
            row(text, "added by the incremental run, MB", self.sizes(|r| r.added_bytes));
        }
        row(text, "cache beside it, MB", self.sizes(|r| r.cache_bytes));
        for act in Act::REMOVALS {
            if self.acts.contains(&act) {
                let cells = (0..self.tools.len()).map(|tool| match self.left(tool, act) {
                    Some((bytes, over)) => format!("{:.1} ({:+.1} %)", bytes / 1e6, 100.0 * (over - 1.0)),
                    None => "-".to_owned(),
                });
                row(text, &format!("{}: MB left, and over a new repository", act.title()), cells);
            }
        }
        text.push('\n');
    }

    fn sizes<'s>(&'s self, of: impl Fn(&Reached) -> u64 + 's) -> impl Iterator<Item = String> + 's {
        (0..self.tools.len()).map(move |tool| {
            if self.tools[tool].kind == Kind::Copy {
                return "-".to_owned();
            }
            format!("{:.1}", median(self.rounds.iter().map(|round| of(&round[tool]) as f64)) / 1e6)
        })
    }

    /// What a removal left in bytes, and as a multiple of a new repository with the same.
    fn left(&self, tool: usize, act: Act) -> Option<(f64, f64)> {
        let of = |round: &Vec<Reached>| {
            let (_, left) = round[tool].left.iter().find(|(found, _)| *found == act)?;
            Some((left.bytes as f64, left.bytes as f64 / left.new_bytes as f64))
        };
        let all: Vec<(f64, f64)> = self.rounds.iter().map(of).collect::<Option<_>>()?;
        Some((median(all.iter().map(|left| left.0)), median(all.iter().map(|left| left.1))))
    }

    fn notes(&self, text: &mut String) {
        for (index, tool) in self.tools.iter().enumerate() {
            let mut told: Vec<String> = Vec::new();
            for (act, outcome) in self.rounds.iter().flat_map(|round| &round[index].outcomes) {
                let note = match outcome {
                    Outcome::Done(_) => continue,
                    Outcome::Failed(why) => format!("{}: {why}", act.title()),
                    Outcome::Wrong(_, found) => {
                        let (contents, metadata) = (found.contents, found.metadata);
                        let examples = found.examples.join("; ");
                        format!(
                            "{contents} contents and {metadata} metadata not as in the source: {examples}"
                        )
                    }
                };
                if !told.contains(&note) {
                    told.push(note);
                }
            }
            let allocated = median(self.rounds.iter().map(|r| r[index].restored.allocated_bytes as f64));
            if allocated > 1.1 * self.tree.allocated_bytes as f64 {
                let source = self.tree.allocated_bytes as f64 / 1e6;
                told.push(format!("restores {:.0} MB on disk for {source:.0} MB", allocated / 1e6));
            }
            for note in told {
                let _ = writeln!(text, "- {tool}: {note}");
            }
        }
        text.push('\n');
    }

    fn ratios(&self, text: &mut String) {
        let _ = writeln!(text, "| measure | against | at most | reached | |\n|---|---|---|---|---|");
        for target in self.targets {
            let (against, reached) = self.reached(target);
            let limit = target.limit_text();
            let (value, verdict) = match reached {
                None => ("-".to_owned(), "not measured"),
                Some(value) if target.holds(value) => (target.text(value), "met"),
                Some(value) => (target.text(value), "not met"),
            };
            let _ = writeln!(text, "| {} | {against} | {limit} | {value} | {verdict} |", target.measure);
        }
        text.push('\n');
    }

    /// Whom the target compares with, and the ratio; for a target without rivals, the value itself.
    fn reached(&self, target: &Target) -> (String, Option<f64>) {
        let own = self.best(&[Kind::Farkeep], target.measure);
        let Some(rivals) = target.rivals else { return ("-".to_owned(), own.map(|(_, value)| value)) };
        match (own, self.best(rivals, target.measure)) {
            (Some((_, own)), Some((rival, theirs))) if theirs > 0.0 => {
                (rival.to_string(), Some(own / theirs))
            }
            (_, Some((rival, _))) => (rival.to_string(), None),
            (_, None) => (rivals.iter().map(|kind| kind.program()).collect::<Vec<_>>().join(", "), None),
        }
    }

    /// The best of some kinds. Who failed, or restored other bytes, does not count.
    fn best(&self, kinds: &[Kind], measure: Measure) -> Option<(&Tool, f64)> {
        let candidates = self.tools.iter().enumerate().filter(|(_, tool)| kinds.contains(&tool.kind));
        let valued = candidates.filter_map(|(index, tool)| Some((tool, self.value(index, measure)?)));
        valued.min_by(|(_, one), (_, other)| one.total_cmp(other))
    }

    fn value(&self, tool: usize, measure: Measure) -> Option<f64> {
        let cost = |act| match self.cell(tool, act) {
            Cell::Cost(cost, Fidelity::Exact | Fidelity::Metadata) => Some(cost),
            _ => None,
        };
        let over = |of: fn(&Reached) -> u64| median(self.rounds.iter().map(|r| of(&r[tool]) as f64));
        match measure {
            Measure::Wall(act) => cost(act).map(|cost| cost.wall.as_secs_f64()),
            Measure::Cpu(act) => cost(act).map(|cost| cost.cpu.as_secs_f64()),
            Measure::Repository => cost(Act::First).map(|_| over(|r| r.first.bytes)),
            Measure::Added => cost(Act::Incremental).map(|_| over(|r| r.added_bytes)),
            Measure::Left(act) => self.left(tool, act).map(|left| left.1),
            Measure::Peak => {
                let peaks = self.acts.iter().filter_map(|act| cost(*act)).map(|cost| cost.peak_bytes as f64);
                peaks.max_by(f64::total_cmp)
            }
        }
    }

    fn cell(&self, tool: usize, act: Act) -> Cell {
        let mut costs = Vec::new();
        let mut fidelity = Fidelity::Exact;
        for (_, outcome) in
            self.rounds.iter().flat_map(|r| &r[tool].outcomes).filter(|(found, _)| *found == act)
        {
            match outcome {
                Outcome::Failed(_) => return Cell::Failed,
                Outcome::Done(cost) => costs.push(*cost),
                Outcome::Wrong(cost, found) => {
                    costs.push(*cost);
                    let here = if found.contents > 0 { Fidelity::Contents } else { Fidelity::Metadata };
                    fidelity = fidelity.max(here);
                }
            }
        }
        if costs.is_empty() { Cell::Absent } else { Cell::Cost(middle(&costs), fidelity) }
    }

    /// Every single figure, for those who want to compute something else.
    pub(crate) fn json(&self) -> Value {
        let tools = self.tools.iter().enumerate().map(|(index, tool)| {
            let rounds: Vec<Value> = self.rounds.iter().map(|round| round_json(&round[index])).collect();
            json!({ "name": tool.name, "version": tool.to_string(), "rounds": rounds })
        });
        let targets = self.targets.iter().map(|target| {
            let (against, reached) = self.reached(target);
            json!({ "measure": target.measure.to_string(), "against": against, "at_most": target.at_most,
                    "reached": reached, "met": reached.map(|value| target.holds(value)) })
        });
        json!({ "title": self.title, "files": self.tree.files, "bytes": self.tree.bytes,
                "tools": tools.collect::<Vec<_>>(), "targets": targets.collect::<Vec<_>>() })
    }
}

impl Fidelity {
    fn mark(self) -> &'static str {
        match self {
            Self::Exact => "",
            Self::Metadata => " (metadata differ)",
            Self::Contents => " (CONTENTS DIFFER)",
        }
    }
}

fn round_json(reached: &Reached) -> Value {
    let acts: serde_json::Map<String, Value> = reached
        .outcomes
        .iter()
        .map(|(act, outcome)| {
            let value = match outcome {
                Outcome::Done(cost) => cost_json(*cost, 0, 0),
                Outcome::Wrong(cost, found) => cost_json(*cost, found.contents, found.metadata),
                Outcome::Failed(why) => json!({ "failed": why }),
            };
            (act.name().to_owned(), value)
        })
        .collect();
    json!({ "acts": acts, "repository_bytes": reached.first.bytes, "added_bytes": reached.added_bytes,
            "repository_allocated_bytes": reached.first.allocated_bytes, "cache_bytes": reached.cache_bytes,
            "left": reached.left.iter().map(|(act, left)| json!({ "act": act.name(), "bytes": left.bytes,
                "new_bytes": left.new_bytes })).collect::<Vec<_>>(),
            "restored_allocated_bytes": reached.restored.allocated_bytes })
}

fn cost_json(cost: Cost, contents: u64, metadata: u64) -> Value {
    json!({ "wall_seconds": cost.wall.as_secs_f64(), "cpu_seconds": cost.cpu.as_secs_f64(),
            "peak_bytes": cost.peak_bytes, "contents_differ": contents, "metadata_differ": metadata })
}

fn row(text: &mut String, title: &str, cells: impl Iterator<Item = String>) {
    let _ = writeln!(text, "| {title} | {} |", cells.collect::<Vec<_>>().join(" | "));
}

fn written(cost: Cost) -> String {
    let (wall, cpu) = (cost.wall.as_secs_f64(), cost.cpu.as_secs_f64());
    format!("{wall:.2} s, {cpu:.2} CPU s, {:.0} MiB", cost.peak_bytes as f64 / f64::from(1 << 20))
}

/// Each figure's own median.
fn middle(costs: &[Cost]) -> Cost {
    let mut walls: Vec<_> = costs.iter().map(|cost| cost.wall).collect();
    let mut cpus: Vec<_> = costs.iter().map(|cost| cost.cpu).collect();
    let mut peaks: Vec<_> = costs.iter().map(|cost| cost.peak_bytes).collect();
    walls.sort_unstable();
    cpus.sort_unstable();
    peaks.sort_unstable();
    let half = costs.len() / 2;
    Cost { wall: walls[half], cpu: cpus[half], peak_bytes: peaks[half] }
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}
