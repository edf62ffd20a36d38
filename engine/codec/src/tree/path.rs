//! Keys of the tree: a path as bytes whose plain order is the order of the tree.

use std::fmt;
use std::fmt::Write;

use thiserror::Error;

use crate::limits::NAME_BYTES_MAX;
use crate::limits::PATH_BYTES_MAX;

#[cfg(test)]
mod tests;

/// Stands between two components. Being the smallest byte it puts a folder's contents right behind the folder,
/// before every sibling whose name goes on.
pub(crate) const SEPARATOR: u8 = 0;

/// A path: its components joined by one zero byte, nothing before the first and nothing behind the last.
///
/// The empty key is the root folder. Components have 1 to 255 bytes, no zero byte and no slash, and are neither
/// `.` nor `..`, so that no key can lead out of the folder that it is restored into.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct PathKey(Vec<u8>);

/// Bytes that are no path of a tree.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{what}: {}", escaped(.bytes))]
pub struct NotAPath {
    /// The rule that the bytes break.
    pub what: &'static str,
    /// The component or path that breaks it.
    pub bytes: Vec<u8>,
}

impl PathKey {
    /// The root folder, above everything.
    pub const fn root() -> Self {
        Self(Vec::new())
    }

    /// The path made of these components, outermost first.
    ///
    /// # Errors
    /// [`NotAPath`] for a component that cannot be one, or when the whole is longer than the format allows.
    pub fn from_components<C: AsRef<[u8]>>(
        components: impl IntoIterator<Item = C>,
    ) -> Result<Self, NotAPath> {
        let mut path = Self::root();
        for name in components {
            path.push(name.as_ref())?;
        }
        Ok(path)
    }

    /// The path written with slashes, as the system writes it. Slashes at the front, at the end and in a row
    /// count once.
    ///
    /// # Errors
    /// As [`from_components`](Self::from_components); `.` and `..` are refused, not resolved.
    pub fn from_slashes(path: &[u8]) -> Result<Self, NotAPath> {
        Self::from_components(path.split(|byte| *byte == b'/').filter(|name| !name.is_empty()))
    }

    /// The key with these bytes.
    ///
    /// # Errors
    /// [`NotAPath`] when they are not components joined by zero bytes.
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Self, NotAPath> {
        match fault_from(&bytes, 0) {
            None => Ok(Self(bytes)),
            Some(what) => Err(NotAPath { what, bytes }),
        }
    }

    /// The key that shares the first `prefix` bytes with `self` and goes on with `suffix`.
    ///
    /// Only what is new is checked: reading a leaf costs its own bytes, not the sum of its paths.
    pub(crate) fn with_suffix(&self, prefix: usize, suffix: &[u8]) -> Option<Self> {
        let shared = self.0.get(..prefix)?;
        let component = shared.iter().rposition(|byte| *byte == SEPARATOR).map_or(0, |at| at + 1);
        let mut bytes = Vec::with_capacity(prefix + suffix.len());
        bytes.extend_from_slice(shared);
        bytes.extend_from_slice(suffix);
        fault_from(&bytes, component).is_none().then_some(Self(bytes))
    }

    /// The bytes of the key.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The components, outermost first; none for the root folder.
    pub fn components(&self) -> impl DoubleEndedIterator<Item = &[u8]> {
        self.0.split(|byte| *byte == SEPARATOR).filter(|name| !name.is_empty())
    }

    /// The last component; nothing for the root folder.
    pub fn name(&self) -> Option<&[u8]> {
        self.components().next_back()
    }

    /// The folder in which the path lies; nothing for the root folder.
    pub fn parent(&self) -> Option<Self> {
        if self.0.is_empty() {
            return None;
        }
        let end = self.0.iter().rposition(|byte| *byte == SEPARATOR).unwrap_or(0);
        self.0.get(..end).map(|bytes| Self(bytes.to_vec()))
    }

