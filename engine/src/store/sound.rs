//! What is known of trees that were walked ([`Sound`]), so that the next commit need not walk them again.

use std::collections::HashSet;

use farkeep_codec::id::ObjectId;

use super::Session;
use super::Store;
use super::error::StoreError;
use crate::limits::CLOSURE_NODES_MAX;

/// Nodes under which everything is there.
#[derive(Default)]
pub(super) struct Sound {
    nodes: HashSet<ObjectId>,
    premises: Option<Premises>,
    /// How often something was taken away.
    removals: u64,
}

/// What must not change for a node to stay sound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Premises {
    /// What was lost.
    lost: [u8; 32],
    /// How often objects that were not durable were given up.
    generation: u64,
    /// How often something was taken away.
    removals: u64,
    /// What the session that asks may not count on any more.
    epoch: u64,
}

impl Store {
    /// What holds at this moment for that session.
    pub(crate) fn premises(&self, session: &Session) -> Result<Premises, StoreError> {
        let (lost, generation) = (self.lost().which, self.losses()?);
        let removals = self.sound.lock().expect(UNBROKEN).removals;
        Ok(Premises { lost, generation, removals, epoch: session.epoch() })
    }

    /// Whether everything under a node was there, and nothing has changed since.
    pub(crate) fn is_sound(&self, premises: &Premises, id: &ObjectId) -> bool {
        let sound = self.sound.lock().expect(UNBROKEN);
        sound.premises.as_ref() == Some(premises) && sound.nodes.contains(id)
    }

    /// Notes that everything under these nodes was there.
    pub(crate) fn note_sound(&self, premises: Premises, nodes: HashSet<ObjectId>) {
        let mut sound = self.sound.lock().expect(UNBROKEN);
        if sound.premises != Some(premises) || sound.nodes.len() + nodes.len() > CLOSURE_NODES_MAX {
            (sound.nodes, sound.premises) = (nodes, Some(premises));
        } else {
            sound.nodes.extend(nodes);
        }
    }

    /// Something was taken away.
    pub(super) fn forget_sound(&self) {
        let mut sound = self.sound.lock().expect(UNBROKEN);
        *sound = Sound { removals: sound.removals + 1, ..Sound::default() };
    }
}

const UNBROKEN: &str = "nothing panics while it holds what is sound";
