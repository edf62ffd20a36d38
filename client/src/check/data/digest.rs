//! The content ids of trees, computed anew window by window.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::thread::available_parallelism;

use farkeep_codec::id::ContentHash;
use farkeep_codec::id::ContentId;
use farkeep_codec::key::DomainKeys;
use farkeep_codec::object::Pointer;
use farkeep_codec::tree::Content;
use farkeep_codec::tree::ContentDigest;
use farkeep_codec::tree::Entry;
use farkeep_codec::tree::PathKey;

use super::super::CheckError;
use super::super::content;
use super::super::damage::Damages;
use super::Data;
use super::window::Window;
use super::window::slice_of;

/// The digests of several trees on their way.
pub(super) struct Digests<'a> {
    data: &'a Data<'a>,
    running: Vec<Running>,
}

/// The digest of one tree.
struct Running {
    root: Pointer,
    /// Nothing once something of the tree was found to be lost.
    digest: Option<ContentDigest>,
}

/// Something that the digest needs is lost; it was named when it was found.
struct Gone;

impl<'a> Digests<'a> {
    pub(super) fn new(data: &'a Data<'a>, roots: &[Pointer]) -> Self {
        let digest = |root| Some(ContentDigest::new(&data.repository.keys_of(root).ok()?));
        let running = roots.iter().map(|root| Running { root: *root, digest: digest(root) });
        Self { data, running: running.collect() }
    }

    /// Takes in the entries from `from` up to `end`, whose small files the window knows.
    pub(super) fn advance(
        &mut self,
        window: &Window,
        from: &PathKey,
        end: Option<&PathKey>,
        damages: &Damages<'_>,
    ) -> Result<(), CheckError> {
        let (data, cancel) = (self.data, damages.cancel());
        let workers = available_parallelism().map_or(1, usize::from).min(self.running.len());
        let waiting = Mutex::new(self.running.iter_mut());
        let take = || waiting.lock().unwrap_or_else(PoisonError::into_inner).next();
        std::thread::scope(|scope| {
            for _ in 0..workers {
                scope.spawn(|| {
                    while let Some(running) = take() {
                        running.advance(data, window, (from, end), cancel);
                    }
                });
            }
        });
        damages.check_cancelled()
    }

    /// Each tree with its content id; nothing for one of which something is lost.
    pub(super) fn finish(self) -> impl Iterator<Item = (Pointer, Option<ContentId>)> {
        self.running.into_iter().map(|running| (running.root, running.digest.map(ContentDigest::finish)))
    }
}

impl Running {
    fn advance(
        &mut self,
        data: &Data<'_>,
        window: &Window,
        stretch: (&PathKey, Option<&PathKey>),
        cancel: &AtomicBool,
    ) {
        let Some(mut digest) = self.digest.take() else { return };
        if self.digest_stretch(&mut digest, data, window, stretch, cancel).is_ok() {
            self.digest = Some(digest);
        }
    }

    fn digest_stretch(
        &self,
        digest: &mut ContentDigest,
        data: &Data<'_>,
        window: &Window,
        (from, end): (&PathKey, Option<&PathKey>),
        cancel: &AtomicBool,
    ) -> Result<(), Gone> {
        let keys = data.repository.keys_of(&self.root).map_err(|_| Gone)?;
        let mut walk = data.repository.walk(self.root);
        walk.seek(from).map_err(|_| Gone)?;
        while let Some(entry) = walk.next_entry().map_err(|_| Gone)? {
            if end.is_some_and(|end| entry.path >= *end) {
                break;
            }
            if cancel.load(Ordering::Relaxed) {
                return Err(Gone);
            }
            let hash = content_hash(data, &keys, window, &entry)?;
            digest.entry(&entry, hash.as_ref());
        }
        Ok(())
    }
}

/// The hash of a file's contents; nothing for what has none.
fn content_hash(
    data: &Data<'_>,
    keys: &DomainKeys,
    window: &Window,
    entry: &Entry,
) -> Result<Option<ContentHash>, Gone> {
    match content(entry) {
        None | Some(Content::Empty) => Ok(None),
        Some(Content::Slice { .. }) => {
            let slice = slice_of(data, entry).ok_or(Gone)?;
            window.hash(&slice).copied().map(Some).ok_or(Gone)
        }
        Some(content @ (Content::Chunks { holes, .. } | Content::List { holes, .. })) => {
            let mut hasher = keys.list_hasher();
            for chunk in data.repository.chunks(content) {
                let chunk = chunk.map_err(|_| Gone)?;
                hasher.chunk(&chunk.seed, chunk.plain_bytes);
            }
            holes.iter().for_each(|hole| hasher.hole(hole.offset, hole.bytes));
            Ok(Some(hasher.finish()))
        }
    }
}
