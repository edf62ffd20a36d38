//! `farkeep rebuild-index`

use clap::Args;

use super::failure::Failure;
use super::session::Session;
use crate::output::exit::Exit;
use crate::output::line;
use crate::repository::Access;

/// Build the index anew from packs and journal alone
///
/// The index says where each object lies. It is derived, and made anew by itself where it is missing or cannot be read; this is for
/// one that is suspected. Nothing else changes. A folder needs no passphrase for this; it is not done through a server.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  farkeep rebuild-index --repo /srv/backup")]
pub(super) struct RebuildIndex {}

impl RebuildIndex {
    pub(super) fn run(&self, session: &Session) -> Result<Exit, Failure> {
        let locked = session.keep(Access::Write)?;
        let objects = locked.keeper().rebuild_index()?;
        session.output.summary(&line::IndexRebuilt { objects })?;
        Ok(Exit::Done)
    }
}
