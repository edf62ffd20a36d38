//! The workers: as many threads as cores, each with its own contexts and buffers.
//!
//! The scan gives them jobs through a bounded queue and takes what they did from an unbounded one; it limits what is
//! under way itself, so neither side can wait for the other for ever. Chunks of large contents have a queue of their
//! own: whoever waits for a chunk to be sealed seals queued ones meanwhile.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;

use crossbeam_channel::Receiver;
use crossbeam_channel::Sender;
use crossbeam_channel::TrySendError;
use crossbeam_channel::select_biased;
use farkeep_codec::object::Kind;
use farkeep_codec::object::Pointer;

use super::BackupError;
use super::bundler::FullBundle;
use super::catalogue::BundleNumber;
use super::objects::ObjectWriter;
use super::objects::Shared;
use super::small::Batch;
use super::small::BatchDone;
use super::small::LargeDone;
use super::small::LargeFile;
use super::small::SmallReader;

/// Work for any worker.
pub(super) enum Job {
    /// Read and hash small files.
    Batch(Batch),
    /// Read, cut, seal and put one large file.
    Large(LargeFile),
    /// Seal and put a bundle.
    Bundle(FullBundle),
}

/// What a worker did.
pub(super) enum Done {
    Batch(BatchDone),
    Large(LargeDone),
    Bundle(BundleNumber, Pointer),
    Failed(BackupError),
}

/// A chunk to be sealed by whoever is free.
struct ChunkJob {
    plain: Vec<u8>,
    reply: Sender<Result<Pointer, BackupError>>,
}

/// The queue of chunks between workers.
#[derive(Clone)]
pub(super) struct Chunks {
    sender: Sender<ChunkJob>,
    receiver: Receiver<ChunkJob>,
    idle: Arc<AtomicUsize>,
    pub(super) cancel: Arc<AtomicBool>,
}

/// A chunk on its way.
pub(super) enum Sealing {
    Done(Pointer),
    Waiting(Receiver<Result<Pointer, BackupError>>),
}

impl Chunks {
    pub(super) fn new(workers: usize, cancel: Arc<AtomicBool>) -> Self {
        let (sender, receiver) = crossbeam_channel::bounded(workers);
        Self { sender, receiver, idle: Arc::new(AtomicUsize::new(0)), cancel }
    }

    /// Seals a chunk here, or hands it to a worker that has nothing to do.
    pub(super) fn seal(&self, plain: &[u8], writer: &mut ObjectWriter<'_>) -> Result<Sealing, BackupError> {
        if self.idle.load(Ordering::Relaxed) > self.receiver.len() {
            let (reply, waiting) = crossbeam_channel::bounded(1);
            match self.sender.try_send(ChunkJob { plain: plain.to_vec(), reply }) {
                Ok(()) => return Ok(Sealing::Waiting(waiting)),
                Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {}
            }
        }
        Ok(Sealing::Done(writer.write(Kind::Data, &[], plain)?))
    }

    /// Waits until a chunk is sealed, and seals others meanwhile.
    pub(super) fn wait(
        &self,
        sealing: Sealing,
        writer: &mut ObjectWriter<'_>,
    ) -> Result<Pointer, BackupError> {
        let waiting = match sealing {
            Sealing::Done(pointer) => return Ok(pointer),
            Sealing::Waiting(waiting) => waiting,
        };
        loop {
            if let Ok(done) = waiting.try_recv() {
                return done;
            }
            match self.receiver.try_recv() {
                Ok(job) => job.run(writer),
                // The queue is empty, so a worker has this chunk in hand and will answer without waiting for anybody.
                Err(_) => return waiting.recv().expect("a worker answers every chunk that it takes"),
            }
        }
    }
}

impl ChunkJob {
    fn run(self, writer: &mut ObjectWriter<'_>) {
        let done = writer.write(Kind::Data, &[], &self.plain);
        // Nobody waits any more when the file's reader failed; the chunk is stored all the same.
        let _ = self.reply.send(done);
    }
}

/// How many workers there are: one for each core that the process may use.
pub(super) fn workers() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// One worker: does jobs until there are none.
pub(super) fn work(shared: &Shared<'_>, jobs: &Receiver<Job>, chunks: &Chunks, done: &Sender<Done>) {
    let mut writer = ObjectWriter::new(shared);
    let mut reader = match SmallReader::new(&shared.buffers) {
        Ok(reader) => reader,
        Err(error) => {
            // Nobody listens any more when another worker failed before.
            let _ = done.send(Done::Failed(error));
            return;
        }
    };
    let mut plain = Vec::new();
    loop {
        chunks.idle.fetch_add(1, Ordering::Relaxed);
        let job = select_biased! {
            recv(chunks.receiver) -> chunk => Err(chunk),
            recv(jobs) -> job => Ok(job),
        };
        chunks.idle.fetch_sub(1, Ordering::Relaxed);
        let result = match job {
            Err(Ok(chunk)) => {
                chunk.run(&mut writer);
                continue;
            }
            Err(Err(_)) | Ok(Err(_)) => return,
            Ok(Ok(Job::Batch(batch))) => Ok(Done::Batch(reader.read(&batch, shared.keys()))),
            Ok(Ok(Job::Large(file))) => file.store(&mut writer, chunks).map(Done::Large),
            Ok(Ok(Job::Bundle(bundle))) => seal_bundle(&bundle, &mut plain, &mut writer),
        };
        if done.send(result.unwrap_or_else(Done::Failed)).is_err() {
            return;
        }
    }
}

fn seal_bundle(
    bundle: &FullBundle,
    plain: &mut Vec<u8>,
    writer: &mut ObjectWriter<'_>,
) -> Result<Done, BackupError> {
    plain.clear();
    bundle.pieces.iter().for_each(|piece| plain.extend_from_slice(piece.bytes()));
    Ok(Done::Bundle(bundle.number, writer.write(Kind::Data, &[], plain)?))
}
