//! What comes out of a repository: each request has a worker, which answers at the pace of the client.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use farkeep_codec::id::ObjectId;
use farkeep_engine::Damage;
use farkeep_engine::Listed;
use farkeep_engine::Place;
use farkeep_engine::Presence;
use farkeep_engine::Progress;
use farkeep_engine::Report;
use farkeep_engine::Share;
use farkeep_protocol::fault::Code;
use farkeep_protocol::field;
use farkeep_protocol::field::Bitmap;
use farkeep_protocol::field::List;
use farkeep_protocol::field::Sequence;
use farkeep_protocol::field::SlotId;
use farkeep_protocol::hello::Rights;
use farkeep_protocol::identity::PublicKey;
use farkeep_protocol::limits::DAMAGED_MAX;
use farkeep_protocol::limits::SHARE_WHOLE;
use farkeep_protocol::message::FromServer;
use farkeep_protocol::message::Missing;
use farkeep_protocol::message::Places;
use farkeep_protocol::message::Used;
use tokio::sync::watch;
use tokio::time::sleep;

use super::answer::Answer;
use super::answer::Read;
use super::credit::Outflow;
use super::line::Gone;
use super::line::Outbox;
use super::stops::Stops;
use crate::bridge::Collections;
use crate::bridge::Failure;
use crate::bridge::Lease;
use crate::bridge::Pool;

/// Bytes of objects that are read together.
const READ_BYTES_MAX: usize = 1 << 20;
/// How often whoever waits for a verification is told how far it is.
const VERIFIED_EVERY: Duration = Duration::from_secs(1);

/// Carries one request out.
pub(super) struct Worker {
    pub(super) lease: Lease,
    pub(super) pool: Pool,
    pub(super) verifications: Pool,
    pub(super) outbox: Outbox,
    pub(super) outflow: Arc<Outflow>,
    pub(super) sequence: Sequence,
    pub(super) rights: Rights,
    pub(super) collections: Collections,
    pub(super) stops: Stops,
    pub(super) key: PublicKey,
}

impl From<Gone> for Failure {
    /// Nobody hears of it.
    fn from(_: Gone) -> Self {
        Self::new(Code::INTERNAL, "the connection is gone")
    }
}

impl Worker {
    pub(super) async fn say(&self, message: FromServer<'static>) -> Result<(), Failure> {
        Ok(self.outbox.send(Answer::Plain(message)).await?)
    }

    pub(super) async fn probe(&self, ids: Vec<ObjectId>) -> Result<(), Failure> {
        let lease = self.lease.clone();
        let presence = self.pool.run(move || lease.engine().probe(&lease.session(), &ids)).await??;
        let known: Vec<bool> = presence.iter().map(|presence| *presence == Presence::Known).collect();
        let known = Bitmap::new(&known).map_err(unfit)?;
        let sequence = self.sequence;
        self.say(FromServer::Presence(farkeep_protocol::message::Presence { sequence, known })).await
    }

    pub(super) async fn locate(&self, ids: Vec<ObjectId>) -> Result<(), Failure> {
        let places = self.places(ids).await?;
        let places = places.into_iter().map(|(_, place)| place.map(on_the_wire)).collect();
        let places = List::new(places).map_err(unfit)?;
        self.say(FromServer::Places(Places { sequence: self.sequence, places })).await
    }

    pub(super) async fn get(&self, ids: Vec<ObjectId>) -> Result<(), Failure> {
        let places = self.places(ids).await?;
        let mut there = Vec::new();
        for (index, (id, place)) in (0_u32..).zip(places) {
            match place {
                Some(place) => there.push((index, id, place)),
                None => self.missing(index, Code::NOT_FOUND).await?,
            }
        }
        there.sort_unstable_by_key(|(_, _, place)| (*place.pack.as_bytes(), place.offset));
        let mut rest = there.as_slice();
        while !rest.is_empty() {
            let mut bytes = 0;
            let fits = |(_, _, place): &&(u32, ObjectId, Place)| {
                bytes += place.bytes as usize;
                bytes <= READ_BYTES_MAX
            };
            let count = rest.iter().take_while(fits).count().max(1);
            let (now, later) = rest.split_at(count);
            rest = later;
            self.send_objects(now.to_vec()).await?;
        }
        self.done().await
    }

