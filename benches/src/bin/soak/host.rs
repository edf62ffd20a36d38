//! A server with a clock that is moved by hand, its keeper, and a host.

use std::net::SocketAddr;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use anyhow::Result;
use farkeep_benches::told::Told;
use farkeep_benches::told::farkeep;
use farkeep_benches::told::told;
use farkeep_codec::time::Time;
use farkeep_engine::Clock;
use farkeep_engine::ManualClock;
use farkeep_engine::SystemClock;
use farkeep_protocol::hello::Role;
use farkeep_protocol::identity::EnrolmentString;
use farkeep_protocol::identity::Host;
use farkeep_server::Machine;
use farkeep_server::Server;
use farkeep_server::config::Config;
use farkeep_server::registry::Folder;
use farkeep_server::registry::Offer;
use farkeep_server::registry::Tokens;
use jiff::SignedDuration;
use jiff::Timestamp;

/// Everything that takes part, in one folder.
pub(crate) struct Site {
    server: Server,
    clock: Arc<ManualClock>,
    program: PathBuf,
    work: PathBuf,
}

/// Who runs a command.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Who {
    Agent,
    Keeper,
}

impl Who {
    fn name(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::Keeper => "keeper",
        }
    }
}

impl Site {
    /// Starts the server, and makes a repository for a keeper and a host.
    pub(crate) async fn start(program: &Path, work: &Path) -> Result<Self> {
        let clock = Arc::new(ManualClock::new(SystemClock.now()));
        let data = work.join("server");
        Folder::create(&data)?;
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let config = Config { listen: any, ..Config::default() };
        let machine = Machine { clock: clock.clone(), ..Machine::default() };
        let server = Server::start_on(machine, &data, config).await?;
        let site = Self { server, clock, program: program.to_owned(), work: work.to_owned() };
        site.enrol(Who::Keeper, Role::Keeper, "")?;
        site.run(Who::Keeper, ["init"])?;
        let code = site.run(Who::Keeper, ["key", "agent"])?.text;
        site.enrol(Who::Agent, Role::Agent, code.trim())?;
        Ok(site)
    }

    fn enrol(&self, who: Who, role: Role, code: &str) -> Result<()> {
        let offer = Offer {
            name: who.name().to_owned(),
            role,
            repositories: vec!["main".to_owned()],
            expires: Timestamp::now() + SignedDuration::from_hours(1),
        };
        let token = Tokens::open(&Folder::open(&self.work.join("server"))).issue(&offer)?;
        let address = self.server.address();
        let (host, port) = (Host::new(&address.ip().to_string())?, address.port());
        let offer = EnrolmentString { host, port, server: self.server.key(), token };
        let mut command = self.command(who);
        if !code.is_empty() {
            command.env("FARKEEP_AGENT_CODE", code);
        }
        told(command.args(["enroll", &offer.to_string()])).map(drop)
    }

    /// Runs a command of the program over the repository.
    pub(crate) fn run<const N: usize>(&self, who: Who, arguments: [&str; N]) -> Result<Told> {
        told(self.command(who).args(arguments))
    }

    /// A command of the program, which knows the repository and nothing of the user.
    pub(crate) fn command(&self, who: Who) -> Command {
        let home = self.work.join(who.name());
        let mut command = farkeep(&self.program, &home);
        command.env("FARKEEP_REPOSITORY", format!("farkeep://{}/main", self.server.address()));
        command
    }

    /// Moves the server's clock on.
    pub(crate) fn pass(&self, time: Duration) -> Result<()> {
        let nanoseconds = i64::try_from(time.as_nanos()).context("more than centuries")?;
        self.clock.set(Time::from_nanoseconds(self.clock.now().nanoseconds() + nanoseconds));
        Ok(())
    }

    /// A folder of that name beside the server's.
    pub(crate) fn folder(&self, name: &str) -> PathBuf {
        self.work.join(name)
    }

    /// Where the server keeps the repository.
    pub(crate) fn repository(&self) -> PathBuf {
        Folder::open(&self.work.join("server")).repositories().join("main")
    }

    /// Stops the server.
    pub(crate) async fn stop(self) {
        self.server.stop().await;
    }
}
