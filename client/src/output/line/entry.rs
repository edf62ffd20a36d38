//! What listings, searches, comparisons and dumps say about the paths of a snapshot.

use std::io;
use std::io::Write;

use farkeep_codec::id::SnapshotId;
use farkeep_codec::tree;
use farkeep_codec::tree::Body;
use serde::Serialize;

use super::super::Line;
use super::super::text;
use super::super::text::Named;

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A folder in the backup.
    Folder,
    /// A folder above what was backed up.
    Ancestor,
    /// A regular file.
    File,
    /// A disk image or block device read as one.
    Image,
    /// A symbolic link.
    Symlink,
    /// A further name of something that is no folder.
    HardLink,
    /// A named pipe.
    Fifo,
    /// A socket.
    Socket,
    /// A character device.
    CharDevice,
    /// A block device.
    BlockDevice,
}

/// One path of a snapshot with its metadata.
#[derive(Debug, Clone, Serialize)]
pub struct Entry {
    /// Where it is.
    pub path: Named,
    /// What it is.
    pub kind: Kind,
    /// Permission bits, octal.
    pub mode: String,
    /// Number of the owner.
    pub uid: u32,
    /// Number of the group.
    pub gid: u32,
    /// Name of the owner, empty where the source knew none.
    pub user: Named,
    /// Name of the group, empty where the source knew none.
    pub group: Named,
    /// Last change of the contents; nothing for folders above the backup.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub modified: Option<String>,
    /// Bytes of a file, holes included.
    pub bytes: u64,
    /// What a symbolic link says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<Named>,
    /// The name of the same file that holds the content.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first: Option<Named>,
    /// Numbers of a device, `major:minor`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// Number of extended attributes.
    pub attributes_count: u64,
    /// Whether the file changed while it was read.
    pub inconsistent: bool,
}

/// One path of a listing. People see the long form only if they ask for it; JSON has all fields always.
#[derive(Debug, Clone, Serialize)]
#[serde(transparent)]
pub struct Listing {
    /// The path.
    pub entry: Entry,
    /// The text for people.
    #[serde(skip)]
    pub human: String,
}

/// One path that a search found, in the newest snapshot that holds this version of it.
#[derive(Debug, Clone, Serialize)]
pub struct Match {
    /// The snapshot.
    #[serde(serialize_with = "text::shown")]
    pub snapshot: SnapshotId,
    /// The path.
    #[serde(flatten)]
    pub listing: Listing,
}

/// How a path differs between two snapshots.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// Only the second has it.
    Added,
    /// Only the first has it.
    Removed,
    /// Its contents, link target or device numbers differ.
    Content,
    /// It is another kind of thing.
    Kind,
    /// Only its metadata differ.
    Metadata,
}

/// One path that differs between two snapshots.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// Where it is.
    pub path: Named,
    /// How it differs.
    pub change: Change,
    /// Which metadata differs.
    pub metadata: Vec<&'static str>,
    /// Bytes in the first snapshot.
    pub bytes_before: u64,
    /// Bytes in the second one.
    pub bytes_after: u64,
}

/// The figures of a comparison. One line, after those of the paths.
#[derive(Debug, Clone, Serialize)]
pub struct Differences {
    /// The first snapshot.
    #[serde(serialize_with = "text::shown")]
    pub from: SnapshotId,
    /// The second snapshot.
    #[serde(serialize_with = "text::shown")]
    pub to: SnapshotId,
    /// Paths that only the second has.
    pub added: u64,
    /// Bytes of those.
    pub added_bytes: u64,
    /// Paths that only the first has.
    pub removed: u64,
    /// Bytes of those.
    pub removed_bytes: u64,
    /// Paths with other contents, or that are another kind of thing.
    pub modified: u64,
    /// Bytes of those in the second.
    pub modified_bytes: u64,
    /// Paths with equal contents and other metadata.
    pub metadata: u64,
}

/// The end of a dump.
#[derive(Debug, Clone, Serialize)]
pub struct Dump {
    /// The snapshot.
    #[serde(serialize_with = "text::shown")]
    pub snapshot: SnapshotId,
    /// What was written out.
    pub path: Named,
    /// How much.
    pub bytes: u64,
}

impl Entry {
    /// The line of a tree's entry.
    pub fn of(entry: &tree::Entry) -> Self {
        let (target, first, device) = match &entry.body {
            Body::Symlink { target } => (Some(Named::of_bytes(target)), None, None),
            Body::HardLink { first } => (None, Some(Named::of_key(first)), None),
            Body::CharDevice { major, minor } | Body::BlockDevice { major, minor } => {
                (None, None, Some(format!("{major}:{minor}")))
            }
            _ => (None, None, None),
        };
        let kind = Kind::of(&entry.body);
        let modified = (kind != Kind::Ancestor).then(|| text::timestamp(entry.modified).to_string());
        Self {
            path: Named::of_key(&entry.path),
            kind,
            mode: format!("{:04o}", entry.mode),
            uid: entry.owner.uid,
            gid: entry.owner.gid,
            user: Named::of_bytes(&entry.owner.user),
            group: Named::of_bytes(&entry.owner.group),
            modified,
            bytes: entry.content_bytes(),
            target,
            first,
            device,
            attributes_count: entry.attributes.len() as u64,
            inconsistent: entry.flags.inconsistent,
        }
    }
}

