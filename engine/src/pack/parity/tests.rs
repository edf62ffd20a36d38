use proptest::collection::vec;
use proptest::prelude::any;
use proptest::prop_assert;
use proptest::prop_assert_eq;
use proptest::proptest;
use proptest::sample::Index;

use super::BLOCK;
use super::Code;
use super::Encoders;
use super::Layout;
use super::Parity;
use super::Table;
use super::restore;
use crate::limits::BLOCK_BYTES;

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// As many blocks as that, no two alike.
fn blocks(seed: u64, count: usize) -> Vec<u8> {
    let mut bytes = vec![0; count * BLOCK_BYTES];
    blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof().fill(&mut bytes);
    bytes
}

fn parity(blocks: &[u8], parity_blocks: usize) -> Vec<u8> {
    let mut parity = Vec::new();
    Code::default().encode(blocks, parity_blocks, &mut parity);
    assert_eq!(parity.len(), parity_blocks * BLOCK_BYTES);
    parity
}

#[test]
fn golden_table() {
    let table = Table { thousandths: 10, blocks: vec![1, 0x0203_0405], parity: vec![0xf0] };
    let (bytes, hash) = table.encode();
    assert_eq!(bytes.len(), BLOCK_BYTES);
    let (before, padding) = bytes.split_at(16 + 3 * 4 + 32);
    assert_eq!(
        hex(before),
        [
            "464b7074",
            "0a000000",
            "02000000",
            "01000000",
            "01000000",
            "05040302",
            "f0000000",
            &hex(hash.as_bytes())
        ]
        .concat()
    );
    assert_eq!(hex(hash.as_bytes()), "b245035f14bc740bd4addd6dc39d997c6985060fd4e17547b5596d7b135a8499");
    assert!(padding.iter().all(|byte| *byte == 0));
}

/// The code is the crate's. Whoever changes the crate finds out here whether old packs can be mended still.
#[test]
fn golden_parity_blocks() {
    let hash = |blocks: usize, parity_blocks| {
        let parity = parity(&self::blocks(7, blocks), parity_blocks);
        hex(&blake3::hash(&parity).as_bytes()[..8])
    };
    assert_eq!(
        [hash(3, 1), hash(3, 2), hash(300, 3), hash(2048, 21)],
        ["9ac9ccfd8477da18", "76e56c109cb553fe", "4d1e8d5e61af9f04", "113e85a021b2ec35"]
    );
}

/// Two elements of GF(2^16), so that the field and the order of the bytes are pinned and not their hash alone.
#[test]
fn golden_elements() {
    let mut two = vec![0; 2 * BLOCK_BYTES];
    two[0] = 1;
    let parity = parity(&two, 2);
    let element = |block: usize| (parity[block * BLOCK_BYTES], parity[block * BLOCK_BYTES + 32]);
    assert_eq!((element(0), element(1)), ((3, 0), (2, 0)));
}

#[test]
fn one_parity_block_is_the_sum_also_to_the_crate() {
    for count in [1, 2, 3, 100] {
        let blocks = blocks(count as u64, count);
        let mut many = Vec::new();
        Code::default().encode_many(&blocks, 1, &mut many).expect("encoded");
        assert_eq!(parity(&blocks, 1), many);
    }
}

#[test]
fn more_than_there_is_parity_for_is_not_restored() {
    let mut window = blocks(1, 20);
    let parity = parity(&window, 2);
    let (one, two) = parity.split_at(BLOCK_BYTES);
    let before = window.clone();
    assert!(!restore(&mut window, &[0, 1, 2], &[Some(one), Some(two)]));
    assert!(!restore(&mut window, &[0, 1], &[Some(one), None]));
    assert!(!restore(&mut window, &[0], &[None, None]));
    assert_eq!(window, before);
    assert!(restore(&mut window, &[], &[None, None]));
    assert!(restore(&mut window, &[3], &[None, Some(two)]));
    assert_eq!(window, before);
}

