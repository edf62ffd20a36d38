//! Those who take part, each a program of a few steps between which others may come.

use std::ops::Range;

use farkeep_engine::collect::ledger::Pin;
use farkeep_engine::collect::ledger::lock_of;

use super::collector;
use super::collector::Collector;
use super::model::Catalogue;
use super::model::GRACE_DAYS;
use super::model::Id;
use super::model::Ids;
use super::model::LEAF_OLD;
use super::model::Missing;
use super::model::ROOT_NEW;
use super::model::ROOT_OLD;
use super::model::Snapshot;
use super::model::Store;
use super::model::closure;
use super::model::references;

/// Who.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Role {
    /// Stores a new tree that shares a leaf with the old one.
    Backup,
    /// Stores the old tree once more.
    Again,
    /// Forgets a snapshot, and then what the policy does not keep.
    Forgetter,
    /// Collects.
    Collector,
    /// Restores a snapshot, in the process of the store.
    Restorer,
    /// Does so in a process of its own.
    Outsider,
    /// Reads the packs one by one.
    Scrubber,
    /// Recovers a forgotten snapshot, and restores it.
    Recoverer,
    /// The power fails, once.
    Power,
}

pub(crate) const ROLES: [Role; 9] = [
    Role::Backup,
    Role::Again,
    Role::Forgetter,
    Role::Collector,
    Role::Restorer,
    Role::Outsider,
    Role::Scrubber,
    Role::Recoverer,
    Role::Power,
];

/// What an actor knows. It has ended when there is no next step.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Actor {
    pub role: Role,
    pub next: Option<u8>,
    pub pin: Option<Pin>,
    /// Objects that it was told are there, or that it put.
    pub told: Ids,
    /// The snapshot that it restores, or recovers.
    pub snapshot: Option<usize>,
    /// Packs that it is to read, or snapshots that it is to forget.
    pub list: Vec<u32>,
    /// What a process of its own has read of the journal.
    pub replayed: Option<Catalogue>,
    pub locked: Option<usize>,
    pub collector: Option<Collector>,
}

