use super::AgentIdentity;
use super::AgentPublic;
use super::Forged;

fn bytes<const N: usize>(hex: &str) -> [u8; N] {
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(hex.as_bytes().chunks(2)) {
        let pair = std::str::from_utf8(pair).expect("hexadecimal digits are ASCII");
        *byte = u8::from_str_radix(pair, 16).expect("hexadecimal digits");
    }
    bytes
}

/// Test 1 of RFC 8032, section 7.1.
#[test]
fn known_answer() {
    let seed = bytes("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60");
    let agent = AgentIdentity::from_bytes(&seed);
    let public = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
    assert_eq!(agent.public().to_string(), public);
    let signature = bytes(
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46b\
         d25bf5f0595bbe24655141438e7a100b",
    );
    assert_eq!(agent.sign(b""), signature);
    assert_eq!(agent.public().verify(b"", &signature), Ok(()));
}

#[test]
fn nothing_else_verifies() {
    let agent = AgentIdentity::from_bytes(&[1; 32]);
    let signature = agent.sign(b"message");
    assert_eq!(agent.public().verify(b"message", &signature), Ok(()));
    assert_eq!(agent.public().verify(b"massage", &signature), Err(Forged));
    let other = AgentIdentity::from_bytes(&[2; 32]).public();
    assert_eq!(other.verify(b"message", &signature), Err(Forged));
    for bit in 0..64 * 8 {
        let mut altered = signature;
        altered[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(agent.public().verify(b"message", &altered), Err(Forged), "bit {bit}");
    }
}

/// The neutral element as a key would verify a signature of zeros over any message, if it were let in.
#[test]
fn a_small_order_key_signs_nothing() {
    let mut neutral = [0; 32];
    neutral[0] = 1;
    let mut signature = [0; 64];
    signature[0] = 1;
    assert_eq!(AgentPublic::from_bytes(neutral).verify(b"any", &signature), Err(Forged));
    assert_eq!(AgentPublic::from_bytes([0xff; 32]).verify(b"any", &signature), Err(Forged));
}

#[test]
fn nothing_prints_the_seed() {
    let agent = AgentIdentity::from_bytes(&[7; 32]);
    assert_eq!(format!("{agent:?}"), format!("AgentIdentity({:?})", agent.public()));
}
