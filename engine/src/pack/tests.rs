use farkeep_codec::id::ObjectId;
use farkeep_codec::id::PackId;
use farkeep_codec::id::RepositoryId;
use farkeep_codec::object::Kind;
use farkeep_codec::object::object_id;
use proptest::collection::vec;
use proptest::prelude::any;
use proptest::prop_assert;
use proptest::prop_assert_eq;
use proptest::proptest;

use super::Encoders;
use super::Extent;
use super::Flaw;
use super::Healed;
use super::PackError;
use super::PackHeader;
use super::PackReader;
use super::PackWriter;
use super::Parity;
use super::RecordHeader;
use super::Summary;
use super::check;
use super::extent_end;
use super::folder;
use super::heal;
use super::mend;
use super::parity::Code;
use super::parity::Layout;
use super::parity::Table;
use super::path;
use crate::disk::Advice;
use crate::disk::Disk;
use crate::disk::SimulatedDisk;
use crate::disk::simulated::Crash;
use crate::disk::simulated::Failure;
use crate::disk::simulated::Faulty;
use crate::limits::BLOCK_BYTES;

const PACK: PackId = PackId::from_bytes([0xab; 32]);
const HEADER: PackHeader =
    PackHeader { repository: RepositoryId::from_bytes([0x22; 32]), pack: PACK, kind: Kind::Node };

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn golden_pack_header() {
    let block = HEADER.encode();
    assert_eq!(block.len(), BLOCK_BYTES);
    let (table, zeros) = block.split_at(104);
    assert_eq!(
        hex(table),
        [
            "464b706b01000200",
            "2222222222222222222222222222222222222222222222222222222222222222",
            "abababababababababababababababababababababababababababababababab",
            "65878390f9831d125a3fce91dcb2245167f66caa007305798bf585cee0121fa8",
        ]
        .concat()
    );
    assert!(zeros.iter().all(|byte| *byte == 0));
}

#[test]
fn golden_object_record_header() {
    let header = RecordHeader { id: ObjectId::from_bytes([0x0f; 32]), bytes: 0x1234 };
    assert_eq!(
        hex(&header.encode(&PACK, 4096)),
        [
            "464b6f7234120000",
            "0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f",
            "e42f3a566d684d8d",
        ]
        .concat()
    );
}

#[test]
fn golden_extent_summary() {
    let objects = vec![(ObjectId::from_bytes([1; 32]), 100), (ObjectId::from_bytes([2; 32]), 0x0001_0203)];
    let (bytes, hash) = Summary { pack: PACK, start: 8192, objects }.encode();
    assert_eq!(
        hex(&bytes),
        [
            "464b657802000000",
            "abababababababababababababababababababababababababababababababab",
            "00200000",
            "010101010101010101010101010101010101010101010101010101010101010164000000",
            "020202020202020202020202020202020202020202020202020202020202020203020100",
            "61c42c0a76f81ff593517a0e77244e415ca1933ea6f65f7f3e16ec134d454faa",
        ]
        .concat()
    );
    assert_eq!(bytes[bytes.len() - 32..], *hash.as_bytes());
}

#[test]
fn a_pack_lies_in_the_folder_of_its_first_byte() {
    assert_eq!(folder(&PACK).to_str(), Some("packs/ab"));
    assert_eq!(path(&PACK).to_str(), Some(&*format!("packs/ab/{}", "ab".repeat(32))));
}

/// A pack with these objects in each of its extents.
fn write(disk: &SimulatedDisk, extents: &[Vec<Vec<u8>>]) -> Vec<Extent> {
    disk.create_folder("packs".as_ref()).expect("made");
    disk.create_folder(&folder(&PACK)).expect("made");
    let file = disk.append(&path(&PACK), 1 << 20).expect("made");
    let mut writer = PackWriter::begin(file, HEADER, 1 << 20, None).expect("begun");
    let mut closed = Vec::new();
    for objects in extents {
        for object in objects {
            writer.add(&object_id(object), object).expect("added");
        }
        closed.extend(writer.close_extent().expect("closed"));
        assert_eq!(writer.close_extent().expect("closed"), None, "there is nothing new");
        writer.sync().expect("synced");
    }
    let bytes = writer.finish().expect("finished");
    assert_eq!(bytes, closed.last().map_or(4096, |extent| u64::from(extent.end())));
    closed
}

