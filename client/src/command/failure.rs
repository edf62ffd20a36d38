//! Why a run failed: every error that a command can end with, its exit code, and what to do next.
//!
//! [`Failure::exit`] is the one table from errors to exit codes, [`Failure::advice`] the one from errors to advice.

use std::io;
use std::io::ErrorKind;
use std::path::PathBuf;

use farkeep_codec::id::ObjectId;
use farkeep_codec::id::SnapshotId;
use farkeep_codec::key::CodeError;
use farkeep_codec::tree::NotAPath;
use farkeep_codec::tree::PathKey;
use farkeep_engine::ForgetError;
use farkeep_engine::RetainError;
use farkeep_engine::SettingsError;
use farkeep_engine::SlotId;
use farkeep_engine::StoreError;
use farkeep_engine::policy::Pattern;
use farkeep_engine::policy::TooManyTags;
use farkeep_protocol::fault::Code;
use farkeep_protocol::identity::NotAnEnrolment;
use thiserror::Error;

use crate::agent::config::ConfigError;
use crate::agent::error::AgentError;
use crate::agent::schedule::NotASchedule;
use crate::backup::BackupError;
use crate::check::CheckError;
use crate::config::Address;
use crate::config::Location;
use crate::config::LocationError;
use crate::config::enrolment::EnrolmentError;
use crate::config::passphrase::PassphraseError;
use crate::output::chain;
use crate::output::exit::Exit;
use crate::output::line;
use crate::repository::RemoteError;
use crate::repository::RepositoryError;
use crate::restore::RestoreError;
use crate::rewrite::RewriteError;
use crate::selector::SelectorError;
use crate::selector::moment::MomentError;
use crate::source::RootError;
use crate::source::RuleError;
use crate::transfer::TransferError;

