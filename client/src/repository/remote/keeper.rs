//! Deciding what is kept of a repository behind a server: what is asked, and what the answers mean.
//!
//! Servers of version 1 know of forgetting alone, and are told so before anything is sent.

use std::ops::ControlFlow;
use std::sync::mpsc::Receiver;
use std::sync::mpsc::Sender;
use std::sync::mpsc::sync_channel;

use farkeep_codec::id::PackId;
use farkeep_codec::id::SnapshotId;
use farkeep_codec::snapshot::Series;
use farkeep_codec::time::Time;
use farkeep_engine::Act;
use farkeep_engine::Freed;
use farkeep_engine::Grown;
use farkeep_engine::Healing;
use farkeep_engine::Known;
use farkeep_engine::Listed;
use farkeep_engine::Newest;
use farkeep_engine::PatrolOptions;
use farkeep_engine::Patrolled;
use farkeep_engine::Progress;
use farkeep_engine::RepairPlan;
use farkeep_engine::RepairStep;
use farkeep_engine::Repaired;
use farkeep_engine::Rules;
use farkeep_engine::Settings;
use farkeep_engine::Size;
use farkeep_engine::Verifications;
use farkeep_engine::collect::CollectOptions;
use farkeep_engine::collect::Collected;
use farkeep_protocol::fault::Code;
use farkeep_protocol::field::Counted;
use farkeep_protocol::field::List;
use farkeep_protocol::field::Sequence;
use farkeep_protocol::field::Text;
use farkeep_protocol::field::Unfit;
use farkeep_protocol::message;
use farkeep_protocol::message::FromServer;
use farkeep_protocol::message::NewestRecord;

use super::RemoteError;
use super::RemoteStore;
use super::care;
use super::collect;
use super::listed;
use super::request::ListedRecord;
use super::request::Outgoing;
use super::request::Request;
use super::wire::Command;
use crate::repository::RepositoryError;
use crate::repository::keeper::CollectAt;
use crate::repository::keeper::CollectPlan;
use crate::repository::keeper::Cost;
use crate::repository::keeper::Costs;
use crate::repository::keeper::Fate;
use crate::repository::keeper::Judged;
use crate::repository::keeper::Keeper;
use crate::repository::keeper::Retained;
use crate::repository::keeper::SeriesCost;
use crate::repository::store::Store;

/// Bytes of all parts of one answer. A million snapshots have less.
const ANSWER_BYTES_MAX: usize = 1 << 30;

/// What is asked.
#[derive(Debug, Clone)]
pub(super) enum Asked {
    Settings,
    SetSettings(Vec<u8>),
    Retain { act: message::Act, policies: Vec<Vec<u8>> },
    Forget { id: SnapshotId, reason: String },
    Recover { id: SnapshotId, reason: String },
    Hold { id: SnapshotId, until: Time },
    ListAll,
    Newest { series: String },
    Thaw { reason: String },
    Sizes,
    SeriesSizes,
    Verifications,
    Freed(Vec<SnapshotId>),
    Collect { collect: message::Collect, progress: Option<Sender<CollectAt>> },
    Stop,
    History,
    Scrub { scrub: message::Scrub, progress: Sender<Progress> },
    PlanRepair { progress: Sender<Progress> },
    Repair(message::Repair),
}

/// What came until now.
#[derive(Debug, Default)]
pub(super) struct Came {
    settings: Option<Vec<u8>>,
    judged: Vec<(Judged, message::Fate)>,
    listed: Vec<(ListedRecord, Option<message::Forgotten>, Time)>,
    newest: Option<Option<NewestRecord>>,
    costs: Vec<Cost>,
    series_costs: Vec<SeriesCost>,
    shared: Option<(u64, bool)>,
    freed: Option<(u64, bool)>,
    verifications: Option<Verifications>,
    pub(super) patrolled: Option<Patrolled>,
    pub(super) steps: Vec<RepairStep>,
    pub(super) repaired: Option<Repaired>,
    grown: Vec<Grown>,
    pub(super) collected: Option<Collected>,
    pub(super) plan: Option<CollectPlan>,
    bytes: usize,
}