fn flaws(disk: &SimulatedDisk, extents: &[Extent], buffer_bytes: usize) -> Vec<Flaw> {
    let reader = PackReader::open(disk, &PACK, Advice::Sequential).expect("opened");
    let mut flaws = Vec::new();
    let mut buffer = vec![0; buffer_bytes];
    check(&reader, &HEADER, extents, &mut buffer, &mut |_| {}, &mut |_| {}, &mut |flaw| flaws.push(flaw));
    flaws
}

proptest! {
    #[test]
    fn what_is_written_is_listed_read_back_and_sound(
        extents in vec(vec(vec(any::<u8>(), 1..3000), 1..5), 1..4),
        buffer_blocks in 1_usize..4,
    ) {
        let disk = SimulatedDisk::new(1);
        let closed = write(&disk, &extents);
        let reader = PackReader::open(&disk, &PACK, Advice::Random).expect("opened");
        let mut start = 4096;
        for (extent, objects) in closed.iter().zip(&extents) {
            prop_assert_eq!(extent.start, start);
            start = extent.end();
            let summary = reader.summary(extent).expect("read");
            let entries: Vec<_> = summary.entries().collect();
            prop_assert_eq!(&entries, &reader.salvage(extent).expect("read"));
            for (entry, object) in entries.iter().zip(objects) {
                let mut back = vec![0; entry.bytes as usize];
                reader.read(entry.offset + 48, &mut back).expect("read");
                prop_assert_eq!(&back, object);
                prop_assert_eq!(entry.id, object_id(object));
            }
            prop_assert_eq!(entries.len(), objects.len());
        }
        prop_assert!(flaws(&disk, &closed, buffer_blocks * BLOCK_BYTES).is_empty());
    }
}

#[test]
fn a_flaw_names_the_object_that_it_costs() {
    let disk = SimulatedDisk::new(1);
    let objects: Vec<_> = (0..5_u8).map(|byte| vec![byte; 3000]).collect();
    let closed = write(&disk, std::slice::from_ref(&objects));
    let at = 4096 + 2 * 3048 + 1500;
    disk.mutate(&path(&PACK), |pack| pack[at] ^= 1).expect("there");
    let found = flaws(&disk, &closed, BLOCK_BYTES);
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].offset, found[0].what), (4096 + 2 * 3048, "object bytes"));
    assert_eq!(found[0].objects, [object_id(&objects[2])]);

    disk.mutate(&path(&PACK), |pack| pack.truncate(at)).expect("there");
    let found = flaws(&disk, &closed, 2 * BLOCK_BYTES);
    assert_eq!(found[0].unnamed, Some(closed[0]), "the summary is behind the cut");
}

#[test]
fn a_full_pack_says_so_before_it_is_too_large() {
    let disk = SimulatedDisk::new(1);
    disk.create_folder("packs".as_ref()).expect("made");
    disk.create_folder(&folder(&PACK)).expect("made");
    let file = disk.append(&path(&PACK), 16 << 10).expect("made");
    let mut writer = PackWriter::begin(file, HEADER, 16 << 10, None).expect("begun");
    assert!(writer.fits(1 << 20), "the first object always fits");
    while writer.fits(700) {
        writer.add(&ObjectId::from_bytes([1; 32]), &[0; 700]).expect("added");
    }
    assert!(writer.fits(1), "a smaller one may fit still");
    assert!(!writer.fits(1 << 20));
    let extent = writer.close_extent().expect("closed").expect("not empty");
    assert_eq!(extent.end(), 16 << 10);
}

#[test]
fn extents_that_cannot_be_are_refused() {
    let hash = blake3::hash(b"");
    assert!(Extent::new(4096, 4096 + 48, 1, hash).is_some());
    assert!(Extent::new(0, 48, 1, hash).is_none(), "the header is there");
    assert!(Extent::new(4097, 4097 + 48, 1, hash).is_none(), "not a whole block");
    assert!(Extent::new(4096, 4096 + 47, 1, hash).is_none(), "less than one record");
    assert!(Extent::new(4096, 4096, 0, hash).is_none(), "empty");
    assert!(Extent::new(4096, 4096 + 48, u32::MAX, hash).is_none());
    assert!(Extent::new(u32::MAX - 4095, u32::MAX, 1, hash).is_none());
    assert!(Extent::new(4096, 64 << 20, 1, hash).is_none(), "beyond the largest pack");
    assert_eq!(extent_end(4096 + 48, 1), 8192);
}

