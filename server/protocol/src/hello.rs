//! The beginning of a connection: who is there, in which version, with which rights, to which repository.
//!
//! Tables of Hello, Enroll and Enrolled are the same in every version, since they come before one is agreed on.

use std::fmt;
use std::ops::BitAnd;
use std::ops::BitOr;

use farkeep_codec::id::RepositoryId;
use farkeep_codec::layout::Malformed;
use farkeep_codec::layout::Reader;
use farkeep_codec::layout::Writer;
use farkeep_codec::time::Time;

use crate::field::Counted;
use crate::field::Field;
use crate::field::JournalHead;
use crate::field::List;
use crate::field::Name;
use crate::field::SessionId;
use crate::field::SlotId;
use crate::field::Text;
use crate::field::choice;
use crate::kind::Kind;
use crate::kind::message;
use crate::limits::ENROLLED_REPOSITORIES_MAX;
use crate::limits::PARAMETERS_BYTES_MAX;
use crate::limits::PROGRAM_BYTES_MAX;
use crate::limits::SLOT_BYTES_MAX;
use crate::limits::TOKEN_BYTES;
use crate::limits::VERSION_LEAST;
use crate::limits::VERSION_MOST;

#[cfg(test)]
mod tests;

/// First bytes of the first frame's body.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Magic;

impl Magic {
    const BYTES: [u8; 8] = *b"FARKEEP\0";
}

impl Field<'_> for Magic {
    const BYTES_MIN: usize = 8;
    const BYTES_MAX: usize = 8;

    fn read(reader: &mut Reader<'_>, what: &'static str) -> Result<Self, Malformed> {
        let foreign = reader.malformed(what);
        if reader.array::<8>(what)? == Self::BYTES { Ok(Self) } else { Err(foreign) }
    }

    fn write(&self, writer: &mut Writer) {
        writer.bytes(&Self::BYTES);
    }
}

/// The versions of the protocol that a program speaks, from the least to the most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Versions {
    least: u16,
    most: u16,
}

impl Versions {
    /// The versions that this program speaks.
    pub const OURS: Self = Self { least: VERSION_LEAST, most: VERSION_MOST };

    /// A range of versions; `None` if it is empty or begins below 1.
    pub const fn new(least: u16, most: u16) -> Option<Self> {
        if least == 0 || least > most { None } else { Some(Self { least, most }) }
    }

    /// The newest version that both sides speak.
    pub fn agree(self, other: Self) -> Option<u16> {
        let newest = self.most.min(other.most);
        (newest >= self.least.max(other.least)).then_some(newest)
    }
}

impl Field<'_> for Versions {
    const BYTES_MIN: usize = 4;
    const BYTES_MAX: usize = 4;

    fn read(reader: &mut Reader<'_>, what: &'static str) -> Result<Self, Malformed> {
        let empty = reader.malformed(what);
        Self::new(reader.u16(what)?, reader.u16(what)?).ok_or(empty)
    }

    fn write(&self, writer: &mut Writer) {
        writer.u16(self.least).u16(self.most);
    }
}

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// To begin a session.
    New,
    /// To go on with a session whose connections were cut.
    Resume(SessionId),
    /// To be a further connection of a session.
    Stripe(SessionId),
    /// To become known to the server.
    Enroll,
}

impl Purpose {
    const NO_SESSION: SessionId = SessionId::from_bytes([0; 16]);
}

impl Field<'_> for Purpose {
    const BYTES_MIN: usize = 17;
    const BYTES_MAX: usize = 17;

    fn read(reader: &mut Reader<'_>, what: &'static str) -> Result<Self, Malformed> {
        let unfit = reader.malformed(what);
        match (reader.u8(what)?, SessionId::read(reader, what)?) {
            (1, Self::NO_SESSION) => Ok(Self::New),
            (2, session) => Ok(Self::Resume(session)),
            (3, session) => Ok(Self::Stripe(session)),
            (4, Self::NO_SESSION) => Ok(Self::Enroll),
            _ => Err(unfit),
        }
    }

    fn write(&self, writer: &mut Writer) {
        let (number, session) = match self {
            Self::New => (1, &Self::NO_SESSION),
            Self::Resume(session) => (2, session),
            Self::Stripe(session) => (3, session),
            Self::Enroll => (4, &Self::NO_SESSION),
        };
        writer.u8(number).bytes(session.as_bytes());
    }
}

