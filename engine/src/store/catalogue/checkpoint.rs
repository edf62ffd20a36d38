//! The catalogue as a file, so that an opening need not replay ten years. FORMAT.md, "Checkpoint".
//!
//! Derived, and believed only where the journal goes on behind it: whatever is wrong with it, the journal is replayed from
//! its first record instead.

use farkeep_codec::id::ObjectId;
use farkeep_codec::id::PackId;
use farkeep_codec::id::RepositoryId;
use farkeep_codec::id::SnapshotId;
use farkeep_codec::layout::Malformed;
use farkeep_codec::layout::Reader;
use farkeep_codec::layout::Writer;
use farkeep_codec::limits::SERIES_BYTES_MAX;
use farkeep_codec::object::Kind;
use farkeep_codec::snapshot::Series;
use farkeep_codec::time::Time;

use super::Catalogue;
use super::Collections;
use super::packs::ExtentAt;
use super::packs::Pack;
use super::packs::Packs;
use super::snapshots::Forgotten;
use super::snapshots::Newest;
use super::snapshots::SnapshotAt;
use super::snapshots::Snapshots;
use crate::journal::ChainHash;
use crate::journal::Place;
use crate::journal::Position;
use crate::journal::Replayed;
use crate::journal::Settings;
use crate::journal::SlotId;
use crate::limits::SNAPSHOT_TOKENS_MAX;
use crate::limits::STORED_POSITIONS_MAX;
use crate::pack::Extent;
use crate::pack::Parity;

const MAGIC: [u8; 4] = *b"FKck";
const VERSION: u16 = 2;
const HASH_BYTES: usize = 32;

impl Catalogue {
    /// The bytes of a checkpoint.
    pub(crate) fn checkpoint(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.bytes(&MAGIC).u16(VERSION).u16(0).bytes(self.repository.as_bytes());
        write_position(&self.at.position, &mut writer);
        writer.i64(self.at.time.nanoseconds()).u64(self.at.place.segment).u64(self.at.place.offset);
        writer.bytes(&self.parameters.map_or([0; 32], |hash| *hash.as_bytes()));
        writer.count(self.slots.len());
        for (slot, hash) in &self.slots {
            writer.bytes(slot.as_bytes()).bytes(hash.as_bytes());
        }
        self.settings.write(&mut writer);
        self.collections.write(&mut writer);
        write_some(self.frozen, &mut writer, |time, writer| {
            writer.i64(time.nanoseconds());
        });
        self.packs.write(&mut writer);
        self.snapshots.write(&mut writer);
        let hash = blake3::hash(writer.as_bytes());
        writer.bytes(hash.as_bytes());
        writer.into_bytes()
    }

    /// Reads a checkpoint of that repository.
    pub(crate) fn from_checkpoint(bytes: &[u8], repository: RepositoryId) -> Result<Self, Malformed> {
        let broken = Malformed { what: "checkpoint", offset: 0 };
        let (hashed, hash) = bytes.split_last_chunk::<HASH_BYTES>().ok_or(broken)?;
        if blake3::hash(hashed) != *hash {
            return Err(Malformed { what: "checkpoint hash", offset: hashed.len() });
        }
        let mut reader = Reader::new(hashed);
        let front = (reader.array("checkpoint magic")?, reader.u16("checkpoint version")?);
        let reserved = reader.u16("checkpoint reserved")?;
        let named = RepositoryId::from_bytes(reader.array("checkpoint repository")?);
        if front != (MAGIC, VERSION) || reserved != 0 || named != repository {
            return Err(reader.malformed("checkpoint of something else"));
        }
        let catalogue = Self::read(repository, &mut reader)?;
        reader.finish()?;
        Ok(catalogue)
    }

    fn read(repository: RepositoryId, reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let position = read_position(reader)?;
        let time = read_time(reader)?;
        let place = read_place(reader)?;
        let parameters = Some(blake3::Hash::from_bytes(reader.array("checkpoint parameters")?));
        let slots = each(reader, |reader| {
            let slot = SlotId::from_bytes(reader.array("checkpoint slot")?);
            Ok((slot, blake3::Hash::from_bytes(reader.array("checkpoint slot hash")?)))
        })?;
        let unfit = reader.malformed("checkpoint settings");
        Ok(Self {
            repository,
            at: Replayed { position, time, place },
            parameters,
            slots: slots.into_iter().collect(),
            settings: Settings::read(reader).map_err(|_| unfit)?,
            collections: Collections::read(reader)?,
            frozen: some(reader, read_time)?,
            packs: Packs::read(reader)?,
            snapshots: Snapshots::read(reader)?,
        })
    }
}

impl Collections {
    fn write(&self, writer: &mut Writer) {
        writer.u64(self.number).u64(self.begun).u64(self.young);
        writer.u8(u8::from(self.is_condemned)).u64(self.epoch);
        write_some(self.done, writer, |garbage, writer| {
            writer.u16(garbage);
        });
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Self {
            number: reader.u64("checkpoint collection")?,
            begun: reader.u64("checkpoint collection's begin")?,
            young: reader.u64("checkpoint collection's young")?,
            is_condemned: flag(reader)?,
            epoch: reader.u64("checkpoint epoch")?,
            done: some(reader, |reader| reader.u16("checkpoint garbage"))?,
        })
    }
}

