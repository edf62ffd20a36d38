//! Frames over a connection: read into a buffer that is reused, written in batches, payloads from where they lie.
//!
//! The one file that does input and output. It works over whatever carries bytes in order, such as a stream of TLS.

use std::io;
use std::io::IoSlice;
use std::mem;

use farkeep_codec::layout::Writer;
use thiserror::Error;
use tokio::io::AsyncRead;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWrite;
use tokio::io::AsyncWriteExt;

use crate::fault::Code;
use crate::frame::Frame;
use crate::frame::FrameError;
use crate::frame::Header;
use crate::kind::Body;
use crate::kind::Kind;
use crate::limits::COPY_BYTES_MAX;
use crate::limits::FRAME_HEADER_BYTES;
use crate::limits::READ_BYTES;
use crate::limits::WAIT_BYTES;
use crate::limits::WRITE_BATCH_BYTES;

#[cfg(test)]
mod tests;

/// Why no frame came, or none went.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StreamError {
    /// The other side closed the connection behind a whole frame.
    #[error("the connection was closed")]
    Closed,
    /// The connection ended inside a frame.
    #[error("the connection was cut inside a frame")]
    Cut,
    /// The header of a frame is refused.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// The frame is not awaited now. Its body was not read.
    #[error("{} is not awaited now", kind.name())]
    Unexpected {
        /// What it holds.
        kind: Kind,
    },
    /// An earlier call was given up inside a frame, so that nothing can follow it.
    #[error("an earlier write was given up inside a frame")]
    Broken,
    /// The connection failed.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl StreamError {
    /// What the other side is told before the connection ends, if it did something wrong and may still listen.
    pub fn code(&self) -> Option<Code> {
        match self {
            Self::Frame(error) => Some(error.code()),
            Self::Unexpected { .. } => Some(Code::UNEXPECTED_MESSAGE),
            Self::Closed | Self::Cut | Self::Broken | Self::Io(_) => None,
        }
    }
}

/// Reads frames.
#[derive(Debug)]
pub struct FrameReader<R> {
    source: R,
    /// What was read: `begin..` is not taken yet.
    buffer: Vec<u8>,
    begin: usize,
}

impl<R: AsyncRead + Unpin> FrameReader<R> {
    /// Reads from `source`, which stands at the beginning of a frame.
    pub fn new(source: R) -> Self {
        Self { source, buffer: Vec::new(), begin: 0 }
    }

    /// The next frame, if `awaits` wants its kind, which is asked before the body is read.
    ///
    /// A call that is given up before it answers loses nothing: the next one goes on from there.
    ///
    /// # Errors
    /// Everything of [`StreamError`] but [`StreamError::Broken`].
    pub async fn next(&mut self, awaits: impl Fn(Kind) -> bool) -> Result<Frame<'_>, StreamError> {
        while self.unread().len() < FRAME_HEADER_BYTES {
            self.fill(FRAME_HEADER_BYTES).await?;
        }
        let header = *self.unread().first_chunk().expect("the loop ends once a header is there");
        let header = Header::decode(header)?;
        let kind = header.kind();
        if !awaits(kind) {
            return Err(StreamError::Unexpected { kind });
        }
        let frame_bytes = FRAME_HEADER_BYTES + header.body_bytes();
        while self.unread().len() < frame_bytes {
            self.fill(frame_bytes).await?;
        }
        let begin = self.begin + FRAME_HEADER_BYTES;
        self.begin += frame_bytes;
        Ok(Frame { kind, body: &self.buffer[begin..self.begin] })
    }

    /// The last `bytes` bytes of the frame that came last, as a buffer of their own: a payload that is kept. A long one is
    /// not copied; it takes along the buffer that it was read into, which has little else in it.
    ///
    /// # Panics
    /// If what was read is shorter.
    pub fn take_end(&mut self, bytes: usize) -> Vec<u8> {
        let end = self.begin;
        let begin = end.checked_sub(bytes).expect("a payload is part of its frame");
        if bytes < READ_BYTES {
            return self.buffer[begin..end].to_vec();
        }
        let unread = self.buffer.split_off(end);
        let mut payload = mem::replace(&mut self.buffer, unread);
        self.begin = 0;
        payload.drain(..begin);
        payload
    }

    /// Whether part of a frame has come, and the rest has not.
    pub fn is_inside(&self) -> bool {
        !self.unread().is_empty()
    }

    /// Bytes that have come and were not taken. While a frame comes, this grows with it.
    pub fn held_bytes(&self) -> usize {
        self.unread().len()
    }

    /// What it reads from, without what was read already.
    pub fn into_source(self) -> R {
        self.source
    }

    /// Where it reads from.
    pub fn source(&self) -> &R {
        &self.source
    }

    /// Gives back the memory that large frames left behind: for a connection that fell silent.
    pub fn shrink(&mut self) {
        self.forget_taken();
        self.buffer.shrink_to_fit();
    }

    fn unread(&self) -> &[u8] {
        &self.buffer[self.begin..]
    }

    /// Reads once, towards a frame of `frame_bytes` bytes and not far beyond, so that little has to be moved after it.
    async fn fill(&mut self, frame_bytes: usize) -> Result<(), StreamError> {
        self.forget_taken();
        let (has, room) = (self.buffer.len(), self.buffer.capacity());
        let missing = frame_bytes - has;
        if room == 0 {
            // Whoever waits for a frame may wait for hours.
            self.buffer.reserve_exact(WAIT_BYTES);
        } else if has == room {
            // Grows with what has come, not with what was announced.
            self.buffer.reserve_exact(missing.clamp(READ_BYTES, has.max(READ_BYTES)));
        }
        let bytes_max = (missing + READ_BYTES) as u64;
        match (&mut self.source).take(bytes_max).read_buf(&mut self.buffer).await? {
            0 if has == 0 => Err(StreamError::Closed),
            0 => Err(StreamError::Cut),
            _ => Ok(()),
        }
    }

    fn forget_taken(&mut self) {
        self.buffer.drain(..self.begin);
        self.begin = 0;
    }
}

