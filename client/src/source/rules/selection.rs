//! Which entries of a snapshot a restore takes: [`Selection`], a pure function of paths.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use farkeep_codec::tree::PathKey;
use ignore::gitignore::Gitignore;

use super::Decision;
use super::Globs;
use super::RuleError;
use super::Shape;
use super::decision;

/// The globs of `--include` and `--exclude` of a restore.
///
/// A path is taken if it, or a folder above it, matches `include` (all are, if there is no such glob), and neither it
/// nor a folder above it matches `exclude`. A glob with `!` takes back what one before it said, in `include` also
/// inside a folder that matched.
#[derive(Debug, Clone)]
pub struct Selection {
    include: Option<Gitignore>,
    exclude: Option<Gitignore>,
}

/// What a restore does with one path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// It is restored; of a folder, all that [`Selection::judge`] does not refuse further down.
    Yes,
    /// It is a folder that is not wanted itself, but something inside may be.
    Inside,
    /// It is not restored, nor anything inside.
    No,
}

impl Selection {
    /// A selection by globs.
    ///
    /// # Errors
    /// Names the glob that does not parse.
    pub fn new(include: &[String], exclude: &[String]) -> Result<Self, RuleError> {
        Ok(Self { include: globs(include, "--include")?, exclude: globs(exclude, "--exclude")? })
    }

    /// Whether everything is wanted.
    pub fn is_everything(&self) -> bool {
        self.include.is_none() && self.exclude.is_none()
    }

    /// What to do with a path.
    pub fn judge(&self, path: &PathKey, shape: Shape) -> Wanted {
        if self.is_everything() {
            return Wanted::Yes;
        }
        let mut included = self.include.is_none();
        let mut components = path.components().peekable();
        let mut path = Vec::new();
        while let Some(component) = components.next() {
            if !path.is_empty() {
                path.push(b'/');
            }
            path.extend_from_slice(component);
            let here = Path::new(OsStr::from_bytes(&path));
            let shape = if components.peek().is_some() { Shape::Folder } else { shape };
            if matches(self.exclude.as_ref(), here, shape) == Some(true) {
                return Wanted::No;
            }
            included = matches(self.include.as_ref(), here, shape).unwrap_or(included);
        }
        match (included, shape) {
            (true, _) => Wanted::Yes,
            (false, Shape::Folder) => Wanted::Inside,
            (false, Shape::Other) => Wanted::No,
        }
    }
}

fn globs(lines: &[String], origin: &str) -> Result<Option<Gitignore>, RuleError> {
    if lines.is_empty() {
        return Ok(None);
    }
    let mut globs = Globs::floating();
    for line in lines {
        globs.add(line, origin)?;
    }
    globs.build(origin).map(Some)
}

/// What the last glob that matches says: `true` for a plain one, `false` for one with `!`.
fn matches(globs: Option<&Gitignore>, path: &Path, shape: Shape) -> Option<bool> {
    let decision = globs.and_then(|globs| decision(globs, path, shape))?;
    Some(decision == Decision::LeaveOut)
}
