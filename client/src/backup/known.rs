//! What earlier runs stored, by hash: sorted runs of fixed records on disk with a table in memory in front.
//!
//! Two of these accelerate a backup: seed -> object, so that known chunks are neither compressed nor sealed again,
//! and file hash -> slice, so that a small file that moved is not stored again. A hash is spread evenly, so a record
//! is found by interpolation with one or two reads, and memory stays the same whatever the size of the repository.
//! Each record carries a keyed check; a damaged one is not found, which costs time and nothing else. Runs that this
//! process wrote are asked through a filter first: of a million new small files hardly one is read for in vain.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::io::BufReader;
use std::io::BufWriter;
use std::io::Read;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::path::PathBuf;

use farkeep_codec::key::DomainKeys;

use filter::Filter;

mod filter;
#[cfg(test)]
mod tests;

/// Bytes of a key.
const KEY_BYTES: usize = 32;
/// Bytes of a record's check.
const CHECK_BYTES: usize = 8;
/// Records that are read around the place where one is expected.
const WINDOW_RECORDS: usize = 32;
/// Places that are guessed from the keys around before halves are tried.
const INTERPOLATIONS_MAX: usize = 8;
/// Runs on disk before they are merged into one.
const RUNS_MAX: usize = 4;
/// Entries in memory before they are written as a run.
const MEMORY_ENTRIES_MAX: usize = 256 << 10;

/// A map from a hash to a value of `V` bytes.
pub(crate) struct Known<const V: usize> {
    keys: DomainKeys,
    folder: PathBuf,
    name: &'static str,
    memory: HashMap<[u8; KEY_BYTES], [u8; V]>,
    runs: Vec<Run<V>>,
}

impl<const V: usize> Known<V> {
    /// Opens the map `name` in `folder` with the runs that are there.
    pub(crate) fn open(folder: &Path, name: &'static str, keys: &DomainKeys) -> Self {
        let mut known = Self::empty(folder, name, keys);
        known.runs = (0..=RUNS_MAX).filter_map(|number| Run::open(&known.run_path(number)).ok()).collect();
        known
    }

    /// The map without what earlier runs of the program knew. What it learns takes the place of that.
    pub(crate) fn empty(folder: &Path, name: &'static str, keys: &DomainKeys) -> Self {
        Self { keys: keys.clone(), folder: folder.to_owned(), name, memory: HashMap::new(), runs: Vec::new() }
    }

    /// The value of `key`.
    pub(crate) fn find(&self, key: &[u8; KEY_BYTES]) -> Option<[u8; V]> {
        if let Some(value) = self.memory.get(key) {
            return Some(*value);
        }
        self.runs.iter().rev().find_map(|run| run.find(key, &self.keys).ok().flatten())
    }

    /// Remembers a value, in memory until it is [saved](Self::save).
    pub(crate) fn insert(&mut self, key: [u8; KEY_BYTES], value: [u8; V]) {
        self.memory.insert(key, value);
    }

    /// Whether so much is in memory that it should be saved.
    pub(crate) fn is_full(&self) -> bool {
        self.memory.len() >= MEMORY_ENTRIES_MAX
    }

    /// Forgets what is in memory.
    pub(crate) fn forget(&mut self) {
        self.memory.clear();
    }

    /// Writes what is in memory as a run, and merges the runs when there are many.
    pub(crate) fn save(&mut self) -> io::Result<()> {
        if self.memory.is_empty() {
            return Ok(());
        }
        std::fs::create_dir_all(&self.folder)?;
        let mut sorted: Vec<_> = self.memory.drain().collect();
        sorted.sort_unstable();
        let path = self.run_path(self.runs.len());
        let mut writer = RunWriter::create(&path, sorted.len())?;
        for (key, value) in &sorted {
            writer.record(key, value, &self.keys)?;
        }
        let filter = writer.finish()?;
        self.runs.push(Run { filter, ..Run::open(&path)? });
        if self.runs.len() > RUNS_MAX { self.merge() } else { Ok(()) }
    }

    /// Merges all runs into one. Of several values of a key the newest stays.
    fn merge(&mut self) -> io::Result<()> {
        let merged = self.folder.join(format!("{}.merged", self.name));
        let mut writer = RunWriter::create(&merged, self.runs.iter().map(|run| run.records).sum())?;
        let mut streams: Vec<RunStream<V>> =
            self.runs.iter().map(|run| RunStream::open(&run.path, &self.keys)).collect::<io::Result<_>>()?;
        while let Some(least) = streams.iter().filter_map(|stream| stream.head.map(|(key, _)| key)).min() {
            let mut newest = None;
            for stream in &mut streams {
                if let Some((key, value)) = stream.head
                    && key == least
                {
                    newest = Some(value);
                    stream.advance(&self.keys)?;
                }
            }
            if let Some(value) = newest {
                writer.record(&least, &value, &self.keys)?;
            }
        }
        let filter = writer.finish()?;
        for run in self.runs.drain(..).skip(1) {
            std::fs::remove_file(&run.path)?;
        }
        std::fs::rename(&merged, self.run_path(0))?;
        self.runs.push(Run { filter, ..Run::open(&self.run_path(0))? });
        Ok(())
    }

    fn run_path(&self, number: usize) -> PathBuf {
        self.folder.join(format!("{}.{number}", self.name))
    }
}

const fn record_bytes<const V: usize>() -> usize {
    KEY_BYTES + V + CHECK_BYTES
}

