//! All that is durable, one object after another.

use std::collections::HashMap;
use std::sync::RwLock;

use farkeep_codec::id::ObjectId;

use super::Lookup;
use super::State;
use super::UNBROKEN;
use crate::index::Spot;
use crate::limits::INDEX_PAGE_OBJECTS;
use crate::store::Store;
use crate::store::catalogue::Catalogue;
use crate::store::error::StoreError;

impl Lookup {
    /// Where the table has an object, if that is durable.
    fn recent_durable(&self, id: &ObjectId, catalogue: &RwLock<Catalogue>) -> Option<Spot> {
        let recent = self.recent();
        let catalogue = catalogue.read().expect(UNBROKEN);
        let places = [recent.spots.get(id), recent.shadowed.get(id)];
        places.into_iter().flatten().find(|spot| catalogue.is_durable(spot)).copied()
    }
}

impl Store {
    /// Shows every object once that is durable when this begins, from the table and from the index. The index is read in
    /// pages, and others may write to it in between.
    pub(crate) fn scan_index(&self, show: &mut dyn FnMut(&ObjectId, Spot)) -> Result<(), StoreError> {
        self.scan_index_by(INDEX_PAGE_OBJECTS, show)
    }

    /// The same, in pages of so many objects.
    pub(in crate::store) fn scan_index_by(
        &self,
        page_objects: usize,
        show: &mut dyn FnMut(&ObjectId, Spot),
    ) -> Result<(), StoreError> {
        // What the index lacks comes into the table.
        self.prepare_index()?;
        let noted: HashMap<ObjectId, Spot> = {
            let (recent, catalogue) = (self.lookup.recent(), self.catalogue());
            let noted = recent.shadowed.iter().chain(&recent.spots);
            noted.filter(|(_, spot)| catalogue.is_durable(spot)).map(|(id, spot)| (*id, *spot)).collect()
        };
        noted.iter().for_each(|(id, spot)| show(id, *spot));
        let mut last: Option<ObjectId> = None;
        loop {
            self.prepare_index()?;
            let behind = last;
            let mut page = Vec::new();
            let mut keep = |id: &ObjectId, spot| {
                last = Some(*id);
                page.push((*id, spot));
            };
            let shown = match &*self.lookup.index() {
                State::Open { index, .. } => index.scan(behind.as_ref(), page_objects, &mut keep)?,
                State::Unopened | State::Absent => 0,
            };
            for (id, spot) in page.iter().filter(|(id, _)| !noted.contains_key(id)) {
                // It may have come to lie elsewhere since.
                let spot = self.lookup.recent_durable(id, &self.catalogue).unwrap_or(*spot);
                if self.catalogue().there(&spot) {
                    show(id, spot);
                }
            }
            if shown < page_objects {
                return Ok(());
            }
        }
    }
}
