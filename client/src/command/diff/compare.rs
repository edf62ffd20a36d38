//! Whether two entries of one path differ, and in what.
//!
//! Two snapshots may hold the same bytes in different places, since a file may be bundled anew. So entries that are not
//! equal are looked at by kind, contents and metadata; only where the places of small files differ are their bundles
//! opened and the bytes compared.

use std::mem::discriminant;

use farkeep_codec::key::Epoch;
use farkeep_codec::object::Pointer;
use farkeep_codec::tree::Body;
use farkeep_codec::tree::Content;
use farkeep_codec::tree::Entry;

use crate::output::line::Change;
use crate::output::line::Difference;
use crate::output::line::Named;
use crate::repository::Fetcher;
use crate::repository::Piece;
use crate::repository::Repository;
use crate::repository::RepositoryError;

/// Most bundles that are kept open: neighbours in a tree are neighbours in bundles.
const OPEN_BUNDLES_MAX: usize = 32;

/// Compares entries of one repository.
pub(super) struct Compare<'a> {
    repository: &'a Repository,
    fetcher: Fetcher<'a>,
    /// Opened bundles, the one used last at the end.
    bundles: Vec<(Pointer, Vec<u8>)>,
}

impl<'a> Compare<'a> {
    pub(super) fn new(repository: &'a Repository) -> Self {
        Self { repository, fetcher: repository.fetcher(), bundles: Vec::new() }
    }

    /// What differs; nothing where only the place of the contents does.
    pub(super) fn difference(
        &mut self,
        before: Option<&Entry>,
        after: Option<&Entry>,
    ) -> Result<Option<Difference>, RepositoryError> {
        let Some(path) = before.or(after).map(|entry| Named::of_key(&entry.path)) else { return Ok(None) };
        let bytes = |entry: Option<&Entry>| entry.map_or(0, Entry::content_bytes);
        let (bytes_before, bytes_after) = (bytes(before), bytes(after));
        let (change, metadata) = match (before, after) {
            (None, None) => return Ok(None),
            (None, Some(_)) => (Change::Added, Vec::new()),
            (Some(_), None) => (Change::Removed, Vec::new()),
            (Some(before), Some(after)) => {
                let metadata = metadata(before, after);
                if discriminant(&before.body) != discriminant(&after.body) {
                    (Change::Kind, metadata)
                } else if !self.same_body(&before.body, &after.body)? {
                    (Change::Content, metadata)
                } else if metadata.is_empty() {
                    return Ok(None);
                } else {
                    (Change::Metadata, metadata)
                }
            }
        };
        Ok(Some(Difference { path, change, metadata, bytes_before, bytes_after }))
    }

    fn same_body(&mut self, before: &Body, after: &Body) -> Result<bool, RepositoryError> {
        match (before, after) {
            (
                Body::File { bytes: bytes_before, content: before },
                Body::File { bytes: bytes_after, content: after },
            )
            | (
                Body::Image { bytes: bytes_before, content: before },
                Body::Image { bytes: bytes_after, content: after },
            ) => Ok(bytes_before == bytes_after && self.same_content(*bytes_after, before, after)?),
            _ => Ok(before == after),
        }
    }

    /// Whether two contents of `bytes` bytes are equal.
    fn same_content(
        &mut self,
        bytes: u64,
        before: &Content,
        after: &Content,
    ) -> Result<bool, RepositoryError> {
        match (before, after) {
            _ if before == after => Ok(true),
            (
                Content::Slice { bundle: bundle_before, offset: offset_before },
                Content::Slice { bundle: bundle_after, offset: offset_after },
            ) => {
                let one = self.slice(bundle_before, *offset_before, bytes)?.to_vec();
                Ok(one == self.slice(bundle_after, *offset_after, bytes)?)
            }
            (Content::Slice { .. }, _) | (_, Content::Slice { .. }) => Ok(false),
            _ if epoch(before) != epoch(after) => {
                Ok(before.holes() == after.holes() && self.hash(bytes, before)? == self.hash(bytes, after)?)
            }
            // The chunks of a large file follow from its bytes, so equal bytes have equal seeds.
            _ => Ok(before.holes() == after.holes() && self.same_chunks(before, after)?),
        }
    }

    /// Of the data of a large file.
    fn hash(&mut self, bytes: u64, content: &Content) -> Result<blake3::Hash, RepositoryError> {
        let mut hasher = blake3::Hasher::new();
        self.fetcher.pieces(bytes, content, |piece| {
            if let Piece::Data(data) = piece {
                hasher.update(data);
            }
            Ok::<_, RepositoryError>(())
        })?;
        Ok(hasher.finalize())
    }

    fn slice(&mut self, bundle: &Pointer, offset: u32, bytes: u64) -> Result<&[u8], RepositoryError> {
        let opened = match self.bundles.iter().position(|(pointer, _)| pointer == bundle) {
            Some(at) => self.bundles.remove(at),
            None => (*bundle, self.fetcher.plain(bundle)?.to_vec()),
        };
        if self.bundles.len() == OPEN_BUNDLES_MAX {
            self.bundles.remove(0);
        }
        self.bundles.push(opened);
        let plain = self.bundles.last().map_or(&[][..], |(_, plain)| plain.as_slice());
        Fetcher::slice(bundle, plain, offset, bytes)
    }

    fn same_chunks(&self, before: &Content, after: &Content) -> Result<bool, RepositoryError> {
        let mut before = self.repository.chunks(before);
        let mut after = self.repository.chunks(after);
        loop {
            let seed = |chunk: Option<Pointer>| chunk.map(|chunk| (chunk.seed, chunk.plain_bytes));
            let pair = (seed(before.next().transpose()?), seed(after.next().transpose()?));
            match pair {
                (None, None) => return Ok(true),
                (before, after) if before != after => return Ok(false),
                _ => {}
            }
        }
    }
}

/// The epoch of a large file: seeds of different epochs say nothing about one another.
fn epoch(content: &Content) -> Option<Epoch> {
    match content {
        Content::Empty => None,
        Content::Slice { bundle, .. } => Some(bundle.epoch),
        Content::Chunks { pointers, .. } => pointers.first().map(|pointer| pointer.epoch),
        Content::List { root, .. } => Some(root.epoch),
    }
}

/// The names of the metadata that differ.
fn metadata(before: &Entry, after: &Entry) -> Vec<&'static str> {
    let parts = [
        ("mode", before.mode != after.mode),
        ("owner", before.owner != after.owner),
        ("modified", before.modified != after.modified),
        ("attributes", before.attributes != after.attributes),
        ("inconsistent", before.flags != after.flags),
    ];
    parts.into_iter().filter(|(_, differs)| *differs).map(|(name, _)| name).collect()
}

#[cfg(test)]
mod tests;
