//! What happened that somebody may want to know: lines of JSON in a file of the data folder, and a command that is told.
//!
//! Whoever raises an event never waits: events go through a bounded queue to a thread of their own. One that does not
//! fit is counted, and logged.

use std::fs;
use std::fs::File;
use std::fs::OpenOptions;
use std::io;
use std::io::Read;
use std::io::Seek;
use std::io::SeekFrom;
use std::io::Write;
use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;
use tokio::sync::mpsc;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::notify::Notifier;
use super::text::Form;
use super::text::Text;

#[cfg(test)]
mod tests;

/// Name of the file in the data folder.
const FILE: &str = "events";
/// Name of the file that it becomes when it is full.
const FILE_BEFORE: &str = "events.1";
/// Bytes at which it is full.
const FILE_BYTES_MAX: u64 = 4 << 20;
/// Events that wait to be written.
const WAITING_MAX: usize = 256;
/// Version of the lines.
const VERSION: u32 = 1;
/// How long a server that is being stopped waits for its last event.
const LAST: Duration = Duration::from_secs(15);

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub(crate) enum Event {
    /// The server takes connections.
    Started { address: SocketAddr, observe: Option<SocketAddr> },
    /// The server has ended in order.
    Stopped,
    /// A client has become known.
    Enrolled { client: String, key: String, role: String },
    /// A client was shut out.
    Revoked { client: String, key: String },
    /// A soft quota is exceeded: once for each time that whoever has it begins to be counted.
    QuotaSoft { whose: String, used_bytes: u64, limit_bytes: u64 },
    /// Something was refused because of a hard quota: as often.
    QuotaHard { whose: String, used_bytes: u64, limit_bytes: u64 },
    /// The clock of the system went too far, by so many seconds.
    ClockJumped { seconds: f64 },
    /// Nothing is deleted from a repository any more: the clock showed something else than it should have.
    DeletionsFrozen { repository: String, shown: Timestamp, expected: Timestamp },
    /// The clock is right again, and has been for long enough.
    DeletionsThawed { repository: String },
    /// Policies were applied on their schedule, and forgot something.
    Retained { repository: String, kept: u64, forgotten: u64 },
    /// A repository was collected on its schedule, and something went.
    Collected {
        repository: String,
        purged: u64,
        packs_removed: u64,
        removed_bytes: u64,
        moved_bytes: u64,
        seconds: f64,
    },
    /// A repository was not collected on its schedule, or not to the end.
    CollectionFailed { repository: String, text: String },
    /// A patrol found what was not as it was written, and wrote it anew.
    Healed { repository: String, blocks: u64 },
    /// A patrol found objects that cannot be healed, and are unknown from then on, or packs of which something is damaged still.
    Quarantined { repository: String, objects: u64, packs: u64, healed_blocks: u64 },
    /// Packs were not verified for longer than the settings allow.
    VerificationLate {
        repository: String,
        oldest_seconds: Option<u64>,
        unverified_bytes: u64,
        limit_seconds: u64,
    },
    /// The storage of a repository failed; it is opened anew when its sessions have ended.
    StorageFailed { repository: String, text: String },
    /// The newest point of a series has become too old.
    PointOld { repository: String, series: String, age_seconds: u64, limit_seconds: u64 },
}

/// An event as it stands in the file.
#[derive(Serialize)]
struct Line<'a> {
    version: u32,
    time: Timestamp,
    #[serde(flatten)]
    event: &'a Event,
}

/// Where events are raised.
#[derive(Debug, Clone)]
pub(crate) struct Recorder {
    sender: mpsc::Sender<Note>,
    lost: Arc<AtomicU64>,
}

/// What goes to the thread that writes.
#[derive(Debug)]
pub(crate) enum Note {
    Event(Timestamp, Event),
    /// Nothing follows.
    End(oneshot::Sender<()>),
}

impl Recorder {
    /// A recorder, and what is raised with it.
    pub(crate) fn new() -> (Self, mpsc::Receiver<Note>) {
        let (sender, notes) = mpsc::channel(WAITING_MAX);
        (Self { sender, lost: Arc::default() }, notes)
    }

    pub(crate) fn raise(&self, event: Event) {
        tracing::info!(?event, "an event");
        if let Err(error) = self.sender.try_send(Note::Event(Timestamp::now(), event)) {
            self.lost.fetch_add(1, Ordering::Relaxed);
            tracing::error!(%error, "an event is not written down");
        }
    }

    /// Events that were not written down or not told, for whoever else finds one.
    pub(crate) fn lost(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.lost)
    }

    /// Raises the last event, and waits until all are written. Then nobody is told any more.
    pub(crate) async fn finish(&self) {
        let (done, ended) = oneshot::channel();
        let last = async {
            drop(self.sender.send(Note::Event(Timestamp::now(), Event::Stopped)).await);
            drop(self.sender.send(Note::End(done)).await);
            drop(ended.await);
        };
        if timeout(LAST, last).await.is_err() {
            tracing::error!("the last events were not written down in time");
        }
    }

    pub(super) fn write(&self, text: &mut Text) {
        let help = "Events that were not written down, or that the command or the webhook was not told.";
        text.alone("farkeep_events_lost_total", Form::Counter, help, self.lost.load(Ordering::Relaxed));
    }
}