fn check(body: &[u8], keys: &DomainKeys) -> [u8; CHECK_BYTES] {
    let [a, b, c, d, e, f, g, h, ..] = keys.cache_check(body);
    [a, b, c, d, e, f, g, h]
}

/// The key and value of a record whose check passes.
fn decode<const V: usize>(record: &[u8], keys: &DomainKeys) -> Option<([u8; KEY_BYTES], [u8; V])> {
    let (body, stored) = record.split_at_checked(KEY_BYTES + V)?;
    if check(body, keys) != stored {
        return None;
    }
    let (key, value) = body.split_at_checked(KEY_BYTES)?;
    Some((key.try_into().ok()?, value.try_into().ok()?))
}

struct Run<const V: usize> {
    path: PathBuf,
    file: File,
    records: usize,
    filter: Option<Filter>,
}

impl<const V: usize> Run<V> {
    fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let bytes = usize::try_from(file.metadata()?.len()).map_err(io::Error::other)?;
        let records = bytes / record_bytes::<V>();
        Ok(Self { path: path.to_owned(), file, records, filter: None })
    }

    fn find(&self, key: &[u8; KEY_BYTES], keys: &DomainKeys) -> io::Result<Option<[u8; V]>> {
        if self.filter.as_ref().is_some_and(|filter| !filter.may_have(key)) {
            return Ok(None);
        }
        let mut window = vec![0; WINDOW_RECORDS * record_bytes::<V>()];
        let read = |start: usize, window: &mut [u8]| {
            self.file.read_exact_at(window, (start * record_bytes::<V>()) as u64)
        };
        let found = search(key, self.records, record_bytes::<V>(), &mut window, read)?;
        Ok(found.and_then(|record| decode(record, keys)).map(|(_, value)| value))
    }
}

/// Interpolation search among `records` sorted records of `record_bytes` bytes, which `read` gives from a position on:
/// keys are hashes, so the place of one is known to within a few records, and after a miss to within fewer. Where keys
/// are not spread evenly, which damage can do, the rest is halved.
fn search<'w>(
    key: &[u8; KEY_BYTES],
    records: usize,
    record_bytes: usize,
    window: &'w mut [u8],
    mut read: impl FnMut(usize, &mut [u8]) -> io::Result<()>,
) -> io::Result<Option<&'w [u8]>> {
    let wanted = fraction(key);
    let (mut low, mut low_at) = (0, 0);
    let (mut high, mut high_at) = (records, u64::MAX);
    for probe in 0.. {
        if low == high {
            return Ok(None);
        }
        let expected = if probe < INTERPOLATIONS_MAX {
            let share = u128::from(wanted - low_at) * (high - low) as u128;
            let ahead = share / u128::from((high_at - low_at).max(1));
            low + usize::try_from(ahead).unwrap_or(usize::MAX).min(high - low)
        } else {
            low + (high - low) / 2
        };
        let start = expected.saturating_sub(WINDOW_RECORDS / 2).clamp(low, high - 1);
        let end = (start + WINDOW_RECORDS).min(high);
        let read_bytes = (end - start) * record_bytes;
        read(start, &mut window[..read_bytes])?;
        let key_at = |record: usize| &window[record * record_bytes..][..KEY_BYTES];
        let (first, last) = (key_at(0), key_at(end - start - 1));
        if key.as_slice() < first {
            (high, high_at) = (start, fraction(first));
        } else if key.as_slice() > last {
            (low, low_at) = (end, fraction(last));
        } else {
            let mut records = window[..read_bytes].chunks_exact(record_bytes);
            return Ok(records.find(|record| record.starts_with(key)));
        }
    }
    unreachable!("every probe leaves fewer records")
}

/// A key as a fraction of 2^64.
fn fraction(key: &[u8]) -> u64 {
    key.first_chunk().map_or(0, |first| u64::from_be_bytes(*first))
}

struct RunWriter {
    out: BufWriter<File>,
    filter: Option<Filter>,
}

impl RunWriter {
    /// For at most so many records.
    fn create(path: &Path, records_max: usize) -> io::Result<Self> {
        let file = File::options().write(true).create(true).truncate(true).mode(0o600).open(path)?;
        Ok(Self { out: BufWriter::new(file), filter: Filter::for_keys(records_max) })
    }

    fn record(&mut self, key: &[u8; KEY_BYTES], value: &[u8], keys: &DomainKeys) -> io::Result<()> {
        let body = [key.as_slice(), value].concat();
        self.out.write_all(&body)?;
        if let Some(filter) = &mut self.filter {
            filter.add(key);
        }
        self.out.write_all(&check(&body, keys))
    }

    fn finish(mut self) -> io::Result<Option<Filter>> {
        self.out.flush()?;
        Ok(self.filter)
    }
}

/// The records of a run in order; damaged ones are left out.
struct RunStream<const V: usize> {
    input: BufReader<File>,
    head: Option<([u8; KEY_BYTES], [u8; V])>,
}

impl<const V: usize> RunStream<V> {
    fn open(path: &Path, keys: &DomainKeys) -> io::Result<Self> {
        let mut stream = Self { input: BufReader::new(File::open(path)?), head: None };
        stream.advance(keys)?;
        Ok(stream)
    }

    fn advance(&mut self, keys: &DomainKeys) -> io::Result<()> {
        let mut record = vec![0; record_bytes::<V>()];
        loop {
            match self.input.read_exact(&mut record) {
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                    self.head = None;
                    return Ok(());
                }
                Err(error) => return Err(error),
                Ok(()) => self.head = decode(&record, keys),
            }
            if self.head.is_some() {
                return Ok(());
            }
        }
    }
}
