//! What a scrub found ([`Report`]).

use std::path::Path;
use std::path::PathBuf;

use farkeep_codec::id::ObjectId;
use farkeep_codec::id::PackId;

use crate::limits::REPORT_LINES_MAX;

/// What a scrub found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Report {
    /// Packs that were read in full.
    pub packs: u64,
    /// Objects whose bytes were verified or found damaged.
    pub objects: u64,
    /// Bytes of packs that were read.
    pub bytes: u64,
    /// What is not as it was written, the first of them up to a limit.
    pub damage: Vec<Damage>,
    /// How many there are in all.
    pub damage_count: u64,
    /// What is no damage and yet unexpected, the first of them up to a limit.
    pub notices: Vec<Notice>,
    /// How many there are in all.
    pub notice_count: u64,
}

/// A part of a file that is not as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// The file, relative to the repository.
    pub path: PathBuf,
    /// The pack, if it is one.
    pub pack: Option<PackId>,
    /// Where in the file the part begins, in bytes.
    pub offset: u64,
    /// What should be there.
    pub what: String,
    /// Objects that are lost by it, the first of them up to a limit.
    pub objects: Vec<ObjectId>,
    /// How many there are in all.
    pub object_count: u64,
}

/// Something that is no damage and yet unexpected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// The file or folder, relative to the repository.
    pub path: PathBuf,
    /// What it is, as far as one can tell.
    pub what: &'static str,
}

impl Damage {
    /// Damage by which no object is lost.
    pub(super) fn new(path: &Path, offset: u64, what: impl Into<String>) -> Self {
        let (path, what) = (path.into(), what.into());
        Self { path, pack: None, offset, what, objects: Vec::new(), object_count: 0 }
    }

    /// Adds objects that are lost by it.
    pub(super) fn lose(&mut self, objects: impl IntoIterator<Item = ObjectId>) {
        for object in objects {
            self.object_count += 1;
            if self.objects.len() < REPORT_LINES_MAX {
                self.objects.push(object);
            }
        }
    }
}

impl Report {
    pub(super) fn damage(&mut self, damage: Damage) {
        self.damage_count += 1;
        if self.damage.len() < REPORT_LINES_MAX {
            self.damage.push(damage);
        }
    }

    pub(super) fn notice(&mut self, path: &Path, what: &'static str) {
        self.notice_count += 1;
        if self.notices.len() < REPORT_LINES_MAX {
            self.notices.push(Notice { path: path.into(), what });
        }
    }
}
