//! What sessions cost that do nothing.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::agent::Agent;
use crate::server::Memory;
use crate::server::Server;

/// Sessions of one client: a server lets none have all.
const SESSIONS_PER_CLIENT: usize = 10;
/// Connections that are made at a time, fewer than a server lets wait.
const AT_ONCE: usize = 32;

/// Many sessions.
pub(crate) struct Idle {
    pub(crate) sessions: usize,
    pub(crate) put_bytes: usize,
    /// How long nobody says anything before memory is looked at.
    pub(crate) silence: Duration,
}

/// Memory of the server, in the order of what happened.
pub(crate) struct Report {
    idle: Idle,
    before: Memory,
    opened: Memory,
    put: Memory,
    after: Memory,
}

impl Idle {
    pub(crate) async fn measured(self, program: &Path, work: &Path) -> Result<Report> {
        let server = Server::start(program, work).await?;
        let clients = server.agents(self.sessions.div_ceil(SESSIONS_PER_CLIENT)).await?;
        let before = server.memory()?;
        let mut sessions = Vec::with_capacity(self.sessions);
        while sessions.len() < self.sessions {
            let wanted = AT_ONCE.min(self.sessions - sessions.len());
            let mut opening = JoinSet::new();
            for number in sessions.len()..sessions.len() + wanted {
                let client = clients[number % clients.len()].clone();
                opening.spawn(async move { Agent::open(&client).await });
            }
            for agent in opening.join_all().await {
                sessions.push(agent?);
            }
        }
        let silence = self.silence;
        let rest = move |agent| resting(agent, silence);
        let sessions = all(sessions, rest).await?;
        let opened = server.memory()?;
        let put_bytes = self.put_bytes;
        let sessions =
            all(
                sessions,
                move |mut agent: Agent| async move { agent.upload(1, put_bytes).await.map(|()| agent) },
            )
            .await?;
        let put = server.memory()?;
        let sessions = all(sessions, rest).await?;
        let after = server.memory()?;
        drop(sessions);
        Ok(Report { idle: self, before, opened, put, after })
    }
}

/// Says nothing for a while but that it is alive.
async fn resting(mut agent: Agent, silence: Duration) -> Result<Agent> {
    tokio::select! {
        ended = agent.idle() => ended?,
        () = sleep(silence) => {}
    }
    Ok(agent)
}

/// Has all sessions do something at once.
async fn all<F>(sessions: Vec<Agent>, act: impl Fn(Agent) -> F) -> Result<Vec<Agent>>
where
    F: Future<Output = Result<Agent>> + Send + 'static,
{
    let acting: JoinSet<Result<Agent>> = sessions.into_iter().map(act).collect();
    acting.join_all().await.into_iter().collect()
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { idle, before, opened, put, after } = self;
        let Idle { sessions, put_bytes, silence } = idle;
        let mib = |bytes: u64| bytes.div_ceil(1 << 20);
        writeln!(f, "| {sessions} sessions that do nothing | memory of farkeepd, MiB |\n|---|---|")?;
        writeln!(f, "| before the first | {} |", mib(before.resident))?;
        writeln!(f, "| opened, {silence:?} later | {} |", mib(opened.resident))?;
        writeln!(f, "| at most, while each put {put_bytes} bytes | {} |", mib(put.peak))?;
        writeln!(f, "| {silence:?} after that | {} |", mib(after.resident))
    }
}
