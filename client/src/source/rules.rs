//! What is left out of a backup: [`Rules`], and what is taken out of one: [`Selection`].
//!
//! Globs follow gitignore: `*` and `?` stop at `/`, `**` does not, a final `/` means folders only, `!` takes back in
//! what an earlier glob left out, the last glob that matches decides, and what lies in a folder that is left out
//! cannot be taken back in. Two kinds of places give globs:
//!
//! - Options (`--exclude`, `--exclude-file`, and both of restore's): a glob that starts with `/` counts from the root
//!   of the file system, every other one matches at any depth, also when it has a `/` inside. There is no folder
//!   that such globs could belong to, so gitignore's rule for a `/` inside would make them match nearly nothing.
//! - Files named [`IGNORE_FILE`]: exactly gitignore's rules, counted from the folder of that file, for all below it.
//!   Deeper files are asked first; options are asked before them all.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;

use ignore::Match;
use ignore::gitignore::Gitignore;
use ignore::gitignore::GitignoreBuilder;
use thiserror::Error;

use crate::source::FileId;

pub use selection::Selection;
pub use selection::Wanted;

mod selection;

#[cfg(test)]
mod tests;

/// Name of the files that a walk obeys as git obeys `.gitignore`.
pub const IGNORE_FILE: &str = ".farkeepignore";

/// Name of the file that marks a folder as a cache (Cache Directory Tagging Specification, bford.info/cachedir).
pub(super) const CACHE_TAG_FILE: &str = "CACHEDIR.TAG";
/// What such a file starts with.
pub(super) const CACHE_TAG_SIGNATURE: &[u8] = b"Signature: 8a477f597d28d172789f06886806bc55";

/// Globs that do not parse, and files of them that cannot be read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RuleError {
    /// The text is no glob.
    #[error("the glob {glob:?} from {origin} does not parse: {reason}")]
    BadGlob {
        /// As it was given.
        glob: String,
        /// Option, or file and line.
        origin: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The globs are fine one by one, but not together: there are too many.
    #[error("the globs from {origin} cannot be used together: {reason}")]
    TooMany {
        /// Option or file.
        origin: String,
        /// What is wrong.
        reason: String,
    },
    /// A file of globs cannot be read.
    #[error("cannot read the globs in {}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
}

/// Whether marked caches are walked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Caches {
    /// They are folders like others.
    #[default]
    Take,
    /// Of a folder with a valid `CACHEDIR.TAG`, only that file is taken.
    Leave,
}

/// Whether folders on other file systems are walked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mounts {
    /// They are folders like others.
    #[default]
    Enter,
    /// They are recorded as empty folders.
    Stay,
}

/// What a walk leaves out. The default leaves out what ignore files say, and nothing else.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    options: Option<Arc<Gitignore>>,
    avoided: HashSet<FileId>,
    /// Whether marked caches are walked.
    pub caches: Caches,
    /// Whether folders on other file systems are walked.
    pub mounts: Mounts,
}

impl Rules {
    /// Rules with the globs of `--exclude` and the contents of the files of `--exclude-file`, in this order.
    ///
    /// # Errors
    /// Names the glob that does not parse, or the file that cannot be read.
    pub fn new(exclude: &[String], exclude_files: &[PathBuf]) -> Result<Self, RuleError> {
        if exclude.is_empty() && exclude_files.is_empty() {
            return Ok(Self::default());
        }
        let mut globs = Globs::floating();
        for glob in exclude {
            globs.add(glob, "--exclude")?;
        }
        for path in exclude_files {
            let text =
                std::fs::read(path).map_err(|source| RuleError::Unreadable { path: path.clone(), source })?;
            for (number, line) in lines(&text) {
                globs.add_bytes(line, &format!("{}, line {number}", path.display()))?;
            }
        }
        Ok(Self { options: Some(Arc::new(globs.build("--exclude")?)), ..Self::default() })
    }

    /// Leaves out the folder with this identity wherever it is met, and what lies in it: the repository that is being
    /// written, and the caches.
    pub fn avoid(&mut self, folder: FileId) {
        self.avoided.insert(folder);
    }

    /// Whether a folder of this identity is left out.
    pub(super) fn avoids(&self, folder: FileId) -> bool {
        self.avoided.contains(&folder)
    }

    /// Whether there are globs among the options.
    pub(super) fn has_options(&self) -> bool {
        self.options.is_some()
    }

    /// Whether `path` (without its first `/`) is left out, given that the folders above it are not. `level` is the
    /// nearest ignore file above it.
    pub(super) fn leave_out(&self, level: Option<&Level>, path: &[u8], shape: Shape) -> bool {
        let path = Path::new(OsStr::from_bytes(path));
        let option = self.options.as_deref().and_then(|globs| decision(globs, path, shape));
        option.or_else(|| level.and_then(|level| level.decision(path, shape))) == Some(Decision::LeaveOut)
    }
}

/// Whether a path is a folder's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// A folder.
    Folder,
    /// Anything else.
    Other,
}

