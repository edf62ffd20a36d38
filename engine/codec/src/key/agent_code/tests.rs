//! Agent codes: one text for one secret, told from other codes and from those of other repositories.

use proptest::prop_assert_eq;
use proptest::proptest;

use super::*;
use crate::key::RecoveryCode;

proptest! {
    #[test]
    fn a_code_comes_back_from_its_text(secret: [u8; 32], repository: [u8; 32], epoch in 0_u32..3, far: u32) {
        let (secret, repository) = (DomainSecret::from_bytes(secret), RepositoryId::from_bytes(repository));
        let epoch = Epoch::new(if epoch == 2 { far } else { epoch });
        let text = AgentCode::new((epoch, &secret), &repository).to_text().to_lowercase();
        for text in [&text[..], &text[5..]] {
            let read = AgentCode::parse(text).expect("it was printed");
            prop_assert_eq!(read.epoch(), epoch);
            prop_assert_eq!(read.secret_for(&repository), Some(DomainSecrets::of(epoch, secret.clone())));
        }
    }

    #[test]
    fn a_code_for_another_repository_hands_nothing_over(secret: [u8; 32], repository: [u8; 32], at in 0_usize..5, epoch in 0_u32..2) {
        let code = AgentCode::new((Epoch::new(epoch), &DomainSecret::from_bytes(secret)), &RepositoryId::from_bytes(repository));
        let mut other = repository;
        other[at] ^= 1;
        prop_assert_eq!(code.secret_for(&RepositoryId::from_bytes(other)), None);
    }

    #[test]
    fn a_recovery_code_is_none(bytes: [u8; 32]) {
        let text = RecoveryCode::from_bytes(bytes).to_text();
        let refused = AgentCode::parse(&text[5..]).err();
        prop_assert_eq!(refused, Some(CodeError::Length { wanted: 64, found: 56 }));
    }
}

#[test]
fn golden_text() {
    let counted = std::array::from_fn(|n| u8::try_from(n).expect("below 32"));
    let repository = RepositoryId::from_bytes([0xf0; 32]);
    let text = AgentCode::new((Epoch::FIRST, &DomainSecret::from_bytes(counted)), &repository).to_text();
    assert_eq!(*text, "FKA1-000G-40R4-0M30-E209-185G-R38E-1W81-24GK-2GAH-C5RR-34D1-P70X-3RFZ-1W7G-Y3RF-9RSW");
}

#[test]
fn golden_text_of_a_later_epoch() {
    let counted = std::array::from_fn(|n| u8::try_from(n).expect("below 32"));
    let repository = RepositoryId::from_bytes([0xf0; 32]);
    let text = AgentCode::new((Epoch::new(1), &DomainSecret::from_bytes(counted)), &repository).to_text();
    assert_eq!(
        *text,
        "FKA2-000G-40R4-0M30-E209-185G-R38E-1W81-24GK-2GAH-C5RR-34D1-P70X-3RFG-2000-03RF-1W7G-Y3RC-77ET"
    );
}

#[test]
fn a_later_code_of_the_first_epoch_is_none() {
    let text = LATER.text(&[0; CODE_BYTES]);
    assert_eq!(AgentCode::parse(&text).err(), Some(CodeError::Mistyped));
}

#[test]
fn a_slip_is_noticed() {
    for epoch in [0, 1] {
        a_slip_is_noticed_in(Epoch::new(epoch));
    }
}

fn a_slip_is_noticed_in(epoch: Epoch) {
    let code =
        AgentCode::new((epoch, &DomainSecret::from_bytes([3; 32])), &RepositoryId::from_bytes([4; 32]));
    let text = code.to_text();
    for at in (5..text.len()).filter(|at| text.as_bytes()[*at] != b'-') {
        let mut slipped = text.to_string().into_bytes();
        slipped[at] = if slipped[at] == b'7' { b'8' } else { b'7' };
        let slipped = String::from_utf8(slipped).expect("letters and digits");
        assert_eq!(AgentCode::parse(&slipped).err(), Some(CodeError::Mistyped), "{at}");
    }
}

#[test]
fn nothing_prints_the_secret() {
    let code = AgentCode::new(
        (Epoch::FIRST, &DomainSecret::from_bytes([7; 32])),
        &RepositoryId::from_bytes([7; 32]),
    );
    assert_eq!(format!("{code:?}"), "AgentCode(..)");
}