    /// The path of `name` in this folder.
    ///
    /// # Errors
    /// [`NotAPath`] when `name` cannot be a component, or when the whole is longer than the format allows.
    pub fn join(&self, name: &[u8]) -> Result<Self, NotAPath> {
        let mut bytes = Vec::with_capacity(self.0.len() + 1 + name.len());
        bytes.extend_from_slice(&self.0);
        let mut path = Self(bytes);
        path.push(name)?;
        Ok(path)
    }

    /// Goes into the folder, or to the file, of this name.
    fn push(&mut self, name: &[u8]) -> Result<(), NotAPath> {
        let fault = match component_fault(name) {
            None if self.0.len() + 1 + name.len() > PATH_BYTES_MAX => Some(TOO_LONG),
            fault => fault,
        };
        if let Some(what) = fault {
            return Err(NotAPath { what, bytes: name.to_vec() });
        }
        if !self.0.is_empty() {
            self.0.push(SEPARATOR);
        }
        self.0.extend_from_slice(name);
        Ok(())
    }

    /// Whether the path is `folder` or lies anywhere below it.
    pub fn starts_with(&self, folder: &Self) -> bool {
        let rest = self.0.strip_prefix(folder.as_bytes());
        rest.is_some_and(|rest| folder.0.is_empty() || rest.first().is_none_or(|byte| *byte == SEPARATOR))
    }

    /// The smallest bytes behind everything that lies below this folder; nothing behind the root folder.
    pub(crate) fn end_of_folder(&self) -> Option<Vec<u8>> {
        (!self.0.is_empty()).then(|| [self.as_bytes(), &[SEPARATOR + 1]].concat())
    }
}

impl fmt::Display for PathKey {
    /// The path with slashes, in characters that a terminal can show. Bytes that are not UTF-8, control
    /// characters, invisible characters and the backslash are escaped, so that no two paths look alike and
    /// the path can be had back.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_char('/');
        }
        self.components().try_for_each(|name| write!(f, "/{}", escaped(name)))
    }
}

impl fmt::Debug for PathKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PathKey({self})")
    }
}

/// Number of bytes that both have in front.
pub(crate) fn shared_bytes(left: &[u8], right: &[u8]) -> usize {
    left.iter().zip(right).take_while(|(a, b)| a == b).count()
}

const TOO_LONG: &str = "path is longer than a tree can hold";

/// The rule that the components from byte `start` on break.
fn fault_from(bytes: &[u8], start: usize) -> Option<&'static str> {
    if bytes.len() > PATH_BYTES_MAX {
        return Some(TOO_LONG);
    }
    if bytes.is_empty() {
        return None;
    }
    let components = bytes.get(start..).unwrap_or_default();
    components.split(|byte| *byte == SEPARATOR).find_map(component_fault)
}

fn component_fault(name: &[u8]) -> Option<&'static str> {
    match name {
        [] => Some("path component is empty"),
        b"." | b".." => Some("path component is `.` or `..`"),
        _ if name.len() > NAME_BYTES_MAX => Some("path component is longer than 255 bytes"),
        _ if name.iter().any(|byte| matches!(byte, 0 | b'/')) => {
            Some("path component holds a slash or a zero byte")
        }
        _ => None,
    }
}

/// The bytes as text in which every escape begins with a backslash and no backslash stands for itself.
fn escaped(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            push_escaped(&mut text, character);
        }
        for byte in chunk.invalid() {
            text.push_str(&format!("\\x{byte:02x}"));
        }
    }
    text
}

fn push_escaped(text: &mut String, character: char) {
    match character {
        '\\' => text.push_str("\\\\"),
        '\n' => text.push_str("\\n"),
        '\t' => text.push_str("\\t"),
        '\r' => text.push_str("\\r"),
        _ if character.is_control() || is_invisible(character) => text.extend(character.escape_unicode()),
        _ => text.push(character),
    }
}

/// Characters that show nothing or turn the direction of the text round: a name with them could pass for another.
fn is_invisible(character: char) -> bool {
    matches!(character,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}
