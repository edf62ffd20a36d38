//! For the fuzz targets alone: decoders that stand behind the facade. Each function gives the bytes back as the value would be
//! written, so that both can be compared.

use super::parity::Table;

/// The table of an extent's parity, with its padding.
pub fn parity_table(bytes: &[u8]) -> Option<Vec<u8>> {
    Table::parse(bytes).ok().map(|(table, _)| table.encode().0)
}
