//! For the fuzz targets alone: decoders that no fuzzer could guess its way to, since they stand behind a seal.
//!
//! What is sealed is written by whoever holds the domain secret, which a hostile agent does. Each function reads bytes as
//! they come out of a seal, and gives them back as the value would be written, so that both can be compared.

use zstd::zstd_safe::DCtx;

use crate::id::ObjectId;
use crate::key::Epoch;
use crate::key::Secrets;
use crate::limits::PLAIN_BYTES_MAX;
use crate::seal::Inner;
use crate::snapshot::Private;
use crate::tree;
use crate::tree::Node;

/// The plaintext of a node and the references of its object.
pub fn node(plain: &[u8], references: &[ObjectId]) -> Option<(Vec<u8>, Vec<ObjectId>)> {
    Node::decode(plain, references, Epoch::FIRST).ok().map(|node| tree::encode(&node))
}

/// The private part of a snapshot's record.
pub fn private_part(text: &[u8]) -> Option<Vec<u8>> {
    let private = Private::decode(text).ok()?;
    Some(private.encode().expect("what was read is within the limits"))
}

/// The secrets in a key slot of a repository with these parameters.
pub fn secrets(bytes: &[u8], parameters: &[u8]) -> Option<Vec<u8>> {
    let secrets = Secrets::decode(bytes, parameters).ok()?;
    Some(secrets.encode(parameters).to_vec())
}

/// What is inside an object's seal, as its plaintext. Two encodings of one plaintext are allowed, so that there is
/// nothing to compare but its length.
pub fn payload(bytes: &[u8]) -> Option<Vec<u8>> {
    let inner = Inner::parse(bytes).ok()?;
    let mut plain = Vec::new();
    inner.plaintext(&mut DCtx::create(), &mut plain)?;
    assert!(plain.len() <= PLAIN_BYTES_MAX && plain.capacity() <= PLAIN_BYTES_MAX.max(bytes.len()));
    Some(plain)
}
