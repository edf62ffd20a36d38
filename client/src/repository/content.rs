//! The contents of files, piece by piece.

use farkeep_codec::object::Pointer;
use farkeep_codec::tree::Content;
use farkeep_codec::tree::Hole;
use farkeep_codec::tree::ListWalk;

use super::Fetcher;
use super::Repository;
use super::RepositoryError;

/// A part of a file, in the order of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Piece<'a> {
    /// Bytes.
    Data(&'a [u8]),
    /// So many zeros that take no room.
    Hole(u64),
}

impl Repository {
    /// Pointers to the chunks of a large file, in the order of the file. None for a small one.
    pub fn chunks<'a>(
        &'a self,
        content: &'a Content,
    ) -> Box<dyn Iterator<Item = Result<Pointer, RepositoryError>> + 'a> {
        match content {
            Content::Empty | Content::Slice { .. } => Box::new(std::iter::empty()),
            Content::Chunks { pointers, .. } => Box::new(pointers.iter().copied().map(Ok)),
            Content::List { root, height, .. } => {
                let mut fetcher = self.fetcher();
                let mut walk = ListWalk::new(*root, *height, move |pointer: &Pointer| fetcher.node(pointer));
                Box::new(std::iter::from_fn(move || walk.next_chunk().transpose()))
            }
        }
    }
}

impl Fetcher<'_> {
    /// Hands out the contents of a file of `bytes` bytes, every byte verified.
    ///
    /// # Errors
    /// When an object is missing or damaged, when the pieces do not make up the file, and what `take` says.
    pub fn pieces<E: From<RepositoryError>>(
        &mut self,
        bytes: u64,
        content: &Content,
        mut take: impl FnMut(Piece<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        if let Content::Slice { bundle, offset } = content {
            let plain = self.plain(bundle)?;
            return take(Piece::Data(Fetcher::slice(bundle, plain, *offset, bytes)?));
        }
        let mut layout = Layout::new(content, bytes);
        for chunk in self.repository().chunks(content) {
            let plain = self.plain(&chunk?)?;
            let at = layout.chunk(plain.len() as u64)?;
            at.hole.map_or(Ok(()), |hole| take(Piece::Hole(hole)))?;
            take(Piece::Data(plain))?;
        }
        layout.end()?.map_or(Ok(()), |hole| take(Piece::Hole(hole)))
    }
}

/// The way through a file whose chunks lie between holes. What does not make up the file is refused before it is used: FORMAT.md,
/// "Contents of files".
pub(crate) struct Layout<'h> {
    holes: &'h [Hole],
    at: u64,
    bytes: u64,
}

/// Where a chunk lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ChunkAt {
    /// Length of the hole in front of it, if there is one.
    pub(crate) hole: Option<u64>,
    /// From the start of the file.
    pub(crate) offset: u64,
}

impl<'h> Layout<'h> {
    /// Of a file of `bytes` bytes.
    pub(crate) fn new(content: &'h Content, bytes: u64) -> Self {
        Self { holes: content.holes(), at: 0, bytes }
    }

    /// Where the next chunk lies, of so many bytes.
    ///
    /// # Errors
    /// [`RepositoryError::Chunks`] when it reaches into a hole, or beyond the end of the file.
    pub(crate) fn chunk(&mut self, bytes: u64) -> Result<ChunkAt, RepositoryError> {
        let hole = self.hole();
        let offset = self.at;
        let end = self.holes.first().map_or(self.bytes, |hole| hole.offset);
        match offset.checked_add(bytes) {
            Some(at) if at <= end => self.at = at,
            _ => return Err(RepositoryError::Chunks { bytes: self.bytes }),
        }
        Ok(ChunkAt { hole, offset })
    }

    /// No chunk follows. Length of the hole at the end, if there is one.
    ///
    /// # Errors
    /// [`RepositoryError::Chunks`] when that is not the end of the file.
    pub(crate) fn end(mut self) -> Result<Option<u64>, RepositoryError> {
        let hole = self.hole();
        let is_whole = self.at == self.bytes && self.holes.is_empty();
        is_whole.then_some(hole).ok_or(RepositoryError::Chunks { bytes: self.bytes })
    }

    /// Passes the hole that begins here, if one does.
    fn hole(&mut self) -> Option<u64> {
        let (hole, rest) = self.holes.split_first()?;
        (hole.offset == self.at).then(|| {
            self.at = self.at.saturating_add(hole.bytes);
            self.holes = rest;
            hole.bytes
        })
    }
}

#[cfg(test)]
mod tests;