impl Kind {
    fn of(body: &Body) -> Self {
        match body {
            Body::Folder => Self::Folder,
            Body::Ancestor => Self::Ancestor,
            Body::File { .. } => Self::File,
            Body::Image { .. } => Self::Image,
            Body::Symlink { .. } => Self::Symlink,
            Body::HardLink { .. } => Self::HardLink,
            Body::Fifo => Self::Fifo,
            Body::Socket => Self::Socket,
            Body::CharDevice { .. } => Self::CharDevice,
            Body::BlockDevice { .. } => Self::BlockDevice,
        }
    }

    fn letter(self) -> char {
        match self {
            Self::Folder | Self::Ancestor => 'd',
            Self::File | Self::Image => '-',
            // As tar lists it: what it is a further name of, only the first name says.
            Self::HardLink => 'h',
            Self::Symlink => 'l',
            Self::Fifo => 'p',
            Self::Socket => 's',
            Self::CharDevice => 'c',
            Self::BlockDevice => 'b',
        }
    }
}

impl Listing {
    /// The path alone.
    pub fn short(entry: &tree::Entry) -> Self {
        Self { entry: Entry::of(entry), human: entry.path.to_string() }
    }

    /// The path with mode, owner, size and time, as `ls -l` has them.
    pub fn long(entry: &tree::Entry) -> Self {
        let line = Entry::of(entry);
        let modified = match line.modified {
            Some(_) => text::local(entry.modified),
            None => "-".to_owned(),
        };
        let size = line.device.clone().unwrap_or_else(|| line.bytes.to_string());
        let pointing = match (&line.target, &line.first) {
            (Some(target), _) => format!(" -> {target}"),
            (None, Some(first)) => format!(" = {first}"),
            (None, None) => String::new(),
        };
        let human = format!(
            "{} {:<8} {:<8} {size:>12} {modified:<19} {}{pointing}",
            text::mode(line.kind.letter(), entry.mode),
            owner(&entry.owner.user, entry.owner.uid),
            owner(&entry.owner.group, entry.owner.gid),
            entry.path,
        );
        Self { entry: line, human }
    }
}

impl Differences {
    /// The figures of a comparison that has found nothing yet.
    pub fn between(from: SnapshotId, to: SnapshotId) -> Self {
        Self {
            from,
            to,
            added: 0,
            added_bytes: 0,
            removed: 0,
            removed_bytes: 0,
            modified: 0,
            modified_bytes: 0,
            metadata: 0,
        }
    }
}

impl Line for Listing {
    const TYPE: &'static str = "entry";

    fn human(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{}", self.human)
    }
}

impl Line for Match {
    const TYPE: &'static str = "match";

    fn human(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{}  {}", text::short_id(&self.snapshot), self.listing.human)
    }
}

impl Line for Difference {
    const TYPE: &'static str = "difference";

    fn human(&self, out: &mut dyn Write) -> io::Result<()> {
        let path = &self.path;
        match self.change {
            Change::Added => writeln!(out, "+ {path}  ({})", text::bytes(self.bytes_after)),
            Change::Removed => writeln!(out, "- {path}  ({})", text::bytes(self.bytes_before)),
            Change::Metadata => writeln!(out, "m {path}  ({})", self.metadata.join(", ")),
            Change::Content | Change::Kind => {
                let (before, after) = (text::bytes(self.bytes_before), text::bytes(self.bytes_after));
                writeln!(out, "M {path}  ({before} -> {after})")
            }
        }
    }
}

impl Line for Differences {
    const TYPE: &'static str = "diff";

    fn human(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(
            out,
            "{} added ({}), {} removed ({}), {} modified ({}), {} with other metadata",
            text::count(self.added),
            text::bytes(self.added_bytes),
            text::count(self.removed),
            text::bytes(self.removed_bytes),
            text::count(self.modified),
            text::bytes(self.modified_bytes),
            text::count(self.metadata),
        )
    }
}

impl Line for Dump {
    const TYPE: &'static str = "dump";

    /// Nothing: the data itself is the answer.
    fn human(&self, _out: &mut dyn Write) -> io::Result<()> {
        Ok(())
    }
}

fn owner(name: &[u8], number: u32) -> String {
    if name.is_empty() { number.to_string() } else { text::printable(name) }
}
