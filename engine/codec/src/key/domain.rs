//! The domain secret and the tree of keys below it.
//!
//! Whoever has it can write into the repository and deduplicate there. It alone opens nothing that its holder did
//! not write: an object's key also takes the seed, and seeds lie sealed in the nodes that point to the object.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use zeroize::Zeroize;
use zeroize::ZeroizeOnDrop;

use super::DomainSecrets;
use super::Epoch;
use crate::id::ContentHash;
use crate::id::ContentId;
use crate::id::RepositoryId;
use crate::id::Seed;
use crate::object::Kind;

/// Bytes of the domain secret and of every key that follows from it.
pub(crate) const KEY_BYTES: usize = 32;

/// 256 random bits that everything in one repository is derived from.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct DomainSecret([u8; KEY_BYTES]);

impl DomainSecret {
    /// The secret made of these bytes.
    pub const fn from_bytes(bytes: [u8; KEY_BYTES]) -> Self {
        Self(bytes)
    }

    /// The bytes of the secret.
    pub const fn as_bytes(&self) -> &[u8; KEY_BYTES] {
        &self.0
    }
}

impl fmt::Debug for DomainSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DomainSecret(..)")
    }
}

/// The keys of one repository, one per purpose: those of an epoch, and at hand those of all epochs that are known. Cloning
/// shares them.
#[derive(Clone)]
pub struct DomainKeys {
    epoch: Epoch,
    keys: Arc<Keys>,
    all: Arc<BTreeMap<Epoch, Arc<Keys>>>,
}

#[derive(Zeroize, ZeroizeOnDrop)]
struct Keys {
    seed_of_data: [u8; KEY_BYTES],
    seed_of_node: [u8; KEY_BYTES],
    object: [u8; KEY_BYTES],
    gear: [u8; KEY_BYTES],
    border: [u8; KEY_BYTES],
    file_hash: [u8; KEY_BYTES],
    content_list: [u8; KEY_BYTES],
    content_holes: [u8; KEY_BYTES],
    content_id: [u8; KEY_BYTES],
    cache: [u8; KEY_BYTES],
    tag_token: [u8; KEY_BYTES],
}

/// Key and nonce key of one object.
#[derive(Zeroize, ZeroizeOnDrop)]
pub(crate) struct ObjectKeys {
    pub(crate) seal: [u8; KEY_BYTES],
    pub(crate) nonce: [u8; KEY_BYTES],
}

impl Keys {
    fn derive(secret: &DomainSecret, repository: RepositoryId) -> Self {
        let mut material = [0; 2 * KEY_BYTES];
        material[..KEY_BYTES].copy_from_slice(secret.as_bytes());
        material[KEY_BYTES..].copy_from_slice(repository.as_bytes());
        let keys = Keys {
            seed_of_data: blake3::derive_key("farkeep 1 seed of data", &material),
            seed_of_node: blake3::derive_key("farkeep 1 seed of node", &material),
            object: blake3::derive_key("farkeep 1 object key", &material),
            gear: blake3::derive_key("farkeep 1 gear table", &material),
            border: blake3::derive_key("farkeep 1 tree border", &material),
            file_hash: blake3::derive_key("farkeep 1 file hash", &material),
            content_list: blake3::derive_key("farkeep 1 content list", &material),
            content_holes: blake3::derive_key("farkeep 1 content holes", &material),
            content_id: blake3::derive_key("farkeep 1 content id", &material),
            cache: blake3::derive_key("farkeep 1 client cache", &material),
            tag_token: blake3::derive_key("farkeep 1 tag token", &material),
        };
        material.zeroize();
        keys
    }
}

impl DomainKeys {
    /// Derives all keys of a repository in its first epoch, by the key derivation mode of BLAKE3 (its paper, section 2.3).
    pub fn derive(secret: &DomainSecret, repository: RepositoryId) -> Self {
        Self::derive_all(&secret.clone().into(), repository)
    }

    /// The same in all epochs that are known; what is hashed and sealed with them is of the newest.
    pub fn derive_all(secrets: &DomainSecrets, repository: RepositoryId) -> Self {
        let keys = secrets.iter().map(|(epoch, secret)| (epoch, Arc::new(Keys::derive(secret, repository))));
        let all: BTreeMap<Epoch, Arc<Keys>> = keys.collect();
        let (epoch, keys) = all.last_key_value().expect("there is a secret");
        Self { epoch: *epoch, keys: Arc::clone(keys), all: Arc::new(all) }
    }

    /// The epoch that they are of.
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// The keys of all epochs that are known, the oldest first.
    pub fn all(&self) -> impl Iterator<Item = Self> {
        self.all.keys().filter_map(|epoch| self.of(*epoch))
    }

    /// The keys of another epoch, if they are known.
    pub fn of(&self, epoch: Epoch) -> Option<Self> {
        let keys = self.all.get(&epoch)?;
        Some(Self { epoch, keys: Arc::clone(keys), all: Arc::clone(&self.all) })
    }

