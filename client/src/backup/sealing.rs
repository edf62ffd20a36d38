//! The queue of chunks between workers: whoever waits for a chunk to be sealed seals queued ones meanwhile.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;

use crossbeam_channel::Receiver;
use crossbeam_channel::Sender;
use crossbeam_channel::TrySendError;
use farkeep_codec::object::Kind;
use farkeep_codec::object::Pointer;

use super::BackupError;
use super::objects::ObjectWriter;

/// A chunk to be sealed by whoever is free.
pub(super) struct ChunkJob {
    plain: Vec<u8>,
    reply: Sender<Result<Pointer, BackupError>>,
}

/// The queue of chunks between workers.
#[derive(Clone)]
pub(super) struct Chunks {
    sender: Sender<ChunkJob>,
    /// What a worker takes from.
    pub(super) receiver: Receiver<ChunkJob>,
    /// Workers that wait for something to do.
    pub(super) idle: Arc<AtomicUsize>,
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
    /// Seals and puts the chunk, and tells who waits for it.
    pub(super) fn run(self, writer: &mut ObjectWriter<'_>) {
        let done = writer.write(Kind::Data, &[], &self.plain);
        // Nobody waits any more when the file's reader failed; the chunk is stored all the same.
        let _ = self.reply.send(done);
    }
}
