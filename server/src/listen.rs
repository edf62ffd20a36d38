//! Where connections come in: accepted, let through the handshake, and ended in order when the server is stopped.

use std::collections::BTreeMap;
use std::collections::HashSet;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;
use std::time::Instant;

use farkeep_protocol::identity::PublicKey;
use thiserror::Error;
use tokio::net::TcpListener;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::task::JoinHandle;
use tokio::time::interval;
use tokio::time::sleep;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use crate::bridge::Accounts;
use crate::bridge::Collections;
use crate::bridge::Groups;
use crate::bridge::Pool;
use crate::bridge::Repositories;
use crate::bridge::survey;
use crate::config::Config;
use crate::config::ConfigError;
use crate::machine::Machine;
use crate::observe::ClockWatch;
use crate::observe::Event;
use crate::observe::Queue;
use crate::observe::Watching;
use crate::registry::Client;
use crate::registry::Clients;
use crate::registry::Folder;
use crate::registry::FolderError;
use crate::registry::Tokens;
use crate::schedule::Keeping;
use crate::session::House;
use crate::session::Phase;
use crate::session::Sessions;
use crate::session::serve;
use crate::tls;

/// Why the server does not run.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ListenError {
    /// The data folder does not answer.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The config cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The identity cannot be used.
    #[error("the identity cannot be used for TLS")]
    Identity(#[from] rustls::Error),
    /// Events cannot be written down.
    #[error("cannot write events to the data folder")]
    Events(#[source] io::Error),
    /// Nothing can come in.
    #[error("cannot listen on {address}")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why not.
        #[source]
        source: io::Error,
    },
}

/// A server that runs.
pub struct Server {
    address: SocketAddr,
    key: PublicKey,
    house: Arc<House>,
    accepting: JoinHandle<()>,
    ticking: JoinHandle<()>,
    keeping: JoinHandle<()>,
    watching: Watching,
    _lock: std::fs::File,
}

impl Server {
    /// Starts a server over a data folder.
    ///
    /// # Errors
    /// [`ListenError`].
    pub async fn start(data: &Path, config: Config) -> Result<Self, ListenError> {
        Self::start_on(Machine::default(), data, config).await
    }

