//! A folder that changes as the folders of a host do.

use std::fs;
use std::fs::File;
use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::path::PathBuf;

use anyhow::Result;
use farkeep_benches::chance::Chance;

/// Files that people write.
const FILES: u64 = 300;
const FILE_BYTES: u64 = 24 << 10;
/// What is overwritten in pages.
const DATABASE_PAGES: u64 = 256;
const PAGE_BYTES: usize = 8 << 10;
/// A log is rotated when it is as long as that, and so many old ones are kept.
const LOG_BYTES: u64 = 512 << 10;
const LOGS: u32 = 4;

/// The tree, and what decides what becomes of it.
pub(crate) struct Tree {
    folder: PathBuf,
    chance: Chance,
    files: Vec<u64>,
    next: u64,
}

impl Tree {
    /// Makes the folder and what it begins with.
    pub(crate) fn create(folder: PathBuf, seed: u64) -> Result<Self> {
        let mut tree = Self { folder, chance: Chance::new(seed), files: Vec::new(), next: 0 };
        fs::create_dir_all(tree.folder.join("files"))?;
        for _ in 0..FILES {
            tree.come()?;
        }
        let mut database = File::create(tree.database())?;
        for _ in 0..DATABASE_PAGES {
            database.write_all(&tree.chance.text(PAGE_BYTES))?;
        }
        File::create(tree.log(0))?;
        Ok(tree)
    }

    /// Where it is.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// A quarter of an hour passes: lines are logged, two pages and a file are overwritten, and now and then a file comes and one
    /// goes.
    pub(crate) fn change(&mut self) -> Result<()> {
        let line = self.chance.text(2 << 10);
        let mut log = OpenOptions::new().append(true).open(self.log(0))?;
        log.write_all(&line)?;
        if log.metadata()?.len() > LOG_BYTES {
            for number in (0..LOGS).rev() {
                let old = self.log(number);
                if old.exists() {
                    fs::rename(old, self.log(number + 1))?;
                }
            }
            File::create(self.log(0))?;
        }
        let database = OpenOptions::new().write(true).open(self.database())?;
        for _ in 0..2 {
            let page = self.chance.below(DATABASE_PAGES);
            database.write_all_at(&self.chance.text(PAGE_BYTES), page * PAGE_BYTES as u64)?;
        }
        let at = self.one();
        self.write(self.files[at])?;
        if self.chance.below(4) == 0 {
            self.come()?;
            let gone = self.one();
            let number = self.files.swap_remove(gone);
            fs::remove_file(self.file(number))?;
        }
        Ok(())
    }

    fn one(&mut self) -> usize {
        usize::try_from(self.chance.below(self.files.len() as u64)).expect("an index of a vector")
    }

    fn come(&mut self) -> Result<()> {
        let number = self.next;
        self.next += 1;
        self.files.push(number);
        self.write(number)
    }

    fn write(&mut self, number: u64) -> Result<()> {
        let bytes = usize::try_from(self.chance.below(FILE_BYTES) + 1).expect("some thousands");
        Ok(fs::write(self.file(number), self.chance.text(bytes))?)
    }

    fn file(&self, number: u64) -> PathBuf {
        self.folder.join("files").join(format!("{number:06}"))
    }

    fn database(&self) -> PathBuf {
        self.folder.join("database")
    }

    fn log(&self, number: u32) -> PathBuf {
        self.folder.join(format!("log.{number}"))
    }
}
