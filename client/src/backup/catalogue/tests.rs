use farkeep_codec::id::ContentHash;
use farkeep_codec::id::ContentId;
use farkeep_codec::id::ObjectId;
use farkeep_codec::id::RepositoryId;
use farkeep_codec::id::Seed;
use farkeep_codec::key::DomainKeys;
use farkeep_codec::key::DomainSecret;
use farkeep_codec::key::Epoch;
use farkeep_codec::layout::Reader;
use farkeep_codec::layout::Writer;
use farkeep_codec::object::Pointer;
use proptest::collection::btree_map;
use proptest::collection::vec;
use proptest::prelude::Just;
use proptest::prelude::Strategy;
use proptest::prelude::any;
use proptest::prop_assert;
use proptest::prop_assert_eq;
use proptest::prop_oneof;
use proptest::proptest;

use super::BundleNumber;
use super::Bundles;
use super::CatalogueError;
use super::CatalogueWriter;
use super::Leftovers;
use super::Placement;
use super::Previous;
use super::Row;
use super::RowContent;
use super::Rows;
use super::Stamp;
use super::Trailer;
use super::block::BLOCK_HEADER_BYTES;

fn keys() -> DomainKeys {
    DomainKeys::derive(&DomainSecret::from_bytes([1; 32]), RepositoryId::from_bytes([2; 32]))
}

fn open(folder: &std::path::Path) -> Previous {
    Previous::open(folder, &keys(), Leftovers::TakeOver)
}

fn pointer(byte: u8) -> Pointer {
    Pointer {
        id: ObjectId::from_bytes([byte; 32]),
        seed: Seed::from_bytes([byte; 32]),
        plain_bytes: 1 << 19,
        epoch: Epoch::FIRST,
    }
}

fn trailer() -> Trailer {
    Trailer { root: pointer(9), content: ContentId::from_bytes([3; 32]) }
}

fn content() -> impl Strategy<Value = RowContent> {
    prop_oneof![
        Just(RowContent::None),
        (0..4_u32, any::<u32>(), any::<bool>()).prop_map(|(number, offset, borrowed)| {
            RowContent::Slice(Placement { bundle: BundleNumber(number), offset, borrowed })
        }),
        vec(any::<u8>(), 0..4)
            .prop_map(|bytes| RowContent::Chunks(bytes.into_iter().map(pointer).collect(), Vec::new())),
        any::<u8>().prop_map(|byte| RowContent::List(pointer(byte), byte, Vec::new())),
    ]
}

/// Rows in path order; a few of them are long, so that there are several blocks.
fn rows() -> impl Strategy<Value = Vec<Row>> {
    let row = (any::<[u64; 2]>(), any::<bool>(), content(), 0..40_000_usize);
    btree_map(vec(b'a'..b'd', 1..6), row, 0..24).prop_map(|rows| {
        rows.into_iter()
            .map(|(path, ([inode, bytes], settled, content, detail))| {
                let [byte, ..] = inode.to_le_bytes();
                Row {
                    hash: (content != RowContent::None).then_some(ContentHash::from_bytes([byte; 32])),
                    path,
                    stamp: Stamp { inode, bytes, ..Stamp::default() },
                    settled,
                    detail: vec![byte; detail],
                    content,
                }
            })
            .collect()
    })
}

fn read_all(previous: &Previous) -> Vec<Row> {
    taken(&mut previous.rows())
}

fn taken(rows: &mut Rows) -> Vec<Row> {
    let mut all = Vec::new();
    while let Some(row) = rows.peek() {
        all.push(row.clone());
        rows.advance();
    }
    all
}

/// Where the block ends that lies in front of the one with this byte.
fn end_of_block_before(bytes: &[u8], place: usize) -> usize {
    let mut end = 0;
    while let Some(length) = bytes.get(end + 1..end + 5) {
        let length = u32::from_le_bytes(length.try_into().expect("four bytes"));
        let next = end + BLOCK_HEADER_BYTES + usize::try_from(length).expect("a length");
        if next > place {
            break;
        }
        end = next;
    }
    end
}

/// All rows, if they come to their end.
fn whole(mut rows: Rows) -> Result<Vec<Row>, CatalogueError> {
    let all = taken(&mut rows);
    rows.finish().map(|()| all)
}

/// Writes `next` as a run does that finds `previous` and sees which rows are unchanged.
fn write(folder: &std::path::Path, next: &[Row]) -> CatalogueWriter {
    let previous = open(folder);
    let mut writer = CatalogueWriter::begin(folder, &previous, previous.bundles(), [5; 16]).expect("space");
    let mut rows = previous.rows();
    for row in next {
        while rows.peek().is_some_and(|old| old.path < row.path) {
            writer.diverge().expect("space");
            rows.advance();
        }
        if rows.peek() == Some(row) {
            writer.keep(row, rows.position()).expect("space");
            rows.advance();
        } else {
            writer.put(row).expect("space");
            if rows.peek().is_some_and(|old| old.path == row.path) {
                rows.advance();
            }
        }
    }
    if rows.peek().is_some() {
        writer.diverge().expect("space");
    }
    writer
}

