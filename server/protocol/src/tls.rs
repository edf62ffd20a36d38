//! TLS 1.3 over bare keys (RFC 7250), for both sides: what each shows, and whom each lets through.
//!
//! Behind the feature `tls`, so that what only reads and writes messages needs no library of TLS. Nothing is resumed and
//! nothing is said before the handshake is over. PROTOCOL.md, "Transport".

use std::sync::Arc;

use rustls::CertificateError;
use rustls::ClientConfig;
use rustls::DigitallySignedStruct;
use rustls::DistinguishedName;
use rustls::Error;
use rustls::PeerIncompatible;
use rustls::ServerConfig;
use rustls::SignatureScheme;
use rustls::client::AlwaysResolvesClientRawPublicKeys;
use rustls::client::Resumption;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::client::danger::ServerCertVerified;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs;
use rustls::crypto::verify_tls13_signature_with_raw_key;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::ServerName;
use rustls::pki_types::SubjectPublicKeyInfoDer;
use rustls::pki_types::UnixTime;
use rustls::server::AlwaysResolvesServerRawPublicKeys;
use rustls::server::NoServerSessionStorage;
use rustls::server::danger::ClientCertVerified;
use rustls::server::danger::ClientCertVerifier;
use rustls::sign::CertifiedKey;
use rustls::version::TLS13;

use crate::identity::ALPN;
use crate::identity::PublicKey;
use crate::identity::SEED_BYTES;
use crate::identity::pkcs8;

/// How the server with this seed takes handshakes, and the key that it shows. It lets every key of Ed25519 through:
/// whether it is known is asked at the Hello, since a client that is about to enrol is not.
///
/// # Errors
/// If the library takes no such key.
pub fn server(seed: &[u8; SEED_BYTES]) -> Result<(ServerConfig, PublicKey), Error> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let (shown, public) = shown(&provider, seed)?;
    let mut config = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[&TLS13])?
        .with_client_cert_verifier(Arc::new(Awaited { key: None, provider }))
        .with_cert_resolver(Arc::new(AlwaysResolvesServerRawPublicKeys::new(shown)));
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    config.max_early_data_size = 0;
    Ok((config, public))
}

/// How the client with this seed makes handshakes with the server that has that key, and with no other.
///
/// # Errors
/// If the library takes no such key.
pub fn client(seed: &[u8; SEED_BYTES], server: PublicKey) -> Result<ClientConfig, Error> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let (shown, _) = shown(&provider, seed)?;
    let mut config = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[&TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Awaited { key: Some(server), provider }))
        .with_client_cert_resolver(Arc::new(AlwaysResolvesClientRawPublicKeys::new(shown)));
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.resumption = Resumption::disabled();
    config.enable_early_data = false;
    config.enable_sni = false;
    Ok(config)
}

/// A name for the library, which wants one. What counts is the key.
pub fn server_name() -> ServerName<'static> {
    ServerName::try_from("farkeep").expect("it is a name")
}

/// The key that follows from the seed, as the library shows it.
fn shown(
    provider: &CryptoProvider,
    seed: &[u8; SEED_BYTES],
) -> Result<(Arc<CertifiedKey>, PublicKey), Error> {
    let secret = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(pkcs8(seed).to_vec()));
    let signing = provider.key_provider.load_private_key(secret)?;
    let spki = signing.public_key().ok_or(Error::General("the key has no public half".to_owned()))?;
    let public =
        PublicKey::from_spki(&spki).ok_or(Error::General("the key is none of Ed25519".to_owned()))?;
    Ok((Arc::new(CertifiedKey::new(vec![CertificateDer::from(spki.to_vec())], signing)), public))
}

/// Takes one key of Ed25519, or any.
#[derive(Debug)]
struct Awaited {
    key: Option<PublicKey>,
    provider: Arc<CryptoProvider>,
}

impl Awaited {
    fn check(&self, shown: &CertificateDer<'_>, others: &[CertificateDer<'_>]) -> Result<(), Error> {
        let refused = |why| Err(Error::InvalidCertificate(why));
        match PublicKey::from_spki(shown) {
            Some(_) if !others.is_empty() => refused(CertificateError::BadEncoding),
            None => refused(CertificateError::BadEncoding),
            Some(key) if self.key.is_some_and(|awaited| awaited != key) => {
                refused(CertificateError::ApplicationVerificationFailure)
            }
            Some(_) => Ok(()),
        }
    }

    fn verify(
        &self,
        message: &[u8],
        shown: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        if signature.scheme != SignatureScheme::ED25519 {
            return Err(Error::InvalidCertificate(CertificateError::BadSignature));
        }
        let key = SubjectPublicKeyInfoDer::from(shown.as_ref());
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature_with_raw_key(message, &key, signature, algorithms)
    }
}

/// What the library asks alike of whoever verifies a server and a client.
macro_rules! verifies_signatures {
    () => {
        fn verify_tls12_signature(
            &self,
            _message: &[u8],
            _cert: &CertificateDer<'_>,
            _signature: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            Err(Error::PeerIncompatible(PeerIncompatible::Tls12NotOffered))
        }

        fn verify_tls13_signature(
            &self,
            message: &[u8],
            cert: &CertificateDer<'_>,
            signature: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            self.verify(message, cert, signature)
        }

        fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
            vec![SignatureScheme::ED25519]
        }

        fn requires_raw_public_keys(&self) -> bool {
            true
        }
    };
}

impl ServerCertVerifier for Awaited {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.check(end_entity, intermediates).map(|()| ServerCertVerified::assertion())
    }

    verifies_signatures!();
}

impl ClientCertVerifier for Awaited {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.check(end_entity, intermediates).map(|()| ClientCertVerified::assertion())
    }

    verifies_signatures!();
}
