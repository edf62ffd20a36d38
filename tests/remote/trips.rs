//! How often a client waits for the server: what counts where the server is far away.

use std::io::Read;
use std::io::Write;
use std::net::Shutdown;
use std::net::TcpListener;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::Mutex;

use super::site::Site;
use crate::world::Item;
use crate::world::Tree;
use crate::world::make;
use crate::world::settle;

/// Who said something, one after the other: the client or the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Client,
    Server,
}

/// A way to the server on which each turn is counted.
struct Way {
    port: u16,
    turns: Arc<Mutex<Vec<Side>>>,
}

impl Way {
    fn to(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("there is a free port");
        let port = listener.local_addr().expect("it is bound").port();
        let turns = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&turns);
        std::thread::spawn(move || {
            for client in listener.incoming().filter_map(Result::ok) {
                let Ok(server) = TcpStream::connect(("127.0.0.1", server)) else { return };
                for (from, to, side) in [(&client, &server, Side::Client), (&server, &client, Side::Server)] {
                    let both = from.try_clone().and_then(|from| Ok((from, to.try_clone()?)));
                    let (from, to) = both.expect("there are descriptors");
                    let seen = Arc::clone(&seen);
                    std::thread::spawn(move || pass(from, to, side, &seen));
                }
            }
        });
        Self { port, turns }
    }

    /// How often the client spoke and was answered since the last time, with one more for each connection.
    fn round_trips(&self) -> usize {
        let turns = std::mem::take(&mut *self.turns.lock().expect("no panic"));
        turns.windows(2).filter(|pair| pair == &[Side::Client, Side::Server]).count() + 1
    }
}

fn pass(mut from: TcpStream, mut to: TcpStream, side: Side, turns: &Mutex<Vec<Side>>) {
    let mut buffer = [0; 64 << 10];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        turns.lock().expect("no panic").push(side);
        if to.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
    // One that is closed already is closed.
    let _ = to.shutdown(Shutdown::Write);
}

#[test]
fn a_run_in_which_nothing_changed_takes_twelve_round_trips_at_most() {
    let site = Site::new();
    let keeper = site.keeper();
    let agent = site.agent(&keeper, "web-1");
    let way = Way::to(site.port());
    for host in [&keeper, &agent] {
        let location = site.lead(host, way.port);
        make(&Tree { root: sample(), links: Vec::new() }, &host.path("source"));
        settle();
        let backup = || {
            let source = host.path("source");
            host.json("backup", ["--repo".as_ref(), location.as_ref(), source.as_os_str()]).remove(0)
        };
        let first = backup();
        way.round_trips();
        let again = backup();
        assert_eq!((&again["content"], &again["read_bytes"]), (&first["content"], &0.into()));
        let taken = way.round_trips();
        assert!((5..=12).contains(&taken), "{taken}");
    }
}

fn sample() -> Item {
    Item::folder([("a", Item::noise(1, 200_000)), ("b", Item::text("b"))])
}
