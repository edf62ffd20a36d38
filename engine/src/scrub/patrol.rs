//! Patrols: packs are verified over and over, the one first that was verified longest ago ([`patrol`]).
//!
//! Every byte is read from the medium, at a pace that is asked for, without a key. What is not as it was written is healed
//! where it lies; what cannot be healed is quarantined, and nothing is deleted. What was verified is noted about once a
//! minute, so a patrol that is stopped is taken up by the next one.

use std::ops::ControlFlow;
use std::time::Duration;
use std::time::Instant;

use farkeep_codec::id::PackId;
use farkeep_codec::time::Time;

use super::Extent;
use super::Healing;
use super::Job;
use super::Patients;
use super::Progress;
use super::due;
use super::due::Watched;
use super::heal::heal;
use super::pack::Read;
use super::pack::check_pack;
use super::verified::Verified;
use crate::collect::pace::Limits;
use crate::collect::pace::Pace;
use crate::disk::Advice;
use crate::disk::Mode;
use crate::limits::REPORT_LINES_MAX;
use crate::limits::SCRUB_READ_BYTES;
use crate::pack;
use crate::store::Store;
use crate::store::StoreError;

/// What was verified is noted as often.
const NOTE_EVERY: Duration = Duration::from_secs(60);

/// A rest is interrupted as often to ask whether it should go on.
const NAP: Duration = Duration::from_millis(100);

const DAY_SECONDS: u64 = 24 * 3600;

/// Whose turn it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// Everybody's, once.
    All,
    /// That of packs which must be verified now if the next patrol comes after that time, so that none is ever verified longer
    /// ago than the [settings](crate::Settings::scrub_days) allow: a part of the whole that is the same each time, as nearly
    /// as can be.
    Due(Duration),
}

/// What becomes of what is not as it was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Care {
    /// It is told. For one who reads only.
    Report,
    /// It is healed where it lies, or else quarantined.
    Heal,
}

/// How to patrol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PatrolOptions {
    /// Whose turn it is.
    pub turn: Turn,
    /// What becomes of what is not as it was written.
    pub care: Care,
    /// It stops by itself after that.
    pub time_max: Option<Duration>,
    /// How fast it may go.
    pub limits: Limits,
    /// Who says so, in the journal, where something is quarantined.
    pub by: String,
}

/// How a patrol ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PatrolOutcome {
    /// Everything was verified whose turn it was.
    #[default]
    Complete,
    /// Somebody stopped it, or its time was over. The next one goes on from there.
    Stopped,
    /// Another one is under way, so this one did nothing.
    Running,
}

/// What a patrol did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Patrolled {
    /// How it ended.
    pub outcome: PatrolOutcome,
    /// Packs that were verified, every byte of them.
    pub packs: u64,
    /// Bytes of them.
    pub bytes: u64,
    /// Packs in which something was not as it was written, the first of them up to a limit.
    pub damaged: Vec<PackId>,
    /// How many there are in all.
    pub damaged_count: u64,
    /// What was done about it.
    pub healing: Healing,
}

/// When packs were verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Verifications {
    /// All packs.
    pub packs: u64,
    /// Bytes of them.
    pub bytes: u64,
    /// Packs that were never verified as they are now.
    pub packs_unverified: u64,
    /// Bytes of them.
    pub bytes_unverified: u64,
    /// The oldest of the last verifications of the others.
    pub oldest: Option<Time>,
    /// How old a verification may become; `None` if nobody cares.
    pub bound: Option<Duration>,
    /// Whether one is older, or a pack was waiting for its first one for longer.
    pub is_late: bool,
    /// As many bytes must be verified each second from now on, so that none becomes older.
    pub bytes_per_second: u64,
}

