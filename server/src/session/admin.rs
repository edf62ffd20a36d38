//! Requests begin here, each where it belongs; those that change a repository without putting anything into it.

use farkeep_codec::key::Lock;
use farkeep_codec::key::Slot;
use farkeep_engine::SlotId;
use farkeep_engine::StoreError;
use farkeep_protocol::fault::Code;
use farkeep_protocol::field::Sequence;
use farkeep_protocol::message::Act;
use farkeep_protocol::message::Done;
use farkeep_protocol::message::FromServer;
use tokio::sync::OwnedSemaphorePermit;

use super::actor::Session;
use super::answer::Answer;
use super::event::News;
use super::line::LineId;
use super::puts::Ordered;
use super::request::Ask;
use super::restore::Worker;
use crate::bridge::Failure;
use crate::bridge::Lease;

impl Session {
    /// Begins a request that is allowed, and no put.
    pub(super) fn begin_request(
        &mut self,
        line: LineId,
        sequence: Sequence,
        ask: Ask,
        body_bytes: usize,
        room: Option<OwnedSemaphorePermit>,
    ) {
        let number = sequence.number();
        match ask {
            Ask::Put { .. } | Ask::Flush => drop(self.queue.insert(number, Ordered::Flush)),
            Ask::Commit { group, record, tags, replaces } => {
                let commit = Ordered::Commit { group, record, tags, replaces, body_bytes };
                drop(self.queue.insert(number, commit));
            }
            Ask::Barrier { group, members, deadline_ms, stage } => {
                self.barrier(number, group, members, deadline_ms, stage);
            }
            Ask::Stop => {
                self.stops.up_to(number);
                let done = FromServer::Done(Done { sequence });
                self.answered(self.incarnation, number, Ok(Some(done)));
            }
            Ask::TooMany => {
                let failure = Failure::new(Code::RATE, "too many objects were asked for at a time");
                self.answered(self.incarnation, number, Err(failure));
            }
            Ask::Unsupported => {
                let failure = Failure::new(Code::ROLE, "this server does not do that");
                self.answered(self.incarnation, number, Err(failure));
            }
            ask => self.begin_work(line, sequence, ask, body_bytes, room),
        }
    }

    /// Has a worker of its own carry a request out.
    fn begin_work(
        &mut self,
        line: LineId,
        sequence: Sequence,
        ask: Ask,
        body_bytes: usize,
        room: Option<OwnedSemaphorePermit>,
    ) {
        let Some(outbox) = self.lines.get(&line).map(|line| line.outbox.clone()) else { return };
        if matches!(ask, Ask::AddSlot { .. }) {
            // What is charged for it is a few KiB, and held no longer than this.
            self.intake.free_bytes(body_bytes);
        }
        let worker = Worker {
            lease: self.lease.clone(),
            pool: self.house.pool.clone(),
            verifications: self.house.verifications.clone(),
            outbox,
            outflow: self.ties.outflow.clone(),
            sequence,
            rights: self.owner.rights,
            key: self.owner.key,
            collections: self.house.collections.clone(),
            stops: self.stops.clone(),
        };
        let (news, incarnation, number) = (self.news_sender.clone(), self.incarnation, sequence.number());
        // What takes hours waits for its like alone.
        let is_long = matches!(
            ask,
            Ask::Verify { .. }
                | Ask::Sizes
                | Ask::SeriesSizes
                | Ask::Freed { .. }
                | Ask::History
                | Ask::Collect { .. }
                | Ask::Scrub { .. }
                | Ask::PlanRepair
                | Ask::Repair { .. }
        );
        let turn = if is_long { self.verifying.clone() } else { self.workers.clone() };
        tokio::spawn(async move {
            let turn = turn.acquire_owned().await;
            // A connection that is gone wants no answer, and has none to wait for.
            tokio::select! {
                () = worker.outbox.closed() => {}
                () = worker.work(ask) => {}
            }
            drop((turn, room));
            drop(news.send(News::Finished { incarnation, number }));
        });
    }
}

