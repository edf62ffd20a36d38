//! Keys, parameters and data for the tests of this room.

use crate::id::RepositoryId;
use crate::key::DomainKeys;
use crate::key::DomainSecret;
use crate::key::ReaderSecret;
use crate::parameters::Chunker;
use crate::parameters::Compression;
use crate::parameters::Parameters;
use crate::time::Time;

pub(crate) fn keys() -> DomainKeys {
    DomainKeys::derive(&DomainSecret::from_bytes([7; 32]), RepositoryId::from_bytes([1; 32]))
}

pub(crate) fn other_keys() -> DomainKeys {
    DomainKeys::derive(&DomainSecret::from_bytes([8; 32]), RepositoryId::from_bytes([1; 32]))
}

pub(crate) fn parameters([min, average, max]: [u32; 3]) -> Parameters {
    Parameters {
        repository: RepositoryId::from_bytes([1; 32]),
        created: Time::default(),
        chunker: Chunker::FastCdcKeyed { min, average, max },
        image_chunk_bytes: 4096,
        bundle_bytes_target: 512 << 10,
        compression: Compression::at_level(3),
        reader_public: ReaderSecret::from_bytes([0xe0; 32]).public(),
    }
}

/// Bytes that repeat nowhere.
pub(crate) fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof().fill(&mut bytes);
    bytes
}
