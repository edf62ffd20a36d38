//! `farkeep dump`

use std::ffi::OsString;

use clap::Args;
use farkeep_codec::tree::Body;
use farkeep_codec::tree::Content;
use farkeep_codec::tree::Entry;

use super::failure::Failure;
use super::session::Session;
use super::subject::FilterArguments;
use super::subject::Subject;
use crate::output::exit::Exit;
use crate::output::line;
use crate::output::line::Named;
use crate::repository::Access;
use crate::repository::Piece;
use crate::repository::Repository;

/// Zeros for holes, so many at a time.
static ZEROS: [u8; 64 << 10] = [0; 64 << 10];

/// Write the contents of one file to standard output
///
/// PATH may be left out where the snapshot holds a single file, as those of --stdin and --command do. With --json, the
/// line that ends the dump goes to standard error.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  farkeep dump latest:/etc/fstab
  farkeep dump latest --series database | psql")]
pub(super) struct Dump {
    /// The snapshot, and the file in it
    #[arg(value_name = "SNAPSHOT[:PATH]")]
    target: OsString,
    #[command(flatten)]
    filter: FilterArguments,
}

impl Dump {
    pub(super) fn run(&self, session: &Session) -> Result<Exit, Failure> {
        let repository = session.open(Access::Read)?;
        let subject = Subject::find(session, &repository, &self.target, &self.filter)?;
        let entry = file(&repository, &subject)?;
        let (bytes, content) = content(&entry)?;
        write(session, &repository, bytes, content)?;
        let path = Named::of_key(&entry.path);
        session.output.line(&line::Dump { snapshot: subject.point.id, path, bytes })?;
        Ok(Exit::Done)
    }
}

/// The entry of the file that is meant, and of a further name the first one.
fn file(repository: &Repository, subject: &Subject) -> Result<Entry, Failure> {
    let root = subject.point.root();
    let missing = |path| Failure::NoSuchPath { snapshot: subject.point.id, path };
    let entry = match &subject.path {
        Some(path) => repository.entry(root, path)?.ok_or_else(|| missing(path.clone()))?,
        None => only_file(repository, subject)?,
    };
    match &entry.body {
        Body::HardLink { first } => repository.entry(root, first)?.ok_or_else(|| missing(first.clone())),
        _ => Ok(entry),
    }
}

/// The file of a snapshot that holds one file and nothing else but the folders above it.
fn only_file(repository: &Repository, subject: &Subject) -> Result<Entry, Failure> {
    let mut walk = repository.walk(subject.point.root());
    let mut only = None;
    while let Some(entry) = walk.next_entry()? {
        let is_other = !matches!(entry.body, Body::Ancestor);
        if is_other && only.replace(entry).is_some() {
            return Err(Failure::NoPath { snapshot: subject.point.id });
        }
    }
    only.ok_or(Failure::NoPath { snapshot: subject.point.id })
}

fn content(entry: &Entry) -> Result<(u64, &Content), Failure> {
    match &entry.body {
        Body::File { bytes, content } | Body::Image { bytes, content } => Ok((*bytes, content)),
        Body::Folder | Body::Ancestor => {
            Err(Failure::NotAFile { path: entry.path.clone(), what: "a folder" })
        }
        Body::Symlink { .. } => Err(Failure::NotAFile { path: entry.path.clone(), what: "a symbolic link" }),
        _ => Err(Failure::NotAFile { path: entry.path.clone(), what: "no regular file" }),
    }
}

fn write(session: &Session, repository: &Repository, bytes: u64, content: &Content) -> Result<(), Failure> {
    repository.fetcher().pieces::<Failure>(bytes, content, |piece| match piece {
        Piece::Data(data) => Ok(session.output.data(data)?),
        Piece::Hole(mut hole) => {
            while hole > 0 {
                let part = usize::try_from(hole).map_or(ZEROS.len(), |hole| hole.min(ZEROS.len()));
                session.output.data(&ZEROS[..part])?;
                hole -= part as u64;
            }
            Ok(())
        }
    })
}
