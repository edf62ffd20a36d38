use proptest::prop_assert_eq;
use proptest::proptest;

use super::ObjectId;

proptest! {
    #[test]
    fn an_id_comes_back_from_its_text(bytes: [u8; 32]) {
        let id = ObjectId::from_bytes(bytes);
        prop_assert_eq!(id.to_string().parse::<ObjectId>()?, id);
    }
}

#[test]
fn other_texts_are_refused() {
    let digits = "0".repeat(64);
    assert!(digits.parse::<ObjectId>().is_ok());
    assert!(digits.replacen('0', "g", 1).parse::<ObjectId>().is_err());
    assert!(digits.replacen('0', "+", 1).parse::<ObjectId>().is_err());
    assert!(digits[1..].parse::<ObjectId>().is_err());
}
