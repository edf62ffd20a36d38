//! The order of snapshots, which no clock of a host can turn over.
//!
//! Within a series that is the order of its chain: an agent makes its points one after the other, whatever its clock says. Only
//! what waited in a spool may have been brought behind a newer one, and goes to where it was captured.

use std::collections::BTreeMap;

use farkeep_codec::time::Time;

use super::Label;

/// A snapshot at its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Placed {
    /// Its place in what was ordered.
    pub at: usize,
    /// When it was captured, and not before those in front of it in its series.
    pub captured: Time,
    /// By what it is ordered among those of other series.
    rank: Time,
}

/// Puts snapshots in order, the oldest first. Those of several series follow one another as they arrived, and those that waited
/// in a spool as they were captured.
pub fn in_order(labels: &[Label]) -> Vec<Placed> {
    let mut by_arrival: Vec<usize> = (0..labels.len()).collect();
    by_arrival.sort_by_key(|at| labels[*at].sequence);
    let mut series: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for at in by_arrival {
        let label = &labels[at];
        let chain = series.entry(&label.series).or_default();
        let is_before = |other: &&usize| label.spooled && labels[**other].plausible() > label.plausible();
        let behind = chain.iter().rev().take_while(is_before).count();
        chain.insert(chain.len() - behind, at);
    }
    let mut placed: Vec<(usize, Placed)> = Vec::with_capacity(labels.len());
    for chain in series.into_values() {
        let mut last: Option<Placed> = None;
        for (place, at) in chain.into_iter().enumerate() {
            let label = &labels[at];
            let mut next = Placed { at, captured: label.plausible(), rank: label.rank() };
            if let Some(last) = last {
                next.captured = next.captured.max(last.captured);
                next.rank = next.rank.max(last.rank);
            }
            placed.push((place, next));
            last = Some(next);
        }
    }
    placed.sort_by_key(|(place, placed)| (placed.rank, *place, labels[placed.at].sequence));
    placed.into_iter().map(|(_, placed)| placed).collect()
}

impl Label {
    /// When it was captured, as far as that can be believed: none arrives before its capture.
    fn plausible(&self) -> Time {
        self.captured.min(self.received)
    }

    fn rank(&self) -> Time {
        if self.spooled { self.plausible() } else { self.received }
    }
}
