//! A proxy that stands between a client and the server, and does to their bytes what networks do.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::net::TcpStream;
use tokio::net::tcp::ReadHalf;
use tokio::net::tcp::WriteHalf;
use tokio::sync::mpsc;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio::time::sleep;
use tokio::time::sleep_until;

/// Where bytes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// From the client to the server.
    Up,
    /// From the server to the client.
    Down,
}

/// What is done to a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Harm {
    /// Both sides see its end.
    Close,
    /// Both sides see that it was reset.
    Reset,
    /// What goes this way is lost from here on, its end included, and nobody is told.
    Swallow,
    /// One byte is another one: these bits of it are turned over.
    Corrupt(u8),
    /// So many bytes come twice, as far as they were read together.
    Duplicate(usize),
    /// So many bytes come at a time, and then nothing for so long.
    Drip(usize, Duration),
}

/// Where it is done: behind so many bytes of one way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Blow {
    pub(crate) way: Way,
    pub(crate) at: usize,
    pub(crate) harm: Harm,
}

/// What happens to one connection. By default, nothing does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) blow: Option<Blow>,
    /// How long bytes are on their way, each way.
    pub(crate) delay: Duration,
}

impl Plan {
    pub(crate) fn with(way: Way, at: usize, harm: Harm) -> Self {
        Self { blow: Some(Blow { way, at, harm }), delay: Duration::ZERO }
    }

    fn of(&self, way: Way) -> Option<Blow> {
        self.blow.filter(|blow| blow.way == way)
    }
}

/// Pieces that wait to be sent on. With a delay, this and their size bound what a line holds.
const PIECES_MAX: usize = 1_024;
/// Bytes that are read together.
const PIECE_BYTES_MAX: usize = 32 << 10;

/// A proxy that listens on a port of its own.
pub(crate) struct Proxy {
    address: SocketAddr,
    accepting: JoinHandle<()>,
    seen: Seen,
    left: watch::Receiver<bool>,
    connections: Arc<AtomicUsize>,
}

/// Bytes that are kept of each way.
const SEEN_BYTES_MAX: usize = 64 << 10;

/// The first bytes that came up, and down.
#[derive(Debug, Clone, Default)]
struct Seen(Arc<Mutex<(Vec<u8>, Vec<u8>)>>);

impl Seen {
    fn add(&self, way: Way, bytes: &[u8]) {
        let mut seen = self.0.lock().expect("nothing panics while it keeps bytes");
        let kept = match way {
            Way::Up => &mut seen.0,
            Way::Down => &mut seen.1,
        };
        kept.extend(bytes.iter().take(SEEN_BYTES_MAX - kept.len()));
    }
}

impl Proxy {
    /// A proxy before that server. The first connections go as planned, all others undisturbed.
    pub(crate) async fn start(target: SocketAddr, plans: Vec<Plan>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("there is a free port");
        let address = listener.local_addr().expect("it is bound");
        let seen = Seen::default();
        let (leaving, left) = watch::channel(false);
        let connections = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&connections);
        let accepting = tokio::spawn(accept(listener, target, plans, seen.clone(), (leaving, counted)));
        Self { address, accepting, seen, left, connections }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The first bytes that came up, and down, on all connections.
    pub(crate) fn seen(&self) -> (Vec<u8>, Vec<u8>) {
        self.seen.0.lock().expect("nothing panics while it keeps bytes").clone()
    }

