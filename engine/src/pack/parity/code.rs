//! The code by which parity blocks follow from blocks, and lost blocks from both ([`Code`]).
//!
//! Reed-Solomon over GF(2^16) as in Leopard (Lin, Al-Naffouri, Han, Chung: "FFT Algorithm for Binary Extension Finite
//! Fields and Its Application to Reed-Solomon Codes", 2016), by the crate `reed-solomon-simd` in its high rate. It mends
//! as many blocks as there are parity blocks, wherever they are. One parity block is the sum of the blocks, so then
//! the crate with its large tables is not asked: most runs store little.

use reed_solomon_simd::Error;
use reed_solomon_simd::engine::DefaultEngine;
use reed_solomon_simd::rate::HighRateDecoder;
use reed_solomon_simd::rate::HighRateEncoder;
use reed_solomon_simd::rate::RateDecoder;
use reed_solomon_simd::rate::RateEncoder;

use crate::limits::BLOCK_BYTES;

/// Computes parity. Its memory is used again.
#[derive(Default)]
pub(in crate::pack) struct Code {
    encoder: Option<HighRateEncoder<DefaultEngine>>,
}

impl Code {
    /// Adds the parity blocks of a window to `parity`.
    pub(in crate::pack) fn encode(&mut self, blocks: &[u8], parity_blocks: usize, parity: &mut Vec<u8>) {
        if parity_blocks == 1 {
            let start = parity.len();
            parity.resize(start + BLOCK_BYTES, 0);
            blocks.chunks_exact(BLOCK_BYTES).for_each(|block| add(&mut parity[start..], block));
            return;
        }
        self.encode_many(blocks, parity_blocks, parity).expect("a window is within the limits of the code");
    }

    pub(super) fn encode_many(
        &mut self,
        blocks: &[u8],
        parity_blocks: usize,
        parity: &mut Vec<u8>,
    ) -> Result<(), Error> {
        let count = blocks.len() / BLOCK_BYTES;
        let mut encoder = match self.encoder.take() {
            None => HighRateEncoder::new(count, parity_blocks, BLOCK_BYTES, DefaultEngine::new(), None)?,
            Some(mut encoder) => {
                encoder.reset(count, parity_blocks, BLOCK_BYTES)?;
                encoder
            }
        };
        for block in blocks.chunks_exact(BLOCK_BYTES) {
            encoder.add_original_shard(block)?;
        }
        for block in encoder.encode()?.recovery_iter() {
            parity.extend_from_slice(block);
        }
        self.encoder = Some(encoder);
        Ok(())
    }
}

/// Puts lost blocks of a window back into `blocks`, where anything may stand in their places. `lost` are their numbers;
/// `parity` holds for each parity block its bytes, or nothing where those are lost too. False if too many are.
pub(in crate::pack) fn restore(blocks: &mut [u8], lost: &[usize], parity: &[Option<&[u8]>]) -> bool {
    if lost.len() > parity.iter().flatten().count() {
        return false;
    }
    match (lost, parity) {
        ([], _) => true,
        ([lost], [Some(sum)]) => {
            let mut missing = sum.to_vec();
            let present = blocks.chunks_exact(BLOCK_BYTES).enumerate().filter(|(number, _)| number != lost);
            present.for_each(|(_, block)| add(&mut missing, block));
            blocks[lost * BLOCK_BYTES..][..BLOCK_BYTES].copy_from_slice(&missing);
            true
        }
        _ => {
            restore_many(blocks, lost, parity).expect("a window is within the limits of the code");
            true
        }
    }
}

fn restore_many(blocks: &mut [u8], lost: &[usize], parity: &[Option<&[u8]>]) -> Result<(), Error> {
    let count = blocks.len() / BLOCK_BYTES;
    let mut decoder = HighRateDecoder::new(count, parity.len(), BLOCK_BYTES, DefaultEngine::new(), None)?;
    for (number, block) in blocks.chunks_exact(BLOCK_BYTES).enumerate() {
        if !lost.contains(&number) {
            decoder.add_original_shard(number, block)?;
        }
    }
    for (number, block) in parity.iter().enumerate() {
        if let Some(block) = block {
            decoder.add_recovery_shard(number, block)?;
        }
    }
    for (number, block) in decoder.decode()?.restored_original_iter() {
        blocks[number * BLOCK_BYTES..][..BLOCK_BYTES].copy_from_slice(block);
    }
    Ok(())
}

fn add(sum: &mut [u8], block: &[u8]) {
    sum.iter_mut().zip(block).for_each(|(sum, byte)| *sum ^= byte);
}
