//! Collection: what no snapshot needs any more goes, while backups and restores go on.
//!
//! Decisions so far: which packs are worth it ([`plan`]), and who may still need something ([`ledger`]). And what a mark
//! remembers: which objects it has found ([`bits`]), where nodes are ([`nodes`]), which data is live ([`live`]). All of it goes
//! at a pace that is asked for ([`pace`]).

pub mod plan;
pub mod ledger;
pub mod bits;
pub mod nodes;
pub mod live;
pub mod pace;

/// Spreads what differs in few bits over all of them (the finalizer of SplitMix64: Steele, Lea, Flood, OOPSLA 2014).
fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}
