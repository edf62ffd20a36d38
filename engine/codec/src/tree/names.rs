//! The column of keys that leaves and inner nodes share: each key by what it does not share with the one before.
//!
//! The new parts stand behind one another, each ended by a slash, and the numbers of shared bytes in a column of
//! their own. Measured on source trees against a column of lengths, the ending slash saves a tenth of the whole
//! compressed leaf: it joins the literals and matches of the names.

use crate::layout::Malformed;
use crate::layout::Reader;
use crate::layout::Writer;
use crate::limits::PATH_BYTES_MAX;
use crate::tree::path::PathKey;
use crate::tree::path::shared_bytes;

#[cfg(test)]
mod tests;

/// Ends the new part of a key. No key holds it.
const END: u8 = b'/';

/// Collects the keys of one node.
#[derive(Debug, Clone, Default)]
pub(crate) struct NameWriter {
    suffixes: Writer,
    prefixes: Writer,
    last: Vec<u8>,
}

impl NameWriter {
    /// The next key in rising order.
    pub(crate) fn push(&mut self, key: &[u8]) {
        let prefix = shared_bytes(&self.last, key);
        let (_, suffix) = key.split_at(prefix);
        self.suffixes.bytes(suffix).u8(END);
        self.prefixes.count(prefix);
        self.last.truncate(prefix);
        self.last.extend_from_slice(suffix);
    }

    /// Writes the two columns.
    pub(crate) fn write(&self, writer: &mut Writer) {
        writer.bytes(self.suffixes.as_bytes()).bytes(self.prefixes.as_bytes());
    }

    /// Forgets the keys and keeps the memory.
    pub(crate) fn clear(&mut self) {
        self.suffixes.clear();
        self.prefixes.clear();
        self.last.clear();
    }
}

/// Hands out the keys of one node.
#[derive(Debug)]
pub(crate) struct NameReader<'a> {
    parts: std::vec::IntoIter<(usize, &'a [u8])>,
}

impl<'a> NameReader<'a> {
    /// Reads the two columns for `count` keys.
    pub(crate) fn read(reader: &mut Reader<'a>, count: usize) -> Result<Self, Malformed> {
        if count > reader.remaining() {
            return Err(reader.malformed("number of keys"));
        }
        let mut parts = Vec::with_capacity(count);
        for _ in 0..count {
            parts.push((0, until_end(reader)?));
        }
        for (prefix, _) in &mut parts {
            *prefix = reader.count(PATH_BYTES_MAX, "key prefix")?;
        }
        Ok(Self { parts: parts.into_iter() })
    }

    /// Length of the next key, before memory is spent on it.
    pub(crate) fn next_bytes(&self) -> usize {
        self.parts.as_slice().first().map_or(0, |(prefix, suffix)| prefix + suffix.len())
    }

    /// The next key; `None` when it is no key, does not come behind `above`, or shares more with it than it says.
    pub(crate) fn next(&mut self, above: Option<&PathKey>) -> Option<PathKey> {
        let (prefix, suffix) = self.parts.next()?;
        let Some(above) = above else {
            return (prefix == 0).then(|| PathKey::root().with_suffix(0, suffix))?;
        };
        let rises = match (above.as_bytes().get(prefix), suffix.first()) {
            (_, None) => false,
            (None, Some(_)) => true,
            (Some(old), Some(new)) => old < new,
        };
        if rises { above.with_suffix(prefix, suffix) } else { None }
    }
}

/// The bytes before the next [`END`], which is read over.
fn until_end<'a>(reader: &mut Reader<'a>) -> Result<&'a [u8], Malformed> {
    let rest = reader.clone().bytes(reader.remaining(), "key")?;
    let length = rest.iter().position(|byte| *byte == END).ok_or(reader.malformed("key"))?;
    let suffix = reader.bytes(length, "key")?;
    reader.u8("key")?;
    Ok(suffix)
}
