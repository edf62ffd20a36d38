use proptest::prelude::Strategy;
use proptest::prelude::any;
use proptest::prop_assert_eq;
use proptest::prop_oneof;
use proptest::proptest;
use proptest::strategy::Just;

use super::Chunker;
use super::Compression;
use super::Parameters;
use super::ParametersError;
use super::TABLE;
use crate::envelope;
use crate::envelope::EnvelopeError;
use crate::id::RepositoryId;
use crate::key::ReaderSecret;
use crate::limits::FORMAT_VERSION;
use crate::time::Time;

fn parameters() -> Parameters {
    Parameters {
        repository: RepositoryId::from_bytes([0x22; 32]),
        created: Time::from_nanoseconds(1_700_000_000_000_000_000),
        chunker: Chunker::FastCdcKeyed { min: 256 << 10, average: 1 << 20, max: 4 << 20 },
        image_chunk_bytes: 256 << 10,
        bundle_bytes_target: 512 << 10,
        compression: Compression {
            library: 10507,
            level: -3,
            strategy: 2,
            window_log: 19,
            hash_log: 17,
            chain_log: 16,
            search_log: 1,
            min_match: 5,
            target_length: 300,
        },
        reader_public: ReaderSecret::from_bytes([0xe0; 32]).public(),
    }
}

fn either(least: u8, most: u8) -> impl Strategy<Value = u8> {
    prop_oneof![Just(0), least..=most]
}

fn some_parameters() -> impl Strategy<Value = Parameters> {
    let lengths = (64_u32..=8 << 20, 256_u32..=8 << 20, 1024_u32..=8 << 20)
        .prop_filter("rising", |(min, average, max)| min <= average && average <= max);
    let logs = (either(10, 23), either(6, 24), either(6, 24), either(1, 22), either(3, 7), either(1, 9));
    let compression = (any::<u32>(), -7..=22, logs, 0_u32..=128 << 10).prop_map(
        |(
            library,
            level,
            (window_log, hash_log, chain_log, search_log, min_match, strategy),
            target_length,
        )| {
            Compression {
                library,
                level,
                strategy,
                window_log,
                hash_log,
                chain_log,
                search_log,
                min_match,
                target_length,
            }
        },
    );
    let sizes = (1024_u32..=8 << 20, 1024_u32..=4 << 20);
    (any::<[u8; 32]>(), any::<i64>(), lengths, sizes, compression).prop_map(
        |(repository, created, (min, average, max), sizes, compression)| Parameters {
            repository: RepositoryId::from_bytes(repository),
            created: Time::from_nanoseconds(created),
            chunker: Chunker::FastCdcKeyed { min, average, max },
            image_chunk_bytes: sizes.0,
            bundle_bytes_target: sizes.1,
            compression,
            ..parameters()
        },
    )
}

proptest! {
    #[test]
    fn parameters_come_back(parameters in some_parameters()) {
        prop_assert_eq!(Parameters::parse(&parameters.encode())?, parameters);
    }

    #[test]
    fn parameters_that_parse_encode_to_the_same_bytes(flips in proptest::collection::vec((0_usize..110, any::<u8>()), 0..4)) {
        let mut body = envelope::body(&TABLE, &parameters().encode())?.to_vec();
        flips.iter().for_each(|(at, byte)| body[*at] = *byte);
        let bytes = envelope::wrap(&TABLE, &body);
        if let Ok(parameters) = Parameters::parse(&bytes) {
            prop_assert_eq!(parameters.encode(), bytes);
        }
    }
}

#[test]
fn every_flipped_bit_and_every_other_length_is_refused() {
    let bytes = parameters().encode();
    for at in 0..bytes.len() * 8 {
        let mut altered = bytes.clone();
        altered[at / 8] ^= 1 << (at % 8);
        assert!(Parameters::parse(&altered).is_err(), "bit {at}");
    }
    for length in 0..bytes.len() {
        assert!(Parameters::parse(&bytes[..length]).is_err(), "{length}");
    }
    assert!(Parameters::parse(&[bytes.as_slice(), &[0]].concat()).is_err());
}

