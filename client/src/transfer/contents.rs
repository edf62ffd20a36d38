//! The contents of files, from the objects of one repository into those of another.

use std::collections::HashMap;
use std::collections::VecDeque;
use std::sync::atomic::AtomicBool;

use farkeep_codec::chunk::Chunker;
use farkeep_codec::chunk::ImageChunker;
use farkeep_codec::chunk::Tail;
use farkeep_codec::id::ContentHash;
use farkeep_codec::id::ObjectId;
use farkeep_codec::key::ContentListHasher;
use farkeep_codec::object::Pointer;
use farkeep_codec::tree::Body;
use farkeep_codec::tree::Content;
use farkeep_codec::tree::Entry;
use farkeep_codec::tree::Hole;
use farkeep_codec::tree::ListBuilder;

use super::TransferError;
use super::check_cancelled;
use crate::progress::Progress;
use crate::repository::Bundles;
use crate::repository::Fetcher;
use crate::repository::Laid;
use crate::repository::ObjectWriter;
use crate::repository::Piece;
use crate::repository::Point;
use crate::repository::Repository;

/// Opened bundles that are kept: neighbours in path order lie in a few of them.
const BUNDLES_KEPT: usize = 16;

/// Offset and length of a small file in its bundle.
type Slice = (u32, u32);

/// What was copied so far.
pub(super) struct Contents<'a> {
    from: &'a Repository,
    fetcher: Fetcher<'a>,
    cancel: &'a AtomicBool,
    progress: &'a Progress,
    opened: VecDeque<(ObjectId, Vec<u8>)>,
    bundles: Bundles,
    /// Small files, by the bundles that they come from.
    small: HashMap<ObjectId, HashMap<Slice, (ContentHash, Laid)>>,
    /// Large ones, by what their contents consist of.
    large: HashMap<blake3::Hash, (Content, Option<ContentHash>)>,
}

impl<'a> Contents<'a> {
    pub(super) fn new(
        from: &'a Repository,
        to: &Repository,
        cancel: &'a AtomicBool,
        progress: &'a Progress,
    ) -> Self {
        Self {
            from,
            fetcher: from.fetcher(),
            cancel,
            progress,
            opened: VecDeque::new(),
            bundles: Bundles::new(to),
            small: HashMap::new(),
            large: HashMap::new(),
        }
    }

    /// Copies what a snapshot holds and none before it held.
    pub(super) fn gather(
        &mut self,
        point: &Point,
        writer: &mut ObjectWriter<'_>,
    ) -> Result<(), TransferError> {
        let mut walk = self.from.walk(point.root());
        while let Some(entry) = walk.next_entry()? {
            check_cancelled(self.cancel)?;
            self.progress.add_entries(1);
            match entry.content() {
                None | Some(Content::Empty) => {}
                Some(Content::Slice { bundle, offset }) => {
                    let bytes = u32::try_from(entry.content_bytes()).unwrap_or(u32::MAX);
                    self.take_small(bundle, (*offset, bytes), writer)?;
                }
                Some(content @ (Content::Chunks { .. } | Content::List { .. })) => {
                    self.take_large(&entry, content, writer)?;
                }
            }
            self.progress.add_bytes(entry.content_bytes());
        }
        Ok(self.bundles.finish(writer)?)
    }

    fn take_small(
        &mut self,
        bundle: &Pointer,
        slice: Slice,
        writer: &mut ObjectWriter<'_>,
    ) -> Result<(), TransferError> {
        if self.small.get(&bundle.id).is_some_and(|known| known.contains_key(&slice)) {
            return Ok(());
        }
        if !self.opened.iter().any(|(id, _)| *id == bundle.id) {
            let plain = self.fetcher.plain(bundle)?.to_vec();
            self.opened.truncate(BUNDLES_KEPT - 1);
            self.opened.push_front((bundle.id, plain));
        }
        let plain = self.opened.iter().find(|(id, _)| *id == bundle.id).map_or(&[][..], |(_, plain)| plain);
        let bytes = Fetcher::slice(bundle, plain, slice.0, u64::from(slice.1))?;
        let laid = self.bundles.lay(bytes, writer)?;
        self.small.entry(bundle.id).or_default().insert(slice, laid);
        Ok(())
    }

    fn take_large(
        &mut self,
        entry: &Entry,
        content: &Content,
        writer: &mut ObjectWriter<'_>,
    ) -> Result<(), TransferError> {
        let name = name(entry, content);
        if self.large.contains_key(&name) {
            return Ok(());
        }
        let mut cutting = Cutting::new(&entry.body, writer);
        self.fetcher.pieces(entry.content_bytes(), content, |piece| {
            check_cancelled(self.cancel)?;
            match piece {
                Piece::Data(bytes) => cutting.data(bytes),
                Piece::Hole(bytes) => cutting.hole(bytes),
            }
        })?;
        let copied = cutting.finish()?;
        self.large.insert(name, copied);
        Ok(())
    }

