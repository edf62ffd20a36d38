//! A server in a folder of its own.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use farkeep_protocol::hello::Role;
use farkeep_protocol::hello::Token;
use farkeep_protocol::identity::PublicKey;
use farkeep_server::Machine;
use farkeep_server::Server;
use farkeep_server::config::Config;
use farkeep_server::registry::Client;
use farkeep_server::registry::Clients;
use farkeep_server::registry::Folder;
use farkeep_server::registry::Offer;
use farkeep_server::registry::Standing;
use farkeep_server::registry::Tokens;
use jiff::SignedDuration;
use jiff::Timestamp;
use tempfile::TempDir;

use super::make;
use super::peer::Peer;
use super::peer::Session;
use super::peer::public;

/// The seed of a keeper that made the repository `main`.
pub(crate) const KEEPER: [u8; 32] = [0xee; 32];
/// The seed of an agent.
pub(crate) const AGENT: [u8; 32] = [0xa1; 32];
/// The seed of another agent.
pub(crate) const OTHER: [u8; 32] = [0xa2; 32];
/// The seed of a reader.
pub(crate) const READER: [u8; 32] = [0xbb; 32];

/// A server that runs.
pub(crate) struct Host {
    server: Server,
    root: TempDir,
}

/// A config for tests: any free port, and nothing takes long.
pub(crate) fn config() -> Config {
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let mut config = Config { listen: any, observe: any, ..Config::default() };
    config.deadlines.registry = Duration::from_millis(10);
    config.deadlines.gather = Duration::from_millis(5);
    config.deadlines.repository_idle = Duration::from_millis(200);
    config.deadlines.stop = Duration::from_secs(5);
    config.retention.every = Duration::from_millis(20);
    config.limits.threads = 4;
    config
}

impl Host {
    /// A server that nobody has used.
    pub(crate) async fn bare(config: Config) -> Self {
        Self::bare_on(Machine::default(), config).await
    }

    async fn bare_on(machine: Machine, config: Config) -> Self {
        let root = TempDir::new().expect("a temporary folder can be made");
        Folder::create(root.path()).expect("made");
        let server = Server::start_on(machine, root.path(), config).await.expect("it starts");
        Self { server, root }
    }

    /// A server over the data folder of another one that was stopped.
    pub(crate) async fn over(root: TempDir, config: Config) -> Self {
        Self::over_on(Machine::default(), root, config).await
    }

    /// The same with the time and the disks of that machine.
    pub(crate) async fn over_on(machine: Machine, root: TempDir, config: Config) -> Self {
        let server = Server::start_on(machine, root.path(), config).await.expect("it starts");
        Self { server, root }
    }

    /// A server with the repository `main`, its keeper, two agents and a reader.
    pub(crate) async fn new(config: Config) -> Self {
        Self::on(Machine::default(), config).await
    }

    /// The same with the time and the disks of that machine.
    pub(crate) async fn on(machine: Machine, config: Config) -> Self {
        let host = Self::bare_on(machine, config).await;
        host.know(KEEPER, "keeper", Role::Keeper, &["main"]).await;
        host.know(AGENT, "web-1", Role::Agent, &["main"]).await;
        host.know(OTHER, "web-2", Role::Agent, &["main"]).await;
        host.know(READER, "reader", Role::Reader, &["main"]).await;
        host.keeper_creates("main").await;
        host
    }

    pub(crate) async fn keeper_creates(&self, name: &str) {
        let mut peer = self.peer(KEEPER).await;
        peer.hello_new().await;
        peer.create(name, &make::parameters(), &make::slot("first")).await.expect("it is made");
        Session::over(peer).leave().await;
    }

    /// Makes a client known without the protocol, and waits until the server knows.
    pub(crate) async fn know(&self, seed: [u8; 32], name: &str, role: Role, repositories: &[&str]) {
        let client = Client {
            name: name.to_owned(),
            role,
            repositories: repositories.iter().map(|name| (*name).to_owned()).collect(),
            enrolled: Timestamp::UNIX_EPOCH,
            calls_itself: name.to_owned(),
            revoked: None,
        };
        let clients = Clients::open(&self.folder()).expect("listed");
        clients.write(&public(seed), &client).expect("written");
        // A key that is not known yet is turned away, and may come again.
        while self.peer(seed).await.is_turned_away().await {}
    }

    /// Shuts a client out, as another process would.
    pub(crate) fn revoke(&self, seed: [u8; 32]) {
        let clients = Clients::open(&self.folder()).expect("listed");
        let Standing::Known(client) = clients.standing(&public(seed)) else { panic!("it is not known") };
        let client = Client { revoked: Some(Timestamp::UNIX_EPOCH), ..(*client).clone() };
        clients.write(&public(seed), &client).expect("written");
    }

    /// A token for a client that is going to be enrolled.
    pub(crate) fn token(&self, name: &str, role: Role, repositories: &[&str]) -> Token {
        let offer = Offer {
            name: name.to_owned(),
            role,
            repositories: repositories.iter().map(|name| (*name).to_owned()).collect(),
            expires: Timestamp::now() + SignedDuration::from_hours(1),
        };
        Tokens::open(&self.folder()).issue(&offer).expect("issued")
    }

    pub(crate) fn folder(&self) -> Folder {
        Folder::open(self.root.path())
    }

    pub(crate) fn repository(&self, name: &str) -> PathBuf {
        self.folder().repositories().join(name)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.server.address()
    }

    pub(crate) fn observe(&self) -> SocketAddr {
        self.server.observe().expect("any port is free")
    }

    pub(crate) fn key(&self) -> PublicKey {
        self.server.key()
    }

    pub(crate) fn sessions(&self) -> usize {
        self.server.sessions()
    }

    /// A connection of the client with this seed, on which nothing was said.
    pub(crate) async fn peer(&self, seed: [u8; 32]) -> Peer {
        Peer::connect(self.address(), self.key(), seed).await.expect("it connects")
    }

    /// A session that may write to `main`.
    pub(crate) async fn session(&self, seed: [u8; 32]) -> Session {
        let mut peer = self.peer(seed).await;
        peer.hello_new().await;
        peer.open("main").await.expect("it is open to this client");
        Session::over(peer)
    }

    pub(crate) async fn stop(self) -> TempDir {
        self.server.stop().await;
        self.root
    }
}
