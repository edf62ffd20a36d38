//! The catalogue: what the last snapshot of a series held, in path order, with the stat of every file.
//!
//! It makes an unchanged run fast: the walk is merged with it as a stream, and an entry whose stat did not change is
//! taken over with its contents' hash and place, unread. It is a cache of this host and no part of the format: every
//! block carries a keyed check, and a catalogue that is lost, stale or damaged costs time and nothing else.
//!
//! A folder of the cache holds three files. `catalogue` is the complete one of the last snapshot. While a run goes
//! on it writes `catalogue.new`, block behind block, and beside it `bundles.new`, one record for each bundle that
//! was stored. When the run is stopped, killed or cut, the next one reads these two first and then the rest of
//! `catalogue`, so that nothing is read or stored twice.

mod block;
mod row;
mod table;
mod trailer;
mod reader;
mod writer;

pub(crate) use block::CatalogueError;
pub(crate) use reader::Leftovers;
pub(crate) use reader::Position;
pub(crate) use reader::Previous;
pub(crate) use reader::Rows;
pub(crate) use row::Placement;
pub(crate) use row::Row;
pub(crate) use row::RowContent;
pub(crate) use row::Stamp;
pub(crate) use table::BundleNumber;
pub(crate) use table::Bundles;
pub(crate) use trailer::Trailer;
pub(crate) use writer::CatalogueWriter;

#[cfg(test)]
mod tests;
