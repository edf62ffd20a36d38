//! `farkeep recover`

use clap::Args;

use super::failure::Failure;
use super::session::Session;
use super::subject::Named;
use crate::output::exit::Exit;
use crate::output::line;
use crate::repository::Access;

/// Put forgotten snapshots on the list again, as they were
///
/// `snapshots --forgotten` shows what can be recovered, and until when. A snapshot that is on the list stays as it is. A
/// folder needs no passphrase for this.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  farkeep snapshots --forgotten
  farkeep recover 3f2a")]
pub(super) struct Recover {
    /// The snapshots
    #[arg(value_name = "SNAPSHOT", required = true)]
    snapshots: Vec<String>,
    /// Why, for the journal
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    reason: String,
}

impl Recover {
    pub(super) fn run(&self, session: &Session) -> Result<Exit, Failure> {
        let named = Named::find(session, &self.snapshots, Access::Write)?;
        for id in &named.ids {
            named.keeper().recover(id, &self.reason)?;
            let change = "recovered";
            session.output.summary(&line::SnapshotChange {
                snapshot: *id,
                change,
                until: None,
                unique_bytes: None,
            })?;
        }
        Ok(Exit::Done)
    }
}
