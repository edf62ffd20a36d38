//! The part of a record that only the reader opens: what the snapshot holds, and the key to its tree.

use thiserror::Error;

use crate::id::ContentId;
use crate::id::Seed;
use crate::key::Epoch;
use crate::key::KeyRefused;
use crate::layout::Malformed;
use crate::layout::Reader;
use crate::layout::Writer;
use crate::limits::LABEL_BYTES_MAX;
use crate::limits::PATH_BYTES_MAX;
use crate::limits::PRIVATE_BYTES_MAX;
use crate::limits::SNAPSHOT_PATHS_MAX;
use crate::limits::SNAPSHOT_TAGS_MAX;

/// Version of the private part, which can grow without touching what servers read.
const VERSION: u8 = 2;
/// Version of snapshots of the first epoch, which does not name it.
const FIRST_VERSION: u8 = 1;
/// The text is filled up to a multiple of this many bytes, so that its length says little about names and tags.
const PADDED_BYTES: usize = 256;

/// What a snapshot holds. Opened by the reader alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Private {
    /// Domain epoch of everything that the snapshot holds.
    pub epoch: Epoch,
    /// Seed of the tree's root, from which everything below it opens.
    pub root_seed: Seed,
    /// Length in bytes of the root's plaintext.
    pub root_bytes: u32,
    /// What the snapshot holds, independent of where it is stored and of how it came there.
    pub content: ContentId,
    /// How many entries of which kind the tree has.
    pub counts: Counts,
    /// Name of the host that was backed up.
    pub host: String,
    /// Name of the user who ran the agent.
    pub user: String,
    /// Program that made the snapshot, with its version.
    pub program: String,
    /// Paths that were asked for.
    pub paths: Vec<Vec<u8>>,
    /// Tags that the user gave.
    pub tags: Vec<String>,
}

/// Numbers of entries of a tree.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Regular files and images. Here and below, what has several names is counted once.
    pub files: u64,
    /// Folders.
    pub folders: u64,
    /// Symbolic links.
    pub symlinks: u64,
    /// Further names of what has several.
    pub hard_links: u64,
    /// Fifos, sockets and devices.
    pub others: u64,
}