fn complete(folder: &std::path::Path, next: &[Row]) {
    let writer = write(folder, next);
    if !writer.is_unchanged() {
        writer.finish(&trailer(), &Bundles::default()).expect("space");
    }
}

proptest! {
    #![proptest_config(proptest::test_runner::Config::with_cases(64))]

    #[test]
    fn a_chain_of_runs_reads_back_the_rows_of_the_last(chain in vec(rows(), 1..5)) {
        let folder = tempfile::tempdir()?;
        for next in &chain {
            complete(folder.path(), next);
            prop_assert_eq!(&read_all(&open(folder.path())), next);
        }
        let last = chain.last().expect("at least one");
        prop_assert!(last.is_empty() || write(folder.path(), last).is_unchanged());
    }

    #[test]
    fn a_run_that_is_cut_is_continued_where_it_stopped(first in rows(), second in rows(), at in 0..24_usize) {
        let folder = tempfile::tempdir()?;
        complete(folder.path(), &first);
        let done = &second[..at.min(second.len())];
        let previous = open(folder.path());
        let mut writer = write(folder.path(), done);
        writer.bundle(BundleNumber(7), &pointer(7))?;
        drop(writer.written(&previous)?);
        drop(writer);
        let previous = open(folder.path());
        prop_assert!(previous.was_cut());
        prop_assert_eq!(previous.bundles().pointer(BundleNumber(7)), Some(&pointer(7)));
        let reached = done.last().map(|row| row.path.clone()).unwrap_or_default();
        let mut expected = done.to_vec();
        expected.extend(first.into_iter().filter(|row| row.path > reached));
        prop_assert_eq!(read_all(&previous), expected);
    }

    #[test]
    fn rows_of_a_growing_catalogue_come_whole_or_the_end_says_so(rows in rows(), place: u64, bit in 0..9_u32) {
        let folder = tempfile::tempdir()?;
        let previous = open(folder.path());
        let mut writer = write(folder.path(), &rows);
        prop_assert_eq!(whole(writer.written(&previous)?)?, rows.clone());
        let path = folder.path().join("catalogue.new");
        let mut bytes = std::fs::read(&path)?;
        let place = usize::try_from(place % bytes.len() as u64).expect("a length");
        if bit == 8 {
            bytes.truncate(end_of_block_before(&bytes, place));
        } else {
            bytes[place] ^= 1_u8 << bit;
        }
        std::fs::write(&path, bytes)?;
        let read = writer.written(&previous).and_then(whole);
        prop_assert!(read.is_err() || read.is_ok_and(|read| read == rows), "byte {}", place);
    }

    #[test]
    fn a_damaged_catalogue_never_gives_other_rows(rows in rows(), place: u64, bit in 0..8_u32) {
        let folder = tempfile::tempdir()?;
        complete(folder.path(), &rows);
        let path = folder.path().join("catalogue");
        if let Ok(mut bytes) = std::fs::read(&path) {
            let place = usize::try_from(place % bytes.len() as u64).expect("a length");
            bytes[place] ^= 1_u8 << bit;
            std::fs::write(&path, bytes)?;
            let read = read_all(&open(folder.path()));
            prop_assert!(read.len() <= rows.len() && read == rows[..read.len()], "byte {}", place);
        }
    }
}

#[test]
fn bundles_that_nothing_uses_give_their_numbers_back() {
    let mut bundles = Bundles::default();
    let numbers: Vec<_> = (0..4).map(|_| bundles.begin()).collect();
    for (number, byte) in numbers.iter().zip(0..) {
        bundles.define(*number, pointer(byte));
    }
    bundles.count_live(numbers[0], 1 << 19);
    bundles.count_live(numbers[2], 1000);
    bundles.count_borrowed(numbers[3], 1 << 19);
    let sparse: Vec<_> = bundles.sparse().map(|(number, ..)| number).collect();
    assert_eq!(sparse, numbers[2..], "what only borrowers use is looked at");
    let mut out = Writer::new();
    bundles.encode(&mut out);
    let mut next = Bundles::default();
    next.decode_over(&mut Reader::new(out.as_bytes())).expect("it was just encoded");
    assert_eq!(next.begin(), numbers[1]);
    assert_eq!(next.begin(), BundleNumber(4));
}

#[test]
fn numbers_that_rows_of_a_cut_run_may_name_are_not_given_again() {
    let mut bundles = Bundles::default();
    let numbers: Vec<_> = (0..4).map(|_| bundles.begin()).collect();
    for (number, byte) in numbers.iter().zip(0..) {
        bundles.define(*number, pointer(byte));
    }
    bundles
        .retain(|ids| {
            Ok::<_, ()>(ids.iter().map(|id| ![pointer(1).id, pointer(3).id].contains(id)).collect())
        })
        .expect("nothing fails");
    let stored: Vec<_> = bundles.stored().map(|(number, _)| number).collect();
    assert_eq!(stored, [numbers[0], numbers[2]]);
    assert_eq!(bundles.begin(), BundleNumber(4));
}
