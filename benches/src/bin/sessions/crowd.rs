//! Many agents that upload at once, against one that uploads as much alone.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use anyhow::Context;
use anyhow::Result;
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use crate::agent::Agent;
use crate::server::Server;

/// What is uploaded, and by how many.
pub(crate) struct Crowd {
    pub(crate) agents: usize,
    pub(crate) upload_bytes: u64,
    pub(crate) object_bytes: usize,
    pub(crate) runs: u32,
}

/// How an upload went.
#[derive(Debug, Clone)]
struct Upload {
    /// From the moment at which all began until the last one was done.
    wall: Duration,
    /// Of each agent, the fastest first.
    agents: Vec<Duration>,
    bytes: u64,
    peak_bytes: u64,
}

/// One agent, and many.
#[derive(Debug, Clone)]
struct Round {
    alone: Upload,
    crowd: Upload,
}

/// All rounds, the one with the median ratio among them.
pub(crate) struct Report {
    crowd: Crowd,
    median: Round,
    ratios: Vec<f64>,
}

impl Crowd {
    pub(crate) async fn measured(self, program: &Path, work: &Path) -> Result<Report> {
        let mut rounds = Vec::new();
        for _ in 0..self.runs {
            let alone = self.upload(1, program, work).await?;
            let crowd = self.upload(self.agents, program, work).await?;
            rounds.push(Round { alone, crowd });
        }
        rounds.sort_by(|one, other| one.ratio().total_cmp(&other.ratio()));
        let ratios = rounds.iter().map(Round::ratio).collect();
        let median = rounds.get(rounds.len() / 2).context("there is a round")?.clone();
        Ok(Report { crowd: self, median, ratios })
    }

    /// So many agents upload their share to a server of their own.
    async fn upload(&self, agents: usize, program: &Path, work: &Path) -> Result<Upload> {
        let server = Server::start(program, work).await?;
        let objects = (self.upload_bytes / agents as u64 / self.object_bytes.max(1) as u64).max(1);
        let object_bytes = self.object_bytes;
        let ready = Arc::new(Barrier::new(agents + 1));
        let mut uploading = JoinSet::new();
        for client in server.agents(agents).await? {
            let ready = Arc::clone(&ready);
            let mut agent = Agent::open(&client).await?;
            uploading.spawn(async move {
                ready.wait().await;
                let begun = Instant::now();
                agent.upload(objects, object_bytes).await.map(|()| begun.elapsed())
            });
        }
        ready.wait().await;
        let begun = Instant::now();
        let mut took = Vec::new();
        while let Some(done) = uploading.join_next().await {
            took.push(done??);
        }
        let wall = begun.elapsed();
        took.sort_unstable();
        let bytes = objects * object_bytes as u64 * agents as u64;
        Ok(Upload { wall, agents: took, bytes, peak_bytes: server.memory()?.peak })
    }
}

impl Upload {
    fn bytes_per_second(&self) -> f64 {
        self.bytes as f64 / self.wall.as_secs_f64()
    }

    /// How fast the slowest agent was, as a part of the median one.
    fn slowest(&self) -> f64 {
        let median = self.agents.get(self.agents.len() / 2).copied().unwrap_or_default();
        let slowest = self.agents.last().copied().unwrap_or_default();
        median.as_secs_f64() / slowest.as_secs_f64()
    }
}

impl Round {
    fn ratio(&self) -> f64 {
        self.crowd.bytes_per_second() / self.alone.bytes_per_second()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { crowd, median, ratios } = self;
        let rows = [(1, &median.alone), (crowd.agents, &median.crowd)];
        writeln!(
            f,
            "| agents | MB in all | s | MB/s | slowest / median agent | memory of farkeepd at most, MiB |"
        )?;
        writeln!(f, "|---|---|---|---|---|---|")?;
        for (agents, upload) in rows {
            let (mb, seconds) = (upload.bytes as f64 / 1e6, upload.wall.as_secs_f64());
            let (rate, slowest) = (upload.bytes_per_second() / 1e6, upload.slowest());
            let memory = upload.peak_bytes.div_ceil(1 << 20);
            writeln!(f, "| {agents} | {mb:.0} | {seconds:.1} | {rate:.0} | {slowest:.2} | {memory} |")?;
        }
        let each: Vec<String> = ratios.iter().map(|ratio| format!("{ratio:.2}")).collect();
        writeln!(
            f,
            "\n{} agents together against one: {:.2} (rounds: {})",
            crowd.agents,
            median.ratio(),
            each.join(", ")
        )
    }
}
