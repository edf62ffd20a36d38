//! What is counted, for all sessions together.

use std::array;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::time::Duration;

use farkeep_protocol::fault::Code;
use farkeep_protocol::hello::Role;
use farkeep_protocol::kind::Kind;
use farkeep_protocol::limits::FRAME_HEADER_BYTES;

use super::histogram::Histogram;
use super::text::Form;
use super::text::Text;

/// A number that rises and falls: how many hold it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Gauge(Arc<AtomicU64>);

/// One of them, until it is dropped.
#[derive(Debug)]
pub(crate) struct Held(Arc<AtomicU64>);

impl Gauge {
    pub(crate) fn hold(&self) -> Held {
        self.0.fetch_add(1, Ordering::Relaxed);
        Held(Arc::clone(&self.0))
    }

    pub(crate) fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What became of an object that was put.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    New,
    Known,
    Refused,
}

/// Where work waits for a thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Queue {
    Repositories,
    Verifications,
    Collections,
}

/// What is counted, for all sessions together.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) connections: Gauge,
    roles: [Gauge; Role::ALL.len()],
    queues: [Gauge; 3],
    received_bytes: [AtomicU64; 3],
    objects: [AtomicU64; 3],
    commits: AtomicU64,
    committed_bytes: AtomicU64,
    commit_seconds: Histogram,
    forgotten: AtomicU64,
    collections: AtomicU64,
    collected_bytes: AtomicU64,
    frozen: AtomicU64,
    looks: AtomicU64,
    faults: Faults,
    faults_unknown: AtomicU64,
}

/// One counter for each code that is known.
#[derive(Debug)]
struct Faults([AtomicU64; Code::ALL.len()]);

impl Default for Faults {
    fn default() -> Self {
        Self(array::from_fn(|_| AtomicU64::new(0)))
    }
}

impl Counters {
    /// Sessions of clients with this role.
    pub(crate) fn role(&self, role: Role) -> &Gauge {
        let index = Role::ALL.iter().position(|known| *known == role).expect("all roles are listed");
        &self.roles[index]
    }

    /// Sessions of all roles.
    pub(crate) fn sessions(&self) -> u64 {
        self.roles.iter().map(Gauge::value).sum()
    }

    /// Work that waits in a queue.
    pub(crate) fn queue(&self, queue: Queue) -> &Gauge {
        match queue {
            Queue::Repositories => &self.queues[0],
            Queue::Verifications => &self.queues[1],
            Queue::Collections => &self.queues[2],
        }
    }

    /// A frame came.
    pub(crate) fn received(&self, kind: Kind, body_bytes: usize) {
        let counter = match kind {
            Kind::Put => &self.received_bytes[0],
            Kind::Commit | Kind::CommitMarked | Kind::Replace => &self.received_bytes[1],
            _ => &self.received_bytes[2],
        };
        counter.fetch_add((FRAME_HEADER_BYTES + body_bytes) as u64, Ordering::Relaxed);
    }

