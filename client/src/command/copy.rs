//! `farkeep copy`

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use jiff::Zoned;

use super::failure::Failure;
use super::interrupt;
use super::session::Other;
use super::session::Session;
use super::subject::FilterArguments;
use super::subject::admitted;
use super::subject::choose;
use super::subject::points;
use crate::output::exit::Exit;
use crate::output::line;
use crate::progress::Progress;
use crate::repository::Access;
use crate::selector::Selector;
use crate::transfer;
use crate::transfer::Outcome;

/// Copy snapshots from another repository into this one
///
/// Everything is opened with the keys of the other repository, and cut, sealed and signed with those of this one: the copy holds
/// what a backup of the same files would have. It has the series, the tags and the time of capture of the original, and the tag
/// `copied-from=ID`, by which another run knows that it is there. Without SNAPSHOT all are copied, the oldest first.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  farkeep copy --from /mnt/old latest
  farkeep copy --from /mnt/old --series db --from-password-file old.txt")]
pub(super) struct Copy {
    /// The snapshots, as the other repository names them; all without it
    #[arg(value_name = "SNAPSHOT")]
    snapshots: Vec<String>,
    /// The other repository: a folder, or farkeep://HOST/NAME
    #[arg(long, value_name = "REPOSITORY")]
    from: OsString,
    /// File whose first line is the passphrase of the other repository
    #[arg(long, value_name = "FILE")]
    from_password_file: Option<PathBuf>,
    /// Command that prints the passphrase of the other repository
    #[arg(long, value_name = "COMMAND", conflicts_with = "from_password_file")]
    from_password_command: Option<OsString>,
    #[command(flatten)]
    filter: FilterArguments,
}

impl Copy {
    pub(super) fn run(&self, session: &Session) -> Result<Exit, Failure> {
        let other = Other {
            repository: self.from.clone(),
            password_file: self.from_password_file.clone(),
            password_command: self.from_password_command.clone(),
        };
        let from = session.open_other(&other)?;
        let filter = self.filter.filter();
        let mut chosen = admitted(points(session, &from)?, &filter)?;
        if !self.snapshots.is_empty() {
            let now = Zoned::now();
            let named = self
                .snapshots
                .iter()
                .map(|text| Ok(choose(&chosen, &filter, &Selector::parse(text, &now)?)?.id));
            let named = named.collect::<Result<Vec<_>, Failure>>()?;
            chosen.retain(|point| named.contains(&point.id));
        }
        let to = session.open(Access::Write)?;
        let progress = Arc::new(Progress::new());
        let watch = session.output.watch(&progress);
        let mut copies = Vec::new();
        let stored = transfer::copy(
            &from,
            &to,
            &chosen,
            &interrupt::cancel_flag(),
            &progress,
            &mut |point, outcome| {
                let (snapshot, was_there) = match outcome {
                    Outcome::Copied(id) => (id, false),
                    Outcome::There(id) => (id, true),
                };
                copies.push(line::Copied { from: point.id, snapshot, was_there });
            },
        );
        drop(watch);
        copies.iter().try_for_each(|copied| session.output.line(copied))?;
        let stored = stored?;
        let there = copies.iter().filter(|copied| copied.was_there).count() as u64;
        session.output.summary(&line::Copies {
            copied: copies.len() as u64 - there,
            there,
            stored_bytes: stored.bytes,
            stored_objects: stored.objects,
        })?;
        Ok(Exit::Done)
    }
}
