//! Runs Farkeep and other backup programs over the same trees and prints what each of them took.
//!
//! ```text
//! bash tests/prerequisites.sh cargo build --release -p farkeep
//! bash tests/prerequisites.sh cargo run --release -p farkeep-benches --bin compare -- --corpus DIR --work DIR
//! ```
//!
//! Run it on a machine that does nothing else, with the work folder on the disk that matters.

mod measure;
mod report;
mod scenario;
mod target;
mod tool;

use std::fs;
use std::io::Write;
use std::path::Path;
use std::path::PathBuf;

use anyhow::Context;
use anyhow::Result;
use anyhow::bail;
use clap::Parser;
use farkeep_benches::tree;
use serde_json::json;

use crate::report::Report;
use crate::scenario::Caches;
use crate::scenario::Scenario;
use crate::scenario::Source;
use crate::tool::Act;
use crate::tool::Tool;

/// Compares backup programs over the same trees.
///
/// Prints one table of figures for each tree, and one of Farkeep's targets. Each cell is the median over the runs of
/// wall time, CPU time of the process and its children, and the memory of the largest single process. Every tool runs
/// with its defaults and with encryption, keeps its own cache, and every restored tree is compared with its source.
#[derive(Debug, Parser)]
struct Arguments {
    /// A folder with two versions of a tree, v1 and v2. A copy in the work folder goes from one to the other by rsync.
    #[arg(long, value_name = "DIR")]
    corpus: Option<PathBuf>,
    /// A tree that --forward edits in place and --back brings back.
    #[arg(long, value_name = "DIR", requires_all = ["forward", "back"])]
    edited: Option<PathBuf>,
    /// Shell command that brings the edited tree to its second state.
    #[arg(long, value_name = "COMMAND")]
    forward: Option<String>,
    /// Shell command that undoes --forward.
    #[arg(long, value_name = "COMMAND")]
    back: Option<String>,
    /// One generated file of so many GiB, half of it random, half of it holes.
    #[arg(long, value_name = "GIB")]
    large: Option<u64>,
    /// Folder for the repositories and restored trees; what it holds already is left alone.
    #[arg(long, value_name = "DIR")]
    work: PathBuf,
    /// A tool: NAME=PATH, or NAME for the program of that name in PATH. The name begins with farkeep, restic, borg,
    /// rustic or bupstash (borg-1.4=/opt/borg). Without any, whatever is found. May be given many times.
    #[arg(long = "tool", value_name = "NAME[=PATH]")]
    tools: Vec<String>,
    /// How many rounds; the tables show medians.
    #[arg(long, default_value_t = 3, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,
    /// What is in memory when a measured command starts.
    #[arg(long, value_enum, default_value_t = Caches::Warm)]
    caches: Caches,
    /// Which rows: first, unchanged, incremental, restore, check, remove-newest, remove, repack. All without it.
    #[arg(long, value_delimiter = ',', value_name = "ROW,…", value_parser = act)]
    rows: Vec<Act>,
    /// Also write every single figure as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

fn act(name: &str) -> Result<Act, String> {
    Act::ALL.into_iter().find(|act| act.name() == name).ok_or_else(|| format!("there is no row {name}"))
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let sources = sources(&arguments)?;
    let mut tools = match arguments.tools.as_slice() {
        [] => Tool::installed()?,
        named => named.iter().map(|name| Tool::parse(name)).collect::<Result<_>>()?,
    };
    tools.push(Tool::copy());
    let acts = if arguments.rows.is_empty() { Act::ALL.to_vec() } else { arguments.rows.clone() };
    fs::create_dir_all(&arguments.work)?;
    let work = fs::canonicalize(&arguments.work)?.join("compare");
    fs::create_dir(&work).with_context(|| format!("{} must not exist yet", work.display()))?;

    let (machine, runs) = (machine(&work), arguments.runs);
    let caches = match arguments.caches {
        Caches::Warm => "caches warm: what a command reads was read once just before",
        Caches::Cold => "caches cold: dropped before every command",
    };
    let mut out = std::io::stdout().lock();
    let rounds = if runs == 1 { "one run".to_owned() } else { format!("{runs} runs, medians") };
    writeln!(out, "{machine}; {rounds}; {caches}; wall, CPU, memory of the largest process\n")?;
    let mut all = Vec::new();
    for source in &sources {
        let scenario = Scenario { source, tools: &tools, acts: &acts, caches: arguments.caches, work: &work };
        let report = measured(&scenario, runs)?;
        write!(out, "{}", report.markdown())?;
        out.flush()?;
        all.push(report.json());
    }
    if let Some(path) = &arguments.json {
        let whole =
            json!({ "version": 1, "machine": machine, "runs": runs, "caches": caches, "scenarios": all });
        fs::write(path, format!("{whole:#}\n")).with_context(|| format!("writing {}", path.display()))?;
    }
    fs::remove_dir_all(&work).with_context(|| format!("removing {}", work.display()))
}

fn sources(arguments: &Arguments) -> Result<Vec<Source>> {
    let mut sources = Vec::new();
    if let Some(corpus) = &arguments.corpus {
        let corpus = fs::canonicalize(corpus).with_context(|| format!("looking for {}", corpus.display()))?;
        let (v1, v2) = (corpus.join("v1"), corpus.join("v2"));
        if !v1.is_dir() || !v2.is_dir() {
            bail!("{} must hold two folders, v1 and v2", corpus.display())
        }
        sources.push(Source::Versions { v1, v2 });
    }
    if let (Some(tree), Some(forward), Some(back)) = (&arguments.edited, &arguments.forward, &arguments.back)
    {
        let tree = fs::canonicalize(tree).with_context(|| format!("looking for {}", tree.display()))?;
        sources.push(Source::Edited { tree, forward: forward.clone(), back: back.clone() });
    }
    if let Some(gib) = arguments.large {
        sources.push(Source::Large { bytes: gib << 30 });
    }
    if sources.is_empty() {
        bail!("nothing to compare over: give --corpus, --edited or --large")
    }
    Ok(sources)
}

fn measured<'a>(scenario: &Scenario<'a>, runs: u32) -> Result<Report<'a>> {
    scenario.begin()?;
    let tree = tree::size(&scenario.tree())?;
    let (what, targets) = match scenario.source {
        Source::Versions { .. } => ("Two versions of a source tree", target::VERSIONS),
        Source::Edited { .. } => ("Many files, some of them edited in place", target::EDITED),
        Source::Large { .. } => ("One large file, half random, half holes", target::LARGE),
    };
    let title = format!("{what}: {} files, {:.2} GB", tree.files, tree.bytes as f64 / 1e9);
    let rounds = scenario.rounds(runs)?;
    if !matches!(scenario.source, Source::Edited { .. }) {
        fs::remove_dir_all(scenario.tree())?;
    }
    Ok(Report { title, tree, tools: scenario.tools, acts: scenario.acts, rounds, targets })
}

