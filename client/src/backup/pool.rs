//! The workers: as many threads as cores, each with its own contexts and buffers.
//!
//! The scan gives them jobs through a bounded queue and takes what they did from an unbounded one; it limits what is
//! under way itself, so neither side can wait for the other for ever. Chunks of large contents have a queue of their
//! own, which workers turn to first.

use std::sync::atomic::Ordering;

use crossbeam_channel::Receiver;
use crossbeam_channel::Sender;
use crossbeam_channel::select_biased;
use farkeep_codec::object::Kind;
use farkeep_codec::object::Pointer;

use super::BackupError;
use super::bundler::FullBundle;
use super::catalogue::BundleNumber;
use super::objects::ObjectWriter;
use super::objects::Shared;
use super::sealing::Chunks;
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
