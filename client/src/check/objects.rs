//! The data objects that snapshots need, each once.

use std::collections::HashMap;

use farkeep_codec::id::ObjectId;
use farkeep_codec::object::Pointer;

/// Place of an object in the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct ObjectNumber(u32);

/// What a data object is to the files that lie in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// A part of one large file, or of several equal ones.
    Chunk,
    /// A bundle, of which files are slices.
    Bundle,
}

/// Pointers of all data objects: about 120 bytes for each.
#[derive(Debug, Default)]
pub(super) struct Objects {
    pointers: Vec<(Pointer, Role)>,
    numbers: HashMap<ObjectId, ObjectNumber>,
}

/// Two parents disagree about one object: at most one of them can be right.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Disagreement;

impl Objects {
    /// Takes an object in, and says whether it was new.
    pub(super) fn insert(&mut self, pointer: &Pointer, role: Role) -> Result<(), Disagreement> {
        if let Some(number) = self.numbers.get(&pointer.id) {
            let (known, known_role) = &mut self.pointers[number.place()];
            if role == Role::Bundle {
                *known_role = role;
            }
            return if known == pointer { Ok(()) } else { Err(Disagreement) };
        }
        let number =
            u32::try_from(self.pointers.len()).expect("four thousand million objects do not fit in memory");
        self.numbers.insert(pointer.id, ObjectNumber(number));
        self.pointers.push((*pointer, role));
        Ok(())
    }

    /// The number of a known object.
    pub(super) fn number(&self, id: &ObjectId) -> Option<ObjectNumber> {
        self.numbers.get(id).copied()
    }

    /// The pointer of a known object.
    pub(super) fn pointer(&self, number: ObjectNumber) -> &Pointer {
        &self.pointers[number.place()].0
    }

    /// What a known object is.
    pub(super) fn role(&self, number: ObjectNumber) -> Role {
        self.pointers[number.place()].1
    }

    /// All numbers.
    pub(super) fn numbers(&self) -> impl Iterator<Item = ObjectNumber> + use<> {
        let count = u32::try_from(self.pointers.len()).expect("numbers were given out up to here");
        (0..count).map(ObjectNumber)
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.pointers.len()
    }
}

impl ObjectNumber {
    /// The place in tables that run parallel to this one.
    pub(super) fn place(self) -> usize {
        usize::try_from(self.0).expect("places fit the machine's words")
    }
}

#[cfg(test)]
mod tests;