/// What the figures were measured on, as far as the machine says.
fn machine(work: &Path) -> String {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let after_colon = |text: &str, key: &str| {
        let line = text.lines().find(|line| line.starts_with(key))?.split_once(':')?.1;
        Some(line.trim().to_owned())
    };
    let processor =
        after_colon(&read("/proc/cpuinfo"), "model name").unwrap_or_else(|| "unknown processor".into());
    let memory = after_colon(&read("/proc/meminfo"), "MemTotal");
    let kib = memory.and_then(|text| text.split(' ').next()?.parse::<f64>().ok()).unwrap_or_default();
    let kernel = read("/proc/sys/kernel/osrelease");
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let gib = kib / f64::from(1 << 20);
    let system = file_system(work, &read("/proc/self/mounts"));
    format!("{cores} cores of {processor}, {gib:.0} GiB, Linux {}, {system}", kernel.trim())
}

/// The type of the file system of the longest mount point above the folder.
fn file_system(folder: &Path, mounts: &str) -> String {
    let words = mounts.lines().map(|line| line.split(' ').collect::<Vec<_>>());
    let above = words.filter(|words| words.len() > 2 && folder.starts_with(words[1]));
    above.max_by_key(|words| words[1].len()).map_or_else(String::new, |words| words[2].to_owned())
}
