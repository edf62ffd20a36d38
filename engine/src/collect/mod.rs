//! Collection: what no snapshot needs any more goes, while backups and restores go on ([`collect`]).
//!
//! First the journal says which snapshots are purged. Then everything is found that the others need ([`mark`]), and it is
//! decided which packs are worth it ([`plan`]). What is chosen is condemned: from there on nobody counts on it who did not
//! before ([`ledger`]). What survives of it is copied ([`mover`]), what somebody turned out to need meanwhile is reprieved
//! ([`settle`]), and only then the journal says what is gone. Whatever ends a collection before that voids it.
//!
//! Memory: 16 bytes for each node, up to 16 bits for each object of data and one for each object, from a budget; a
//! repository that needs more is marked in several passes. All of it goes at a pace that is asked for ([`pace`]).

pub use crate::store::ledger;

pub mod plan;
pub mod bits;
pub mod nodes;
pub mod live;
pub mod pace;
mod work;
mod numbering;
mod dark;
mod touched;
mod mark;
mod order;
mod mover;
mod settle;
mod sweep;
mod run;

#[cfg(test)]
mod tests;

pub use run::CollectError;
pub use run::CollectOptions;
pub use run::Collected;
pub use run::Outcome;
pub use run::Purge;
pub use run::Young;
pub(crate) use run::collect;
pub(crate) use run::plan_only;
pub use work::CollectProgress;
pub use work::CollectStep;

/// Spreads what differs in few bits over all of them (the finalizer of SplitMix64: Steele, Lea, Flood, OOPSLA 2014).
fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}
