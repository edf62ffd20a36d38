//! The work of an agent: all its [lanes](super::lane) side by side, and what they have to tell.

use std::fs::DirBuilder;
use std::fs::File;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::mpsc::channel;
use std::thread::ScopedJoinHandle;

use super::config::Config;
use super::error::AgentError;
use super::lane::Lane;
use super::lane::lanes;
use super::place::Place;
use super::runs::Memory;
use super::runs::Remembered;
use super::runs::Runs;
use super::together;
use crate::lock::Lock;

/// Name of the file whose lock says that an agent is at work.
const LOCK: &str = "lock";

/// What an agent tells of its work.
#[derive(Debug, Clone)]
pub enum Event {
    /// A run of a job ended.
    Ended {
        /// Name of the job.
        job: String,
        /// How it went.
        remembered: Box<Remembered>,
    },
    /// Points that waited in the spool were brought to a server.
    Brought {
        /// How many.
        points: u64,
        /// How many wait yet.
        waiting: u64,
    },
}

/// Runs jobs as they come due until the agent is told to end, and tells of them.
///
/// # Errors
/// When another agent is at work in its folder, or what it remembers cannot be written there.
pub fn run(config: &Config, place: &Place, told: &mut dyn FnMut(&Event)) -> Result<(), AgentError> {
    work(config, place, told, |lane| lane.run())
}

/// Runs every job once, now, whatever its schedule says.
///
/// # Errors
/// As [`run`].
pub fn run_once(config: &Config, place: &Place, told: &mut dyn FnMut(&Event)) -> Result<(), AgentError> {
    work(config, place, told, |lane| lane.run_once())
}

/// Goes on from what earlier agents remembered. An agent whose lane cannot go on ends whole.
fn work(
    config: &Config,
    place: &Place,
    told: &mut dyn FnMut(&Event),
    go: impl Fn(&mut Lane<'_>) -> io::Result<()> + Sync,
) -> Result<(), AgentError> {
    let mut runs = Runs::read(&config.state);
    let _lock = begin(config, &runs)?;
    runs.jobs.retain(|name, _| config.jobs.iter().any(|job| job.name == *name));
    // The schedule may be another since.
    runs.jobs.values_mut().for_each(|remembered| remembered.next = None);
    let memory = Memory::new(runs, &config.state);
    std::thread::scope(|scope| {
        let (sender, events) = channel();
        let go = &go;
        let start = |mut lane| {
            scope.spawn(move || {
                let ended = go(&mut lane);
                if ended.is_err() {
                    place.cancel.store(true, Ordering::Relaxed);
                }
                ended
            })
        };
        let running: Vec<_> = lanes(config, place, &memory, &sender).into_iter().map(start).collect();
        drop(sender);
        events.iter().for_each(|event| told(&event));
        let ended = |lane: ScopedJoinHandle<'_, io::Result<()>>| {
            lane.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        };
        Ok(running.into_iter().try_for_each(ended)?)
    })
}

/// Makes the agent's folder, for itself alone: a spool holds what was backed up. What an agent before left standing still is
/// thawed.
fn begin(config: &Config, runs: &Runs) -> Result<Lock, AgentError> {
    let state = &config.state;
    DirBuilder::new().recursive(true).mode(0o700).create(state)?;
    let lock = Lock::take(File::options().create(true).truncate(false).write(true).open(state.join(LOCK))?)?;
    let lock = lock.ok_or(AgentError::AtWork)?;
    for job in &config.jobs {
        let was_cut = |run: &Remembered| run.begun.is_some() && run.ended.is_none();
        if job.member.is_some() && runs.jobs.get(&job.name).is_some_and(was_cut) {
            tracing::warn!("job {}: it was cut short, and is thawed", job.name);
            together::thaw(job);
        }
    }
    Ok(lock)
}

/// Whether an agent is at work in this folder.
pub fn is_at_work(state: &Path) -> bool {
    let taken = File::options().write(true).open(state.join(LOCK)).and_then(Lock::take);
    matches!(taken, Ok(None))
}
