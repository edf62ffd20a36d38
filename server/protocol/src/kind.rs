//! Kinds of messages: their stable numbers, who sends them, and what all messages have in common.

use farkeep_codec::layout::Malformed;
use farkeep_codec::layout::Reader;
use farkeep_codec::layout::Writer;

#[cfg(test)]
mod tests;

/// The two ends of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Side {
    /// The one that connected: an agent, an administrator's program, a peer that follows.
    Client,
    /// The one that listens.
    Server,
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $number:literal,)*) => {
        /// What a frame holds. PROTOCOL.md, "Kinds".
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Kind {
            $($(#[$doc])* $name = $number,)*
        }

        impl Kind {
            /// All kinds, in the order of their numbers.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The kind with this number.
            pub const fn from_number(number: u16) -> Option<Self> {
                match number {
                    $($number => Some(Self::$name),)*
                    _ => None,
                }
            }

            /// Its name in the specification, in logs and in metrics.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name),)*
                }
            }
        }
    };
}

kinds! {
    /// A client says who it is and what it wants.
    Hello = 0x0001,
    /// The server takes the connection.
    Welcome = 0x0002,
    /// A client without identity shows its token.
    Enroll = 0x0003,
    /// The server knows the client from now on.
    Enrolled = 0x0004,
    /// The client names the repository of the session.
    Open = 0x0005,
    /// What the client must know of the repository.
    Opened = 0x0006,
    /// The server may send more.
    Grant = 0x0007,
    /// The client may send more.
    Credit = 0x0008,
    /// The client makes a repository, and names it as that of the session.
    Create = 0x0009,
    /// A request was carried out, or answered to the end.
    Done = 0x000a,
    /// A request was not carried out; the session goes on.
    Refused = 0x000c,
    /// The sender is alive.
    Heartbeat = 0x0080,
    /// The sender wants to end the session in order.
    Goodbye = 0x0081,
    /// The sender ends the connection.
    Fault = 0x0082,

    /// Which of these objects are there?
    Probe = 0x0101,
    /// These are.
    Presence = 0x0102,
    /// Here is an object.
    Put = 0x0103,
    /// These puts are durable.
    Durable = 0x0104,
    /// Make durable what was put.
    Flush = 0x0105,
    /// Here is the record of a snapshot.
    Commit = 0x0107,
    /// The snapshot is durable.
    Committed = 0x0108,
    /// A member of a consistency group is as far.
    Barrier = 0x0109,
    /// All members of the group are.
    Gathered = 0x010a,
    /// Here is the record of a snapshot, and what may be known of its tags.
    CommitMarked = 0x010b,
    /// Here is the record of a snapshot that takes the place of another one.
    Replace = 0x010d,

    /// Send these objects.
    Get = 0x0201,
    /// Here is one.
    Object = 0x0202,
    /// One cannot be sent.
    Missing = 0x0204,
    /// Where do these objects lie?
    Locate = 0x0205,
    /// There they lie.
    Places = 0x0206,
    /// Which snapshots are there?
    List = 0x0207,
    /// Here is one.
    Listed = 0x0208,
    /// Send the key slots.
    Slots = 0x0209,
    /// Here is one.
    Slot = 0x020a,
    /// Add a key slot.
    AddSlot = 0x020b,
    /// Remove a key slot.
    RemoveSlot = 0x020d,
    /// How much is stored?
    Usage = 0x020f,
    /// That much.
    Used = 0x0210,
    /// Verify what is stored.
    Verify = 0x0211,
    /// How far the verification is, and what it found.
    Verified = 0x0212,
    /// Take a snapshot off the list.
    Forget = 0x0213,
    /// Keep a snapshot at least until then.
    Hold = 0x0215,
    /// What did the keepers decide about the repository?
    Settings = 0x0217,
    /// That.
    SettingsAre = 0x0218,
    /// This holds from here on.
    SetSettings = 0x0219,
    /// Apply policies to all snapshots that are on the list.
    Retain = 0x021b,
    /// What becomes of one of them.
    Planned = 0x021c,
    /// Put a forgotten snapshot on the list again.
    Recover = 0x021d,
    /// Which snapshots are there, forgotten ones included?
    ListAll = 0x021f,
    /// Here is one.
    ListedToo = 0x0220,
    /// Which is the newest record of a series?
    Newest = 0x0221,
    /// That one.
    NewestIs = 0x0222,
    /// Believe the clock again that decides what is deleted.
    Thaw = 0x0223,
    /// What does each snapshot cost?
    Sizes = 0x0225,
    /// One of them costs that.
    Sized = 0x0226,
    /// What would be free without these snapshots?
    Freed = 0x0227,
    /// That much.
    FreedIs = 0x0228,
    /// Remove what nobody needs any more.
    Collect = 0x0229,
    /// How far the collection is.
    Collecting = 0x022a,
    /// Give up the collections that were asked for.
    Stop = 0x022b,
    /// What the collection did.
    Collected = 0x022c,
    /// How did the repository grow?
    History = 0x022d,
    /// What a collection would do.
    CollectionIs = 0x022e,
    /// What one day brought.
    Grown = 0x0230,
    /// What does each series cost?
    SeriesSizes = 0x0231,
    /// One of them costs that.
    SeriesSized = 0x0232,
    /// When were the packs verified?
    Verifications = 0x0233,
    /// That much belongs to several.
    SharedIs = 0x0234,
    /// Verify every pack.
    Scrub = 0x0235,
    /// Then.
    VerificationsAre = 0x0236,
    /// What is there to repair?
    PlanRepair = 0x0237,
    /// How far the scrub is, or the look at what there is to repair.
    Scrubbing = 0x0238,
    /// Heal packs, and put in order what else is asked for.
    Repair = 0x0239,
    /// What the scrub found.
    Scrubbed = 0x023a,
    /// One thing that a repair would do.
    RepairStep = 0x023c,
    /// What the repair did.
    Repaired = 0x023e,

    /// Send the journal from here on, for as long as the session lives.
    Follow = 0x0301,
    /// Here are records of the journal.
    Events = 0x0302,
    /// The follower has everything up to here.
    Adopted = 0x0303,
    /// The journal is as far as this; signed.
    Position = 0x0304,
}

