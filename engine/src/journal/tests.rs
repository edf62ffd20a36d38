use std::path::Path;
use std::sync::Arc;

use farkeep_codec::id::RepositoryId;
use farkeep_codec::layout::Writer;
use farkeep_codec::time::Time;
use proptest::collection::vec;
use proptest::prop_assert;
use proptest::prop_assert_eq;
use proptest::proptest;

use super::ChainHash;
use super::Entry;
use super::Event;
use super::Heads;
use super::JournalError;
use super::JournalWriter;
use super::Position;
use super::Replayed;
use super::SlotId;
use super::Tail;
use super::WriteError;
use super::copy_of;
use super::event::EventError;
use super::event::tests::event;
use super::event::tests::hash;
use super::event::tests::hex;
use super::event::tests::stored;
use super::head;
use super::record::Record;
use super::replay;
use super::segment::SegmentHeader;
use super::segment_number;
use crate::disk::Disk;
use crate::disk::DiskError;
use crate::disk::Mode;
use crate::disk::SimulatedDisk;

const REPOSITORY: RepositoryId = RepositoryId::from_bytes([0x22; 32]);
const PREVIOUS: Position = Position { sequence: 6, chain: ChainHash::from_bytes([0xc6; 32]) };

#[test]
fn golden_segment_header() {
    let header = SegmentHeader { repository: REPOSITORY, number: 5, previous: PREVIOUS };
    let bytes = header.encode();
    assert_eq!(
        hex(&bytes),
        [
            "464b6a7301000000",
            "0500000000000000",
            "0600000000000000",
            "2222222222222222222222222222222222222222222222222222222222222222",
            "c6c6c6c6c6c6c6c6c6c6c6c6c6c6c6c6c6c6c6c6c6c6c6c6c6c6c6c6c6c6c6c6",
            "aae7d68dddd19b39f2bee3ef32892aff3562f43f885ac1aa65c814474d3ee637",
        ]
        .concat()
    );
    assert_eq!(SegmentHeader::parse(&bytes), Ok(header));
}

#[test]
fn golden_record() {
    let mut writer = Writer::new();
    let event = Event::KeySlotRemoved { slot: SlotId::from_bytes([0x51; 16]) };
    let time = Time::from_nanoseconds(0x0102_0304_0506_0708);
    let position = Record::write(&PREVIOUS, time, &event, &mut writer);
    assert_eq!(
        hex(writer.as_bytes()),
        [
            "464b6a7210000000",
            "0700000000000000",
            "0807060504030201",
            "06000000",
            "c6c6c6c6c6c6c6c6c6c6c6c6c6c6c6c6c6c6c6c6c6c6c6c6c6c6c6c6c6c6c6c6",
            "51515151515151515151515151515151",
            "2491d2089e805ca03189c1cce5eeba413328c0c0fec49970477f6544e9d865ba",
        ]
        .concat()
    );
    assert_eq!(position.sequence, 7);
    assert!(writer.as_bytes().ends_with(position.chain.as_bytes()));
}

#[test]
fn golden_head_slot() {
    let slot = head::encode(&PREVIOUS);
    assert_eq!(slot.len(), 4096);
    let (table, zeros) = slot.split_at(80);
    assert_eq!(
        hex(table),
        [
            "464b686401000000",
            "0600000000000000",
            "c6c6c6c6c6c6c6c6c6c6c6c6c6c6c6c6c6c6c6c6c6c6c6c6c6c6c6c6c6c6c6c6",
            "597f1765e29a5e1a99a542822b780ad0d15e15edb47155bbf047eaa7d588085b",
        ]
        .concat()
    );
    assert!(zeros.iter().all(|byte| *byte == 0));
}

/// Everything in the journal.
fn entries(disk: &SimulatedDisk, tail: Tail) -> Result<(Vec<Entry>, Replayed), JournalError> {
    let mut entries = Vec::new();
    let heads = Heads::read(disk)?;
    let replay = replay(disk, REPOSITORY, &heads, Replayed::GENESIS, tail, &mut |entry| {
        entries.push(entry);
        Ok::<(), JournalError>(())
    })?;
    Ok((entries, replay.at))
}

