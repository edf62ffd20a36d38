//! The way through a file with holes.

use proptest::prelude::*;

use super::*;

/// Hands chunks of these lengths through a layout, as `pieces` does: where they lie, and whether they make up the file.
fn lay(chunks: &[u64], holes: &[Hole], bytes: u64) -> Result<Vec<u64>, RepositoryError> {
    let content = Content::Chunks { pointers: Vec::new(), holes: holes.to_vec() };
    let mut layout = Layout::new(&content, bytes);
    let offsets = chunks.iter().map(|bytes| layout.chunk(*bytes).map(|at| at.offset)).collect();
    layout.end().and(offsets)
}

fn hole(offset: u64, bytes: u64) -> Hole {
    Hole { offset, bytes }
}

proptest! {
    #[test]
    fn chunks_lie_between_the_holes(
        runs in proptest::collection::vec((1u64..50, proptest::collection::vec(1u64..40, 1..4)), 1..8),
        starts_with_hole: bool,
        ends_with_hole: bool,
    ) {
        let (mut at, mut offsets, mut chunks, mut holes) = (0, Vec::new(), Vec::new(), Vec::new());
        for (number, (bytes, run)) in runs.iter().enumerate() {
            if number > 0 || starts_with_hole {
                holes.push(hole(at, *bytes));
                at += bytes;
            }
            for chunk in run {
                offsets.push(at);
                chunks.push(*chunk);
                at += chunk;
            }
        }
        if ends_with_hole {
            holes.push(hole(at, 7));
            at += 7;
        }
        prop_assert_eq!(lay(&chunks, &holes, at).expect("they make up the file"), offsets);
        prop_assert!(lay(&chunks, &holes, at + 1).is_err(), "something is missing");
        prop_assert!(lay(&chunks, &holes, at - 1).is_err(), "there is too much");
        // Two chunks with a hole between them, as one.
        let mut spanning = chunks.clone();
        if let [.., (_, before), (_, last)] = &runs[..] {
            let merged = chunks.len() - last.len();
            let first = spanning.remove(merged);
            spanning[merged - 1] += first;
            prop_assert!(!before.is_empty() && lay(&spanning, &holes, at).is_err());
        }
    }
}

#[test]
fn a_file_may_end_with_a_hole_or_be_one() {
    assert_eq!(lay(&[2], &[hole(2, 3)], 5).expect("it is whole"), [0]);
    assert_eq!(lay(&[], &[hole(0, 2)], 2).expect("it is whole"), [0; 0]);
    assert!(lay(&[1], &[hole(5, 2)], 7).is_err());
    assert!(lay(&[u64::MAX, u64::MAX], &[], 7).is_err());
}
