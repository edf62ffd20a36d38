//! Ctrl-C and the signals that ask a process to end: the first asks the operation to stop in good order, the second ends
//! the process at once.

use std::process::exit;
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;

/// What a shell reports of a process that SIGINT ended.
const INTERRUPTED: i32 = 130;

static FLAG: OnceLock<Arc<AtomicBool>> = OnceLock::new();

/// The flag that the first signal sets, if signals are taken at all.
pub(super) fn flag() -> Arc<AtomicBool> {
    Arc::clone(FLAG.get_or_init(Arc::default))
}

/// Takes signals from now on: the first sets the flag.
pub(super) fn cancel_flag() -> Arc<AtomicBool> {
    let flag = flag();
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
