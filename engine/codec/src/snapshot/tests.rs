use proptest::collection::vec;
use proptest::option;
use proptest::prelude::Just;
use proptest::prelude::Strategy;
use proptest::prelude::any;
use proptest::prop_assert_eq;
use proptest::prop_oneof;
use proptest::proptest;

use super::Counts;
use super::Draft;
use super::Private;
use super::PrivateError;
use super::Series;
use super::Snapshot;
use super::Status;
use super::TABLE;
use super::context;
use super::plain_part;
use crate::envelope;
use crate::envelope::EnvelopeError;
use crate::id::ContentId;
use crate::id::ObjectId;
use crate::id::RepositoryId;
use crate::id::Seed;
use crate::id::SnapshotId;
use crate::key::AgentIdentity;
use crate::key::Epoch;
use crate::key::Forged;
use crate::key::ReaderSecret;
use crate::limits::LABEL_BYTES_MAX;
use crate::limits::SERIES_BYTES_MAX;
use crate::limits::SNAPSHOT_TAGS_MAX;
use crate::object::object_id;
use crate::time::Time;

fn reader() -> ReaderSecret {
    ReaderSecret::from_bytes([0xe0; 32])
}

fn agent() -> AgentIdentity {
    AgentIdentity::from_bytes(&[0xa0; 32])
}

fn draft() -> Draft {
    Draft {
        repository: RepositoryId::from_bytes([0x22; 32]),
        series: Series::new("host:/etc").expect("a good name"),
        sequence: 3,
        previous: Some(SnapshotId::from_bytes([0x33; 32])),
        captured: Time::from_nanoseconds(1_700_000_000_123_456_789),
        status: Status::Partial { unreadable: 5 },
        root: ObjectId::from_bytes([0x44; 32]),
        entries: 1000,
        bytes: 1 << 33,
    }
}

fn private() -> Private {
    Private {
        epoch: Epoch::FIRST,
        root_seed: Seed::from_bytes([0x55; 32]),
        root_bytes: 4321,
        content: ContentId::from_bytes([0x66; 32]),
        counts: Counts { files: 900, folders: 90, symlinks: 7, hard_links: 2, others: 1 },
        host: "host".to_owned(),
        user: "root".to_owned(),
        program: "farkeep 0.1.0".to_owned(),
        paths: vec![b"/etc".to_vec(), b"/not \xff utf-8".to_vec()],
        tags: vec!["nightly".to_owned()],
    }
}

fn counting() -> impl FnMut(&mut [u8]) {
    let mut next = 0_u8;
    move |bytes| {
        for byte in bytes {
            *byte = next;
            next = next.wrapping_add(1);
        }
    }
}

fn sign(draft: Draft, private: &Private) -> Snapshot {
    Snapshot::sign(draft, private, &reader().public(), &agent(), counting()).expect("within the limits")
}

fn drafts() -> impl Strategy<Value = Draft> {
    let status = option::of(any::<u64>())
        .prop_map(|some| some.map_or(Status::Complete, |unreadable| Status::Partial { unreadable }));
    let ids = (any::<[u8; 32]>(), option::of(any::<[u8; 32]>()), any::<[u8; 32]>());
    let numbers = (any::<u64>(), any::<i64>(), any::<u64>(), any::<u64>());
    ("[^\\p{Cc}]{1,80}", status, ids, numbers).prop_map(|(series, status, ids, numbers)| Draft {
        repository: RepositoryId::from_bytes(ids.0),
        series: Series::new(series).expect("the pattern of good names"),
        sequence: numbers.0,
        previous: ids.1.map(SnapshotId::from_bytes),
        captured: Time::from_nanoseconds(numbers.1),
        status,
        root: ObjectId::from_bytes(ids.2),
        entries: numbers.2,
        bytes: numbers.3,
    })
}

fn privates() -> impl Strategy<Value = Private> {
    let epoch = prop_oneof![Just(0), Just(1), any::<u32>()];
    let ids = (any::<[u8; 32]>(), any::<u32>(), any::<[u8; 32]>(), epoch);
    let counts = any::<[u64; 5]>().prop_map(|[files, folders, symlinks, hard_links, others]| Counts {
        files,
        folders,
        symlinks,
        hard_links,
        others,
    });
    let paths = vec(vec(any::<u8>(), 0..40), 0..20);
    (ids, counts, any::<[String; 3]>(), paths, vec(".{0,20}", 0..20)).prop_map(
        |(ids, counts, [host, user, program], paths, tags)| Private {
            epoch: Epoch::new(ids.3),
            root_seed: Seed::from_bytes(ids.0),
            root_bytes: ids.1,
            content: ContentId::from_bytes(ids.2),
            counts,
            host: host.chars().take(60).collect(),
            user: user.chars().take(60).collect(),
            program: program.chars().take(60).collect(),
            paths,
            tags,
        },
    )
}

