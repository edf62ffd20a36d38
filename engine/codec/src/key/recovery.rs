//! The printable recovery code: what opens the repository when every passphrase is forgotten.
//!
//! 256 random bits in Crockford's base 32 (<https://www.crockford.com/base32.html>), whose letters survive
//! handwriting, with a checksum, so that a slip of the pen is told from a wrong code.

use std::fmt;

use thiserror::Error;
use zeroize::Zeroize;
use zeroize::ZeroizeOnDrop;
use zeroize::Zeroizing;

/// Random bytes of a code.
const CODE_BYTES: usize = 32;
/// Bytes of the checksum behind them.
const CHECKSUM_BYTES: usize = 3;
/// Letters of a code, five bits each.
const LETTERS: usize = (CODE_BYTES + CHECKSUM_BYTES) * 8 / 5;
const PREFIX: &str = "FKR1";
const ALPHABET: [u8; 32] = *b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// 256 random bits that open one key slot.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct RecoveryCode([u8; CODE_BYTES]);

/// Why a text is no recovery code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RecoveryCodeError {
    /// Letters are missing or too many.
    #[error("a recovery code has {LETTERS} letters and digits after {PREFIX}, here are {found}")]
    Length {
        /// How many there are.
        found: usize,
    },
    /// A character that no code contains.
    #[error("a recovery code never contains {letter:?}")]
    Letter {
        /// The character.
        letter: char,
    },
    /// The checksum does not fit: at least one letter is wrong.
    #[error("the recovery code is mistyped: its checksum does not fit")]
    Mistyped,
}

impl RecoveryCode {
    /// A new code.
    pub fn generate(mut random: impl FnMut(&mut [u8])) -> Self {
        let mut code = Self([0; CODE_BYTES]);
        random(&mut code.0);
        code
    }

    /// The code made of these bytes.
    pub const fn from_bytes(bytes: [u8; CODE_BYTES]) -> Self {
        Self(bytes)
    }

    /// The bytes of the code.
    pub const fn as_bytes(&self) -> &[u8; CODE_BYTES] {
        &self.0
    }

    /// The code as it is printed: `FKR1-` and fourteen groups of four.
    pub fn to_text(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::with_capacity(2 * LETTERS));
        text.push_str(PREFIX);
        for five in self.with_checksum().chunks_exact(5) {
            let bits = five.iter().fold(0_u64, |bits, byte| bits << 8 | u64::from(*byte));
            for group in [20, 0] {
                text.push('-');
                text.extend([15, 10, 5, 0].map(|shift| letter(bits >> (group + shift))));
            }
        }
        text
    }

    /// Reads a code as people type it: in any case, grouped by spaces or hyphens or not at all, with or without the
    /// prefix, `O` for `0`, and `I` or `L` for `1`.
    ///
    /// # Errors
    /// [`RecoveryCodeError`] says what is wrong with the text.
    pub fn parse(text: &str) -> Result<Self, RecoveryCodeError> {
        let mut letters = Zeroizing::new(Vec::with_capacity(PREFIX.len() + LETTERS));
        for letter in text.chars().filter(|letter| !letter.is_whitespace() && *letter != '-') {
            // Text without an end is not worth counting.
            if letters.len() == 2 * LETTERS {
                break;
            }
            letters.push(value(letter)?);
        }
        let prefix = PREFIX.chars().map(value).collect::<Result<Vec<_>, _>>()?;
        let found = letters.as_slice();
        let found = match found.strip_prefix(prefix.as_slice()) {
            Some(rest) if found.len() > LETTERS => rest,
            _ => found,
        };
        if found.len() != LETTERS {
            return Err(RecoveryCodeError::Length { found: found.len() });
        }
        let mut bytes = Zeroizing::new([0; CODE_BYTES + CHECKSUM_BYTES]);
        for (eight, five) in found.chunks_exact(8).zip(bytes.chunks_exact_mut(5)) {
            let bits = eight.iter().fold(0_u64, |bits, letter| bits << 5 | u64::from(*letter));
            five.copy_from_slice(&bits.to_be_bytes()[3..]);
        }
        let code = Self(*bytes.first_chunk().expect("the code stands first"));
        if *code.with_checksum() == *bytes { Ok(code) } else { Err(RecoveryCodeError::Mistyped) }
    }

    fn with_checksum(&self) -> Zeroizing<[u8; CODE_BYTES + CHECKSUM_BYTES]> {
        let mut bytes = Zeroizing::new([0; CODE_BYTES + CHECKSUM_BYTES]);
        let (code, checksum) = bytes.split_at_mut(CODE_BYTES);
        code.copy_from_slice(&self.0);
        checksum.copy_from_slice(&blake3::hash(&self.0).as_bytes()[..CHECKSUM_BYTES]);
        bytes
    }
}

impl fmt::Debug for RecoveryCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RecoveryCode(..)")
    }
}

/// The letter for the lowest five bits.
fn letter(bits: u64) -> char {
    let index = usize::try_from(bits & 31).expect("five bits fit");
    char::from(ALPHABET[index])
}

fn value(letter: char) -> Result<u8, RecoveryCodeError> {
    let plain = match letter.to_ascii_uppercase() {
        'O' => '0',
        'I' | 'L' => '1',
        other => other,
    };
    let known = (0..).zip(ALPHABET).find(|(_, known)| char::from(*known) == plain);
    known.map(|(value, _)| value).ok_or(RecoveryCodeError::Letter { letter })
}

#[cfg(test)]
mod tests;