impl Asked {
    /// Its frame under this number.
    pub(super) fn frame(&self, sequence: Sequence) -> Result<Outgoing, Unfit> {
        Ok(match self {
            Self::Settings => Outgoing::new(&message::Settings { sequence }),
            Self::SetSettings(bytes) => {
                Outgoing::new(&message::SetSettings { sequence, settings: Counted::new(bytes)? })
            }
            Self::Retain { act, policies } => {
                let policies =
                    policies.iter().map(|policy| Counted::new(policy)).collect::<Result<_, _>>()?;
                Outgoing::new(&message::Retain { sequence, act: *act, policies: List::new(policies)? })
            }
            Self::Forget { id, reason } => {
                Outgoing::new(&message::Forget { sequence, snapshot: *id, reason: Text::new(reason)? })
            }
            Self::Recover { id, reason } => {
                Outgoing::new(&message::Recover { sequence, snapshot: *id, reason: Text::new(reason)? })
            }
            Self::Hold { id, until } => {
                Outgoing::new(&message::Hold { sequence, snapshot: *id, until: *until })
            }
            Self::ListAll => Outgoing::new(&message::ListAll { sequence, prefix: Text::new("")? }),
            Self::Newest { series } => {
                Outgoing::new(&message::Newest { sequence, series: Text::new(series)? })
            }
            Self::Sizes => Outgoing::new(&message::Sizes { sequence }),
            Self::SeriesSizes => Outgoing::new(&message::SeriesSizes { sequence }),
            Self::Verifications => Outgoing::new(&message::Verifications { sequence }),
            Self::Freed(ids) => {
                Outgoing::new(&message::Freed { sequence, snapshots: List::new(ids.clone())? })
            }
            Self::Collect { collect, .. } => Outgoing::new(&message::Collect { sequence, ..collect.clone() }),
            Self::Scrub { scrub, .. } => Outgoing::new(&message::Scrub { sequence, ..scrub.clone() }),
            Self::PlanRepair { .. } => Outgoing::new(&message::PlanRepair { sequence }),
            Self::Repair(repair) => Outgoing::new(&message::Repair { sequence, ..repair.clone() }),
            Self::History => Outgoing::new(&message::History { sequence }),
            Self::Stop => Outgoing::new(&message::Stop { sequence }),
            Self::Thaw { reason } => Outgoing::new(&message::Thaw { sequence, reason: Text::new(reason)? }),
        })
    }

    /// Whether the end of its answer is a message of its own, and no Done.
    pub(super) fn is_answered_at_once(&self) -> bool {
        matches!(
            self,
            Self::Settings
                | Self::Newest { .. }
                | Self::Sizes
                | Self::SeriesSizes
                | Self::Verifications
                | Self::Freed(_)
                | Self::Collect { .. }
                | Self::Scrub { .. }
                | Self::Repair(_)
        )
    }
}

/// Whether a message is an answer to one of these requests, or a part of one, and to which.
pub(super) fn sequence_of(message: &FromServer<'_>) -> Option<Sequence> {
    match message {
        FromServer::SettingsAre(m) => Some(m.sequence),
        FromServer::Planned(m) => Some(m.sequence),
        FromServer::ListedToo(m) => Some(m.sequence),
        FromServer::NewestIs(m) => Some(m.sequence),
        FromServer::Sized(m) => Some(m.sequence),
        FromServer::SeriesSized(m) => Some(m.sequence),
        FromServer::SharedIs(m) => Some(m.sequence),
        FromServer::VerificationsAre(m) => Some(m.sequence),
        FromServer::FreedIs(m) => Some(m.sequence),
        FromServer::Grown(m) => Some(m.sequence),
        FromServer::Scrubbing(m) => Some(m.sequence),
        FromServer::Scrubbed(m) => Some(m.sequence),
        FromServer::RepairStep(m) => Some(m.sequence),
        FromServer::Repaired(m) => Some(m.sequence),
        FromServer::Collecting(m) => Some(m.sequence),
        FromServer::Collected(m) => Some(m.sequence),
        FromServer::CollectionIs(m) => Some(m.sequence),
        _ => None,
    }
}

