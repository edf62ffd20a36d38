//! `farkeep key`

use std::collections::BTreeSet;
use std::env;
use std::path::PathBuf;

use clap::Args;
use clap::Subcommand;
use farkeep_codec::key::AgentCode;
use farkeep_codec::key::KdfCost;
use farkeep_codec::key::Lock;
use farkeep_engine::policies;

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
  farkeep key rotate --yes
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
    /// Begin a new epoch: what is stored from then on takes new keys
    ///
    /// For when the agent code, or a host that has it, may be in wrong hands: whoever has it can guess at what is stored with
    /// it, and nothing more. The next backup of every host that knows the new keys stores everything once more, under new names,
    /// so that the repository needs room for that until older snapshots are forgotten and collected. Snapshots that are there
    /// stay as they are, and every passphrase and recovery code opens both. Run again `policy set --keep-tag`, if a policy
    /// goes by tags.
    ///
    /// Agents go on with the code that they have, in the old epoch, until they are given the new one on their hosts, with
    /// `farkeep enroll farkeep://HOST/NAME`. Whoever must not write any more is shut out by `farkeepd revoke`.
    Rotate {
        /// Do it; without, it is only said what it will cost
        #[arg(long)]
        yes: bool,
    },
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
        let is_look = matches!(self.act, Act::List | Act::Agent | Act::Rotate { yes: false });
        let access = if is_look { Access::Read } else { Access::Write };
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
                let of_people = repository.key_slots()?.iter().filter(|slot| !slot.is_of_epoch()).count();
                if Some(slot) == repository.opened_slot() && of_people > 1 {
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
            Act::Rotate { yes } => rotate(session, &repository, *yes)?,
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

fn rotate(session: &Session, repository: &Repository, yes: bool) -> Result<(), Failure> {
    let settings = repository.keeper().settings()?;
    let goes_by_tags =
        policies(&settings).is_ok_and(|set| set.policies.iter().any(|one| !one.tags.is_empty()));
    let series: BTreeSet<String> =
        repository.snapshots()?.iter().map(|point| point.record.series.to_string()).collect();
    let (series, stored_bytes) = (series.len() as u64, repository.usage()?.bytes);
    let code = if yes { Some(repository.rotate()?) } else { None };
    let epoch = code.as_ref().map_or_else(|| repository.keys().epoch(), AgentCode::epoch).number();
    let code = code.map(|code| code.to_text().to_string());
    session.output.line(&line::KeyRotation { epoch, series, stored_bytes, code })?;
    if goes_by_tags && yes {
        session.output.warn(
            "warning: a policy goes by tags, and does not know those of new snapshots: set it again with \
             `farkeep policy set --keep-tag`",
        );
    }
    Ok(())
}

fn list(session: &Session, repository: &Repository) -> Result<(), Failure> {
    session.output.heading(line::Key::HEADING)?;
    for slot in repository.key_slots()? {
        let kind = match slot.lock {
            Lock::Passphrase { .. } => "passphrase",
            Lock::Recovery { .. } => "recovery",
            Lock::Reader { .. } => "epoch",
        };
        session.output.line(&line::Key { slot: slot.id.to_string(), kind, label: slot.label })?;
    }
    Ok(())
}

fn changed(slot: &impl ToString, change: &'static str) -> line::KeyChange {
    line::KeyChange { slot: slot.to_string(), change }
}
