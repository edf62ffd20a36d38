use farkeep_engine::ChainHash;
use farkeep_engine::Position;

use super::Testimony;
use super::Witness;

fn position(sequence: u64, chain: u8) -> Position {
    Position { sequence, chain: ChainHash::from_bytes([chain; 32]) }
}

#[test]
fn a_history_that_ends_too_early_or_elsewhere_is_noticed() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let witness = Witness::at(folder.path());
    assert_eq!(witness.ask(&position(1, 1)), None, "it was never seen");
    witness.write(&position(7, 3), 7).expect("there is room");
    assert_eq!(witness.ask(&position(7, 3)), None);
    assert_eq!(witness.ask(&position(8, 9)), None);
    assert_eq!(witness.ask(&position(6, 3)), Some(Testimony::RolledBack { seen: 7, found: 6 }));
    assert_eq!(witness.ask(&position(7, 4)), Some(Testimony::Replaced));
    witness.write(&position(7, 3), 9).expect("there is room");
    assert_eq!(witness.ask(&position(9, 5)), None);
    assert_eq!(
        witness.ask(&position(8, 5)),
        Some(Testimony::RolledBack { seen: 9, found: 8 }),
        "it acknowledged more"
    );
    std::fs::write(folder.path().join("seen"), "nonsense").expect("there is room");
    assert_eq!(witness.ask(&position(1, 1)), None, "a damaged memory is none");
}
