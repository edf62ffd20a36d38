use std::sync::atomic::AtomicBool;

use super::*;
use crate::repository::Access;
use crate::repository::trial::Trial;

/// Bundles of which every second file is used.
fn moves(repository: &Repository, bundles: u8) -> Vec<Move> {
    let mut writer = ObjectWriter::new(repository);
    let contents = |number: u8, at: u8| vec![number ^ at.rotate_left(3); 700 + usize::from(at)];
    let mut moves = Vec::new();
    for number in 0..bundles {
        let (mut plain, mut slices) = (Vec::new(), std::collections::BTreeSet::new());
        for at in 0..20 {
            let file = contents(number, at);
            if at % 2 == 0 {
                let fits = |length: usize| u32::try_from(length).expect("small");
                slices.insert((fits(plain.len()), fits(file.len())));
            }
            plain.extend(file);
        }
        moves.push(Move { bundle: writer.data(&plain).expect("stored"), slices });
    }
    moves
}

#[test]
fn what_moved_is_where_it_is_said_to_be_and_any_other_content_is_noticed() {
    let trial = Trial::new();
    let repository = trial.open(Access::Write);
    let (cancel, progress) = (AtomicBool::new(false), Progress::new());
    for count in [1, 3, 9, 40] {
        let moves = moves(&repository, count);
        let mut moved = lay(&moves, &repository, &cancel, &progress).expect("laid");
        assert!(moved.is_sound(&repository, &cancel).expect("read"));
        let mut fetcher = repository.fetcher();
        for Move { bundle, slices } in &moves {
            let old = fetcher.plain(bundle).expect("read").to_vec();
            for slice in slices {
                let (to, offset) = moved.place(bundle, *slice).expect("it moved");
                let new = fetcher.plain(&to).expect("read");
                let part = |plain, offset| {
                    Fetcher::slice(bundle, plain, offset, slice.1.into()).expect("inside").to_vec()
                };
                assert_eq!(part(new, offset), part(&old, slice.0));
            }
        }
        let of_last = moved.places.get_mut(&moves[moves.len() - 1].bundle.id).expect("it moved");
        let (slice, place) = of_last.iter_mut().next().expect("some");
        let other = repository.keys().file_hash(&[0xee; 9]);
        assert_ne!(std::mem::replace(&mut place.hash, other), other, "{slice:?}");
        assert!(!moved.is_sound(&repository, &cancel).expect("read"));
    }
}