    /// Reads some objects together, once there is room for them on the way to the client.
    async fn send_objects(&self, wanted: Vec<(u32, ObjectId, Place)>) -> Result<(), Failure> {
        let lease = self.lease.clone();
        let read = move || {
            let places: Vec<_> = wanted.iter().map(|(_, id, place)| (*id, *place)).collect();
            let mut read = Vec::with_capacity(wanted.len());
            lease.engine().objects(&places, &mut Vec::new(), &mut |at, object| {
                let object = object.map(<[u8]>::to_vec).map_err(Failure::from);
                read.extend(wanted.get(at).map(|(index, _, _)| (*index, object)));
            });
            read
        };
        for (index, object) in self.pool.run(read).await? {
            match object {
                Ok(object) => {
                    let room = self.outbox.room(object.len()).await?;
                    self.outflow.charge(object.len() + OBJECT_FRONT_BYTES).await;
                    let sequence = self.sequence;
                    self.outbox.send(Answer::Object { sequence, index, object, room }).await?;
                }
                Err(failure) => self.missing(index, failure.code).await?,
            }
        }
        Ok(())
    }

    async fn missing(&self, index: u32, code: Code) -> Result<(), Failure> {
        self.say(FromServer::Missing(Missing { sequence: self.sequence, index, code })).await
    }

    async fn places(&self, ids: Vec<ObjectId>) -> Result<Vec<(ObjectId, Option<Place>)>, Failure> {
        let lease = self.lease.clone();
        let locate = move |id: ObjectId| Ok((id, lease.engine().locate(&id)?));
        self.pool.run(move || ids.into_iter().map(locate).collect()).await?
    }

    pub(super) async fn list(&self, newest: u32, prefix: String) -> Result<(), Failure> {
        let (lease, rights, key) = (self.lease.clone(), self.rights, self.key);
        let listed = self.pool.run(move || {
            let may_all = rights.include(Rights::ALL_SERIES);
            let engine = lease.engine();
            let mut listed =
                if newest == 1 { engine.newest_records(&prefix)? } else { engine.snapshots()? };
            listed.retain(|one| {
                let is_own = one.record.agent().as_bytes() == key.as_bytes();
                (may_all || is_own) && one.record.series.as_str().starts_with(&prefix)
            });
            Ok::<_, Failure>(only_newest(listed, newest))
        });
        for Listed { record, received, sequence: journal, .. } in listed.await?? {
            let record = record.encode();
            let room = self.outbox.room(record.len()).await?;
            self.outflow.charge(record.len() + LISTED_FRONT_BYTES).await;
            let sequence = self.sequence;
            self.outbox.send(Answer::Listed { sequence, journal, received, record, room }).await?;
        }
        self.done().await
    }

    pub(super) async fn slots(&self) -> Result<(), Failure> {
        let lease = self.lease.clone();
        for (slot, bytes) in self.pool.run(move || lease.engine().slots()).await?? {
            self.outflow.charge(bytes.len() + SLOT_FRONT_BYTES).await;
            let (sequence, slot) = (self.sequence, SlotId::from_bytes(*slot.as_bytes()));
            self.outbox.send(Answer::Slot { sequence, slot, bytes }).await?;
        }
        self.done().await
    }

    pub(super) async fn usage(&self) -> Result<(), Failure> {
        let lease = self.lease.clone();
        let usage = self.pool.run(move || lease.engine().usage()).await??;
        self.say(FromServer::Used(Used {
            sequence: self.sequence,
            packs: usage.packs,
            objects: usage.objects,
            bytes: usage.bytes,
            index_bytes: usage.index_bytes,
            journal_bytes: usage.journal_bytes,
            free_bytes: usage.free_bytes,
        }))
        .await
    }

