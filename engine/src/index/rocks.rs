//! The index in RocksDB: the one file that knows this library.
//!
//! Opening to read costs a few milliseconds and changes no file, so that it may be done beside a writer; opening to
//! write costs syncs, and is put off until there is much to write. Nothing is compressed (ids are random), writes are
//! not synced (the packs are the truth), and the logs of the library are off.

use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::RwLock;

use farkeep_codec::id::ObjectId;
use farkeep_codec::layout::Malformed;
use farkeep_codec::layout::Reader;
use farkeep_codec::layout::Writer;
use rocksdb::BlockBasedOptions;
use rocksdb::Cache;
use rocksdb::DB;
use rocksdb::DBCompressionType;
use rocksdb::DBRecoveryMode;
use rocksdb::Direction;
use rocksdb::IngestExternalFileOptions;
use rocksdb::IteratorMode;
use rocksdb::LogLevel;
use rocksdb::Options;
use rocksdb::SstFileWriter;
use rocksdb::WriteBatch;
use rocksdb::compaction_filter::Decision as CompactionDecision;

use super::Index;
use super::IndexError;
use super::Live;
use super::LivePacks;
use super::Mark;
use super::Spot;

/// Key of the mark: shorter than any id, so it is none.
const MARK_KEY: &[u8] = b"mark";
/// What stands before the mark: the version of this layout.
const LAYOUT: u8 = 1;
/// Entries of one batch: few enough that the library's write buffer is not overrun.
const BATCH_ENTRIES: usize = 8 << 10;
const WRITE_BUFFER_BYTES: usize = 8 << 20;
const CACHE_BYTES: usize = 16 << 20;
const FILTER_BITS_PER_KEY: f64 = 10.0;
const OPEN_FILES_MAX: i32 = 512;

/// A map from object ids to spots in a folder of RocksDB.
pub(crate) struct RocksIndex {
    path: PathBuf,
    mode: Mode,
    db: DB,
    /// Behind `db`, so that it is dropped after it.
    folder: Option<TemporaryFolder>,
}

/// What becomes of the files of an index when it is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Files {
    /// The next one opens them.
    Stay,
    /// They are removed.
    GoWithTheIndex,
}

/// Removes the files of an index when it is dropped.
struct TemporaryFolder(PathBuf);

impl Drop for TemporaryFolder {
    fn drop(&mut self) {
        let removed = RocksIndex::remove(&self.0).map(|()| std::fs::remove_dir(&self.0));
        tracing::debug!(?removed, "removed a private index");
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Read,
    Write,
}

impl RocksIndex {
    /// Opens an index that exists, as it is at this moment, and changes no file of it.
    pub(crate) fn open_to_read(path: &Path) -> Result<Self, IndexError> {
        let options = options(Mode::Read)?;
        let db =
            DB::open_for_read_only(&options, path, false).map_err(|error| failed("open", path, error))?;
        Ok(Self { path: path.into(), mode: Mode::Read, db, folder: None })
    }

    /// Opens an index, which is made if it is not there. One at a time. What lies in packs that are not live any more is
    /// dropped by and by.
    pub(crate) fn open_to_write(path: &Path, live: &LivePacks) -> Result<Self, IndexError> {
        let mut options = options(Mode::Write)?;
        // The library keeps the filter for ever, and must not keep the table as well.
        let live = Arc::downgrade(live);
        options.set_compaction_filter("packs that are there", move |_, _, value| match live.upgrade() {
            Some(live) => decide(&live, value),
            None => CompactionDecision::Keep,
        });
        let db = DB::open(&options, path).map_err(|error| failed("open", path, error))?;
        Ok(Self { path: path.into(), mode: Mode::Write, db, folder: None })
    }

    /// Whether there may be an index.
    pub(crate) fn exists(path: &Path) -> bool {
        path.join("CURRENT").exists()
    }

    /// Removes the files of an index, and nothing else that may lie in the folder.
    pub(crate) fn remove(path: &Path) -> Result<(), IndexError> {
        DB::destroy(&Options::default(), path).map_err(|error| failed("remove", path, error))
    }

    /// Bytes that the files of an index take on the disk.
    pub(crate) fn disk_bytes(path: &Path) -> u64 {
        let files = std::fs::read_dir(path).into_iter().flatten().flatten();
        files.filter_map(|file| file.metadata().ok()).map(|metadata| metadata.len()).sum()
    }

