//! How numbers, times and paths look to people, and how they stand in JSON.

use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::time::Duration;

use farkeep_codec::time::Time;
use farkeep_codec::tree::PathKey;
use indicatif::DecimalBytes;
use indicatif::HumanCount;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;
use serde::Serializer;

/// Digits of an id that people see: enough to be unique among very many, short enough for a table.
const SHORT_ID_DIGITS: usize = 12;

/// The front of an id, as tables show it and as a selector takes it.
pub(super) fn short_id(id: &impl fmt::Display) -> String {
    let mut text = id.to_string();
    text.truncate(SHORT_ID_DIGITS);
    text
}

pub(super) fn bytes(bytes: u64) -> DecimalBytes {
    DecimalBytes(bytes)
}

pub(super) fn count(count: u64) -> HumanCount {
    HumanCount(count)
}

/// The count with the word for what is counted.
pub(super) fn counted(count: u64, one: &str, many: &str) -> String {
    format!("{} {}", HumanCount(count), if count == 1 { one } else { many })
}

/// Seconds with as many digits as matter.
pub(super) fn duration(elapsed: Duration) -> String {
    let seconds = elapsed.as_secs_f64();
    match elapsed.as_secs() {
        0..10 => format!("{seconds:.2} s"),
        10..100 => format!("{seconds:.1} s"),
        whole @ 100..3600 => format!("{} min {} s", whole / 60, whole % 60),
        whole => format!("{} h {} min", whole / 3600, whole % 3600 / 60),
    }
}

/// Bytes in a time, as a rate.
pub(super) fn rate(bytes: u64, elapsed: Duration) -> String {
    let nanoseconds = elapsed.as_nanos().max(1);
    let per_second = u128::from(bytes) * 1_000_000_000 / nanoseconds;
    format!("{}/s", DecimalBytes(u64::try_from(per_second).unwrap_or(u64::MAX)))
}

/// How many times `whole` is `part`.
pub(super) fn ratio(whole: u64, part: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a ratio for people and graphs; two digits of it matter")]
    let (whole, part) = (whole as f64, part as f64);
    if part == 0.0 { 0.0 } else { whole / part }
}

/// The time on the clock of this machine, to the second.
pub(super) fn local(time: Time) -> String {
    let zoned = timestamp(time).to_zoned(TimeZone::system());
    zoned.strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// The time in UTC by RFC 3339, to the nanosecond.
pub(super) fn timestamp(time: Time) -> Timestamp {
    Timestamp::from_nanosecond(i128::from(time.nanoseconds())).expect("jiff holds years -9999 to 9999")
}

/// Nine permission letters and the letter of the kind, as `ls -l` shows them.
pub(super) fn mode(kind: char, mode: u32) -> String {
    let bit = |mask: u32, letter: char| if mode & mask == 0 { '-' } else { letter };
    let execute = |mask: u32, special: u32, set: char| match (mode & special != 0, mode & mask != 0) {
        (false, false) => '-',
        (false, true) => 'x',
        (true, true) => set,
        (true, false) => set.to_ascii_uppercase(),
    };
    [
        kind,
        bit(0o400, 'r'),
        bit(0o200, 'w'),
        execute(0o100, 0o4000, 's'),
        bit(0o040, 'r'),
        bit(0o020, 'w'),
        execute(0o010, 0o2000, 's'),
        bit(0o004, 'r'),
        bit(0o002, 'w'),
        execute(0o001, 0o1000, 't'),
    ]
    .iter()
    .collect()
}

/// Bytes as text of which every terminal can show every character.
pub(super) fn printable(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            if character.is_control() {
                text.extend(character.escape_default());
            } else {
                text.push(character);
            }
        }
        for byte in chunk.invalid() {
            text.push_str(&format!("\\x{byte:02x}"));
        }
    }
    text
}

/// A name or path of a file system in JSON: the text, and the exact bytes in hexadecimal where they are not UTF-8.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    bytes: Vec<u8>,
}

impl Named {
    /// The path as the system writes it: with slashes, from the root folder.
    pub fn of_key(path: &PathKey) -> Self {
        let mut bytes = Vec::with_capacity(path.as_bytes().len() + 1);
        for name in path.components() {
            bytes.push(b'/');
            bytes.extend_from_slice(name);
        }
        if bytes.is_empty() {
            bytes.push(b'/');
        }
        Self { bytes }
    }

    /// A name of the system.
    pub fn of_os(name: &OsStr) -> Self {
        Self { bytes: name.as_bytes().to_vec() }
    }

    /// A name as bytes.
    pub fn of_bytes(bytes: &[u8]) -> Self {
        Self { bytes: bytes.to_vec() }
    }
}

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&printable(&self.bytes))
    }
}

#[derive(Serialize)]
struct Inexact<'a> {
    text: &'a str,
    hex: &'a str,
}

impl Serialize for Named {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match std::str::from_utf8(&self.bytes) {
            Ok(text) => serializer.serialize_str(text),
            Err(_) => {
                let hex: String = self.bytes.iter().map(|byte| format!("{byte:02x}")).collect();
                Inexact { text: &printable(&self.bytes), hex: &hex }.serialize(serializer)
            }
        }
    }
}

/// Serializes what prints as text by that text.
pub(super) fn shown<T: fmt::Display, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

/// Serializes a time by RFC 3339.
pub(super) fn rfc3339<S: Serializer>(time: &Time, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&timestamp(*time))
}

/// The same of a time that may not be there.
pub(super) fn rfc3339_or_null<S: Serializer>(time: &Option<Time>, serializer: S) -> Result<S::Ok, S::Error> {
    match time {
        Some(time) => rfc3339(time, serializer),
        None => serializer.serialize_none(),
    }
}

/// Serializes a duration in seconds.
pub(super) fn seconds<S: Serializer>(elapsed: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(elapsed.as_secs_f64())
}

#[cfg(test)]
mod tests;