    /// Keyed hash of an object's plaintext. The kind chooses the key and stays out of the hashed bytes, so that
    /// they are hashed where they lie.
    pub fn seed(&self, kind: Kind, plain: &[u8]) -> Seed {
        let key = match kind {
            Kind::Data => &self.keys.seed_of_data,
            Kind::Node => &self.keys.seed_of_node,
        };
        Seed::from_bytes(keyed(key, plain))
    }

    /// Keyed hash of the contents of a file that is stored in one piece.
    pub fn file_hash(&self, contents: &[u8]) -> ContentHash {
        ContentHash::from_bytes(keyed(&self.keys.file_hash, contents))
    }

    /// Begins the content hash of a file that is stored in chunks.
    pub fn list_hasher(&self) -> ContentListHasher {
        ContentListHasher {
            chunks: blake3::Hasher::new_keyed(&self.keys.content_list),
            holes: blake3::Hasher::new_keyed(&self.keys.content_holes),
        }
    }

    /// Begins the content id of a snapshot.
    pub fn content_id_hasher(&self) -> ContentIdHasher {
        ContentIdHasher(blake3::Hasher::new_keyed(&self.keys.content_id))
    }

    /// A keyed hash of 32 bytes for the checks in a client's own cache, which is no part of the format.
    pub fn cache_check(&self, bytes: &[u8]) -> [u8; 32] {
        keyed(&self.keys.cache, bytes)
    }

    /// The repository's own gear table for content-defined chunking: 2048 bytes of extended output, little-endian.
    pub fn gear(&self) -> [u64; 256] {
        let mut bytes = [0; 8 * 256];
        blake3::Hasher::new_keyed(&self.keys.gear).finalize_xof().fill(&mut bytes);
        let (numbers, _) = bytes.as_chunks();
        let mut table = [0; 256];
        for (entry, number) in table.iter_mut().zip(numbers) {
            *entry = u64::from_le_bytes(*number);
        }
        table
    }

    /// Keyed hash of a path key, by which the tree decides where a node ends.
    pub fn border(&self, key: &[u8]) -> u64 {
        let [a, b, c, d, e, f, g, h, ..] = keyed(&self.keys.border, key);
        u64::from_le_bytes([a, b, c, d, e, f, g, h])
    }

    /// What the keyless side knows of a tag: equal tags have equal tokens.
    pub fn tag_token(&self, tag: &str) -> [u8; 8] {
        let [a, b, c, d, e, f, g, h, ..] = keyed(&self.keys.tag_token, tag.as_bytes());
        [a, b, c, d, e, f, g, h]
    }

    /// Keys of the object whose plaintext has this seed: 64 bytes of extended output.
    pub(crate) fn object(&self, seed: &Seed) -> ObjectKeys {
        let mut keys = ObjectKeys { seal: [0; KEY_BYTES], nonce: [0; KEY_BYTES] };
        let mut hasher = blake3::Hasher::new_keyed(&self.keys.object);
        let mut output = hasher.update(seed.as_bytes()).finalize_xof();
        output.fill(&mut keys.seal);
        output.fill(&mut keys.nonce);
        output.zeroize();
        hasher.zeroize();
        keys
    }
}

impl fmt::Debug for DomainKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DomainKeys(..)")
    }
}

/// Content hash of a file that is stored in chunks: over the chunks' seeds and lengths and the holes between them,
/// which depend on the file and the repository alone.
///
/// Chunks come in the order of the file, holes too; how the two interleave does not matter.
#[derive(Clone)]
pub struct ContentListHasher {
    chunks: blake3::Hasher,
    holes: blake3::Hasher,
}

impl ContentListHasher {
    /// The next chunk, with the length of its plaintext.
    pub fn chunk(&mut self, seed: &Seed, plain_bytes: u32) {
        self.chunks.update(seed.as_bytes()).update(&plain_bytes.to_le_bytes());
    }

    /// The next hole, at `offset` of the file.
    pub fn hole(&mut self, offset: u64, bytes: u64) {
        self.holes.update(&offset.to_le_bytes()).update(&bytes.to_le_bytes());
    }

    /// The content hash.
    pub fn finish(self) -> ContentHash {
        let Self { mut chunks, holes } = self;
        // Records of chunks have 36 bytes. A digest behind them is 32, so the two cannot be confused.
        chunks.update(holes.finalize().as_bytes());
        ContentHash::from_bytes(*chunks.finalize().as_bytes())
    }
}

impl fmt::Debug for ContentListHasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ContentListHasher(..)")
    }
}

/// Content id of a snapshot, over the bytes that FORMAT.md, "Tree", lists.
#[derive(Clone)]
pub struct ContentIdHasher(blake3::Hasher);

impl ContentIdHasher {
    /// The next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The content id.
    pub fn finish(self) -> ContentId {
        ContentId::from_bytes(*self.0.finalize().as_bytes())
    }
}

impl fmt::Debug for ContentIdHasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ContentIdHasher(..)")
    }
}

fn keyed(key: &[u8; KEY_BYTES], bytes: &[u8]) -> [u8; 32] {
    *blake3::keyed_hash(key, bytes).as_bytes()
}

#[cfg(test)]
mod tests;