fn created() -> Event {
    Event::RepositoryCreated { parameters: hash(1) }
}

fn create() -> SimulatedDisk {
    let disk = SimulatedDisk::new(1);
    disk.create_folder(Path::new(super::FOLDER)).expect("made");
    super::make_mirror_of(&disk, Path::new(super::FOLDER)).expect("made");
    JournalWriter::create(&disk, REPOSITORY, &[created()], Time::from_nanoseconds(1)).expect("made");
    disk
}

fn resume(disk: &SimulatedDisk, segment_bytes: u64) -> (JournalWriter, u64) {
    let heads = Heads::read(disk).expect("there");
    let from = Replayed::GENESIS;
    let replay = replay(disk, REPOSITORY, &heads, from, Tail::IsStill, &mut |_| Ok::<(), JournalError>(()));
    let disk = Arc::new(disk.clone());
    let replay = replay.expect("intact");
    let (writer, resumed) =
        JournalWriter::resume(disk, REPOSITORY, segment_bytes, &heads, &replay).expect("resumed");
    (writer, resumed.bytes_cut)
}

fn append(writer: &mut JournalWriter, events: &[Event]) -> Vec<Entry> {
    let Ok(written) = writer.write(events, Time::from_nanoseconds(2)) else { panic!("there is room") };
    writer.sync(&written).expect("synced");
    writer.publish(written).expect("published")
}

proptest! {
    #[test]
    fn the_journal_is_what_was_appended(
        batches in vec(vec(event(), 1..4), 0..12),
        segment_bytes in 1_u64..8000,
    ) {
        let disk = create();
        let mut expected = vec![created()];
        let (mut writer, _) = resume(&disk, segment_bytes);
        let mut appended = Vec::new();
        for (number, batch) in batches.iter().enumerate() {
            if number % 5 == 4 {
                (writer, _) = resume(&disk, segment_bytes);
            }
            appended.extend(append(&mut writer, batch));
            expected.extend(batch.iter().cloned());
        }
        let (entries, at) = entries(&disk, Tail::IsStill).expect("intact");
        prop_assert_eq!(entries.iter().map(|entry| entry.record.event.clone()).collect::<Vec<_>>(), expected);
        prop_assert_eq!(&entries[1..], &appended[..]);
        prop_assert_eq!(&at, writer.at());
        let sequences: Vec<_> = entries.iter().map(|entry| entry.record.position.sequence).collect();
        prop_assert!(sequences.iter().copied().eq(1..=entries.len() as u64));
        let mut payloads = super::Payloads::new(&disk);
        for entry in &entries {
            let payload = payloads.read(entry.payload, entry.payload_bytes).expect("read");
            prop_assert_eq!(payload, entry.record.event.encode());
        }
    }
}

#[test]
fn a_kind_of_a_later_program_is_a_typed_refusal() {
    assert_eq!(Event::parse(7, b"epoch"), Err(EventError::NewerKind { found: 7, known: 19 }));
    let header = SegmentHeader { repository: REPOSITORY, number: 5, previous: PREVIOUS };
    let mut bytes = header.encode();
    bytes[4] = 2;
    let check = *blake3::hash(&bytes[..88]).as_bytes();
    bytes[88..].copy_from_slice(&check);
    assert_eq!(SegmentHeader::parse(&bytes), Err(EventError::NewerSegment { found: 2, known: 1 }));
}