impl Packs {
    fn write(&self, writer: &mut Writer) {
        writer.u32(self.next_number).count(self.by_number.len());
        for (number, pack) in &self.by_number {
            writer.u32(*number).bytes(pack.id.as_bytes()).u16(pack.kind.number()).u32(pack.bytes);
            for struck in [&pack.dead, &pack.damaged] {
                writer.count(struck.len());
                for offset in struck.iter() {
                    writer.u32(*offset);
                }
            }
        }
        writer.count(self.extents.len());
        for ExtentAt { pack, extent, sequence } in &self.extents {
            writer.u32(*pack).u64(*sequence).u32(extent.start).u32(extent.summary).u32(extent.objects);
            writer.bytes(extent.hash.as_bytes());
            write_some(extent.parity, writer, |parity, writer| {
                writer.u16(parity.thousandths).bytes(parity.hash.as_bytes());
            });
        }
        writer.count(self.stored.len());
        self.stored.iter().for_each(|position| write_position(position, writer));
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let mut packs = Self { next_number: reader.u32("checkpoint next pack")?, ..Self::default() };
        for (number, pack) in each(reader, read_pack)? {
            packs.numbers.insert(pack.id, number);
            packs.by_number.insert(number, pack);
        }
        packs.extents = each(reader, read_extent)?;
        let records: u64 = packs.extents.iter().map(|at| u64::from(at.extent.objects)).sum();
        let struck = packs.by_number.values().map(|pack| (pack.dead.len() + pack.damaged.len()) as u64);
        packs.objects = records.checked_sub(struck.sum()).ok_or(reader.malformed("checkpoint objects"))?;
        packs.stored = each(reader, read_position)?.into();
        let sound = packs.stored.len() <= STORED_POSITIONS_MAX
            && packs.extents.iter().all(|at| packs.by_number.contains_key(&at.pack))
            && packs.by_number.keys().all(|number| *number < packs.next_number);
        if sound { Ok(packs) } else { Err(reader.malformed("checkpoint packs")) }
    }
}

fn read_pack(reader: &mut Reader<'_>) -> Result<(u32, Pack), Malformed> {
    let number = reader.u32("checkpoint pack number")?;
    let id = PackId::from_bytes(reader.array("checkpoint pack")?);
    let kind = Kind::from_number(reader.u16("checkpoint pack kind")?);
    let kind = kind.ok_or(reader.malformed("checkpoint pack kind"))?;
    let bytes = reader.u32("checkpoint pack length")?;
    let dead = each(reader, |reader| reader.u32("checkpoint dead record"))?.into();
    let damaged = each(reader, |reader| reader.u32("checkpoint damaged record"))?.into();
    Ok((number, Pack { id, kind, bytes, dead, damaged }))
}

fn read_extent(reader: &mut Reader<'_>) -> Result<ExtentAt, Malformed> {
    let pack = reader.u32("checkpoint extent pack")?;
    let sequence = reader.u64("checkpoint extent record")?;
    let start = reader.u32("checkpoint extent start")?;
    let summary = reader.u32("checkpoint extent summary")?;
    let objects = reader.u32("checkpoint extent objects")?;
    let hash = blake3::Hash::from_bytes(reader.array("checkpoint extent hash")?);
    let parity = some(reader, |reader| {
        let thousandths = reader.u16("checkpoint extent parity")?;
        Ok(Parity { thousandths, hash: blake3::Hash::from_bytes(reader.array("checkpoint parity hash")?) })
    })?;
    let extent = Extent::new(start, summary, objects, hash).and_then(|extent| match parity {
        Some(parity) => extent.with_parity(parity),
        None => Some(extent),
    });
    Ok(ExtentAt { pack, extent: extent.ok_or(reader.malformed("checkpoint extent"))?, sequence })
}

impl Snapshots {
    fn write(&self, writer: &mut Writer) {
        writer.count(self.series.len());
        for (series, newest) in &self.series {
            writer.counted(series.as_str().as_bytes());
            writer.bytes(newest.id.as_bytes()).u64(newest.sequence);
            writer.i64(newest.captured.nanoseconds()).i64(newest.received.nanoseconds());
            writer.bytes(newest.root.as_bytes()).bytes(&newest.agent);
        }
        writer.count(self.ranked.len());
        for ((first, _), at) in &self.ranked {
            writer.u64(*first).u64(at.sequence).bytes(at.id.as_bytes()).i64(at.received.nanoseconds());
            writer.u64(at.payload.segment).u64(at.payload.offset).u32(at.payload_bytes);
            write_some(at.forgotten, writer, |forgotten, writer| {
                writer.i64(forgotten.at.nanoseconds()).i64(forgotten.until.nanoseconds());
            });
            writer.i64(at.held_until.nanoseconds());
            write_some(at.tokens.as_ref(), writer, |tokens, writer| {
                writer.count(tokens.len());
                for token in tokens.iter() {
                    writer.bytes(token);
                }
            });
            writer.u32(at.series).u64(at.number);
            write_some(at.previous, writer, |id, writer| {
                writer.bytes(id.as_bytes());
            });
            writer.bytes(at.root.as_bytes()).u8(u8::from(at.is_complete));
        }
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let mut snapshots = Self { series: each(reader, read_series)?, ..Self::default() };
        for (number, (series, _)) in (0_u32..).zip(&snapshots.series) {
            snapshots.numbers.insert(series.clone(), number);
        }
        for (first, at) in each(reader, read_snapshot)? {
            if at.series as usize >= snapshots.series.len() {
                return Err(reader.malformed("checkpoint snapshot's series"));
            }
            snapshots.insert((first, at.sequence), at);
        }
        Ok(snapshots)
    }
}

