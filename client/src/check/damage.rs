//! What was found to be damaged, each thing once.

use std::collections::HashSet;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;

use farkeep_codec::id::ObjectId;
use farkeep_codec::id::SnapshotId;

use super::CheckError;
use super::Finding;
use crate::output::chain;
use crate::repository::RepositoryError;

/// The damage found so far, and whom to tell of it.
pub(super) struct Damages<'a> {
    tell: &'a mut dyn FnMut(Finding),
    cancel: &'a AtomicBool,
    objects: HashSet<ObjectId>,
    count: u64,
}

impl<'a> Damages<'a> {
    pub(super) fn new(tell: &'a mut dyn FnMut(Finding), cancel: &'a AtomicBool) -> Self {
        Self { tell, cancel, objects: HashSet::new(), count: 0 }
    }

    /// Number of damaged things.
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// Whether the object is known to be damaged or missing.
    pub(super) fn has(&self, id: &ObjectId) -> bool {
        self.objects.contains(id)
    }

    /// Whether any object is.
    pub(super) fn has_objects(&self) -> bool {
        !self.objects.is_empty()
    }

    /// The flag that ends the check early.
    pub(super) fn cancel(&self) -> &'a AtomicBool {
        self.cancel
    }

    /// Ends the check if that was asked for.
    pub(super) fn check_cancelled(&self) -> Result<(), CheckError> {
        if self.cancel.load(Ordering::Relaxed) { Err(CheckError::Interrupted) } else { Ok(()) }
    }

    /// An object that did not open. What says nothing about the object, such as a disk that went away, ends the check.
    pub(super) fn object(&mut self, id: &ObjectId, error: RepositoryError) -> Result<(), CheckError> {
        if !error.is_damage() {
            return Err(error.into());
        }
        self.broken(id, &chain(&error));
        Ok(())
    }

    /// An object that is not what it should be.
    pub(super) fn broken(&mut self, id: &ObjectId, why: &str) {
        if self.objects.insert(*id) {
            self.add("object", id.to_string(), why.to_owned());
        }
    }

    /// An object that is lost by damage which was told of already.
    pub(super) fn mark(&mut self, id: &ObjectId) {
        self.objects.insert(*id);
    }

    /// A snapshot whose record or content id does not hold.
    pub(super) fn snapshot(&mut self, id: &SnapshotId, why: &str) {
        self.add("snapshot", id.to_string(), why.to_owned());
    }

    /// Anything else.
    pub(super) fn add(&mut self, what: &'static str, name: String, why: String) {
        self.count += 1;
        (self.tell)(Finding::Damage { what, name, why });
    }

    /// Something that whoever restores will miss.
    pub(super) fn tell_lost(&mut self, finding: Finding) {
        (self.tell)(finding);
    }
}
