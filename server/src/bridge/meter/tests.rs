use std::thread;

use super::*;

fn meter(hard_bytes: u64, used_bytes: u64) -> Meter {
    Meter::new(
        "web-1".to_owned(),
        Quota { soft_bytes: Some(1), hard_bytes: Some(hard_bytes) },
        used_bytes,
        Recorder::new().0,
    )
}

#[test]
fn what_is_beyond_the_quota_is_refused_and_not_counted() {
    let meter = meter(100, 90);
    assert_eq!(meter.reserve(11).map_err(|failure| failure.code), Err(Code::QUOTA_EXCEEDED));
    assert_eq!(meter.used_bytes(), 90);
    assert_eq!(meter.reserve(10), Ok(()));
    assert_eq!(meter.reserve(1).map_err(|failure| failure.code), Err(Code::QUOTA_EXCEEDED));
    meter.release(5);
    assert_eq!(meter.reserve(5), Ok(()));
    assert_eq!(meter.reserve(u64::MAX).map_err(|failure| failure.code), Err(Code::QUOTA_EXCEEDED));
}

#[test]
fn without_a_quota_everything_is_counted() {
    let meter = Meter::new(String::new(), Quota::default(), 7, Recorder::new().0);
    assert_eq!(meter.reserve(1 << 40), Ok(()));
    assert_eq!(meter.used_bytes(), (1 << 40) + 7);
}

#[test]
fn many_at_a_time_store_no_more_than_one_may() {
    let meter = meter(1_000, 0);
    let taken: u64 = thread::scope(|scope| {
        let one = || (0..1_000).filter(|_| meter.reserve(3).is_ok()).count() as u64;
        let all: Vec<_> = (0..4).map(|_| scope.spawn(one)).collect();
        all.into_iter().map(|one| one.join().expect("no panic")).sum()
    });
    assert_eq!((taken, meter.used_bytes()), (333, 999));
}
