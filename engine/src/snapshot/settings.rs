//! What keepers decide about a repository as a whole: read from its settings, and changed.

use farkeep_codec::layout::Malformed;
use jiff::tz::TimeZone;
use thiserror::Error;

use super::keep::signed;
use super::policy::Policy;
use super::policy::PolicySet;
use crate::journal::Event;
use crate::journal::Settings;
use crate::limits::GARBAGE_THOUSANDTHS_MAX;
use crate::limits::JOURNAL_TEXT_BYTES_MAX;
use crate::limits::PARITY_THOUSANDTHS_MAX;
use crate::limits::POLICIES_MAX;
use crate::limits::POLICY_BYTES_MAX;
use crate::store::Store;
use crate::store::StoreError;

/// Why settings do not hold.
#[derive(Debug, Clone, Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// A policy cannot be read.
    #[error("policy {number} of the settings cannot be read")]
    Policy {
        /// Which, from 1.
        number: usize,
        /// What is wrong with it.
        #[source]
        source: Malformed,
    },
    /// Nobody here knows that time zone.
    #[error("no time zone is named {name}")]
    Zone {
        /// The name.
        name: String,
    },
    /// More than the format allows.
    #[error("{what}: {value} of the settings is more than {most}")]
    TooMuch {
        /// What.
        what: &'static str,
        /// How much of it.
        value: u64,
        /// What is allowed.
        most: u64,
    },
    /// Anything else.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The policies of settings, and the time zone in which they mean it.
///
/// # Errors
/// [`SettingsError::Policy`], [`SettingsError::Zone`].
pub fn policies(settings: &Settings) -> Result<PolicySet, SettingsError> {
    let read = |(at, bytes): (usize, &Vec<u8>)| {
        Policy::parse(bytes).map_err(|source| SettingsError::Policy { number: at + 1, source })
    };
    let policies = settings.policies.iter().enumerate().map(read).collect::<Result<_, _>>()?;
    Ok(PolicySet { policies, zone: zone(&settings.zone)? })
}

/// Looks whether settings could be carried out: all but their schedules, whose language is not known here.
///
/// # Errors
/// [`SettingsError`] says what could not.
pub fn expect_fit(settings: &Settings) -> Result<(), SettingsError> {
    let policy_bytes = settings.policies.iter().map(Vec::len).max().unwrap_or_default();
    let bounds = [
        ("parity in thousandths", settings.parity_thousandths.into(), PARITY_THOUSANDTHS_MAX.into()),
        ("garbage in thousandths", settings.garbage_thousandths.into(), GARBAGE_THOUSANDTHS_MAX.into()),
        ("policies", settings.policies.len() as u64, POLICIES_MAX as u64),
        ("bytes of a policy", policy_bytes as u64, POLICY_BYTES_MAX as u64),
        (
            "bytes of the retention schedule",
            settings.retention_schedule.len() as u64,
            JOURNAL_TEXT_BYTES_MAX as u64,
        ),
        (
            "bytes of the collection schedule",
            settings.collection_schedule.len() as u64,
            JOURNAL_TEXT_BYTES_MAX as u64,
        ),
        ("bytes of the time zone", settings.zone.len() as u64, JOURNAL_TEXT_BYTES_MAX as u64),
    ];
    for (what, value, most) in bounds {
        if value > most {
            return Err(SettingsError::TooMuch { what, value, most });
        }
    }
    policies(settings).map(|_| ())
}

/// Writes down what holds from here on. The same settings again change nothing.
pub(crate) fn change(store: &Store, settings: &Settings, by: &str) -> Result<(), SettingsError> {
    expect_fit(settings)?;
    let (before, holder) = (store.moment()?, signed(store, by)?);
    let by = if by.is_empty() { holder } else { by.to_owned() };
    store.persist(before, |catalogue| {
        let is_new = catalogue.settings() != settings;
        Ok::<_, StoreError>(is_new.then(|| Event::SettingsChanged { settings: settings.clone(), by }))
    })?;
    Ok(())
}

/// A time zone by its name in the database of the system, or as POSIX writes one.
fn zone(name: &str) -> Result<TimeZone, SettingsError> {
    if name.is_empty() {
        return Ok(TimeZone::UTC);
    }
    let found = TimeZone::get(name).or_else(|_| TimeZone::posix(name));
    found.map_err(|_| SettingsError::Zone { name: name.to_owned() })
}
