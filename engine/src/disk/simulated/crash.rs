//! Which of the unsynced changes a crash leaves: [`Crash`], and per change its [`Fate`].

use super::random::Random;

/// A choice among the states in which a crash may leave a disk.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Crash {
    /// Nothing of what was not synced is there.
    LoseAll,
    /// Everything is there, as if it had been synced.
    KeepAll,
    /// A fate drawn for each change. Seeds differ in how much they keep and in whether it is a prefix in time.
    Seeded(u64),
    /// A fate for each change, in the order of [`uncertain`](super::SimulatedDisk::uncertain); those beyond the
    /// list are lost. For walking through all states of a short run.
    Chosen(Vec<Fate>),
}

/// What becomes of one change that was not synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fate {
    /// It is not there.
    Lost,
    /// It is there as a whole.
    Kept,
    /// A write of which only some sectors arrived: the one with index i if bit i (modulo 64) is set. For anything
    /// but a write: kept if the lowest bit is set.
    Torn {
        /// One bit per sector.
        sectors: u64,
    },
    /// A write of which only the new length of the file arrived; where it made the file longer there are zeros. For
    /// anything but a write: lost.
    Hollow,
}

impl Fate {
    pub(super) fn keeps_metadata(self) -> bool {
        match self {
            Self::Kept => true,
            Self::Torn { sectors } => sectors & 1 == 1,
            Self::Lost | Self::Hollow => false,
        }
    }
}

impl Crash {
    /// A fate for each of `count` changes, in the order in which they were made.
    pub(super) fn fates(&self, count: usize) -> Vec<Fate> {
        match self {
            Self::LoseAll => vec![Fate::Lost; count],
            Self::KeepAll => vec![Fate::Kept; count],
            Self::Seeded(seed) => seeded(&mut Random::new(*seed), count),
            Self::Chosen(fates) => {
                let mut fates = fates.clone();
                fates.resize(count, Fate::Lost);
                fates
            }
        }
    }
}

/// Independent draws alone would nearly never keep, or lose, many changes in a row; so a seed first decides how many
/// of four are kept, and one seed in three cuts in time: everything before one change, nothing behind it.
fn seeded(random: &mut Random, count: usize) -> Vec<Fate> {
    let kept_of_four = random.below(5);
    let cut = random.chance(1, 3).then(|| random.below(count + 1));
    let draw = |index: usize| match cut {
        Some(cut) if index < cut => Fate::Kept,
        Some(cut) if index > cut => Fate::Lost,
        Some(_) => Fate::Torn { sectors: random.next() },
        None if random.chance(kept_of_four, 4) => Fate::Kept,
        None => match random.below(4) {
            0 => Fate::Hollow,
            1 => Fate::Torn { sectors: random.next() },
            _ => Fate::Lost,
        },
    };
    (0..count).map(draw).collect()
}
