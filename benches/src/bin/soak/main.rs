//! Years of a repository in an hour: snapshots every fifteen minutes, with retention and collection every day.
//!
//! ```text
//! bash tests/prerequisites.sh cargo build --release -p farkeep
//! bash tests/prerequisites.sh cargo run --release -p farkeep-benches --bin soak -- --svg soak.svg --csv soak.csv
//! ```
//!
//! The server is the real one, in this process, with a clock that this program moves; the host and the keeper are the program
//! `farkeep`, started for every step as users start it. A small tree changes before each snapshot in the ways in which hosts
//! change: a log grows and is rotated, pages of a database are overwritten, files come, change and go. At the end all that
//! is stored is read and verified, the newest snapshot is compared with the tree, and all snapshots that are still
//! listed are copied into a new repository, to see what the old one carries along.

mod course;
mod host;
mod picture;
mod tree;

use std::fs;
use std::io::Write;
use std::io::stdout;
use std::path::PathBuf;

use anyhow::Context;
use anyhow::Result;
use clap::Parser;
use tempfile::TempDir;

use crate::course::Course;
use crate::course::Sample;
use crate::host::Site;

/// Makes thousands of snapshots with retention and collection, and shows how the repository grows.
#[derive(Debug, Parser)]
struct Arguments {
    /// How many snapshots are made.
    #[arg(long, default_value_t = 10_000, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    snapshots: u32,
    /// How many of them make a day.
    #[arg(long, default_value_t = 96, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    each_day: u32,
    /// The client's program. Without it, the farkeep beside this program.
    #[arg(long, value_name = "FILE")]
    program: Option<PathBuf>,
    /// Folder for everything, which is removed in the end. Without it, the system's temporary folder.
    #[arg(long, value_name = "DIR")]
    work: Option<PathBuf>,
    /// Write the figures of each day there.
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
    /// Draw them there.
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// Of all that is done by chance.
    #[arg(long, default_value_t = 1, value_name = "N")]
    seed: u64,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let program = match arguments.program {
        Some(program) => program,
        None => std::env::current_exe()?.with_file_name("farkeep"),
    };
    let work = TempDir::with_prefix_in("soak-", arguments.work.unwrap_or_else(std::env::temp_dir))?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let site = runtime.block_on(Site::start(&program, work.path()))?;
    let mut course = Course::begin(&site, arguments.seed)?;
    let mut out = stdout().lock();
    writeln!(out, "{}", Sample::HEAD)?;
    for at in 1..=arguments.snapshots {
        course.snapshot()?;
        if at.is_multiple_of(arguments.each_day) || at == arguments.snapshots {
            writeln!(out, "{}", course.day()?)?;
            out.flush()?;
            course.write(arguments.csv.as_deref(), arguments.svg.as_deref())?;
        }
    }
    let end = course.end()?;
    writeln!(out, "{end}")?;
    runtime.block_on(site.stop());
    let folder = work.path().to_owned();
    work.close().with_context(|| format!("removing {}", folder.display()))?;
    fs::metadata(&folder).map_or(Ok(()), |_| anyhow::bail!("{} is still there", folder.display()))
}
