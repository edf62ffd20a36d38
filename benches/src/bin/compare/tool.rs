//! The tools that are compared: how each is asked for the same thing.
//!
//! Every tool runs with its own defaults, with encryption, with a home and a cache of its own, and with an
//! environment that holds nothing of the user's. What a tool does not offer is `None`.

use std::ffi::OsStr;
use std::fmt;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;

use anyhow::Context;
use anyhow::Result;
use anyhow::bail;
use farkeep_benches::told::PASSPHRASE;

/// What each tool is asked for, in the order of a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Act {
    /// Into an empty repository, with an empty cache.
    First,
    /// The same tree once more.
    Unchanged,
    /// The tree after it was updated in place.
    Incremental,
    /// The latest snapshot, in full, into an empty folder.
    Restore,
    /// Every stored byte is read and verified.
    Check,
    /// The latest snapshot is removed and its space is given back.
    RemoveNewest,
    /// All snapshots but the latest are removed and their space is given back.
    Remove,
    /// What is still laid out for snapshots that are gone is laid out anew.
    Repack,
}

impl Act {
    /// All of them, in order.
    pub(crate) const ALL: [Self; 8] = [
        Self::First,
        Self::Unchanged,
        Self::Incremental,
        Self::Restore,
        Self::Check,
        Self::RemoveNewest,
        Self::Remove,
        Self::Repack,
    ];

    /// Those after which a repository holds one state of the tree alone.
    pub(crate) const REMOVALS: [Self; 3] = [Self::RemoveNewest, Self::Remove, Self::Repack];

    /// The name by which it is chosen on the command line and found in JSON.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::First => "first",
            Self::Unchanged => "unchanged",
            Self::Incremental => "incremental",
            Self::Restore => "restore",
            Self::Check => "check",
            Self::RemoveNewest => "remove-newest",
            Self::Remove => "remove",
            Self::Repack => "repack",
        }
    }

    /// The name in the table.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::First => "first backup",
            Self::Unchanged => "unchanged run",
            Self::Incremental => "incremental run",
            Self::Restore => "full restore",
            Self::Check => "check of all data",
            Self::RemoveNewest => "removal of the newest snapshot",
            Self::Remove => "removal of the older snapshots",
            Self::Repack => "repacking after that",
        }
    }
}

/// The tools that this program can talk to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    /// This project's own.
    Farkeep,
    /// <https://restic.net>
    Restic,
    /// <https://www.borgbackup.org>
    Borg,
    /// <https://rustic.cli.rs>
    Rustic,
    /// <https://bupstash.io>
    Bupstash,
    /// `cp -a`: not a backup, but what a restore is measured against.
    Copy,
}

impl Kind {
    /// Those that are looked for when none is named.
    pub(crate) const BACKUP: [Self; 5] =
        [Self::Farkeep, Self::Restic, Self::Borg, Self::Rustic, Self::Bupstash];

    /// The name of the program.
    pub(crate) fn program(self) -> &'static str {
        match self {
            Self::Farkeep => "farkeep",
            Self::Restic => "restic",
            Self::Borg => "borg",
            Self::Rustic => "rustic",
            Self::Bupstash => "bupstash",
            Self::Copy => "cp",
        }
    }

    /// `restic-0.19` is a restic: the kind is what stands before the first character that is not a letter.
    fn of(name: &str) -> Result<Self> {
        let end = name.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(name.len());
        let found = Self::BACKUP.into_iter().find(|kind| kind.program() == &name[..end]);
        found.with_context(|| format!("{name} begins with none of farkeep, restic, borg, rustic, bupstash"))
    }
}

/// One tool at one version.
#[derive(Clone, Debug)]
pub(crate) struct Tool {
    /// Which command line it has.
    pub kind: Kind,
    /// Unique among the tools of a run; names its folder.
    pub name: String,
    program: PathBuf,
    version: String,
}

impl fmt::Display for Tool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            Kind::Copy => f.write_str("cp -a"),
            _ => write!(f, "{} {}", self.kind.program(), self.version),
        }
    }
}

impl Tool {
    /// The reference for restores.
    pub(crate) fn copy() -> Self {
        Self { kind: Kind::Copy, name: "cp".into(), program: "cp".into(), version: String::new() }
    }

    /// From `NAME=PATH`, or `NAME` alone for the program of that name in `PATH`.
    pub(crate) fn parse(argument: &str) -> Result<Self> {
        let (name, program) = match argument.split_once('=') {
            Some((name, path)) => (name, std::path::absolute(path)?),
            None => (argument, find(argument).with_context(|| format!("there is no {argument} in PATH"))?),
        };
        let kind = Kind::of(name)?;
        let version = version(kind, &program)?;
        Ok(Self { kind, name: name.to_owned(), program, version })
    }