/// The globs of one ignore file, and behind them those of the ignore files above it.
#[derive(Debug)]
pub(super) struct Level {
    globs: Gitignore,
    /// How many bytes of a path lead to the folder that the globs count from, its `/` included.
    prefix_bytes: usize,
    above: Option<Arc<Level>>,
}

impl Level {
    /// Reads the ignore file of a folder, whose path is given without the first `/`. Lines that are no globs are
    /// returned as errors, and the others hold.
    pub(super) fn read(above: Option<Arc<Self>>, folder: &[u8], text: &[u8]) -> (Arc<Self>, Vec<RuleError>) {
        let path = Path::new("/").join(OsStr::from_bytes(folder)).join(IGNORE_FILE);
        let mut globs = Globs::anchored();
        let mut errors = Vec::new();
        for (number, line) in lines(text) {
            errors.extend(globs.add_bytes(line, &format!("{}, line {number}", path.display())).err());
        }
        let globs = globs.build(&path.display().to_string()).unwrap_or_else(|error| {
            errors.push(error);
            Gitignore::empty()
        });
        let prefix_bytes = if folder.is_empty() { 0 } else { folder.len() + 1 };
        (Arc::new(Self { globs, prefix_bytes, above }), errors)
    }

    fn decision(&self, path: &Path, shape: Shape) -> Option<Decision> {
        let mut level = Some(self);
        while let Some(Self { globs, prefix_bytes, above }) = level {
            let inner = path.as_os_str().as_bytes().get(*prefix_bytes..).unwrap_or_default();
            if let Some(decision) = decision(globs, Path::new(OsStr::from_bytes(inner)), shape) {
                return Some(decision);
            }
            level = above.as_deref();
        }
        None
    }
}

impl Drop for Level {
    /// Releases the chain one by one: it may be longer than the stack has room for.
    fn drop(&mut self) {
        let mut next = self.above.take();
        while let Some(level) = next {
            next = Arc::into_inner(level).and_then(|mut level| level.above.take());
        }
    }
}

/// What the last glob that matches says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Decision {
    LeaveOut,
    Take,
}

fn decision(globs: &Gitignore, path: &Path, shape: Shape) -> Option<Decision> {
    match globs.matched(path, shape == Shape::Folder) {
        Match::None => None,
        Match::Ignore(_) => Some(Decision::LeaveOut),
        Match::Whitelist(_) => Some(Decision::Take),
    }
}

/// Builds a set of globs, and turns what the library says about bad ones into [`RuleError`].
struct Globs {
    builder: GitignoreBuilder,
    base: Base,
}

/// What a glob with a `/` inside, but none at its start, counts from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Base {
    /// Any folder.
    Any,
    /// The folder of the ignore file.
    Here,
}

impl Globs {
    fn floating() -> Self {
        let mut builder = GitignoreBuilder::new("");
        builder.allow_unclosed_class(false);
        Self { builder, base: Base::Any }
    }

    fn anchored() -> Self {
        Self { builder: GitignoreBuilder::new(""), base: Base::Here }
    }

    fn add(&mut self, glob: &str, origin: &str) -> Result<(), RuleError> {
        let line = match self.base {
            Base::Any => float(glob),
            Base::Here => glob.to_owned(),
        };
        let added = self.builder.add_line(None, &line).map(|_| ());
        added.map_err(|error| RuleError::BadGlob {
            glob: glob.to_owned(),
            origin: origin.to_owned(),
            reason: match error {
                ignore::Error::Glob { err, .. } => err,
                other => other.to_string(),
            },
        })
    }

    fn add_bytes(&mut self, glob: &[u8], origin: &str) -> Result<(), RuleError> {
        match std::str::from_utf8(glob) {
            Ok(glob) => self.add(glob, origin),
            Err(error) => Err(RuleError::BadGlob {
                glob: String::from_utf8_lossy(glob).into_owned(),
                origin: origin.to_owned(),
                reason: format!("it is not UTF-8: {error}"),
            }),
        }
    }

    fn build(self, origin: &str) -> Result<Gitignore, RuleError> {
        let built = self.builder.build();
        built.map_err(|error| RuleError::TooMany { origin: origin.to_owned(), reason: error.to_string() })
    }
}

/// Lets a glob with a `/` inside match at any depth, unless it starts with `/`.
fn float(glob: &str) -> String {
    let (sign, rest) = match glob.strip_prefix('!') {
        Some(rest) => ("!", rest),
        None => ("", glob),
    };
    let rest_trimmed = rest.trim_end().trim_end_matches('/');
    let anchored = rest.starts_with('/') || rest.starts_with("**/") || rest.starts_with('#');
    if anchored || !rest_trimmed.contains('/') { glob.to_owned() } else { format!("{sign}**/{rest}") }
}

/// The lines of a file of globs with their numbers, without line ends and without the mark that some editors put
/// before UTF-8.
fn lines(text: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let text = text.strip_prefix("\u{feff}".as_bytes()).unwrap_or(text);
    let lines = text.split(|&byte| byte == b'\n');
    lines.map(|line| line.strip_suffix(b"\r").unwrap_or(line)).zip(1..).map(|(line, number)| (number, line))
}