    /// Connections so far.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    /// Waits until the server has ended a connection.
    pub(crate) async fn left_by_server(&self) {
        self.left.clone().wait_for(|left| *left).await.expect("the proxy lives");
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(
    listener: TcpListener,
    target: SocketAddr,
    plans: Vec<Plan>,
    seen: Seen,
    (leaving, connections): (watch::Sender<bool>, Arc<AtomicUsize>),
) {
    // They end with this task.
    let mut lines = tokio::task::JoinSet::new();
    let mut plans = plans.into_iter();
    loop {
        let (client, _) = listener.accept().await.expect("there are descriptors");
        connections.fetch_add(1, Ordering::Relaxed);
        let plan = plans.next().unwrap_or_default();
        lines.spawn(carry(client, target, plan, seen.clone(), leaving.clone()));
    }
}

/// What goes to one side of a connection.
enum Piece {
    Bytes(Instant, Vec<u8>),
    /// The connection is cut behind what came before.
    Cut(Harm),
}

/// Carries one connection to its end.
async fn carry(
    mut client: TcpStream,
    target: SocketAddr,
    plan: Plan,
    seen: Seen,
    leaving: watch::Sender<bool>,
) {
    // Without a server the client sees its connection end.
    let Ok(mut server) = TcpStream::connect(target).await else { return };
    drop(client.set_nodelay(true));
    drop(server.set_nodelay(true));
    let cut = {
        let ((from_client, to_client), (from_server, to_server)) = (client.split(), server.split());
        let (up, sent_up) = mpsc::channel(PIECES_MAX);
        let (down, sent_down) = mpsc::channel(PIECES_MAX);
        let delivered = async {
            let up = deliver(sent_up, to_server, plan.of(Way::Up));
            tokio::try_join!(up, deliver(sent_down, to_client, plan.of(Way::Down)))
        };
        let collect_down = async {
            let held = collect(from_server, Way::Down, &plan, &seen, down).await;
            leaving.send_replace(true);
            held
        };
        let collected = async {
            let _held = tokio::join!(collect(from_client, Way::Up, &plan, &seen, up), collect_down);
            std::future::pending::<()>().await;
        };
        tokio::select! {
            delivered = delivered => delivered.err(),
            () = collected => None,
        }
    };
    if cut == Some(Harm::Reset) {
        drop(client.set_zero_linger());
        drop(server.set_zero_linger());
    }
}

/// Reads what comes from one side, and decides what becomes of it. Whoever keeps what this returns keeps the end from
/// being passed on.
async fn collect(
    mut from: ReadHalf<'_>,
    way: Way,
    plan: &Plan,
    seen: &Seen,
    to: mpsc::Sender<Piece>,
) -> Option<mpsc::Sender<Piece>> {
    let blow = plan.of(way);
    let mut position = 0;
    let mut buffer = vec![0; PIECE_BYTES_MAX];
    loop {
        let cut = match blow {
            Some(Blow { at, harm: harm @ (Harm::Close | Harm::Reset), .. }) if at == position => Some(harm),
            _ => None,
        };
        if let Some(harm) = cut {
            drop(to.send(Piece::Cut(harm)).await);
            return None;
        }
        let count = match from.read(&mut buffer).await {
            Ok(0) | Err(_) => break,
            Ok(count) => count,
        };
        seen.add(way, &buffer[..count]);
        let (passed, ends) = struck(&buffer[..count], position, blow);
        position = ends;
        // One side may have gone already; the other one is read to its end.
        drop(to.send(Piece::Bytes(Instant::now() + plan.delay, passed)).await);
    }
    matches!(blow, Some(Blow { at, harm: Harm::Swallow, .. }) if at <= position).then_some(to)
}

/// What becomes of bytes that begin at that position, and where they end.
fn struck(bytes: &[u8], position: usize, blow: Option<Blow>) -> (Vec<u8>, usize) {
    let ends = position + bytes.len();
    let mut passed = bytes.to_vec();
    let Some(Blow { at, harm, .. }) = blow.filter(|blow| blow.at < ends) else { return (passed, ends) };
    let inside = at.checked_sub(position);
    match (harm, inside) {
        (Harm::Close | Harm::Reset, _) => {
            passed.truncate(inside.expect("a line ends where it is cut"));
            return (passed, at);
        }
        (Harm::Swallow, _) => passed.truncate(inside.unwrap_or(0)),
        (Harm::Corrupt(bits), Some(inside)) => passed[inside] ^= bits,
        (Harm::Duplicate(count), Some(inside)) => {
            let end = bytes.len().min(inside + count);
            passed.splice(inside..inside, bytes[inside..end].iter().copied());
        }
        (Harm::Corrupt(_) | Harm::Duplicate(_), None) | (Harm::Drip(..), _) => {}
    }
    (passed, ends)
}

/// Sends on what was collected, when it is due.
async fn deliver(
    mut pieces: mpsc::Receiver<Piece>,
    mut to: WriteHalf<'_>,
    blow: Option<Blow>,
) -> Result<(), Harm> {
    let mut position = 0;
    while let Some(piece) = pieces.recv().await {
        let (due, bytes) = match piece {
            Piece::Bytes(due, bytes) => (due, bytes),
            Piece::Cut(harm) => return Err(harm),
        };
        sleep_until(due).await;
        position += bytes.len();
        let sent = match blow {
            Some(Blow { at, harm: Harm::Drip(count, pause), .. }) if at < position => {
                drip(&mut to, &bytes, count, pause).await
            }
            _ => to.write_all(&bytes).await,
        };
        // Whoever went away before the end ends the connection for the other one too.
        sent.map_err(|_| Harm::Close)?;
    }
    to.shutdown().await.map_err(|_| Harm::Close)
}

async fn drip(to: &mut WriteHalf<'_>, bytes: &[u8], count: usize, pause: Duration) -> std::io::Result<()> {
    for drop in bytes.chunks(count) {
        to.write_all(drop).await?;
        sleep(pause).await;
    }
    Ok(())
}