/// The file with the events.
#[derive(Debug)]
pub(crate) struct Journal {
    folder: PathBuf,
    file: File,
    bytes: u64,
    bytes_max: u64,
}

impl Journal {
    /// Opens the file of a data folder behind what stands in it.
    pub(crate) fn open(folder: &Path) -> io::Result<Self> {
        Self::with_bytes(folder, FILE_BYTES_MAX)
    }

    fn with_bytes(folder: &Path, bytes_max: u64) -> io::Result<Self> {
        let mut file = open_file(folder)?;
        let mut bytes = file.metadata()?.len();
        // A line that a crash cut short stays one line.
        if bytes > 0 {
            file.seek(SeekFrom::End(-1))?;
            let mut last = [0];
            file.read_exact(&mut last)?;
            if last != *b"\n" {
                file.write_all(b"\n")?;
                bytes += 1;
            }
        }
        Ok(Self { folder: folder.to_owned(), file, bytes, bytes_max })
    }

    /// Has a thread write down what is raised, and tell it to the notifiers.
    pub(crate) fn record(
        self,
        recorder: &Recorder,
        notes: mpsc::Receiver<Note>,
        notifiers: Vec<Notifier>,
    ) -> io::Result<()> {
        let lost = Arc::clone(&recorder.lost);
        thread::Builder::new().name("events".to_owned()).spawn(move || run(self, notes, notifiers, &lost))?;
        Ok(())
    }

    fn append(&mut self, line: &str) -> io::Result<()> {
        if self.bytes > 0 && self.bytes + line.len() as u64 > self.bytes_max {
            fs::rename(self.folder.join(FILE), self.folder.join(FILE_BEFORE))?;
            self.file = open_file(&self.folder)?;
            self.bytes = 0;
        }
        self.file.write_all(line.as_bytes())?;
        self.file.sync_data()?;
        self.bytes += line.len() as u64;
        Ok(())
    }
}

fn open_file(folder: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(folder.join(FILE))
}

fn run(mut journal: Journal, mut notes: mpsc::Receiver<Note>, notifiers: Vec<Notifier>, lost: &AtomicU64) {
    while let Some(note) = notes.blocking_recv() {
        match note {
            Note::Event(time, event) => {
                let line = Line { version: VERSION, time, event: &event };
                let line = serde_json::to_string(&line).expect("an event is a table of plain values") + "\n";
                if let Err(error) = journal.append(&line) {
                    lost.fetch_add(1, Ordering::Relaxed);
                    tracing::error!(%error, line, "an event was not written down");
                }
                for _behind in notifiers.iter().filter_map(|notifier| notifier.tell(line.clone()).err()) {
                    lost.fetch_add(1, Ordering::Relaxed);
                    tracing::error!("whoever is told of events is too far behind");
                }
            }
            Note::End(done) => {
                // Whoever waited may have stopped waiting.
                drop(notifiers);
                let _heard = done.send(());
                return;
            }
        }
    }
}

/// Reads the events of a data folder, those that come later too.
#[derive(Debug)]
pub struct Follower {
    path: PathBuf,
    file: Option<(u64, File)>,
    /// The beginning of a line whose end has not come.
    begun: Vec<u8>,
}

impl Follower {
    /// Writes what there is, and stays behind it.
    ///
    /// # Errors
    /// If a file cannot be read, or the lines cannot be written.
    pub fn begin(folder: &Path, out: &mut dyn Write) -> io::Result<Self> {
        let mut follower = Self { path: folder.join(FILE), file: None, begun: Vec::new() };
        if let Some(before) = open_if_there(&folder.join(FILE_BEFORE))? {
            follower.drain(before, out)?;
        }
        follower.next(out)?;
        Ok(follower)
    }

    /// Writes what has come since.
    ///
    /// # Errors
    /// If the file cannot be read, or the lines cannot be written.
    pub fn next(&mut self, out: &mut dyn Write) -> io::Result<()> {
        if let Some((_, file)) = &self.file {
            let file = file.try_clone()?;
            self.drain(file, out)?;
        }
        let Some(now) = open_if_there(&self.path)? else { return out.flush() };
        let inode = now.metadata()?.ino();
        if self.file.as_ref().is_none_or(|(known, _)| *known != inode) {
            if let Some((_, before)) = self.file.take() {
                // What came between the look at it and the moment when it became full.
                self.drain(before, out)?;
            }
            self.drain(now.try_clone()?, out)?;
            self.file = Some((inode, now));
        }
        out.flush()
    }

    /// Writes the lines that stand between the file's position and its end.
    fn drain(&mut self, mut file: File, out: &mut dyn Write) -> io::Result<()> {
        let mut bytes = vec![0; 64 << 10];
        loop {
            let read = file.read(&mut bytes)?;
            if read == 0 {
                return Ok(());
            }
            self.begun.extend_from_slice(bytes.get(..read).expect("no more is read than there is room for"));
            if let Some(end) = self.begun.iter().rposition(|byte| *byte == b'\n') {
                out.write_all(self.begun.get(..=end).expect("the end was found in it"))?;
                self.begun.drain(..=end);
            }
        }
    }
}

fn open_if_there(path: &Path) -> io::Result<Option<File>> {
    match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        opened => opened.map(Some),
    }
}
