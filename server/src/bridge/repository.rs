//! An open repository, and the leases by which sessions use it.

use std::fmt;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::OnceLock;
use std::sync::Weak;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;

use farkeep_codec::id::SnapshotId;
use farkeep_engine::CollectProgress;
use farkeep_engine::Engine;
use farkeep_engine::Put;
use farkeep_engine::Session;
use farkeep_engine::collect::CollectOptions;
use farkeep_engine::collect::Collected;
use farkeep_protocol::fault::Code;
use tokio::sync::mpsc::UnboundedSender;

use super::CommittedAt;
use super::Failure;
use super::Order;
use super::meter::Meter;
use crate::config::Quota;
use crate::observe::Event;
use crate::observe::Figures;
use crate::observe::Observer;

/// An open repository.
pub(super) struct Repository {
    pub(super) name: String,
    pub(super) engine: Engine,
    pub(super) meter: Meter,
    /// A sync failed: it must be opened anew.
    is_poisoned: AtomicBool,
    /// Who may count on what was said of it.
    leased: Mutex<Vec<Weak<Leased>>>,
    /// Whoever removes a key slot looks first which others are left.
    slots: Mutex<()>,
    observer: Arc<Observer>,
    figures: Arc<Figures>,
}

impl Repository {
    pub(super) fn new(
        name: &str,
        engine: Engine,
        quota: Quota,
        observer: Arc<Observer>,
    ) -> Result<Self, Failure> {
        let used_bytes = engine.usage()?.bytes;
        let figures = observer.repository(name, quota);
        figures.opened();
        let repository = Self {
            name: name.to_owned(),
            meter: Meter::new(format!("repository {name}"), quota, used_bytes, observer.recorder.clone()),
            engine,
            is_poisoned: AtomicBool::new(false),
            leased: Mutex::default(),
            slots: Mutex::default(),
            observer,
            figures,
        };
        repository.report();
        Ok(repository)
    }

    /// Says what is stored now. Blocks.
    pub(super) fn report(&self) {
        super::survey::report(&self.engine, self.meter.used_bytes(), &self.figures);
    }

    pub(super) fn observer(&self) -> &Observer {
        &self.observer
    }

    pub(super) fn is_poisoned(&self) -> bool {
        self.is_poisoned.load(Ordering::Relaxed)
    }

    /// Notes what a failure says about the repository.
    pub(super) fn learn(&self, failure: &Failure) {
        if failure.is_poison() && !self.is_poisoned.swap(true, Ordering::Relaxed) {
            tracing::error!(repository = %self.name, %failure, "a repository must be opened anew");
            self.figures.failed();
            let (repository, text) = (self.name.clone(), failure.text.clone());
            self.observer.recorder.raise(Event::StorageFailed { repository, text });
        }
    }
}

/// What keeps a repository open, and whoever holds it may use.
#[derive(Clone)]
pub(crate) struct Lease(Arc<Leased>);

struct Leased {
    /// What the session was told stays true for as long as it has the lease, unless it gives that up.
    session: Mutex<Option<Arc<Session>>>,
    /// The client.
    holder: OnceLock<String>,
    /// Given back before the owner is told.
    repository: Option<Arc<Repository>>,
    orders: UnboundedSender<Order>,
    on_release: Option<Box<dyn FnOnce() + Send + Sync>>,
}

impl Drop for Leased {
    fn drop(&mut self) {
        if let Ok(session) = self.session.get_mut() {
            drop(session.take());
        }
        drop(self.repository.take());
        if let Some(release) = self.on_release.take() {
            release();
        }
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Lease({})", self.repository().name)
    }
}

/// Objects that were taken in, and not durable yet.
#[derive(Debug)]
pub(crate) struct Taken {
    /// What became of each, in their order.
    pub(crate) puts: Vec<Result<Put, Failure>>,
    /// Losses of the engine before the first of them.
    pub(crate) losses: u64,
}

impl Lease {
    pub(super) fn new(
        repository: &Arc<Repository>,
        orders: UnboundedSender<Order>,
        on_release: impl FnOnce() + Send + Sync + 'static,
    ) -> Self {
        let leased = Arc::new(Leased {
            session: Mutex::new(Some(Arc::new(repository.engine.begin()))),
            holder: OnceLock::new(),
            repository: Some(Arc::clone(repository)),
            orders,
            on_release: Some(Box::new(on_release)),
        });
        let mut all = repository.leased.lock().expect(UNBROKEN);
        all.retain(|other| other.strong_count() > 0);
        all.push(Arc::downgrade(&leased));
        drop(all);
        Self(leased)
    }