proptest! {
    #[test]
    fn a_private_part_comes_back(private in privates()) {
        let text = private.encode()?;
        prop_assert_eq!(text.len() % 256, 0);
        prop_assert_eq!(Private::decode(&text)?, private);
    }

    #[test]
    fn a_private_part_that_decodes_encodes_to_the_same_bytes(private in privates(), flips: Vec<(usize, u8)>) {
        let mut text = private.encode()?;
        let length = text.len();
        flips.iter().for_each(|(at, byte)| text[at % length] = *byte);
        if let Ok(private) = Private::decode(&text) {
            prop_assert_eq!(private.encode()?, text);
        }
    }

    #[test]
    fn a_record_that_parses_encodes_to_the_same_bytes(flips: Vec<(usize, u8)>) {
        let bytes = sign(draft(), &private()).encode();
        let mut body = envelope::body(&TABLE, &bytes)?.to_vec();
        // The front part is where the fields are; the rest are bytes without structure.
        flips.iter().for_each(|(at, byte)| body[at % 200] = *byte);
        let bytes = envelope::wrap(&TABLE, &body);
        if let Ok(snapshot) = Snapshot::parse(&bytes) {
            prop_assert_eq!(snapshot.encode(), bytes);
        }
    }
}

proptest! {
    #![proptest_config(proptest::test_runner::Config::with_cases(40))]

    #[test]
    fn a_record_comes_back(draft in drafts(), private in privates()) {
        let snapshot = sign(draft.clone(), &private);
        let read = Snapshot::parse(&snapshot.encode())?;
        prop_assert_eq!(&read, &snapshot);
        prop_assert_eq!(read.id(), snapshot.id());
        prop_assert_eq!(&*read, &draft);
        prop_assert_eq!(read.verify(), Ok(()));
        prop_assert_eq!(read.agent(), &agent().public());
        prop_assert_eq!(read.open(&reader())?, private);
    }
}

#[test]
fn every_flipped_bit_is_damage_and_a_mended_checksum_is_a_forgery() {
    let bytes = sign(draft(), &private()).encode();
    let body = envelope::body(&TABLE, &bytes).expect("intact").to_vec();
    for at in 0..bytes.len() * 8 {
        let mut altered = bytes.clone();
        altered[at / 8] ^= 1 << (at % 8);
        assert!(Snapshot::parse(&altered).is_err(), "bit {at}");
    }
    for at in 0..body.len() {
        let mut altered = body.clone();
        altered[at] ^= 1 << (at % 8);
        let Ok(forged) = Snapshot::parse(&envelope::wrap(&TABLE, &altered)) else { continue };
        assert_eq!(forged.verify(), Err(Forged), "byte {at}");
    }
    for length in 0..bytes.len() {
        assert!(Snapshot::parse(&bytes[..length]).is_err(), "{length}");
    }
}

#[test]
fn the_first_epoch_is_written_as_before_there_were_others() {
    let first = private().encode().expect("it fits");
    assert_eq!(first[0], 1);
    let second = Private { epoch: Epoch::new(300), ..private() }.encode().expect("it fits");
    assert_eq!(second[..3], [2, 0xac, 0x02]);
    assert_eq!(second[3..150], first[1..148]);
    // There is one way to write it.
    let mut other = second;
    other.splice(1..3, [0]);
    other.extend([0, 0]);
    assert!(
        matches!(Private::decode(&other), Err(PrivateError::Malformed(malformed)) if malformed.what == "epoch of a snapshot")
    );
    other[0] = 3;
    assert_eq!(Private::decode(&other), Err(PrivateError::NewerFormat { found: 3, known: 2 }));
}

#[test]
fn the_private_part_opens_for_the_reader_with_its_own_record_alone() {
    let snapshot = sign(draft(), &private());
    let refused = PrivateError::Refused(crate::key::KeyRefused);
    assert_eq!(snapshot.open(&reader()), Ok(private()));
    assert_eq!(snapshot.open(&ReaderSecret::from_bytes([0xe1; 32])), Err(refused.clone()));
    for at in [0, 1119, 1120, snapshot.sealed.len() - 1] {
        let mut altered = snapshot.clone();
        altered.sealed[at] ^= 1;
        assert_eq!(altered.open(&reader()), Err(refused.clone()), "byte {at}");
    }
    // Lifted into another record, by whoever signs there.
    let other = sign(Draft { sequence: 4, ..draft() }, &private());
    let lifted = Snapshot { sealed: snapshot.sealed.clone(), ..other };
    assert_eq!(lifted.open(&reader()), Err(refused));
}

