//! Every size, count and time of the protocol, with their relations asserted at compile time.
//!
//! A receiver allocates and loops within these bounds whatever the other side says, and a sender never exceeds them.

use std::time::Duration;

use farkeep_codec::envelope::CHECKSUM_BYTES;
use farkeep_codec::envelope::FRONT_BYTES;
use farkeep_codec::limits::OBJECT_BYTES_MAX;
use farkeep_codec::limits::PRIVATE_BYTES_MAX;
use farkeep_codec::limits::SERIES_BYTES_MAX;

/// Oldest version of the protocol that this code speaks.
pub const VERSION_LEAST: u16 = 1;
/// Newest version of the protocol that this code speaks.
pub const VERSION_MOST: u16 = 2;

/// Bytes in front of the body of every frame.
pub const FRAME_HEADER_BYTES: usize = 8;
/// Most bytes of a frame's body: the largest object with the fields that a put has in front of it.
pub const FRAME_BODY_BYTES_MAX: usize = OBJECT_BYTES_MAX + 40;
/// Most bytes of the body of a frame that comes before a Welcome: what a stranger can make a server hold.
pub const PREFACE_BODY_BYTES_MAX: usize = 4 << 10;

/// Most bytes of the name of a repository or an agent. It becomes part of file names and of labels of metrics.
pub const NAME_BYTES_MAX: usize = 64;
/// Most bytes of the name and version of a program.
pub const PROGRAM_BYTES_MAX: usize = 64;
/// Most bytes of the text that says what went wrong: some lines on a terminal.
pub const TEXT_BYTES_MAX: usize = 512;
/// Most bytes of the reason for which a snapshot is forgotten, as in the journal.
pub const REASON_BYTES_MAX: usize = 1024;
/// Most tokens of tags of one snapshot, as in the journal.
pub const TOKENS_MAX: usize = 32;
/// Most retention policies, as in the settings of a repository.
pub const POLICIES_MAX: usize = 64;
/// Most bytes of one retention policy, as in the settings of a repository.
pub const POLICY_BYTES_MAX: usize = 2048;
/// Most bytes of the settings of a repository: all policies, and the rest.
pub const SETTINGS_BYTES_MAX: usize = POLICIES_MAX * (POLICY_BYTES_MAX + 2) + (8 << 10);
/// Most snapshots of which is asked what would be free without them.
pub const FREED_SNAPSHOTS_MAX: usize = 64 << 10;
/// Most clients that are named for whom a collection waits. Of more, their number is told.
pub const WAITED_FOR_MAX: usize = 16;
/// A whole, where a part is given in thousandths.
pub const THOUSANDTHS: u32 = 1000;
/// Most reasons for which a snapshot is kept: one for each rule that there is, and those that are none.
pub const REASONS_MAX: usize = 32;
/// Most bytes of the name of a host (RFC 1035).
pub const HOST_BYTES_MAX: usize = 253;
/// Bytes of the token that enrols an agent: nobody guesses 256 bits.
pub const TOKEN_BYTES: usize = 32;
/// Most repositories that one token opens, so that the answer keeps within a preface.
pub const ENROLLED_REPOSITORIES_MAX: usize = 32;

/// Most bytes of the parameters of a repository, in their envelope.
pub const PARAMETERS_BYTES_MAX: usize = (64 << 10) + FRONT_BYTES + CHECKSUM_BYTES;
/// Most bytes of a key slot, in its envelope.
pub const SLOT_BYTES_MAX: usize = (4 << 10) + FRONT_BYTES + CHECKSUM_BYTES;
/// Most bytes of a snapshot record, in its envelope.
pub const RECORD_BYTES_MAX: usize =
    SERIES_BYTES_MAX + PRIVATE_BYTES_MAX + (4 << 10) + FRONT_BYTES + CHECKSUM_BYTES;

/// Most ids of one probe. A terabyte in chunks of 1 MiB is asked for with 128 of them.
pub const PROBE_IDS_MAX: usize = 8192;
/// Most ids of one request to get or to locate: what a restore plans ahead.
pub const GET_IDS_MAX: usize = 4096;
/// Most ranges of one acknowledgement. There are several only where connections overtake one another.
pub const DURABLE_RANGES_MAX: usize = 1024;
/// Most packs that one scrub names, or one repair heals. More are left for the next one.
pub const CARE_PACKS_MAX: usize = 16 << 10;
/// Most damages that one report of a verification names; more go into the next one.
pub const DAMAGED_MAX: usize = 256;
/// Most agents that capture one group together.
pub const GROUP_MEMBERS_MAX: u32 = 1024;
/// Longest time in milliseconds that a group may stay frozen: a database that stands still longer is an outage.
pub const GROUP_DEADLINE_MS_MAX: u32 = 600_000;
/// How long members of a group that have captured, and stand still no more, may take to store it: one day.
pub const GROUP_STORING: Duration = Duration::from_secs(24 * 3_600);
/// Most journal records of one frame.
pub const EVENTS_MAX: u32 = 4096;
/// Most bytes of the journal records of one frame. The largest record, of some 2 MiB, fits.
pub const EVENTS_BYTES_MAX: usize = 4 << 20;
/// A whole, where a share is given in parts of a million.
pub const SHARE_WHOLE: u32 = 1_000_000;

/// Most connections of one session. What one connection does not carry over a long fat network, eight do.
pub const CONNECTIONS_MAX: usize = 8;
/// Seconds that a client has for each step up to the session, counted from the handshake of TLS.
pub const PREFACE_SECONDS_MAX: u64 = 10;
/// Seconds without a frame after which a side sends a heartbeat.
pub const HEARTBEAT_SECONDS: u64 = 15;
/// Seconds without a frame after which a side takes the connection for dead: three heartbeats were lost.
pub const SILENCE_SECONDS_MAX: u64 = 4 * HEARTBEAT_SECONDS;

/// Bytes that a reader of frames takes from its connection at a time: one record of TLS.
pub const READ_BYTES: usize = 16 << 10;
/// Bytes for which a reader has room that has nothing and waits.
pub const WAIT_BYTES: usize = 64;
/// Bytes of small frames that a writer collects before it writes without being told to.
pub const WRITE_BATCH_BYTES: usize = 64 << 10;
/// Payloads up to this many bytes are copied behind the frame in front of them. A longer one is written from where it
/// lies, which costs a system call and saves the copy.
pub const COPY_BYTES_MAX: usize = 4 << 10;

const _: () = assert!(FRAME_BODY_BYTES_MAX <= u32::MAX as usize, "lengths fit the header of a frame");
const _: () = assert!(PREFACE_BODY_BYTES_MAX <= READ_BYTES, "a stranger never makes a buffer grow");
const _: () = assert!(COPY_BYTES_MAX < WRITE_BATCH_BYTES, "what is copied fits the batch");
