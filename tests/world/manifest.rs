//! What is on disk, in full, for comparison.

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::ffi::CStr;
use std::ffi::OsStr;
use std::fmt;
use std::fs;
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::path::PathBuf;

use farkeep_codec::object::object_id;

use super::make::inside;

/// Every path below a folder, the folder itself with an empty one.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Manifest(pub(crate) BTreeMap<PathBuf, Record>);

/// Everything about one path that a backup keeps.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Record {
    /// Type and permissions.
    mode: u32,
    owner: (u32, u32),
    modified_ns: i128,
    /// Only of files: of a folder it depends on the file system.
    bytes: u64,
    /// Contents by their hash, a link by its target.
    contents: String,
    device: u64,
    attributes: BTreeMap<Vec<u8>, Vec<u8>>,
    /// The first name of the same file.
    first: PathBuf,
}

impl Manifest {
    /// Reads the folder `root`.
    pub(crate) fn of(root: &Path) -> Self {
        let mut reading = Reading::default();
        reading.read(root, Path::new(""));
        Self(reading.records)
    }

    /// The regular files with hash and length, hard links among them.
    pub(crate) fn files(&self) -> BTreeMap<&Path, (&str, u64)> {
        let files = self.0.iter().filter(|(_, record)| record.mode & 0o170_000 == 0o100_000);
        files.map(|(path, record)| (path.as_path(), (record.contents.as_str(), record.bytes))).collect()
    }

    /// Fails with the paths that differ.
    #[track_caller]
    pub(crate) fn expect(&self, wanted: &Self, context: &dyn fmt::Display) {
        let paths = self.0.keys().chain(wanted.0.keys()).collect::<std::collections::BTreeSet<_>>();
        let differing = paths.into_iter().filter(|path| self.0.get(*path) != wanted.0.get(*path));
        let lines: Vec<String> = differing
            .map(|path| format!("{path:?}: {:?} instead of {:?}", self.0.get(path), wanted.0.get(path)))
            .collect();
        assert!(lines.is_empty(), "{context}: {} paths differ:\n{}", lines.len(), lines.join("\n"));
    }
}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { mode, owner, modified_ns, bytes, contents, device, attributes, first } = self;
        write!(f, "{mode:06o} {owner:?} {modified_ns} {bytes} {contents} {device} {attributes:?} {first:?}")
    }
}

#[derive(Default)]
struct Reading {
    records: BTreeMap<PathBuf, Record>,
    /// First names by device and inode.
    first_names: HashMap<(u64, u64), PathBuf>,
}

impl Reading {
    /// `at` is where it is reached, `path` what it is called.
    fn read(&mut self, at: &Path, path: &Path) {
        let stat = fs::symlink_metadata(at).expect("it was listed");
        let kind = stat.file_type();
        let contents = if kind.is_file() {
            object_id(&fs::read(at).expect("it can be read")).to_string()
        } else if kind.is_symlink() {
            format!("{:?}", fs::read_link(at).expect("it is a link"))
        } else {
            String::new()
        };
        let first = self.first_names.entry((stat.dev(), stat.ino())).or_insert_with(|| path.to_owned());
        let record = Record {
            mode: stat.mode(),
            owner: (stat.uid(), stat.gid()),
            modified_ns: i128::from(stat.mtime()) * 1_000_000_000 + i128::from(stat.mtime_nsec()),
            bytes: if kind.is_file() { stat.size() } else { 0 },
            contents,
            device: stat.rdev(),
            attributes: attributes(at),
            first: first.clone(),
        };
        self.records.insert(path.to_owned(), record);
        if kind.is_dir() {
            let folder = File::open(at).expect("it can be read");
            let mut names: Vec<_> = fs::read_dir(inside(&folder, OsStr::new(".")))
                .expect("it can be read")
                .map(|entry| entry.expect("it can be read").file_name())
                .collect();
            // Which name of a file is the first must not depend on the order in which the system lists them.
            names.sort();
            for name in names {
                self.read(&inside(&folder, &name), &path.join(&name));
            }
        }
    }
}

fn attributes(at: &Path) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let mut names = vec![0; 64 << 10];
    // File systems without attributes say so by an error.
    let bytes = rustix::fs::llistxattr(at, &mut names).unwrap_or_default();
    let mut attributes = BTreeMap::new();
    for name in names[..bytes].split_inclusive(|byte| *byte == 0) {
        let mut value = vec![0; 64 << 10];
        let name = CStr::from_bytes_with_nul(name).expect("names end with a zero byte");
        let bytes = rustix::fs::lgetxattr(at, name, &mut value).expect("it was listed");
        value.truncate(bytes);
        attributes.insert(OsStr::from_bytes(name.to_bytes()).as_bytes().to_vec(), value);
    }
    attributes
}
