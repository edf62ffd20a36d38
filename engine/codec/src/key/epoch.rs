//! Domain epochs: each rotation of the keys begins one, with a domain secret of its own for what is stored from then on.

use std::collections::BTreeMap;
use std::fmt;

use super::DomainSecret;
use crate::id::Epoch;

/// The domain secrets that an owner has, each of its epoch; at least one.
#[derive(Clone, PartialEq, Eq)]
pub struct DomainSecrets(BTreeMap<Epoch, DomainSecret>);

impl DomainSecrets {
    /// The one of this epoch alone.
    pub fn of(epoch: Epoch, secret: DomainSecret) -> Self {
        Self(BTreeMap::from([(epoch, secret)]))
    }

    /// Learns another one. One that is known stays.
    pub fn learn(&mut self, epoch: Epoch, secret: DomainSecret) {
        self.0.entry(epoch).or_insert(secret);
    }

    /// The secret of an epoch.
    pub fn get(&self, epoch: Epoch) -> Option<&DomainSecret> {
        self.0.get(&epoch)
    }

    /// The newest epoch, whose keys are for what is stored now.
    pub fn newest(&self) -> (Epoch, &DomainSecret) {
        let (epoch, secret) = self.0.last_key_value().expect("one is there from the beginning");
        (*epoch, secret)
    }

    /// All of them, the oldest first.
    pub fn iter(&self) -> impl Iterator<Item = (Epoch, &DomainSecret)> {
        self.0.iter().map(|(epoch, secret)| (*epoch, secret))
    }
}

impl From<DomainSecret> for DomainSecrets {
    fn from(secret: DomainSecret) -> Self {
        Self::of(Epoch::FIRST, secret)
    }
}

impl fmt::Debug for DomainSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}
