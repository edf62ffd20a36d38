//! The repositories of a server: opened when the first session wants one, shared by all, closed when none does.
//!
//! One task owns them and never waits: what blocks is done in the pool, and reports back.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use farkeep_codec::key::Slot;
use farkeep_codec::parameters::Parameters;
use farkeep_engine::Access;
use farkeep_engine::Engine;
use farkeep_engine::SlotId;
use farkeep_engine::disk::Backend;
use farkeep_engine::disk::RealDisk;
use farkeep_protocol::fault::Code;
use tokio::sync::mpsc;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;
use tokio::time::interval;

use super::Failure;
use super::Lease;
use super::Order;
use super::Pool;
use super::Reply;
use super::committer;
use super::repository::Repository;
use crate::config::Config;
use crate::machine::Machine;
use crate::observe::Observer;
use crate::registry::Folder;

/// How a repository comes to be open.
#[derive(Debug, Clone)]
pub(crate) enum How {
    /// It is there.
    Open,
    /// It is made.
    Create { parameters: Vec<u8>, slot: SlotId, slot_bytes: Vec<u8> },
}

/// Asks the task that owns the repositories.
#[derive(Debug, Clone)]
pub(crate) struct Repositories(UnboundedSender<Message>);

enum Message {
    Open { name: String, how: How, reply: Reply<Lease> },
    Opened { name: String, result: Result<Arc<Repository>, Failure> },
    Released { name: String },
    Closed { name: String },
    Stop { done: oneshot::Sender<()> },
}

impl Repositories {
    /// Starts the task.
    pub(crate) fn start(
        folder: &Folder,
        (config, machine): (Arc<Config>, Machine),
        pool: Pool,
        observer: Arc<Observer>,
    ) -> Self {
        let (sender, messages) = mpsc::unbounded_channel();
        let owner = Owner {
            folder: folder.repositories(),
            config,
            machine,
            pool,
            observer,
            sender: sender.downgrade(),
            entries: HashMap::new(),
            stopping: None,
        };
        tokio::spawn(owner.run(messages));
        Self(sender)
    }

    /// A lease of the repository with this name.
    pub(crate) async fn open(&self, name: &str, how: How) -> Result<Lease, Failure> {
        let (sender, answer) = oneshot::channel();
        let reply = Reply::new(move |lease| drop(sender.send(lease)));
        drop(self.0.send(Message::Open { name: name.to_owned(), how, reply }));
        answer.await.unwrap_or_else(|_| Err(stopping()))
    }

    /// Closes all repositories, each as soon as nobody uses it, and opens none any more.
    pub(crate) async fn stop(&self) {
        let (done, stopped) = oneshot::channel();
        drop(self.0.send(Message::Stop { done }));
        drop(stopped.await);
    }
}

fn stopping() -> Failure {
    Failure::new(Code::SERVER_STOPPING, "the server is being stopped")
}

struct Owner {
    folder: PathBuf,
    config: Arc<Config>,
    machine: Machine,
    pool: Pool,
    observer: Arc<Observer>,
    sender: mpsc::WeakUnboundedSender<Message>,
    entries: HashMap<String, Entry>,
    stopping: Option<oneshot::Sender<()>>,
}

enum Entry {
    Opening { waiting: Vec<(How, Reply<Lease>)> },
    Open(Opened),
    Closing { waiting: Vec<(How, Reply<Lease>)> },
}

struct Opened {
    repository: Arc<Repository>,
    orders: UnboundedSender<Order>,
    committer: JoinHandle<()>,
    leases: usize,
    idle_since: Instant,
}