#[test]
fn a_kind_of_a_later_program_in_an_intact_chain_stops_the_replay() {
    let disk = create();
    let (entries_before, at) = entries(&disk, Tail::IsStill).expect("intact");
    assert_eq!(entries_before.len(), 1);
    // The next record, as a later program would write it.
    let mut writer = Writer::new();
    let slot = SlotId::from_bytes([1; 16]);
    Record::write(&at.position, at.time, &Event::KeySlotRemoved { slot }, &mut writer);
    let mut record = writer.into_bytes();
    record[24] = 20;
    let hashed = record.len() - 32;
    let chain = *blake3::hash(&record[..hashed]).as_bytes();
    record[hashed..].copy_from_slice(&chain);
    let position = Position { sequence: 2, chain: ChainHash::from_bytes(chain) };
    for path in ["journal/0000000000000000", "mirror/journal/0000000000000000"] {
        disk.mutate(Path::new(path), |file| file.extend(&record)).expect("there");
    }
    disk.mutate(Path::new("head"), |file| file[..4096].copy_from_slice(&head::encode(&position)))
        .expect("there");
    let refused = entries(&disk, Tail::IsStill);
    assert!(matches!(refused, Err(JournalError::NewerFormat { found: 20, known: 19, .. })), "{refused:?}");
}

#[test]
fn what_lies_behind_the_head_is_cut_and_what_it_names_is_not() {
    let disk = create();
    let (mut writer, _) = resume(&disk, 1);
    append(&mut writer, &[stored()]);
    let (intact, end) = entries(&disk, Tail::IsStill).expect("intact");
    // Records that were written and never published, in two segments; and half a record.
    let Ok(_) = writer.write(&[stored(), stored()], Time::from_nanoseconds(3)) else { panic!("room") };
    drop(writer);
    disk.open(Path::new("journal/0000000000000003"), Mode::CreateNew).expect("made");
    assert_eq!(entries(&disk, Tail::IsStill).expect("intact"), (intact.clone(), end));
    let (mut writer, cut) = resume(&disk, 1 << 20);
    assert!(cut > 0);
    assert_eq!(disk.list(Path::new("journal")).expect("there").len(), 2);
    append(&mut writer, &[created()]);
    assert_eq!(entries(&disk, Tail::IsStill).expect("intact").0.len(), intact.len() + 1);
    let journal = disk.files().into_iter().rfind(|(path, _)| path.starts_with("journal")).expect("there").0;
    for path in [&journal, &copy_of(&journal)] {
        disk.mutate(path, |file| *file.last_mut().expect("not empty") ^= 1).expect("there");
    }
    let refused = entries(&disk, Tail::IsStill);
    assert!(
        matches!(refused, Err(JournalError::Damaged { ref path, .. }) if *path == journal),
        "{refused:?}"
    );
}

#[test]
fn the_slots_of_the_head_are_written_in_turn() {
    let disk = create();
    let (mut writer, _) = resume(&disk, 1 << 20);
    for _ in 0..5 {
        append(&mut writer, &[stored()]);
        let newest = writer.at().position;
        let slots = [0, 4096].map(|offset| {
            let broken = disk.crash(&crate::disk::simulated::Crash::KeepAll);
            broken.mutate(Path::new("head"), |file| file[offset] ^= 1).expect("there");
            Heads::read(&broken).expect("there").newest().expect("one is intact").sequence
        });
        assert_eq!(slots.iter().max(), Some(&newest.sequence));
        assert_eq!(slots.iter().min(), Some(&(newest.sequence - 1)), "the other slot is the one before");
    }
}

#[test]
fn half_a_record_for_which_there_was_no_room_is_taken_back() {
    for segment_bytes in [1, 1 << 20] {
        let disk = create();
        let (mut writer, _) = resume(&disk, segment_bytes);
        let before = disk.files();
        let used: usize = before.iter().map(|(_, bytes)| bytes).sum();
        disk.limit_bytes(Some(used + 130));
        let refused = writer.write(&[stored()], Time::from_nanoseconds(2));
        assert!(matches!(refused, Err(WriteError::TakenBack(DiskError::Full { .. }))));
        assert_eq!(disk.files(), before);
        disk.limit_bytes(None);
        append(&mut writer, &[stored()]);
        assert_eq!(entries(&disk, Tail::IsStill).expect("intact").0.len(), 2);
    }
}

#[test]
fn names_of_segments_are_canonical() {
    assert_eq!(segment_number("000000000000000a".as_ref()), Some(10));
    for name in ["a", "000000000000000A", "+00000000000000a", "000000000000000a.new~", ""] {
        assert_eq!(segment_number(name.as_ref()), None, "{name}");
    }
}
