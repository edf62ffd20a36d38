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
        let mut layout = Layout { holes: content.holes(), at: 0 };
        for chunk in self.repository().chunks(content) {
            layout.data(self.plain(&chunk?)?, &mut take)?;
        }
        layout.pass_hole(&mut take)?;
        let is_whole = layout.at == bytes && layout.holes.is_empty();
        if is_whole { Ok(()) } else { Err(RepositoryError::Chunks { bytes }.into()) }
    }
}

/// The way through a file whose data lies around holes.
struct Layout<'h> {
    holes: &'h [Hole],
    at: u64,
}

impl Layout<'_> {
    /// Hands out data, and the holes in front of it and inside of it.
    fn data<E>(
        &mut self,
        mut data: &[u8],
        take: &mut impl FnMut(Piece<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        while !data.is_empty() {
            self.pass_hole(take)?;
            let (now, rest) = data.split_at(self.until_hole(data.len()));
            take(Piece::Data(now))?;
            self.at = self.at.saturating_add(now.len() as u64);
            data = rest;
        }
        Ok(())
    }

    /// Hands out the hole that begins here, if one does.
    fn pass_hole<E>(&mut self, take: &mut impl FnMut(Piece<'_>) -> Result<(), E>) -> Result<(), E> {
        match self.holes.split_first() {
            Some((hole, rest)) if hole.offset == self.at => {
                self.at = self.at.saturating_add(hole.bytes);
                self.holes = rest;
                take(Piece::Hole(hole.bytes))
            }
            _ => Ok(()),
        }
    }

    /// How many of the next `bytes` bytes of data come before the next hole.
    fn until_hole(&self, bytes: usize) -> usize {
        let room = self.holes.first().map_or(u64::MAX, |hole| hole.offset.saturating_sub(self.at));
        usize::try_from(room).map_or(bytes, |room| room.min(bytes))
    }
}

#[cfg(test)]
mod tests;