    /// Merges all tables, which the library does by itself when there are many.
    #[cfg(test)]
    pub(super) fn merge(&self) {
        self.db.flush().expect("there is room");
        self.db.compact_range(None::<&[u8]>, None::<&[u8]>);
    }

    fn failed(&self, act: &'static str, error: rocksdb::Error) -> IndexError {
        failed(act, &self.path, error)
    }

    fn foreign(&self, what: &'static str) -> IndexError {
        IndexError::Foreign { path: self.path.clone(), what }
    }
}

impl Index for RocksIndex {
    fn find(&self, id: &ObjectId) -> Result<Option<Spot>, IndexError> {
        match self.db.get_pinned(id.as_bytes()).map_err(|error| self.failed("read", error))? {
            None => Ok(None),
            Some(value) => parse_spot(&value).map(Some).map_err(|_| self.foreign("an entry")),
        }
    }

    fn apply(&self, entries: &[(ObjectId, Spot)], mark: Option<Mark>) -> Result<(), IndexError> {
        let mut batch = WriteBatch::default();
        for part in entries.chunks(BATCH_ENTRIES) {
            for (id, spot) in part {
                batch.put(id.as_bytes(), encode_spot(spot));
            }
            if batch.len() >= BATCH_ENTRIES {
                let full = std::mem::take(&mut batch);
                self.db.write(full).map_err(|error| self.failed("write", error))?;
            }
        }
        if let Some(mark) = mark {
            batch.put(MARK_KEY, encode_mark(mark));
        }
        self.db.write(batch).map_err(|error| self.failed("write", error))
    }

    fn mark(&self) -> Result<Option<Mark>, IndexError> {
        match self.db.get_pinned(MARK_KEY).map_err(|error| self.failed("read", error))? {
            None => Ok(None),
            Some(value) => parse_mark(&value).map(Some).map_err(|_| self.foreign("a mark")),
        }
    }

    fn scan(
        &self,
        behind: Option<&ObjectId>,
        most: usize,
        show: &mut dyn FnMut(&ObjectId, Spot),
    ) -> Result<usize, IndexError> {
        let mode =
            behind.map_or(IteratorMode::Start, |id| IteratorMode::From(id.as_bytes(), Direction::Forward));
        let mut shown = 0;
        for entry in self.db.iterator(mode) {
            let (key, value) = entry.map_err(|error| self.failed("read", error))?;
            if &*key == MARK_KEY || behind.is_some_and(|id| id.as_bytes() == &*key) {
                continue;
            }
            if shown == most {
                break;
            }
            let id: [u8; 32] = (*key).try_into().map_err(|_| self.foreign("a key"))?;
            let spot = parse_spot(&value).map_err(|_| self.foreign("an entry"))?;
            show(&ObjectId::from_bytes(id), spot);
            shown += 1;
        }
        Ok(shown)
    }
}

impl Drop for RocksIndex {
    /// Moves what was written from the log of the library to its tables, so that the next opening need not.
    fn drop(&mut self) {
        if self.mode == Mode::Write
            && let Err(error) = self.db.flush()
        {
            tracing::debug!(%error, "the index is flushed by the next one to open it");
        }
    }
}

/// Builds an index from nothing, out of sorted runs, faster than entry by entry.
pub(crate) struct RocksBuilder {
    index: RocksIndex,
}

impl RocksBuilder {
    /// Removes what is there, and begins.
    pub(crate) fn begin(path: &Path, files: Files, live: &LivePacks) -> Result<Self, IndexError> {
        if path.exists() {
            RocksIndex::remove(path)?;
        }
        std::fs::create_dir_all(path).map_err(|source| IndexError::Folder {
            act: "make",
            path: path.into(),
            source: Arc::new(source),
        })?;
        let mut index = RocksIndex::open_to_write(path, live)?;
        index.folder = (files == Files::GoWithTheIndex).then(|| TemporaryFolder(path.into()));
        Ok(Self { index })
    }

