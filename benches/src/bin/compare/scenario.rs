//! A scenario is one tree with two states, and the rounds in which every tool meets them.
//!
//! Within a round the tools take turns act by act (A B C, then A B C again), so that a noisy minute of the machine
//! falls on all of them, and the tree is updated once for all.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::Context;
use anyhow::Result;
use anyhow::bail;
use farkeep_benches::tree;
use farkeep_benches::tree::Differences;
use farkeep_benches::tree::Size;
use farkeep_benches::tree::State;

use crate::measure;
use crate::measure::Cost;
use crate::tool::Act;
use crate::tool::Kind;
use crate::tool::Place;
use crate::tool::Tool;

/// Where the two states of the tree come from.
#[derive(Clone, Debug)]
pub(crate) enum Source {
    /// Two folders; a working copy is brought from one to the other by `rsync -a --delete`, so that a file that does
    /// not change keeps its inode and time.
    Versions {
        /// The first state.
        v1: PathBuf,
        /// The second state.
        v2: PathBuf,
    },
    /// A folder that commands edit in place.
    Edited {
        /// The tree, in its first state.
        tree: PathBuf,
        /// Brings it to the second state.
        forward: String,
        /// Brings it back.
        back: String,
    },
    /// One generated file.
    Large {
        /// Its length.
        bytes: u64,
    },
}

/// How long the tree is left alone between rounds. Tools that believe a file's time only when it is old enough (Farkeep
/// waits until the kernel has written what may lie in memory maps, 40 s) find it at rest, as in everyday use.
const REST: Duration = Duration::from_secs(45);

/// What is in memory when a measured command starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Caches {
    /// What it will read has been read once just before.
    Warm,
    /// Nothing: the kernel was told to drop its caches (needs root).
    Cold,
}

/// What one act came to.
#[derive(Clone, Debug)]
pub(crate) enum Outcome {
    /// It succeeded, and its result was what it should be.
    Done(Cost),
    /// It succeeded at this cost, but the restored tree is not the source.
    Wrong(Cost, Differences),
    /// It failed, or one before it did.
    Failed(String),
}

/// All that a tool reached in one round.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reached {
    /// By act; acts that were not asked for or that the tool lacks are absent.
    pub outcomes: Vec<(Act, Outcome)>,
    /// The repository after the first backup.
    pub first: Size,
    /// What the incremental run made of it.
    pub added_bytes: u64,
    /// What the tool keeps beside the repository, after the first backup.
    pub cache_bytes: u64,
    /// What each removal left, and what a new repository has with that state of the tree alone.
    pub left: Vec<(Act, Left)>,
    /// The restored tree.
    pub restored: Size,
}

/// What a removal left.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Left {
    /// The length of the repository.
    pub bytes: u64,
    /// That of a new repository with the same state of the tree.
    pub new_bytes: u64,
}

/// One scenario and what was measured in it.
pub(crate) struct Scenario<'a> {
    /// The two states.
    pub source: &'a Source,
    /// Those that take part, the reference for restores among them.
    pub tools: &'a [Tool],
    /// Which acts are measured. Those that others build on are done anyway.
    pub acts: &'a [Act],
    /// What is in memory.
    pub caches: Caches,
    /// A folder for everything.
    pub work: &'a Path,
}

