//! A bucket over a clock that stands still between two calls, and connections that share it.

use proptest::prelude::*;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio::io::duplex;
use tokio::task::JoinSet;

use super::*;

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

fn rate(bytes_per_second: u64) -> Rate {
    format!("{bytes_per_second}B/s").parse().expect("enough")
}

#[test]
fn after_a_rest_a_little_goes_at_once_and_the_rest_at_the_rate() {
    for (bytes_per_second, burst) in [(100 * KIB, 64 * KIB), (8 * MIB, 2 * MIB)] {
        let mut bucket = Bucket::new(rate(bytes_per_second));
        let burst = usize::try_from(burst).expect("small");
        let second = usize::try_from(bytes_per_second).expect("small");
        for now in [0, 100].map(Duration::from_secs) {
            assert_eq!(bucket.take(now, burst), Duration::ZERO);
            assert_eq!(bucket.take(now, second), Duration::from_secs(1));
            assert_eq!(bucket.take(now, second), Duration::from_secs(2), "behind the one before");
            assert_eq!(bucket.take(now + Duration::from_secs(1), second), Duration::from_secs(2));
        }
    }
}

#[test]
fn a_clock_that_goes_back_gives_nothing_twice() {
    let mut bucket = Bucket::new(rate(64 * KIB));
    let (now, all) = (Duration::from_secs(10), 128 << 10);
    assert_eq!(bucket.take(now, all), Duration::from_secs(1));
    assert_eq!(bucket.take(Duration::ZERO, all), Duration::from_secs(3));
    assert_eq!(bucket.take(now, 0), Duration::from_secs(3));
}

proptest! {
    /// Whatever is asked for and when: between any two moments no more goes than the rate gives, and what may go at
    /// once; and nothing waits longer than it takes what went before.
    #[test]
    fn the_rate_holds_between_any_two_moments(
        bytes_per_second in (16 * KIB)..(64 * MIB),
        asked in prop::collection::vec((0_u64..3_000_000, 1..=usize::try_from(PIECE_BYTES_MAX).expect("small")), 1..60),
    ) {
        let mut bucket = Bucket::new(rate(bytes_per_second));
        let burst = (bytes_per_second / BURST_PART).max(BURST_BYTES_LEAST);
        let (mut now, mut all) = (Duration::ZERO, 0);
        let mut went: Vec<(Duration, usize)> = Vec::new();
        for (pause, bytes) in asked {
            now += Duration::from_micros(pause);
            let waits = bucket.take(now, bytes);
            prop_assert!(went.last().is_none_or(|(last, _)| *last <= now + waits), "who asks first goes first");
            went.push((now + waits, bytes));
            all += bytes as u128 * PARTS;
            let most = all.saturating_sub(u128::from(burst) * PARTS).div_ceil(u128::from(bytes_per_second));
            prop_assert!(waits.as_nanos() <= most, "it waits for more than went");
        }
        for (first, (from, _)) in went.iter().enumerate() {
            let mut bytes = 0;
            for (to, more) in &went[first..] {
                bytes += *more as u128;
                let most = (*to - *from).as_nanos() * u128::from(bytes_per_second) + u128::from(burst) * PARTS;
                prop_assert!(bytes * PARTS <= most, "{bytes} bytes from {from:?} to {to:?}");
            }
        }
    }
}

/// So many connections with the same limits, and their other ends.
async fn paced(up: Option<Rate>, down: Option<Rate>, count: usize) -> (Vec<Box<dyn Io>>, Vec<Box<dyn Io>>) {
    let ends = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&ends);
    let dial: Dial = Arc::new(move || {
        let (ours, theirs) = duplex(64 << 10);
        kept.lock().expect("no panic").push(Box::new(theirs) as Box<dyn Io>);
        Box::pin(async move { Ok(Box::new(ours) as Box<dyn Io>) })
    });
    let dial = Pace::new(up, down).hold(dial);
    let mut ours = Vec::new();
    for _ in 0..count {
        ours.push(dial().await.expect("it is there"));
    }
    let theirs = std::mem::take(&mut *ends.lock().expect("no panic"));
    (ours, theirs)
}

/// Sends so many bytes on each, and says when each end had all of it.
async fn carry(from: Vec<Box<dyn Io>>, to: Vec<Box<dyn Io>>, bytes: usize) -> Vec<Duration> {
    let begun = Instant::now();
    let (mut writing, mut reading) = (JoinSet::new(), JoinSet::new());
    for mut io in from {
        writing.spawn(async move {
            io.write_all(&vec![7; bytes]).await.expect("the other side reads");
            io
        });
    }
    for mut io in to {
        reading.spawn(async move {
            let mut all = vec![0; bytes];
            io.read_exact(&mut all).await.expect("the other side writes");
            assert!(all.iter().all(|byte| *byte == 7));
            begun.elapsed()
        });
    }
    let took = reading.join_all().await;
    writing.join_all().await;
    took
}

/// Four connections have one limit together, and none is left behind. The clock of this test goes by itself.
#[tokio::test(start_paused = true)]
async fn connections_share_a_limit_and_take_turns() {
    let limit = rate(MIB);
    for (up, down) in [(Some(limit), None), (None, Some(limit))] {
        let (ours, theirs) = paced(up, down, 4).await;
        let (from, to) = if up.is_some() { (ours, theirs) } else { (theirs, ours) };
        let took = carry(from, to, 2 << 20).await;
        let (first, last) = (took.iter().min().expect("four"), took.iter().max().expect("four"));
        // 8 MiB less what goes at once, and what was read last is not waited for.
        assert!((7_300..=8_000).contains(&last.as_millis()), "{took:?}");
        assert!(last.abs_diff(*first) < Duration::from_secs(1), "{took:?}");
    }
}

/// A few bytes, as a heartbeat has, have their turn soon, however much others have to send.
#[tokio::test(start_paused = true)]
async fn a_few_bytes_do_not_wait_for_many() {
    let (mut ours, mut theirs) = paced(Some(rate(16 * KIB)), None, 8).await;
    let (mut quiet, mut listening) = (ours.pop().expect("eight"), theirs.pop().expect("eight"));
    let busy = tokio::spawn(carry(ours, theirs, 1 << 20));
    for _ in 0..10 {
        tokio::time::sleep(Duration::from_secs(5)).await;
        let begun = Instant::now();
        quiet.write_all(&[1; 16]).await.expect("the other side reads");
        listening.read_exact(&mut [0; 16]).await.expect("the other side writes");
        assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    }
    assert!(!busy.is_finished());
    busy.abort();
}

#[tokio::test(start_paused = true)]
async fn without_a_limit_nothing_waits() {
    let (ours, theirs) = paced(None, None, 1).await;
    assert_eq!(carry(ours, theirs, 8 << 20).await, [Duration::ZERO]);
}