impl Kind {
    /// The number by which frames name it.
    pub const fn number(self) -> u16 {
        self as u16
    }

    /// The version of the protocol that it came with. Who speaks an older one neither sends nor gets it.
    pub const fn since(self) -> u16 {
        match self {
            Self::CommitMarked
            | Self::Replace
            | Self::Settings
            | Self::SettingsAre
            | Self::SetSettings
            | Self::Retain
            | Self::Planned
            | Self::Recover
            | Self::ListAll
            | Self::ListedToo
            | Self::Newest
            | Self::NewestIs
            | Self::Thaw
            | Self::Sizes
            | Self::Sized
            | Self::Freed
            | Self::FreedIs
            | Self::Collect
            | Self::Collecting
            | Self::Stop
            | Self::Collected
            | Self::History
            | Self::CollectionIs
            | Self::Grown
            | Self::SeriesSizes
            | Self::SeriesSized
            | Self::Verifications
            | Self::SharedIs
            | Self::Scrub
            | Self::VerificationsAre
            | Self::PlanRepair
            | Self::Scrubbing
            | Self::Repair
            | Self::Scrubbed
            | Self::RepairStep
            | Self::Repaired => 2,
            _ => 1,
        }
    }

    /// Whether this side sends it. The low byte of the number tells: from 0x80 on both do, below that an odd number
    /// is the client's and an even one the server's.
    pub const fn is_sent_by(self, side: Side) -> bool {
        let low = self.number() & 0xff;
        low >= 0x80 || (low % 2 == 1) == matches!(side, Side::Client)
    }

    /// Whether it asks for something: it has a number of its own, and is answered.
    pub const fn is_request(self) -> bool {
        self.number() >= 0x0100 && self.is_sent_by(Side::Client) && !matches!(self, Self::Adopted)
    }

    /// Whether it comes once a session is open.
    pub const fn is_in_session(self) -> bool {
        !matches!(
            self,
            Self::Hello
                | Self::Welcome
                | Self::Enroll
                | Self::Enrolled
                | Self::Open
                | Self::Opened
                | Self::Create
        )
    }

