//! Frames: a header that says what follows and how long it is, and the body.
//!
//! Whether a length can be right is known from the header alone, since every kind has a limit of its own.
//! PROTOCOL.md, "Frames".

use farkeep_codec::layout::Malformed;
use farkeep_codec::layout::Reader;
use thiserror::Error;

use crate::fault::Code;
use crate::field::Field;
use crate::field::Sequence;
use crate::kind::Kind;
use crate::limits::FRAME_BODY_BYTES_MAX;
use crate::limits::FRAME_HEADER_BYTES;
use crate::limits::PREFACE_BODY_BYTES_MAX;
use crate::message::body_bytes_max;

#[cfg(test)]
mod tests;

/// What stands in front of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    kind: Kind,
    body_bytes: usize,
}

/// A whole frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame<'a> {
    /// What it holds.
    pub kind: Kind,
    /// The message.
    pub body: &'a [u8],
}

impl Frame<'_> {
    /// Number of the request that the frame holds, with which every request begins; `None` if it holds none.
    ///
    /// # Errors
    /// [`Malformed`] if a request has no number.
    pub fn sequence(&self) -> Result<Option<Sequence>, Malformed> {
        let mut reader = Reader::new(self.body);
        self.kind.is_request().then(|| Field::read(&mut reader, "sequence of a request")).transpose()
    }
}

/// Why a header is refused. Nothing behind it can be read, since nobody knows where the next frame begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum FrameError {
    /// Bytes that must be 0 are not.
    #[error("the reserved bytes of a frame are not 0")]
    Reserved,
    /// No message has this kind.
    #[error("no message has the kind {number:#06x}")]
    UnknownKind {
        /// The number of the kind.
        number: u16,
    },
    /// The body is longer than such a body can be.
    #[error("a frame with {} of {bytes} bytes, {bytes_max} are allowed", kind.name())]
    TooLarge {
        /// What the frame holds.
        kind: Kind,
        /// Length of the body.
        bytes: u64,
        /// What is allowed.
        bytes_max: u64,
    },
}

impl FrameError {
    /// What the other side is told.
    pub fn code(&self) -> Code {
        match self {
            Self::Reserved => Code::MALFORMED,
            Self::UnknownKind { .. } => Code::UNEXPECTED_MESSAGE,
            Self::TooLarge { .. } => Code::TOO_LARGE,
        }
    }
}

impl Header {
    /// The header of a frame with this message.
    ///
    /// # Errors
    /// [`FrameError::TooLarge`].
    pub fn new(kind: Kind, body_bytes: usize) -> Result<Self, FrameError> {
        let bytes_max = body_bytes_max(kind);
        if body_bytes > bytes_max {
            return Err(FrameError::TooLarge { kind, bytes: body_bytes as u64, bytes_max: bytes_max as u64 });
        }
        Ok(Self { kind, body_bytes })
    }

    /// Reads a header.
    ///
    /// # Errors
    /// [`FrameError`]: the connection cannot go on.
    pub fn decode(bytes: [u8; FRAME_HEADER_BYTES]) -> Result<Self, FrameError> {
        let [a, b, c, d, kind @ .., reserved, also_reserved] = bytes;
        let body_bytes = u32::from_le_bytes([a, b, c, d]);
        let number = u16::from_le_bytes(kind);
        if (reserved, also_reserved) != (0, 0) {
            return Err(FrameError::Reserved);
        }
        let kind = Kind::from_number(number).ok_or(FrameError::UnknownKind { number })?;
        Self::new(kind, usize::try_from(body_bytes).unwrap_or(usize::MAX))
    }

    /// The bytes of the header.
    pub fn encode(self) -> [u8; FRAME_HEADER_BYTES] {
        let body_bytes = u32::try_from(self.body_bytes).expect("the limit of every body fits 32 bits");
        let [a, b, c, d] = body_bytes.to_le_bytes();
        let [e, f] = self.kind.number().to_le_bytes();
        [a, b, c, d, e, f, 0, 0]
    }

    /// What the frame holds.
    pub fn kind(self) -> Kind {
        self.kind
    }

    /// Length of its body in bytes.
    pub fn body_bytes(self) -> usize {
        self.body_bytes
    }
}

/// What may come before a Welcome.
const PREFACE: [Kind; 5] = [Kind::Hello, Kind::Welcome, Kind::Enroll, Kind::Enrolled, Kind::Fault];

const _: () = {
    let mut at = 0;
    while at < PREFACE.len() {
        assert!(body_bytes_max(PREFACE[at]) <= PREFACE_BODY_BYTES_MAX, "a stranger costs next to nothing");
        at += 1;
    }
    at = 0;
    while at < Kind::ALL.len() {
        assert!(body_bytes_max(Kind::ALL[at]) <= FRAME_BODY_BYTES_MAX, "nothing is larger than a put");
        at += 1;
    }
};