    /// As [`start`](Self::start), with the time and the disks of that machine.
    ///
    /// # Errors
    /// [`ListenError`].
    pub async fn start_on(machine: Machine, data: &Path, config: Config) -> Result<Self, ListenError> {
        config.check()?;
        let folder = Folder::open(data);
        let seed = folder.seed()?;
        let lock = folder.lock()?;
        let (acceptor, key) = tls::acceptor(&seed)?;
        let config = Arc::new(config);
        let clock = Arc::clone(&machine.clock);
        let watching = Watching::start(folder.path(), Arc::clone(&config), clock).await;
        let watching = watching.map_err(ListenError::Events)?;
        let observer = &watching.observer;
        let queue = |queue| observer.counters.queue(queue).clone();
        let pool = Pool::new(config.limits.threads, queue(Queue::Repositories));
        let house = Arc::new(House {
            clients: Arc::new(Clients::open(&folder)?),
            tokens: Tokens::open(&folder),
            accounts: Accounts::new(folder.clone(), Arc::clone(&config), observer.recorder.clone()),
            repositories: Repositories::start(
                &folder,
                (Arc::clone(&config), machine.clone()),
                pool.clone(),
                Arc::clone(observer),
            ),
            groups: Groups::start(),
            verifications: Pool::new(config.limits.verifications, queue(Queue::Verifications)),
            collections: Collections::new(queue(Queue::Collections)),
            sessions: Sessions::new(config.limits.clone()),
            phase: watch::Sender::new(Phase::Running),
            observer: Arc::clone(observer),
            pool,
            config,
        });
        let failed = |source| ListenError::Listen { address: house.config.listen, source };
        let listener = TcpListener::bind(house.config.listen).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        tracing::info!(%address, observe = ?watching.address, %key, "the server listens");
        watching.started(address);
        let accepting = tokio::spawn(accept(listener, acceptor, Arc::clone(&house)));
        let ticking = tokio::spawn(tick(Arc::clone(&house)));
        let keeping = Keeping {
            folder: folder.clone(),
            config: Arc::clone(&house.config),
            machine: machine.clone(),
            repositories: house.repositories.clone(),
            pool: house.pool.clone(),
            collections: house.collections.clone(),
            observer: Arc::clone(&house.observer),
        };
        let keeping = tokio::spawn(keeping.run());
        let looking = survey(
            folder.repositories(),
            (Arc::clone(&house.config), machine),
            house.pool.clone(),
            Arc::clone(&house.observer),
        );
        tokio::spawn(looking);
        Ok(Self { address, key, house, accepting, ticking, keeping, watching, _lock: lock })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where `/metrics` and `/health` are answered, if they are.
    pub fn observe(&self) -> Option<SocketAddr> {
        self.watching.address
    }

    /// The key that it shows.
    pub fn key(&self) -> PublicKey {
        self.key
    }

    /// Sessions that there are, those included that wait to be resumed.
    pub fn sessions(&self) -> usize {
        self.house.sessions.count()
    }

    /// Ends all sessions in order, those that do not end in time without it, and closes all repositories.
    pub async fn stop(self) {
        tracing::info!("the server is being stopped");
        self.house.collections.stop();
        self.house.observer.stopping();
        self.accepting.abort();
        self.house.phase.send_replace(Phase::Draining);
        let ended = timeout(self.house.config.deadlines.stop, self.house.sessions.ended()).await;
        self.house.phase.send_replace(Phase::Over);
        if ended.is_err() {
            self.house.sessions.ended().await;
        }
        self.keeping.abort();
        self.house.repositories.stop().await;
        self.ticking.abort();
        note(&self.house).await;
        self.watching.stop().await;
        tracing::info!("the server was stopped");
    }
}

/// Looks after what files say, and writes down what they are to say.
async fn tick(house: Arc<House>) {
    let mut ticks = interval(house.config.deadlines.registry);
    let jump = house.config.alerts.clock_jump;
    let mut clock = ClockWatch::new(jump, house.observer.now(), Instant::now());
    let mut revoked: HashSet<PublicKey> = revoked(&house).into_iter().map(|(key, _)| key).collect();
    loop {
        ticks.tick().await;
        let clients = Arc::clone(&house.clients);
        match house.pool.run(move || clients.refresh()).await {
            Ok(Ok(true)) => announce(&house, &mut revoked),
            Ok(Err(error)) => tracing::warn!(%error, "the clients cannot be looked at"),
            Ok(Ok(false)) | Err(_) => {}
        }
        note(&house).await;
        if let Some(seconds) = clock.look(house.observer.now(), Instant::now()) {
            house.observer.recorder.raise(Event::ClockJumped { seconds });
        }
        house.observer.look_at_points(&house.config.alerts);
    }
}

/// Clients that are shut out.
fn revoked(house: &House) -> Vec<(PublicKey, Arc<Client>)> {
    house.clients.all().into_iter().filter(|(_, client)| client.revoked.is_some()).collect()
}

/// Raises an event for each client that was not shut out before.
fn announce(house: &House, known: &mut HashSet<PublicKey>) {
    for (key, client) in revoked(house) {
        if known.insert(key) {
            let (client, key) = (client.name.clone(), key.to_string());
            house.observer.recorder.raise(Event::Revoked { client, key });
        }
    }
}

async fn note(house: &Arc<House>) {
    let noting = Arc::clone(house);
    drop(house.pool.run(move || noting.accounts.note()).await);
}

/// How long nothing is accepted after the system refused to, for example because there are no more descriptors.
const REFUSED_PAUSE: Duration = Duration::from_millis(50);

async fn accept(listener: TcpListener, acceptor: TlsAcceptor, house: Arc<House>) {
    let strangers = Strangers::new(house.config.limits.handshakes);
    loop {
        match listener.accept().await {
            Ok((stream, from)) => {
                let (acceptor, house, strangers) = (acceptor.clone(), Arc::clone(&house), strangers.clone());
                strangers.clone().begin(move |number| {
                    tokio::spawn(async move {
                        let done = Passing { strangers, number };
                        connect(stream, from, acceptor, house, done).await;
                    })
                    .abort_handle()
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a connection was not accepted");
                sleep(REFUSED_PAUSE).await;
            }
        }
    }
}

async fn connect(
    stream: TcpStream,
    from: SocketAddr,
    acceptor: TlsAcceptor,
    house: Arc<House>,
    passing: Passing,
) {
    let _counted = house.observer.counters.connections.hold();
    // Frames are collected before they are written; what is written is meant to go.
    drop(stream.set_nodelay(true));
    let stream = match timeout(house.config.deadlines.step, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => Some(stream),
        Ok(Err(error)) => {
            tracing::debug!(%from, %error, "a handshake failed");
            None
        }
        Err(_) => None,
    };
    let Some(mut stream) = stream else { return };
    let Some(key) = tls::client(&mut stream) else { return };
    serve(house, stream, key, move || drop(passing)).await;
}

/// Connections that have not come to a session. When there are too many, the oldest is cut: whoever means it is
/// through in a moment, and whoever only holds a place loses it.
#[derive(Debug, Clone)]
struct Strangers {
    most: usize,
    table: Arc<Mutex<Table>>,
}

#[derive(Debug, Default)]
struct Table {
    next: u64,
    begun: BTreeMap<u64, AbortHandle>,
}

/// One of them, until it is dropped.
struct Passing {
    strangers: Strangers,
    number: u64,
}

impl Strangers {
    fn new(most: usize) -> Self {
        Self { most, table: Arc::default() }
    }

    fn begin(&self, spawn: impl FnOnce(u64) -> AbortHandle) {
        let mut table = self.table.lock().expect("nothing panics while it holds the strangers");
        let number = table.next;
        table.next += 1;
        if table.begun.len() >= self.most
            && let Some((_, oldest)) = table.begun.pop_first()
        {
            oldest.abort();
        }
        // The task cannot leave before it is in the table: it would have to hold it.
        let handle = spawn(number);
        table.begun.insert(number, handle);
    }
}

impl Drop for Passing {
    fn drop(&mut self) {
        let mut table = self.strangers.table.lock().expect("nothing panics while it holds the strangers");
        table.begun.remove(&self.number);
    }
}