/// Verifies packs. Tells `watch` how far it is, and stops when it wants that.
///
/// # Errors
/// If what is not as it was written cannot be quarantined. Damage is no error.
pub(crate) fn patrol(
    store: &Store,
    options: &PatrolOptions,
    watch: &dyn Fn(Progress) -> ControlFlow<()>,
) -> Result<Patrolled, StoreError> {
    let began = Instant::now();
    let time = Timing { elapsed: &|| began.elapsed(), rest: &|rest| std::thread::sleep(rest) };
    patrol_timed(store, options, watch, time)
}

/// What is known about when packs were verified.
pub(crate) fn verifications(store: &Store) -> Verifications {
    let now = store.now();
    let mut verified = Verified::read(store.disk(), store.parameters().repository);
    let packs = verified.watch(&store.catalogue(), now);
    let mut sum = Verifications { bound: bound(store), ..Verifications::default() };
    for pack in &packs {
        sum.packs += 1;
        sum.bytes += pack.bytes;
        if pack.is_verified {
            sum.oldest.get_or_insert(pack.since);
        } else {
            sum.packs_unverified += 1;
            sum.bytes_unverified += pack.bytes;
        }
    }
    if let Some(bound) = sum.bound {
        sum.is_late = packs.first().is_some_and(|oldest| due::age(oldest.since, now) > bound);
        let second = due::bytes_due(&packs, now, bound, Duration::from_secs(1));
        sum.bytes_per_second = u64::try_from(second).unwrap_or(u64::MAX);
    }
    sum
}

/// How old a verification may become.
fn bound(store: &Store) -> Option<Duration> {
    let days = store.catalogue().settings().scrub_days;
    (days > 0).then(|| Duration::from_secs(u64::from(days) * DAY_SECONDS))
}

/// What tells the time, and how to let it pass.
#[derive(Clone, Copy)]
pub(super) struct Timing<'a> {
    pub(super) elapsed: &'a dyn Fn() -> Duration,
    pub(super) rest: &'a dyn Fn(Duration),
}

pub(super) fn patrol_timed(
    store: &Store,
    options: &PatrolOptions,
    watch: &dyn Fn(Progress) -> ControlFlow<()>,
    time: Timing<'_>,
) -> Result<Patrolled, StoreError> {
    if options.care == Care::Heal && store.is_read_only() {
        return Err(StoreError::ReadOnly);
    }
    let Some(_patrolling) = store.patrolling() else {
        return Ok(Patrolled { outcome: PatrolOutcome::Running, ..Patrolled::default() });
    };
    let mut verified = Verified::read(store.disk(), store.parameters().repository);
    let mut packs = verified.watch(&store.catalogue(), store.now());
    packs.truncate(count(store, options.turn, &packs));
    let began = (time.elapsed)();
    let mut beat = Beat {
        watch,
        time,
        pace: Pace::new(options.limits, began),
        ends: options.time_max.map(|most| began.saturating_add(most)),
        resumed: began,
        progress: Progress { bytes_done: 0, bytes_total: packs.iter().map(|pack| pack.bytes).sum() },
        is_over: false,
    };
    let ended = walk(store, options, &packs, &mut verified, &mut beat);
    note(store, &mut verified);
    ended
}

/// How many packs have their turn, from the oldest on.
fn count(store: &Store, turn: Turn, packs: &[Watched]) -> usize {
    match (turn, bound(store)) {
        (Turn::All, _) => packs.len(),
        (Turn::Due(every), Some(bound)) => due::due(packs, store.now(), bound, every),
        (Turn::Due(_), None) => 0,
    }
}

fn walk(
    store: &Store,
    options: &PatrolOptions,
    packs: &[Watched],
    verified: &mut Verified,
    beat: &mut Beat<'_>,
) -> Result<Patrolled, StoreError> {
    let mut patrolled = Patrolled::default();
    let mut buffer = vec![0; SCRUB_READ_BYTES];
    let mut noted = (beat.time.elapsed)();
    for watched in packs {
        beat.ask();
        if beat.is_over {
            patrolled.outcome = PatrolOutcome::Stopped;
            break;
        }
        visit(store, options, watched, (verified, &mut patrolled), (&mut buffer, beat))?;
        let now = (beat.time.elapsed)();
        if now.saturating_sub(noted) >= NOTE_EVERY {
            note(store, verified);
            noted = now;
        }
    }
    Ok(patrolled)
}

