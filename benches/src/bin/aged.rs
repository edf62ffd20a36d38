//! Whether the newest snapshot of an old repository is restored as fast as that of a new one.
//!
//! ```text
//! bash tests/prerequisites.sh cargo build --release -p farkeep
//! bash tests/prerequisites.sh cargo run --release -p farkeep-benches --bin aged
//! ```
//!
//! A tree is backed up two hundred times, one hundredth of its files and of the blocks of its large files having changed at random
//! places before each time. Then what rules do not keep is forgotten and collected, and the newest snapshot is restored in
//! turn from this repository and from a new one that holds nothing else.

use std::ffi::OsString;
use std::fs;
use std::fs::File;
use std::fs::OpenOptions;
use std::io::Write;
use std::io::stdout;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::Context;
use anyhow::Result;
use clap::Parser;
use farkeep_benches::chance::Chance;
use farkeep_benches::told::farkeep;
use farkeep_benches::told::told;
use farkeep_benches::tree;
use tempfile::TempDir;

const FILE_BYTES: u64 = 48 << 10;
const LARGE_FILES: u64 = 4;
const BLOCK_BYTES: usize = 64 << 10;

/// Ages a repository, and compares restores from it with restores from a new one.
#[derive(Debug, Parser)]
struct Arguments {
    /// How many snapshots are made.
    #[arg(long, default_value_t = 200, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    snapshots: u32,
    /// How many small files there are.
    #[arg(long, default_value_t = 10_000, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    files: u64,
    /// MiB of each of four large files.
    #[arg(long, default_value_t = 32, value_name = "MIB", value_parser = clap::value_parser!(u64).range(1..))]
    large: u64,
    /// How many of the newest snapshots are kept; without it, all.
    #[arg(long, value_name = "N")]
    keep: Option<u32>,
    /// How many rounds of restores; medians count.
    #[arg(long, default_value_t = 5, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,
    /// The client's program. Without it, the farkeep beside this program.
    #[arg(long, value_name = "FILE")]
    program: Option<PathBuf>,
    /// Folder for everything, which is removed in the end. Without it, the system's temporary folder.
    #[arg(long, value_name = "DIR")]
    work: Option<PathBuf>,
    /// Drop the kernel's caches before each restore; needs root. Otherwise the repository is read once just before.
    #[arg(long)]
    cold: bool,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let program = match &arguments.program {
        Some(program) => program.clone(),
        None => std::env::current_exe()?.with_file_name("farkeep"),
    };
    let work = TempDir::with_prefix_in("aged-", arguments.work.clone().unwrap_or_else(std::env::temp_dir))?;
    let home = Home { program, folder: work.path().to_owned() };
    let mut tree = Tree::create(home.folder.join("tree"), &arguments)?;
    home.run("old", &["init"])?;
    home.backup("old")?;
    for _ in 1..arguments.snapshots {
        tree.change()?;
        home.backup("old")?;
    }
    let mut out = stdout().lock();
    let before = home.restores(&["old"], &arguments)?;
    if let Some(keep) = arguments.keep {
        home.run("old", &["forget", "--keep-last", &keep.to_string()])?;
    }
    let collected = home.run("old", &["collect", "--now"])?;
    home.run("new", &["init"])?;
    home.backup("new")?;
    let walls = home.restores(&["old", "new"], &arguments)?;
    let [uncollected, old, new] = [before[0], walls[0], walls[1]].map(|wall| wall.as_secs_f64());
    writeln!(out, "collection: {:.2} s", collected.as_secs_f64())?;
    writeln!(
        out,
        "restore of the newest: {uncollected:.3} s before it, {old:.3} s after it, {new:.3} s from a new repository"
    )?;
    writeln!(out, "ratio to a new repository: {:.2}", old / new)?;
    Ok(work.close()?)
}

/// A program, and a folder for all that it needs.
struct Home {
    program: PathBuf,
    folder: PathBuf,
}

impl Home {
    fn command(&self, repository: &str) -> Command {
        let mut command = farkeep(&self.program, &self.folder.join("home"));
        command.env("FARKEEP_REPOSITORY", self.folder.join(repository));
        command
    }

    fn run(&self, repository: &str, arguments: &[&str]) -> Result<Duration> {
        Ok(told(self.command(repository).args(arguments))?.wall)
    }

    fn backup(&self, repository: &str) -> Result<Duration> {
        let mut command = self.command(repository);
        Ok(told(command.args(["backup", "--series", "aged"]).arg(self.folder.join("tree")))?.wall)
    }

    /// The median wall time of restores of the newest snapshots; the repositories take turns.
    fn restores(&self, repositories: &[&str], arguments: &Arguments) -> Result<Vec<Duration>> {
        let mut walls = vec![Vec::new(); repositories.len()];
        for _ in 0..arguments.runs {
            for (repository, walls) in repositories.iter().zip(&mut walls) {
                walls.push(self.restore(repository, arguments.cold)?);
            }
        }
        let median = |mut walls: Vec<Duration>| {
            walls.sort_unstable();
            walls[walls.len() / 2]
        };
        Ok(walls.into_iter().map(median).collect())
    }

    fn restore(&self, repository: &str, is_cold: bool) -> Result<Duration> {
        rustix::fs::sync();
        if is_cold {
            fs::write("/proc/sys/vm/drop_caches", "3").context("dropping the kernel's caches")?;
        } else {
            tree::read_once(&self.folder.join(repository))?;
        }
        let target = self.folder.join("restored");
        let mut snapshot = OsString::from("latest:");
        snapshot.push(self.folder.join("tree"));
        let told = told(self.command(repository).arg("restore").arg(snapshot).arg("--target").arg(&target))?;
        fs::remove_dir_all(&target)?;
        Ok(told.wall)
    }
}

/// Small files, and large ones that are overwritten in blocks.
struct Tree {
    folder: PathBuf,
    files: u64,
    blocks: u64,
    chance: Chance,
}

impl Tree {
    fn create(folder: PathBuf, arguments: &Arguments) -> Result<Self> {
        let blocks = (arguments.large << 20) / BLOCK_BYTES as u64;
        let chance = Chance::new(1);
        let mut tree = Self { folder, files: arguments.files, blocks, chance };
        for at in 0..tree.files {
            tree.write(at)?;
        }
        for at in 0..LARGE_FILES {
            let mut file = File::create(tree.large(at))?;
            for _ in 0..blocks {
                file.write_all(&tree.chance.text(BLOCK_BYTES))?;
            }
        }
        Ok(tree)
    }

    /// A hundredth of the files is written anew, and a hundredth of the blocks.
    fn change(&mut self) -> Result<()> {
        for _ in 0..self.files.div_ceil(100) {
            let at = self.chance.below(self.files);
            self.write(at)?;
        }
        for _ in 0..(LARGE_FILES * self.blocks).div_ceil(100) {
            let file = self.chance.below(LARGE_FILES);
            let offset = self.chance.below(self.blocks) * BLOCK_BYTES as u64;
            let bytes = self.chance.text(BLOCK_BYTES);
            OpenOptions::new().write(true).open(self.large(file))?.write_all_at(&bytes, offset)?;
        }
        Ok(())
    }

    fn write(&mut self, at: u64) -> Result<()> {
        let folder = self.folder.join(format!("{:02}", at % 100));
        fs::create_dir_all(&folder)?;
        let bytes = usize::try_from(self.chance.below(FILE_BYTES) + 1).expect("some thousands");
        Ok(fs::write(folder.join(format!("{at:05}")), self.chance.text(bytes))?)
    }

    fn large(&self, at: u64) -> PathBuf {
        self.folder.join(format!("large.{at}"))
    }
}