/// Takes an answer, or a part of one; whether it was all of it.
pub(super) fn take(asked: &Asked, came: &mut Came, message: FromServer<'_>) -> Result<bool, RemoteError> {
    match (asked, message) {
        (Asked::Settings, FromServer::SettingsAre(m)) => came.settings = Some(m.settings.as_bytes().to_vec()),
        (Asked::Newest { .. }, FromServer::NewestIs(m)) => came.newest = Some(m.newest),
        (Asked::Retain { .. }, FromServer::Planned(m)) => {
            came.count(m.series.as_str().len() + 128)?;
            let why: Vec<String> = m.why.iter().map(|why| why.as_str().to_owned()).collect();
            let fate = match m.fate {
                message::Fate::Keep => Fate::Kept { reasons: why },
                _ => Fate::Forgotten { policy: why.into_iter().next().unwrap_or_default() },
            };
            let series = m.series.as_str().to_owned();
            came.judged.push((Judged { id: m.snapshot, series, received: m.received, fate }, m.fate));
        }
        (Asked::ListAll, FromServer::ListedToo(m)) => {
            came.count(m.record.len())?;
            // One that was written anew stands where the first one did, with a later number.
            let record = ListedRecord {
                journal: m.journal,
                received_ns: m.received.nanoseconds(),
                record: m.record.to_vec(),
            };
            came.listed.push((record, m.forgotten, m.held_until));
        }
        (Asked::Sizes | Asked::Freed(_), FromServer::Sized(m)) => {
            came.count(64)?;
            let (added_bytes, unique_bytes) = (m.added_bytes, m.unique_bytes);
            came.costs.push(Cost { id: m.snapshot, added_bytes, unique_bytes });
            return Ok(false);
        }
        (Asked::SeriesSizes, FromServer::SeriesSized(m)) => {
            came.count(m.series.as_str().len() + 64)?;
            came.series_costs.push(SeriesCost {
                series: m.series.as_str().to_owned(),
                snapshots: m.snapshots,
                added_bytes: m.added_bytes,
                unique_bytes: m.unique_bytes,
            });
            return Ok(false);
        }
        (Asked::Sizes | Asked::SeriesSizes, FromServer::SharedIs(m)) => {
            came.shared = Some((m.bytes, m.estimated));
        }
        (Asked::Verifications, FromServer::VerificationsAre(m)) => {
            came.verifications = Some(care::verifications(&m));
        }
        (Asked::Freed(_), FromServer::FreedIs(m)) => came.freed = Some((m.bytes, m.estimated)),
        (Asked::History, FromServer::Grown(m)) => {
            came.count(64)?;
            came.grown.push(Grown {
                day: m.day,
                stored_bytes: m.stored_bytes,
                removed_bytes: m.removed_bytes,
                snapshots: m.snapshots,
                forgotten: m.forgotten,
                purged: m.purged,
            });
        }
        (asked, message) => return take_work(asked, came, message),
    }
    Ok(asked.is_answered_at_once())
}

/// The same for what takes long, and is told while it goes on.
fn take_work(asked: &Asked, came: &mut Came, message: FromServer<'_>) -> Result<bool, RemoteError> {
    match (asked, message) {
        (Asked::Collect { progress: Some(progress), .. }, FromServer::Collecting(m)) => {
            // Whoever does not listen any more does not want to know.
            let _ = progress.send(collect::at(&m));
            return Ok(false);
        }
        (Asked::Collect { progress: Some(_), .. }, FromServer::Collected(m)) => {
            came.collected = Some(collect::collected(&m));
        }
        (Asked::Collect { progress: None, .. }, FromServer::CollectionIs(m)) => {
            came.plan = Some(collect::plan(&m));
        }
        (Asked::Scrub { progress, .. } | Asked::PlanRepair { progress }, FromServer::Scrubbing(m)) => {
            let message::Scrubbing { bytes_done, bytes_total, .. } = m;
            let _ = progress.send(Progress { bytes_done, bytes_total });
            return Ok(false);
        }
        (Asked::Scrub { .. }, FromServer::Scrubbed(m)) => came.patrolled = Some(care::patrolled(m)),
        (Asked::PlanRepair { .. }, FromServer::RepairStep(m)) => {
            came.count(m.path.as_str().len() + m.what.as_str().len() + 128)?;
            came.steps.push(care::step(&m)?);
        }
        (Asked::Repair(_), FromServer::Repaired(m)) => came.repaired = Some(care::repaired(m)),
        _ => return Err(RemoteError::broken("it answers what was not asked")),
    }
    Ok(asked.is_answered_at_once())
}

