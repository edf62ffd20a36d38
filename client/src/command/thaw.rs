//! `farkeep thaw`

use clap::Args;

use super::failure::Failure;
use super::session::Session;
use crate::output::exit::Exit;
use crate::repository::Access;

/// Believe the clock again, after it had moved and nothing was deleted any more
///
/// Look at the clock of the machine that keeps the repository first: what was received when, what is held and how long
/// grace lasts all go by it. While it shows less than it did when the repository was last written, nothing is deleted by
/// rules even so. A server that sees its clock come back believes it again by itself.
#[derive(Debug, Args)]
pub(super) struct Thaw {
    /// Why, for the journal
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    reason: String,
}

impl Thaw {
    pub(super) fn run(&self, session: &Session) -> Result<Exit, Failure> {
        session.keep(Access::Write)?.keeper().thaw(&self.reason)?;
        session.output.note("the clock is believed again");
        Ok(Exit::Done)
    }
}
