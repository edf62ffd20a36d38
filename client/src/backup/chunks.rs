//! Contents that are cut into chunks: large files, sparse files, images, streams.
//!
//! Chunks are sealed by whichever worker is free: the one that reads the contents hands a chunk on when another
//! worker waits, and seals it itself when none does. The pointers come together again in the order of the file; a long
//! list of them becomes nodes as it grows, so a file of any size takes the same memory.

use std::collections::VecDeque;
use std::io;
use std::sync::atomic::Ordering;

use farkeep_codec::chunk::Chunker;
use farkeep_codec::chunk::ImageChunker;
use farkeep_codec::chunk::Tail;
use farkeep_codec::id::ContentHash;
use farkeep_codec::key::ContentListHasher;
use farkeep_codec::object::Kind;
use farkeep_codec::tree::Content;
use farkeep_codec::tree::Hole;
use farkeep_codec::tree::ListBuilder;
use farkeep_codec::tree::NodePlain;

use super::BackupError;
use super::buffers::Buffer;
use super::catalogue::RowContent;
use super::objects::ObjectWriter;
use super::sealing::Chunks;
use super::sealing::Sealing;
use crate::source::Contents;
use crate::source::Piece;

/// Bytes that are read at once.
const READ_BYTES: usize = 1 << 20;
/// Chunks of one file that may be on their way to other workers.
const SEALING_MAX: usize = 8;

/// Where contents are cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cutting {
    /// Where the contents say.
    ByContent,
    /// Into pieces of the repository's fixed size.
    Fixed,
}

/// The chunker for either.
enum Cutter {
    ByContent(Box<Chunker>),
    Fixed(ImageChunker),
}

impl Cutter {
    fn cut(&self, data: &[u8], tail: Tail) -> Option<usize> {
        match self {
            Self::ByContent(chunker) => chunker.cut(data, tail),
            Self::Fixed(chunker) => chunker.cut(data, tail),
        }
    }

    fn bytes_wanted(&self) -> usize {
        match self {
            Self::ByContent(chunker) => chunker.bytes_wanted(),
            Self::Fixed(chunker) => chunker.bytes_wanted(),
        }
    }
}

/// The contents of one file on their way into chunks.
pub(super) struct ChunkStream<'a, 'b> {
    writer: &'a mut ObjectWriter<'b>,
    chunks: &'a Chunks,
    cutter: Cutter,
    /// Bytes that were read and not cut yet lie in `window[cut..filled]`.
    window: Buffer,
    cut: usize,
    filled: usize,
    sealing: VecDeque<Sealing>,
    list: ListBuilder,
    hasher: ContentListHasher,
    holes: Vec<Hole>,
    is_empty: bool,
}

impl<'a, 'b> ChunkStream<'a, 'b> {
    pub(super) fn new(writer: &'a mut ObjectWriter<'b>, chunks: &'a Chunks, cutting: Cutting) -> Self {
        let (keys, parameters) = (writer.shared.keys(), writer.shared.repository.parameters());
        let cutter = match cutting {
            Cutting::ByContent => Cutter::ByContent(Box::new(Chunker::new(keys, parameters))),
            Cutting::Fixed => Cutter::Fixed(ImageChunker::new(parameters)),
        };
        Self {
            chunks,
            window: writer.shared.windows.lend(cutter.bytes_wanted() + READ_BYTES),
            cutter,
            cut: 0,
            filled: 0,
            sealing: VecDeque::new(),
            list: ListBuilder::new(),
            hasher: keys.list_hasher(),
            holes: Vec::new(),
            is_empty: true,
            writer,
        }
    }

    /// Reads a whole file. The outer result is the repository's, the inner one the file's.
    pub(super) fn read_all(&mut self, contents: &mut Contents) -> Result<io::Result<()>, BackupError> {
        loop {
            match contents.read(self.room()) {
                Ok(Piece::Data { bytes }) => self.fill(bytes)?,
                Ok(Piece::Hole(hole)) => self.hole(hole)?,
                Ok(Piece::End) => return Ok(Ok(())),
                Err(error) => return Ok(Err(error)),
            }
        }
    }

    /// Where the next bytes are to be put.
    pub(super) fn room(&mut self) -> &mut [u8] {
        if self.window.len() - self.filled < READ_BYTES {
            self.window.copy_within(self.cut..self.filled, 0);
            self.filled -= self.cut;
            self.cut = 0;
        }
        self.window.get_mut(self.filled..).expect("filled is within the window")
    }

    /// `bytes` were put there.
    pub(super) fn fill(&mut self, bytes: usize) -> Result<(), BackupError> {
        self.writer.shared.progress.add_bytes(bytes as u64);
        self.filled += bytes;
        self.cut_chunks(Tail::More)
    }

    /// Nothing is stored here. What came before ends with a chunk, so that data between holes is cut alike wherever it
    /// lies.
    fn hole(&mut self, hole: Hole) -> Result<(), BackupError> {
        self.cut_chunks(Tail::End)?;
        self.writer.shared.progress.add_bytes(hole.bytes);
        self.hasher.hole(hole.offset, hole.bytes);
        self.holes.push(hole);
        Ok(())
    }

    /// Ends the contents: their hash, and where they lie.
    pub(super) fn finish(mut self) -> Result<(Option<ContentHash>, RowContent), BackupError> {
        self.cut_chunks(Tail::End)?;
        while !self.sealing.is_empty() {
            self.list_next()?;
        }
        let is_empty = self.is_empty && self.holes.is_empty();
        let writer = self.writer;
        let mut sink = |node: NodePlain<'_>| writer.write(Kind::Node, node.references, node.plain);
        let content = match self.list.finish(self.holes, &mut sink)? {
            Content::Chunks { pointers, holes } => RowContent::Chunks(pointers, holes),
            Content::List { root, height, holes } => RowContent::List(root, height, holes),
            Content::Empty | Content::Slice { .. } => RowContent::None,
        };
        Ok(((!is_empty).then(|| self.hasher.finish()), content))
    }

    fn cut_chunks(&mut self, tail: Tail) -> Result<(), BackupError> {
        while self.cut < self.filled {
            let rest = self.window.get(self.cut..self.filled).expect("cut and filled are within the window");
            let Some(bytes) = self.cutter.cut(rest, tail) else { return Ok(()) };
            let plain = rest.get(..bytes).expect("a chunk is cut from what is there");
            let sealing = self.chunks.seal(plain, self.writer)?;
            self.sealing.push_back(sealing);
            self.is_empty = false;
            self.cut += bytes;
            if self.sealing.len() > SEALING_MAX {
                self.list_next()?;
            }
        }
        Ok(())
    }

    /// Lists the chunk that is next in the file.
    fn list_next(&mut self) -> Result<(), BackupError> {
        let Some(sealing) = self.sealing.pop_front() else { return Ok(()) };
        let pointer = self.chunks.wait(sealing, self.writer)?;
        self.hasher.chunk(&pointer.seed, pointer.plain_bytes);
        let writer = &mut *self.writer;
        let mut sink = |node: NodePlain<'_>| writer.write(Kind::Node, node.references, node.plain);
        self.list.push(pointer, &mut sink)?;
        if self.chunks.cancel.load(Ordering::Relaxed) {
            return Err(BackupError::Interrupted { stored_bytes: self.writer.shared.stored().bytes });
        }
        Ok(())
    }
}
