//! Folder trees: measured, read once, compared, and the single large file.
//!
//! Everything streams folder by folder. The kernel counts the memory of the program that starts a process into that
//! process's peak, so this one has to stay smaller than the smallest tool.

use std::fs;
use std::fs::File;
use std::fs::Metadata;
use std::io::Read;
use std::ops::AddAssign;
use std::os::unix::fs::FileExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use anyhow::Context;
use anyhow::Result;

const BUFFER_BYTES: usize = 1 << 20;

/// How much there is below a folder.
#[derive(Clone, Copy, Debug, Default)]
pub struct Size {
    /// Everything that is not a folder.
    pub files: u64,
    /// The lengths of the regular files.
    pub bytes: u64,
    /// What the file system gave out for them.
    pub allocated_bytes: u64,
}

impl AddAssign<&Metadata> for Size {
    fn add_assign(&mut self, stat: &Metadata) {
        if stat.is_dir() {
            return;
        }
        self.files += 1;
        if stat.is_file() {
            self.bytes += stat.len();
            self.allocated_bytes += stat.blocks() * 512;
        }
    }
}

/// Measures a folder; one that is not there is empty.
///
/// # Errors
/// If something in it cannot be looked at.
pub fn size(folder: &Path) -> Result<Size> {
    let mut total = Size::default();
    if folder.exists() {
        walk(folder, &mut |_, stat| {
            total += stat;
            Ok(())
        })?;
    }
    Ok(total)
}

/// Reads every file below a folder once, so that whoever reads next finds it in memory, as far as it fits there.
///
/// # Errors
/// If something in it cannot be read.
pub fn read_once(folder: &Path) -> Result<()> {
    let mut buffer = vec![0; BUFFER_BYTES];
    walk(folder, &mut |path, stat| {
        if stat.is_file() {
            let mut file = File::open(path).with_context(|| format!("reading {}", path.display()))?;
            while file.read(&mut buffer)? > 0 {}
        }
        Ok(())
    })
}

fn walk(folder: &Path, visit: &mut impl FnMut(&Path, &Metadata) -> Result<()>) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("listing {}", folder.display()))? {
        let path = entry?.path();
        let stat = fs::symlink_metadata(&path)?;
        visit(&path, &stat)?;
        if stat.is_dir() {
            walk(&path, visit)?;
        }
    }
    Ok(())
}

/// Where a restored tree departs from its source.
#[derive(Clone, Debug, Default)]
pub struct Differences {
    /// Entries that are missing, extra, of another type, or with other bytes.
    pub contents: u64,
    /// Entries with another mode, owner, time or count of links.
    pub metadata: u64,
    /// The first few, in words.
    pub examples: Vec<String>,
}

impl Differences {
    fn content(&mut self, path: &Path, what: &str) {
        self.contents += 1;
        self.example(path, what);
    }

    fn example(&mut self, path: &Path, what: &str) {
        if self.examples.len() < 5 {
            self.examples.push(format!("{}: {what}", path.display()));
        }
    }
}

/// Compares every entry of two trees, contents and metadata. The folders themselves are compared in what they hold.
///
/// # Errors
/// If something in either cannot be read.
pub fn compare(source: &Path, restored: &Path) -> Result<Differences> {
    let mut comparison = Comparison {
        found: Differences::default(),
        one: vec![0; BUFFER_BYTES],
        other: vec![0; BUFFER_BYTES],
    };
    comparison.folders(source, restored)?;
    Ok(comparison.found)
}

struct Comparison {
    found: Differences,
    one: Vec<u8>,
    other: Vec<u8>,
}

impl Comparison {
    fn folders(&mut self, source: &Path, restored: &Path) -> Result<()> {
        let (ours, theirs) = (names(source)?, names(restored)?);
        for name in theirs.iter().filter(|name| ours.binary_search(name).is_err()) {
            self.found.content(&restored.join(name), "is extra");
        }
        for name in &ours {
            if theirs.binary_search(name).is_ok() {
                self.entries(&source.join(name), &restored.join(name))?;
            } else {
                self.found.content(&source.join(name), "is missing");
            }
        }
        Ok(())
    }

