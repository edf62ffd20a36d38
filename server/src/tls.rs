//! TLS 1.3 over bare keys (RFC 7250): the server shows its own, and learns the client's.
//!
//! Every key of Ed25519 that signs the handshake is let through; whether it is known is asked at the Hello, since a
//! client that is about to enrol is not.

use std::sync::Arc;

use farkeep_protocol::identity::ALPN;
use farkeep_protocol::identity::PublicKey;
use farkeep_protocol::identity::SEED_BYTES;
use farkeep_protocol::identity::pkcs8;
use rustls::CertificateError;
use rustls::DigitallySignedStruct;
use rustls::DistinguishedName;
use rustls::Error;
use rustls::PeerIncompatible;
use rustls::ServerConfig;
use rustls::SignatureScheme;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs;
use rustls::crypto::verify_tls13_signature_with_raw_key;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::SubjectPublicKeyInfoDer;
use rustls::pki_types::UnixTime;
use rustls::server::AlwaysResolvesServerRawPublicKeys;
use rustls::server::NoServerSessionStorage;
use rustls::server::danger::ClientCertVerified;
use rustls::server::danger::ClientCertVerifier;
use rustls::sign::CertifiedKey;
use rustls::version::TLS13;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// Bytes of plaintext and of ciphertext that one connection buffers at most.
const BUFFER_BYTES_MAX: usize = 64 << 10;

/// What takes handshakes, and the key that it shows.
///
/// # Errors
/// If the library takes no such key.
pub fn acceptor(seed: &[u8; SEED_BYTES]) -> Result<(TlsAcceptor, PublicKey), Error> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let secret = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(pkcs8(seed).to_vec()));
    let signing = provider.key_provider.load_private_key(secret)?;
    let spki = signing.public_key().ok_or(Error::General("the key has no public half".to_owned()))?;
    let public =
        PublicKey::from_spki(&spki).ok_or(Error::General("the key is none of Ed25519".to_owned()))?;
    let shown = CertifiedKey::new(vec![CertificateDer::from(spki.to_vec())], signing);
    let mut config = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[&TLS13])?
        .with_client_cert_verifier(Arc::new(AnyKey { provider }))
        .with_cert_resolver(Arc::new(AlwaysResolvesServerRawPublicKeys::new(Arc::new(shown))));
    config.alpn_protocols = vec![ALPN.to_vec()];
    // Nothing is resumed, so nothing is remembered, and no data comes before the handshake is over.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    config.max_early_data_size = 0;
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

/// Takes any key of Ed25519.
#[derive(Debug)]
struct AnyKey {
    provider: Arc<CryptoProvider>,
}

impl ClientCertVerifier for AnyKey {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        match PublicKey::from_spki(end_entity) {
            Some(_) if intermediates.is_empty() => Ok(ClientCertVerified::assertion()),
            _ => Err(Error::InvalidCertificate(CertificateError::BadEncoding)),
        }
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::PeerIncompatible(PeerIncompatible::SupportedVersionsExtensionRequired))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        if signature.scheme != SignatureScheme::ED25519 {
            return Err(Error::InvalidCertificate(CertificateError::BadSignature));
        }
        let key = SubjectPublicKeyInfoDer::from(cert.as_ref());
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature_with_raw_key(message, &key, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}
