//! The order of the house, held by a test: rooms, sizes, words, faults, and what stands where.
//!
//! Between crates Cargo forbids cycles; inside a crate nothing would, and a rule that only people keep is kept for a
//! month. Each rule is a function from a source file to what is wrong in it, tried on a bad example of its own
//! before it is let loose on the tree.

mod faults;
mod house;
mod rooms;
mod sizes;
mod source;
mod tokens;
mod words;

/// Fails with every offence, not with the first.
fn assert_none(offences: &[String]) {
    assert!(offences.is_empty(), "{} offences:\n{}", offences.len(), offences.join("\n"));
}
