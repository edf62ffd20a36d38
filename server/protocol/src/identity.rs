//! Who is who: keys as bytes, as TLS wants to see them, and as one string that an administrator hands over.
//!
//! Both sides show a bare Ed25519 key to TLS (RFC 7250), and know the other's beforehand. PROTOCOL.md, "Transport".

use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;

use thiserror::Error;
use zeroize::Zeroizing;

use crate::hello::Token;
use crate::limits::HOST_BYTES_MAX;
use crate::limits::TOKEN_BYTES;

#[cfg(test)]
mod tests;

/// Name of the protocol in the handshake of TLS (ALPN, RFC 7301).
pub const ALPN: &[u8] = b"farkeep/1";

/// Port on which a server listens unless it is told otherwise.
pub const PORT: u16 = 7717;

/// Bytes of a public key.
pub const KEY_BYTES: usize = 32;
/// Bytes of the secret from which a key pair follows.
pub const SEED_BYTES: usize = 32;
/// Bytes of a public key as TLS carries it.
pub const SPKI_BYTES: usize = SPKI_FRONT.len() + KEY_BYTES;
/// Bytes of a secret as libraries of TLS take it.
pub const PKCS8_BYTES: usize = PKCS8_FRONT.len() + SEED_BYTES;

/// What stands before the key in a SubjectPublicKeyInfo of Ed25519 (RFC 8410, section 4).
const SPKI_FRONT: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
/// What stands before the seed in a PrivateKeyInfo of Ed25519 (RFC 8410, section 7).
const PKCS8_FRONT: [u8; 16] =
    [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];

/// A PrivateKeyInfo of Ed25519 with this seed.
pub fn pkcs8(seed: &[u8; SEED_BYTES]) -> Zeroizing<[u8; PKCS8_BYTES]> {
    let mut bytes = Zeroizing::new([0; PKCS8_BYTES]);
    let (front, rest) = bytes.split_at_mut(PKCS8_FRONT.len());
    front.copy_from_slice(&PKCS8_FRONT);
    rest.copy_from_slice(seed);
    bytes
}

/// The Ed25519 key by which a client or a server is known.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey([u8; KEY_BYTES]);

/// A text that is no public key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a public key is written as {} digits of 0-9 and a-f", 2 * KEY_BYTES)]
pub struct NotAKey;

impl PublicKey {
    /// The key with these bytes.
    pub const fn from_bytes(bytes: [u8; KEY_BYTES]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    pub const fn as_bytes(&self) -> &[u8; KEY_BYTES] {
        &self.0
    }

    /// The key in a SubjectPublicKeyInfo, which is how it comes in a handshake; `None` if it is no key of Ed25519.
    pub fn from_spki(spki: &[u8]) -> Option<Self> {
        spki.strip_prefix(&SPKI_FRONT)?.try_into().ok().map(Self)
    }

    /// The SubjectPublicKeyInfo of the key.
    pub fn spki(&self) -> [u8; SPKI_BYTES] {
        let mut bytes = [0; SPKI_BYTES];
        let (front, rest) = bytes.split_at_mut(SPKI_FRONT.len());
        front.copy_from_slice(&SPKI_FRONT);
        rest.copy_from_slice(&self.0);
        bytes
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(f, &self.0)
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({:.8})", self.to_string())
    }
}

impl FromStr for PublicKey {
    type Err = NotAKey;

    fn from_str(text: &str) -> Result<Self, NotAKey> {
        read_hex(text).map(Self).ok_or(NotAKey)
    }
}

/// A host to connect to: a name, an address, or an address of IPv6 without its brackets.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Host(String);

/// A text that names no host.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("a host is a name of letters, digits, - and ., or an address, and not {text:?}")]
pub struct NotAHost {
    /// The text as it was given.
    pub text: String,
}

impl Host {
    /// The host that is written so, an address of IPv6 with or without brackets.
    ///
    /// # Errors
    /// [`NotAHost`].
    pub fn new(text: &str) -> Result<Self, NotAHost> {
        let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
        if let Ok(address) = bare.unwrap_or(text).parse::<Ipv6Addr>() {
            return Ok(Self(address.to_string()));
        }
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.');
        let is_host = (1..=HOST_BYTES_MAX).contains(&text.len())
            && text.bytes().all(allowed)
            && !text.starts_with(['-', '.']);
        if is_host { Ok(Self(text.to_owned())) } else { Err(NotAHost { text: text.to_owned() }) }
    }

    /// The host as resolvers take it, without brackets.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// As it stands before a port: an address of IPv6 in brackets.
impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.contains(':') { write!(f, "[{}]", self.0) } else { f.write_str(&self.0) }
    }
}

/// All that a client needs to become known to a server: `fk1:HOST:PORT:KEY:TOKEN`.
///
/// Printed once, valid once. Its `Debug` does not show the token; its `Display` is the string itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnrolmentString {
    /// Where the server listens.
    pub host: Host,
    /// On which port.
    pub port: u16,
    /// The key that the server has to show.
    pub server: PublicKey,
    /// What makes the client known.
    pub token: Token,
}

/// A text that is no enrolment string. It does not repeat the text, which may be one with a typing error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("an enrolment string has the form fk1:HOST:PORT:KEY:TOKEN: {what}")]
pub struct NotAnEnrolment {
    /// What is wrong with it.
    pub what: &'static str,
}

const ENROLMENT_VERSION: &str = "fk1";

impl fmt::Display for EnrolmentString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port, server, token } = self;
        write!(f, "{ENROLMENT_VERSION}:{host}:{port}:{server}:")?;
        write_hex(f, token.as_bytes())
    }
}

impl FromStr for EnrolmentString {
    type Err = NotAnEnrolment;

    /// Reads exactly what [`Display`](fmt::Display) writes.
    fn from_str(text: &str) -> Result<Self, NotAnEnrolment> {
        let wrong = |what| NotAnEnrolment { what };
        let rest = text.strip_prefix(ENROLMENT_VERSION).and_then(|rest| rest.strip_prefix(':'));
        let rest = rest.ok_or(wrong("it does not begin with fk1:"))?;
        // From the end, since the host may have colons of its own.
        let mut parts = rest.rsplitn(4, ':');
        let mut part = |what| parts.next().ok_or(wrong(what));
        let token: [u8; TOKEN_BYTES] =
            read_hex(part("it has no token")?).ok_or(wrong("the token has not 64 digits of 0-9 and a-f"))?;
        let server = part("it has no key")?.parse();
        let server = server.map_err(|_| wrong("the key has not 64 digits of 0-9 and a-f"))?;
        let port = part("it has no port")?.parse().ok().filter(|port| *port != 0);
        let host = Host::new(part("it has no host")?).map_err(|_| wrong("the host is none"))?;
        let port = port.ok_or(wrong("the port is none"))?;
        let enrolment = Self { host, port, server, token: Token::from_bytes(token) };
        // One string for one enrolment: no leading zeros, no other spelling of an address.
        if enrolment.to_string() == text { Ok(enrolment) } else { Err(wrong("it is written in another way")) }
    }
}

fn write_hex(f: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}

fn read_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let mut bytes = [0; N];
    if text.len() != 2 * N {
        return None;
    }
    for (byte, digits) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        let [high, low] = digits else { return None };
        *byte = digit(*high)? << 4 | digit(*low)?;
    }
    Some(bytes)
}
