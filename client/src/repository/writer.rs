//! Plaintext in, pointer out: objects and bundles for whoever lays snapshots anew. One thread, no caches.

use std::collections::HashMap;

use farkeep_codec::chunk::Border;
use farkeep_codec::chunk::BundleBorder;
use farkeep_codec::id::ContentHash;
use farkeep_codec::id::ObjectId;
use farkeep_codec::key::DomainKeys;
use farkeep_codec::key::Epoch;
use farkeep_codec::object::Kind;
use farkeep_codec::object::Pointer;
use farkeep_codec::seal::Sealer;
use farkeep_codec::tree::NodePlain;

use super::Repository;
use super::RepositoryError;

/// Seals objects and puts them.
pub(crate) struct ObjectWriter<'a> {
    repository: &'a Repository,
    keys: DomainKeys,
    sealer: Sealer,
    sealed: Vec<u8>,
    /// Nodes that were stored, by their epoch and the hash of what they hold and refer to.
    nodes: HashMap<(Epoch, blake3::Hash), Pointer>,
}

impl<'a> ObjectWriter<'a> {
    pub(crate) fn new(repository: &'a Repository) -> Self {
        let (keys, sealer) = (repository.keys().clone(), repository.sealer());
        Self { repository, keys, sealer, sealed: Vec::new(), nodes: HashMap::new() }
    }

    /// Writes in the epoch of what this leads to from here on, since a snapshot is of one epoch wholly.
    pub(crate) fn turn_to(&mut self, pointer: &Pointer) -> Result<(), RepositoryError> {
        if pointer.epoch != self.keys.epoch() {
            self.keys = self.repository.keys_of(pointer)?;
            self.sealer = Sealer::new(&self.keys, &self.repository.parameters().compression);
        }
        Ok(())
    }

    /// The keys that it writes with.
    pub(crate) fn keys(&self) -> &DomainKeys {
        &self.keys
    }

    /// The repository that it writes to.
    pub(crate) fn repository(&self) -> &'a Repository {
        self.repository
    }

    /// Stores a data object.
    pub(crate) fn data(&mut self, plain: &[u8]) -> Result<Pointer, RepositoryError> {
        self.write(Kind::Data, &[], plain)
    }

    /// Stores a node, once.
    pub(crate) fn node(&mut self, node: NodePlain<'_>) -> Result<Pointer, RepositoryError> {
        let mut hasher = blake3::Hasher::new();
        for id in node.references {
            hasher.update(id.as_bytes());
        }
        let hash = (self.keys.epoch(), hasher.update(node.plain).finalize());
        if let Some(pointer) = self.nodes.get(&hash) {
            return Ok(*pointer);
        }
        let pointer = self.write(Kind::Node, node.references, node.plain)?;
        self.nodes.insert(hash, pointer);
        Ok(pointer)
    }

    fn write(
        &mut self,
        kind: Kind,
        references: &[ObjectId],
        plain: &[u8],
    ) -> Result<Pointer, RepositoryError> {
        let seed = self.keys.seed(kind, plain);
        let id = self.sealer.seal(kind, &seed, references, plain, &mut self.sealed);
        self.repository.put(&id, &self.sealed)?;
        let plain_bytes = u32::try_from(plain.len()).expect("an object's plaintext is at most 8 MiB");
        let epoch = self.keys.epoch();
        Ok(Pointer { id, seed, plain_bytes, epoch })
    }
}

/// Where a small file was laid: number of the bundle, and offset in it.
pub(crate) type Laid = (usize, u32);

/// Lays small files into bundles, each content once, in the order in which they come.
pub(crate) struct Bundles {
    border: BundleBorder,
    filling: Vec<u8>,
    known: HashMap<ContentHash, Laid>,
    stored: Vec<Pointer>,
}

impl Bundles {
    pub(crate) fn new(repository: &Repository) -> Self {
        Self {
            border: BundleBorder::new(repository.parameters()),
            filling: Vec::new(),
            known: HashMap::new(),
            stored: Vec::new(),
        }
    }

    /// Lays a file of 1 byte to 128 KiB.
    pub(crate) fn lay(
        &mut self,
        contents: &[u8],
        writer: &mut ObjectWriter<'_>,
    ) -> Result<(ContentHash, Laid), RepositoryError> {
        let hash = writer.keys().file_hash(contents);
        if let Some(laid) = self.known.get(&hash) {
            return Ok((hash, *laid));
        }
        let offset = u32::try_from(self.filling.len()).expect("a bundle has at most 4 MiB");
        let laid = (self.stored.len(), offset);
        self.known.insert(hash, laid);
        self.filling.extend_from_slice(contents);
        let bytes = u32::try_from(contents.len()).expect("a small file has at most 128 KiB");
        if self.border.after(&hash, bytes) == Border::Cut {
            self.finish(writer)?;
        }
        Ok((hash, laid))
    }

    /// Stores the bundle that is being filled, so that every file has its place.
    pub(crate) fn finish(&mut self, writer: &mut ObjectWriter<'_>) -> Result<(), RepositoryError> {
        if !self.filling.is_empty() {
            self.stored.push(writer.data(&self.filling)?);
            self.filling.clear();
        }
        Ok(())
    }

    /// The place of a file whose bundle is stored.
    pub(crate) fn place(&self, (number, offset): Laid) -> Option<(Pointer, u32)> {
        Some((*self.stored.get(number)?, offset))
    }
}
