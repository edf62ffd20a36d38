//! A certificate for 127.0.0.1 that signs itself, as RFC 5280 has it.

use std::sync::Arc;

use farkeep_protocol::identity::pkcs8;
use rustls::ServerConfig;
use rustls::SignatureScheme;
use rustls::crypto::aws_lc_rs;
use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::PrivatePkcs8KeyDer;

/// 1.3.101.112, Ed25519, as the name of an algorithm.
const ED25519: &[u8] = &[0x30, 5, 0x06, 3, 0x2b, 0x65, 0x70];
/// 2.5.29.17, other names of the subject.
const OTHER_NAMES: &[u8] = &[0x06, 3, 0x55, 0x1d, 0x11];
/// An address among them.
const ADDRESS: &[u8] = &[0x87, 4, 127, 0, 0, 1];

/// What a server shows that has the certificate, and the certificate in PEM.
pub(super) fn server() -> (Arc<ServerConfig>, String) {
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(pkcs8(&[0x5e; 32]).to_vec()));
    let signing = any_supported_type(&key).expect("it is a key");
    let public = signing.public_key().expect("it has one");
    let name = der(0x30, &[&der(0x31, &[&der(0x30, &[&[0x06, 3, 0x55, 4, 3], &der(0x0c, &[b"test"])])])]);
    let times = der(0x30, &[&der(0x17, &[b"200101000000Z"]), &der(0x17, &[b"490101000000Z"])]);
    let names = der(0x30, &[OTHER_NAMES, &der(0x04, &[&der(0x30, &[ADDRESS])])]);
    let body = der(
        0x30,
        &[
            &[0xa0, 3, 2, 1, 2],
            &[2, 1, 1],
            ED25519,
            &name,
            &times,
            &name,
            &public,
            &der(0xa3, &[&der(0x30, &[&names])]),
        ],
    );
    let signer = signing.choose_scheme(&[SignatureScheme::ED25519]).expect("it is such a key");
    let signature = signer.sign(&body).expect("it can sign");
    let certificate = der(0x30, &[&body, ED25519, &der(0x03, &[&[0], &signature])]);
    let pem = format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", base64(&certificate));
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("there are some")
        .with_no_client_auth()
        .with_single_cert(vec![CertificateDer::from(certificate)], key)
        .expect("they belong together");
    (Arc::new(config), pem)
}

/// A value of DER with its tag and length.
fn der(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let content = parts.concat();
    let length = u16::try_from(content.len()).expect("it is short").to_be_bytes();
    let front: &[u8] = match length {
        [0, short @ ..0x80] => &[tag, short],
        [0, long] => &[tag, 0x81, long],
        [high, low] => &[tag, 0x82, high, low],
    };
    [front, &content].concat()
}

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let four = |three: &[u8]| {
        let bits = three.iter().chain(&[0; 3]).take(3).fold(0, |bits, byte| bits << 8 | usize::from(*byte));
        let letter = |at: usize| match at <= three.len() {
            true => char::from(LETTERS[bits >> (18 - 6 * at) & 63]),
            false => '=',
        };
        (0..4).map(letter).collect::<String>()
    };
    bytes.chunks(3).map(four).collect()
}
