use proptest::collection::vec;
use proptest::prelude::any;
use proptest::prop_assert_eq;
use proptest::proptest;

use super::*;

proptest! {
    /// Connections overtake one another: whatever the order, what an honest sender sends is taken.
    #[test]
    fn an_honest_sender_is_never_refused(
        lengths in vec(1..=FRAME_BODY_BYTES_MAX, 1..40),
        credit: u32,
        order in vec(any::<u32>(), 40),
    ) {
        let mut sender = Window::new(credit, 0);
        let mut sent = Vec::new();
        for length in lengths {
            if sender.has_bytes() {
                sender.charge_bytes(length).expect("it may be overdrawn once");
                sent.push(length);
            }
        }
        let mut arriving: Vec<(u32, usize)> = order.into_iter().zip(sent).collect();
        arriving.sort_unstable();
        let mut receiver = Window::new(credit, 0);
        for (_, length) in arriving {
            prop_assert_eq!(receiver.charge_bytes(length), Ok(()));
        }
        prop_assert_eq!(receiver, sender);
    }
}

#[test]
fn nothing_gets_stuck_on_small_credit() {
    let mut window = Window::new(1, 0);
    assert!(window.has_bytes());
    assert_eq!(window.charge_bytes(FRAME_BODY_BYTES_MAX), Ok(()));
    assert!(!window.has_bytes());
    window.grant(u32::try_from(FRAME_BODY_BYTES_MAX).expect("it fits"), 0);
    assert_eq!(window, Window::new(1, 0));
}

#[test]
fn who_goes_on_without_credit_is_refused() {
    let mut window = Window::new(0, 1);
    assert!(!window.has_bytes());
    assert_eq!(window.charge_bytes(FRAME_BODY_BYTES_MAX), Ok(()));
    assert_eq!(window.charge_bytes(1), Err(Overdrawn));
    assert!(window.has_requests());
    assert_eq!(window.charge_request(), Ok(()));
    assert!(!window.has_requests());
    assert_eq!(window.charge_request(), Err(Overdrawn));
    window.grant(0, u32::MAX);
    window.grant(0, u32::MAX);
    assert_eq!(window.charge_request(), Ok(()));
}
