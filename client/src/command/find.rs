//! `farkeep find`

use std::collections::HashSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use clap::Args;
use farkeep_codec::id::ObjectId;
use farkeep_codec::object::Pointer;
use farkeep_codec::tree::Entry;
use farkeep_codec::tree::Node;
use ignore::gitignore::Gitignore;
use ignore::gitignore::GitignoreBuilder;
use jiff::Zoned;

use super::failure::Failure;
use super::ls::is_folder;
use super::session::Session;
use super::subject::FilterArguments;
use super::subject::admitted;
use super::subject::choose;
use super::subject::points;
use crate::output::exit::Exit;
use crate::output::line::Listing;
use crate::output::line::Match;
use crate::repository::Access;
use crate::repository::Point;
use crate::repository::Repository;
use crate::selector::Selector;

/// Find files by name in all snapshots
///
/// PATTERN is a glob as in .gitignore: without a slash it matches names at any depth, with one in front it counts from
/// the root folder, with one at the end it matches folders only. Every version of a path is shown once, with the newest
/// snapshot that holds it.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  farkeep find '*.conf'
  farkeep find '/etc/**/hosts' --snapshot latest
  farkeep find -l 'report.*' --series laptop")]
pub(super) struct Find {
    /// The glob
    pattern: String,
    /// Look in this snapshot only; may be repeated
    #[arg(long, value_name = "SNAPSHOT")]
    snapshot: Vec<String>,
    /// Show mode, owner, size and time
    #[arg(long, short)]
    long: bool,
    /// Do not tell upper case from lower case
    #[arg(long, short)]
    ignore_case: bool,
    #[command(flatten)]
    filter: FilterArguments,
}

impl Find {
    pub(super) fn run(&self, session: &Session) -> Result<Exit, Failure> {
        let glob = self.glob()?;
        let repository = session.open(Access::Read)?;
        let points = self.points(session, &repository)?;
        let mut search =
            Search { find: self, session, repository: &repository, glob, seen: Seen::default(), found: 0 };
        for point in points.iter().rev() {
            search.look_in(point)?;
        }
        if search.found == 0 {
            session.output.note(&format!("nothing matches {}", self.pattern));
        }
        Ok(Exit::Done)
    }

    fn glob(&self) -> Result<Gitignore, Failure> {
        let refused = |reason: String| Failure::Glob { glob: self.pattern.clone(), reason };
        let mut builder = GitignoreBuilder::new("");
        builder.allow_unclosed_class(false);
        builder.case_insensitive(self.ignore_case).map_err(|error| refused(error.to_string()))?;
        // A glob that does not count from the root folder may match at any depth, also when it has a slash inside.
        let anchored = self.pattern.starts_with('/');
        let line = if anchored { self.pattern.clone() } else { format!("**/{}", self.pattern) };
        builder.add_line(None, &line).map_err(|error| refused(error.to_string()))?;
        let glob = builder.build().map_err(|error| refused(error.to_string()))?;
        if self.pattern.trim().is_empty() { Err(refused("it is empty".to_owned())) } else { Ok(glob) }
    }

    /// The snapshots to look in, in the order of their capture.
    fn points(&self, session: &Session, repository: &Repository) -> Result<Vec<Point>, Failure> {
        let filter = self.filter.filter();
        let mut points = points(session, repository)?;
        if self.snapshot.is_empty() {
            return admitted(points, &filter);
        }
        let mut chosen = HashSet::new();
        for name in &self.snapshot {
            let selector = Selector::parse(name, &Zoned::now())?;
            chosen.insert(choose(&points, &filter, &selector)?.id);
        }
        points.retain(|point| chosen.contains(&point.id));
        Ok(points)
    }
}

/// What need not be looked at or shown again.
#[derive(Default)]
struct Seen {
    nodes: HashSet<ObjectId>,
    versions: HashSet<[u8; 32]>,
}

/// One search over several snapshots, newest first.
struct Search<'a> {
    find: &'a Find,
    session: &'a Session,
    repository: &'a Repository,
    glob: Gitignore,
    seen: Seen,
    found: u64,
}

impl Search<'_> {
    /// Looks at the nodes of a snapshot that no newer one has.
    fn look_in(&mut self, point: &Point) -> Result<(), Failure> {
        let mut ahead: Vec<Pointer> = vec![point.root()];
        while let Some(pointer) = ahead.pop() {
            if !self.seen.nodes.insert(pointer.id) {
                continue;
            }
            match self.repository.node(&pointer)? {
                Node::Inner { children, .. } => {
                    ahead.extend(children.iter().rev().map(|child| child.pointer));
                }
                Node::Leaf(entries) => {
                    for entry in &entries {
                        if self.matches(entry) {
                            self.show(point, entry)?;
                        }
                    }
                }
                Node::List { .. } => return Err(Failure::NotATree { node: pointer.id }),
            }
        }
        Ok(())
    }

    fn matches(&self, entry: &Entry) -> bool {
        let path = entry.path.components().collect::<Vec<_>>().join(&b'/');
        self.glob.matched(Path::new(OsStr::from_bytes(&path)), is_folder(entry)).is_ignore()
    }

    fn show(&mut self, point: &Point, entry: &Entry) -> Result<(), Failure> {
        let listing = if self.find.long { Listing::long(entry) } else { Listing::short(entry) };
        // A leaf that was written anew for one entry holds the others as they were: those were shown already.
        let version = blake3::hash(&serde_json::to_vec(&listing).map_err(std::io::Error::from)?);
        if self.seen.versions.insert(*version.as_bytes()) {
            self.found += 1;
            self.session.output.line(&Match { snapshot: point.id, listing })?;
        }
        Ok(())
    }
}
