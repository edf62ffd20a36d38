//! A line that is long: passes on what comes to it, both ways, after half of a round trip. It is as wide as loopback.
//!
//! ```text
//! cargo run --release -p farkeep-benches --bin delay -- --listen 127.0.0.1:7001 --to 127.0.0.1:7717 --round-trip 80
//! ```

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context;
use anyhow::Result;
use clap::Parser;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedReadHalf;
use tokio::net::tcp::OwnedWriteHalf;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio::time::sleep_until;

/// Bytes that are read at once.
const READ_BYTES: usize = 256 << 10;
/// Reads that may be on the way at a time: 256 MiB, more than any window of TCP.
const ON_THE_WAY_MAX: usize = 1024;

/// Passes connections on, with a delay.
#[derive(Debug, Parser)]
struct Arguments {
    /// Where it listens.
    #[arg(long, value_name = "ADDRESS")]
    listen: SocketAddr,
    /// Where connections are passed on to.
    #[arg(long, value_name = "ADDRESS")]
    to: SocketAddr,
    /// Milliseconds that it adds to a round trip.
    #[arg(long, default_value_t = 80, value_name = "MS")]
    round_trip: u64,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let way = Duration::from_millis(arguments.round_trip) / 2;
    let listener = TcpListener::bind(arguments.listen).await.context("listening")?;
    loop {
        let (near, _) = listener.accept().await.context("accepting")?;
        let far = TcpStream::connect(arguments.to).await.context("connecting")?;
        near.set_nodelay(true)?;
        far.set_nodelay(true)?;
        let (near_in, near_out) = near.into_split();
        let (far_in, far_out) = far.into_split();
        pass(near_in, far_out, way);
        pass(far_in, near_out, way);
    }
}

/// Passes on one direction until it ends.
fn pass(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, way: Duration) {
    let (sender, mut on_the_way) = mpsc::channel::<(Instant, Vec<u8>)>(ON_THE_WAY_MAX);
    tokio::spawn(async move {
        let mut buffer = vec![0; READ_BYTES];
        while let Ok(bytes @ 1..) = from.read(&mut buffer).await {
            let arrives = Instant::now() + way;
            if sender.send((arrives, buffer.get(..bytes).unwrap_or_default().to_vec())).await.is_err() {
                return;
            }
        }
    });
    tokio::spawn(async move {
        while let Some((arrives, bytes)) = on_the_way.recv().await {
            sleep_until(arrives).await;
            if to.write_all(&bytes).await.is_err() {
                return;
            }
        }
        // The end travels as long as the bytes before it did; what comes the other way goes on.
        let _ = to.shutdown().await;
    });
}