impl Scenario<'_> {
    /// The tree that is backed up.
    pub(crate) fn tree(&self) -> PathBuf {
        match self.source {
            Source::Versions { .. } => self.work.join("tree"),
            Source::Edited { tree, .. } => tree.clone(),
            Source::Large { .. } => self.work.join("large"),
        }
    }

    /// Brings the tree to its first state.
    pub(crate) fn begin(&self) -> Result<()> {
        match self.source {
            Source::Versions { v1, .. } => self.synchronise(v1),
            Source::Edited { .. } => Ok(()),
            Source::Large { bytes } => tree::make_large(&self.tree(), *bytes),
        }
    }

    fn forward(&self) -> Result<()> {
        match self.source {
            Source::Versions { v2, .. } => self.synchronise(v2),
            Source::Edited { forward, .. } => shell(forward),
            Source::Large { .. } => tree::edit_large(&self.tree(), State::Second),
        }
    }

    fn back(&self) -> Result<()> {
        match self.source {
            Source::Versions { v1, .. } => self.synchronise(v1),
            Source::Edited { back, .. } => shell(back),
            Source::Large { .. } => tree::edit_large(&self.tree(), State::First),
        }
    }

    fn synchronise(&self, from: &Path) -> Result<()> {
        fs::create_dir_all(self.tree())?;
        let mut with_slash = from.as_os_str().to_owned();
        with_slash.push("/");
        let status = Command::new("rsync").args(["-a", "--delete"]).arg(with_slash).arg(self.tree()).status();
        if !status.context("starting rsync")?.success() {
            bail!("rsync from {} failed", from.display())
        }
        Ok(())
    }

    /// So many rounds, and rest for the tree between them.
    pub(crate) fn rounds(&self, count: u32) -> Result<Vec<Vec<Reached>>> {
        let round = |at| {
            if at > 0 {
                std::thread::sleep(REST);
            }
            self.round()
        };
        (0..count).map(round).collect()
    }

    /// One round: every act, each by every tool in turn. The tree is in its first state before and after.
    fn round(&self) -> Result<Vec<Reached>> {
        let mut all = vec![Reached::default(); self.tools.len()];
        for tool in self.tools {
            self.prepare(tool)?;
        }
        for act in Act::ALL {
            if act == Act::Incremental {
                self.forward()?;
            }
            for (tool, reached) in self.tools.iter().zip(&mut all) {
                if self.wants(act) {
                    self.act(tool, act, reached)?;
                }
            }
        }
        for tool in self.tools {
            remove(&self.folder(tool))?;
        }
        self.back()?;
        Ok(all)
    }

    /// An act is done when it is measured, and a first and an incremental backup when a later act builds on them.
    fn wants(&self, act: Act) -> bool {
        self.acts.contains(&act)
            || act == Act::First
            || (act == Act::Incremental && self.acts.iter().any(|measured| *measured > Act::Incremental))
            || (act == Act::Remove && self.acts.contains(&Act::Repack))
    }

    fn prepare(&self, tool: &Tool) -> Result<()> {
        remove(&self.folder(tool))?;
        let place = self.place(tool, Act::First);
        fs::create_dir_all(place.folder.join("home"))?;
        fs::create_dir_all(place.cache())?;
        measure::run(tool.prepare(&place), &place.folder.join("log")).map(drop)
    }

    fn act(&self, tool: &Tool, act: Act, reached: &mut Reached) -> Result<()> {
        let mut place = self.place(tool, if act >= Act::Incremental { Act::Incremental } else { act });
        let failed_before = reached.outcomes.iter().any(|(_, outcome)| matches!(outcome, Outcome::Failed(_)));
        if failed_before {
            reached.outcomes.push((act, Outcome::Failed("an act before it failed".into())));
            return Ok(());
        }
        if act == Act::RemoveNewest && tool.kind != Kind::Copy {
            // The other removal finds what it needs where it was.
            place.folder = copied(&place.folder)?;
        }
        let Some(commands) = tool.commands(act, &place)? else { return Ok(()) };
        if act == Act::Restore {
            remove(&place.target)?;
            fs::create_dir_all(&place.target)?;
        }
        let before = tree::size(&place.repository())?;
        self.settle(act, &place)?;
        let outcome = match measure::run(commands, &place.folder.join("log")) {
            Ok(cost) if act == Act::Restore => self.restored(&place, cost, reached)?,
            Ok(cost) => Outcome::Done(cost),
            Err(error) => Outcome::Failed(format!("{error:#}")),
        };
        let after = tree::size(&place.repository())?;
        match act {
            Act::First => {
                reached.first = after;
                reached.cache_bytes = tree::size(&place.cache())?.bytes;
            }
            Act::Incremental => reached.added_bytes = after.bytes.saturating_sub(before.bytes),
            Act::RemoveNewest => {
                reached.left.push((act, Left { bytes: after.bytes, new_bytes: reached.first.bytes }));
                remove(&place.folder)?;
            }
            Act::Remove => {
                let new_bytes = self.new_bytes(tool, &place)?;
                reached.left.push((act, Left { bytes: after.bytes, new_bytes }));
            }
            Act::Repack => {
                let before = reached.left.last().map_or(0, |(_, left)| left.new_bytes);
                reached.left.push((act, Left { bytes: after.bytes, new_bytes: before }));
            }
            _ => {}
        }
        note(tool, act, &outcome);
        if self.acts.contains(&act) || matches!(outcome, Outcome::Failed(_)) {
            reached.outcomes.push((act, outcome));
        }
        Ok(())
    }

    /// The length of a new repository into which the tree is backed up as it is now.
    fn new_bytes(&self, tool: &Tool, place: &Place) -> Result<u64> {
        let folder = place.folder.join("new");
        let place = Place { folder: folder.clone(), ..place.clone() };
        fs::create_dir_all(folder.join("home"))?;
        fs::create_dir_all(place.cache())?;
        let log = folder.join("log");
        measure::run(tool.prepare(&place), &log)?;
        measure::run(tool.commands(Act::First, &place)?.unwrap_or_default(), &log)?;
        let size = tree::size(&place.repository())?;
        remove(&folder)?;
        Ok(size.bytes)
    }

    fn restored(&self, place: &Place, cost: Cost, reached: &mut Reached) -> Result<Outcome> {
        let found = tree::compare(&place.source, &place.restored())?;
        reached.restored = tree::size(&place.restored())?;
        remove(&place.target)?;
        Ok(if found.contents + found.metadata == 0 {
            Outcome::Done(cost)
        } else {
            Outcome::Wrong(cost, found)
        })
    }

    /// What was written earlier reaches the disk first, so that nobody pays for another's writes; then the caches are
    /// brought to the state that the table names.
    fn settle(&self, act: Act, place: &Place) -> Result<()> {
        rustix::fs::sync();
        match self.caches {
            Caches::Cold => {
                fs::write("/proc/sys/vm/drop_caches", "3").context("dropping the kernel's caches")
            }
            Caches::Warm if act <= Act::Incremental => tree::read_once(&place.source),
            Caches::Warm if place.repository().exists() => tree::read_once(&place.repository()),
            Caches::Warm => tree::read_once(&place.source),
        }
    }

    fn folder(&self, tool: &Tool) -> PathBuf {
        self.work.join("tools").join(&tool.name)
    }

    fn place(&self, tool: &Tool, newest: Act) -> Place {
        let folder = self.folder(tool);
        Place { source: self.tree(), target: folder.join("restored"), folder, newest }
    }
}

