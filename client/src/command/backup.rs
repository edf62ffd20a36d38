//! `farkeep backup`

use std::env;
use std::fs;
use std::io;
use std::io::Read;
use std::path::PathBuf;
use std::sync::Arc;

use clap::ArgGroup;
use clap::Args;

use super::failure::Failure;
use super::interrupt;
use super::session::Session;
use super::snapshots::status;
use crate::backup;
use crate::backup::CacheUse;
use crate::backup::Intent;
use crate::backup::Request;
use crate::backup::Sources;
use crate::backup::Summary;
use crate::config::cache_folder;
use crate::output::exit::Exit;
use crate::output::line;
use crate::output::line::Named;
use crate::process::Standing;
use crate::progress::Phase;
use crate::progress::Progress;
use crate::repository::Access;
use crate::source::Accounts;
use crate::source::Caches;
use crate::source::FileId;
use crate::source::Missing;
use crate::source::Mounts;
use crate::source::Roots;
use crate::source::Rules;
use crate::source::paths_in_list;

/// Make a snapshot of files, folders, a stream or a disk
///
/// A run stores what changed since the last one and gives the same content id as a full run would. A run that is
/// interrupted keeps what it stored, and the next one goes on from there. Files that cannot be read, or that change while
/// they are read, are named, the snapshot is marked partial, and the exit code is 3.
#[derive(Debug, Args)]
#[command(
    group = ArgGroup::new("what").required(true).multiple(true).args(["paths", "files_from", "stdin", "command"]),
    after_help = "\
Examples:
  farkeep backup /home /etc --exclude '*.tmp' --one-file-system
  find /srv -newer /tmp/mark -print0 | farkeep backup --files-from -
  farkeep backup --command 'pg_dump shop' --name shop.sql --series database
  farkeep backup --image /dev/vg/root

Globs follow .gitignore, but for what a slash does: one that begins with a slash counts from the root folder, and every
other one matches at any depth, also when it has a slash inside. Files named .farkeepignore hold globs for the folder that
they lie in; those follow .gitignore in full.

--command is a line for /bin/sh: of a pipe, only the last part's failure counts. For any part's, let bash run it:
--command \"bash -o pipefail -c 'pg_dump shop | sed s/a/b/'\". The command does not see the variables FARKEEP_PASSWORD*."
)]
pub(super) struct Backup {
    /// The files and folders
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Also those listed in this file (`-` is standard input), one per line, or each ended by a zero byte
    #[arg(long, value_name = "FILE")]
    files_from: Option<PathBuf>,
    /// Store what comes from standard input, as one file of this name
    #[arg(long, value_name = "NAME", conflicts_with_all = ["paths", "files_from", "command", "image"])]
    stdin: Option<String>,
    /// Store what this command prints, as one file; if it fails, there is no snapshot
    #[arg(long, value_name = "LINE", conflicts_with_all = ["paths", "files_from", "image"])]
    command: Option<String>,
    /// The name of the file that --command makes; else the command's first word
    #[arg(long, value_name = "NAME", requires = "command", conflicts_with_all = ["paths", "stdin"])]
    name: Option<String>,
    /// The paths are disk images or block devices: store them by blocks of a fixed size
    #[arg(long, conflicts_with = "files_from")]
    image: bool,
    /// The series that the snapshot continues; else made of host and paths
    #[arg(long, value_name = "NAME")]
    series: Option<String>,
    /// A word to find the snapshot by; may be repeated
    #[arg(long, value_name = "TAG")]
    tag: Vec<String>,
    /// The name of this host, where it should be another than the system's
    #[arg(long, value_name = "NAME")]
    host: Option<String>,
    /// Leave out what matches this glob; may be repeated
    #[arg(long, short, value_name = "GLOB")]
    exclude: Vec<String>,
    /// Leave out what matches a glob in this file; may be repeated
    #[arg(long, value_name = "FILE")]
    exclude_file: Vec<PathBuf>,
    /// Leave out the contents of folders that CACHEDIR.TAG marks as caches
    #[arg(long)]
    exclude_caches: bool,
    /// Leave out what lies on other file systems
    #[arg(long, short = 'x')]
    one_file_system: bool,
    /// Read every file, and trust nothing that earlier runs remembered
    #[arg(long)]
    no_cache: bool,
    /// Keep what later runs want to remember in this folder; else in XDG_CACHE_HOME/farkeep or ~/.cache/farkeep
    #[arg(long, value_name = "DIR", env = "FARKEEP_CACHE", hide_env_values = true)]
    cache: Option<PathBuf>,
    /// Do everything but store
    #[arg(long, short = 'n')]
    dry_run: bool,
}

impl Backup {
    pub(super) fn run(&self, session: &Session) -> Result<Exit, Failure> {
        let request = self.request(session)?;
        let unlocking = session.unlock(if self.dry_run { Access::Ask } else { Access::Write })?;
        let lost = unlocking.lost();
        if lost.packs > 0 {
            session.output.problem(&line::LostPacks { packs: lost.packs, bytes: lost.bytes })?;
        }
        let progress = Arc::new(Progress::new());
        let watch = session.output.watch(&progress);
        let begun = backup::begin(&request);
        let repository = unlocking.finish()?;
        progress.begin(Phase::Storing, 0, 0);
        let summary = begun.store(&repository, &progress)?;
        drop(watch);
        self.report(session, &summary)
    }