    /// Whether the length of its body counts against the credit of whoever sends it: all that carries a payload
    /// once the session is open.
    pub const fn is_charged(self) -> bool {
        let from_client =
            matches!(self, Self::Put | Self::Commit | Self::CommitMarked | Self::Replace | Self::AddSlot);
        let from_server =
            matches!(self, Self::Object | Self::Listed | Self::ListedToo | Self::Slot | Self::Events);
        from_client || from_server
    }
}

/// What can be sent: a message, or one of several.
pub trait Body<'a> {
    /// What it is.
    fn kind(&self) -> Kind;

    /// Writes the body up to the payload.
    fn encode_front(&self, writer: &mut Writer);

    /// Bytes that end the body, such as a sealed object: they are sent from where they lie. Most messages have none.
    fn payload(&self) -> &'a [u8];

    /// Writes the whole body.
    fn encode(&self, writer: &mut Writer) {
        self.encode_front(writer);
        writer.bytes(self.payload());
    }
}

/// A message: what stands in the body of a frame.
pub trait Message<'a>: Body<'a> + Sized {
    /// The kind of its frames.
    const KIND: Kind;
    /// Most bytes of its body.
    const BODY_BYTES_MAX: usize;

    /// Reads a body from end to end.
    ///
    /// # Errors
    /// [`Malformed`] when it breaks a rule of its table.
    fn decode(body: &'a [u8]) -> Result<Self, Malformed>;
}

/// The rest of a body.
pub(crate) fn payload<'a>(
    reader: &mut Reader<'a>,
    bytes_max: usize,
    what: &'static str,
) -> Result<&'a [u8], Malformed> {
    let too_long = reader.malformed(what);
    let bytes = reader.bytes(reader.remaining(), what)?;
    if bytes.len() > bytes_max { Err(too_long) } else { Ok(bytes) }
}

/// Defines a message by its table: its fields, and behind a semicolon the payload with its limit in bytes.
macro_rules! message {
    (
        $(#[$doc:meta])*
        $name:ident $(<$life:lifetime>)? {
            $($(#[$field_doc:meta])* $field:ident: $type:ty,)*
            $(; $(#[$payload_doc:meta])* $payload:ident: [$payload_bytes_max:expr],)?
        }
    ) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct $name $(<$life>)? {
            $($(#[$field_doc])* pub $field: $type,)*
            $($(#[$payload_doc])* pub $payload: &'a [u8],)?
        }

        impl<'a> $crate::kind::Message<'a> for $name $(<$life>)? {
            const KIND: $crate::kind::Kind = $crate::kind::Kind::$name;
            const BODY_BYTES_MAX: usize =
                0 $(+ <$type as $crate::field::Field<'a>>::BYTES_MAX)* $(+ $payload_bytes_max)?;

            fn decode(body: &'a [u8]) -> Result<Self, farkeep_codec::layout::Malformed> {
                let mut reader = farkeep_codec::layout::Reader::new(body);
                let message = Self {
                    $($field: $crate::field::Field::read(
                        &mut reader,
                        concat!(stringify!($name), ", ", stringify!($field)),
                    )?,)*
                    $($payload: $crate::kind::payload(
                        &mut reader,
                        $payload_bytes_max,
                        concat!(stringify!($name), ", ", stringify!($payload)),
                    )?,)?
                };
                reader.finish()?;
                Ok(message)
            }
        }

        impl<'a> $crate::kind::Body<'a> for $name $(<$life>)? {
            fn kind(&self) -> $crate::kind::Kind {
                $crate::kind::Kind::$name
            }

            fn encode_front(&self, writer: &mut farkeep_codec::layout::Writer) {
                $($crate::field::Field::write(&self.$field, writer);)*
            }

            fn payload(&self) -> &'a [u8] {
                // The empty one, where the table has no other.
                const NONE: &[u8] = &[];
                [$(self.$payload,)? NONE][0]
            }
        }

        #[cfg(test)]
        impl<'a> $crate::field::sample::Sample for $name $(<$life>)?
        where
            'a: 'static,
        {
            fn sample() -> proptest::strategy::BoxedStrategy<Self> {
                use proptest::strategy::Strategy;
                (
                    $(<$type as $crate::field::sample::Sample>::sample(),)*
                    $($crate::field::sample::payload($payload_bytes_max),)?
                )
                    .prop_map(|($($field,)* $($payload,)?)| Self { $($field,)* $($payload,)? })
                    .boxed()
            }
        }
    };
}

pub(crate) use message;
