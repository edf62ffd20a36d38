//! Secrets as people type them: what recovery codes and agent codes look like.
//!
//! Crockford's base 32 (<https://www.crockford.com/base32.html>), whose letters survive handwriting, with a checksum,
//! so that a slip of the pen is told from a wrong code.

use thiserror::Error;
use zeroize::Zeroizing;

/// Bytes of the checksum behind a code.
const CHECKSUM_BYTES: usize = 3;
pub(super) const ALPHABET: [u8; 32] = *b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// Why a text is no code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CodeError {
    /// Letters are missing or too many.
    #[error("such a code has {wanted} letters and digits after its first four, here are {found}")]
    Length {
        /// How many there should be.
        wanted: usize,
        /// How many there are.
        found: usize,
    },
    /// A character that no code contains.
    #[error("a code never contains {letter:?}")]
    Letter {
        /// The character.
        letter: char,
    },
    /// The checksum does not fit: at least one letter is wrong, or it is a code of another kind.
    #[error("the code is mistyped: its checksum does not fit")]
    Mistyped,
}

/// A kind of codes of `N` bytes: what they begin with, and what their checksum is the beginning of.
pub(super) struct Print<const N: usize> {
    pub(super) prefix: &'static str,
    pub(super) hash: fn(&[u8; N]) -> [u8; 32],
}

impl<const N: usize> Print<N> {
    /// Letters of a code, five bits each. Code and checksum fill groups of eight.
    pub(super) const LETTERS: usize = {
        assert!((N + CHECKSUM_BYTES).is_multiple_of(5), "the last group is a whole one");
        (N + CHECKSUM_BYTES) * 8 / 5
    };

    /// The prefix, and groups of four letters.
    pub(super) fn text(&self, code: &[u8; N]) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::with_capacity(2 * Self::LETTERS));
        text.push_str(self.prefix);
        for five in self.with_checksum(code).chunks_exact(5) {
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
    pub(super) fn parse(&self, text: &str) -> Result<Zeroizing<[u8; N]>, CodeError> {
        let mut letters = Zeroizing::new(Vec::with_capacity(self.prefix.len() + Self::LETTERS));
        for letter in text.chars().filter(|letter| !letter.is_whitespace() && *letter != '-') {
            // Text without an end is not worth counting.
            if letters.len() == 2 * Self::LETTERS {
                break;
            }
            letters.push(value(letter)?);
        }
        let prefix = self.prefix.chars().map(value).collect::<Result<Vec<_>, _>>()?;
        let found = letters.as_slice();
        let found = match found.strip_prefix(prefix.as_slice()) {
            Some(rest) if found.len() > Self::LETTERS => rest,
            _ => found,
        };
        if found.len() != Self::LETTERS {
            return Err(CodeError::Length { wanted: Self::LETTERS, found: found.len() });
        }
        let mut bytes = Zeroizing::new(Vec::with_capacity(N + CHECKSUM_BYTES));
        for eight in found.chunks_exact(8) {
            let bits = eight.iter().fold(0_u64, |bits, letter| bits << 5 | u64::from(*letter));
            bytes.extend_from_slice(&bits.to_be_bytes()[3..]);
        }
        let code = Zeroizing::new(*bytes.first_chunk().expect("the code stands first"));
        if *self.with_checksum(&code) == *bytes { Ok(code) } else { Err(CodeError::Mistyped) }
    }

    fn with_checksum(&self, code: &[u8; N]) -> Zeroizing<Vec<u8>> {
        let checksum = (self.hash)(code);
        Zeroizing::new([code.as_slice(), &checksum[..CHECKSUM_BYTES]].concat())
    }
}

/// The letter for the lowest five bits.
fn letter(bits: u64) -> char {
    let index = usize::try_from(bits & 31).expect("five bits fit");
    char::from(ALPHABET[index])
}

fn value(letter: char) -> Result<u8, CodeError> {
    let plain = match letter.to_ascii_uppercase() {
        'O' => '0',
        'I' | 'L' => '1',
        other => other,
    };
    let known = (0..).zip(ALPHABET).find(|(_, known)| char::from(*known) == plain);
    known.map(|(value, _)| value).ok_or(CodeError::Letter { letter })
}
