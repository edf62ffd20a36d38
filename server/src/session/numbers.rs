//! Numbers of requests over all connections of a session: each once, none far ahead of one that is missing.

use std::collections::BTreeSet;

use farkeep_protocol::field::Sequence;
use thiserror::Error;

#[cfg(test)]
mod tests;

/// A number that may not come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(super) enum OutOfSequence {
    #[error("request {number} was made before")]
    Used { number: u64 },
    #[error("request {number} is too far ahead of request {missing}, which is missing")]
    TooFar { number: u64, missing: u64 },
}

/// Which numbers came.
#[derive(Debug)]
pub(super) struct Numbers {
    /// Every number below it came.
    missing: u64,
    /// Numbers above it that came.
    above: BTreeSet<u64>,
    /// How far ahead of the missing one a number may be.
    span: u64,
}

impl Numbers {
    /// Numbers from `first` on.
    pub(super) fn from(first: u64, span: u32) -> Self {
        Self { missing: first, above: BTreeSet::new(), span: u64::from(span) }
    }

    /// The lowest number that did not come.
    pub(super) fn missing(&self) -> u64 {
        self.missing
    }

    /// A number came.
    pub(super) fn take(&mut self, number: u64) -> Result<(), OutOfSequence> {
        let missing = self.missing;
        match number.checked_sub(missing) {
            None => Err(OutOfSequence::Used { number }),
            Some(ahead) if ahead >= self.span => Err(OutOfSequence::TooFar { number, missing }),
            Some(_) if !self.above.insert(number) => Err(OutOfSequence::Used { number }),
            Some(_) => {
                while self.above.remove(&self.missing) {
                    self.missing += 1;
                }
                Ok(())
            }
        }
    }
}

/// The number of a request that came with one.
pub(super) fn sequence(number: u64) -> Sequence {
    Sequence::new(number).expect("requests are numbered from 1")
}