    /// Whatever of the known tools is found: Farkeep beside this program or in `PATH`, the others in `PATH`.
    pub(crate) fn installed() -> Result<Vec<Self>> {
        let mut tools = Vec::new();
        for kind in Kind::BACKUP {
            let beside = std::env::current_exe()?.with_file_name(kind.program());
            let program = match kind {
                Kind::Farkeep if beside.is_file() => Some(beside),
                _ => find(kind.program()),
            };
            if let Some(program) = program {
                let version = version(kind, &program)?;
                tools.push(Self { kind, name: kind.program().to_owned(), program, version });
            }
        }
        if tools.is_empty() {
            bail!("none of the tools was found; name them with --tool NAME=PATH")
        }
        Ok(tools)
    }

    /// What has to happen once before the first backup; not measured.
    pub(crate) fn prepare(&self, place: &Place) -> Vec<Command> {
        match self.kind {
            Kind::Farkeep | Kind::Restic | Kind::Rustic => vec![self.command(place, ["init"])],
            Kind::Borg => vec![self.command(place, ["init", "--encryption", "repokey-blake2"])],
            Kind::Bupstash => vec![
                self.command(place, ["init"]),
                self.command(place, [OsStr::new("new-key"), OsStr::new("-o"), place.key().as_os_str()]),
            ],
            Kind::Copy => Vec::new(),
        }
    }

    /// The commands for an act, or `None` where the tool has no such thing.
    pub(crate) fn commands(&self, act: Act, place: &Place) -> Result<Option<Vec<Command>>> {
        Ok(match act {
            Act::First | Act::Unchanged | Act::Incremental => self.backup(act, place),
            Act::Restore => Some(vec![self.restore(place)]),
            Act::Check => self.check(place),
            Act::RemoveNewest => self.remove_newest(place)?,
            Act::Remove => self.remove(place),
            Act::Repack if self.kind == Kind::Farkeep => {
                Some(vec![self.command(place, ["repack"]), self.collect(place)])
            }
            Act::Repack => None,
        })
    }

    fn backup(&self, act: Act, place: &Place) -> Option<Vec<Command>> {
        let source = place.source.as_os_str();
        let command = match self.kind {
            Kind::Farkeep | Kind::Restic | Kind::Rustic => {
                self.command(place, [OsStr::new("backup"), source])
            }
            Kind::Borg => {
                let archive = format!("::{}", act.name());
                self.command(place, [OsStr::new("create"), OsStr::new(&archive), source])
            }
            Kind::Bupstash => {
                let tag = format!("run={}", act.name());
                self.command(place, [OsStr::new("put"), OsStr::new(&tag), source])
            }
            Kind::Copy => return None,
        };
        Some(vec![command])
    }

    fn restore(&self, place: &Place) -> Command {
        let target = place.target.as_os_str();
        let words =
            |words: &[&str]| words.iter().map(|word| OsStr::new(*word).to_owned()).collect::<Vec<_>>();
        let with_target = |mut words: Vec<std::ffi::OsString>| {
            words.push(target.to_owned());
            words
        };
        let newest = place.newest.name();
        match self.kind {
            Kind::Farkeep => {
                let mut snapshot = OsStr::new("latest:").to_owned();
                snapshot.push(&place.source);
                let mut all = words(&["restore"]);
                all.push(snapshot);
                all.extend(words(&["--target"]));
                self.command(place, with_target(all))
            }
            Kind::Restic => self.command(place, with_target(words(&["restore", "latest", "--target"]))),
            Kind::Rustic => self.command(place, with_target(words(&["restore", "latest"]))),
            Kind::Borg => {
                let mut command = self.command(place, ["extract", &format!("::{newest}")]);
                command.current_dir(&place.target);
                command
            }
            Kind::Bupstash => {
                let mut command = self.command(place, with_target(words(&["restore", "--into"])));
                command.arg(format!("run={newest}"));
                command
            }
            Kind::Copy => {
                let mut command = self.command(place, ["-a", "-T"]);
                command.arg(&place.source).arg(target);
                command
            }
        }
    }

    fn check(&self, place: &Place) -> Option<Vec<Command>> {
        match self.kind {
            Kind::Farkeep | Kind::Restic | Kind::Rustic => {
                Some(vec![self.command(place, ["check", "--read-data"])])
            }
            Kind::Borg => Some(vec![self.command(place, ["check", "--verify-data"])]),
            Kind::Bupstash | Kind::Copy => None,
        }
    }

    fn remove_newest(&self, place: &Place) -> Result<Option<Vec<Command>>> {
        Ok(match self.kind {
            Kind::Farkeep => {
                let newest = self.newest(place)?;
                Some(vec![self.command(place, ["forget", &newest]), self.collect(place)])
            }
            Kind::Restic | Kind::Rustic => Some(vec![self.command(place, ["forget", "latest", "--prune"])]),
            Kind::Borg => Some(vec![
                self.command(place, ["delete", &format!("::{}", place.newest.name())]),
                self.command(place, ["compact"]),
            ]),
            Kind::Bupstash => Some(vec![
                self.command(place, ["rm", &format!("run={}", place.newest.name())]),
                self.command(place, ["gc"]),
            ]),
            Kind::Copy => None,
        })
    }

