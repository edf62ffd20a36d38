//! Measures what a server takes for many agents: its memory, and how they share its throughput.
//!
//! ```text
//! bash tests/prerequisites.sh cargo build --release -p farkeep-server
//! bash tests/prerequisites.sh cargo run --release -p farkeep-benches --bin sessions
//! ```
//!
//! A real `farkeepd` over a folder of its own, on loopback, with TLS. The agents are tasks of this program and speak the
//! protocol themselves: they put objects as fast as credit allows, and wait until all are durable. They read, cut, compress and
//! seal nothing, since agents do that on machines of their own; here it would only keep the processors from the server. One
//! agent alone and many at once do the same work with the same code, so that their ratio says how the server shares.

mod agent;
mod beside;
mod crowd;
mod idle;
mod server;

use std::io::Write;
use std::io::stdout;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use anyhow::Result;
use clap::Parser;
use rustix::process::Resource;
use rustix::process::Rlimit;
use rustix::process::getrlimit;
use rustix::process::setrlimit;

use crate::beside::Beside;
use crate::crowd::Crowd;
use crate::idle::Idle;

/// Measures a server under many sessions, and prints tables.
#[derive(Debug, Parser)]
struct Arguments {
    /// The server's program. Without it, the farkeepd beside this program.
    #[arg(long, value_name = "FILE")]
    server: Option<PathBuf>,
    /// Folder for the server's data, which is removed in the end. Without it, the system's temporary folder.
    #[arg(long, value_name = "DIR")]
    work: Option<PathBuf>,
    /// How many sessions are opened and do nothing; 0 leaves this part out.
    #[arg(long, default_value_t = 2_000, value_name = "N")]
    idle: usize,
    /// How many bytes each of them puts once.
    #[arg(long, default_value_t = 100_000, value_name = "BYTES")]
    idle_bytes: usize,
    /// Seconds of silence before memory is looked at.
    #[arg(long, default_value_t = 20, value_name = "SECONDS")]
    silence: u64,
    /// How many agents upload at once; 0 leaves this part out.
    #[arg(long, default_value_t = 200, value_name = "N")]
    agents: usize,
    /// MiB that all of them upload together, and that the one uploads alone.
    #[arg(long, default_value_t = 4_096, value_name = "MIB")]
    upload: u64,
    /// Bytes of each object that is uploaded.
    #[arg(long, default_value_t = 1 << 20, value_name = "BYTES")]
    object_bytes: usize,
    /// MiB that are stored before one agent uploads as much beside a collection, which finds half of them dead; 0 leaves this
    /// part out.
    #[arg(long, default_value_t = 2_048, value_name = "MIB")]
    beside: u64,
    /// Part of the time in which that collection may work, in thousandths.
    #[arg(long, default_value_t = 250, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1000))]
    collection_work: u16,
    /// How many rounds of uploads; the table shows the round with the median ratio.
    #[arg(long, default_value_t = 3, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    // Every session is a descriptor here and another one in the server, which inherits the limit.
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit })
        .context("raising the limit of descriptors")?;
    let program = match arguments.server {
        Some(program) => program,
        None => std::env::current_exe()?.with_file_name("farkeepd"),
    };
    let work = arguments.work.unwrap_or_else(std::env::temp_dir);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let mut out = stdout().lock();
    if arguments.idle > 0 {
        let silence = Duration::from_secs(arguments.silence);
        let idle = Idle { sessions: arguments.idle, put_bytes: arguments.idle_bytes, silence };
        let report = runtime.block_on(idle.measured(&program, &work))?;
        writeln!(out, "{report}")?;
        out.flush()?;
    }
    if arguments.agents > 0 {
        let crowd = Crowd {
            agents: arguments.agents,
            upload_bytes: arguments.upload << 20,
            object_bytes: arguments.object_bytes,
            runs: arguments.runs,
        };
        let report = runtime.block_on(crowd.measured(&program, &work))?;
        writeln!(out, "{report}")?;
        out.flush()?;
    }
    if arguments.beside > 0 {
        let beside = Beside {
            stored_bytes: arguments.beside << 20,
            upload_bytes: arguments.beside << 20,
            // Small enough that one node can name all that is needed.
            object_bytes: 64 << 10,
            work_thousandths: arguments.collection_work,
            runs: arguments.runs,
        };
        let report = runtime.block_on(beside.measured(&program, &work))?;
        write!(out, "{report}")?;
    }
    Ok(())
}
