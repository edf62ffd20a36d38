//! What is kept, why and for how long: what keepers ask for, carried out.

use farkeep_codec::id::SnapshotId;
use farkeep_codec::snapshot::Series;
use farkeep_codec::time::Time;
use farkeep_engine::Act;
use farkeep_engine::Fate;
use farkeep_engine::Grown;
use farkeep_engine::Judged;
use farkeep_engine::Known;
use farkeep_engine::Newest;
use farkeep_engine::Rules;
use farkeep_engine::Settings;
use farkeep_engine::Size;
use farkeep_engine::policy::Policy;
use farkeep_protocol::fault::Code;
use farkeep_protocol::field::PublicKeyBytes;
use farkeep_protocol::hello::Rights;
use farkeep_protocol::message;
use farkeep_protocol::message::Forgotten;
use farkeep_protocol::message::FreedIs;
use farkeep_protocol::message::FromServer;
use farkeep_protocol::message::NewestIs;
use farkeep_protocol::message::NewestRecord;
use farkeep_protocol::message::SharedIs;
use farkeep_protocol::message::Sized;

use super::answer::Answer;
use super::restore::Worker;
use crate::bridge::Failure;
use crate::schedule;

impl Worker {
    pub(super) async fn settings(&self) -> Result<(), Failure> {
        let lease = self.lease.clone();
        let settings = self.pool.run(move || lease.engine().settings().encode()).await?;
        Ok(self.outbox.send(Answer::SettingsAre { sequence: self.sequence, settings }).await?)
    }

    pub(super) async fn set_settings(&self, bytes: Vec<u8>) -> Result<(), Failure> {
        let by = self.key.to_string();
        self.change(move |lease| {
            let settings = Settings::parse(&bytes).map_err(|error| malformed(&error.to_string()))?;
            schedule::expect_fit(&settings).map_err(|why| malformed(&why))?;
            Ok(lease.engine().change_settings(&settings, &by)?)
        })
        .await
    }

    pub(super) async fn hold(&self, id: SnapshotId, until: Time) -> Result<(), Failure> {
        self.change(move |lease| Ok(lease.engine().hold(&id, until, "")?)).await
    }

    pub(super) async fn recover(&self, id: SnapshotId, reason: String) -> Result<(), Failure> {
        self.change(move |lease| Ok(lease.engine().recover(&id, &reason)?)).await
    }

    pub(super) async fn thaw(&self, reason: String) -> Result<(), Failure> {
        self.change(move |lease| Ok(lease.engine().thaw(&reason).map(|_| ())?)).await
    }

    pub(super) async fn retain(&self, act: message::Act, policies: Vec<Vec<u8>>) -> Result<(), Failure> {
        let lease = self.lease.clone();
        let act = match act {
            message::Act::Plan => Act::Plan,
            message::Act::Execute => Act::Execute,
        };
        let retain = move || {
            let given = policies.iter().map(|bytes| Policy::parse(bytes));
            let given: Vec<Policy> =
                given.collect::<Result<_, _>>().map_err(|error| malformed(&error.to_string()))?;
            let rules = if given.is_empty() { Rules::Stored } else { Rules::Given(given) };
            Ok::<_, Failure>(lease.engine().retain(&rules, act, "")?)
        };
        let retained = self.pool.run(retain).await??;
        for Judged { id, series, received, fate, .. } in retained.judged {
            let (fate, why) = match fate {
                Fate::Kept(reasons) => {
                    (message::Fate::Keep, reasons.iter().map(ToString::to_string).collect())
                }
                Fate::Forgotten(policy) if retained.frozen.is_some() => {
                    (message::Fate::Frozen, vec![policy.to_string()])
                }
                Fate::Forgotten(policy) => (message::Fate::Forget, vec![policy.to_string()]),
            };
            let (sequence, series) = (self.sequence, series.to_string());
            self.outbox.send(Answer::Planned { sequence, id, series, received, fate, why }).await?;
        }
        self.done().await
    }

    pub(super) async fn list_all(&self, prefix: String) -> Result<(), Failure> {
        let (lease, rights, key) = (self.lease.clone(), self.rights, self.key);
        let known = self.pool.run(move || {
            let may_all = rights.include(Rights::ALL_SERIES);
            let mut known = lease.engine().known(&prefix)?;
            known.retain(|one| may_all || one.listed.record.agent().as_bytes() == key.as_bytes());
            Ok::<_, Failure>(known)
        });
        for Known { listed, forgotten, held_until, .. } in known.await?? {
            let record = listed.record.encode();
            let room = self.outbox.room(record.len()).await?;
            self.outflow.charge(record.len() + LISTED_TOO_FRONT_BYTES_MAX).await;
            let answer = Answer::ListedToo {
                sequence: self.sequence,
                journal: listed.sequence,
                received: listed.received,
                forgotten: forgotten.map(|(at, until)| Forgotten { at, until }),
                held_until,
                record,
                room,
            };
            self.outbox.send(answer).await?;
        }
        self.done().await
    }

