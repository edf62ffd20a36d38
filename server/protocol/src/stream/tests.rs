use std::pin::Pin;
use std::pin::pin;
use std::task::Context;
use std::task::Poll;
use std::task::Waker;

use farkeep_codec::id::ObjectId;
use farkeep_codec::time::Time;
use proptest::collection::vec;
use proptest::prelude::any;
use proptest::prop_assert_eq;
use proptest::prop_oneof;
use proptest::proptest;
use proptest::strategy::Strategy;
use tokio::io::ReadBuf;

use super::*;
use crate::field::Sequence;
use crate::kind::Message;
use crate::limits::FRAME_BODY_BYTES_MAX;
use crate::message::FromClient;
use crate::message::Heartbeat;
use crate::message::Put;

/// Gives bytes in pieces of the sizes that it was told, then is closed.
struct Pieces {
    bytes: Vec<u8>,
    sizes: Vec<usize>,
}

impl AsyncRead for Pieces {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let size = self.sizes.pop().unwrap_or(usize::MAX).min(self.bytes.len()).min(buf.remaining());
        buf.put_slice(&self.bytes.drain(..size).collect::<Vec<_>>());
        Poll::Ready(Ok(()))
    }
}

/// Gives so many bytes and then none, as a connection does on which nobody speaks.
struct Sleepy {
    bytes: Vec<u8>,
    awake_bytes: usize,
}

impl AsyncRead for Sleepy {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let size = self.awake_bytes.min(self.bytes.len()).min(buf.remaining());
        if size == 0 && !self.bytes.is_empty() {
            return Poll::Pending;
        }
        self.awake_bytes -= size;
        buf.put_slice(&self.bytes.drain(..size).collect::<Vec<_>>());
        Poll::Ready(Ok(()))
    }
}

/// Takes at most so many bytes at a time, and remembers where they lay.
struct Taker {
    bytes: Vec<u8>,
    bytes_at_a_time: usize,
    lay_at: Vec<usize>,
}

impl Taker {
    fn new(bytes_at_a_time: usize) -> Self {
        Self { bytes: Vec::new(), bytes_at_a_time, lay_at: Vec::new() }
    }
}

impl AsyncWrite for Taker {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(context, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut taken = 0;
        for slice in slices {
            let part = slice.len().min(self.bytes_at_a_time - taken);
            self.bytes.extend_from_slice(&slice[..part]);
            self.lay_at.push(slice.as_ptr().addr());
            taken += part;
        }
        Poll::Ready(Ok(taken))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }
}

/// What a test says, without borrowing.
#[derive(Debug, Clone)]
enum Said {
    Heartbeat(i64),
    Put(Vec<u8>),
}

fn said() -> impl Strategy<Value = Vec<Said>> {
    let lengths = prop_oneof![0..99_usize, COPY_BYTES_MAX - 2..COPY_BYTES_MAX + 3, 0..3 * READ_BYTES];
    let put = (lengths, any::<u8>()).prop_map(|(length, byte)| Said::Put(vec![byte; length]));
    vec(prop_oneof![any::<i64>().prop_map(Said::Heartbeat), put], 0..12)
}

fn heartbeat(nanoseconds: i64) -> Heartbeat {
    Heartbeat { time: Time::from_nanoseconds(nanoseconds) }
}

fn put(object: &[u8]) -> Put<'_> {
    Put { sequence: Sequence::FIRST, id: ObjectId::from_bytes([7; 32]), object }
}

async fn say(writer: &mut FrameWriter<&mut Taker>, all: &[Said]) -> Result<(), StreamError> {
    for said in all {
        match said {
            Said::Heartbeat(time) => writer.feed(&heartbeat(*time)).await?,
            Said::Put(object) => writer.feed(&put(object)).await?,
        }
    }
    writer.flush().await
}

fn bytes_of(all: &[Said], bytes_at_a_time: usize) -> Vec<u8> {
    let mut taker = Taker::new(bytes_at_a_time);
    now(say(&mut FrameWriter::new(&mut taker), all)).expect("the taker takes everything");
    taker.bytes
}

/// The frames of `bytes`, as one byte string each: kind and body.
async fn frames(source: Pieces) -> (Vec<(Kind, Vec<u8>)>, StreamError) {
    let mut reader = FrameReader::new(source);
    let mut frames = Vec::new();
    loop {
        match reader.next(|_| true).await {
            Ok(frame) => frames.push((frame.kind, frame.body.to_vec())),
            Err(end) => return (frames, end),
        }
    }
}

/// Runs what never waits.
fn now<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("it needs nothing");
    runtime.block_on(future)
}

/// What a future answers at once; one that would wait is given up.
fn at_once<T>(future: impl Future<Output = T>) -> Option<T> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => Some(answer),
        Poll::Pending => None,
    }
}