/// Why a run failed.
#[derive(Debug, Error)]
pub(super) enum Failure {
    #[error(transparent)]
    AgentConfig(#[from] ConfigError),
    #[error("the agent cannot use its state folder {}", state.display())]
    Agent { state: PathBuf, source: AgentError },
    #[error(transparent)]
    Location(#[from] LocationError),
    #[error(transparent)]
    Passphrase(#[from] PassphraseError),
    #[error(transparent)]
    Repository(#[from] RepositoryError),
    #[error(transparent)]
    Selector(#[from] SelectorError),
    #[error(transparent)]
    Backup(#[from] BackupError),
    #[error(transparent)]
    Restore(#[from] RestoreError),
    #[error(transparent)]
    Check(#[from] CheckError),
    #[error(transparent)]
    Rewrite(#[from] RewriteError),
    #[error(transparent)]
    Transfer(#[from] TransferError),
    #[error(transparent)]
    Path(#[from] NotAPath),
    #[error(transparent)]
    Rule(#[from] RuleError),
    #[error(transparent)]
    Root(#[from] RootError),
    #[error("cannot write the result")]
    Output(#[from] io::Error),
    #[error("cannot read the list of paths {}", path.display())]
    PathList { path: PathBuf, source: io::Error },
    #[error("the list of paths {} is empty", path.display())]
    EmptyPathList { path: PathBuf },
    #[error("{} is the repository that the backup goes to, or lies in it", path.display())]
    InRepository { path: PathBuf },
    #[error("the glob {glob:?} does not parse: {reason}")]
    Glob { glob: String, reason: String },
    #[error("snapshot {snapshot} has no {path}")]
    NoSuchPath { snapshot: SnapshotId, path: PathKey },
    #[error(
        "snapshot {snapshot} is partial: {unreadable} entries could not be read, and --delete would remove what is \
         missing in it"
    )]
    PartialDelete { snapshot: SnapshotId, unreadable: u64 },
    #[error("snapshot {snapshot} holds more than one file, or none")]
    NoPath { snapshot: SnapshotId },
    #[error("{path} is {what}, and only the contents of files can be dumped")]
    NotAFile { path: PathKey, what: &'static str },
    #[error("a comparison is of one path, and here are two: {before} and {after}")]
    TwoPaths { before: PathKey, after: PathKey },
    #[error(
        "key slot {slot} is the one that was opened just now, and is not removed by its own passphrase or code"
    )]
    SlotInUse { slot: SlotId },
    #[error("no new passphrase was given and there is no terminal to ask on")]
    NobodyToAskForNew { source: io::Error },
    #[error(transparent)]
    Enrolment(#[from] EnrolmentError),
    #[error("this host cannot be enrolled with that")]
    EnrolmentString { source: NotAnEnrolment },
    #[error("the agent code cannot be read")]
    AgentCode { source: CodeError },
    #[error("no agent code was given and there is no terminal to ask on")]
    NobodyToAskForCode { source: io::Error },
    #[error("this host is enrolled, and cannot write to {address} without its agent code")]
    NoAgentCode { address: Address, source: Box<Failure> },
    #[error("{} is a folder, and a limit is for what goes to and from a server", folder.display())]
    LimitOfFolder { folder: PathBuf },
    #[error("a repository is here already: {location}")]
    RepositoryThere { location: Location },
    #[error("either snapshots are named, or rules say which ones are kept")]
    SnapshotsAndRules,
    #[error("none of the snapshots has {path}")]
    NothingToErase { path: PathKey },
    #[error("the repository has no policy")]
    NoPolicy,
    #[error("the repository has no policy for {pattern}")]
    NoSuchPolicy { pattern: Pattern },
    #[error(transparent)]
    TooManyTags { source: TooManyTags },
    #[error(transparent)]
    Schedule { source: NotASchedule },
    #[error("{text:?} is no schedule: a repository's has the five fields of cron, as in \"0 4 * * *\"")]
    NoCron { text: String },
    #[error(transparent)]
    Settings { source: SettingsError },
    #[error("cannot read {}", file.display())]
    PolicyUnread { file: PathBuf, source: io::Error },
    #[error("{}: {}", file.display(), why.trim_end())]
    PolicyFile { file: PathBuf, why: String },
    #[error("there is a policy that this program cannot read: {why}")]
    PolicyUnknown { why: String },
    #[error(transparent)]
    Moment { source: MomentError },
    #[error("object {node} is no node of a tree")]
    NotATree { node: ObjectId },
}

impl Failure {
    /// The code that the process ends with.
    pub(super) fn exit(&self) -> Exit {
        match self {
            Self::Location(_)
            | Self::AgentConfig(ConfigError::Malformed { .. } | ConfigError::Refused { .. })
            | Self::Glob { .. }
            | Self::Rule(_)
            | Self::EmptyPathList { .. }
            | Self::InRepository { .. }
            | Self::NoPath { .. }
            | Self::NotAFile { .. }
            | Self::TwoPaths { .. }
            | Self::NobodyToAskForNew { .. }
            | Self::NobodyToAskForCode { .. }
            | Self::EnrolmentString { .. }
            | Self::AgentCode { .. }
            | Self::LimitOfFolder { .. }
            | Self::SnapshotsAndRules
            | Self::NothingToErase { .. }
            | Self::NoPolicy
            | Self::NoSuchPolicy { .. }
            | Self::TooManyTags { .. }
            | Self::Schedule { .. }
            | Self::NoCron { .. }
            | Self::Settings { .. }
            | Self::PolicyUnread { .. }
            | Self::PolicyFile { .. }
            | Self::Moment { .. }
            | Self::Passphrase(PassphraseError::NobodyToAsk { .. })
            | Self::Repository(RepositoryError::Setting { .. })
            | Self::Selector(
                SelectorError::Form { .. } | SelectorError::Moment { .. } | SelectorError::Path { .. },
            ) => Exit::Usage,
            Self::NotATree { .. } => Exit::Damage,
            _ => self.repository().map_or(Exit::Failed, exit_of_repository),
        }
    }

    /// What to do next.
    fn advice(&self) -> Option<&'static str> {
        if let Some(error) = self.repository() {
            return advice_of_repository(error);
        }
        Some(match self {
            Self::NothingToErase { .. } => {
                "Give paths as `farkeep ls` shows them, from the root on. `farkeep find` says which snapshots have a name."
            }
            Self::Location(_) => {
                "Name the repository by --repo or FARKEEP_REPOSITORY: a folder, or farkeep://HOST[:PORT]/NAME."
            }
            Self::Enrolment(EnrolmentError::None { .. }) => {
                "`farkeepd enroll` at the server prints a string for `farkeep enroll`."
            }
            Self::Agent { source: AgentError::AtWork, .. } => {
                "A state folder has one agent at a time: stop the other one, or give this one a `state` of its own."
            }
            Self::EnrolmentString { .. } => "Give the string as `farkeepd enroll` printed it, in one piece.",
            Self::AgentCode { .. } | Self::NoAgentCode { .. } | Self::NobodyToAskForCode { .. } => {
                "`farkeep key agent` prints the code. Set FARKEEP_AGENT_CODE, FARKEEP_AGENT_CODE_FILE or \
                 FARKEEP_AGENT_CODE_COMMAND, and run `farkeep enroll farkeep://HOST/NAME`, which takes it."
            }
            Self::LimitOfFolder { .. } => {
                "Leave --limit-upload and --limit-download away: a folder is written as fast as its disk takes it."
            }
            Self::InRepository { .. } => {
                "In folders above it the repository is left out; to copy a repository, copy its folder."
            }
            Self::Passphrase(PassphraseError::NobodyToAsk { .. }) => {
                "Set FARKEEP_PASSWORD, FARKEEP_PASSWORD_FILE or FARKEEP_PASSWORD_COMMAND."
            }
            Self::Selector(SelectorError::Form { .. } | SelectorError::Moment { .. }) => {
                "A snapshot is the beginning of an id, latest, latest~N, or @TIME, as in @2025-05-01T14:00:00Z or \
                 '@yesterday 14:00'."
            }
            Self::Selector(SelectorError::Ambiguous { .. }) => "Give more digits of the id.",
            Self::NobodyToAskForNew { .. } => {
                "Set FARKEEP_NEW_PASSWORD, FARKEEP_NEW_PASSWORD_FILE or FARKEEP_NEW_PASSWORD_COMMAND, or give \
                 --new-password-file."
            }
            Self::SlotInUse { .. } => {
                "Open the repository by another passphrase or code and remove it then; `farkeep key change` puts a new \
                 passphrase in its place."
            }
            Self::RepositoryThere { .. } => {
                "`farkeep backup` adds to it. For another one, choose a folder that is empty or not there yet."
            }
            Self::Selector(SelectorError::None { .. } | SelectorError::NoSuchSeries { .. }) => {
                "`farkeep snapshots` lists what there is."
            }
            Self::NoPolicy => "Set one with `farkeep policy set`, or say here what is kept: --keep-daily 7.",
            Self::NoSuchPolicy { .. } => "`farkeep policy show` shows what is set.",
            Self::NoSuchPath { .. } => {
                "`farkeep ls` shows what the snapshot holds, `farkeep find` looks in all of them."
            }
            Self::PartialDelete { .. } => "Restore it without --delete, or restore a complete snapshot.",
            Self::NoPath { .. } => "Name the file: SNAPSHOT:PATH.",
            Self::NotAFile { .. } => "`farkeep restore` writes folders and links.",
            Self::Backup(BackupError::Interrupted { .. }) => "Run the same command again to go on.",
            Self::Restore(RestoreError::NotEmpty { .. }) => {
                "Or choose a target that is empty or not there yet."
            }
            _ => return None,
        })
    }

    /// The line that a run ends with.
    pub(super) fn line(&self) -> line::Failure {
        line::Failure::new(self.exit(), chain(self), self.advice().map(str::to_owned))
    }

    /// Whether the reader of the results went away before the end.
    pub(super) fn is_closed_pipe(&self) -> bool {
        matches!(self, Self::Output(error) if error.kind() == ErrorKind::BrokenPipe)
    }

    /// What the repository said, if it is at the bottom of this.
    fn repository(&self) -> Option<&RepositoryError> {
        match self {
            Self::Repository(error)
            | Self::Backup(BackupError::Repository(error))
            | Self::Check(CheckError::Repository(error)) => Some(error),
            _ => None,
        }
    }
}

fn exit_of_repository(error: &RepositoryError) -> Exit {
    match (error, error.store()) {
        (RepositoryError::Remote(RemoteError::Refused { code: Code::REPOSITORY_UNKNOWN, .. }), _) => {
            Exit::NoRepository
        }
        (RepositoryError::Remote(RemoteError::Refused { code: Code::IN_USE, .. }), _) => Exit::InUse,
        (RepositoryError::OtherAgentCode { .. }, _) => Exit::WrongPassphrase,
        (_, Some(StoreError::NotThere)) => Exit::NoRepository,
        (_, Some(StoreError::InUse { .. })) => Exit::InUse,
        (RepositoryError::WrongSecret { .. } | RepositoryError::Mistyped { .. }, _) => Exit::WrongPassphrase,
        _ if error.is_damage() => Exit::Damage,
        _ => Exit::Failed,
    }
}

/// What to do about a clock.
const FROZEN: &str =
    "Look at the clock of the machine that keeps the repository. Once it is right, `farkeep thaw`.";

fn advice_of_remote(error: &RemoteError) -> Option<&'static str> {
    Some(match error {
        RemoteError::Refused { code, .. } => match *code {
            Code::REPOSITORY_UNKNOWN => {
                "Check the name. If it is right, nobody has made the repository yet, which `farkeep init` does, or this \
                 host is not enrolled for it."
            }
            Code::SERIES_OF_ANOTHER => {
                "Another host writes that series, or this one did before it was enrolled anew. Choose another: `--series \
                 NAME`, or `series` in the job of an agent."
            }
            Code::IN_USE => "Wait until it has ended, and try again.",
            Code::ROLE => "What a host may do is decided when it is enrolled: `farkeepd enroll --role`.",
            Code::NOT_ENROLLED | Code::REVOKED | Code::TOKEN_INVALID => {
                "`farkeepd enroll` at the server prints a string for `farkeep enroll`."
            }
            Code::LAST_SLOT => "Add another passphrase first: `farkeep key add`.",
            Code::EXISTS => "Choose another name.",
            Code::TIME => FROZEN,
            _ => return None,
        },
        RemoteError::WrongServer { .. } => {
            "If the server was set up anew, enrol this host again. If it was not, somebody stands between."
        }
        RemoteError::Unreachable { .. } | RemoteError::Lost { .. } => {
            "What was stored stays stored: the same command goes on from there."
        }
        _ if error.is_damage() => "`farkeep check --read-data` names everything that is damaged.",
        _ => return None,
    })
}

fn advice_of_repository(error: &RepositoryError) -> Option<&'static str> {
    if let RepositoryError::Remote(error) = error {
        return advice_of_remote(error);
    }
    Some(match (error, error.store()) {
        (_, Some(StoreError::NotThere)) => "Check the path, or make a repository there with `farkeep init`.",
        (_, Some(StoreError::InUse { .. })) => "Wait until it has ended, and try again.",
        (_, Some(StoreError::NewerFormat { .. } | StoreError::Unsupported { .. })) => {
            "A newer version of farkeep wrote it: update this one."
        }
        (_, Some(StoreError::Full { .. })) => {
            "Make room and run the same command again: what is stored stays stored, and every snapshot is good."
        }
        (_, Some(StoreError::Exists { .. })) => "Choose a folder that is empty or not there yet.",
        (_, Some(StoreError::LastSlot { .. })) => "Add another passphrase first: `farkeep key add`.",
        (RepositoryError::SlotName { .. }, _) => "`farkeep key list` shows them.",
        (RepositoryError::Retain(RetainError::Frozen(_)), _) => FROZEN,
        (RepositoryError::Forget(ForgetError::Unknown { .. }), _) => {
            "`farkeep snapshots --forgotten` lists what can be recovered."
        }
        (RepositoryError::NoReader, _) => "Use the passphrase of an administrator.",
        _ if error.is_damage() => {
            "`farkeep check --read-data` names everything that is damaged and what it touches."
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests;