/// Verifies one pack, and cares for it.
fn visit(
    store: &Store,
    options: &PatrolOptions,
    watched: &Watched,
    (verified, patrolled): (&mut Verified, &mut Patrolled),
    (buffer, beat): (&mut [u8], &mut Beat<'_>),
) -> Result<(), StoreError> {
    // It may have become longer, or have been removed, since it was looked for.
    let Some(known) = store.catalogue().pack(watched.number).cloned() else { return Ok(()) };
    let extents: Vec<Extent> = store.extents_in(watched.number);
    let bytes = u64::from(known.bytes);
    let job = Job { number: watched.number, extents, read: Read::Everything, bytes };
    let at = store.now();
    read_from_medium(store, &known.id, bytes);
    let checked = check_pack(store, &job, buffer, &mut |bytes| beat.passed(bytes));
    let is_sick = !checked.damage.is_empty() && is_there_still(store, watched.number)?;
    patrolled.packs += 1;
    patrolled.bytes += bytes;
    if !is_sick {
        verified.note(&known.id, at, known.bytes);
        return Ok(());
    }
    patrolled.damaged_count += 1;
    patrolled.damaged.extend((patrolled.damaged.len() < REPORT_LINES_MAX).then_some(known.id));
    // With a report alone it stays the first one for whoever can heal it.
    if options.care == Care::Heal {
        let healing = heal(store, &Patients::Packs(vec![known.id]), &options.by)?;
        patrolled.healing.add(healing);
        verified.note(&known.id, at, known.bytes);
    }
    Ok(())
}

/// Drops what the system remembers of a pack: what counts is what lies on the medium.
fn read_from_medium(store: &Store, pack: &PackId, bytes: u64) {
    if let Ok(file) = store.disk().open(&pack::path(pack), Mode::Read) {
        file.advise(Advice::Done { offset: 0, bytes });
    }
}

/// Whether somebody else has removed the pack since this reader read the journal.
fn is_there_still(store: &Store, number: u32) -> Result<bool, StoreError> {
    if store.is_read_only() {
        store.catch_up()?;
    }
    Ok(store.catalogue().pack(number).is_some())
}

/// Notes what was verified. Where that fails, it is verified once more.
fn note(store: &Store, verified: &mut Verified) {
    if let Err(error) = verified.write(store.disk(), store.parameters().repository) {
        tracing::warn!(%error, "it is not noted which packs were verified");
    }
}

/// How a patrol goes on: at its pace, until somebody stops it.
struct Beat<'a> {
    watch: &'a dyn Fn(Progress) -> ControlFlow<()>,
    time: Timing<'a>,
    pace: Pace,
    /// It is over then.
    ends: Option<Duration>,
    /// When it last began to work.
    resumed: Duration,
    progress: Progress,
    is_over: bool,
}

impl Beat<'_> {
    /// Takes in that so many bytes were read, and rests if that was too fast. One that is over rests no more.
    fn passed(&mut self, bytes: u64) {
        self.progress.bytes_done += bytes;
        let now = (self.time.elapsed)();
        let until = now.saturating_add(self.pace.rest(now, now.saturating_sub(self.resumed), bytes));
        self.ask();
        while !self.is_over {
            let left = until.saturating_sub((self.time.elapsed)());
            if left.is_zero() {
                break;
            }
            (self.time.rest)(left.min(NAP));
            self.ask();
        }
        self.resumed = (self.time.elapsed)();
    }

    /// Asks whether to go on.
    fn ask(&mut self) {
        let is_late = self.ends.is_some_and(|ends| (self.time.elapsed)() >= ends);
        self.is_over |= is_late || (self.watch)(self.progress).is_break();
    }
}
