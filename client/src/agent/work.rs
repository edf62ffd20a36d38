//! The work of an agent: all its [lanes](super::lane) side by side, and what they have to tell.

use std::fs::DirBuilder;
use std::fs::File;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::sync::mpsc::sync_channel;
use std::thread::Builder;
use std::time::Duration;

use super::config::Config;
use super::error::AgentError;
use super::event::Event;
use super::lane::When;
use super::lane::lanes;
use super::place::Place;
use super::runs::Memory;
use super::runs::Remembered;
use super::runs::Runs;
use super::servers::Servers;
use super::together;
use crate::lock::Lock;

/// Name of the file whose lock says that an agent is at work.
const LOCK: &str = "lock";
/// How often the lock is looked for before another agent is believed to hold it, and how long between: a fifth of a second.
const LOOKS: u32 = 4;
const LOOKS_APART: Duration = Duration::from_millis(50);
/// Events that wait until they are told.
const EVENTS_WAITING_MAX: usize = 256;

/// Runs jobs as they come due until the agent is told to end, and tells of them.
///
/// # Errors
/// When another agent is at work in its folder, or it is none of its own.
pub fn run(config: &Config, place: &Place, told: &mut dyn FnMut(&Event)) -> Result<(), AgentError> {
    work(config, place, told, When::Due)
}

/// Runs every job once, now, whatever its schedule says.
///
/// # Errors
/// As [`run`].
pub fn run_once(config: &Config, place: &Place, told: &mut dyn FnMut(&Event)) -> Result<(), AgentError> {
    work(config, place, told, When::Once)
}

/// Goes on from what earlier agents remembered.
fn work(config: &Config, place: &Place, told: &mut dyn FnMut(&Event), when: When) -> Result<(), AgentError> {
    let _lock = lock(&config.state)?;
    let mut runs = Runs::read(&config.state);
    thaw_all(config, &runs);
    runs.jobs.retain(|name, _| config.jobs.iter().any(|job| job.name == *name));
    // The schedule may be another since.
    runs.jobs.values_mut().for_each(|remembered| remembered.next = None);
    let (memory, servers) = (Memory::new(runs, &config.state), Servers::new(config, place));
    std::thread::scope(|scope| {
        let (sender, events) = sync_channel(EVENTS_WAITING_MAX);
        let lanes = lanes(&servers, &memory, &sender, when);
        drop(sender);
        for mut lane in lanes {
            let fuse = Fuse(&place.cancel);
            let run = move || {
                lane.run();
                std::mem::forget(fuse);
            };
            // A lane that cannot be started ends the others.
            Builder::new().name("lane".to_owned()).spawn_scoped(scope, run)?;
        }
        events.iter().for_each(|event| told(&event));
        Ok(())
    })
}

/// Ends the whole agent with a lane that panics: whoever started it sees that, and starts it again.
struct Fuse<'a>(&'a AtomicBool);

impl Drop for Fuse<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Makes the agent's folder, for itself alone: a spool holds what was backed up. Whoever asks how the jobs go takes the lock for
/// a moment.
fn lock(state: &Path) -> Result<Lock, AgentError> {
    DirBuilder::new().recursive(true).mode(0o700).create(state)?;
    let open = || File::options().create(true).truncate(false).write(true).open(state.join(LOCK));
    for _ in 0..LOOKS {
        if let Some(lock) = Lock::take(open()?)? {
            return Ok(lock);
        }
        std::thread::sleep(LOOKS_APART);
    }
    Err(AgentError::AtWork)
}

/// Thaws what an agent before left standing still.
fn thaw_all(config: &Config, runs: &Runs) {
    for job in &config.jobs {
        let was_cut = |run: &Remembered| run.begun.is_some() && run.ended.is_none();
        if job.member.is_some() && runs.jobs.get(&job.name).is_some_and(was_cut) {
            tracing::warn!("job {}: it was cut short, and is thawed", job.name);
            together::thaw(job);
        }
    }
}

/// Whether an agent is at work in this folder.
pub fn is_at_work(state: &Path) -> bool {
    let taken = File::options().write(true).open(state.join(LOCK)).and_then(Lock::take);
    matches!(taken, Ok(None))
}
