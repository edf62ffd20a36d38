//! Ctrl-C and the signals that ask a process to end: the first asks the operation to stop in good order, the second ends
//! the process at once.

use std::process::exit;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;

/// What a shell reports of a process that SIGINT ended.
const INTERRUPTED: i32 = 130;

/// The flag that the first signal sets.
pub(super) fn cancel_flag() -> Arc<AtomicBool> {
    let flag = Arc::new(AtomicBool::new(false));
    let raised = Arc::clone(&flag);
    let handled = ctrlc::set_handler(move || {
        if raised.swap(true, Ordering::SeqCst) {
            exit(INTERRUPTED);
        }
    });
    if let Err(error) = handled {
        // Without a handler a signal ends the process at once, which the repository survives as it survives any crash.
        tracing::warn!("cannot take signals: {error}");
    }
    flag
}
