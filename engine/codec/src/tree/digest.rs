//! The content id: a hash of what was backed up, whatever the way by which it came to be stored.

use crate::id::ContentHash;
use crate::id::ContentId;
use crate::key::ContentIdHasher;
use crate::key::DomainKeys;
use crate::layout::Writer;
use crate::tree::entry::Body;
use crate::tree::entry::Entry;

#[cfg(test)]
mod tests;

/// Bytes that are gathered before they are hashed: enough for BLAKE3 to use the machine's widest registers.
const GATHERED_BYTES: usize = 128 << 10;

/// Takes the entries of a snapshot in path order and hashes all of them except where their contents lie.
///
/// FORMAT.md, "Content id", gives the bytes.
#[derive(Debug)]
pub struct ContentDigest {
    hasher: ContentIdHasher,
    gathered: Writer,
    entries: u64,
}

impl ContentDigest {
    /// A digest of nothing.
    pub fn new(keys: &DomainKeys) -> Self {
        let gathered = Writer::onto(Vec::with_capacity(GATHERED_BYTES + (4 << 10)));
        Self { hasher: keys.content_id_hasher(), gathered, entries: 0 }
    }

    /// The next entry in path order. `hash` is that of the file's content, [`DomainKeys::file_hash`] or
    /// [`DomainKeys::list_hasher`], and has to be there for every file that is not empty.
    pub fn entry(&mut self, entry: &Entry, hash: Option<&ContentHash>) {
        debug_assert_eq!(hash.is_some(), entry.content_bytes() > 0, "content hash of {}", entry.path);
        self.entries += 1;
        let out = &mut self.gathered;
        out.counted(entry.path.as_bytes());
        out.u8(kind(&entry.body)).u32(entry.mode).u8(u8::from(entry.flags.inconsistent));
        out.u32(entry.owner.uid).u32(entry.owner.gid).counted(&entry.owner.user).counted(&entry.owner.group);
        out.i64(entry.modified.nanoseconds()).count(entry.attributes.len());
        for attribute in &entry.attributes {
            out.counted(&attribute.name).counted(&attribute.value);
        }
        match &entry.body {
            Body::Folder | Body::Ancestor | Body::Fifo | Body::Socket => {}
            Body::File { bytes, content } | Body::Image { bytes, content } => {
                out.u64(*bytes).count(content.holes().len());
                for hole in content.holes() {
                    out.u64(hole.offset).u64(hole.bytes);
                }
                if let Some(hash) = hash {
                    out.bytes(hash.as_bytes());
                }
            }
            Body::Symlink { target } => drop(out.counted(target)),
            Body::HardLink { first } => drop(out.counted(first.as_bytes())),
            Body::CharDevice { major, minor } | Body::BlockDevice { major, minor } => {
                out.u32(*major).u32(*minor);
            }
        }
        if self.gathered.len() >= GATHERED_BYTES {
            self.hash_gathered();
        }
    }

    /// The content id of all entries.
    pub fn finish(mut self) -> ContentId {
        self.gathered.u64(self.entries);
        self.hash_gathered();
        self.hasher.finish()
    }

    fn hash_gathered(&mut self) {
        self.hasher.update(self.gathered.as_bytes());
        self.gathered.clear();
    }
}

/// The number that the digest has for what an entry is. How a content lies does not show in it.
fn kind(body: &Body) -> u8 {
    match body {
        Body::Folder => 1,
        Body::Ancestor => 2,
        Body::File { .. } => 3,
        Body::Image { .. } => 4,
        Body::Symlink { .. } => 5,
        Body::HardLink { .. } => 6,
        Body::Fifo => 7,
        Body::Socket => 8,
        Body::CharDevice { .. } => 9,
        Body::BlockDevice { .. } => 10,
    }
}
