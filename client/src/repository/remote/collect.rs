//! Collecting a repository behind a server: what is asked for, and what is told while it goes on.

use std::ops::ControlFlow;
use std::sync::mpsc::Receiver;
use std::sync::mpsc::RecvTimeoutError;
use std::sync::mpsc::channel;
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use farkeep_engine::collect::CollectOptions;
use farkeep_engine::collect::CollectProgress;
use farkeep_engine::collect::CollectStep;
use farkeep_engine::collect::Collected;
use farkeep_engine::collect::Outcome;
use farkeep_engine::collect::Purge;
use farkeep_protocol::field::Sequence;
use farkeep_protocol::field::Unfit;
use farkeep_protocol::field::Within;
use farkeep_protocol::message;
use farkeep_protocol::message::Step;

use super::RemoteError;
use super::RemoteStore;
use super::keeper::Asked;
use super::keeper::Came;
use super::request::Request;
use super::wire::Command;
use crate::repository::RepositoryError;
use crate::repository::keeper::CollectAt;
use crate::repository::keeper::CollectPlan;
use crate::repository::keeper::Packs;

/// How often it is looked whether it is still wanted.
const LOOK: Duration = Duration::from_millis(100);

impl RemoteStore {
    pub(super) fn collect_there(
        &self,
        options: &CollectOptions,
        watch: &dyn Fn(&CollectAt) -> ControlFlow<()>,
    ) -> Result<Collected, RepositoryError> {
        let collect = asked(options, message::Act::Execute)?;
        let (progress, told) = channel();
        let asked = Asked::Collect { collect, progress: Some(progress) };
        let came = self.keep_watched(asked, &told, CollectAt::queued(), watch)?;
        Ok(came.collected.ok_or_else(|| RemoteError::broken("it does not say what was collected"))?)
    }

    /// Asks for what takes long, tells `watch` what is told of it, and gives it up when that wants it.
    pub(super) fn keep_watched<P>(
        &self,
        asked: Asked,
        told: &Receiver<P>,
        begun: P,
        watch: &dyn Fn(&P) -> ControlFlow<()>,
    ) -> Result<Came, RemoteError> {
        let (reply, answer) = sync_channel(1);
        self.send(Command::Ask(Request::Keep { asked, came: Box::default(), reply }));
        let mut at = begun;
        let mut is_wanted = true;
        loop {
            match told.recv_timeout(LOOK) {
                Ok(now) => at = now,
                Err(RecvTimeoutError::Timeout) => {}
                // It was answered, and with it the sender is gone.
                Err(RecvTimeoutError::Disconnected) => break,
            }
            if is_wanted && watch(&at).is_break() {
                is_wanted = false;
                self.keep(Asked::Stop)?;
            }
        }
        answer.recv().unwrap_or_else(|_| Err(self.shared.failure().unwrap_or(RemoteError::Ended)))
    }

    pub(super) fn plan_there(&self, options: &CollectOptions) -> Result<CollectPlan, RepositoryError> {
        let collect = asked(options, message::Act::Plan)?;
        let came = self.keep(Asked::Collect { collect, progress: None })?;
        Ok(came.plan.ok_or_else(|| RemoteError::broken("it does not say what it would collect"))?)
    }
}

/// The request, whose number it gets when it is sent.
fn asked(options: &CollectOptions, act: message::Act) -> Result<message::Collect, RemoteError> {
    let unfit = |_: Unfit| RemoteError::broken("it is asked for parts of more than a whole");
    let garbage = options.garbage_thousandths.map(|part| Within::new(part.into()));
    Ok(message::Collect {
        sequence: Sequence::FIRST,
        act,
        purge: match options.purge {
            Purge::WhenOver => message::Purge::WhenOver,
            Purge::AtOnce => message::Purge::AtOnce,
        },
        seconds_max: options.time_max.map_or(0, |most| most.as_secs().max(1)),
        bytes_per_second: options.limits.bytes_per_second.map_or(0, Into::into),
        work_thousandths: Within::new(options.limits.work_thousandths.clamp(1, 1000).into())
            .map_err(unfit)?,
        garbage_thousandths: garbage.transpose().map_err(unfit)?,
    })
}

/// How far it is, as the server says.
pub(super) fn at(told: &message::Collecting<'_>) -> CollectAt {
    let step = match told.step {
        Step::Queued | Step::Begun => CollectStep::Begun,
        Step::Marking => CollectStep::Marking,
        Step::Sorting => CollectStep::Sorting,
        Step::Condemned => CollectStep::Condemned,
        Step::Copying => CollectStep::Copying,
        Step::Waiting => CollectStep::Waiting,
        Step::Settled => CollectStep::Settled,
        Step::Removed => CollectStep::Removed,
    };
    let message::Collecting { done, total, moved_bytes, removed_bytes, .. } = *told;
    CollectAt {
        progress: CollectProgress { step, done, total, moved_bytes, removed_bytes },
        is_queued: told.step == Step::Queued,
        waits_for: told.waits_for.iter().map(|name| name.as_str().to_owned()).collect(),
    }
}

/// What was collected.
pub(super) fn collected(told: &message::Collected) -> Collected {
    Collected {
        outcome: match told.outcome {
            message::Outcome::Complete => Outcome::Complete,
            message::Outcome::Stopped => Outcome::Stopped,
            message::Outcome::Waited => Outcome::Waited { sessions: told.sessions },
            message::Outcome::Readers => Outcome::Readers,
            message::Outcome::Full => Outcome::Full,
        },
        purged: told.purged,
        nodes_read: told.nodes_read,
        packs_removed: told.packs_removed,
        bytes_removed: told.bytes_removed,
        nodes_struck: told.nodes_struck,
        objects_moved: told.objects_moved,
        bytes_moved: told.bytes_moved,
        reprieved: told.kept.reprieved,
        quarantined: told.kept.quarantined,
        unread: told.kept.unread,
        bytes_left: told.bytes_left,
    }
}

/// What would be collected.
pub(super) fn plan(told: &message::CollectionIs) -> CollectPlan {
    let packs = |of: &message::Packs| Packs {
        packs: of.packs,
        file_bytes: of.file_bytes,
        live_bytes: of.live_bytes,
        dead_bytes: of.dead_bytes,
    };
    CollectPlan {
        removed: packs(&told.removed),
        struck: packs(&told.struck),
        emptied: packs(&told.emptied),
        moved_bytes: told.moved_bytes,
        freed_bytes: told.freed_bytes,
        left_bytes: told.left_bytes,
    }
}
