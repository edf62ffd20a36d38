//! The way through a file with holes.

use proptest::prelude::*;

use super::*;

/// Hands the chunks through a layout, as `pieces` does, and returns the file.
fn lay(chunks: &[Vec<u8>], holes: &[Hole]) -> (Vec<u8>, bool) {
    let mut file = Vec::new();
    let mut take = |piece: Piece<'_>| -> Result<(), RepositoryError> {
        match piece {
            Piece::Data(data) => file.extend_from_slice(data),
            Piece::Hole(bytes) => file.resize(file.len() + usize::try_from(bytes).expect("small"), 0),
        }
        Ok(())
    };
    let mut layout = Layout { holes, at: 0 };
    for chunk in chunks {
        layout.data(chunk, &mut take).expect("nothing fails");
    }
    layout.pass_hole(&mut take).expect("nothing fails");
    let is_whole = layout.holes.is_empty();
    (file, is_whole)
}

proptest! {
    #[test]
    fn data_and_holes_interleave_as_they_were(
        runs in proptest::collection::vec((1usize..50, 1usize..50), 1..8),
        starts_with_hole: bool,
        chunk_bytes in 1usize..40,
    ) {
        let (mut file, mut data, mut holes) = (Vec::new(), Vec::new(), Vec::new());
        for (at, (hole, run)) in runs.iter().enumerate() {
            if at > 0 || starts_with_hole {
                holes.push(Hole { offset: file.len() as u64, bytes: *hole as u64 });
                file.resize(file.len() + hole, 0);
            }
            let bytes: Vec<u8> = (1..=250).cycle().take(*run).collect();
            file.extend_from_slice(&bytes);
            data.extend_from_slice(&bytes);
        }
        let chunks: Vec<Vec<u8>> = data.chunks(chunk_bytes).map(<[u8]>::to_vec).collect();
        prop_assert_eq!(lay(&chunks, &holes), (file, true));
    }
}

#[test]
fn a_file_may_end_with_a_hole_or_be_one() {
    let hole = |offset, bytes| Hole { offset, bytes };
    assert_eq!(lay(&[vec![1, 2]], &[hole(2, 3)]), (vec![1, 2, 0, 0, 0], true));
    assert_eq!(lay(&[], &[hole(0, 2)]), (vec![0, 0], true));
    assert_eq!(lay(&[vec![1]], &[hole(5, 2)]), (vec![1], false));
}
