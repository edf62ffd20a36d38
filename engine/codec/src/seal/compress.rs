//! The payload of an object: its plaintext, compressed where that shrinks it.
//!
//! What comes out depends on plaintext, settings and library alone: not on what the context did before, nor on the
//! size of a buffer, since both would make equal plaintexts unequal objects.

use zstd::zstd_safe::CCtx;
use zstd::zstd_safe::CParameter;
use zstd::zstd_safe::DCtx;
use zstd::zstd_safe::Strategy;
use zstd::zstd_safe::compress_bound;

use crate::parameters::Compression;

/// Bytes of the sample that decides whether compressing is tried, and of the pieces that it is taken in.
const SAMPLE_BYTES: usize = 4096;
const SAMPLE_PIECES: usize = 64;
/// Up to this sum of squared counts, the sample's bytes look like dice. For true dice the sum is 69,616 with a
/// deviation of 361; a sample at the limit has 7.93 bits per byte or more, so that an entropy coder gains 1 %.
const LOOKS_RANDOM_MAX: u64 = 72_000;

/// How a payload stands for its plaintext.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Codec {
    /// The plaintext as it is.
    Raw = 0,
    /// One frame of zstd (RFC 8878).
    Zstd = 1,
}

impl Codec {
    pub(super) const fn number(self) -> u8 {
        self as u8
    }

    pub(super) const fn from_number(number: u8) -> Option<Self> {
        match number {
            0 => Some(Self::Raw),
            1 => Some(Self::Zstd),
            _ => None,
        }
    }
}

pub(super) struct Compressor {
    context: CCtx<'static>,
    frame: Vec<u8>,
}

impl Compressor {
    pub(super) fn new(settings: &Compression) -> Self {
        let mut context = CCtx::create();
        for parameter in parameters(settings) {
            context.set_parameter(parameter).expect("settings within the library's bounds");
        }
        Self { context, frame: Vec::new() }
    }

    /// The payload for `plain`, which lies in `plain` itself or in this compressor until the next call.
    pub(super) fn compress<'a>(&'a mut self, plain: &'a [u8]) -> (Codec, &'a [u8]) {
        if looks_random(plain) {
            return (Codec::Raw, plain);
        }
        let room = compress_bound(plain.len());
        if self.frame.len() < room {
            self.frame.resize(room, 0);
        }
        // Exactly this much room whatever the buffer has: near the end of its room the library chooses differently.
        let written = self.context.compress2(&mut self.frame[..room], plain);
        let written = written.expect("there is room for the worst case");
        if written < plain.len() { (Codec::Zstd, &self.frame[..written]) } else { (Codec::Raw, plain) }
    }
}

/// Makes `plain` the `plain_bytes` bytes that `payload` stands for, or returns nothing if it stands for others.
/// Memory is claimed for `plain_bytes` alone, which the caller has bounded.
pub(super) fn decompress(
    context: &mut DCtx<'static>,
    codec: Codec,
    payload: &[u8],
    plain_bytes: usize,
    plain: &mut Vec<u8>,
) -> Option<()> {
    plain.clear();
    match codec {
        Codec::Raw => plain.extend_from_slice(payload),
        Codec::Zstd => {
            plain.reserve(plain_bytes);
            context.decompress(plain, payload).ok()?;
        }
    }
    (plain.len() == plain_bytes).then_some(())
}

/// Nothing that the object says anyway: no content size, no checksum, no dictionary's number.
fn parameters(settings: &Compression) -> Vec<CParameter> {
    let chosen =
        |setting: u8, parameter: fn(u32) -> CParameter| (setting != 0).then(|| parameter(u32::from(setting)));
    let mut parameters = vec![
        CParameter::CompressionLevel(settings.level),
        CParameter::ContentSizeFlag(false),
        CParameter::ChecksumFlag(false),
        CParameter::DictIdFlag(false),
    ];
    parameters.extend(chosen(settings.window_log, CParameter::WindowLog));
    parameters.extend(chosen(settings.hash_log, CParameter::HashLog));
    parameters.extend(chosen(settings.chain_log, CParameter::ChainLog));
    parameters.extend(chosen(settings.search_log, CParameter::SearchLog));
    parameters.extend(chosen(settings.min_match, CParameter::MinMatch));
    parameters.extend(strategy(settings.strategy).map(CParameter::Strategy));
    if settings.target_length != 0 {
        parameters.push(CParameter::TargetLength(settings.target_length));
    }
    parameters
}

fn strategy(number: u8) -> Option<Strategy> {
    let strategies = [
        Strategy::ZSTD_fast,
        Strategy::ZSTD_dfast,
        Strategy::ZSTD_greedy,
        Strategy::ZSTD_lazy,
        Strategy::ZSTD_lazy2,
        Strategy::ZSTD_btlazy2,
        Strategy::ZSTD_btopt,
        Strategy::ZSTD_btultra,
        Strategy::ZSTD_btultra2,
    ];
    strategies.get(usize::from(number).checked_sub(1)?).copied()
}

/// Whether a sample of `plain`, in pieces spread evenly from its first byte to its last, looks like dice: compressed,
/// encrypted and random data do, and compressing them again only costs time. In whole numbers, so that every machine
/// decides alike.
fn looks_random(plain: &[u8]) -> bool {
    let piece_bytes = SAMPLE_BYTES / SAMPLE_PIECES;
    let Some(last) = plain.len().checked_sub(piece_bytes) else { return false };
    if plain.len() < SAMPLE_BYTES {
        return false;
    }
    // Two tables, so that equal neighbours do not wait for one another.
    let mut counts = [[0_u32; 256]; 2];
    for piece in 0..SAMPLE_PIECES {
        let start = last * piece / (SAMPLE_PIECES - 1);
        for pair in plain[start..start + piece_bytes].as_chunks::<2>().0 {
            counts[0][usize::from(pair[0])] += 1;
            counts[1][usize::from(pair[1])] += 1;
        }
    }
    let [even, odd] = counts;
    let squares = even.iter().zip(odd).map(|(even, odd)| u64::from(even + odd).pow(2));
    squares.sum::<u64>() <= LOOKS_RANDOM_MAX
}