choice! {
    /// What an identity may be used for. PROTOCOL.md, "Rights".
    Role {
        /// Backs up a host.
        Agent = 1,
        /// Restores.
        Reader = 2,
        /// Administrates.
        Keeper = 3,
        /// Another node, which follows the journal.
        Peer = 4,
        /// Watches.
        Monitor = 5,
    }
}

impl Role {
    /// All roles, in the order of their numbers.
    pub const ALL: [Self; 5] = [Self::Agent, Self::Reader, Self::Keeper, Self::Peer, Self::Monitor];

    /// Its name on command lines, in files and in logs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::Reader => "reader",
            Self::Keeper => "keeper",
            Self::Peer => "peer",
            Self::Monitor => "monitor",
        }
    }

    /// The role with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.name() == name)
    }
}

choice! {
    /// What a session wants of its repository.
    Access {
        /// To change nothing.
        Read = 1,
        /// To add to it, or to change it.
        Write = 2,
    }
}

/// What a session may ask for: a set of bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Rights(u32);

impl Rights {
    /// None.
    pub const NONE: Self = Self(0);
    /// To probe and put objects, and to commit snapshots to series of one's own.
    pub const STORE: Self = Self(1 << 0);
    /// To list series of one's own.
    pub const LIST: Self = Self(1 << 1);
    /// To list all series, and to commit to them.
    pub const ALL_SERIES: Self = Self(1 << 2);
    /// To read objects and key slots, and to verify what is stored.
    pub const READ: Self = Self(1 << 3);
    /// To ask how much is stored, and what is decided about it.
    pub const WATCH: Self = Self(1 << 4);
    /// To forget, recover and hold snapshots, to decide what is kept, and to change key slots.
    pub const KEEP: Self = Self(1 << 5);
    /// To follow the journal.
    pub const FOLLOW: Self = Self(1 << 6);

    const ALL: u32 = (1 << 7) - 1;
    /// Rights that change the repository.
    const WRITING: Self = Self(Self::STORE.0 | Self::KEEP.0);

    /// The most that a role may have.
    pub fn of(role: Role) -> Self {
        match role {
            Role::Agent => Self::STORE | Self::LIST,
            Role::Reader => Self::LIST | Self::ALL_SERIES | Self::READ | Self::WATCH,
            Role::Keeper => Self(Self::ALL & !Self::FOLLOW.0),
            Role::Peer => Self::LIST | Self::ALL_SERIES | Self::READ | Self::WATCH | Self::FOLLOW,
            Role::Monitor => Self::WATCH,
        }
    }

    /// These rights without those that the access does not need.
    pub fn for_access(self, access: Access) -> Self {
        match access {
            Access::Write => self,
            Access::Read => Self(self.0 & !Self::WRITING.0),
        }
    }

    /// Whether all of `other` is among them.
    pub fn include(self, other: Self) -> bool {
        self & other == other
    }

    /// Whether a request of this kind may be made. What is no request is always allowed.
    pub fn allow(self, kind: Kind) -> bool {
        self.include(Self::needed(kind))
    }

    fn needed(kind: Kind) -> Self {
        match kind {
            Kind::Probe | Kind::Put | Kind::Flush | Kind::Commit | Kind::CommitMarked | Kind::Barrier => {
                Self::STORE
            }
            Kind::List | Kind::ListAll | Kind::Newest => Self::LIST,
            Kind::Get | Kind::Locate | Kind::Slots | Kind::Verify => Self::READ,
            Kind::Usage
            | Kind::Settings
            | Kind::Sizes
            | Kind::SeriesSizes
            | Kind::Freed
            | Kind::History
            | Kind::Verifications => Self::WATCH,
            Kind::Forget
            | Kind::Hold
            | Kind::Recover
            | Kind::SetSettings
            | Kind::Retain
            | Kind::Thaw
            | Kind::Replace
            | Kind::Collect
            | Kind::Stop
            | Kind::Scrub
            | Kind::PlanRepair
            | Kind::Repair
            | Kind::AddSlot
            | Kind::RemoveSlot => Self::KEEP,
            Kind::Follow | Kind::Adopted => Self::FOLLOW,
            _ => Self::NONE,
        }
    }
}