proptest! {
    #[test]
    fn any_split_gives_the_same_frames(
        all in said(),
        read in vec(1..5000_usize, 0..50),
        bytes_at_a_time in prop_oneof![1..9_usize, 1..99_999_usize],
    ) {
        let bytes = bytes_of(&all, bytes_at_a_time);
        let (frames, end) = now(frames(Pieces { bytes, sizes: read }));
        prop_assert_eq!(frames.len(), all.len());
        for ((kind, body), said) in frames.iter().zip(&all) {
            match said {
                Said::Heartbeat(time) => prop_assert_eq!(Heartbeat::decode(body)?, heartbeat(*time)),
                Said::Put(object) => prop_assert_eq!(Put::decode(body)?, put(object)),
            }
            prop_assert_eq!(*kind == Kind::Put, matches!(said, Said::Put(_)));
        }
        prop_assert_eq!(matches!(end, StreamError::Closed), true);
    }
}

#[test]
fn every_cut_is_told_from_a_close() {
    let all = [Said::Heartbeat(1), Said::Put(vec![2; 20]), Said::Heartbeat(3)];
    let bytes = bytes_of(&all, usize::MAX);
    let borders = [0, 16, 16 + 8 + 40 + 20, bytes.len()];
    for length in 0..=bytes.len() {
        let (frames, end) = now(frames(Pieces { bytes: bytes[..length].to_vec(), sizes: vec![] }));
        assert_eq!(frames.len(), borders.iter().filter(|border| **border <= length).count() - 1, "{length}");
        match borders.contains(&length) {
            true => assert!(matches!(end, StreamError::Closed), "{length}: {end}"),
            false => assert!(matches!(end, StreamError::Cut), "{length}: {end}"),
        }
        assert_eq!(end.code(), None);
    }
}

#[test]
fn a_body_that_is_not_awaited_is_not_read() {
    let bytes = bytes_of(&[Said::Heartbeat(1), Said::Put(vec![2; 99_999])], usize::MAX);
    let mut reader = FrameReader::new(Pieces { bytes, sizes: vec![8, 16] });
    assert_eq!(
        now(reader.next(|kind| kind == Kind::Heartbeat)).expect("it is awaited").kind,
        Kind::Heartbeat
    );
    let refused = now(reader.next(|kind| kind == Kind::Heartbeat)).expect_err("a put is not");
    assert!(matches!(refused, StreamError::Unexpected { kind: Kind::Put }));
    assert_eq!(refused.code(), Some(Code::UNEXPECTED_MESSAGE));
    assert_eq!(reader.source.bytes.len(), 99_999 + 40);
}

/// Memory follows what came, not what the header claims.
#[test]
fn a_length_that_lies_claims_no_memory() {
    let header = Header::new(Kind::Put, FRAME_BODY_BYTES_MAX).expect("the limit itself").encode();
    let bytes = [&header[..], &[0; 50_000]].concat();
    let mut reader = FrameReader::new(Pieces { bytes, sizes: vec![] });
    assert!(matches!(now(reader.next(|_| true)), Err(StreamError::Cut)));
    assert!(reader.buffer.capacity() <= 2 * 50_008, "{}", reader.buffer.capacity());
}