impl Owner {
    async fn run(mut self, mut messages: UnboundedReceiver<Message>) {
        let period = (self.config.deadlines.repository_idle / 4).max(Duration::from_millis(10));
        let mut ticks = interval(period);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                message = messages.recv() => match message {
                    Some(message) => self.take(message),
                    None => return,
                },
                _ = ticks.tick() => {}
            }
            self.close_idle(Instant::now());
            if self.entries.is_empty()
                && let Some(done) = self.stopping.take()
            {
                // Whoever asked may have stopped waiting.
                let _heard = done.send(());
                return;
            }
        }
    }

    fn take(&mut self, message: Message) {
        match message {
            Message::Open { reply, .. } if self.stopping.is_some() => reply.send(Err(stopping())),
            Message::Open { name, how, reply } => self.open(name, how, reply),
            Message::Opened { name, result } => self.opened(&name, result),
            Message::Released { name } => self.released(&name),
            Message::Closed { name } => self.closed(&name),
            Message::Stop { done } => self.stopping = Some(done),
        }
    }

    fn open(&mut self, name: String, how: How, reply: Reply<Lease>) {
        match self.entries.get_mut(&name) {
            Some(Entry::Opening { waiting } | Entry::Closing { waiting }) => waiting.push((how, reply)),
            Some(Entry::Open(opened)) => {
                let lease = match how {
                    How::Create { .. } => {
                        Err(Failure::new(Code::EXISTS, format!("there is a repository {name} already")))
                    }
                    How::Open if opened.repository.is_poisoned() => {
                        let text = "the repository must be opened anew, once its sessions have ended";
                        Err(Failure::new(Code::STORAGE_FAILED, text))
                    }
                    How::Open => Ok(lease(opened, &name, &self.sender)),
                };
                reply.send(lease);
            }
            None => {
                self.entries.insert(name.clone(), Entry::Opening { waiting: Vec::new() });
                self.begin(name, how, reply);
            }
        }
    }

    /// Opens a repository in the pool. Whoever asked first is answered with what came of it, like all others.
    fn begin(&mut self, name: String, how: How, reply: Reply<Lease>) {
        let Some(Entry::Opening { waiting }) = self.entries.get_mut(&name) else { return };
        // What the first one asked for is done; the rest then find it open.
        waiting.insert(0, (How::Open, reply));
        let (folder, config, pool) = (self.folder.join(&name), Arc::clone(&self.config), self.pool.clone());
        let (machine, sender, observer) =
            (self.machine.clone(), self.sender.clone(), Arc::clone(&self.observer));
        tokio::spawn(async move {
            let quota = config.quotas.repository(&name);
            let work = {
                let name = name.clone();
                move || Repository::new(&name, open(&machine, &folder, &how)?, quota, observer).map(Arc::new)
            };
            let result = pool.run(work).await.and_then(|result| result);
            if let Some(sender) = sender.upgrade() {
                drop(sender.send(Message::Opened { name, result }));
            }
        });
    }

    fn opened(&mut self, name: &str, result: Result<Arc<Repository>, Failure>) {
        let Some(Entry::Opening { waiting }) = self.entries.remove(name) else { return };
        match result {
            Err(failure) => {
                tracing::warn!(repository = %name, %failure, "a repository was not opened");
                let mut waiting = waiting.into_iter();
                if let Some((_, first)) = waiting.next() {
                    first.send(Err(failure));
                }
                // The others may have asked for something else.
                waiting.for_each(|(how, reply)| self.open(name.to_owned(), how, reply));
            }
            Ok(repository) => {
                tracing::info!(repository = %name, "a repository was opened");
                let (orders, receiver) = mpsc::unbounded_channel();
                let gather = self.config.deadlines.gather;
                let run = committer::run(Arc::clone(&repository), self.pool.clone(), gather, receiver);
                let committer = tokio::spawn(run);
                let opened = Opened { repository, orders, committer, leases: 0, idle_since: Instant::now() };
                self.entries.insert(name.to_owned(), Entry::Open(opened));
                waiting.into_iter().for_each(|(how, reply)| self.open(name.to_owned(), how, reply));
            }
        }
    }

    fn released(&mut self, name: &str) {
        if let Some(Entry::Open(opened)) = self.entries.get_mut(name) {
            opened.leases -= 1;
            opened.idle_since = Instant::now();
        }
    }

    /// Closes what nobody has used for long enough.
    fn close_idle(&mut self, now: Instant) {
        let idle = self.config.deadlines.repository_idle;
        let is_done = |opened: &Opened| {
            let is_long = now.saturating_duration_since(opened.idle_since) >= idle;
            opened.leases == 0 && (is_long || opened.repository.is_poisoned() || self.stopping.is_some())
        };
        let done = self.entries.iter().filter(|(_, entry)| matches!(entry, Entry::Open(o) if is_done(o)));
        let names: Vec<String> = done.map(|(name, _)| name.clone()).collect();
        for name in names {
            let Some(Entry::Open(opened)) = self.entries.remove(&name) else { continue };
            self.entries.insert(name.clone(), Entry::Closing { waiting: Vec::new() });
            let (pool, sender) = (self.pool.clone(), self.sender.clone());
            tokio::spawn(async move {
                let Opened { repository, orders, committer, .. } = opened;
                drop(orders);
                drop(committer.await);
                // The last one: what closing takes, it takes here.
                drop(pool.run(move || drop(repository)).await);
                tracing::info!(repository = %name, "a repository was closed");
                if let Some(sender) = sender.upgrade() {
                    drop(sender.send(Message::Closed { name }));
                }
            });
        }
    }

    fn closed(&mut self, name: &str) {
        let Some(Entry::Closing { waiting }) = self.entries.remove(name) else { return };
        waiting.into_iter().for_each(|(how, reply)| match self.stopping {
            Some(_) => reply.send(Err(stopping())),
            None => self.open(name.to_owned(), how, reply),
        });
    }
}

fn lease(opened: &mut Opened, name: &str, sender: &mpsc::WeakUnboundedSender<Message>) -> Lease {
    opened.leases += 1;
    let (name, sender) = (name.to_owned(), sender.clone());
    let release = move || {
        if let Some(sender) = sender.upgrade() {
            drop(sender.send(Message::Released { name }));
        }
    };
    Lease::new(&opened.repository, opened.orders.clone(), release)
}

/// Opens or makes the repository in a folder. Blocks.
fn open(machine: &Machine, folder: &Path, how: &How) -> Result<Engine, Failure> {
    let random = |error| Failure::new(Code::INTERNAL, format!("the system has no random numbers: {error}"));
    let options = machine.options(folder).map_err(random)?;
    match how {
        How::Open => {
            let disk = machine.disk(RealDisk::open(folder, Backend::Auto)?);
            let access = Access::Write { holder: holder() };
            Ok(Engine::open(disk, access, options)?)
        }
        How::Create { parameters, slot, slot_bytes } => {
            let malformed = |what: &str| Failure::new(Code::MALFORMED, format!("these are no {what}"));
            Parameters::parse(parameters).map_err(|_| malformed("parameters"))?;
            Slot::parse(slot_bytes).map_err(|_| malformed("bytes of a key slot"))?;
            let disk = machine.disk(RealDisk::create(folder, Backend::Auto)?);
            let engine = Engine::create(disk, parameters, (*slot, slot_bytes), options)?;
            sync_parent(folder)
                .map_err(|error| Failure::new(Code::STORAGE_FAILED, format!("cannot sync: {error}")))?;
            Ok(engine)
        }
    }
}

fn sync_parent(folder: &Path) -> io::Result<()> {
    File::open(folder.parent().ok_or(io::ErrorKind::InvalidInput)?)?.sync_all()
}

/// What others are told who find a repository in use.
fn holder() -> String {
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    format!("farkeepd, process {} on {host}", std::process::id())
}