#[test]
fn the_seal_names_its_purpose() {
    let snapshot = sign(draft(), &private());
    let bound = plain_part(&draft(), &agent().public());
    let text = reader().open(&context(snapshot.repository), &bound, &snapshot.sealed);
    assert_eq!(text, Ok(private().encode().expect("within the limits")));
    assert!(reader().open(snapshot.repository.as_bytes(), &bound, &snapshot.sealed).is_err());
}

#[test]
fn equal_snapshots_of_two_moments_have_two_names() -> Result<(), EnvelopeError> {
    let first = sign(draft(), &private());
    let second = sign(Draft { captured: Time::from_nanoseconds(0), ..draft() }, &private());
    assert_ne!(first.id(), second.id());
    assert_eq!(first.id(), Snapshot::parse(&first.encode())?.id());
    Ok(())
}

#[test]
fn names_of_series_are_printable() {
    for bad in ["", "a\nb", "a\x1b[2J", &"x".repeat(SERIES_BYTES_MAX + 1)] {
        assert!(Series::new(bad).is_err(), "{bad:?}");
    }
    assert!(Series::new("x".repeat(SERIES_BYTES_MAX)).is_ok());
    assert_eq!(Series::new("höst:/srv").map(|series| series.to_string()), Ok("höst:/srv".to_owned()));
}

#[test]
fn a_description_beyond_the_limits_is_refused_before_it_is_sealed() {
    let refused = |private: &Private| private.encode().map_err(|error| error.what);
    let label = "x".repeat(LABEL_BYTES_MAX + 1);
    assert_eq!(refused(&Private { host: label.clone(), ..private() }), Err("bytes of the host's name"));
    assert_eq!(refused(&Private { tags: vec![label], ..private() }), Err("bytes of one tag"));
    let tags = vec![String::new(); SNAPSHOT_TAGS_MAX + 1];
    assert_eq!(refused(&Private { tags, ..private() }), Err("tags"));
    let paths = vec![vec![0; 1 << 19]; 2];
    assert_eq!(refused(&Private { paths, ..private() }), Err("bytes of the description"));
}

#[test]
fn hostile_private_parts_are_refused() {
    let text = private().encode().expect("within the limits");
    assert_eq!(Private::decode(&text), Ok(private()));
    let mut newer = text.clone();
    newer[0] = 3;
    assert_eq!(Private::decode(&newer), Err(PrivateError::NewerFormat { found: 3, known: 2 }));
    let padded = [text.as_slice(), &[0; 256]].concat();
    assert!(
        matches!(Private::decode(&padded), Err(PrivateError::Malformed(_))),
        "padding beyond the shortest"
    );
    let mut dirty = text.clone();
    *dirty.last_mut().expect("not empty") = 1;
    assert!(
        matches!(Private::decode(&dirty), Err(PrivateError::Malformed(_))),
        "padding that says something"
    );
    for length in 0..text.len() {
        assert!(Private::decode(&text[..length]).is_err(), "{length}");
    }
}

#[test]
fn golden_private_part() {
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let text = private().encode().expect("within the limits");
    let parts = [
        "01",
        "5555555555555555555555555555555555555555555555555555555555555555_e1100000",
        "6666666666666666666666666666666666666666666666666666666666666666",
        "8407_5a_07_02_01",
        "04686f7374_04726f6f74_0d6661726b65657020302e312e30",
        "02_042f657463_0c2f6e6f7420ff207574662d38",
        "01_076e696768746c79",
    ];
    let golden = parts.concat().replace('_', "");
    assert_eq!(hex(&text), format!("{golden:0<512}"));
}

#[test]
fn golden_record() {
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let bytes = sign(draft(), &private()).encode();
    let front = [
        "464b736e6170_0100_66060000_ae29e387",
        "2222222222222222222222222222222222222222222222222222222222222222",
        "09686f73743a2f657463_0300000000000000",
        "01_3333333333333333333333333333333333333333333333333333333333333333",
        "15cd853dfe9c9717_01_0500000000000000",
        "4444444444444444444444444444444444444444444444444444444444444444",
        "e803000000000000_0000000002000000",
        "b533d8ad9fcfbdde0b481c1b334ddc3c53412fd614564e7e5afd020368d382c3_f00a",
    ];
    let front = front.concat().replace('_', "");
    assert_eq!(hex(&bytes[..front.len() / 2]), front);
    assert_eq!(bytes.len(), 1670);
    // The rest, with randomness that counts: sealed part, signature, checksum.
    assert_eq!(
        object_id(&bytes).to_string(),
        "93c9435759ca98146be39cb15eedd4bbd570290aae6b5416ea5486ff14eea500"
    );
}