    /// What each snapshot costs: reads all nodes, so it waits with verifications for its turn.
    pub(super) async fn sizes(&self) -> Result<(), Failure> {
        let lease = self.lease.clone();
        let sizes = self.verifications.run(move || {
            let ids = lease.engine().snapshot_ids();
            let groups: Vec<Vec<SnapshotId>> = ids.iter().map(|id| vec![*id]).collect();
            Ok::<_, Failure>((ids, lease.engine().sizes(&groups)?))
        });
        let (ids, sizes) = sizes.await??;
        for (snapshot, Size { added_bytes, unique_bytes }) in ids.into_iter().zip(sizes.groups) {
            let sized = Sized { sequence: self.sequence, snapshot, added_bytes, unique_bytes };
            self.say(FromServer::Sized(sized)).await?;
        }
        self.shared(sizes.shared_bytes, sizes.is_estimated).await
    }

    /// What each series costs.
    pub(super) async fn series_sizes(&self) -> Result<(), Failure> {
        let lease = self.lease.clone();
        let sizes = self.verifications.run(move || {
            let (series, groups): (Vec<_>, Vec<_>) = lease.engine().series_ids().into_iter().unzip();
            let counts: Vec<u64> = groups.iter().map(|ids| ids.len() as u64).collect();
            let sizes = lease.engine().sizes(&groups)?;
            Ok::<_, Failure>((series.into_iter().zip(counts), sizes))
        });
        let (series, sizes) = sizes.await??;
        for ((series, snapshots), Size { added_bytes, unique_bytes }) in series.zip(sizes.groups) {
            let (sequence, series) = (self.sequence, series.to_string());
            let answer = Answer::SeriesSized { sequence, series, snapshots, added_bytes, unique_bytes };
            self.outbox.send(answer).await?;
        }
        self.shared(sizes.shared_bytes, sizes.is_estimated).await
    }

    async fn shared(&self, bytes: u64, estimated: bool) -> Result<(), Failure> {
        self.say(FromServer::SharedIs(SharedIs { sequence: self.sequence, bytes, estimated })).await
    }

    /// What would be free without these snapshots.
    pub(super) async fn freed(&self, snapshots: Vec<SnapshotId>) -> Result<(), Failure> {
        let lease = self.lease.clone();
        let freed = self.verifications.run(move || {
            let freed = lease.engine().freed(&snapshots)?;
            Ok::<_, Failure>((snapshots, freed))
        });
        let (snapshots, freed) = freed.await??;
        let sequence = self.sequence;
        for (snapshot, Size { added_bytes, unique_bytes }) in snapshots.into_iter().zip(freed.each) {
            self.say(FromServer::Sized(Sized { sequence, snapshot, added_bytes, unique_bytes })).await?;
        }
        let (bytes, estimated) = (freed.bytes, freed.is_estimated);
        self.say(FromServer::FreedIs(FreedIs { sequence, bytes, estimated })).await
    }

    /// How the repository grew.
    pub(super) async fn history(&self) -> Result<(), Failure> {
        let lease = self.lease.clone();
        for grown in self.verifications.run(move || lease.engine().history()).await?? {
            let Grown { day, stored_bytes, removed_bytes, snapshots, forgotten, purged } = grown;
            let sequence = self.sequence;
            let grown =
                message::Grown { sequence, day, stored_bytes, removed_bytes, snapshots, forgotten, purged };
            self.say(FromServer::Grown(grown)).await?;
        }
        self.done().await
    }

    pub(super) async fn newest(&self, series: String) -> Result<(), Failure> {
        let series = Series::new(&series).map_err(|_| malformed("it is no name of a series"))?;
        let lease = self.lease.clone();
        let newest = self.pool.run(move || lease.engine().newest_of(&series)).await?;
        let may_all = self.rights.include(Rights::ALL_SERIES);
        let newest = newest.filter(|newest| may_all || newest.agent == *self.key.as_bytes());
        let newest = newest.map(|Newest { id, sequence, captured, received, root, agent }| NewestRecord {
            snapshot: id,
            number: sequence,
            captured,
            received,
            root,
            agent: PublicKeyBytes::from_bytes(agent),
        });
        self.say(FromServer::NewestIs(NewestIs { sequence: self.sequence, newest })).await
    }
}

/// Most bytes in front of a record in its message.
const LISTED_TOO_FRONT_BYTES_MAX: usize = 8 + 8 + 8 + 17 + 8;

fn malformed(why: &str) -> Failure {
    Failure::new(Code::MALFORMED, why)
}