#[test]
fn a_summary_is_that_of_its_extent_only() {
    let disk = SimulatedDisk::new(1);
    let closed = write(&disk, &[vec![vec![1; 10]], vec![vec![2; 10]]]);
    let reader = PackReader::open(&disk, &PACK, Advice::Random).expect("opened");
    let moved = Extent { summary: closed[1].summary, ..closed[0] };
    assert!(matches!(reader.summary(&moved), Err(PackError::Damaged { .. })));
    let renamed = Extent { hash: closed[1].hash, ..closed[0] };
    assert!(matches!(reader.summary(&renamed), Err(PackError::Damaged { .. })));
    let other = PackId::from_bytes([0xac; 32]);
    let (bytes, hash) =
        Summary { pack: other, start: 4096, objects: vec![(object_id(&[1; 10]), 10)] }.encode();
    let extent = Extent { hash, ..closed[0] };
    assert!(Summary::parse(&bytes, &other, &extent).is_ok());
    assert!(Summary::parse(&bytes, &PACK, &extent).is_err());
}

/// FORMAT.md, "Parity": the table, the blocks of each window, the table.
#[test]
fn an_extent_with_parity_ends_behind_its_second_table() {
    let hash = blake3::Hash::from_bytes([7; 32]);
    let end = |start: u32, blocks: u32, thousandths: u16| {
        let summary = start + blocks * 4096 - 200;
        let extent = Extent::new(start, summary, 1, hash).expect("it can be");
        assert_eq!(extent.end(), start + blocks * 4096);
        let extent = extent.with_parity(Parity { thousandths, hash }).expect("there is room");
        (extent.end() - extent.summary_end()) / 4096
    };
    assert_eq!(end(8192, 1, 1), 3, "one parity block between two tables");
    assert_eq!(end(8192, 1, 200), 3);
    assert_eq!(end(8192, 200, 10), 4, "two parity blocks");
    assert_eq!(end(4096, 200, 10), 5, "the header block is one more");
    // 1000 checks of blocks and 10 of parity blocks still have room in one block of a table.
    assert_eq!((end(8192, 1000, 10), end(8192, 1002, 10)), (12, 15));
    assert_eq!(end(8192, 2048, 10), 21 + 2 * 3, "one window");
    assert_eq!(end(8192, 2049, 10), 21 + 1 + 2 * 3, "two windows, the second of one block");
    let full = Extent::new(4096, (64 << 20) - 8192, 1, hash).expect("it can be");
    assert_eq!(full.with_parity(Parity { thousandths: 10, hash }), None, "beyond the limit of a pack");
}

/// A pack with parity, in three extents: one small, one with several parity blocks, one small.
fn write_with_parity(disk: &SimulatedDisk, thousandths: u16) -> Vec<Extent> {
    disk.create_folder("packs".as_ref()).expect("made");
    disk.create_folder(&folder(&PACK)).expect("made");
    let file = disk.append(&path(&PACK), 1 << 20).expect("made");
    let parity = Encoders::default().encoder(thousandths);
    let mut writer = PackWriter::begin(file, HEADER, 1 << 20, parity).expect("begun");
    let mut closed = Vec::new();
    for (extent, objects) in [(0, 2), (1, 40), (2, 1)] {
        for number in 0..objects {
            let mut object = vec![0; 3000];
            blake3::Hasher::new().update(&[extent, number]).finalize_xof().fill(&mut object);
            writer.add(&object_id(&object), &object).expect("added");
        }
        closed.extend(writer.close_extent().expect("closed"));
        writer.sync().expect("synced");
    }
    assert_eq!(writer.finish().expect("finished"), u64::from(closed[2].end()));
    closed
}

fn bytes_of(disk: &SimulatedDisk) -> Vec<u8> {
    let mut bytes = Vec::new();
    disk.mutate(&path(&PACK), |pack| bytes.clone_from(pack)).expect("there");
    bytes
}

fn heal_all(disk: &SimulatedDisk, extents: &[Extent]) -> Healed {
    heal(disk, &HEADER, extents, &mut vec![0; 3 * BLOCK_BYTES]).expect("it opens")
}