#[test]
fn a_later_version_is_named() {
    let mut bytes = parameters().encode();
    bytes[6] = 3;
    let checksum = blake3::hash(&bytes[..12]);
    bytes[12..16].copy_from_slice(&checksum.as_bytes()[..4]);
    let newer =
        EnvelopeError::NewerFormat { table: "repository's parameters", found: 3, known: FORMAT_VERSION };
    assert_eq!(Parameters::parse(&bytes), Err(newer.into()));
}

#[test]
fn unknown_parts_are_named() {
    let body = envelope::body(&TABLE, &parameters().encode()).expect("intact").to_vec();
    for (known, role, name) in [
        ("fastcdc-keyed", "chunker", "fastcdc-kexed"),
        ("zstd", "compression", "zs7d"),
        ("x-wing", "reader key", "x-ring"),
    ] {
        let at = body.windows(known.len()).position(|window| window == known.as_bytes()).expect("named");
        let mut other = body.clone();
        other[at..at + known.len()].copy_from_slice(name.as_bytes());
        let refused = Parameters::parse(&envelope::wrap(&TABLE, &other));
        assert_eq!(refused, Err(ParametersError::Unknown { role, name: name.to_owned() }));
    }
}

#[test]
fn hostile_numbers_are_refused() {
    let level = Compression::at_level(3);
    let fastcdc = |min, average, max| Chunker::FastCdcKeyed { min, average, max };
    let with = |compression| Parameters { compression, ..parameters() };
    for hostile in [
        Parameters { chunker: fastcdc(0, 1 << 20, 4 << 20), ..parameters() },
        Parameters { chunker: fastcdc(4096, 2048, 8192), ..parameters() },
        Parameters { chunker: fastcdc(4096, 9000, 8192), ..parameters() },
        Parameters { chunker: fastcdc(4096, 8192, u32::MAX), ..parameters() },
        Parameters { image_chunk_bytes: 0, ..parameters() },
        Parameters { image_chunk_bytes: (8 << 20) + 1, ..parameters() },
        Parameters { bundle_bytes_target: (4 << 20) + 1, ..parameters() },
        with(Compression { level: 23, ..level }),
        with(Compression { level: -8, ..level }),
        with(Compression { strategy: 10, ..level }),
        with(Compression { window_log: 24, ..level }),
        with(Compression { hash_log: 25, ..level }),
        with(Compression { chain_log: 5, ..level }),
        with(Compression { search_log: 23, ..level }),
        with(Compression { min_match: 2, ..level }),
        with(Compression { target_length: (128 << 10) + 1, ..level }),
    ] {
        let refused = Parameters::parse(&hostile.encode());
        let malformed = matches!(refused, Err(ParametersError::Envelope(EnvelopeError::Malformed(_))));
        assert!(malformed, "{hostile:?}: {refused:?}");
    }
}

#[test]
fn a_reader_key_that_is_none_is_refused() {
    let body = envelope::body(&TABLE, &parameters().encode()).expect("intact").to_vec();
    let key_at = body.len() - crate::key::READER_PUBLIC_BYTES;
    let mut other = body;
    other[key_at..key_at + 300].fill(0xff);
    let refused = Parameters::parse(&envelope::wrap(&TABLE, &other));
    assert!(matches!(refused, Err(ParametersError::Envelope(EnvelopeError::Malformed(_)))), "{refused:?}");
}

#[test]
fn golden_bytes() {
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let bytes = parameters().encode();
    let key_at = bytes.len() - crate::key::READER_PUBLIC_BYTES - 16;
    let front = [
        "464b636f6e66_0100_28050000_d402b167",
        "2222222222222222222222222222222222222222222222222222222222222222_00002a36fe9c9717",
        "0d666173746364632d6b65796564_00000400_00001000_00004000",
        "00000400_00000800",
        "047a737464_0b290000_fdffffff_02_13_11_10_01_05_2c010000",
        "06782d77696e67",
    ];
    assert_eq!(hex(&bytes[..key_at]), front.concat().replace('_', ""));
    let key = "8289aeb09390aeb49debd89472c51eeb1bc09b258c3bc5b05f168e44507ce2e5";
    assert_eq!(hex(&bytes[key_at..key_at + 32]), key);
    assert_eq!(hex(&bytes[bytes.len() - 16..]), "c8622064dc87c47bffb891bac998c069");
}
