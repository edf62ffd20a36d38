//! The bytes of the file, and whose notes count.

use farkeep_codec::id::PackId;
use farkeep_codec::id::RepositoryId;
use farkeep_codec::time::Time;

use super::Verified;
use crate::disk::Disk;
use crate::disk::SimulatedDisk;
use crate::store::Name;
use crate::store::layout;

const REPOSITORY: RepositoryId = RepositoryId::from_bytes([0x22; 32]);

fn pack(number: u8) -> PackId {
    PackId::from_bytes([number; 32])
}

fn time(nanoseconds: i64) -> Time {
    Time::from_nanoseconds(nanoseconds)
}

fn two() -> Verified {
    let mut verified = Verified::default();
    verified.note(&pack(9), time(-2), 4096);
    verified.note(&pack(8), time(3), 0);
    verified
}

/// FORMAT.md, "Verified".
#[test]
fn golden() {
    let mut wanted = b"FKvf\x01\x00\x00\x00".to_vec();
    wanted.extend([0x22; 32]);
    wanted.extend([8; 32]);
    wanted.extend([3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    wanted.extend([9; 32]);
    wanted.extend([0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0x10, 0, 0]);
    let hash = blake3::hash(&wanted);
    wanted.extend(hash.as_bytes());
    let bytes = two().encode(REPOSITORY);
    assert_eq!(bytes, wanted);
    assert_eq!(Verified::parse(&bytes, REPOSITORY).expect("it is good"), two());
}

/// With a hash that holds, so that every rule is tried.
#[test]
fn what_breaks_a_rule_is_refused() {
    let good = two().encode(REPOSITORY);
    let body = &good[..good.len() - 32];
    let refused = |body: Vec<u8>| {
        let hash = blake3::hash(&body);
        Verified::parse(&[&body[..], hash.as_bytes()].concat(), REPOSITORY).expect_err("refused").what
    };
    let changed = |at: usize| {
        let mut body = body.to_vec();
        body[at] ^= 1;
        refused(body)
    };
    for at in [0, 4, 6, 8] {
        assert_eq!(changed(at), "it is of something else");
    }
    let (first, second) = body[40..].split_at(44);
    assert_eq!(refused([&body[..40], second, first].concat()), "packs in order");
    assert_eq!(refused([&body[..40], first, first].concat()), "packs in order");
    assert_eq!(refused(body[..body.len() - 1].to_vec()), "verified bytes");
    assert_eq!(Verified::parse(&good[1..], REPOSITORY).expect_err("refused").what, "hash");
    assert_eq!(Verified::parse(&good[..31], REPOSITORY).expect_err("refused").what, "end");
}

/// Two programs that patrol at a time lose nothing that the other one has noted.
#[test]
fn what_another_has_noted_counts() {
    let disk = SimulatedDisk::new(1);
    let noted = |number: u8, at: i64, bytes: u32| {
        let mut verified = two();
        verified.note(&pack(number), time(at), bytes);
        verified
    };
    let read = || Verified::read(&disk, REPOSITORY);
    noted(9, 50, 4096).write(&disk, REPOSITORY).expect("written");
    noted(8, 40, 8192).write(&disk, REPOSITORY).expect("written");
    let mut both = noted(9, 50, 4096);
    both.note(&pack(8), time(40), 8192);
    assert_eq!(read(), both);
    noted(8, 60, 0).write(&disk, REPOSITORY).expect("written");
    assert_eq!(read(), both, "a pack that was seen only is not verified");
    disk.remove(layout::path(Name::Verified)).expect("there");
    assert_eq!(read(), Verified::default());
}