/// Writes frames.
#[derive(Debug)]
pub struct FrameWriter<W> {
    target: W,
    /// Frames that were not written yet.
    batch: Writer,
    /// The message that is being encoded.
    front: Writer,
    /// A write has begun and has not ended.
    is_writing: bool,
}

impl<W: AsyncWrite + Unpin> FrameWriter<W> {
    /// Writes to `target`.
    pub fn new(target: W) -> Self {
        Self { target, batch: Writer::new(), front: Writer::new(), is_writing: false }
    }

    /// Adds a frame. Small ones are collected until they are worth a write; [`flush`](Self::flush) sends them.
    ///
    /// After a call that was given up before it answered, every other one fails: part of a frame may be on its way.
    ///
    /// # Errors
    /// [`StreamError::Frame`] if the message is longer than its kind may be, and nothing was added;
    /// [`StreamError::Io`], [`StreamError::Broken`].
    pub async fn feed<'a>(&mut self, message: &impl Body<'a>) -> Result<(), StreamError> {
        let payload = self.begin(message)?;
        if payload.len() > COPY_BYTES_MAX {
            return self.write_out(payload).await;
        }
        self.batch.bytes(payload);
        if self.batch.len() >= WRITE_BATCH_BYTES { self.write_out(&[]).await } else { Ok(()) }
    }

    /// Sends everything that was added.
    ///
    /// # Errors
    /// [`StreamError::Io`], [`StreamError::Broken`].
    pub async fn flush(&mut self) -> Result<(), StreamError> {
        self.write_out(&[]).await?;
        Ok(self.target.flush().await?)
    }

    /// Gives back the memory that batches left behind, if there is nothing in it: for a connection that fell silent.
    pub fn shrink(&mut self) {
        if self.batch.is_empty() {
            self.batch = Writer::new();
        }
        self.front = Writer::new();
    }

    /// Sends everything that was added, and tells the other side that nothing follows.
    ///
    /// # Errors
    /// As [`flush`](Self::flush).
    pub async fn finish(mut self) -> Result<(), StreamError> {
        self.flush().await?;
        Ok(self.target.shutdown().await?)
    }

    /// Adds the header and the front of the body, and gives the payload that is to follow.
    fn begin<'a>(&mut self, message: &impl Body<'a>) -> Result<&'a [u8], StreamError> {
        self.front.clear();
        message.encode_front(&mut self.front);
        let payload = message.payload();
        let header = Header::new(message.kind(), self.front.len() + payload.len())?;
        self.batch.bytes(&header.encode()).bytes(self.front.as_bytes());
        Ok(payload)
    }

    /// Writes the batch, and `payload` behind it without copying it.
    async fn write_out(&mut self, payload: &[u8]) -> Result<(), StreamError> {
        if self.is_writing {
            return Err(StreamError::Broken);
        }
        self.is_writing = true;
        let mut slices = [IoSlice::new(self.batch.as_bytes()), IoSlice::new(payload)];
        let mut rest = &mut slices[..];
        // Drops slices that are empty from the start.
        IoSlice::advance_slices(&mut rest, 0);
        while !rest.is_empty() {
            let written = self.target.write_vectored(rest).await?;
            if written == 0 {
                return Err(io::Error::from(io::ErrorKind::WriteZero).into());
            }
            IoSlice::advance_slices(&mut rest, written);
        }
        self.batch.clear();
        self.is_writing = false;
        Ok(())
    }
}
