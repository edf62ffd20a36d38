use proptest::prop_assert;
use proptest::prop_assert_eq;
use proptest::proptest;

use super::super::printed::ALPHABET;
use super::CODE_BYTES;
use super::CodeError;
use super::Print;
use super::RecoveryCode;

const LETTERS: usize = Print::<CODE_BYTES>::LETTERS;

proptest! {
    #[test]
    fn a_code_comes_back_from_its_text(bytes: [u8; 32]) {
        let code = RecoveryCode::from_bytes(bytes);
        let text = code.to_text();
        let read = RecoveryCode::parse(&text).map(|code| *code.as_bytes());
        prop_assert_eq!(read, Ok(bytes));
        let sloppy = text[5..].replace('-', " ").to_lowercase().replace('0', "o").replace('1', "l");
        let read = RecoveryCode::parse(&sloppy).map(|code| *code.as_bytes());
        prop_assert_eq!(read, Ok(bytes));
    }

    #[test]
    fn a_slip_is_noticed(bytes: [u8; 32], at in 5_usize..74, other in 0_usize..32) {
        let text = RecoveryCode::from_bytes(bytes).to_text().to_string();
        let mut slipped = text.clone().into_bytes();
        proptest::prop_assume!(slipped[at] != b'-' && slipped[at] != ALPHABET[other]);
        slipped[at] = ALPHABET[other];
        let slipped = String::from_utf8(slipped)?;
        prop_assert!(RecoveryCode::parse(&slipped) == Err(CodeError::Mistyped));
    }
}

#[test]
fn golden_text() {
    let code = RecoveryCode::from_bytes(std::array::from_fn(|n| u8::try_from(n).expect("below 32")));
    assert_eq!(*code.to_text(), "FKR1-000G-40R4-0M30-E209-185G-R38E-1W81-24GK-2GAH-C5RR-34D1-P70X-3RFY-AA79");
}

#[test]
fn refusals_say_what_is_wrong() {
    let text = RecoveryCode::from_bytes([0; 32]).to_text();
    let refused = |text: &str| RecoveryCode::parse(text).err();
    assert_eq!(
        refused(&text[..text.len() - 1]),
        Some(CodeError::Length { wanted: LETTERS, found: LETTERS - 1 })
    );
    assert_eq!(
        refused(&format!("{}7", &*text)),
        Some(CodeError::Length { wanted: LETTERS, found: LETTERS + 1 })
    );
    assert_eq!(refused(""), Some(CodeError::Length { wanted: LETTERS, found: 0 }));
    assert_eq!(
        refused(&text.replace("FKR1", "FKR2")),
        Some(CodeError::Length { wanted: LETTERS, found: LETTERS + 4 })
    );
    assert_eq!(refused("FKR1-00U0"), Some(CodeError::Letter { letter: 'U' }));
    assert_eq!(
        refused(&"7".repeat(1 << 20)),
        Some(CodeError::Length { wanted: LETTERS, found: 2 * LETTERS })
    );
}

#[test]
fn nothing_prints_the_code() {
    assert_eq!(format!("{:?}", RecoveryCode::from_bytes([7; 32])), "RecoveryCode(..)");
}