impl Came {
    fn shared(&self) -> Result<(u64, bool), RemoteError> {
        self.shared.ok_or_else(|| RemoteError::broken("it does not say what is shared"))
    }

    fn count(&mut self, bytes: usize) -> Result<(), RemoteError> {
        self.bytes += bytes;
        if self.bytes > ANSWER_BYTES_MAX {
            return Err(RemoteError::broken("its answer has no end"));
        }
        Ok(())
    }
}

impl RemoteStore {
    pub(super) fn keep(&self, asked: Asked) -> Result<Came, RemoteError> {
        self.ask(|reply| Command::Ask(Request::Keep { asked, came: Box::default(), reply }))
    }

    /// Asks for the newest record of a series, and does not wait.
    pub(super) fn ask_newest(&self, series: &Series) -> Receiver<Result<Came, RemoteError>> {
        let (reply, answer) = sync_channel(1);
        let asked = Asked::Newest { series: series.to_string() };
        self.send(Command::Ask(Request::Keep { asked, came: Box::default(), reply }));
        answer
    }

    /// The newest record of a series of which none is listed any more. Nobody can show the record, so the server is
    /// believed; a commit that follows another one is refused.
    pub(super) fn newest_unlisted(
        &self,
        asked: &Receiver<Result<Came, RemoteError>>,
    ) -> Result<Option<Newest>, RepositoryError> {
        let came = asked.recv().unwrap_or_else(|_| Err(self.shared.failure().unwrap_or(RemoteError::Ended)));
        let came = match came {
            Err(error) if is_too_old(&error) => return Ok(None),
            came => came?,
        };
        let newest = came.newest.ok_or_else(|| RemoteError::broken("it does not say which is the newest"))?;
        Ok(newest.map(|newest| Newest {
            id: newest.snapshot,
            sequence: newest.number,
            captured: newest.captured,
            received: newest.received,
            root: newest.root,
            agent: *newest.agent.as_bytes(),
        }))
    }
}

impl Keeper for RemoteStore {
    fn settings(&self) -> Result<Settings, RepositoryError> {
        let bytes = self.keep(Asked::Settings)?.settings.unwrap_or_default();
        let broken = |error| RemoteError::broken(format!("settings: {error}"));
        Ok(Settings::parse(&bytes).map_err(broken)?)
    }

    fn change_settings(&self, settings: &Settings) -> Result<(), RepositoryError> {
        self.keep(Asked::SetSettings(settings.encode()))?;
        Ok(())
    }

    fn known(&self) -> Result<Vec<Known>, RepositoryError> {
        let came = match self.keep(Asked::ListAll) {
            Err(error) if is_too_old(&error) => {
                let known = |listed| Known {
                    listed,
                    forgotten: None,
                    held_until: Time::from_nanoseconds(i64::MIN),
                    tags: None,
                };
                return Ok(self.snapshots()?.into_iter().map(known).collect());
            }
            came => came?,
        };
        let known = |(record, forgotten, held_until): &(ListedRecord, Option<message::Forgotten>, Time)| {
            let listed: Listed = listed(record)?;
            let forgotten = forgotten.map(|forgotten| (forgotten.at, forgotten.until));
            Ok(Known { listed, forgotten, held_until: *held_until, tags: None })
        };
        Ok(came.listed.iter().map(known).collect::<Result<_, RemoteError>>()?)
    }

    fn retain(&self, rules: &Rules, act: Act) -> Result<Retained, RepositoryError> {
        let policies = match rules {
            Rules::Stored => Vec::new(),
            Rules::Given(policies) => policies
                .iter()
                .map(|policy| policy.encode().map_err(|error| RemoteError::broken(error.to_string())))
                .collect::<Result<_, _>>()?,
        };
        let act = match act {
            Act::Plan => message::Act::Plan,
            Act::Execute => message::Act::Execute,
        };
        let judged = self.keep(Asked::Retain { act, policies })?.judged;
        let is_frozen = judged.iter().any(|(_, fate)| *fate == message::Fate::Frozen);
        Ok(Retained { judged: judged.into_iter().map(|(judged, _)| judged).collect(), is_frozen })
    }