    /// The entries of a snapshot whose contents were [gathered](Self::gather), as they are in the other repository, each with
    /// the hash of its contents there.
    pub(super) fn each_entry(
        &self,
        point: &Point,
        take: &mut dyn FnMut(Entry, Option<ContentHash>) -> Result<(), TransferError>,
    ) -> Result<(), TransferError> {
        let mut walk = self.from.walk(point.root());
        while let Some(mut entry) = walk.next_entry()? {
            check_cancelled(self.cancel)?;
            self.progress.add_entries(1);
            let copied = entry.content().and_then(|content| self.copied(&entry, content));
            let hash = match (&mut entry.body, copied) {
                (Body::File { content, .. } | Body::Image { content, .. }, Some((copied, hash))) => {
                    *content = copied;
                    hash
                }
                _ => None,
            };
            take(entry, hash)?;
        }
        Ok(())
    }

    fn copied(&self, entry: &Entry, content: &Content) -> Option<(Content, Option<ContentHash>)> {
        match content {
            Content::Empty => Some((Content::Empty, None)),
            Content::Slice { bundle, offset } => {
                let slice = (*offset, u32::try_from(entry.content_bytes()).ok()?);
                let (hash, laid) = *self.small.get(&bundle.id)?.get(&slice)?;
                let (bundle, offset) = self.bundles.place(laid)?;
                Some((Content::Slice { bundle, offset }, Some(hash)))
            }
            Content::Chunks { .. } | Content::List { .. } => self.large.get(&name(entry, content)).cloned(),
        }
    }
}

/// What tells contents apart: the objects and holes that they consist of, and how they are to be cut.
fn name(entry: &Entry, content: &Content) -> blake3::Hash {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&[u8::from(matches!(entry.body, Body::Image { .. }))]);
    hasher.update(&entry.content_bytes().to_le_bytes());
    for hole in content.holes() {
        hasher.update(&hole.offset.to_le_bytes()).update(&hole.bytes.to_le_bytes());
    }
    match content {
        Content::Chunks { pointers, .. } => {
            for pointer in pointers {
                hasher.update(pointer.id.as_bytes());
            }
        }
        Content::List { root, .. } => {
            hasher.update(root.id.as_bytes());
        }
        Content::Empty | Content::Slice { .. } => {}
    }
    hasher.finalize()
}

/// Where the other repository cuts.
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
}

/// One large file on its way into chunks.
struct Cutting<'w, 'a> {
    writer: &'w mut ObjectWriter<'a>,
    cutter: Cutter,
    /// What was not cut yet.
    window: Vec<u8>,
    list: ListBuilder,
    hasher: ContentListHasher,
    holes: Vec<Hole>,
    at: u64,
}

impl<'w, 'a> Cutting<'w, 'a> {
    fn new(body: &Body, writer: &'w mut ObjectWriter<'a>) -> Self {
        let to = writer.repository();
        let cutter = match body {
            Body::Image { .. } => Cutter::Fixed(ImageChunker::new(to.parameters())),
            _ => Cutter::ByContent(Box::new(Chunker::new(to.keys(), to.parameters()))),
        };
        let hasher = to.keys().list_hasher();
        let (window, list, holes) = (Vec::new(), ListBuilder::new(), Vec::new());
        Self { writer, cutter, window, list, hasher, holes, at: 0 }
    }

    fn data(&mut self, bytes: &[u8]) -> Result<(), TransferError> {
        self.window.extend_from_slice(bytes);
        self.at += bytes.len() as u64;
        self.cut(Tail::More)
    }

    /// What came before ends with a chunk.
    fn hole(&mut self, bytes: u64) -> Result<(), TransferError> {
        self.cut(Tail::End)?;
        self.hasher.hole(self.at, bytes);
        self.holes.push(Hole { offset: self.at, bytes });
        self.at += bytes;
        Ok(())
    }

    fn cut(&mut self, tail: Tail) -> Result<(), TransferError> {
        let mut done = 0;
        while let Some(rest) = self.window.get(done..).filter(|rest| !rest.is_empty()) {
            let Some(bytes) = self.cutter.cut(rest, tail) else { break };
            let pointer = self.writer.data(rest.get(..bytes).unwrap_or(rest))?;
            self.hasher.chunk(&pointer.seed, pointer.plain_bytes);
            let writer = &mut *self.writer;
            self.list.push::<TransferError>(pointer, &mut |node| Ok(writer.node(node)?))?;
            done += bytes;
        }
        self.window.drain(..done);
        Ok(())
    }

    fn finish(mut self) -> Result<(Content, Option<ContentHash>), TransferError> {
        self.cut(Tail::End)?;
        let writer = self.writer;
        let content = self.list.finish::<TransferError>(self.holes, &mut |node| Ok(writer.node(node)?))?;
        let hash = (self.at > 0).then(|| self.hasher.finish());
        Ok((content, hash))
    }
}