    /// An object was put.
    pub(crate) fn object(&self, outcome: Outcome) {
        let counter = match outcome {
            Outcome::New => &self.objects[0],
            Outcome::Known => &self.objects[1],
            Outcome::Refused => &self.objects[2],
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// Snapshots of files with so many bytes in all were committed, so long after they were to be.
    pub(crate) fn committed(&self, snapshots: u64, bytes: u64, after: Duration) {
        self.commits.fetch_add(snapshots, Ordering::Relaxed);
        self.committed_bytes.fetch_add(bytes, Ordering::Relaxed);
        self.commit_seconds.count(after);
    }

    /// Policies forgot so many snapshots on their schedules.
    pub(crate) fn forgotten(&self, snapshots: u64) {
        self.forgotten.fetch_add(snapshots, Ordering::Relaxed);
    }

    /// A repository was collected, and packs with so many bytes went.
    pub(crate) fn collected(&self, bytes: u64) {
        self.collections.fetch_add(1, Ordering::Relaxed);
        self.collected_bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// It was looked what is due; from so many repositories nothing is deleted, since the clock moved.
    pub(crate) fn frozen(&self, repositories: u64) {
        self.frozen.store(repositories, Ordering::Relaxed);
        self.looks.fetch_add(1, Ordering::Relaxed);
    }

    /// A client was told that something was not done.
    pub(crate) fn fault(&self, code: Code) {
        let known = Code::ALL.iter().zip(&self.faults.0).find(|(known, _)| **known == code);
        known.map_or(&self.faults_unknown, |(_, counter)| counter).fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn write(&self, text: &mut Text) {
        text.family("farkeep_sessions", Form::Gauge, "Sessions, those included that wait to be resumed.");
        for (role, gauge) in Role::ALL.iter().zip(&self.roles) {
            text.sample("farkeep_sessions", &[("role", role.name())], gauge.value());
        }
        let help = "Connections, those included that have not come to a session.";
        text.alone("farkeep_connections", Form::Gauge, help, self.connections.value());
        let name = "farkeep_received_bytes_total";
        text.family(name, Form::Counter, "Bytes of frames that came, by what they carry.");
        for (kind, counter) in ["object", "record", "other"].iter().zip(&self.received_bytes) {
            text.sample(name, &[("kind", kind)], counter.load(Ordering::Relaxed));
        }
        let name = "farkeep_objects_total";
        text.family(name, Form::Counter, "Objects that were put, by what became of them.");
        for (result, counter) in ["new", "known", "refused"].iter().zip(&self.objects) {
            text.sample(name, &[("result", result)], counter.load(Ordering::Relaxed));
        }
        let commits = self.commits.load(Ordering::Relaxed);
        text.alone("farkeep_commits_total", Form::Counter, "Snapshots that were committed.", commits);
        let bytes = self.committed_bytes.load(Ordering::Relaxed);
        let help = "Lengths of the files in these snapshots: what was stored for them, compressed, is the objects received.";
        text.alone("farkeep_committed_bytes_total", Form::Counter, help, bytes);
        let help = "Time from a commit's turn until its snapshots were durable.";
        self.commit_seconds.write("farkeep_commit_seconds", help, text);
        let help = "Snapshots that policies forgot on their schedules.";
        let forgotten = self.forgotten.load(Ordering::Relaxed);
        text.alone("farkeep_forgotten_total", Form::Counter, help, forgotten);
        let collections = self.collections.load(Ordering::Relaxed);
        let help = "Collections that have ended, however they did.";
        text.alone("farkeep_collections_total", Form::Counter, help, collections);
        let help = "Bytes of packs that collections removed. What of them was needed was copied before.";
        let collected_bytes = self.collected_bytes.load(Ordering::Relaxed);
        text.alone("farkeep_collected_bytes_total", Form::Counter, help, collected_bytes);
        let help = "Repositories from which nothing is deleted, since the clock moved.";
        text.alone("farkeep_repositories_frozen", Form::Gauge, help, self.frozen.load(Ordering::Relaxed));
        let help = "How often it was looked what is due in repositories.";
        let looks = self.looks.load(Ordering::Relaxed);
        text.alone("farkeep_schedule_looks_total", Form::Counter, help, looks);
        text.family("farkeep_queue_depth", Form::Gauge, "Work that waits for a thread.");
        for (queue, gauge) in ["repositories", "verifications", "collections"].iter().zip(&self.queues) {
            text.sample("farkeep_queue_depth", &[("queue", queue)], gauge.value());
        }
        let name = "farkeep_faults_total";
        text.family(name, Form::Counter, "Faults and refusals that clients were told, by their code.");
        for (code, counter) in Code::ALL.iter().zip(&self.faults.0) {
            text.sample(name, &[("code", code.name())], counter.load(Ordering::Relaxed));
        }
        text.sample(name, &[("code", "unknown")], self.faults_unknown.load(Ordering::Relaxed));
    }
}