/// A connection that fell silent holds next to nothing, and still reads what comes next.
#[test]
fn a_reader_that_waits_holds_no_buffer() {
    let bytes = bytes_of(&[Said::Put(vec![2; 99_999]), Said::Heartbeat(1)], usize::MAX);
    let put_bytes = bytes.len() - FRAME_HEADER_BYTES - 8;
    let mut reader = FrameReader::new(Sleepy { bytes, awake_bytes: put_bytes });
    assert_eq!(now(reader.next(|_| true)).expect("it came").kind, Kind::Put);
    assert!(reader.buffer.capacity() > 99_999);
    reader.shrink();
    {
        let mut next = pin!(reader.next(|_| true));
        assert!(next.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    }
    assert!(reader.buffer.capacity() <= WAIT_BYTES, "{} while it waits", reader.buffer.capacity());
    reader.source.awake_bytes = usize::MAX;
    assert_eq!(now(reader.next(|_| true)).expect("it came").kind, Kind::Heartbeat);
}

/// A payload that is kept takes its buffer along, and what was read behind it stays.
#[test]
fn the_end_of_a_frame_is_taken() {
    for length in [0, 1, READ_BYTES - 1, READ_BYTES, 5 * READ_BYTES] {
        let object = vec![3; length];
        let all = [Said::Heartbeat(1), Said::Put(object.clone()), Said::Heartbeat(2), Said::Put(vec![4; 9])];
        let mut reader = FrameReader::new(Pieces { bytes: bytes_of(&all, usize::MAX), sizes: vec![] });
        now(reader.next(|_| true)).expect("it came");
        let frame = now(reader.next(|_| true)).expect("it came");
        assert!(frame.body.ends_with(&object));
        let lay_at = frame.body.as_ptr().addr();
        let taken = reader.take_end(length);
        assert_eq!(taken, object);
        if length >= READ_BYTES {
            let room = taken.as_ptr().addr()..taken.as_ptr().addr() + taken.capacity();
            assert!(room.contains(&lay_at), "it was copied");
            assert!(reader.buffer.capacity() <= 2 * READ_BYTES, "{}", reader.buffer.capacity());
        }
        assert_eq!(now(reader.next(|_| true)).expect("it came").kind, Kind::Heartbeat);
        assert_eq!(now(reader.next(|_| true)).expect("it came").body.last(), Some(&4));
        assert!(matches!(now(reader.next(|_| true)), Err(StreamError::Closed)));
    }
}

#[test]
fn a_header_that_lies_is_refused() {
    let one_too_many = u32::try_from(FRAME_BODY_BYTES_MAX + 1).expect("it fits").to_le_bytes();
    for (bytes, code) in [
        ([&one_too_many[..], &[3, 1, 0, 0]].concat(), Code::TOO_LARGE),
        (vec![9, 0, 0, 0, 0x80, 0, 0, 0], Code::TOO_LARGE),
        (vec![0, 0, 0, 0, 0xff, 0xff, 0, 0], Code::UNEXPECTED_MESSAGE),
        (vec![8, 0, 0, 0, 0x80, 0, 0, 1], Code::MALFORMED),
    ] {
        let (frames, end) = now(frames(Pieces { bytes, sizes: vec![] }));
        assert!(frames.is_empty());
        assert_eq!(end.code(), Some(code), "{end}");
    }
}

#[test]
fn an_object_is_written_from_where_it_lies() {
    let (small, large) = ([1; COPY_BYTES_MAX], [2; COPY_BYTES_MAX + 1]);
    let mut taker = Taker::new(usize::MAX);
    let mut writer = FrameWriter::new(&mut taker);
    now(writer.feed(&put(&small))).expect("it is collected");
    assert!(writer.target.bytes.is_empty(), "a small frame waits for others");
    now(writer.feed(&put(&large))).expect("it is written");
    assert_eq!(writer.target.bytes.len(), 2 * 48 + small.len() + large.len(), "a large one does not");
    assert!(taker.lay_at.contains(&large.as_ptr().addr()));
    assert!(!taker.lay_at.contains(&small.as_ptr().addr()));
}

#[test]
fn one_of_several_messages_is_sent_as_itself() {
    let object = [2; COPY_BYTES_MAX + 1];
    let (mut alone, mut several) = (Taker::new(usize::MAX), Taker::new(usize::MAX));
    now(FrameWriter::new(&mut alone).feed(&put(&object))).expect("it is written");
    now(FrameWriter::new(&mut several).feed(&FromClient::Put(put(&object)))).expect("it is written");
    assert_eq!(alone.bytes, several.bytes);
    assert!(several.lay_at.contains(&object.as_ptr().addr()));
}

#[test]
fn small_frames_are_written_in_batches() {
    let mut taker = Taker::new(usize::MAX);
    let mut writer = FrameWriter::new(&mut taker);
    for _ in 0..WRITE_BATCH_BYTES / 16 {
        now(writer.feed(&heartbeat(1))).expect("it is taken");
    }
    now(writer.flush()).expect("it is taken");
    assert_eq!(taker.bytes.len(), WRITE_BATCH_BYTES);
    assert_eq!(taker.lay_at.len(), 2, "one write, of the batch and of no payload");
}

#[test]
fn a_message_that_is_too_long_is_not_sent() {
    let object = vec![0; FRAME_BODY_BYTES_MAX - 39];
    let mut taker = Taker::new(usize::MAX);
    let mut writer = FrameWriter::new(&mut taker);
    let refused = now(writer.feed(&put(&object)));
    assert!(matches!(refused, Err(StreamError::Frame(FrameError::TooLarge { kind: Kind::Put, .. }))));
    now(writer.feed(&heartbeat(1))).expect("nothing was added");
    now(writer.flush()).expect("it is taken");
    assert_eq!(taker.bytes.len(), 16);
}

#[test]
fn a_reader_that_was_given_up_goes_on() {
    let (ours, theirs) = tokio::io::duplex(64);
    let mut reader = FrameReader::new(ours);
    let mut writer = FrameWriter::new(theirs);
    let object = vec![5; 1000];
    now(async {
        let reading = async {
            loop {
                // Each turn gives a call up as soon as it would wait.
                let mut next = Box::pin(reader.next(|_| true));
                let polled = std::future::poll_fn(|context| Poll::Ready(next.as_mut().poll(context))).await;
                if let Poll::Ready(frame) = polled {
                    return frame.map(|frame| frame.body.len());
                }
                drop(next);
                tokio::task::yield_now().await;
            }
        };
        let writing = async {
            writer.feed(&put(&object)).await?;
            writer.flush().await
        };
        let (read, written) = tokio::join!(reading, writing);
        written.expect("the reader takes it");
        assert_eq!(read.expect("it comes"), 40 + object.len());
    });
}

#[test]
fn a_writer_that_was_given_up_is_broken() {
    let (_ours, theirs) = tokio::io::duplex(64);
    let mut writer = FrameWriter::new(theirs);
    let object = vec![5; 99_999];
    assert!(at_once(writer.feed(&put(&object))).is_none(), "it waits for the other side");
    assert!(matches!(at_once(writer.feed(&put(&object))), Some(Err(StreamError::Broken))));
    assert!(matches!(at_once(writer.flush()), Some(Err(StreamError::Broken))));
}