impl BitAnd for Rights {
    type Output = Self;

    fn bitand(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
}

impl BitOr for Rights {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl Field<'_> for Rights {
    const BYTES_MIN: usize = 4;
    const BYTES_MAX: usize = 4;

    fn read(reader: &mut Reader<'_>, what: &'static str) -> Result<Self, Malformed> {
        let unknown = reader.malformed(what);
        let bits = reader.u32(what)?;
        if bits & !Self::ALL == 0 { Ok(Self(bits)) } else { Err(unknown) }
    }

    fn write(&self, writer: &mut Writer) {
        writer.u32(self.0);
    }
}

/// What enrols an agent, once. Shows itself to nobody.
#[derive(Clone, PartialEq, Eq)]
pub struct Token([u8; TOKEN_BYTES]);

impl Token {
    /// The token made of these bytes.
    pub const fn from_bytes(bytes: [u8; TOKEN_BYTES]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    pub const fn as_bytes(&self) -> &[u8; TOKEN_BYTES] {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

impl Field<'_> for Token {
    const BYTES_MIN: usize = TOKEN_BYTES;
    const BYTES_MAX: usize = TOKEN_BYTES;

    fn read(reader: &mut Reader<'_>, what: &'static str) -> Result<Self, Malformed> {
        reader.array(what).map(Self)
    }

    fn write(&self, writer: &mut Writer) {
        writer.bytes(&self.0);
    }
}

message! {
    /// A client says who it is and what it wants.
    Hello<'a> {
        /// Says that this is Farkeep.
        magic: Magic,
        /// Versions that the client speaks.
        versions: Versions,
        /// What the connection is for.
        purpose: Purpose,
        /// Bytes that the server may have under way to the client; see [`credit`](crate::credit).
        credit_bytes: u32,
        /// The highest epoch of any node that the client has seen, so that a node which missed one learns of it.
        epoch: u64,
        /// Name and version of the client's program.
        program: Text<'a, PROGRAM_BYTES_MAX>,
    }
}

message! {
    /// The server takes the connection.
    Welcome {
        /// The version that both sides speak from now on.
        version: u16,
        /// Name of the session.
        session: SessionId,
        /// The server's clock.
        time: Time,
        /// What the client's key is known as.
        role: Role,
        /// Bytes that the client may have under way.
        credit_bytes: u32,
        /// Requests that the client may have under way.
        credit_requests: u32,
        /// All puts up to this number are durable, and the next request has the number after it.
        acknowledged: u64,
        /// The epoch of this node.
        epoch: u64,
    }
}

message! {
    /// A client without identity shows its token. The key that it showed to TLS becomes its identity.
    Enroll<'a> {
        /// What the administrator gave out.
        token: Token,
        /// What the client calls itself.
        name: Name<'a>,
    }
}

message! {
    /// The server knows the client from now on.
    Enrolled<'a> {
        /// As what.
        role: Role,
        /// What the server calls it.
        name: Name<'a>,
        /// Repositories that are open to it.
        repositories: List<Name<'a>, 0, ENROLLED_REPOSITORIES_MAX>,
    }
}

message! {
    /// The client names the repository of the session.
    Open<'a> {
        /// Its name.
        repository: Name<'a>,
        /// What for.
        access: Access,
    }
}

message! {
    /// The client makes a repository, and names it as that of the session.
    Create<'a> {
        /// Its name.
        repository: Name<'a>,
        /// Name of the first key slot.
        slot: SlotId,
        /// The first key slot, in its envelope.
        slot_bytes: Counted<'a, SLOT_BYTES_MAX>,
        ;
        /// The parameters, in their envelope.
        parameters: [PARAMETERS_BYTES_MAX],
    }
}

message! {
    /// What the client must know of the repository.
    Opened<'a> {
        /// Its id.
        repository: RepositoryId,
        /// What the session may ask for.
        rights: Rights,
        /// End of its journal. A client that remembers it notices a repository that was rolled back.
        head: JournalHead,
        ;
        /// Its parameters, in their envelope.
        parameters: [PARAMETERS_BYTES_MAX],
    }
}