fn read_series(reader: &mut Reader<'_>) -> Result<(Series, Newest), Malformed> {
    let unfit = reader.malformed("checkpoint series");
    let name = String::from_utf8(reader.counted(SERIES_BYTES_MAX, "checkpoint series")?.to_vec());
    let series = name.ok().and_then(|name| Series::new(name).ok()).ok_or(unfit)?;
    let newest = Newest {
        id: read_snapshot_id(reader)?,
        sequence: reader.u64("checkpoint newest")?,
        captured: read_time(reader)?,
        received: read_time(reader)?,
        root: ObjectId::from_bytes(reader.array("checkpoint newest root")?),
        agent: reader.array("checkpoint newest agent")?,
    };
    Ok((series, newest))
}

fn read_snapshot(reader: &mut Reader<'_>) -> Result<(u64, SnapshotAt), Malformed> {
    let first = reader.u64("checkpoint snapshot rank")?;
    let sequence = reader.u64("checkpoint snapshot record")?;
    let at = SnapshotAt {
        id: read_snapshot_id(reader)?,
        received: read_time(reader)?,
        sequence,
        arrived: first,
        payload: read_place(reader)?,
        payload_bytes: reader.u32("checkpoint snapshot length")?,
        forgotten: some(reader, |reader| {
            Ok(Forgotten { at: read_time(reader)?, until: read_time(reader)? })
        })?,
        held_until: read_time(reader)?,
        tokens: some(reader, |reader| {
            let count = reader.count(SNAPSHOT_TOKENS_MAX, "checkpoint tokens")?;
            (0..count).map(|_| reader.array("checkpoint token")).collect()
        })?,
        series: reader.u32("checkpoint snapshot series")?,
        number: reader.u64("checkpoint snapshot number")?,
        previous: some(reader, read_snapshot_id)?,
        root: ObjectId::from_bytes(reader.array("checkpoint snapshot root")?),
        is_complete: flag(reader)?,
    };
    Ok((first, at))
}

fn write_position(position: &Position, writer: &mut Writer) {
    writer.u64(position.sequence).bytes(position.chain.as_bytes());
}

fn read_position(reader: &mut Reader<'_>) -> Result<Position, Malformed> {
    let sequence = reader.u64("checkpoint position")?;
    Ok(Position { sequence, chain: ChainHash::from_bytes(reader.array("checkpoint chain hash")?) })
}

fn read_place(reader: &mut Reader<'_>) -> Result<Place, Malformed> {
    Ok(Place { segment: reader.u64("checkpoint segment")?, offset: reader.u64("checkpoint offset")? })
}

fn read_time(reader: &mut Reader<'_>) -> Result<Time, Malformed> {
    reader.i64("checkpoint time").map(Time::from_nanoseconds)
}

fn read_snapshot_id(reader: &mut Reader<'_>) -> Result<SnapshotId, Malformed> {
    reader.array("checkpoint snapshot").map(SnapshotId::from_bytes)
}

fn flag(reader: &mut Reader<'_>) -> Result<bool, Malformed> {
    let unfit = reader.malformed("checkpoint flag");
    match reader.u8("checkpoint flag")? {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(unfit),
    }
}

fn write_some<T>(value: Option<T>, writer: &mut Writer, write: impl FnOnce(T, &mut Writer)) {
    writer.u8(u8::from(value.is_some()));
    if let Some(value) = value {
        write(value, writer);
    }
}

fn some<'a, T>(
    reader: &mut Reader<'a>,
    read: impl FnOnce(&mut Reader<'a>) -> Result<T, Malformed>,
) -> Result<Option<T>, Malformed> {
    if flag(reader)? { read(reader).map(Some) } else { Ok(None) }
}

/// A count and as many values, each of which takes bytes that must be there.
fn each<'a, T>(
    reader: &mut Reader<'a>,
    mut read: impl FnMut(&mut Reader<'a>) -> Result<T, Malformed>,
) -> Result<Vec<T>, Malformed> {
    let count = reader.count(reader.remaining(), "checkpoint count")?;
    let mut values = Vec::new();
    for _ in 0..count {
        values.push(read(reader)?);
    }
    Ok(values)
}
