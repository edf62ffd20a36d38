//! The printable recovery code: what opens the repository when every passphrase is forgotten.

use std::fmt;

use zeroize::Zeroize;
use zeroize::ZeroizeOnDrop;
use zeroize::Zeroizing;

use super::printed::CodeError;
use super::printed::Print;

/// Random bytes of a code.
const CODE_BYTES: usize = 32;

const PRINT: Print<CODE_BYTES> = Print { prefix: "FKR1", hash: |code| *blake3::hash(code).as_bytes() };

/// 256 random bits that open one key slot.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct RecoveryCode([u8; CODE_BYTES]);

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
        PRINT.text(&self.0)
    }

    /// Reads a code as people type it: in any case, grouped by spaces or hyphens or not at all, with or without the
    /// prefix, `O` for `0`, and `I` or `L` for `1`.
    ///
    /// # Errors
    /// [`CodeError`] says what is wrong with the text.
    pub fn parse(text: &str) -> Result<Self, CodeError> {
        PRINT.parse(text).map(|code| Self(*code))
    }
}

impl fmt::Debug for RecoveryCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RecoveryCode(..)")
    }
}

#[cfg(test)]
mod tests;
