//! What a repository is opened for.

/// What a repository is opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// To read, beside whoever writes.
    Read,
    /// To read, and to ask what is there as a writer does.
    Ask,
    /// To read and write, alone.
    Write,
}