/// Each block, the header's and those of parity and tables included, in each way in which a medium loses it.
#[test]
fn every_block_of_a_pack_heals() {
    let disk = SimulatedDisk::new(1);
    let closed = write_with_parity(&disk, 50);
    let sound = bytes_of(&disk);
    assert!(flaws(&disk, &closed, BLOCK_BYTES).is_empty());
    for number in 0..sound.len() / BLOCK_BYTES {
        let block = number * BLOCK_BYTES..(number + 1) * BLOCK_BYTES;
        if sound[block.clone()].iter().any(|byte| *byte != 0) {
            disk.mutate(&path(&PACK), |pack| pack[block.clone()].fill(0)).expect("there");
            assert!(!flaws(&disk, &closed, BLOCK_BYTES).is_empty(), "block {number}");
            let healed = heal_all(&disk, &closed);
            assert_eq!((healed.blocks, healed.flaws.len()), (1, 0), "block {number}");
            assert_eq!(bytes_of(&disk), sound);
        }
        disk.break_block(&path(&PACK), number).expect("there");
        let healed = heal_all(&disk, &closed);
        assert_eq!((healed.blocks, healed.flaws.len()), (1, 0), "block {number}");
        assert_eq!(bytes_of(&disk), sound);
        assert!(flaws(&disk, &closed, BLOCK_BYTES).is_empty());
    }
    assert_eq!(heal_all(&disk, &closed).blocks, 0, "there is nothing to heal");
}

#[test]
fn objects_are_read_through_parity() {
    let disk = SimulatedDisk::new(1);
    let closed = write_with_parity(&disk, 50);
    let reader = PackReader::open(&disk, &PACK, Advice::Random).expect("opened");
    let entries: Vec<_> = reader.summary(&closed[1]).expect("read").entries().collect();
    for entry in entries {
        disk.break_block(&path(&PACK), (entry.offset as usize + 1000) / BLOCK_BYTES).expect("there");
        let (start, mut object) = (entry.offset + 48, vec![0; entry.bytes as usize]);
        assert!(reader.read(start, &mut object).is_err());
        let patches = mend(&reader, &closed[1], start..start + entry.bytes);
        let mended = PackReader::open(&disk, &PACK, Advice::Random).expect("opened").patched(patches);
        mended.read(start, &mut object).expect("mended");
        assert_eq!(object_id(&object), entry.id);
        assert_eq!(heal_all(&disk, &closed).blocks, 1);
    }
}

/// 40 objects of 3048 bytes and their summary are 31 blocks: two parity blocks at 5 %.
#[test]
fn more_than_parity_is_named_exactly() {
    let disk = SimulatedDisk::new(1);
    let closed = write_with_parity(&disk, 50);
    let sound = bytes_of(&disk);
    let first = closed[1].start as usize / BLOCK_BYTES;
    let damage = |numbers: &[usize]| {
        for number in numbers {
            let at = (first + number) * BLOCK_BYTES;
            disk.mutate(&path(&PACK), |pack| pack[at..at + BLOCK_BYTES].fill(0x55)).expect("there");
        }
    };
    damage(&[3, 17]);
    let healed = heal_all(&disk, &closed);
    assert_eq!((healed.blocks, healed.flaws.len()), (2, 0));

    damage(&[3, 17, 20]);
    let damaged = bytes_of(&disk);
    let reader = PackReader::open(&disk, &PACK, Advice::Random).expect("opened");
    let entries: Vec<_> = reader.summary(&closed[1]).expect("read").entries().collect();
    let touched = |start: u32, end: u32| {
        let lies = |number: usize| {
            let at = (first + number) * BLOCK_BYTES;
            (start as usize) < at + BLOCK_BYTES && at < end as usize
        };
        [3, 17, 20].into_iter().any(lies)
    };
    let wanted: Vec<_> =
        entries.iter().filter(|entry| touched(entry.offset, entry.offset + 48 + entry.bytes)).collect();
    let healed = heal_all(&disk, &closed);
    assert_eq!(healed.blocks, 0);
    let named: Vec<_> = healed.flaws.iter().flat_map(|flaw| flaw.objects.clone()).collect();
    assert_eq!(named, wanted.iter().map(|entry| entry.id).collect::<Vec<_>>());
    assert!(named.len() > 3 && named.len() < 12, "{}", named.len());
    assert_eq!(bytes_of(&disk), damaged, "what cannot be healed stays as it is");

    // One of them comes back, by whatever way: then the others do.
    let at = (first + 20) * BLOCK_BYTES;
    disk.mutate(&path(&PACK), |pack| {
        pack[at..at + BLOCK_BYTES].copy_from_slice(&sound[at..at + BLOCK_BYTES]);
    })
    .expect("there");
    assert_eq!(heal_all(&disk, &closed).blocks, 2);
    assert_eq!(bytes_of(&disk), sound);
}