    pub(super) async fn verify(&self, share: u32) -> Result<(), Failure> {
        let lease = self.lease.clone();
        let share = share_of(share)?;
        let (progress, watch) = watch::channel(Progress { bytes_done: 0, bytes_total: 0 });
        let tell = move |now: Progress| {
            progress.send_replace(now);
        };
        let work = self.verifications.run(move || lease.engine().verify(share, &tell));
        tokio::pin!(work);
        let report = loop {
            tokio::select! {
                report = &mut work => break report??,
                () = sleep(VERIFIED_EVERY) => {
                    let Progress { bytes_done: bytes, bytes_total } = *watch.borrow();
                    let read = Read { bytes, bytes_total, ..Read::default() };
                    self.verified(read, Vec::new(), Goes::On).await?;
                }
            }
        };
        let read = Read {
            packs: report.packs,
            objects: report.objects,
            bytes: report.bytes,
            bytes_total: watch.borrow().bytes_total.max(report.bytes),
        };
        let named = named(report);
        let mut rest = named.chunks(DAMAGED_MAX).peekable();
        while let Some(some) = rest.next() {
            if rest.peek().is_some() {
                self.verified(read, some.to_vec(), Goes::On).await?;
            } else {
                return self.verified(read, some.to_vec(), Goes::NoFurther).await;
            }
        }
        self.verified(read, Vec::new(), Goes::NoFurther).await
    }

    async fn verified(
        &self,
        read: Read,
        damaged: Vec<(Option<ObjectId>, String)>,
        goes: Goes,
    ) -> Result<(), Failure> {
        let is_finished = matches!(goes, Goes::NoFurther);
        Ok(self.outbox.send(Answer::Verified { sequence: self.sequence, read, is_finished, damaged }).await?)
    }
}

/// Bytes in front of an object in its message.
const OBJECT_FRONT_BYTES: usize = 8 + 4;
/// Bytes in front of a record in its message.
const LISTED_FRONT_BYTES: usize = 8 + 8 + 8;
/// Bytes in front of a key slot in its message.
const SLOT_FRONT_BYTES: usize = 8 + 16;

/// Whether more is said about a verification.
#[derive(Clone, Copy)]
enum Goes {
    On,
    NoFurther,
}

fn unfit(error: field::Unfit) -> Failure {
    Failure::new(Code::INTERNAL, error.to_string())
}

/// The last `newest` of each series, in the order in which they were received; all if it is 0.
fn only_newest(mut listed: Vec<Listed>, newest: u32) -> Vec<Listed> {
    if newest == 0 {
        return listed;
    }
    let mut counts: HashMap<_, u32> = HashMap::new();
    let mut keep: Vec<bool> = Vec::with_capacity(listed.len());
    for one in listed.iter().rev() {
        let count = counts.entry(one.record.series.clone()).or_default();
        *count += 1;
        keep.push(*count <= newest);
    }
    let mut keep = keep.into_iter().rev();
    listed.retain(|_| keep.next().unwrap_or(false));
    listed
}

fn share_of(share: u32) -> Result<Share, Failure> {
    if share == 0 {
        return Ok(Share::Summaries);
    }
    if share >= SHARE_WHOLE {
        return Ok(Share::Everything);
    }
    let mut seed = [0; 8];
    getrandom::fill(&mut seed)
        .map_err(|_| Failure::new(Code::INTERNAL, "the system has no random numbers"))?;
    let part = f64::from(share) / f64::from(SHARE_WHOLE);
    Ok(Share::Sample { part, seed: u64::from_le_bytes(seed) })
}

/// Each damage, and each object that is lost by it.
fn named(report: Report) -> Vec<(Option<ObjectId>, String)> {
    let describe = |damage: Damage| {
        let what = format!("{} at byte {}: {}", damage.path.display(), damage.offset, damage.what);
        let lost: Vec<Option<ObjectId>> = match damage.objects.is_empty() {
            true => vec![None],
            false => damage.objects.into_iter().map(Some).collect(),
        };
        lost.into_iter().map(move |object| (object, what.clone()))
    };
    report.damage.into_iter().flat_map(describe).collect()
}

/// The pack by a part of its name: enough to tell which objects lie together.
fn on_the_wire(place: Place) -> field::Place {
    let [a, b, c, d, ..] = *place.pack.as_bytes();
    field::Place { pack: u32::from_le_bytes([a, b, c, d]), offset: place.offset, bytes: place.bytes }
}
