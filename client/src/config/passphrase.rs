//! Where a passphrase comes from: a flag, the environment, a file, a command, or the person at the terminal.
//!
//! The first of these that is there wins, and the winner alone is asked: a file that cannot be read is an error and
//! never a reason to try something else, or a typing mistake in a variable would end in a prompt that nobody sees.

use std::ffi::OsStr;
use std::ffi::OsString;
use std::fmt;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;
use std::process::Command;
use std::process::ExitStatus;
use std::process::Stdio;

use thiserror::Error;
use zeroize::Zeroizing;

/// A passphrase, or a recovery code typed in its place. Wiped from memory when it is dropped; never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Passphrase(Zeroizing<Vec<u8>>);

/// What the passphrase is wanted for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// To open what exists: asked once.
    Open,
    /// To be the passphrase from now on: asked twice, and never empty.
    Choose,
}

/// One place from which a passphrase can be had.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Source {
    /// The value of an environment variable.
    Value(Passphrase),
    /// The first line of a file.
    File(PathBuf),
    /// The first line that a shell command prints.
    Command(OsString),
    /// The person at the terminal.
    Prompt {
        /// What they are asked.
        question: String,
    },
}

/// Flags that name a source.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Flags {
    /// `--password-file`
    pub file: Option<PathBuf>,
    /// `--password-command`
    pub command: Option<OsString>,
}

/// Names of the environment variables that carry a passphrase.
#[derive(Debug, Clone, Copy)]
pub struct Variables {
    /// The passphrase itself.
    pub value: &'static str,
    /// A file that holds it.
    pub file: &'static str,
    /// A command that prints it.
    pub command: &'static str,
}

/// The variables for the passphrase that opens a repository.
pub const CURRENT: Variables = Variables {
    value: "FARKEEP_PASSWORD",
    file: "FARKEEP_PASSWORD_FILE",
    command: "FARKEEP_PASSWORD_COMMAND",
};

/// The variables for a passphrase that is to be added.
pub const NEW: Variables = Variables {
    value: "FARKEEP_NEW_PASSWORD",
    file: "FARKEEP_NEW_PASSWORD_FILE",
    command: "FARKEEP_NEW_PASSWORD_COMMAND",
};

/// The variables for the agent code of a host that is enrolled as an agent.
pub const AGENT: Variables = Variables {
    value: "FARKEEP_AGENT_CODE",
    file: "FARKEEP_AGENT_CODE_FILE",
    command: "FARKEEP_AGENT_CODE_COMMAND",
};

/// The variables for the passphrase of a repository that is copied from.
pub const FROM: Variables = Variables {
    value: "FARKEEP_FROM_PASSWORD",
    file: "FARKEEP_FROM_PASSWORD_FILE",
    command: "FARKEEP_FROM_PASSWORD_COMMAND",
};

/// Every variable that carries a passphrase or leads to one: not for the eyes of other programs.
pub fn variables() -> impl Iterator<Item = &'static str> {
    [CURRENT, NEW, AGENT, FROM].into_iter().flat_map(|of| [of.value, of.file, of.command])
}

/// Why there is no passphrase.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PassphraseError {
    /// The file cannot be read.
    #[error("could not read the passphrase from the file {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The command cannot be started.
    #[error("could not start the passphrase command `{line}`")]
    CommandStart {
        /// The command line.
        line: String,
        /// Why not.
        source: io::Error,
    },
    /// The command failed.
    #[error("the passphrase command `{line}` failed with {status}")]
    CommandFailed {
        /// The command line.
        line: String,
        /// How it ended.
        status: ExitStatus,
    },
    /// There is nobody to ask.
    #[error("no passphrase was given and there is no terminal to ask on")]
    NobodyToAsk {
        /// Why the terminal could not be used.
        source: io::Error,
    },
    /// Nothing was given.
    #[error("the passphrase is empty")]
    Empty,
    /// The two answers differ.
    #[error("the two passphrases are not the same")]
    Differ,
}

impl Source {
    /// The first source that is there: the file flag, the command flag, the value in the environment, the file that
    /// the environment names, the command that it names, and at last the terminal. An empty variable counts as unset.
    pub fn choose(
        flags: &Flags,
        variables: &Variables,
        variable: impl Fn(&str) -> Option<OsString>,
        question: &str,
    ) -> Self {
        let set = |name| variable(name).filter(|value| !value.is_empty());
        let file = || flags.file.clone().map(Self::File);
        let command = || flags.command.clone().map(Self::Command);
        file()
            .or_else(command)
            .or_else(|| set(variables.value).map(|value| Self::Value(Passphrase::from(value.into_vec()))))
            .or_else(|| set(variables.file).map(|path| Self::File(path.into())))
            .or_else(|| set(variables.command).map(Self::Command))
            .unwrap_or_else(|| Self::Prompt { question: question.to_owned() })
    }

    /// Gets the passphrase.
    ///
    /// # Errors
    /// [`PassphraseError`] when this source has none to give.
    pub fn read(&self, purpose: Purpose) -> Result<Passphrase, PassphraseError> {
        let passphrase = match self {
            Self::Value(value) => value.clone(),
            Self::File(path) => {
                let bytes =
                    fs::read(path).map_err(|source| PassphraseError::File { path: path.clone(), source })?;
                Passphrase::from(bytes).first_line()
            }
            Self::Command(line) => run(line)?.first_line(),
            Self::Prompt { question } => ask(question, purpose)?,
        };
        if passphrase.0.is_empty() { Err(PassphraseError::Empty) } else { Ok(passphrase) }
    }
}

impl Passphrase {
    /// The bytes of the passphrase.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Editors and commands end a line; the passphrase itself has none.
    fn first_line(mut self) -> Self {
        let end = self.0.iter().position(|byte| *byte == b'\n').unwrap_or(self.0.len());
        self.0.truncate(end);
        if self.0.last() == Some(&b'\r') {
            self.0.pop();
        }
        self
    }
}

impl From<Vec<u8>> for Passphrase {
    fn from(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }
}

impl fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passphrase(hidden)")
    }
}

fn run(line: &OsStr) -> Result<Passphrase, PassphraseError> {
    let shown = || line.to_string_lossy().into_owned();
    let output = Command::new("/bin/sh")
        .arg("-c")
        .arg(line)
        .stderr(Stdio::inherit())
        .stdin(Stdio::inherit())
        .output()
        .map_err(|source| PassphraseError::CommandStart { line: shown(), source })?;
    if !output.status.success() {
        return Err(PassphraseError::CommandFailed { line: shown(), status: output.status });
    }
    Ok(Passphrase::from(output.stdout))
}

fn ask(question: &str, purpose: Purpose) -> Result<Passphrase, PassphraseError> {
    let prompt = |text: String| {
        rpassword::prompt_password(text)
            .map(|answer| Passphrase::from(answer.into_bytes()))
            .map_err(|source| PassphraseError::NobodyToAsk { source })
    };
    let first = prompt(format!("{question}: "))?;
    if purpose == Purpose::Choose && first != prompt(format!("{question} (again): "))? {
        return Err(PassphraseError::Differ);
    }
    Ok(first)
}

#[cfg(test)]
mod tests;
