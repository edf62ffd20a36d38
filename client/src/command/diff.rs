//! `farkeep diff`

mod compare;

use std::ffi::OsString;

use clap::Args;
use farkeep_codec::tree::Entry;
use farkeep_codec::tree::PathKey;

use self::compare::Compare;
use super::failure::Failure;
use super::session::Session;
use super::subject::FilterArguments;
use super::subject::Subject;
use crate::output::exit::Exit;
use crate::output::line::Change;
use crate::output::line::Difference;
use crate::output::line::Differences;
use crate::repository::Access;
use crate::repository::RepositoryError;

/// Show what differs between two snapshots
///
/// `+` was added, `-` was removed, `M` has other contents or is another kind of thing, `m` has other metadata only.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  farkeep diff latest~1 latest
  farkeep diff '@last monday' latest:/etc")]
pub(super) struct Diff {
    /// The snapshot before, and the path to compare
    #[arg(value_name = "SNAPSHOT[:PATH]")]
    before: OsString,
    /// The snapshot after; a path in one of them holds for both
    #[arg(value_name = "SNAPSHOT[:PATH]")]
    after: OsString,
    #[command(flatten)]
    filter: FilterArguments,
}

impl Diff {
    pub(super) fn run(&self, session: &Session) -> Result<Exit, Failure> {
        let repository = session.open(Access::Read)?;
        let before = Subject::find(session, &repository, &self.before, &self.filter)?;
        let after = Subject::find(session, &repository, &self.after, &self.filter)?;
        let path = common_path(&before, &after)?;
        let mut figures = Differences::between(before.point.id, after.point.id);
        let mut compare = Compare::new(&repository);
        let mut changes = repository.diff(before.point.root(), after.point.root());
        while let Some((old, new)) = changes.next_change::<RepositoryError>()? {
            let inside = |entry: &Entry| entry.path.starts_with(&path);
            if !old.as_ref().or(new.as_ref()).is_some_and(inside) {
                continue;
            }
            if let Some(difference) = compare.difference(old.as_ref(), new.as_ref())? {
                count(&mut figures, &difference);
                session.output.line(&difference)?;
            }
        }
        session.output.summary(&figures)?;
        Ok(Exit::Done)
    }
}

/// The path to which the comparison is limited: the root folder where none was named.
fn common_path(before: &Subject, after: &Subject) -> Result<PathKey, Failure> {
    match (&before.path, &after.path) {
        (Some(before), Some(after)) if before != after => {
            Err(Failure::TwoPaths { before: before.clone(), after: after.clone() })
        }
        (before, after) => Ok(before.as_ref().or(after.as_ref()).cloned().unwrap_or_default()),
    }
}

fn count(figures: &mut Differences, difference: &Difference) {
    let (number, bytes) = match difference.change {
        Change::Added => (&mut figures.added, Some((&mut figures.added_bytes, difference.bytes_after))),
        Change::Removed => {
            (&mut figures.removed, Some((&mut figures.removed_bytes, difference.bytes_before)))
        }
        Change::Content | Change::Kind => {
            (&mut figures.modified, Some((&mut figures.modified_bytes, difference.bytes_after)))
        }
        Change::Metadata => (&mut figures.metadata, None),
    };
    *number += 1;
    if let Some((sum, bytes)) = bytes {
        *sum += bytes;
    }
}
