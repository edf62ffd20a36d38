//! When each pack was verified ([`Verified`]), in a file of its own. FORMAT.md, "Verified".
//!
//! Nobody needs it: without it no pack counts as verified. It is not in the journal, because each
//! copy of a repository verifies its own bytes.

use std::collections::BTreeMap;
use std::time::Duration;

use farkeep_codec::id::PackId;
use farkeep_codec::id::RepositoryId;
use farkeep_codec::layout::Malformed;
use farkeep_codec::layout::Reader;
use farkeep_codec::layout::Writer;
use farkeep_codec::time::Time;

use super::due::Watched;
use super::due::order;
use crate::disk::Disk;
use crate::disk::DiskError;
use crate::disk::Mode;
use crate::limits::VERIFIED_BYTES_MAX;
use crate::store::Catalogue;
use crate::store::Name;
use crate::store::StoreError;
use crate::store::layout;

#[cfg(test)]
mod tests;

const MAGIC: [u8; 4] = *b"FKvf";
const VERSION: u16 = 1;
const HASH_BYTES: usize = 32;
const ENTRY_BYTES: usize = 32 + 8 + 4;

/// A clock that shows less than what was noted by more than this was wrong when it was noted.
const AHEAD: Duration = Duration::from_secs(24 * 3600);

/// What is known of one pack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Seen {
    /// When it was verified, or, with no byte verified, seen first.
    at: Time,
    /// It was this long.
    bytes: u32,
}

/// When each pack was verified.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Verified {
    packs: BTreeMap<[u8; 32], Seen>,
}

impl Verified {
    /// Reads the file. Whatever is wrong with it, it is as if there were none.
    pub(super) fn read(disk: &dyn Disk, repository: RepositoryId) -> Self {
        Self::try_read(disk, repository).unwrap_or_else(|error| {
            tracing::warn!(%error, "nobody knows when packs were verified");
            Self::default()
        })
    }

    /// The same, and what is wrong with it.
    pub(super) fn try_read(disk: &dyn Disk, repository: RepositoryId) -> Result<Self, StoreError> {
        let path = layout::path(Name::Verified);
        let file = match disk.open(path, Mode::Read) {
            Err(DiskError::NotFound { .. }) => return Ok(Self::default()),
            file => file?,
        };
        let bytes = file.len()?;
        let length = usize::try_from(bytes).ok().filter(|_| bytes <= VERIFIED_BYTES_MAX);
        let mut bytes = vec![0; length.ok_or_else(|| layout::damaged(Name::Verified, "it is too long"))?];
        file.read_exact_at(0, &mut bytes)?;
        Self::parse(&bytes, repository).map_err(|malformed| layout::damaged(Name::Verified, malformed.what))
    }

    /// Takes in what somebody else has noted meanwhile, and writes all of it.
    pub(super) fn write(&mut self, disk: &dyn Disk, repository: RepositoryId) -> Result<(), DiskError> {
        for (pack, theirs) in Self::read(disk, repository).packs {
            if let Some(own) = self.packs.get_mut(&pack)
                && (theirs.bytes > 0, theirs.at) > (own.bytes > 0, own.at)
            {
                *own = theirs;
            }
        }
        disk.replace(layout::path(Name::Verified), &self.encode(repository))
    }

    /// Notes that a pack was verified up to there.
    pub(super) fn note(&mut self, pack: &PackId, at: Time, bytes: u32) {
        self.packs.insert(*pack.as_bytes(), Seen { at, bytes });
    }

    /// All packs, the oldest first. From here on it knows those of the catalogue, and no others.
    pub(super) fn watch(&mut self, catalogue: &Catalogue, now: Time) -> Vec<Watched> {
        let mut known = BTreeMap::new();
        let mut watched = Vec::with_capacity(catalogue.packs().len());
        for (number, pack) in catalogue.packs() {
            let seen = self.packs.get(pack.id.as_bytes()).copied().filter(|seen| !is_ahead(seen.at, now));
            let seen = seen.unwrap_or(Seen { at: now, bytes: 0 });
            known.insert(*pack.id.as_bytes(), seen);
            let is_verified = seen.bytes >= pack.bytes;
            watched.push(Watched { number, bytes: u64::from(pack.bytes), since: seen.at, is_verified });
        }
        self.packs = known;
        order(&mut watched);
        watched
    }

    fn encode(&self, repository: RepositoryId) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.bytes(&MAGIC).u16(VERSION).u16(0).bytes(repository.as_bytes());
        for (pack, Seen { at, bytes }) in &self.packs {
            writer.bytes(pack).i64(at.nanoseconds()).u32(*bytes);
        }
        let hash = blake3::hash(writer.as_bytes());
        writer.bytes(hash.as_bytes());
        writer.into_bytes()
    }

    fn parse(bytes: &[u8], repository: RepositoryId) -> Result<Self, Malformed> {
        let broken = Malformed { what: "end", offset: 0 };
        let (hashed, hash) = bytes.split_last_chunk::<HASH_BYTES>().ok_or(broken)?;
        if blake3::hash(hashed) != *hash {
            return Err(Malformed { what: "hash", offset: hashed.len() });
        }
        let mut reader = Reader::new(hashed);
        let front = (reader.array("magic")?, reader.u16("version")?, reader.u16("reserved")?);
        let named = RepositoryId::from_bytes(reader.array("repository")?);
        if front != (MAGIC, VERSION, 0) || named != repository {
            return Err(reader.malformed("it is of something else"));
        }
        let mut verified = Self::default();
        while reader.offset() < hashed.len() {
            let pack = reader.array("pack")?;
            let at = Time::from_nanoseconds(reader.i64("time of a verification")?);
            let bytes = reader.u32("verified bytes")?;
            let behind = reader.malformed("packs in order");
            if verified.packs.last_key_value().is_some_and(|(last, _)| *last >= pack) {
                return Err(behind);
            }
            verified.packs.insert(pack, Seen { at, bytes });
        }
        Ok(verified)
    }
}

fn is_ahead(at: Time, now: Time) -> bool {
    super::due::age(now, at) > AHEAD
}

const _: () = assert!(VERIFIED_BYTES_MAX > (ENTRY_BYTES * 1_000_000) as u64, "it holds some million packs");
