//! One column of a leaf as a list of values.

use crate::layout::Malformed;

/// Reads `count` values, each by `next`. The callers bound the number by that of the leaf's entries.
pub(super) fn read_column<T>(
    count: usize,
    mut next: impl FnMut() -> Result<T, Malformed>,
) -> Result<Vec<T>, Malformed> {
    let mut values = Vec::with_capacity(count);
    for _ in 0..count {
        values.push(next()?);
    }
    Ok(values)
}
