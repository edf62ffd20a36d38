//! The messages of a session, and each side's messages as one type.

use farkeep_codec::layout::Malformed;
use farkeep_codec::layout::Writer;

use crate::fault::Fault;
use crate::fault::Refused;
use crate::hello::Create;
use crate::hello::Enroll;
use crate::hello::Enrolled;
use crate::hello::Hello;
use crate::hello::Open;
use crate::hello::Opened;
use crate::hello::Welcome;
use crate::kind::Body;
use crate::kind::Kind;
use crate::kind::Message;

pub use admin::AddSlot;
pub use admin::Damaged;
pub use admin::Forget;
pub use admin::Get;
pub use admin::Hold;
pub use admin::List;
pub use admin::Listed;
pub use admin::Locate;
pub use admin::Missing;
pub use admin::Object;
pub use admin::Places;
pub use admin::RemoveSlot;
pub use admin::Slot;
pub use admin::Slots;
pub use admin::Usage;
pub use admin::Used;
pub use admin::Verified;
pub use admin::Verify;
pub use agent::Barrier;
pub use agent::Commit;
pub use agent::Committed;
pub use agent::Durability;
pub use agent::Durable;
pub use agent::Flush;
pub use agent::Gathered;
pub use agent::Presence;
pub use agent::Probe;
pub use agent::Put;
pub use agent::Stage;
pub use care::PlanRepair;
pub use care::Repair;
pub use care::RepairAct;
pub use care::RepairStep;
pub use care::Repaired;
pub use care::Scrub;
pub use care::ScrubOutcome;
pub use care::Scrubbed;
pub use care::Scrubbing;
pub use care::Verifications;
pub use care::VerificationsAre;
pub use keep::Act;
pub use keep::Collect;
pub use keep::Collected;
pub use keep::Collecting;
pub use keep::CollectionIs;
pub use keep::CommitMarked;
pub use keep::Fate;
pub use keep::Forgotten;
pub use keep::Freed;
pub use keep::FreedIs;
pub use keep::Grown;
pub use keep::History;
pub use keep::Kept;
pub use keep::ListAll;
pub use keep::ListedToo;
pub use keep::Newest;
pub use keep::NewestIs;
pub use keep::NewestRecord;
pub use keep::Outcome;
pub use keep::Packs;
pub use keep::Planned;
pub use keep::Purge;
pub use keep::Recover;
pub use keep::Replace;
pub use keep::Retain;
pub use keep::SeriesSized;
pub use keep::SeriesSizes;
pub use keep::SetSettings;
pub use keep::Settings;
pub use keep::SettingsAre;
pub use keep::SharedIs;
pub use keep::Sized;
pub use keep::Sizes;
pub use keep::Step;
pub use keep::Stop;
pub use keep::Thaw;
pub use peer::Adopted;
pub use peer::Events;
pub use peer::Follow;
pub use peer::Position;
pub use session::Credit;
pub use session::Done;
pub use session::Goodbye;
pub use session::Grant;
pub use session::Heartbeat;
pub use session::Leave;

mod admin;
mod agent;
mod care;
mod keep;
mod peer;
mod session;
#[cfg(test)]
mod tests;

/// Defines the messages of one side as one type.
macro_rules! side {
    ($(#[$doc:meta])* $side:ident { $($name:ident $(<$life:lifetime>)?,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub enum $side<'a> {
            $(
                #[doc = concat!("[`", stringify!($name), "`].")]
                $name($name $(<$life>)?),
            )*
        }

        impl<'a> $side<'a> {
            /// The kinds of these messages.
            pub const KINDS: &'static [Kind] = &[$(Kind::$name,)*];

            /// Reads the body of a frame.
            ///
            /// # Errors
            /// [`Malformed`] when it breaks a rule of its table, or is the other side's to send.
            pub fn decode(kind: Kind, body: &'a [u8]) -> Result<Self, Malformed> {
                match kind {
                    $(Kind::$name => $name::decode(body).map(Self::$name),)*
                    _ => Err(Malformed { what: "kind: the other side sends it", offset: 0 }),
                }
            }
        }

        impl<'a> Body<'a> for $side<'a> {
            fn kind(&self) -> Kind {
                match self {
                    $(Self::$name(_) => Kind::$name,)*
                }
            }

            fn encode_front(&self, writer: &mut Writer) {
                match self {
                    $(Self::$name(message) => message.encode_front(writer),)*
                }
            }

            fn payload(&self) -> &'a [u8] {
                match self {
                    $(Self::$name(message) => message.payload(),)*
                }
            }
        }
    };
}

side! {
    /// What a client sends.
    FromClient {
        Hello<'a>,
        Enroll<'a>,
        Open<'a>,
        Create<'a>,
        Grant,
        Heartbeat,
        Goodbye,
        Fault<'a>,
        Probe,
        Put<'a>,
        Flush,
        Commit<'a>,
        Barrier,
        CommitMarked<'a>,
        Replace<'a>,
        Get,
        Locate,
        List<'a>,
        Slots,
        AddSlot<'a>,
        RemoveSlot,
        Usage,
        Verify,
        Forget<'a>,
        Hold,
        Settings,
        SetSettings<'a>,
        Retain<'a>,
        Recover<'a>,
        ListAll<'a>,
        Newest<'a>,
        Thaw<'a>,
        Sizes,
        Freed,
        Collect,
        Stop,
        History,
        SeriesSizes,
        Verifications,
        Scrub,
        PlanRepair,
        Repair,
        Follow,
        Adopted,
    }
}

side! {
    /// What a server sends.
    FromServer {
        Welcome,
        Enrolled<'a>,
        Opened<'a>,
        Credit,
        Done,
        Refused<'a>,
        Heartbeat,
        Goodbye,
        Fault<'a>,
        Presence,
        Durable,
        Committed,
        Gathered,
        Object<'a>,
        Missing,
        Places,
        Listed<'a>,
        Slot<'a>,
        Used,
        Verified<'a>,
        SettingsAre<'a>,
        Planned<'a>,
        ListedToo<'a>,
        NewestIs,
        Sized,
        FreedIs,
        Collecting<'a>,
        Collected,
        CollectionIs,
        Grown,
        SeriesSized<'a>,
        SharedIs,
        VerificationsAre,
        Scrubbing,
        Scrubbed,
        RepairStep<'a>,
        Repaired,
        Events<'a>,
        Position,
    }
}

/// Most bytes that the body of a frame of this kind has.
pub const fn body_bytes_max(kind: Kind) -> usize {
    macro_rules! limits {
        ($($name:ident)*) => {
            match kind {
                $(Kind::$name => $name::BODY_BYTES_MAX,)*
            }
        };
    }
    limits! {
        Hello Welcome Enroll Enrolled Open Opened Create Grant Credit Done Refused Heartbeat Goodbye Fault
        Probe Presence Put Durable Flush Commit Committed Barrier Gathered
        Get Object Missing Locate Places List Listed Slots Slot AddSlot RemoveSlot Usage Used Verify Verified
        Forget Hold CommitMarked Replace Settings SettingsAre SetSettings Retain Planned Recover ListAll ListedToo
        Newest NewestIs Thaw Sizes Sized Freed FreedIs
        Collect Collecting Stop Collected History CollectionIs Grown
        SeriesSizes SeriesSized SharedIs Verifications VerificationsAre
        Scrub Scrubbing Scrubbed PlanRepair RepairStep Repair Repaired
        Follow Events Adopted Position
    }
}