fn note(tool: &Tool, act: Act, outcome: &Outcome) {
    let text = match outcome {
        Outcome::Done(cost) => format!("{:.2} s", cost.wall.as_secs_f64()),
        Outcome::Wrong(cost, found) => {
            let Differences { contents, metadata, examples } = found;
            let wall = cost.wall.as_secs_f64();
            format!(
                "{wall:.2} s, {contents} contents and {metadata} metadata differ: {}",
                examples.join("; ")
            )
        }
        Outcome::Failed(why) => format!("failed: {why}"),
    };
    // Progress is a courtesy: a closed stderr does not stop a measurement.
    let _ = writeln!(std::io::stderr(), "{tool}, {}: {text}", act.title());
}

fn shell(line: &str) -> Result<()> {
    let status =
        Command::new("sh").args(["-c", line]).status().with_context(|| format!("starting {line}"))?;
    if !status.success() {
        bail!("{line} ended with {status}")
    }
    Ok(())
}

/// A copy of a tool's folder, inside of it.
fn copied(folder: &Path) -> Result<PathBuf> {
    let copy = folder.join("copy");
    fs::create_dir(&copy)?;
    for name in ["repository", "cache", "home", "key"] {
        let from = folder.join(name);
        if from.exists() {
            let status =
                Command::new("cp").arg("-a").arg(&from).arg(&copy).status().context("starting cp")?;
            anyhow::ensure!(status.success(), "{} could not be copied", from.display());
        }
    }
    Ok(copy)
}

fn remove(folder: &Path) -> Result<()> {
    if !folder.exists() {
        return Ok(());
    }
    fs::remove_dir_all(folder).with_context(|| format!("removing {}", folder.display()))
}