#[test]
fn both_tables_come_back_and_a_lost_block_beside_them_is_found() {
    let disk = SimulatedDisk::new(1);
    let closed = write_with_parity(&disk, 50);
    let sound = bytes_of(&disk);
    let tables = [closed[1].summary_end() as usize, closed[1].end() as usize - BLOCK_BYTES];
    for at in tables {
        disk.mutate(&path(&PACK), |pack| pack[at + 7] ^= 1).expect("there");
    }
    let healed = heal_all(&disk, &closed);
    assert_eq!((healed.blocks, healed.flaws.len()), (2, 0));
    assert_eq!(bytes_of(&disk), sound);

    // A block that does not answer is known to be the one that is lost; any other is found by trying.
    for extent in &closed {
        let start = if extent.start as usize == BLOCK_BYTES { 0 } else { extent.start as usize };
        let tables = [extent.summary_end() as usize, extent.end() as usize - BLOCK_BYTES];
        for number in start / BLOCK_BYTES..tables[1] / BLOCK_BYTES {
            for is_broken in [false, true] {
                for at in tables {
                    disk.mutate(&path(&PACK), |pack| pack[at + 7] ^= 1).expect("there");
                }
                let at = number * BLOCK_BYTES;
                match is_broken {
                    true => disk.break_block(&path(&PACK), number).expect("there"),
                    false => disk.mutate(&path(&PACK), |pack| pack[at..at + 9].fill(0x5a)).expect("there"),
                }
                let healed = heal_all(&disk, &closed);
                let blocks = if at == tables[0] { 2 } else { 3 };
                assert_eq!((healed.blocks, healed.flaws.len()), (blocks, 0), "{number} {is_broken}");
                assert_eq!(bytes_of(&disk), sound, "{number} {is_broken}");
            }
        }
    }

    // More than one is more than can be found.
    let start = closed[1].start as usize;
    for at in [tables[0], tables[1], start + 100, start + 9 * BLOCK_BYTES] {
        disk.mutate(&path(&PACK), |pack| pack[at] ^= 1).expect("there");
    }
    let damaged = bytes_of(&disk);
    let healed = heal_all(&disk, &closed);
    assert_eq!(healed.blocks, 0);
    let objects: usize = healed.flaws.iter().map(|flaw| flaw.objects.len()).sum();
    assert_eq!((healed.flaws.len() - objects, objects), (2, 2), "both tables and what is lost");
    assert_eq!(bytes_of(&disk), damaged);
}

#[test]
fn a_pack_that_was_cut_grows_again() {
    let disk = SimulatedDisk::new(1);
    let closed = write_with_parity(&disk, 50);
    let sound = bytes_of(&disk);
    for cut in [1, BLOCK_BYTES - 1, BLOCK_BYTES] {
        disk.mutate(&path(&PACK), |pack| pack.truncate(sound.len() - cut)).expect("there");
        let healed = heal_all(&disk, &closed);
        assert_eq!((healed.blocks, healed.flaws.len()), (1, 0), "{cut} bytes");
        assert_eq!(bytes_of(&disk), sound);
    }
}

/// A table that never was right says of sound blocks that they are damaged. They stay as they are.
#[test]
fn sound_objects_are_never_overwritten() {
    let disk = SimulatedDisk::new(1);
    let mut closed = write_with_parity(&disk, 50);
    let layout = Layout::of(&closed[1]).expect("it has parity").0;
    let [first, second] = layout.tables().map(|at| at as usize);
    let bytes = bytes_of(&disk);
    let mut table =
        Table::parse_of(&layout, &closed[1].parity.expect("there"), &bytes[first..first + BLOCK_BYTES])
            .expect("it is sound");
    table.blocks[3] ^= 1;
    let (wrong, hash) = table.encode();
    for at in [first, second] {
        disk.mutate(&path(&PACK), |pack| pack[at..at + BLOCK_BYTES].copy_from_slice(&wrong)).expect("there");
    }
    closed[1].parity = Some(Parity { thousandths: 50, hash });
    let before = bytes_of(&disk);
    assert_eq!(heal_all(&disk, &closed).blocks, 0);
    assert_eq!(bytes_of(&disk), before);
}

