//! Taking objects in: verified, stored once, children before parents.

use std::sync::atomic::Ordering;

use farkeep_codec::id::ObjectId;
use farkeep_codec::object::Kind;
use farkeep_codec::object::ObjectView;
use farkeep_codec::object::object_id;

use super::Store;
use super::Writer;
use super::error::PutError;
use super::error::StoreError;
use super::intake;
use super::intake::Added;
use super::intake::Intake;
use super::options::References;
use super::persist::Moment;
use super::session::Session;
use crate::index::Spot;
use crate::limits::REPORT_LINES_MAX;

/// What became of an object that was put.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Put {
    /// It was not there before.
    New,
    /// It was there already, and is not stored twice.
    Known,
}

/// Whether an object is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// It is: durable and not lost since, or put in this run.
    Known,
    /// It is not.
    Unknown,
}

impl Store {
    /// For each id, whether the object is there, as far as that session may count on it.
    pub(crate) fn probe(&self, session: &Session, ids: &[ObjectId]) -> Result<Vec<Presence>, StoreError> {
        let presence = |id| Ok(if self.has(session, id)? { Presence::Known } else { Presence::Unknown });
        ids.iter().map(presence).collect()
    }

    /// Whether the object is there: durable and not lost since, or put in this run.
    pub(crate) fn has(&self, session: &Session, id: &ObjectId) -> Result<bool, StoreError> {
        session.expect_of(self);
        Ok(self.find(id)?.is_some_and(|spot| !self.is_lost(&spot) && session.sees(&spot)))
    }

    /// Stores an object, if it is not there yet. It is durable after the next flush or commit.
    ///
    /// Everything that an object refers to must be there before it ([`References::Here`]). So whoever finds an object
    /// finds everything that can be reached from it, unless a pack was lost since.
    pub(crate) fn put(&self, session: &Session, id: &ObjectId, object: &[u8]) -> Result<Put, PutError> {
        let store_error = |source| PutError::Store { id: *id, source };
        let writer = self.writer().map_err(store_error)?;
        let view = ObjectView::parse(object).map_err(|source| PutError::Malformed { id: *id, source })?;
        let actual = object_id(object);
        if actual != *id {
            return Err(PutError::Tampered { claimed: *id, actual });
        }
        self.expect_index_room().map_err(store_error)?;
        loop {
            let checked = writer.moment();
            if self.has(session, id).map_err(store_error)? {
                return Ok(Put::Known);
            }
            if self.references() == References::Here {
                self.expect_references(session, id, &view)?;
            }
            let taken = self.take_in(writer, session, checked, (view.kind(), id, object));
            let taken = taken.map_err(store_error)?;
            if let Some(put) = taken {
                return Ok(put);
            }
        }
    }

    fn expect_references(
        &self,
        session: &Session,
        id: &ObjectId,
        view: &ObjectView<'_>,
    ) -> Result<(), PutError> {
        let mut missing = Vec::new();
        let mut count = 0;
        for reference in view.references() {
            if !self.has(session, &reference).map_err(|source| PutError::Store { id: *id, source })? {
                count += 1;
                missing.extend((missing.len() < REPORT_LINES_MAX).then_some(reference));
            }
        }
        match count {
            0 => Ok(()),
            _ => Err(PutError::MissingReferences { id: *id, count, missing }),
        }
    }

    /// Appends the object to a pack. Nothing, if what was checked before must be checked again.
    fn take_in(
        &self,
        writer: &Writer,
        session: &Session,
        checked: Moment,
        (kind, id, object): (Kind, &ObjectId, &[u8]),
    ) -> Result<Option<Put>, StoreError> {
        let mut intake = writer.intake();
        loop {
            if writer.moment().generation != checked.generation {
                return Ok(None);
            }
            let counts_on = |spot: Spot| self.is_there(&spot) && session.sees(&spot);
            if self.lookup.recent_spot(id).is_some_and(counts_on) {
                return Ok(Some(Put::Known));
            }
            let added = match intake.failed {
                Some(_) => Ok(Added::NoRoom),
                None => intake.add(kind, id, object),
            };
            match added {
                Ok(Added::At(spot)) => {
                    // Counted first: who finds the object must find it counted.
                    writer.objects.fetch_add(1, Ordering::SeqCst);
                    self.lookup.insert(id, spot);
                    return Ok(Some(Put::New));
                }
                Ok(Added::NoPack) => self.begin_pack(writer, &mut intake, kind, object)?,
                Ok(Added::NoRoom) => {
                    drop(intake);
                    self.flush()?;
                    return Ok(None);
                }
                Err(error) => {
                    intake.failed = Some(error);
                    drop(intake);
                    self.flush()?;
                    return Err(StoreError::Lost);
                }
            }
        }
    }

    /// Begins a pack.
    fn begin_pack(
        &self,
        writer: &Writer,
        intake: &mut Intake,
        kind: Kind,
        object: &[u8],
    ) -> Result<(), StoreError> {
        self.sweep_once(intake)?;
        let object_bytes = u32::try_from(object.len()).expect("an object has a limit");
        let free_bytes = self.free_bytes()?;
        let parity = self.catalogue().settings().parity_thousandths;
        let room_bytes = intake::pack_room_bytes(&self.options, parity, object_bytes, free_bytes)
            .map_err(|needed_bytes| StoreError::Full { needed_bytes, free_bytes })?;
        let begun = intake.begin(&*self.disk, self.parameters.repository, kind, (room_bytes, parity));
        begun.map_err(|error| {
            let error = self.disk_error(error, self.options.reserve_bytes + u64::from(room_bytes));
            self.give_up(writer, intake);
            error
        })
    }
}
