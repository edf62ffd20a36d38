//! `farkeep key`

use std::env;
use std::path::PathBuf;

use clap::Args;
use clap::Subcommand;
use farkeep_codec::key::KdfCost;
use farkeep_codec::key::Lock;

use super::failure::Failure;
use super::session::Session;
use crate::config::passphrase;
use crate::config::passphrase::Flags;
use crate::config::passphrase::Passphrase;
use crate::config::passphrase::PassphraseError;
use crate::config::passphrase::Purpose;
use crate::config::passphrase::Source;
use crate::output::exit::Exit;
use crate::output::line;
use crate::repository::Access;
use crate::repository::KeySlot;
use crate::repository::Repository;
use crate::repository::RepositoryError;

/// Manage who can open the repository
///
/// A repository has one or more key slots, and each is opened by a passphrase or by a recovery code. All of them open
/// the same keys: removing a slot keeps out whoever knows its passphrase and has no copy of the keys.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  farkeep key add --label 'colleague'
  farkeep key recovery
  farkeep key agent
  farkeep key list
  farkeep key remove 3f2a")]
pub(super) struct Key {
    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// List the key slots
    List,
    /// Add a passphrase
    Add(New),
    /// Remove a slot; the last one stays, and so does the one that was opened to do it
    Remove {
        /// The beginning of the slot's id, or its label
        slot: String,
    },
    /// Replace the passphrase that was given by a new one; a recovery code that was given stays
    Change(New),
    /// Print the agent code: what a host needs beside its enrolment to write to this repository at a server
    ///
    /// It lets a host write and deduplicate, and not read. Every agent of the repository has the same one.
    Agent,
    /// Add a recovery code, and print it this one time
    Recovery {
        /// What the slot is called
        #[arg(long, value_name = "TEXT", default_value = "recovery code")]
        label: String,
    },
}

/// A new passphrase.
#[derive(Debug, Args)]
struct New {
    /// Take the new passphrase from the first line of this file
    #[arg(long, value_name = "FILE")]
    new_password_file: Option<PathBuf>,
    /// What the slot is called
    #[arg(long, value_name = "TEXT", default_value = "passphrase")]
    label: String,
}

impl Key {
    pub(super) fn run(&self, session: &Session) -> Result<Exit, Failure> {
        let access = if matches!(self.act, Act::List | Act::Agent) { Access::Read } else { Access::Write };
        let repository = session.open(access)?;
        match &self.act {
            Act::List => list(session, &repository)?,
            Act::Add(new) => {
                let slot = repository.add_passphrase(&new.read()?, &new.label, KdfCost::DEFAULT)?;
                session.output.summary(&changed(&slot, "added"))?;
            }
            Act::Remove { slot } => {
                let slot = repository.find_slot(slot)?;
                // Of the last one the store says that it is the last one.
                if Some(slot) == repository.opened_slot() && repository.key_slots()?.len() > 1 {
                    return Err(Failure::SlotInUse { slot });
                }
                repository.remove_slot(slot)?;
                session.output.summary(&changed(&slot, "removed"))?;
            }
            Act::Agent => {
                session.output.note(
                    "A host that has this code and is enrolled can write to the repository. It cannot read it.",
                );
                let code = repository.agent_code().to_text().to_string();
                session.output.line(&line::AgentCode { code })?;
            }
            Act::Change(new) => change(session, &repository, new)?,
            Act::Recovery { label } => {
                let (slot, code) = repository.add_recovery(label)?;
                session
                    .output
                    .note("This code opens the repository. It is shown once: print it and lock it away.");
                let code = code.to_text().to_string();
                session.output.line(&line::Recovery { slot: slot.to_string(), code })?;
            }
        }
        Ok(Exit::Done)
    }
}

impl New {
    fn read(&self) -> Result<Passphrase, Failure> {
        let flags = Flags { file: self.new_password_file.clone(), command: None };
        let source = Source::choose(&flags, &passphrase::NEW, |name| env::var_os(name), "New passphrase");
        source.read(Purpose::Choose).map_err(|error| match error {
            PassphraseError::NobodyToAsk { source } => Failure::NobodyToAskForNew { source },
            other => other.into(),
        })
    }
}

/// Puts a new passphrase in the place of the one that was given. Whoever has lost the passphrase and gives the recovery
/// code gets a new passphrase, and the code on paper goes on to open the repository.
fn change(session: &Session, repository: &Repository, new: &New) -> Result<(), Failure> {
    let opened = repository.opened_slot().ok_or(RepositoryError::NoReader)?;
    let is_code = |slot: &KeySlot| slot.id == opened && matches!(slot.lock, Lock::Recovery { .. });
    let by_code = repository.key_slots()?.iter().any(is_code);
    // The new one is there before the old one goes: whatever happens in between, somebody can open it.
    let slot = repository.add_passphrase(&new.read()?, &new.label, KdfCost::DEFAULT)?;
    session.output.summary(&changed(&slot, "added"))?;
    if by_code {
        session.output.note(
            "The recovery code still opens the repository. A passphrase that was lost does, too: `farkeep key list` \
             shows its slot, and `farkeep key remove` removes it.",
        );
        return Ok(());
    }
    repository.remove_slot(opened)?;
    Ok(session.output.summary(&changed(&opened, "removed"))?)
}

fn list(session: &Session, repository: &Repository) -> Result<(), Failure> {
    session.output.heading(line::Key::HEADING)?;
    for slot in repository.key_slots()? {
        let kind = match slot.lock {
            Lock::Passphrase { .. } => "passphrase",
            Lock::Recovery { .. } => "recovery",
        };
        session.output.line(&line::Key { slot: slot.id.to_string(), kind, label: slot.label })?;
    }
    Ok(())
}

fn changed(slot: &impl ToString, change: &'static str) -> line::KeyChange {
    line::KeyChange { slot: slot.to_string(), change }
}
