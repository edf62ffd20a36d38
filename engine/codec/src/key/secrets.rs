//! All secrets of one owner of a repository, as a key slot holds them.

use zeroize::Zeroize;
use zeroize::Zeroizing;

use super::AgentIdentity;
use super::DomainSecret;
use super::DomainSecrets;
use super::Epoch;
use super::READER_SECRET_BYTES;
use super::ReaderSecret;
use super::agent::AGENT_SECRET_BYTES;
use super::domain::KEY_BYTES;
use super::slot::SlotError;
use crate::layout::Malformed;
use crate::layout::Reader;

/// What a key slot locks. Without the reader's half, its owner writes and cannot read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Secrets {
    /// To write and to deduplicate.
    pub domain: DomainSecrets,
    /// To open snapshots.
    pub reader: Option<ReaderSecret>,
    /// To sign snapshots.
    pub agent: AgentIdentity,
}

impl Secrets {
    /// New secrets of an owner who may do everything.
    pub fn generate(mut random: impl FnMut(&mut [u8])) -> Self {
        let mut bytes = Zeroizing::new([[0; 32]; 3]);
        random(bytes.as_flattened_mut());
        let [domain, reader, agent] = &*bytes;
        Self {
            domain: DomainSecret::from_bytes(*domain).into(),
            reader: Some(ReaderSecret::from_bytes(*reader)),
            agent: AgentIdentity::from_bytes(agent),
        }
    }

    /// The secrets in one piece, with the hash of the parameters that they belong to. That hash stands inside the
    /// seal: whoever swaps the parameters cannot adjust it, and a swap is told from a wrong passphrase.
    /// The first domain secret stands for all: slots of their own hold those of later epochs, and the reader's secret opens
    /// these.
    ///
    /// # Panics
    /// If the first one is not there.
    pub(crate) fn encode(&self, parameters: &[u8]) -> Zeroizing<Vec<u8>> {
        let first = self.domain.get(Epoch::FIRST).expect("whoever opened a slot has it");
        let reader = self.reader.as_ref().map(ReaderSecret::as_bytes);
        let made_for = blake3::hash(parameters);
        let parts = [
            made_for.as_bytes().as_slice(),
            first.as_bytes(),
            self.agent.as_bytes(),
            if reader.is_some() { &[1] } else { &[0] },
            reader.map_or(&[], |bytes| bytes.as_slice()),
        ];
        Zeroizing::new(parts.concat())
    }

    pub(crate) fn decode(bytes: &[u8], parameters: &[u8]) -> Result<Self, SlotError> {
        let mut reader = Reader::new(bytes);
        let made_for: [u8; 32] = reader.array("parameters of the secrets")?;
        let mut domain: [u8; KEY_BYTES] = reader.array("domain secret")?;
        let mut agent: [u8; AGENT_SECRET_BYTES] = reader.array("agent's secret")?;
        let secrets = Self {
            domain: DomainSecret::from_bytes(domain).into(),
            reader: decode_reader(&mut reader)?,
            agent: AgentIdentity::from_bytes(&agent),
        };
        domain.zeroize();
        agent.zeroize();
        reader.finish()?;
        if made_for == *blake3::hash(parameters).as_bytes() {
            Ok(secrets)
        } else {
            Err(SlotError::OtherParameters)
        }
    }
}

fn decode_reader(reader: &mut Reader<'_>) -> Result<Option<ReaderSecret>, Malformed> {
    let neither = reader.malformed("reader's secret");
    match reader.u8("reader's secret")? {
        0 => Ok(None),
        1 => {
            let mut bytes: [u8; READER_SECRET_BYTES] = reader.array("reader's secret")?;
            let secret = ReaderSecret::from_bytes(bytes);
            bytes.zeroize();
            Ok(Some(secret))
        }
        _ => Err(neither),
    }
}
