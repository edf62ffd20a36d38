//! What a repository's keepers decided about deletions and care ([`Settings`]). FORMAT.md, "Settings".

use farkeep_codec::layout::Malformed;
use farkeep_codec::layout::Reader;
use farkeep_codec::layout::Writer;

use super::EventError;
use super::text;
use crate::limits::PARITY_THOUSANDTHS_MAX;
use crate::limits::POLICIES_MAX;
use crate::limits::POLICY_BYTES_MAX;

const VERSION: u8 = 1;
/// A part of a whole is given in thousandths.
const WHOLE: u16 = 1000;

/// What holds for a repository, from the record that says so until the next one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Bytes of parity for a thousand bytes of new packs, at most [`PARITY_THOUSANDTHS_MAX`]; 0 for none.
    pub parity_thousandths: u16,
    /// How long a forgotten snapshot stays restorable.
    pub grace_seconds: u64,
    /// How long every new snapshot is held.
    pub hold_seconds: u64,
    /// How old the last verification of a byte may become; 0 if nothing is verified by itself.
    pub scrub_days: u32,
    /// How far the clock may move on its own before nothing is deleted any more.
    pub clock_seconds: u32,
    /// Garbage that a collection may leave, in thousandths of what is alive.
    pub garbage_thousandths: u16,
    /// When the server applies the policies; empty for never.
    pub retention_schedule: String,
    /// When the server collects; empty for never.
    pub collection_schedule: String,
    /// Name of the time zone of schedules and policies; empty for UTC.
    pub zone: String,
    /// Retention policies, at most [`POLICIES_MAX`], each in bytes of its own table of at most [`POLICY_BYTES_MAX`].
    pub policies: Vec<Vec<u8>>,
}

impl Default for Settings {
    /// What holds before anybody has decided: nothing is forgotten by itself, and what is forgotten stays a week.
    fn default() -> Self {
        Self {
            parity_thousandths: 0,
            grace_seconds: 7 * 24 * 3600,
            hold_seconds: 0,
            scrub_days: 30,
            clock_seconds: 600,
            garbage_thousandths: 10,
            retention_schedule: String::new(),
            collection_schedule: String::new(),
            zone: String::new(),
            policies: Vec::new(),
        }
    }
}

impl Settings {
    /// Its bytes, as the journal and the protocol have them.
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        self.write(&mut writer);
        writer.into_bytes()
    }

    /// Reads these bytes; those of a later version are malformed to this program.
    ///
    /// # Errors
    /// [`Malformed`] says what is wrong, and where.
    pub fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes);
        let newer = reader.malformed("version of the settings");
        let settings = Self::read(&mut reader).map_err(|error| match error {
            EventError::Malformed(malformed) => malformed,
            _ => newer,
        })?;
        reader.finish()?;
        Ok(settings)
    }

    /// Its bytes, which say themselves where they end.
    pub(crate) fn write(&self, writer: &mut Writer) {
        writer.u8(VERSION).u16(self.parity_thousandths).u64(self.grace_seconds).u64(self.hold_seconds);
        writer.u32(self.scrub_days).u32(self.clock_seconds).u16(self.garbage_thousandths);
        for text in [&self.retention_schedule, &self.collection_schedule, &self.zone] {
            writer.counted(text.as_bytes());
        }
        writer.count(self.policies.len());
        for policy in &self.policies {
            writer.counted(policy);
        }
    }

    /// Reads them.
    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, EventError> {
        let version = reader.u8("version of the settings")?;
        if version > VERSION {
            return Err(EventError::NewerSettings { found: version.into(), known: VERSION.into() });
        }
        if version < VERSION {
            return Err(reader.malformed("version of the settings").into());
        }
        let settings = Self {
            parity_thousandths: at_most(reader, PARITY_THOUSANDTHS_MAX, "parity of the settings")?,
            grace_seconds: reader.u64("grace of the settings")?,
            hold_seconds: reader.u64("hold of the settings")?,
            scrub_days: reader.u32("age of verifications in the settings")?,
            clock_seconds: reader.u32("limit of the clock in the settings")?,
            garbage_thousandths: at_most(reader, WHOLE, "garbage of the settings")?,
            retention_schedule: text(reader, "schedule of retention")?,
            collection_schedule: text(reader, "schedule of collection")?,
            zone: text(reader, "time zone of the settings")?,
            policies: policies(reader)?,
        };
        Ok(settings)
    }
}

fn policies(reader: &mut Reader<'_>) -> Result<Vec<Vec<u8>>, Malformed> {
    let count = reader.count(POLICIES_MAX, "policies of the settings")?;
    (0..count).map(|_| reader.counted(POLICY_BYTES_MAX, "policy").map(<[u8]>::to_vec)).collect()
}

fn at_most(reader: &mut Reader<'_>, limit: u16, what: &'static str) -> Result<u16, Malformed> {
    let unfit = reader.malformed(what);
    reader.u16(what).and_then(|value| if value <= limit { Ok(value) } else { Err(unfit) })
}
