//! `farkeep init`

use std::ops::RangeInclusive;

use clap::Args;
use farkeep_codec::key::KdfCost;
use farkeep_codec::limits::BUNDLE_BYTES_LEAST;
use farkeep_codec::limits::BUNDLE_BYTES_MAX;
use farkeep_codec::limits::CHUNK_BYTES_LEAST;
use farkeep_codec::limits::PLAIN_BYTES_MAX;
use farkeep_codec::parameters::Chunker;
use farkeep_codec::parameters::Compression;

use super::failure::Failure;
use super::session::Session;
use crate::config::Location;
use crate::config::passphrase::Purpose;
use crate::config::size::Size;
use crate::output::exit::Exit;
use crate::output::line;
use crate::repository::Access;
use crate::repository::Locked;
use crate::repository::Plan;
use crate::repository::RepositoryError;
use crate::repository::create;
use crate::repository::create_at;

/// Levels of zstd that the format allows.
const LEVELS: RangeInclusive<i32> = -7..=22;

/// Make a repository in an empty folder, or at a server
///
/// The passphrase is asked for, or taken from where the other commands take it. Whoever loses it and has no recovery
/// code has lost every backup in the repository: nobody can open it for them.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  farkeep init --repo /srv/backup
  farkeep key recovery --repo /srv/backup    a code to print and lock away")]
pub(super) struct Init {
    /// What the key slot of this passphrase is called
    #[arg(long, value_name = "TEXT", default_value = "first passphrase")]
    label: String,
    #[command(flatten)]
    tuning: Tuning,
}

/// Recorded in the repository and never changed: writers that differ in them do not deduplicate.
#[derive(Debug, Args)]
#[command(next_help_heading = "Tuning, for good")]
struct Tuning {
    /// Level of zstd, -7 to 22; else settings between levels 2 and 3 that were measured to be best
    #[arg(long, value_name = "LEVEL", allow_negative_numbers = true)]
    compression_level: Option<i32>,
    /// Bytes that chunks of large files have on average
    #[arg(long, value_name = "SIZE", default_value = "1MiB")]
    chunk_average: Size,
    /// Fewest bytes of a chunk; else a quarter of the average
    #[arg(long, value_name = "SIZE")]
    chunk_min: Option<Size>,
    /// Most bytes of a chunk; else four times the average
    #[arg(long, value_name = "SIZE")]
    chunk_max: Option<Size>,
    /// Bytes of the chunks of images and block devices
    #[arg(long, value_name = "SIZE", default_value = "1MiB")]
    image_chunk: Size,
    /// Bytes that bundles of small files have on average
    #[arg(long, value_name = "SIZE", default_value = "1MiB")]
    bundle: Size,
    /// Memory that one guess of the passphrase costs
    #[arg(long, value_name = "SIZE")]
    guess_memory: Option<Size>,
    /// Passes over that memory
    #[arg(long, value_name = "COUNT")]
    guess_passes: Option<u32>,
}

impl Init {
    pub(super) fn run(&self, session: &Session) -> Result<Exit, Failure> {
        let location = session.location()?;
        let plan = self.tuning.plan(&self.label)?;
        let created = match &location {
            Location::Folder(_) => {
                if Locked::open(&location, Access::Read).is_ok() {
                    return Err(Failure::RepositoryThere { location });
                }
                create(&location, &plan, &session.passphrase(Purpose::Choose)?)?
            }
            Location::Server(address) => {
                let enrolment = Session::enrolment(address)?;
                let passphrase = session.passphrase(Purpose::Choose)?;
                create_at(address, &enrolment, &session.line(), &plan, &passphrase)?
            }
        };
        let location = location.to_string();
        session.output.summary(&line::Repository { repository: created.repository, location })?;
        session.output.note(
            "\nREMEMBER THE PASSPHRASE. Without it, or a recovery code, nobody can ever open these backups.\n\
             `farkeep key recovery` prints a code to keep on paper, away from this machine.",
        );
        Ok(Exit::Done)
    }
}

impl Tuning {
    fn plan(&self, label: &str) -> Result<Plan, RepositoryError> {
        let [least_min, least_average, least_max] = CHUNK_BYTES_LEAST;
        let bytes = |flag, size, least| within(flag, size, least, PLAIN_BYTES_MAX);
        let or = |flag, size: Option<Size>, least, default: u32| {
            size.map_or(Ok(default), |size| bytes(flag, size, least))
        };
        let average = bytes("--chunk-average", self.chunk_average, least_average)?;
        let most = u32::try_from(PLAIN_BYTES_MAX).unwrap_or(u32::MAX);
        let min = or("--chunk-min", self.chunk_min, least_min, average / 4)?;
        let max = or("--chunk-max", self.chunk_max, least_max, average.saturating_mul(4).min(most))?;
        if min > average || average > max {
            let why = format!(
                "--chunk-min is at most --chunk-average, and that at most --chunk-max: {min}, {average}, {max}"
            );
            return Err(RepositoryError::Setting { why });
        }
        let chunker = Chunker::FastCdcKeyed { min, average, max };
        if let Some(level) = self.compression_level.filter(|level| !LEVELS.contains(level)) {
            let why =
                format!("--compression-level is {} to {}, and not {level}", LEVELS.start(), LEVELS.end());
            return Err(RepositoryError::Setting { why });
        }
        let memory_kib = self.guess_memory.map_or(KdfCost::DEFAULT.memory_kib, kib);
        let passes = self.guess_passes.unwrap_or(KdfCost::DEFAULT.passes);
        Ok(Plan {
            chunker,
            image_chunk_bytes: bytes("--image-chunk", self.image_chunk, BUNDLE_BYTES_LEAST)?,
            bundle_bytes_target: within("--bundle", self.bundle, BUNDLE_BYTES_LEAST, BUNDLE_BYTES_MAX)?,
            compression: self.compression_level.map_or_else(Compression::standard, Compression::at_level),
            cost: KdfCost { memory_kib, passes, lanes: 1 },
            label: label.to_owned(),
        })
    }
}

/// The size as the parameters hold it, if they can.
fn within(flag: &str, size: Size, least: usize, most: usize) -> Result<u32, RepositoryError> {
    let bytes = usize::try_from(size.bytes).ok().filter(|bytes| (least..=most).contains(bytes));
    bytes.and_then(|bytes| u32::try_from(bytes).ok()).ok_or_else(|| {
        let why = format!("{flag} is {least} to {most} bytes, and not {}", size.bytes);
        RepositoryError::Setting { why }
    })
}

/// The size in KiB, where Argon2 counts in them. One that is too large is refused with all that are.
fn kib(size: Size) -> u32 {
    u32::try_from(size.bytes / 1024).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