    fn remove(&self, place: &Place) -> Option<Vec<Command>> {
        match self.kind {
            Kind::Farkeep => {
                Some(vec![self.command(place, ["forget", "--keep-last", "1"]), self.collect(place)])
            }
            Kind::Restic | Kind::Rustic => {
                Some(vec![self.command(place, ["forget", "--keep-last", "1", "--prune"])])
            }
            Kind::Borg => Some(vec![
                self.command(place, ["prune", "--keep-last", "1"]),
                self.command(place, ["compact"]),
            ]),
            Kind::Bupstash => Some(vec![
                self.command(place, ["rm", "--allow-many", "run=first", "or", "run=unchanged"]),
                self.command(place, ["gc"]),
            ]),
            Kind::Copy => None,
        }
    }

    /// Gives space back at once, as the others do: without the days in which a removal could be undone.
    fn collect(&self, place: &Place) -> Command {
        self.command(place, ["collect", "--now"])
    }

    /// The id of the newest snapshot, which a user would copy from the list.
    fn newest(&self, place: &Place) -> Result<String> {
        let mut list = self.command(place, ["snapshots", "--json"]);
        let output = list.output().context("listing snapshots")?;
        let text = String::from_utf8(output.stdout)?;
        let lines = text.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
        let mut ids = lines.filter_map(|line| Some(line.get("snapshot")?.as_str()?.to_owned()));
        ids.next_back().with_context(|| format!("no snapshot in {text:?}"))
    }

    fn command<S: AsRef<OsStr>>(&self, place: &Place, arguments: impl IntoIterator<Item = S>) -> Command {
        let mut command = Command::new(&self.program);
        command.args(arguments).env_clear();
        for name in ["PATH", "TMPDIR", "TZ"] {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        command.env("LANG", "C.UTF-8").env("HOME", place.home());
        command.env("XDG_CACHE_HOME", place.cache()).env("XDG_CONFIG_HOME", place.home());
        let repository = place.repository();
        match self.kind {
            Kind::Farkeep => {
                command.env("FARKEEP_REPOSITORY", repository).env("FARKEEP_PASSWORD", PASSPHRASE)
            }
            Kind::Restic => command.env("RESTIC_REPOSITORY", repository).env("RESTIC_PASSWORD", PASSPHRASE),
            Kind::Rustic => command.env("RUSTIC_REPOSITORY", repository).env("RUSTIC_PASSWORD", PASSPHRASE),
            Kind::Borg => command
                .env("BORG_REPO", repository)
                .env("BORG_PASSPHRASE", PASSPHRASE)
                .env("BORG_RELOCATED_REPO_ACCESS_IS_OK", "yes")
                .env("BORG_CACHE_DIR", place.cache()),
            Kind::Bupstash => command.env("BUPSTASH_REPOSITORY", repository).env("BUPSTASH_KEY", place.key()),
            Kind::Copy => &mut command,
        };
        command
    }
}

/// Where one tool works in one round.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// The tool's own folder.
    pub folder: PathBuf,
    /// The tree that is backed up.
    pub source: PathBuf,
    /// An existing, empty folder for a restore.
    pub target: PathBuf,
    /// The latest backup that was made here.
    pub newest: Act,
}

impl Place {
    /// The repository.
    pub(crate) fn repository(&self) -> PathBuf {
        self.folder.join("repository")
    }

    /// What the tool keeps outside its repository.
    pub(crate) fn cache(&self) -> PathBuf {
        self.folder.join("cache")
    }

    fn home(&self) -> PathBuf {
        self.folder.join("home")
    }

    fn key(&self) -> PathBuf {
        self.folder.join("key")
    }

    /// Where the restored tree stands: some tools put it below the target under its whole path.
    pub(crate) fn restored(&self) -> PathBuf {
        let below = self.target.join(self.source.strip_prefix("/").unwrap_or(&self.source));
        if std::fs::symlink_metadata(&below).is_ok() { below } else { self.target.clone() }
    }
}

fn find(program: &str) -> Option<PathBuf> {
    std::env::split_paths(&std::env::var_os("PATH")?).map(|folder| folder.join(program)).find(|p| p.is_file())
}

fn version(kind: Kind, program: &Path) -> Result<String> {
    let argument = if kind == Kind::Restic { "version" } else { "--version" };
    let output = Command::new(program).arg(argument).output();
    let output = output.with_context(|| format!("asking {} for its version", program.display()))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let number = |word: &&str| word.trim_start_matches('v').starts_with(|c: char| c.is_ascii_digit());
    let found = text.split(|c: char| c.is_whitespace() || c == '-').find(number);
    let found =
        found.with_context(|| format!("{} {argument} names no version: {text}", program.display()))?;
    Ok(found.trim_start_matches('v').to_owned())
}
