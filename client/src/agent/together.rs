//! Jobs of a consistency group: they freeze together, are captured together, and are committed all or none.
//!
//! Every job has a session of its own. It freezes what it captures and waits at the server until all members stand still;
//! then it captures, by a hook that leaves a picture of the moment or by reading everything, and waits until all have;
//! then it thaws. Whatever happens, nothing stands still for longer than the group's limit.

use std::sync::Arc;
use std::sync::Condvar;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::thread::Builder;
use std::thread::JoinHandle;
use std::time::Duration;
use std::time::Instant;

use farkeep_protocol::field::GroupId;
use jiff::Timestamp;

use super::config::Job;
use super::config::Member;
use super::error::JobError;
use super::hooks::Hook;
use super::hooks::HookError;
use super::place::LOOK;
use super::place::Place;
use super::servers::Servers;
use crate::backup;
use crate::backup::BackupError;
use crate::backup::Request;
use crate::backup::Summary;
use crate::backup::Together;
use crate::output::chain;
use crate::progress::Progress;
use crate::repository::Group;
use crate::repository::Repository;
use crate::repository::Stage;

#[cfg(test)]
mod tests;

/// What a group is called in the tags of its snapshots.
pub(super) fn tag(member: &Member, id: GroupId) -> String {
    let id: String = id.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("group={}/{id}", member.group)
}

/// The id of a group's run: the same on all hosts for one time of its schedule. Where all members are on this host, another
/// one each time.
pub(super) fn id(member: &Member, due: Option<Timestamp>, members_here: usize) -> GroupId {
    let mut bytes = [0; 16];
    if members_here == member.members as usize {
        getrandom::fill(&mut bytes).expect("the system has random numbers");
        return GroupId::from_bytes(bytes);
    }
    let mut hasher = blake3::Hasher::new_derive_key("farkeep 2026-11 run of a consistency group");
    hasher.update(&due.unwrap_or_default().as_second().to_le_bytes()).update(member.group.as_bytes());
    hasher.finalize_xof().fill(&mut bytes);
    GroupId::from_bytes(bytes)
}

/// The members at other hosts have waited since the group was due, and have thawed.
pub(super) fn is_in_vain(
    member: &Member,
    due: Option<Timestamp>,
    members_here: usize,
    now: Timestamp,
) -> bool {
    members_here < member.members as usize && due.is_some_and(|due| due + member.limit < now)
}

/// Runs a job as a member of its group. Whatever stands against it, as far as `request` knows it before it begins, the others
/// are told too: they need not stand still for a member that does not come.
pub(super) fn run(
    servers: &Servers<'_>,
    job: &Job,
    member: &Member,
    id: GroupId,
    request: impl FnOnce() -> Result<Request, JobError>,
) -> Result<(Summary, Option<String>), JobError> {
    let group = Group { id, members: member.members, limit: member.limit };
    let repository = servers.reach()?;
    let outcome =
        request().and_then(|request| capture(&repository, servers.place, job, member, group, request));
    if let Err(JobError::Late { .. }) = &outcome {
        // Its time is over at the server too.
    } else if outcome.is_err() {
        // The others hear of it by the broken session too, where they know of this member.
        let _ = repository.gather(&group, Stage::Failed);
    }
    outcome
}

fn capture(
    repository: &Repository,
    place: &Place,
    job: &Job,
    member: &Member,
    group: Group,
    request: Request,
) -> Result<(Summary, Option<String>), JobError> {
    let still = Arc::new(Standstill::begin(job, member, place)?);
    let hook = |hook: &Option<Hook>| match hook {
        Some(Hook { line, limit }) => Hook { line: line.clone(), limit: member.limit.min(*limit) }
            .run(&[("FARKEEP_JOB", &job.name), ("FARKEEP_GROUP", &member.group)]),
        None => Ok(()),
    };
    let outcome = (|| {
        let frozen = hook(&job.hooks.freeze);
        if still.is_late() {
            // It was thawed before the freeze came to its end.
            thaw(job);
        }
        frozen?;
        repository.gather(&group, Stage::Frozen).map_err(BackupError::from)?;
        let has_picture = job.hooks.capture.is_some();
        if has_picture {
            hook(&job.hooks.capture)?;
            repository.gather(&group, Stage::Captured).map_err(BackupError::from)?;
            still.thaw()?;
        }
        let thawing = Arc::clone(&still);
        let captured = Arc::new(move |repository: &Repository| {
            if has_picture {
                return Ok(());
            }
            repository.gather(&group, Stage::Captured)?;
            // A snapshot that was captured in time is not given up because a hook fails behind it.
            match thawing.thaw() {
                Err(JobError::Late { .. }) => Err(BackupError::Interrupted { stored_bytes: 0 }),
                _ => Ok(()),
            }
        });
        // With a picture nothing stands still any more, and there is all the time to read it.
        let cancel = if has_picture { request.cancel } else { Arc::clone(&still.shared.cancel) };
        let request = Request {
            cancel,
            together: Some(Together { group, captured, is_captured: Arc::default() }),
            ..request
        };
        Ok(backup::begin(&request).store(repository, &Progress::new())?)
    })();
    match (outcome, still.end()) {
        (_, Err(late @ JobError::Late { .. })) => Err(late),
        // The point is there, whatever became of the hook behind it.
        (outcome, ended) => outcome.map(|summary| (summary, ended.err().map(|failed| chain(&failed)))),
    }
}