    fn entries(&mut self, source: &Path, restored: &Path) -> Result<()> {
        let (ours, theirs) = (fs::symlink_metadata(source)?, fs::symlink_metadata(restored)?);
        if ours.file_type() != theirs.file_type() {
            self.found.content(source, "has another type");
            return Ok(());
        }
        if let Some(what) = metadata_difference(&ours, &theirs) {
            self.found.metadata += 1;
            self.found.example(source, what);
        }
        if ours.is_dir() {
            self.folders(source, restored)?;
        } else if ours.is_symlink() && fs::read_link(source)? != fs::read_link(restored)? {
            self.found.content(source, "points elsewhere");
        } else if ours.is_file() && !(ours.len() == theirs.len() && self.same_bytes(source, restored)?) {
            self.found.content(source, "has other bytes");
        }
        Ok(())
    }

    fn same_bytes(&mut self, source: &Path, restored: &Path) -> Result<bool> {
        let (mut one, mut other) = (File::open(source)?, File::open(restored)?);
        loop {
            let n = one.read(&mut self.one)?;
            if n == 0 {
                return Ok(other.read(&mut self.other)? == 0);
            }
            if other.read_exact(&mut self.other[..n]).is_err() || self.one[..n] != self.other[..n] {
                return Ok(false);
            }
        }
    }
}

fn names(folder: &Path) -> Result<Vec<std::ffi::OsString>> {
    let listing = fs::read_dir(folder).with_context(|| format!("listing {}", folder.display()))?;
    let mut names = listing.map(|entry| Ok(entry?.file_name())).collect::<Result<Vec<_>>>()?;
    names.sort_unstable();
    Ok(names)
}

fn metadata_difference(ours: &Metadata, theirs: &Metadata) -> Option<&'static str> {
    if ours.mode() != theirs.mode() {
        return Some("has another mode");
    }
    if (ours.uid(), ours.gid()) != (theirs.uid(), theirs.gid()) {
        return Some("has another owner");
    }
    if (ours.mtime(), ours.mtime_nsec()) != (theirs.mtime(), theirs.mtime_nsec()) {
        return Some("has another time");
    }
    if !ours.is_dir() && ours.nlink() != theirs.nlink() {
        return Some("has another count of links");
    }
    None
}

/// Which of its two contents the large file has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// As it is made.
    First,
    /// With a block overwritten in every tenth random part.
    Second,
}

const PART_BYTES: u64 = 64 << 20;
const BLOCK_BYTES: u64 = BUFFER_BYTES as u64;

/// Makes a folder with one large file: parts of 64 MiB, by turns random and a hole, the same bytes every time.
///
/// # Errors
/// If it cannot be written.
pub fn make_large(folder: &Path, bytes: u64) -> Result<()> {
    fs::create_dir_all(folder)?;
    let path = folder.join("large");
    let file = File::create(&path).with_context(|| format!("creating {}", path.display()))?;
    file.set_len(bytes)?;
    for part in (0..bytes).step_by(2 * BUFFER_BYTES * 64) {
        for offset in (part..bytes.min(part + PART_BYTES)).step_by(BUFFER_BYTES) {
            write_block(&file, offset, bytes, State::First)?;
        }
    }
    Ok(())
}

/// Overwrites one block in every tenth random part of the large file, in place.
///
/// # Errors
/// If it cannot be written.
pub fn edit_large(folder: &Path, state: State) -> Result<()> {
    let file = File::options().write(true).open(folder.join("large"))?;
    let bytes = file.metadata()?.len();
    for offset in (PART_BYTES / 2..bytes).step_by(20 * BUFFER_BYTES * 64) {
        write_block(&file, offset, bytes, state)?;
    }
    Ok(())
}

fn write_block(file: &File, offset: u64, end: u64, state: State) -> Result<()> {
    let mut block = vec![0; BUFFER_BYTES];
    Random(offset + u64::from(state == State::Second)).fill(&mut block);
    let here = usize::try_from(BLOCK_BYTES.min(end - offset))?;
    file.write_all_at(&block[..here], offset)?;
    Ok(())
}

/// SplitMix64 (Steele, Lea and Flood, 2014): fast, and good enough that nothing finds it compressible.
struct Random(u64);

impl Random {
    fn fill(&mut self, buffer: &mut [u8]) {
        for word in buffer.chunks_mut(8) {
            self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let mut z = self.0;
            z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            word.copy_from_slice(&(z ^ (z >> 31)).to_le_bytes()[..word.len()]);
        }
    }
}

#[cfg(test)]
mod tests;