/// What one step came to: the next one, or the end; and what is to be noted about it.
pub(crate) type Outcome = Result<(Option<u8>, &'static str), String>;

impl Actor {
    pub(crate) fn new(role: Role) -> Self {
        Self {
            role,
            next: Some(0),
            pin: None,
            told: Ids::default(),
            snapshot: None,
            list: Vec::new(),
            replayed: None,
            locked: None,
            collector: None,
        }
    }

    /// Whether the next step can be taken now.
    pub(crate) fn is_ready(&self, store: &Store) -> bool {
        match (self.role, self.next) {
            (_, None) => false,
            (Role::Collector, Some(step)) => collector::is_ready(store, step),
            _ => true,
        }
    }

    /// Takes it.
    pub(crate) fn step(&mut self, store: &mut Store) -> Result<&'static str, String> {
        let step = self.next.expect("it has not ended");
        let (next, fact) = match self.role {
            Role::Backup => self.backup(store, step, ROOT_NEW),
            Role::Again => self.backup(store, step, ROOT_OLD),
            Role::Forgetter => Ok(self.forget(store, step)),
            Role::Collector => Ok(collector::step(self, store, step)),
            Role::Restorer => self.restore(store, step),
            Role::Outsider => self.restore_outside(store, step),
            Role::Scrubber => self.scrub(store, step),
            Role::Recoverer => self.recover(store, step),
            Role::Power => {
                store.lose_power();
                Ok((None, "the power fails"))
            }
        }?;
        self.next = next;
        if next.is_none() {
            self.end(store);
        }
        Ok(fact)
    }

    /// Its process is gone, and what it knew with it. Another process goes on.
    pub(crate) fn lose_power(&mut self) {
        if self.role != Role::Outsider && self.next != Some(0) {
            *self = Self { next: None, ..Self::new(self.role) };
        }
    }

    /// Whether it may also break off here.
    pub(crate) fn may_break_off(&self) -> bool {
        match self.role {
            Role::Backup | Role::Again => matches!(self.next, Some(4 | 5)),
            Role::Collector => self.next.is_some_and(|step| collector::GIVE_UP.contains(&step)),
            _ => false,
        }
    }

    /// Breaks off: a backup with what it has put, a collection with what it has condemned.
    pub(crate) fn break_off(&mut self, store: &mut Store) {
        if self.role == Role::Collector {
            store.ledger.void();
            store.collecting = false;
        }
        self.end(store);
    }

    fn end(&mut self, store: &mut Store) {
        if let Some(pin) = self.pin.take() {
            store.ledger.end(pin);
        }
        if let Some(lock) = self.locked.take() {
            store.locks[lock] -= 1;
        }
        *self = Self { next: None, ..Self::new(self.role) };
    }

    fn pinned(&self) -> Pin {
        self.pin.expect("its first step was to begin")
    }

    fn backup(&mut self, store: &mut Store, step: u8, root: Id) -> Outcome {
        let refused = |Missing(id)| format!("a running backup is refused: {id} is not there");
        let fact = match step {
            0 => {
                self.pin = Some(store.ledger.begin());
                "begins"
            }
            1 => self.probe(store, root),
            2 => self.put(store, root, 0..LEAF_OLD).map_err(refused)?,
            3 => self.put(store, root, LEAF_OLD..ROOT_OLD).map_err(refused)?,
            4 => self.put(store, root, ROOT_OLD..Id::MAX).map_err(refused)?,
            _ => {
                store.commit(self.pinned(), root).map_err(refused)?;
                return Ok((None, "commits, and ends"));
            }
        };
        Ok((Some(step + 1), fact))
    }

    /// Asks from the top, as whoever remembers an earlier tree does: below what is there, everything is.
    fn probe(&mut self, store: &Store, root: Id) -> &'static str {
        let mut fact = "is told that the shared leaf is unknown";
        let mut waiting = vec![root];
        while let Some(id) = waiting.pop() {
            if store.has(self.pinned(), id) {
                self.told = self.told.and(closure(id));
            } else {
                waiting.extend(references(id));
            }
        }
        if self.told.has(LEAF_OLD) {
            fact = "is told that the shared leaf is there";
        }
        fact
    }

    fn put(&mut self, store: &mut Store, root: Id, which: Range<Id>) -> Result<&'static str, Missing> {
        for id in closure(root).without(self.told).each().filter(|id| which.contains(id)) {
            store.put(self.pinned(), id)?;
            self.told = self.told.and(Ids::of(&[id]));
        }
        Ok("puts")
    }

    fn forget(&mut self, store: &mut Store, step: u8) -> (Option<u8>, &'static str) {
        let today = store.today;
        let snapshots = &mut store.catalogue.snapshots;
        let fact = match step {
            0 => {
                if let Some(first) = snapshots.iter_mut().find(|at| at.forgotten.is_none()) {
                    first.forgotten = Some(today);
                }
                "forgets"
            }
            1 | 4 => {
                store.today += GRACE_DAYS;
                "lets days pass"
            }
            2 => {
                self.list = store.retention().into_iter().map(|at| u32::try_from(at).expect("few")).collect();
                if self.list.is_empty() { "plans to forget nothing" } else { "plans to forget" }
            }
            _ => {
                // Decided anew where the journal is written, so that a commit between is seen.
                for number in store.retention() {
                    store.catalogue.snapshots[number].forgotten = Some(today);
                }
                self.list.clear();
                "forgets what no policy keeps"
            }
        };
        ((step < 4).then_some(step + 1), fact)
    }

    /// The oldest snapshot that can be restored.
    fn open(&mut self, catalogue: &Catalogue) {
        self.snapshot = catalogue.snapshots.iter().position(|at| !at.purged);
    }

    fn restore(&mut self, store: &mut Store, step: u8) -> Outcome {
        match step {
            0 => {
                self.pin = Some(store.ledger.begin());
                return Ok((Some(1), "begins"));
            }
            1 => self.open(&store.catalogue),
            _ => {
                let all = self.wanted(&store.catalogue, step - 2);
                if let Some(gone) = all.into_iter().find(|id| !store.is_readable(*id)) {
                    return Err(format!("an open restore does not find {gone}"));
                }
            }
        }
        Ok(((step < 4).then_some(step + 1), "reads"))
    }

    /// What a restore reads one after the other: root, leaves, data.
    fn wanted(&self, catalogue: &Catalogue, level: u8) -> Vec<Id> {
        let Some(snapshot) = self.snapshot else { return Vec::new() };
        let root = catalogue.snapshots[snapshot].root;
        let leaves = references(root).to_vec();
        match level {
            0 => vec![root],
            1 => leaves,
            _ => leaves.iter().flat_map(|leaf| references(*leaf)).copied().collect(),
        }
    }

    /// Replays, locks, replays again: if the epoch is another one, from the beginning. What is not found where it was is
    /// looked up in the journal as it is now.
    fn restore_outside(&mut self, store: &mut Store, step: u8) -> Outcome {
        match step {
            0 => self.replayed = Some(store.catalogue.clone()),
            1 => {
                let lock = lock_of(self.replayed.as_ref().expect("it has replayed").epoch);
                store.locks[lock] += 1;
                self.locked = Some(lock);
            }
            2 => {
                let epoch = self.replayed.as_ref().expect("it has replayed").epoch;
                if epoch != store.catalogue.epoch {
                    store.locks[self.locked.take().expect("it has locked")] -= 1;
                    self.replayed = None;
                    return Ok((Some(0), "has to begin again"));
                }
                self.open(&store.catalogue);
                self.replayed = Some(store.catalogue.clone());
            }
            _ => {
                let mut replayed = self.replayed.take().expect("it has replayed");
                for id in self.wanted(&replayed, 2 * (step - 3)) {
                    let found = |catalogue: &Catalogue| {
                        catalogue.find(id).is_some_and(|at| store.files.contains(&at.pack))
                    };
                    if !found(&replayed) {
                        replayed = store.catalogue.clone();
                        if !found(&replayed) {
                            return Err(format!("an open restore of another process does not find {id}"));
                        }
                    }
                }
                self.replayed = Some(replayed);
            }
        }
        Ok(((step < 4).then_some(step + 1), "reads"))
    }

    fn scrub(&mut self, store: &mut Store, step: u8) -> Outcome {
        if step == 0 {
            self.list = store.catalogue.packs.keys().copied().take(5).collect();
        } else if let Some(pack) = self.list.pop() {
            let (read, known) = (store.files.contains(&pack), store.catalogue.packs.contains_key(&pack));
            if !read && known {
                return Err(format!("a scrub reports pack {pack} as lost"));
            }
            if !known {
                return Ok((Some(step + 1), "passes over a pack that was removed meanwhile"));
            }
        }
        Ok(((step < 5).then_some(step + 1), "scrubs"))
    }

    fn recover(&mut self, store: &mut Store, step: u8) -> Outcome {
        match step {
            0 => {
                let forgotten = |at: &Snapshot| at.forgotten.is_some() && !at.purged;
                self.snapshot = store.catalogue.snapshots.iter().position(forgotten);
                Ok((self.snapshot.map(|_| 1), "looks for what is forgotten"))
            }
            1 => {
                let at = &mut store.catalogue.snapshots[self.snapshot.expect("it has found one")];
                if at.forgotten.is_none() || at.purged {
                    return Ok((None, "comes too late to recover"));
                }
                at.forgotten = None;
                Ok((Some(2), "recovers"))
            }
            2 => {
                self.pin = Some(store.ledger.begin());
                if store.catalogue.snapshots[self.snapshot.expect("it has found one")].purged {
                    return Ok((None, "finds it purged again"));
                }
                Ok((Some(3), "begins"))
            }
            _ => {
                let all = self.wanted(&store.catalogue, step - 3);
                match all.into_iter().find(|id| !store.is_readable(*id)) {
                    Some(gone) => Err(format!("what was recovered lacks {gone}")),
                    None => Ok(((step < 5).then_some(step + 1), "reads")),
                }
            }
        }
    }

    /// What it was promised while it takes part.
    pub(crate) fn check(&self, store: &Store) -> Result<(), String> {
        if let Some(gone) = self.told.without(store.there()).first() {
            return Err(format!("{gone} is gone, and a running backup was told that it is there"));
        }
        let Some(snapshot) = self.snapshot.filter(|_| self.pin.is_some() || self.replayed.is_some()) else {
            return Ok(());
        };
        let root = store.catalogue.snapshots[snapshot].root;
        match closure(root).without(store.catalogue.there()).first() {
            Some(gone) => Err(format!("{gone} is gone, and an open restore needs it")),
            None => Ok(()),
        }
    }
}