    fn request(&self, session: &Session) -> Result<Request, Failure> {
        Ok(Request {
            sources: self.sources()?,
            series: self.series.clone(),
            tags: self.tag.clone(),
            rules: self.rules(session)?,
            cache: if self.no_cache { CacheUse::Ignore } else { CacheUse::Use },
            cache_folder: self.cache.clone().unwrap_or_else(|| cache_folder(|name| env::var_os(name))),
            intent: if self.dry_run { Intent::DryRun } else { Intent::Store },
            host: self.host.clone().unwrap_or_else(host),
            user: user(),
            cancel: interrupt::cancel_flag(),
            together: None,
        })
    }

    fn sources(&self) -> Result<Sources, Failure> {
        if let Some(name) = &self.stdin {
            return Ok(Sources::Stdin { name: name.clone() });
        }
        if let Some(line) = &self.command {
            let name = self.name.clone().unwrap_or_else(|| first_word(line));
            // It may ask for a password at the terminal.
            return Ok(Sources::Command {
                line: line.clone(),
                name,
                standing: Standing::Beside,
                limit: None,
            });
        }
        if self.image {
            return Ok(Sources::Images(self.paths.clone()));
        }
        let typed = Roots::new(&self.paths, Missing::Refuse)?;
        let Some(list) = &self.files_from else { return Ok(Sources::Paths(typed)) };
        let listed = read(list).map_err(|source| Failure::PathList { path: list.clone(), source })?;
        let paths: Vec<PathBuf> = self.paths.iter().cloned().chain(paths_in_list(&listed)).collect();
        if paths.is_empty() {
            return Err(Failure::EmptyPathList { path: list.clone() });
        }
        Ok(Sources::Paths(Roots::new(&paths, Missing::Report)?))
    }

    fn rules(&self, session: &Session) -> Result<Rules, Failure> {
        let mut rules = Rules::new(&self.exclude, &self.exclude_file)?;
        rules.caches = if self.exclude_caches { Caches::Leave } else { Caches::Take };
        rules.mounts = if self.one_file_system { Mounts::Stay } else { Mounts::Enter };
        // A repository inside of what is backed up would grow by its own growth. One that is not there is an error soon.
        let location = session.location()?;
        if let Some(repository) = location.folder().and_then(|folder| FileId::of(folder).ok()) {
            self.refuse_inside(repository)?;
            rules.avoid(repository);
        }
        Ok(rules)
    }

    /// Refuses a path that was typed and is the repository, or lies in it. In a list it is left out as in a walk.
    fn refuse_inside(&self, repository: FileId) -> Result<(), Failure> {
        let is_inside = |path: &&PathBuf| {
            let path = path.canonicalize();
            path.is_ok_and(|path| {
                path.ancestors().any(|folder| FileId::of(folder).is_ok_and(|id| id == repository))
            })
        };
        match self.paths.iter().find(is_inside) {
            Some(path) => Err(Failure::InRepository { path: path.clone() }),
            None => Ok(()),
        }
    }

    fn report(&self, session: &Session, summary: &Summary) -> Result<Exit, Failure> {
        for unreadable in &summary.unreadable {
            let (path, why) = (Named::of_key(&unreadable.path), unreadable.why.clone());
            session.output.problem(&line::Unreadable { path, why })?;
        }
        for changing in &summary.inconsistent {
            let (path, why) = (Named::of_key(&changing.path), changing.why.clone());
            session.output.problem(&line::Inconsistent { path, why })?;
        }
        session.output.summary(&line::Backup {
            snapshot: summary.snapshot,
            content: summary.content,
            root: summary.root,
            series: summary.series.clone(),
            status: status(&summary.status).0,
            dry_run: self.dry_run,
            files_new: summary.files_new,
            files_changed: summary.files_changed,
            files_unchanged: summary.files_unchanged,
            folders: summary.folders,
            others: summary.others,
            entries: summary.entries,
            source_bytes: summary.source_bytes,
            read_bytes: summary.read_bytes,
            stored_bytes: summary.stored_bytes,
            stored_objects: summary.stored_objects,
            resumed_bytes: summary.resumed_bytes,
            unreadable_count: summary.unreadable_count,
            inconsistent_count: summary.inconsistent_count,
            elapsed: summary.elapsed,
        })?;
        Ok(if summary.unreadable_count + summary.inconsistent_count > 0 {
            Exit::Unreadable
        } else {
            Exit::Done
        })
    }
}

/// The bytes of a list of paths; `-` is standard input.
fn read(list: &PathBuf) -> io::Result<Vec<u8>> {
    if list.as_os_str() != "-" {
        return fs::read(list);
    }
    let mut bytes = Vec::new();
    io::stdin().lock().read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The name of the program that a command line begins with.
fn first_word(line: &str) -> String {
    let word = line.split_whitespace().next().unwrap_or("command");
    word.rsplit('/').find(|part| !part.is_empty()).unwrap_or("command").to_owned()
}

pub(super) fn host() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

pub(super) fn user() -> String {
    let named =
        ["USER", "LOGNAME"].into_iter().find_map(|name| env::var(name).ok().filter(|user| !user.is_empty()));
    named.unwrap_or_else(|| {
        let uid = rustix::process::getuid().as_raw();
        let owner = Accounts::read().map(|accounts| accounts.owner(uid, 0).user.clone()).unwrap_or_default();
        if owner.is_empty() { uid.to_string() } else { String::from_utf8_lossy(&owner).into_owned() }
    })
}
