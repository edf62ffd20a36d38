//! `farkeep ls`

use std::ffi::OsString;

use clap::Args;
use farkeep_codec::snapshot::Status;
use farkeep_codec::tree::Body;
use farkeep_codec::tree::Entry;
use farkeep_codec::tree::PathKey;

use super::failure::Failure;
use super::session::Session;
use super::subject::FilterArguments;
use super::subject::Subject;
use crate::output::exit::Exit;
use crate::output::line;
use crate::output::line::Listing;
use crate::output::line::Named;
use crate::repository::Access;
use crate::repository::Repository;

/// List the files in a snapshot
///
/// Without a PATH, the folders that were backed up are listed. Those that a partial snapshot does not hold are named, and
/// the exit code is 3.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  farkeep ls latest
  farkeep ls -lR latest:/etc
  farkeep ls '@yesterday 14:00:/home/me'")]
pub(super) struct Ls {
    /// The snapshot, and a path in it
    #[arg(value_name = "SNAPSHOT[:PATH]")]
    target: OsString,
    /// Show mode, owner, size and time
    #[arg(long, short)]
    long: bool,
    /// Show what lies in folders, too
    #[arg(long, short = 'R')]
    recursive: bool,
    #[command(flatten)]
    filter: FilterArguments,
}

impl Ls {
    pub(super) fn run(&self, session: &Session) -> Result<Exit, Failure> {
        let repository = session.open(Access::Read)?;
        let subject = Subject::find(session, &repository, &self.target, &self.filter)?;
        if let Some(path) = &subject.path {
            self.list(session, &repository, &subject, path)?;
            return Ok(Exit::Done);
        }
        let mut exit = Exit::Done;
        for folder in subject.point.paths() {
            match self.list(session, &repository, &subject, &folder) {
                // What could not be read when the snapshot was made is no reason to hide the rest.
                Err(Failure::NoSuchPath { path, .. }) if subject.point.record.status != Status::Complete => {
                    let why = "this snapshot is partial and does not hold it".to_owned();
                    session.output.problem(&line::Unreadable { path: Named::of_key(&path), why })?;
                    exit = Exit::Unreadable;
                }
                listed => listed?,
            }
        }
        Ok(exit)
    }

    /// Lists a folder's contents, or the path itself where it is no folder.
    fn list(
        &self,
        session: &Session,
        repository: &Repository,
        subject: &Subject,
        path: &PathKey,
    ) -> Result<(), Failure> {
        let mut walk = repository.walk(subject.point.root());
        walk.seek(path)?;
        let mut next = walk.next_entry()?;
        match &next {
            Some(entry) if entry.path == *path && is_folder(entry) => next = walk.next_entry()?,
            Some(entry) if entry.path == *path => return self.show(session, entry),
            Some(entry) if entry.path.starts_with(path) => {}
            _ => return Err(Failure::NoSuchPath { snapshot: subject.point.id, path: path.clone() }),
        }
        while let Some(entry) = next.filter(|entry| entry.path.starts_with(path)) {
            self.show(session, &entry)?;
            if !self.recursive && is_folder(&entry) {
                walk.skip_folder()?;
            }
            next = walk.next_entry()?;
        }
        Ok(())
    }

    fn show(&self, session: &Session, entry: &Entry) -> Result<(), Failure> {
        let line = if self.long { Listing::long(entry) } else { Listing::short(entry) };
        Ok(session.output.line(&line)?)
    }
}

/// Whether something may lie below the entry.
pub(super) fn is_folder(entry: &Entry) -> bool {
    matches!(entry.body, Body::Folder | Body::Ancestor)
}
