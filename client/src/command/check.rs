//! `farkeep check`

use std::io;
use std::sync::Arc;

use clap::Args;

use super::failure::Failure;
use super::interrupt;
use super::session::Session;
use crate::check;
use crate::check::Finding;
use crate::check::Request;
use crate::check::Summary;
use crate::config::size::Share;
use crate::output::exit::Exit;
use crate::output::line;
use crate::output::line::Named;
use crate::progress::Progress;
use crate::repository::Access;
use crate::repository::Extent;

/// Prove that everything can be restored
///
/// The structure is checked always: the journal, the summaries of the packs, every snapshot's record, and every tree
/// down to the objects that hold the files. With --read-data, every byte of the packs is read and verified, every object
/// is opened and compared with what was stored, and the content id of every snapshot is computed anew. Damage is named with
/// the snapshots and files that it touches, and the exit code is 13.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  farkeep check
  farkeep check --read-data
  farkeep check --read-data=10%")]
pub(super) struct Check {
    /// Read the data too: all of it, or a part chosen by chance, as in --read-data=10%
    #[arg(long, value_name = "SHARE", num_args = 0..=1, require_equals = true, default_missing_value = "100%")]
    read_data: Option<Share>,
}

impl Check {
    pub(super) fn run(&self, session: &Session) -> Result<Exit, Failure> {
        let repository = session.open(Access::Read)?;
        let request = Request { data: self.read_data, cancel: interrupt::cancel_flag() };
        let progress = Arc::new(Progress::new());
        let watch = session.output.watch(&progress);
        let mut written = Ok(());
        let summary = check::run(&repository, &request, &progress, &mut |finding| {
            if written.is_ok() {
                written = tell(session, &finding);
            }
        })?;
        drop(watch);
        written?;
        session.output.summary(&self.line(&summary))?;
        Ok(if summary.damage_count > 0 { Exit::Damage } else { Exit::Done })
    }

    fn line(&self, summary: &Summary) -> line::Check {
        line::Check {
            result: if summary.damage_count > 0 { "damaged" } else { "good" },
            data_share: self.read_data.map_or(0.0, |share| share.part),
            snapshots: summary.snapshots,
            nodes: summary.nodes,
            entries: summary.entries,
            objects: summary.objects,
            objects_opened: summary.objects_opened,
            pack_bytes: summary.pack_bytes,
            plain_bytes: summary.plain_bytes,
            content_ids: summary.content_ids,
            damage_count: summary.damage_count,
            damaged_paths: summary.lost_count,
            elapsed: summary.elapsed,
        }
    }
}

fn tell(session: &Session, finding: &Finding) -> io::Result<()> {
    match finding {
        Finding::Damage { what, name, why } => {
            session.output.problem(&line::Damage { what, name: name.clone(), why: why.clone() })
        }
        Finding::Lost { snapshot, path, extent } => {
            let (before, entries) = match extent {
                Extent::Path => (None, 1),
                Extent::Range { end, entries } => (end.as_ref().map(Named::of_key), entries.unwrap_or(1)),
            };
            let path = Named::of_key(path);
            session.output.problem(&line::DamagedPath { snapshot: *snapshot, path, before, entries })
        }
    }
}
