//! What sessions notice of a collection.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::time::Duration;
use std::time::Instant;

use anyhow::Context;
use anyhow::Result;
use farkeep_protocol::message::Outcome;
use tokio::time::sleep;

use crate::agent::Agent;
use crate::agent::Identity;
use crate::server::Server;

/// How long the one who measures waits between two small requests.
const PAUSE: Duration = Duration::from_millis(20);
/// Of a small object.
const SMALL_BYTES: usize = 4 << 10;

/// A repository half of which nobody needs any more, and an upload beside the collection that finds this out.
pub(crate) struct Beside {
    /// What is stored before, of which every second object is dead.
    pub(crate) stored_bytes: u64,
    pub(crate) upload_bytes: u64,
    pub(crate) object_bytes: usize,
    /// Part of the time in which the collection may work.
    pub(crate) work_thousandths: u16,
    pub(crate) runs: u32,
}

/// How an upload went, and how long the longest of many small requests took meanwhile.
#[derive(Debug, Clone, Copy)]
struct Upload {
    bytes_per_second: f64,
    longest: Duration,
}

/// One round.
#[derive(Debug, Clone, Copy)]
struct Round {
    alone: Upload,
    beside: Upload,
    collection: Duration,
    moved_bytes: u64,
    /// Whether the collection was under way until the upload was over.
    is_covered: bool,
}

/// All rounds, the one with the lowest ratio first.
pub(crate) struct Report {
    rounds: Vec<Round>,
}

impl Beside {
    pub(crate) async fn measured(self, program: &Path, work: &Path) -> Result<Report> {
        let mut rounds = Vec::new();
        for _ in 0..self.runs {
            rounds.push(self.round(program, work).await?);
        }
        rounds.sort_by(|one, other| one.ratio().total_cmp(&other.ratio()));
        Ok(Report { rounds })
    }

    async fn round(&self, program: &Path, work: &Path) -> Result<Round> {
        let server = Server::start(program, work).await?;
        let clients = server.agents(2).await?;
        let mut owner = Agent::open(&clients[0]).await?;
        let ids = owner.store(self.objects(self.stored_bytes), self.object_bytes).await?;
        owner.commit(&clients[0], &ids.into_iter().step_by(2).collect::<Vec<_>>()).await?;
        owner.leave().await?;
        let alone = self.upload(&clients).await?;

        let keeper = server.keeper().context("it was enrolled")?.clone();
        let work_thousandths = self.work_thousandths;
        let is_over = Arc::new(AtomicBool::new(false));
        let over = Arc::clone(&is_over);
        let collecting = tokio::spawn(async move {
            let begun = Instant::now();
            let mut keeper = Agent::open(&keeper).await?;
            let collected = keeper.collect(work_thousandths).await?;
            over.store(true, Ordering::Relaxed);
            Ok::<_, anyhow::Error>((begun.elapsed(), collected))
        });
        // It has begun to copy before the upload begins: the marking of so few nodes takes no time.
        sleep(Duration::from_millis(300)).await;
        let beside = self.upload(&clients).await?;
        let is_covered = !is_over.load(Ordering::Relaxed);
        let (collection, (outcome, moved_bytes)) = collecting.await??;
        anyhow::ensure!(outcome == Outcome::Complete, "the collection ended with {outcome:?}");
        Ok(Round { alone, beside, collection, moved_bytes, is_covered })
    }

    fn objects(&self, bytes: u64) -> u64 {
        (bytes / self.object_bytes.max(1) as u64).max(1)
    }

    /// One agent uploads, and another one sees how long small requests take meanwhile.
    async fn upload(&self, clients: &[Identity]) -> Result<Upload> {
        let is_done = Arc::new(AtomicBool::new(false));
        let done = Arc::clone(&is_done);
        let [large, small] = clients else { anyhow::bail!("two are needed") };
        let mut small = Agent::open(small).await?;
        let asking = tokio::spawn(async move {
            let mut longest = Duration::ZERO;
            while !done.load(Ordering::Relaxed) {
                let begun = Instant::now();
                small.upload(1, SMALL_BYTES).await?;
                longest = longest.max(begun.elapsed());
                sleep(PAUSE).await;
            }
            small.leave().await?;
            Ok::<_, anyhow::Error>(longest)
        });
        let mut agent = Agent::open(large).await?;
        let begun = Instant::now();
        agent.upload(self.objects(self.upload_bytes), self.object_bytes).await?;
        let wall = begun.elapsed();
        is_done.store(true, Ordering::Relaxed);
        agent.leave().await?;
        let longest = asking.await?.context("asking for small things")?;
        Ok(Upload { bytes_per_second: self.upload_bytes as f64 / wall.as_secs_f64(), longest })
    }
}

impl Round {
    fn ratio(&self) -> f64 {
        self.beside.bytes_per_second / self.alone.bytes_per_second
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "| upload alone, MB/s | beside a collection | ratio | longest small request, alone and beside, ms | \
             collection, s | MB moved | until the upload was over |"
        )?;
        writeln!(f, "|---|---|---|---|---|---|---|")?;
        for round in &self.rounds {
            let [alone, beside] = [round.alone, round.beside].map(|upload| upload.bytes_per_second / 1e6);
            let [short, long] = [round.alone, round.beside].map(|upload| upload.longest.as_secs_f64() * 1e3);
            let (seconds, moved) = (round.collection.as_secs_f64(), round.moved_bytes as f64 / 1e6);
            let covered = if round.is_covered { "yes" } else { "no" };
            writeln!(
                f,
                "| {alone:.0} | {beside:.0} | {:.2} | {short:.0}, {long:.0} | {seconds:.1} | {moved:.0} | {covered} |",
                round.ratio()
            )?;
        }
        Ok(())
    }
}