/// Thaws what a job may have frozen. A failure is said, and handed back.
pub(super) fn thaw(job: &Job) -> Option<HookError> {
    let group = job.member.as_ref().map_or("", |member| &member.group);
    let hook = job.hooks.thaw.as_ref()?;
    let failed = hook.run(&[("FARKEEP_JOB", &job.name), ("FARKEEP_GROUP", group)]).err()?;
    tracing::error!("job {}: it may stand still yet: {}", job.name, chain(&failed));
    Some(failed)
}

/// Something that was frozen, until it is thawed: when it is asked to, when it is dropped, and at the latest when its time
/// is over.
struct Standstill {
    shared: Arc<Shared>,
    watch: Mutex<Option<JoinHandle<()>>>,
}

struct Shared {
    job: Job,
    limit: Duration,
    /// Ends the run: when its time is over, and when the agent is told to end.
    cancel: Arc<AtomicBool>,
    state: Mutex<State>,
    changed: Condvar,
}

/// How it stands.
enum State {
    Frozen,
    /// It was thawed, and the hook ended so.
    Thawed(Option<HookError>),
    /// Its time was over.
    Late,
}

impl Standstill {
    fn begin(job: &Job, member: &Member, place: &Place) -> Result<Self, JobError> {
        let shared = Arc::new(Shared {
            job: job.clone(),
            limit: member.limit,
            cancel: Arc::default(),
            state: Mutex::new(State::Frozen),
            changed: Condvar::new(),
        });
        let (watched, agent) = (Arc::clone(&shared), Arc::clone(&place.cancel));
        let watch = Builder::new().name("standstill".to_owned()).spawn(move || watched.watch(&agent));
        Ok(Self { shared, watch: Mutex::new(Some(watch.map_err(JobError::Thread)?)) })
    }

    /// Thaws it, if that has not happened yet.
    fn thaw(&self) -> Result<(), JobError> {
        self.shared.thaw(State::Thawed);
        match &*self.shared.state() {
            State::Late => Err(JobError::Late { limit: self.shared.limit }),
            State::Frozen | State::Thawed(_) => Ok(()),
        }
    }

    /// Whether its time was over. Waits for a thaw that is under way.
    fn is_late(&self) -> bool {
        matches!(*self.shared.state(), State::Late)
    }

    /// Thaws it, and says whether it stood still for too long, or does still.
    fn end(&self) -> Result<(), JobError> {
        self.thaw()?;
        if let Some(watch) = self.watch.lock().unwrap_or_else(PoisonError::into_inner).take() {
            watch.join().expect("nothing panics while it waits");
        }
        match std::mem::replace(&mut *self.shared.state(), State::Thawed(None)) {
            State::Thawed(Some(failed)) => Err(failed.into()),
            _ => Ok(()),
        }
    }
}

impl Drop for Standstill {
    fn drop(&mut self) {
        // What goes wrong was said.
        let _ = self.end();
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs the hook once, by whoever comes first; others wait until it has ended.
    fn thaw(&self, becomes: impl FnOnce(Option<HookError>) -> State) {
        let mut state = self.state();
        if matches!(*state, State::Frozen) {
            *state = becomes(thaw(&self.job));
            self.changed.notify_all();
        }
    }

    /// Waits until it is thawed, and sees to it when its time is over.
    fn watch(&self, agent: &AtomicBool) {
        let ends = Instant::now() + self.limit;
        let mut state = self.state();
        while matches!(*state, State::Frozen) {
            let left = ends.saturating_duration_since(Instant::now());
            if agent.load(Ordering::Relaxed) {
                self.cancel.store(true, Ordering::Relaxed);
            }
            if left.is_zero() {
                drop(state);
                tracing::warn!(
                    "job {}: it is thawed, since it stood still for {:?}",
                    self.job.name,
                    self.limit
                );
                self.cancel.store(true, Ordering::Relaxed);
                return self.thaw(|_| State::Late);
            }
            let waited = self.changed.wait_timeout(state, left.min(LOOK));
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}