impl Worker {
    /// Carries a request out, and answers it.
    async fn work(&self, ask: Ask) {
        let answered = match ask {
            Ask::Probe { ids } => self.probe(ids).await,
            Ask::Get { ids } => self.get(ids).await,
            Ask::Locate { ids } => self.locate(ids).await,
            Ask::List { newest, prefix } => self.list(newest, prefix).await,
            Ask::Slots => self.slots().await,
            Ask::Usage => self.usage().await,
            Ask::Verify { share } => self.verify(share).await,
            Ask::AddSlot { slot, bytes } => {
                let slot = SlotId::from_bytes(*slot.as_bytes());
                self.change(move |lease| {
                    let malformed = |_| Failure::new(Code::MALFORMED, "these are no bytes of a key slot");
                    Slot::parse(&bytes).map_err(malformed)?;
                    Ok(lease.engine().add_slot(slot, &bytes)?)
                })
                .await
            }
            Ask::RemoveSlot { slot } => {
                let slot = SlotId::from_bytes(*slot.as_bytes());
                self.change(move |lease| remove_slot(lease, slot)).await
            }
            Ask::Forget { snapshot, reason } => {
                self.change(move |lease| Ok(lease.engine().forget(&snapshot, &reason)?)).await
            }
            Ask::Hold { snapshot, until } => self.hold(snapshot, until).await,
            Ask::Recover { snapshot, reason } => self.recover(snapshot, reason).await,
            Ask::Settings => self.settings().await,
            Ask::SetSettings { bytes } => self.set_settings(bytes).await,
            Ask::Retain { act, policies } => self.retain(act, policies).await,
            Ask::ListAll { prefix } => self.list_all(prefix).await,
            Ask::Newest { series } => self.newest(series).await,
            Ask::Thaw { reason } => self.thaw(reason).await,
            Ask::Sizes => self.sizes().await,
            Ask::SeriesSizes => self.series_sizes().await,
            Ask::Verifications => self.verifications().await,
            Ask::Freed { snapshots } => self.freed(snapshots).await,
            Ask::History => self.history().await,
            Ask::Collect { act: Act::Plan, options } => self.plan_collection(options).await,
            Ask::Collect { act: Act::Execute, options } => self.collect(options).await,
            Ask::Scrub { options } => self.scrub(options).await,
            Ask::PlanRepair => self.plan_repair().await,
            Ask::Repair { wanted } => self.repair(wanted).await,
            _ => Err(Failure::new(Code::INTERNAL, "a request came to the wrong place")),
        };
        if let Err(failure) = answered {
            drop(self.outbox.send(Answer::Refused { sequence: self.sequence, failure }).await);
        }
    }

    /// Has something changed, and says that it was.
    pub(super) async fn change(
        &self,
        change: impl FnOnce(&Lease) -> Result<(), Failure> + Send + 'static,
    ) -> Result<(), Failure> {
        let lease = self.lease.clone();
        self.pool.run(move || change(&lease)).await??;
        self.done().await
    }

    /// Says that the request was carried out.
    pub(super) async fn done(&self) -> Result<(), Failure> {
        self.say(FromServer::Done(Done { sequence: self.sequence })).await
    }
}

/// Removes a key slot that somebody opens, unless it is the last such one. Those of epochs stay: whoever asks need not know
/// what can be read no more without them.
fn remove_slot(lease: &Lease, slot: SlotId) -> Result<(), Failure> {
    let _alone = lease.lock_slots();
    let slots = lease.engine().slots()?;
    let lock = |bytes: &[u8]| Slot::parse(bytes).map(|slot| *slot.lock()).ok();
    let wanted = slots.iter().find(|(id, _)| *id == slot);
    if let Some((_, bytes)) = wanted
        && matches!(lock(bytes), Some(Lock::Reader { .. }))
    {
        return Err(Failure::new(
            Code::HELD,
            "the slot has the key of an epoch, and what is of it needs that",
        ));
    }
    let opens = |bytes: &[u8]| lock(bytes).is_some_and(|lock| !matches!(lock, Lock::Reader { .. }));
    if wanted.is_some() && !slots.iter().any(|(id, bytes)| *id != slot && opens(bytes)) {
        return Err(StoreError::LastSlot { slot }.into());
    }
    Ok(lease.engine().remove_slot(slot)?)
}
