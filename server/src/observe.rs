//! What the server says about itself while it runs.

use std::io;

use tracing_subscriber::EnvFilter;

/// The variable that says how much is logged, as `tracing` has it: `debug`, or `farkeep_server=trace,info`.
pub const LOG: &str = "FARKEEPD_LOG";

/// Sends the log to standard error. Once in the life of a process.
pub fn log() {
    let filter = EnvFilter::try_from_env(LOG).unwrap_or_else(|_| EnvFilter::new("info"));
    let to_terminal = io::IsTerminal::is_terminal(&io::stderr());
    tracing_subscriber::fmt().with_env_filter(filter).with_ansi(to_terminal).with_writer(io::stderr).init();
}