    fn forget(&self, id: &SnapshotId, reason: &str) -> Result<(), RepositoryError> {
        self.keep(Asked::Forget { id: *id, reason: reason.to_owned() })?;
        Ok(())
    }

    fn recover(&self, id: &SnapshotId, reason: &str) -> Result<(), RepositoryError> {
        self.keep(Asked::Recover { id: *id, reason: reason.to_owned() })?;
        Ok(())
    }

    fn hold(&self, id: &SnapshotId, until: Time, _: &str) -> Result<(), RepositoryError> {
        self.keep(Asked::Hold { id: *id, until })?;
        Ok(())
    }

    fn sizes(&self) -> Result<Costs<Cost>, RepositoryError> {
        let came = self.keep(Asked::Sizes)?;
        let (shared_bytes, is_estimated) = came.shared()?;
        Ok(Costs { each: came.costs, shared_bytes, is_estimated })
    }

    fn series_sizes(&self) -> Result<Costs<SeriesCost>, RepositoryError> {
        let came = self.keep(Asked::SeriesSizes)?;
        let (shared_bytes, is_estimated) = came.shared()?;
        Ok(Costs { each: came.series_costs, shared_bytes, is_estimated })
    }

    fn freed(&self, snapshots: &[SnapshotId]) -> Result<Freed, RepositoryError> {
        if snapshots.is_empty() {
            return Ok(Freed::default());
        }
        let came = self.keep(Asked::Freed(snapshots.to_vec()))?;
        let ids: Vec<SnapshotId> = came.costs.iter().map(|cost| cost.id).collect();
        let total = came.freed.filter(|_| ids == snapshots);
        let (bytes, is_estimated) =
            total.ok_or_else(|| RemoteError::broken("it does not say what would be free"))?;
        let size = |cost: Cost| Size { added_bytes: cost.added_bytes, unique_bytes: cost.unique_bytes };
        Ok(Freed { bytes, each: came.costs.into_iter().map(size).collect(), is_estimated })
    }

    fn history(&self) -> Result<Vec<Grown>, RepositoryError> {
        Ok(self.keep(Asked::History)?.grown)
    }

    fn collect(
        &self,
        options: &CollectOptions,
        watch: &dyn Fn(&CollectAt) -> ControlFlow<()>,
    ) -> Result<Collected, RepositoryError> {
        self.collect_there(options, watch)
    }

    fn plan_collection(&self, options: &CollectOptions) -> Result<CollectPlan, RepositoryError> {
        self.plan_there(options)
    }

    fn rebuild_index(&self) -> Result<u64, RepositoryError> {
        Err(RepositoryError::NotThroughServer)
    }

    fn patrol(
        &self,
        options: &PatrolOptions,
        watch: &dyn Fn(Progress) -> ControlFlow<()>,
    ) -> Result<Patrolled, RepositoryError> {
        self.patrol_there(options, watch)
    }

    fn verifications(&self) -> Result<Verifications, RepositoryError> {
        let told = self.keep(Asked::Verifications)?.verifications;
        Ok(told.ok_or_else(|| RemoteError::broken("it does not say when packs were verified"))?)
    }

    fn heal(&self, packs: &[PackId]) -> Result<Healing, RepositoryError> {
        Ok(self.repair_there(packs.to_vec(), &[])?.healing)
    }

    fn plan_repair(&self, show: &(dyn Fn(Progress) + Sync)) -> Result<RepairPlan, RepositoryError> {
        self.plan_repair_there(show)
    }

    fn repair(&self, plan: &RepairPlan) -> Result<Repaired, RepositoryError> {
        self.repair_there(care::packs(plan), &plan.steps)
    }

    fn thaw(&self, reason: &str) -> Result<(), RepositoryError> {
        self.keep(Asked::Thaw { reason: reason.to_owned() })?;
        Ok(())
    }
}

/// What is said of a request that the server's version of the protocol does not have.
pub(super) fn too_old() -> RemoteError {
    let text = "the server speaks a version of the protocol that cannot say this".to_owned();
    RemoteError::Refused { code: Code::VERSION, text }
}

fn is_too_old(error: &RemoteError) -> bool {
    error.code() == Some(Code::VERSION)
}