/// Parity that was made of a block which was another one for a moment: mending something else by it would put that block into
/// the place of the sound one.
#[test]
fn parity_that_never_was_right_harms_nothing() {
    let disk = SimulatedDisk::new(1);
    let mut closed = write_with_parity(&disk, 50);
    let layout = Layout::of(&closed[1]).expect("it has parity").0;
    let at = |number: u32| layout.block(number) as usize;
    disk.mutate(&path(&PACK), |pack| {
        let mut blocks = pack[at(0)..at(layout.blocks)].to_vec();
        blocks[3 * BLOCK_BYTES + 9] ^= 1;
        let mut parity = Vec::new();
        Code::default().encode(&blocks, layout.parity_blocks() as usize, &mut parity);
        let sums = |blocks: &[u8]| blocks.chunks_exact(BLOCK_BYTES).map(crc32fast::hash).collect();
        let table = Table { thousandths: 50, blocks: sums(&blocks), parity: sums(&parity) };
        let (table, hash) = table.encode();
        for offset in layout.tables() {
            pack[offset as usize..][..table.len()].copy_from_slice(&table);
        }
        pack[layout.parity_block(0) as usize..][..parity.len()].copy_from_slice(&parity);
        closed[1].parity = Some(Parity { thousandths: 50, hash });
    })
    .expect("there");
    assert!(flaws(&disk, &closed, BLOCK_BYTES).is_empty());
    disk.mutate(&path(&PACK), |pack| pack[at(17) + 1_000] ^= 1).expect("there");
    let before = bytes_of(&disk);
    let healed = heal_all(&disk, &closed);
    assert_eq!((healed.blocks, healed.flaws.len()), (0, 1), "what was lost is lost");
    assert_eq!(bytes_of(&disk), before, "and nothing else");
}

/// Healing ends after any operation, and the power too: nothing sound was touched, and doing it again does the rest.
#[test]
fn healing_that_is_interrupted_harms_nothing() {
    let disk = SimulatedDisk::new(1);
    let closed = write_with_parity(&disk, 50);
    let sound = bytes_of(&disk);
    let damaged: Vec<usize> = vec![0, 9 * BLOCK_BYTES, 20 * BLOCK_BYTES, sound.len() - BLOCK_BYTES];
    let damage = |disk: &SimulatedDisk| {
        for at in &damaged {
            disk.mutate(&path(&PACK), |pack| pack[*at..at + BLOCK_BYTES].fill(0x55)).expect("there");
        }
    };
    damage(&disk);
    let operations = {
        let disk = disk.crash(&Crash::KeepAll);
        let before = disk.operations();
        assert_eq!(heal_all(&disk, &closed).blocks, damaged.len() as u64);
        disk.operations() - before
    };
    assert!(operations > damaged.len() as u64, "{operations}");
    let mut states = 0;
    for stop in 0..=operations {
        for crash in (0..20).map(Crash::Seeded).chain([Crash::KeepAll, Crash::LoseAll]) {
            let disk = disk.crash(&Crash::KeepAll);
            disk.stop_after(stop);
            let _interrupted = heal(&disk, &HEADER, &closed, &mut vec![0; BLOCK_BYTES]);
            let disk = disk.crash(&crash);
            let found = bytes_of(&disk);
            for (number, block) in found.chunks_exact(BLOCK_BYTES).enumerate() {
                let at = number * BLOCK_BYTES;
                assert!(damaged.contains(&at) || *block == sound[at..at + BLOCK_BYTES], "block {number}");
            }
            let healed = heal_all(&disk, &closed);
            assert_eq!((healed.flaws.len(), healed.failure.is_none()), (0, true));
            assert_eq!(bytes_of(&disk), sound);
            states += 1;
        }
    }
    assert!(states > 100, "{states}");
}

#[test]
fn what_cannot_be_written_is_said() {
    for faulty in [Faulty::Write, Faulty::Sync] {
        let disk = SimulatedDisk::new(1);
        let closed = write_with_parity(&disk, 50);
        disk.mutate(&path(&PACK), |pack| pack[5000] ^= 1).expect("there");
        disk.fail(faulty, 0, Failure::Broken);
        let healed = heal_all(&disk, &closed);
        assert_eq!(healed.blocks, 0);
        assert!(healed.failure.is_some() && healed.flaws.is_empty(), "it can be read through parity");
    }
}
