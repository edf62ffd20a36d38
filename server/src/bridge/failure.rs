//! What the engine's errors are to a client: one table.

use std::error::Error;
use std::fmt;

use farkeep_engine::CommitError;
use farkeep_engine::ForgetError;
use farkeep_engine::HoldError;
use farkeep_engine::ObjectError;
use farkeep_engine::PutError;
use farkeep_engine::ReplaceError;
use farkeep_engine::RetainError;
use farkeep_engine::SettingsError;
use farkeep_engine::StoreError;
use farkeep_engine::collect::CollectError;
use farkeep_engine::disk::DiskError;
use farkeep_protocol::fault::Code;
use thiserror::Error;

/// Why something was not done, as a client is told.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{code}: {text}")]
pub(crate) struct Failure {
    pub(crate) code: Code,
    pub(crate) text: String,
}

impl Failure {
    pub(crate) fn new(code: Code, text: impl Into<String>) -> Self {
        Self { code, text: text.into() }
    }

    fn of(code: Code, error: &dyn Error) -> Self {
        let mut text = error.to_string();
        let mut source = error.source();
        while let Some(inner) = source {
            text = format!("{text}: {inner}");
            source = inner.source();
        }
        Self { code, text }
    }

    /// Whether nobody knows what is durable before the repository was opened anew.
    pub(crate) fn is_poison(&self) -> bool {
        self.code == Code::STORAGE_FAILED
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        let code = match &error {
            StoreError::NotThere => Code::REPOSITORY_UNKNOWN,
            StoreError::Exists { .. } => Code::EXISTS,
            StoreError::InUse { .. } => Code::IN_USE,
            StoreError::Damaged { .. } => Code::DAMAGED_OBJECT,
            StoreError::Full { .. } => Code::STORAGE_FULL,
            StoreError::Lost => Code::LOST,
            StoreError::Poisoned { .. } | StoreError::Index(_) | StoreError::Disk(_) => Code::STORAGE_FAILED,
            StoreError::UnknownSlot { .. } => Code::NOT_FOUND,
            StoreError::LastSlot { .. } => Code::LAST_SLOT,
            StoreError::TooLarge { .. } => Code::TOO_LARGE,
            StoreError::Frozen { .. } => Code::TIME,
            _ => Code::INTERNAL,
        };
        Self::of(code, &error)
    }
}

impl From<DiskError> for Failure {
    fn from(error: DiskError) -> Self {
        match error {
            DiskError::NotFound { .. } => StoreError::NotThere.into(),
            error => StoreError::from(error).into(),
        }
    }
}

impl From<PutError> for Failure {
    fn from(error: PutError) -> Self {
        match error {
            PutError::Tampered { .. } => Self::of(Code::WRONG_ID, &error),
            PutError::Malformed { .. } => Self::of(Code::MALFORMED, &error),
            PutError::MissingReferences { .. } => Self::of(Code::MISSING_REFERENCES, &error),
            PutError::Store { source, .. } => source.into(),
            error => Self::of(Code::INTERNAL, &error),
        }
    }
}

impl From<ObjectError> for Failure {
    fn from(error: ObjectError) -> Self {
        match error {
            ObjectError::Missing { .. } => Self::of(Code::NOT_FOUND, &error),
            ObjectError::Tampered { .. } => Self::of(Code::DAMAGED_OBJECT, &error),
            ObjectError::Io { source, .. } => source.into(),
            error => Self::of(Code::INTERNAL, &error),
        }
    }
}

impl From<CommitError> for Failure {
    fn from(error: CommitError) -> Self {
        match error {
            CommitError::Malformed { .. } | CommitError::Forged { .. } | CommitError::Foreign { .. } => {
                Self::of(Code::RECORD_REFUSED, &error)
            }
            CommitError::MissingRoot { .. } | CommitError::Incomplete { .. } => {
                Self::of(Code::MISSING_REFERENCES, &error)
            }
            CommitError::OutOfOrder { .. } => Self::of(Code::SERIES_MOVED, &error),
            CommitError::Store(source) => source.into(),
            error => Self::of(Code::INTERNAL, &error),
        }
    }
}

impl From<ReplaceError> for Failure {
    fn from(error: ReplaceError) -> Self {
        match error {
            ReplaceError::Unknown { .. } | ReplaceError::Forgotten { .. } => {
                Self::of(Code::NOT_FOUND, &error)
            }
            ReplaceError::Held { .. } => Self::of(Code::HELD, &error),
            ReplaceError::Another { .. } => Self::of(Code::RECORD_REFUSED, &error),
            ReplaceError::Commit(source) => source.into(),
            error => Self::of(Code::INTERNAL, &error),
        }
    }
}

impl From<ForgetError> for Failure {
    fn from(error: ForgetError) -> Self {
        match error {
            ForgetError::Unknown { .. } => Self::of(Code::NOT_FOUND, &error),
            ForgetError::Store(source) => source.into(),
            error => Self::of(Code::INTERNAL, &error),
        }
    }
}

impl From<HoldError> for Failure {
    fn from(error: HoldError) -> Self {
        match error {
            HoldError::Unknown { .. } => Self::of(Code::NOT_FOUND, &error),
            HoldError::Held { .. } => Self::of(Code::HELD, &error),
            HoldError::Past { .. } => Self::of(Code::TIME, &error),
            HoldError::Store(source) => source.into(),
            error => Self::of(Code::INTERNAL, &error),
        }
    }
}

impl From<SettingsError> for Failure {
    fn from(error: SettingsError) -> Self {
        match error {
            SettingsError::Store(source) => source.into(),
            error => Self::of(Code::MALFORMED, &error),
        }
    }
}

impl From<RetainError> for Failure {
    fn from(error: RetainError) -> Self {
        match error {
            RetainError::Frozen(_) => Self::of(Code::TIME, &error),
            RetainError::Settings(source) => source.into(),
            RetainError::Store(source) => source.into(),
            error => Self::of(Code::INTERNAL, &error),
        }
    }
}

impl From<CollectError> for Failure {
    fn from(error: CollectError) -> Self {
        match error {
            CollectError::Running => Self::of(Code::IN_USE, &error),
            CollectError::Damaged { .. } => Self::of(Code::DAMAGED_OBJECT, &error),
            CollectError::TooMany => Self::of(Code::TOO_LARGE, &error),
            CollectError::Store(source) => source.into(),
            error => Self::of(Code::INTERNAL, &error),
        }
    }
}

/// Where an answer goes. Whoever is to give it and dies instead gives one all the same.
pub(crate) struct Reply<T>(Option<Box<dyn FnOnce(Result<T, Failure>) + Send>>);

impl<T> Reply<T> {
    pub(crate) fn new(take: impl FnOnce(Result<T, Failure>) + Send + 'static) -> Self {
        Self(Some(Box::new(take)))
    }

    pub(crate) fn send(mut self, answer: Result<T, Failure>) {
        if let Some(take) = self.0.take() {
            take(answer);
        }
    }
}

impl<T> fmt::Debug for Reply<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reply(..)")
    }
}

impl<T> Drop for Reply<T> {
    fn drop(&mut self) {
        if let Some(take) = self.0.take() {
            take(Err(Failure::new(Code::INTERNAL, "the server failed while it worked on this")));
        }
    }
}