    /// Adds a run of entries in the order in which they were journalled; takes them out of `run`.
    pub(crate) fn add(&self, run: &mut Vec<(ObjectId, Spot)>) -> Result<(), IndexError> {
        if run.is_empty() {
            return Ok(());
        }
        // Of several places of one object the last one counts: a stable sort keeps their order.
        run.sort_by_key(|(id, _)| *id);
        let failed = |error| self.index.failed("build", error);
        let options = options(Mode::Write)?;
        let mut table = SstFileWriter::create(&options);
        let path = self.index.path.join("run.sst");
        table.open(&path).map_err(failed)?;
        for (at, (id, spot)) in run.iter().enumerate() {
            if run.get(at + 1).is_none_or(|(next, _)| next != id) {
                table.put(id.as_bytes(), encode_spot(spot)).map_err(failed)?;
            }
        }
        table.finish().map_err(failed)?;
        drop(table);
        let mut options = IngestExternalFileOptions::default();
        options.set_move_files(true);
        self.index.db.ingest_external_file_opts(&options, vec![path]).map_err(failed)?;
        run.clear();
        Ok(())
    }

    /// Marks the index as complete up to there, if that is anywhere.
    pub(crate) fn finish(self, mark: Option<Mark>) -> Result<RocksIndex, IndexError> {
        self.index.apply(&[], mark)?;
        Ok(self.index)
    }
}

fn options(mode: Mode) -> Result<Options, IndexError> {
    let mut table = BlockBasedOptions::default();
    table.set_bloom_filter(FILTER_BITS_PER_KEY, false);
    table.set_format_version(5);
    let cache = Cache::new_lru_cache(CACHE_BYTES)
        .map_err(|error| failed("make a cache for", Path::new(""), error))?;
    table.set_block_cache(&cache);

    let mut options = Options::default();
    options.set_block_based_table_factory(&table);
    options.create_if_missing(mode == Mode::Write);
    options.set_compression_type(DBCompressionType::None);
    options.set_write_buffer_size(WRITE_BUFFER_BYTES);
    options.set_max_background_jobs(2);
    options.set_wal_recovery_mode(DBRecoveryMode::PointInTime);
    options.set_skip_stats_update_on_db_open(true);
    options.set_skip_checking_sst_file_sizes_on_db_open(true);
    options.set_log_level(LogLevel::Fatal);
    options.set_keep_log_file_num(1);
    options.set_stats_dump_period_sec(0);
    options.set_stats_persist_period_sec(0);
    options.set_manifest_preallocation_size(64 << 10);
    if mode == Mode::Write {
        // A reader holds all files open instead, since a writer beside it removes old ones.
        options.set_max_open_files(OPEN_FILES_MAX);
    }
    Ok(options)
}

/// What is no entry of an object, such as the mark, stays.
fn decide(live: &RwLock<Live>, value: &[u8]) -> CompactionDecision {
    let live = live.read().expect("nothing panics while it holds the live packs");
    match parse_spot(value) {
        Ok(spot) if live.is_stale(&spot) => CompactionDecision::Remove,
        _ => CompactionDecision::Keep,
    }
}

fn failed(act: &'static str, path: &Path, source: rocksdb::Error) -> IndexError {
    IndexError::Rocks { act, path: path.into(), source }
}

fn encode_spot(spot: &Spot) -> Vec<u8> {
    let mut writer = Writer::onto(Vec::with_capacity(12));
    writer.u32(spot.ordinal).u32(spot.offset).u32(spot.bytes);
    writer.into_bytes()
}

fn parse_spot(value: &[u8]) -> Result<Spot, Malformed> {
    let mut reader = Reader::new(value);
    let ordinal = reader.u32("index ordinal")?;
    let offset = reader.u32("index offset")?;
    let bytes = reader.u32("index length")?;
    reader.finish()?;
    Ok(Spot { ordinal, offset, bytes })
}

fn encode_mark(mark: Mark) -> Vec<u8> {
    let mut writer = Writer::new();
    writer.u8(LAYOUT).bytes(&mark.0);
    writer.into_bytes()
}

fn parse_mark(value: &[u8]) -> Result<Mark, Malformed> {
    let mut reader = Reader::new(value);
    if reader.u8("index layout")? != LAYOUT {
        return Err(reader.malformed("index layout"));
    }
    let mark = reader.array("index mark")?;
    reader.finish()?;
    Ok(Mark(mark))
}