#[test]
fn a_table_is_that_of_its_extent_only() {
    let table = Table { thousandths: 10, blocks: vec![7; 5], parity: vec![8] };
    let (bytes, hash) = table.encode();
    let layout = Layout { start: 4096 * 3, blocks: 5, thousandths: 10 };
    let parity = Parity { thousandths: 10, hash };
    assert_eq!(Table::parse_of(&layout, &parity, &bytes), Ok(table));
    for other in [
        Layout { blocks: 4, ..layout },
        Layout { blocks: 101, ..layout },
        Layout { thousandths: 11, ..layout },
    ] {
        assert!(Table::parse_of(&other, &parity, &bytes).is_err(), "{other:?}");
    }
    for at in 0..bytes.len() {
        let mut bytes = bytes.clone();
        bytes[at] ^= 1;
        assert!(Table::parse_of(&layout, &parity, &bytes).is_err(), "byte {at}");
    }
    assert!(Table::parse_of(&layout, &parity, &bytes[..40]).is_err());
    assert!(Table::parse_of(&layout, &parity, &bytes[..4095]).is_err());
}

proptest! {
    #[test]
    fn lost_blocks_come_back(
        count in 1_usize..260,
        parity_blocks in 1_usize..24,
        seed in any::<u64>(),
        lost in vec(any::<Index>(), 0..24),
        lost_parity in vec(any::<Index>(), 0..12),
    ) {
        let wanted = blocks(seed, count);
        let parity = parity(&wanted, parity_blocks);
        let mut lost: Vec<usize> = lost.iter().map(|index| index.index(count)).collect();
        lost.sort_unstable();
        lost.dedup();
        let gone: Vec<usize> = lost_parity.iter().map(|index| index.index(parity_blocks)).collect();
        let parts = parity.chunks_exact(BLOCK_BYTES).enumerate();
        let parts: Vec<_> = parts.map(|(at, part)| (!gone.contains(&at)).then_some(part)).collect();
        let enough = lost.len() <= parts.iter().flatten().count();
        let mut found = wanted.clone();
        for at in &lost {
            found[at * BLOCK_BYTES..][..BLOCK_BYTES].fill(0xee);
        }
        prop_assert_eq!(restore(&mut found, &lost, &parts), enough);
        prop_assert_eq!(found == wanted, enough || lost.is_empty());
    }

    #[test]
    fn what_is_written_in_parts_has_the_parity_of_the_whole(
        bytes in 1_usize..3_000_000,
        cuts in vec(any::<Index>(), 0..6),
        thousandths in 1_u16..=200,
    ) {
        let whole = blocks(3, bytes.div_ceil(BLOCK_BYTES));
        let whole = &whole[..bytes];
        let follow = |cuts: &[usize]| {
            let mut encoder = Encoders::default().encoder(thousandths).expect("there is parity");
            let mut start = 0;
            for end in cuts.iter().copied().chain([bytes]) {
                encoder.write(&whole[start..end]);
                start = end;
            }
            let mut behind = Vec::new();
            let parity = encoder.finish(|part| {
                behind.extend_from_slice(part);
                Ok::<_, ()>(())
            });
            (parity.expect("nothing fails"), behind)
        };
        let mut cuts: Vec<usize> = cuts.iter().map(|index| index.index(bytes)).collect();
        cuts.sort_unstable();
        let (parity, behind) = follow(&cuts);
        prop_assert_eq!(&(parity, behind.clone()), &follow(&[]));

        let summary_end = 8192 + u32::try_from(bytes.next_multiple_of(BLOCK_BYTES)).expect("small");
        let layout = Layout::before(8192, summary_end, thousandths);
        prop_assert_eq!(layout.end() - summary_end, u32::try_from(behind.len()).expect("small"));
        let table = Table::parse_of(&layout, &parity, &behind[..layout.table_bytes() as usize]);
        prop_assert!(table.is_ok());
    }

    #[test]
    fn windows_cover_every_block_once(blocks in 1_u32..16_000, thousandths in 1_u16..=200) {
        let layout = Layout { start: 0, blocks, thousandths };
        let (mut next, mut next_parity) = (0, 0);
        for window in layout.windows() {
            prop_assert_eq!((window.first, window.parity_first), (next, next_parity));
            prop_assert!(window.blocks > 0 && window.parity_blocks > 0);
            prop_assert!(window.parity_blocks * 1000 >= window.blocks * u32::from(thousandths));
            next += window.blocks;
            next_parity += window.parity_blocks;
        }
        prop_assert_eq!((next, next_parity), (blocks, layout.parity_blocks()));
        let [first, second] = layout.tables();
        prop_assert_eq!(layout.parity_block(0), first + layout.table_bytes());
        prop_assert_eq!(layout.parity_block(next_parity), second);
        prop_assert_eq!(layout.end(), second + layout.table_bytes());
        prop_assert_eq!(layout.block(blocks) / BLOCK, blocks);
    }
}
