//! The client's side of the handshake: the server has to show just the key that was pinned.

use std::io;
use std::sync::Arc;

use farkeep_codec::key::AgentIdentity;
use farkeep_protocol::identity::PublicKey;
use farkeep_protocol::tls;
use rustls::Error;
use tokio_rustls::TlsConnector;

pub(super) use farkeep_protocol::tls::server_name;

/// What makes handshakes with one server.
///
/// # Errors
/// If the library takes no such key.
pub(super) fn connector(identity: &AgentIdentity, server: PublicKey) -> Result<TlsConnector, Error> {
    Ok(TlsConnector::from(Arc::new(tls::client(identity.as_bytes(), server)?)))
}

/// Whether a failed handshake failed because the server showed another key.
pub(super) fn is_other_key(error: &io::Error) -> bool {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
    matches!(inner, Some(Error::InvalidCertificate(_)))
}
