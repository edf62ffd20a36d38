//! Reading a node of any kind.

use crate::id::ObjectId;
use crate::id::Seed;
use crate::key::Epoch;
use crate::layout::Malformed;
use crate::layout::Reader;
use crate::object::Pointer;
use crate::tree::entry::pointer_fault;
use crate::tree::inner;
use crate::tree::leaf;
use crate::tree::list;
use crate::tree::node::INNER;
use crate::tree::node::LEAF;
use crate::tree::node::LIST;
use crate::tree::node::Node;

/// Bytes of a seed in the table at the end of a node.
const SEED_BYTES: usize = 32;

impl Node {
    /// Reads a node from its plaintext and the references of its object. It is of this epoch, as everything below it.
    ///
    /// What is accepted encodes to the same bytes again. Memory stays in proportion to the bytes, within the weight
    /// that [`limits`](crate::limits) gives to a leaf and an inner node.
    ///
    /// # Errors
    /// [`Malformed`] when a rule of FORMAT.md, "Tree", is broken.
    pub fn decode(plain: &[u8], references: &[ObjectId], epoch: Epoch) -> Result<Self, Malformed> {
        let body_bytes =
            SEED_BYTES.checked_mul(references.len()).and_then(|seeds| plain.len().checked_sub(seeds));
        let (body, seeds) = body_bytes
            .and_then(|bytes| plain.split_at_checked(bytes))
            .ok_or(Malformed { what: "node seeds", offset: 0 })?;
        let mut reader = Reader::new(body);
        let tag = reader.u8("node tag")?;
        let pointers = read_pointers(&mut reader, references, seeds, epoch)?;
        match tag {
            LEAF => leaf::read(reader, &pointers).map(Self::Leaf),
            INNER => inner::read(reader, &pointers),
            LIST => list::read(reader, &pointers),
            _ => Err(Malformed { what: "node tag", offset: 0 }),
        }
    }
}

fn read_pointers(
    reader: &mut Reader<'_>,
    references: &[ObjectId],
    seeds: &[u8],
    epoch: Epoch,
) -> Result<Vec<Pointer>, Malformed> {
    let (seeds, _) = seeds.as_chunks::<SEED_BYTES>();
    let mut pointers = Vec::with_capacity(references.len());
    for (id, seed) in references.iter().zip(seeds) {
        let plain_bytes = reader.varint_u32("node plaintext length")?;
        let pointer = Pointer { id: *id, seed: Seed::from_bytes(*seed), plain_bytes, epoch };
        if pointer_fault(&pointer).is_some() {
            return Err(reader.malformed("node plaintext length"));
        }
        pointers.push(pointer);
    }
    Ok(pointers)
}
