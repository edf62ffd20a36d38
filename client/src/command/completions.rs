//! `farkeep completions`

use clap::Args;
use clap::CommandFactory;
use clap_complete::Shell;
use clap_complete::generate;

use super::Cli;
use super::failure::Failure;
use super::session::Session;
use crate::output::exit::Exit;
use crate::output::line;

/// Print a completion script for a shell
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  farkeep completions bash > /etc/bash_completion.d/farkeep")]
pub(super) struct Completions {
    /// The shell
    shell: Shell,
}

impl Completions {
    pub(super) fn run(&self, session: &Session) -> Result<Exit, Failure> {
        let mut script = Vec::new();
        generate(self.shell, &mut Cli::command(), "farkeep", &mut script);
        let script = String::from_utf8_lossy(&script).into_owned();
        session.output.line(&line::Completions { shell: self.shell.to_string(), script })?;
        Ok(Exit::Done)
    }
}