    /// Says who has it.
    pub(crate) fn held_by(&self, client: &str) {
        // Only the first one who says so is believed.
        let _told = self.0.holder.set(client.to_owned());
    }

    /// Name of the repository.
    pub(crate) fn name(&self) -> &str {
        &self.repository().name
    }

    /// The engine. Blocks; for the pool alone, but for what it has in memory.
    pub(crate) fn engine(&self) -> &Engine {
        &self.repository().engine
    }

    /// Lets nobody else remove key slots meanwhile. Blocks.
    pub(crate) fn lock_slots(&self) -> MutexGuard<'_, ()> {
        self.repository().slots.lock().expect(UNBROKEN)
    }

    /// A snapshot that was committed. Blocks.
    pub(crate) fn committed(&self, id: &SnapshotId) -> Option<CommittedAt> {
        self.engine().committed(id).map(CommittedAt::again)
    }

    /// Who counts on what the engine says: whoever has this lease.
    pub(crate) fn session(&self) -> Arc<Session> {
        let mut session = self.0.session.lock().expect(UNBROKEN);
        Arc::clone(session.get_or_insert_with(|| Arc::new(self.engine().begin())))
    }

    /// Counts on nothing any more that the engine said until now.
    pub(crate) fn lift(&self) {
        drop(self.0.session.lock().expect(UNBROKEN).take());
    }

    /// Whose sessions a collection waits for that has condemned something: those that began before. Each is named once.
    pub(crate) fn waited_for(&self) -> Vec<String> {
        let epoch = self.engine().begin().epoch();
        let leased: Vec<Weak<Leased>> = self.repository().leased.lock().expect(UNBROKEN).clone();
        let is_older = |leased: &Arc<Leased>| {
            let session = leased.session.lock().expect(UNBROKEN);
            session.as_ref().is_some_and(|session| session.epoch() < epoch)
        };
        let older = leased.iter().filter_map(Weak::upgrade).filter(is_older);
        let mut names: Vec<String> = older.filter_map(|leased| leased.holder.get().cloned()).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// Collects the repository. Blocks for as long as that takes.
    pub(super) fn collect(
        &self,
        options: &CollectOptions,
        watch: &dyn Fn(CollectProgress) -> ControlFlow<()>,
    ) -> Result<Collected, Failure> {
        let repository = self.repository();
        let collected = self.engine().collect(options, watch).map_err(Failure::from);
        match &collected {
            Ok(collected) => {
                let freed_bytes = collected.bytes_removed.saturating_sub(collected.bytes_moved);
                repository.meter.release(freed_bytes);
                repository.observer.counters.collected(collected.bytes_removed);
            }
            Err(failure) => repository.learn(failure),
        }
        repository.report();
        collected
    }

    /// Tells the committer.
    pub(crate) fn order(&self, order: Order) {
        // A committer that is gone has answered by dropping the order.
        drop(self.0.orders.send(order));
    }

    /// Takes objects in, in their order. Blocks.
    pub(crate) fn take(&self, objects: &[(farkeep_codec::id::ObjectId, Vec<u8>)]) -> Result<Taken, Failure> {
        let repository = self.repository();
        let (losses, session) = (repository.engine.losses()?, self.session());
        let put = |(id, object): &(_, Vec<u8>)| {
            let put = repository.engine.put(&session, id, object).map_err(Failure::from);
            put.inspect_err(|failure| repository.learn(failure))
        };
        Ok(Taken { puts: objects.iter().map(put).collect(), losses })
    }

    /// Counts bytes that are about to be stored.
    pub(crate) fn reserve(&self, bytes: u64) -> Result<(), Failure> {
        if self.repository().is_poisoned() {
            return Err(Failure::new(Code::STORAGE_FAILED, "the repository must be opened anew"));
        }
        self.repository().meter.reserve(bytes)
    }

    /// Takes back bytes that were not stored.
    pub(crate) fn release(&self, bytes: u64) {
        self.repository().meter.release(bytes);
    }

    fn repository(&self) -> &Repository {
        self.0.repository.as_ref().expect("it is given back when the lease ends, and not before")
    }
}

const UNBROKEN: &str = "nothing panics while it holds who counts on a repository";
