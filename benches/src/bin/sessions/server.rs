//! A server as a process of its own, with the repository `main`.

use std::fs;
use std::io::BufRead;
use std::io::BufReader;
use std::net::TcpListener;
use std::path::Path;
use std::path::PathBuf;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;

use anyhow::Context;
use anyhow::Result;
use anyhow::bail;
use anyhow::ensure;
use farkeep_protocol::identity::EnrolmentString;
use rustix::process::Pid;
use rustix::process::Signal;
use rustix::process::kill_process;
use tempfile::TempDir;

use crate::agent::Agent;
use crate::agent::Identity;
use crate::agent::enrol;

/// A server that runs. It is stopped, and its data removed, when it is dropped.
pub(crate) struct Server {
    program: PathBuf,
    data: TempDir,
    process: Child,
    keeper: Option<Identity>,
}

/// What a process takes, in bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Memory {
    pub(crate) resident: u64,
    /// The most that was resident so far.
    pub(crate) peak: u64,
}

impl Server {
    /// Starts a server that nobody has used, and makes a repository.
    pub(crate) async fn start(program: &Path, work: &Path) -> Result<Self> {
        let data = TempDir::with_prefix_in("sessions-", work)?;
        // Some port that was free a moment ago.
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let listen = format!("127.0.0.1:{port}");
        told(command(program, data.path(), "init").args(["--listen", &listen, "--host", "127.0.0.1"]))?;
        let config = data.path().join("farkeepd.toml");
        let text = fs::read_to_string(&config)?;
        fs::write(&config, format!("{text}observe = \"127.0.0.1:0\"\n"))?;

        let mut serve = command(program, data.path(), "serve");
        let process = serve
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("starting {}", program.display()))?;
        let mut server = Self { program: program.to_owned(), data, process, keeper: None };
        let mut line = String::new();
        let output = server.process.stdout.take().context("it was asked for a pipe")?;
        BufReader::new(output).read_line(&mut line)?;
        ensure!(line.starts_with("listening"), "the server does not listen: {line:?}");

        let keeper = server.client("keeper", "keeper", 0).await?;
        Agent::connect(&keeper).await?.create("main").await?;
        server.keeper = Some(keeper);
        Ok(server)
    }

    /// Whoever made the repository.
    pub(crate) fn keeper(&self) -> Option<&Identity> {
        self.keeper.as_ref()
    }

    /// Enrols a client. Each number has a key of its own.
    pub(crate) async fn client(&self, name: &str, role: &str, number: u64) -> Result<Identity> {
        let mut enroll = command(&self.program, self.data.path(), "enroll");
        let line = told(enroll.args([name, "--role", role, "--repository", "main"]))?;
        let offer: EnrolmentString = line.trim().parse()?;
        enrol(&offer, name, number).await
    }

    /// As many agents as wanted.
    pub(crate) async fn agents(&self, count: usize) -> Result<Vec<Identity>> {
        let mut agents = Vec::with_capacity(count);
        for number in 1..=count as u64 {
            agents.push(self.client(&format!("agent-{number}"), "agent", number).await?);
        }
        Ok(agents)
    }

    /// What the server takes now: proc(5), `status`.
    pub(crate) fn memory(&self) -> Result<Memory> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id()))?;
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            let kib =
                line.and_then(|line| line.trim().strip_suffix(" kB")).context("no such line in status")?;
            Ok::<u64, anyhow::Error>(kib.parse::<u64>()? << 10)
        };
        Ok(Memory { resident: field("VmRSS:")?, peak: field("VmHWM:")? })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // One that has ended by itself needs no signal.
        let _sent = kill_process(Pid::from_child(&self.process), Signal::TERM);
        let _ended = self.process.wait();
    }
}

fn command(program: &Path, data: &Path, name: &str) -> Command {
    let mut command = Command::new(program);
    command.arg("--data").arg(data).arg(name).env("FARKEEPD_LOG", "warn").stdin(Stdio::null());
    command
}

/// Runs a command, and gives what it printed.
fn told(command: &mut Command) -> Result<String> {
    let output =
        command.output().with_context(|| format!("starting {:?}: was it built?", command.get_program()))?;
    if !output.status.success() {
        bail!("{command:?} failed: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(String::from_utf8(output.stdout)?)
}
