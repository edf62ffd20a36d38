//! Faults: why something was not done, in numbers that stay, and whether another try helps.

use std::fmt;

use farkeep_codec::layout::Malformed;
use farkeep_codec::layout::Reader;
use farkeep_codec::layout::Writer;

use crate::field::Field;
use crate::field::Sequence;
use crate::field::Text;
use crate::kind::message;
use crate::limits::TEXT_BYTES_MAX;

#[cfg(test)]
mod tests;

/// Whether another try helps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Retry {
    /// The same request fails again, here and elsewhere.
    Never,
    /// Here, after a while.
    Later,
    /// At another node of the repository.
    Elsewhere,
}

/// Number of a fault. A number that this program does not know is a code too: its high byte says what to do.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Code(u16);

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $number:literal, $text:literal;)*) => {
        impl Code {
            $($(#[$doc])* pub const $name: Self = Self($number);)*

            /// All codes that this program knows, in the order of their numbers.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// Its name in the specification, in logs and in metrics.
            pub const fn name(self) -> &'static str {
                match self.0 {
                    $($number => $text,)*
                    _ => "unknown",
                }
            }
        }
    };
}

codes! {
    /// Bytes break a rule of the protocol.
    MALFORMED = 0x0101, "malformed";
    /// A frame or a thing in it is longer than allowed.
    TOO_LARGE = 0x0102, "too-large";
    /// A frame of this kind is not awaited now, or not known.
    UNEXPECTED_MESSAGE = 0x0103, "unexpected-message";
    /// No version is spoken by both.
    VERSION = 0x0104, "version";
    /// The key that the client showed is not known here.
    NOT_ENROLLED = 0x0105, "not-enrolled";
    /// The key that the client showed was revoked.
    REVOKED = 0x0106, "revoked";
    /// The client's role does not allow it.
    ROLE = 0x0107, "role";
    /// There is no such repository, or not for this client.
    REPOSITORY_UNKNOWN = 0x0108, "repository-unknown";
    /// The token was used, has expired, or never was one.
    TOKEN_INVALID = 0x0109, "token-invalid";
    /// There is no such session to resume or to join.
    SESSION_UNKNOWN = 0x010a, "session-unknown";
    /// The number of a request was used before, or is too far ahead.
    SEQUENCE = 0x010b, "sequence";
    /// More was sent than credit was given for.
    CREDIT = 0x010c, "credit";
    /// The bytes have another id than the one they were put under.
    WRONG_ID = 0x010d, "wrong-id";
    /// The object, or the snapshot's root, refers to what is not there.
    MISSING_REFERENCES = 0x010e, "missing-references";
    /// The series belongs to another agent.
    SERIES_OF_ANOTHER = 0x010f, "series-of-another";
    /// The snapshot does not follow the newest of its series: somebody else added one.
    SERIES_MOVED = 0x0110, "series-moved";
    /// The bytes are no snapshot record of this repository, or its signature does not hold.
    RECORD_REFUSED = 0x0111, "record-refused";
    /// There is no such object, snapshot or slot.
    NOT_FOUND = 0x0112, "not-found";
    /// Something of that name is there already.
    EXISTS = 0x0113, "exists";
    /// Without this key slot nobody could open the repository.
    LAST_SLOT = 0x0114, "last-slot";
    /// A hold forbids it, or what is of an epoch needs it.
    HELD = 0x0115, "held";

    /// Somebody else has the repository open for writing.
    IN_USE = 0x0201, "in-use";
    /// The repository or the agent has used up what it may store.
    QUOTA_EXCEEDED = 0x0202, "quota-exceeded";
    /// Too many requests in too short a time.
    RATE = 0x0203, "rate";
    /// What was waited for did not come in time.
    DEADLINE = 0x0204, "deadline";
    /// The client sends or takes less than the least that keeps a session alive.
    TOO_SLOW = 0x0205, "too-slow";
    /// The server has as many sessions as it takes.
    SERVER_FULL = 0x0206, "server-full";
    /// Objects that were put, and not yet durable, were given up: put them again.
    LOST = 0x0207, "lost";
    /// A member of the consistency group failed: none of it is committed.
    GROUP_BROKEN = 0x0208, "group-broken";
    /// The clock of the server moved more than it may, and what depends on it stands still.
    TIME = 0x0209, "time";
    /// The server failed in a way that it does not explain.
    INTERNAL = 0x020a, "internal";

    /// The server is being stopped.
    SERVER_STOPPING = 0x0301, "server-stopping";
    /// There is no room left.
    STORAGE_FULL = 0x0302, "storage-full";
    /// The storage failed, and nobody knows what is durable until the repository was opened anew.
    STORAGE_FAILED = 0x0303, "storage-failed";
    /// The object is damaged here.
    DAMAGED_OBJECT = 0x0304, "damaged-object";
    /// This node follows another one and takes no writes.
    NOT_PRIMARY = 0x0305, "not-primary";
    /// The node learnt that a newer epoch has begun elsewhere.
    EPOCH_OLD = 0x0306, "epoch-old";
}

impl Code {
    /// The code with this number, known or not.
    pub const fn from_number(number: u16) -> Self {
        Self(number)
    }

    /// Its number.
    pub const fn number(self) -> u16 {
        self.0
    }

    /// Whether another try helps, of an unknown code too.
    pub const fn retry(self) -> Retry {
        match self.0 >> 8 {
            2 => Retry::Later,
            3 => Retry::Elsewhere,
            _ => Retry::Never,
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Code({:#06x} {})", self.0, self.name())
    }
}

impl Field<'_> for Code {
    const BYTES_MIN: usize = 2;
    const BYTES_MAX: usize = 2;

    fn read(reader: &mut Reader<'_>, what: &'static str) -> Result<Self, Malformed> {
        reader.u16(what).map(Self)
    }

    fn write(&self, writer: &mut Writer) {
        writer.u16(self.0);
    }
}

message! {
    /// The sender ends the connection, and says why. Its table is the same in every version.
    Fault<'a> {
        /// Why.
        code: Code,
        /// The request that brought it about, if it was one.
        sequence: Option<Sequence>,
        /// The same for people.
        text: Text<'a, TEXT_BYTES_MAX>,
    }
}

message! {
    /// A request was not carried out; the session goes on.
    Refused<'a> {
        /// The request.
        sequence: Sequence,
        /// Why.
        code: Code,
        /// The same for people.
        text: Text<'a, TEXT_BYTES_MAX>,
    }
}
