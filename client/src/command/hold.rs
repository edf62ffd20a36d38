//! `farkeep hold`

use std::time::SystemTime;
use std::time::UNIX_EPOCH;

use clap::Args;
use farkeep_codec::time::Time;
use jiff::Zoned;

use super::failure::Failure;
use super::session::Session;
use super::subject::Named;
use crate::config::period::Period;
use crate::output::exit::Exit;
use crate::output::line;
use crate::repository::Access;
use crate::selector::moment;

/// Keep snapshots restorable until a time, whatever anybody says later
///
/// No rule forgets a snapshot that is held, and one that is forgotten by name stays restorable until the hold is over. A hold
/// can be made longer and never shorter, by nobody: think twice. A folder needs no passphrase for this.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  farkeep hold 3f2a --for 90d --reason 'audit'
  farkeep hold 3f2a --until 2027-12-31")]
pub(super) struct Hold {
    /// The snapshots
    #[arg(value_name = "SNAPSHOT", required = true)]
    snapshots: Vec<String>,
    /// Until then: RFC 3339, or a date, all of which counts
    #[arg(long, value_name = "TIME", required_unless_present = "period", conflicts_with = "period")]
    until: Option<String>,
    /// For so long from now: 90d, 2w, 1y
    #[arg(long = "for", value_name = "TIME")]
    period: Option<Period>,
    /// Why, for the journal
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    reason: String,
}

impl Hold {
    pub(super) fn run(&self, session: &Session) -> Result<Exit, Failure> {
        let until = self.until()?;
        let named = Named::find(session, &self.snapshots, Access::Write)?;
        for id in &named.ids {
            named.keeper().hold(id, until, &self.reason)?;
            let change = "held";
            session.output.summary(&line::SnapshotChange {
                snapshot: *id,
                change,
                until: Some(until),
                unique_bytes: None,
            })?;
        }
        Ok(Exit::Done)
    }

    fn until(&self) -> Result<Time, Failure> {
        if let Some(words) = &self.until {
            return moment::parse(words, &Zoned::now()).map_err(|source| Failure::Moment { source });
        }
        let seconds = self.period.map_or(0, |period| period.seconds);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
        let until = now.saturating_add(u128::from(seconds) * 1_000_000_000);
        Ok(Time::from_nanoseconds(i64::try_from(until).unwrap_or(i64::MAX)))
    }
}
