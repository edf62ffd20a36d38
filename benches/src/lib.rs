//! What the rooms are measured against, and what the programs that measure have in common.
//!
//! A figure says little without the limit beside it: how fast the same machine does the stage's unavoidable work
//! when nothing else is in the way. The limits here were measured once on a two-core machine (AMD Zen 4, Linux 6.18,
//! ext4 on a virtual disk), one core unless said, and stand beside every bench's name, so that a reader of the
//! output needs no second page. On another machine they are proportions, not promises.

pub mod chance;
pub mod limits;
pub mod told;
pub mod tree;
