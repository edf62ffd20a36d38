//! Values of every field, for the laws that hold for all of them.

use std::fmt::Debug;

use farkeep_codec::id::ObjectId;
use farkeep_codec::id::PackId;
use farkeep_codec::id::RepositoryId;
use farkeep_codec::id::SnapshotId;
use farkeep_codec::time::Time;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::any;
use proptest::strategy::BoxedStrategy;
use proptest::strategy::Strategy;

use super::Bitmap;
use super::Counted;
use super::GroupId;
use super::JournalHash;
use super::List;
use super::Name;
use super::Place;
use super::PublicKeyBytes;
use super::Range;
use super::Ranges;
use super::Sequence;
use super::SessionId;
use super::Signature;
use super::SlotId;
use super::TagToken;
use super::Text;
use super::Within;

/// Lists and payloads of samples have at most so many elements: more would show nothing new.
const SAMPLE_MOST: usize = 12;

/// A type with values to try.
pub(crate) trait Sample: Sized + Debug {
    /// All kinds of values.
    fn sample() -> BoxedStrategy<Self>;
}

/// Bytes that end a body.
pub(crate) fn payload(bytes_max: usize) -> BoxedStrategy<&'static [u8]> {
    vec(any::<u8>(), 0..=bytes_max.min(SAMPLE_MOST)).prop_map(|bytes| &*bytes.leak()).boxed()
}

macro_rules! samples {
    ($($type:ty: $strategy:expr;)*) => {$(
        impl Sample for $type {
            fn sample() -> BoxedStrategy<Self> {
                $strategy.boxed()
            }
        }
    )*};
}

samples! {
    bool: any::<bool>();
    u16: any::<u16>();
    u32: any::<u32>();
    u64: any::<u64>();
    Time: any::<i64>().prop_map(Time::from_nanoseconds);
    ObjectId: any::<[u8; 32]>().prop_map(ObjectId::from_bytes);
    PackId: any::<[u8; 32]>().prop_map(PackId::from_bytes);
    SnapshotId: any::<[u8; 32]>().prop_map(SnapshotId::from_bytes);
    RepositoryId: any::<[u8; 32]>().prop_map(RepositoryId::from_bytes);
    JournalHash: any::<[u8; 32]>().prop_map(JournalHash::from_bytes);
    SessionId: any::<[u8; 16]>().prop_map(SessionId::from_bytes);
    GroupId: any::<[u8; 16]>().prop_map(GroupId::from_bytes);
    SlotId: any::<[u8; 16]>().prop_map(SlotId::from_bytes);
    PublicKeyBytes: any::<[u8; 32]>().prop_map(PublicKeyBytes::from_bytes);
    TagToken: any::<[u8; 8]>().prop_map(TagToken::from_bytes);
    Signature: vec(any::<u8>(), 64).prop_map(|bytes| Signature::from_bytes(bytes.try_into().expect("64 of them")));
    Sequence: (1..=u64::MAX).prop_map(|number| Sequence::new(number).expect("above 0"));
    Option<Sequence>: option::of(Sequence::sample());
    Option<ObjectId>: option::of(ObjectId::sample());
    Option<PackId>: option::of(PackId::sample());
    Option<GroupId>: option::of(GroupId::sample());
    Option<Place>: option::of(Place::sample());
    Option<Time>: option::of(Time::sample());
    Bitmap: vec(any::<bool>(), 1..SAMPLE_MOST).prop_map(|bits| Bitmap::new(&bits).expect("few of them"));
    Ranges: vec((0..4_u64, 1..4_u64), 1..SAMPLE_MOST).prop_map(|steps| {
        let mut free = 1;
        let range = |(skip, count)| {
            let first = free + skip;
            free = first + count + 1;
            Range { first: Sequence::new(first).expect("above 0"), count }
        };
        Ranges::new(steps.into_iter().map(range).collect()).expect("they rise")
    });
    Name<'static>: "[a-z0-9][a-z0-9._-]{0,63}".prop_map(|name| Name::new(name.leak()).expect("the pattern of names"));
}

impl<const MAX: usize> Sample for Text<'static, MAX> {
    fn sample() -> BoxedStrategy<Self> {
        any::<String>().prop_map(|text| Text::beginning(text.leak())).boxed()
    }
}

impl<const MAX: usize> Sample for Counted<'static, MAX> {
    fn sample() -> BoxedStrategy<Self> {
        payload(MAX).prop_map(|bytes| Self::new(bytes).expect("within its limits")).boxed()
    }
}

impl<const LEAST: u32, const MOST: u32> Sample for Within<LEAST, MOST> {
    fn sample() -> BoxedStrategy<Self> {
        (LEAST..=MOST).prop_map(|number| Self::new(number).expect("in the range")).boxed()
    }
}

impl<T: Sample + 'static, const LEAST: usize, const MOST: usize> Sample for List<T, LEAST, MOST> {
    fn sample() -> BoxedStrategy<Self> {
        let counts = LEAST..=MOST.min(LEAST + SAMPLE_MOST);
        vec(T::sample(), counts).prop_map(|values| Self::new(values).expect("in the range")).boxed()
    }
}
