//! The exit codes: the one table of what a script can learn from a finished run.

use std::process::ExitCode;

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// All that was asked for is done.
    Done = 0,
    /// It failed.
    Failed = 1,
    /// The command line does not make sense.
    Usage = 2,
    /// Done, but some source files could not be read, or changed while they were.
    Unreadable = 3,
    /// There is no repository at that place.
    NoRepository = 10,
    /// Another process is writing to the repository.
    InUse = 11,
    /// The passphrase opens none of the key slots.
    WrongPassphrase = 12,
    /// Damage was found.
    Damage = 13,
    /// A job of an agent failed, or its newest point is too old.
    Attention = 14,
}

/// Every exit code with its meaning, as the help and the documentation give it.
pub const TABLE: [(Exit, &str); 9] = [
    (Exit::Done, "done"),
    (Exit::Failed, "failed"),
    (Exit::Usage, "the command line does not make sense"),
    (Exit::Unreadable, "done, but some source files could not be read, or changed while they were"),
    (Exit::NoRepository, "no repository there"),
    (Exit::InUse, "the repository is in use by another process"),
    (Exit::WrongPassphrase, "wrong passphrase"),
    (Exit::Damage, "damage found"),
    (Exit::Attention, "a job of the agent failed, or its newest point is too old"),
];

impl Exit {
    /// The number that the process ends with.
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// The table as the long help shows it.
    pub fn help() -> String {
        let rows = TABLE.map(|(exit, meaning)| format!("  {:>2}  {meaning}\n", exit.code()));
        format!("Exit codes:\n{}", rows.concat())
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

#[cfg(test)]
mod tests;
