//! Collection: what no snapshot needs any more goes, while backups and restores go on.
//!
//! Decisions so far: which packs are worth it ([`plan`]), and who may still need something ([`ledger`]).

pub mod plan;
pub mod ledger;
