//! The course of years: what is done every quarter of an hour, what every day, and what at the end.

use std::fmt;
use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use anyhow::Result;
use anyhow::ensure;
use farkeep_benches::told::PASSPHRASE;
use farkeep_benches::told::told;
use farkeep_benches::tree;

use crate::host::Site;
use crate::host::Who;
use crate::picture;
use crate::tree::Tree;

const STEP: Duration = Duration::from_secs(15 * 60);

/// What is kept: all of the last day, then ever fewer.
const RULES: [&str; 10] = [
    "--keep-within",
    "1d",
    "--keep-hourly",
    "48",
    "--keep-daily",
    "14",
    "--keep-weekly",
    "8",
    "--keep-monthly",
    "12",
];

/// What is going on.
pub(crate) struct Course<'a> {
    site: &'a Site,
    tree: Tree,
    made: u32,
    /// How long each backup of this day took.
    backups: Vec<Duration>,
    samples: Vec<Sample>,
}

/// How things stand at the end of a day.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sample {
    /// Snapshots made so far.
    pub(crate) made: u32,
    /// Snapshots on the list.
    pub(crate) listed: u64,
    /// Bytes of the source.
    pub(crate) source_bytes: u64,
    /// Bytes of the repository after the collection.
    pub(crate) repository_bytes: u64,
    /// Of these, bytes of packs.
    pub(crate) pack_bytes: u64,
    /// Of these, bytes of the journal, which is kept twice.
    pub(crate) journal_bytes: u64,
    /// Bytes that the collection removed and copied.
    pub(crate) removed_bytes: u64,
    pub(crate) moved_bytes: u64,
    /// Median of the day.
    pub(crate) backup: Duration,
    /// One in which nothing had changed.
    pub(crate) unchanged: Duration,
    pub(crate) forget: Duration,
    pub(crate) collect: Duration,
    /// Of the newest snapshot.
    pub(crate) restore: Duration,
}

impl Sample {
    /// The names of the columns.
    pub(crate) const HEAD: &str = "made,listed,source_bytes,repository_bytes,pack_bytes,journal_bytes,removed_bytes,\
                                   moved_bytes,backup_ms,unchanged_ms,forget_ms,collect_ms,restore_ms";
}

impl fmt::Display for Sample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { made, listed, source_bytes, repository_bytes, pack_bytes, journal_bytes, .. } = self;
        write!(f, "{made},{listed},{source_bytes},{repository_bytes},{pack_bytes},{journal_bytes},")?;
        write!(f, "{},{}", self.removed_bytes, self.moved_bytes)?;
        for time in [self.backup, self.unchanged, self.forget, self.collect, self.restore] {
            write!(f, ",{:.1}", time.as_secs_f64() * 1e3)?;
        }
        Ok(())
    }
}

/// What stands at the end of it all.
pub(crate) struct End {
    objects: u64,
    repository_bytes: u64,
    copied_bytes: u64,
    listed: u64,
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let over = 100.0 * (self.repository_bytes as f64 / self.copied_bytes as f64 - 1.0);
        writeln!(
            f,
            "all {} objects were read and verified; the newest snapshot is what the tree is",
            self.objects
        )?;
        write!(
            f,
            "{} bytes of repository; {} in a new one with the same {} snapshots: {over:+.1} %",
            self.repository_bytes, self.copied_bytes, self.listed
        )
    }
}

impl<'a> Course<'a> {
    /// Makes a tree, and says what is kept of it.
    pub(crate) fn begin(site: &'a Site, seed: u64) -> Result<Self> {
        let tree = Tree::create(site.folder("tree"), seed)?;
        // The clock is moved by hand, all at once: a repository would believe none of it.
        let settings = ["--grace", "1d", "--clock-limit", "40000d"];
        let mut set = site.command(Who::Keeper);
        told(set.args(["policy", "set"]).args(RULES).args(settings))?;
        Ok(Self { site, tree, made: 0, backups: Vec::new(), samples: Vec::new() })
    }

    /// Something changes, and is backed up.
    pub(crate) fn snapshot(&mut self) -> Result<()> {
        self.site.pass(STEP)?;
        self.tree.change()?;
        self.backups.push(self.backup()?);
        self.made += 1;
        Ok(())
    }

