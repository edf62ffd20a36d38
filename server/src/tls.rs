//! The server's side of the handshake: the key that it shows, and the one that it learns.

use std::sync::Arc;

use farkeep_protocol::identity::ALPN;
use farkeep_protocol::identity::PublicKey;
use farkeep_protocol::identity::SEED_BYTES;
use farkeep_protocol::tls;
use rustls::Error;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// Bytes of plaintext and of ciphertext that one connection buffers at most.
const BUFFER_BYTES_MAX: usize = 64 << 10;

/// What takes handshakes, and the key that it shows.
///
/// # Errors
/// If the library takes no such key.
pub fn acceptor(seed: &[u8; SEED_BYTES]) -> Result<(TlsAcceptor, PublicKey), Error> {
    let (config, public) = tls::server(seed)?;
    Ok((TlsAcceptor::from(Arc::new(config)), public))
}

/// The key by which the client of a finished handshake is known; `None` if it does not speak the protocol.
pub fn client<S>(stream: &mut TlsStream<S>) -> Option<PublicKey> {
    let (_, connection) = stream.get_mut();
    connection.set_buffer_limit(Some(BUFFER_BYTES_MAX));
    // A client that asks for no protocol by name is not turned away by the library.
    if connection.alpn_protocol() != Some(ALPN) {
        return None;
    }
    PublicKey::from_spki(connection.peer_certificates()?.first()?)
}
