//! The part of a token or requirement before `:` or the operator.

use std::fmt;

/// A key that holds only allowed characters, with its hash for the lookup.
///
/// Ordered by its text; the hash follows from it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Key {
    text: Box<str>,
    hash: u32,
}

impl Key {
    /// The key at the start of `text` and the number of bytes it takes, or `None` when the text
    /// does not start with a letter or digit.
    pub(crate) fn at_start(text: &str) -> Option<(Self, usize)> {
        if !text.starts_with(|c: char| c.is_ascii_alphanumeric()) {
            return None;
        }
        let end = text.find(|c| !is_key_char(c)).unwrap_or(text.len());
        let text = &text[..end];
        Some((Self { text: text.into(), hash: hash(text) }, end))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    /// 32 bits that are equal for equal keys, on every machine.
    pub(crate) fn hash(&self) -> u32 {
        self.hash
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.text)
    }
}

/// Letters, digits and `. _ + -`, so that a key can be a tool's name (`g++`).
fn is_key_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '+' | '-')
}

/// Letters, digits and `. _ + - / : @`: no space and no comma, which separate tokens in a list,
/// and nothing that starts an operator.
pub(crate) fn is_value_char(c: char) -> bool {
    is_key_char(c) || matches!(c, '/' | ':' | '@')
}

/// FNV-1a. Collisions cost a comparison, never a wrong answer.
fn hash(text: &str) -> u32 {
    text.bytes().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}