/// Why the private part of a record does not open.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PrivateError {
    /// It was sealed to another reader, or altered.
    #[error("the snapshot does not open with this key")]
    Refused(#[from] KeyRefused),
    /// A later program sealed it.
    #[error("the private part of the snapshot has format {found}, this program knows formats up to {known}")]
    NewerFormat {
        /// Version that it names.
        found: u8,
        /// Newest version that this program reads.
        known: u8,
    },
    /// It breaks a rule of the format.
    #[error(transparent)]
    Malformed(#[from] Malformed),
}

/// A part of a snapshot's description exceeds the limits of the format.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{what} of a snapshot may have at most {most}, and have {found}")]
pub struct TooLong {
    /// Which part, with its unit.
    pub what: &'static str,
    /// How many or how long they may be.
    pub most: usize,
    /// How many or how long they are.
    pub found: usize,
}

impl Private {
    /// The text that is sealed.
    pub(crate) fn encode(&self) -> Result<Vec<u8>, TooLong> {
        self.check()?;
        let mut text = Writer::new();
        match self.epoch {
            Epoch::FIRST => text.u8(FIRST_VERSION),
            epoch => text.u8(VERSION).varint(epoch.number().into()),
        };
        text.bytes(self.root_seed.as_bytes()).u32(self.root_bytes);
        text.bytes(self.content.as_bytes());
        let Counts { files, folders, symlinks, hard_links, others } = self.counts;
        for count in [files, folders, symlinks, hard_links, others] {
            text.varint(count);
        }
        for label in [&self.host, &self.user, &self.program] {
            text.counted(label.as_bytes());
        }
        text.count(self.paths.len());
        for path in &self.paths {
            text.counted(path);
        }
        text.count(self.tags.len());
        for tag in &self.tags {
            text.counted(tag.as_bytes());
        }
        let mut text = text.into_bytes();
        text.resize(text.len().next_multiple_of(PADDED_BYTES), 0);
        within("bytes of the description", text.len(), PRIVATE_BYTES_MAX)?;
        Ok(text)
    }

    pub(crate) fn decode(text: &[u8]) -> Result<Self, PrivateError> {
        let mut reader = Reader::new(text);
        let unknown = reader.malformed("version of the private part");
        let first = reader.malformed("epoch of a snapshot");
        let epoch = match reader.u8("version of the private part")? {
            FIRST_VERSION => Epoch::FIRST,
            VERSION => match reader.varint_u32("epoch of a snapshot")? {
                0 => return Err(first.into()),
                number => Epoch::new(number),
            },
            0 => return Err(unknown.into()),
            found => return Err(PrivateError::NewerFormat { found, known: VERSION }),
        };
        let private = Self::parse(&mut reader, epoch)?;
        let unfit = reader.malformed("padding of the private part");
        let padding = reader.bytes(reader.remaining(), "padding of the private part")?;
        let shortest = padding.len() < PADDED_BYTES && text.len().is_multiple_of(PADDED_BYTES);
        if shortest && padding.iter().all(|byte| *byte == 0) { Ok(private) } else { Err(unfit.into()) }
    }

    fn parse(reader: &mut Reader<'_>, epoch: Epoch) -> Result<Self, Malformed> {
        Ok(Self {
            epoch,
            root_seed: Seed::from_bytes(reader.array("seed of the root")?),
            root_bytes: reader.u32("length of the root")?,
            content: ContentId::from_bytes(reader.array("content id")?),
            counts: Counts {
                files: reader.varint("number of files")?,
                folders: reader.varint("number of folders")?,
                symlinks: reader.varint("number of symlinks")?,
                hard_links: reader.varint("number of hard links")?,
                others: reader.varint("number of other entries")?,
            },
            host: label(reader, "host")?,
            user: label(reader, "user")?,
            program: label(reader, "program")?,
            paths: list(reader, SNAPSHOT_PATHS_MAX, "paths", |reader| {
                reader.counted(PATH_BYTES_MAX, "path").map(<[u8]>::to_vec)
            })?,
            tags: list(reader, SNAPSHOT_TAGS_MAX, "tags", |reader| label(reader, "tag"))?,
        })
    }

    /// Whether every part is within the limits of the format.
    ///
    /// # Errors
    /// [`TooLong`] names the first part that is not.
    pub fn check(&self) -> Result<(), TooLong> {
        within("paths", self.paths.len(), SNAPSHOT_PATHS_MAX)?;
        within("tags", self.tags.len(), SNAPSHOT_TAGS_MAX)?;
        for path in &self.paths {
            within("bytes of one path", path.len(), PATH_BYTES_MAX)?;
        }
        for tag in &self.tags {
            within("bytes of one tag", tag.len(), LABEL_BYTES_MAX)?;
        }
        within("bytes of the host's name", self.host.len(), LABEL_BYTES_MAX)?;
        within("bytes of the user's name", self.user.len(), LABEL_BYTES_MAX)?;
        within("bytes of the program's name", self.program.len(), LABEL_BYTES_MAX)
    }
}

fn within(what: &'static str, found: usize, most: usize) -> Result<(), TooLong> {
    if found <= most { Ok(()) } else { Err(TooLong { what, most, found }) }
}

fn label(reader: &mut Reader<'_>, what: &'static str) -> Result<String, Malformed> {
    let no_text = reader.malformed(what);
    let bytes = reader.counted(LABEL_BYTES_MAX, what)?;
    str::from_utf8(bytes).map(str::to_owned).map_err(|_| no_text)
}

/// A counted list. Every item takes a byte or more, so the bytes at hand bound what is claimed.
fn list<T>(
    reader: &mut Reader<'_>,
    most: usize,
    what: &'static str,
    item: impl Fn(&mut Reader<'_>) -> Result<T, Malformed>,
) -> Result<Vec<T>, Malformed> {
    let count = reader.count(most, what)?;
    (0..count).map(|_| item(reader)).collect()
}