    fn backup(&self) -> Result<Duration> {
        let mut backup = self.site.command(Who::Agent);
        Ok(told(backup.args(["backup", "--series", "host"]).arg(self.tree.folder()))?.wall)
    }

    /// A day is over: what no rule keeps is forgotten, what nobody needs is collected.
    pub(crate) fn day(&mut self) -> Result<Sample> {
        let forget = self.site.run(Who::Keeper, ["forget", "--json"])?;
        let collect = self.site.run(Who::Keeper, ["collect", "--json"])?;
        let unchanged = self.backup()?;
        self.made += 1;
        let restore = self.restore()?;
        self.backups.sort_unstable();
        let sample = Sample {
            made: self.made,
            listed: forget.number("kept")? + 1,
            source_bytes: tree::size(self.tree.folder())?.bytes,
            repository_bytes: tree::size(&self.site.repository())?.bytes,
            pack_bytes: tree::size(&self.site.repository().join("packs"))?.bytes,
            journal_bytes: journal_bytes(&self.site.repository())?,
            removed_bytes: collect.number("removed_bytes")?,
            moved_bytes: collect.number("moved_bytes")?,
            backup: self.backups.get(self.backups.len() / 2).copied().unwrap_or_default(),
            unchanged,
            forget: forget.wall,
            collect: collect.wall,
            restore,
        };
        self.backups.clear();
        self.samples.push(sample);
        Ok(sample)
    }

    /// Restores the newest snapshot, and compares it with the tree.
    fn restore(&self) -> Result<Duration> {
        let target = self.site.folder("restored");
        let mut snapshot = std::ffi::OsString::from("latest:");
        snapshot.push(self.tree.folder());
        let mut restore = self.site.command(Who::Keeper);
        let told = told(restore.arg("restore").arg(snapshot).arg("--target").arg(&target))?;
        let found = tree::compare(self.tree.folder(), &target)?;
        ensure!(found.contents + found.metadata == 0, "the restored tree differs: {:?}", found.examples);
        fs::remove_dir_all(&target)?;
        Ok(told.wall)
    }

    /// Writes the figures so far.
    pub(crate) fn write(&self, csv: Option<&Path>, svg: Option<&Path>) -> Result<()> {
        if let Some(path) = csv {
            let lines: Vec<String> = self.samples.iter().map(ToString::to_string).collect();
            fs::write(path, format!("{}\n{}\n", Sample::HEAD, lines.join("\n")))
                .with_context(|| format!("writing {}", path.display()))?;
        }
        if let Some(path) = svg {
            fs::write(path, picture::draw(&self.samples))
                .with_context(|| format!("writing {}", path.display()))?;
        }
        Ok(())
    }

    /// Verifies everything, and copies what is listed into a new repository.
    pub(crate) fn end(&self) -> Result<End> {
        let check = self.site.run(Who::Keeper, ["check", "--read-data", "--json"])?;
        let copy = self.site.folder("copy");
        let at = |command: &mut std::process::Command| {
            told(command.env("FARKEEP_REPOSITORY", &copy))?;
            Ok::<(), anyhow::Error>(())
        };
        at(self.site.command(Who::Keeper).arg("init"))?;
        let mut from = self.site.command(Who::Keeper);
        let location = from.get_envs().find(|(name, _)| *name == "FARKEEP_REPOSITORY");
        let location = location.and_then(|(_, value)| value).context("every command has it")?.to_owned();
        let secret = self.site.folder("secret");
        fs::write(&secret, PASSPHRASE)?;
        at(from.args(["copy", "--from"]).arg(location).arg("--from-password-file").arg(&secret))?;
        Ok(End {
            objects: check.number("objects")?,
            repository_bytes: tree::size(&self.site.repository())?.bytes,
            copied_bytes: tree::size(&copy)?.bytes,
            listed: self.samples.last().map_or(0, |sample| sample.listed),
        })
    }
}

/// Bytes of the journal in both places.
fn journal_bytes(repository: &Path) -> Result<u64> {
    let mirror = tree::size(&repository.join("mirror/journal"))?;
    Ok(tree::size(&repository.join("journal"))?.bytes + mirror.bytes)
}
