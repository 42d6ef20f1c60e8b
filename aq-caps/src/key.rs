//! The part of a token or requirement before `:` or the operator.

/// A key that holds only allowed characters. Ordered as its text.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct TokenKey {
    /// The first eight bytes, padded with zeros, which no key has: they order keys as the text
    /// does, and alone distinguish keys of up to eight bytes, which most are.
    head: u64,
    text: Box<str>,
}

impl TokenKey {
    /// The key at the start of `text` and the number of bytes it takes, or `None` when the text
    /// does not start with a letter or digit.
    pub(crate) fn at_start(text: &str) -> Option<(Self, usize)> {
        if !text.starts_with(|c: char| c.is_ascii_alphanumeric()) {
            return None;
        }
        let end = text.find(|c| !is_key_char(c)).unwrap_or(text.len());
        let text = &text[..end];
        Some((Self { head: head(text), text: text.into() }, end))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    /// The first eight bytes, in an order that agrees with that of keys.
    pub(crate) fn head(&self) -> u64 {
        self.head
    }

    /// Compares with a key whose head is the same. Reads no text where the head is all of it.
    pub(crate) fn same_tail(&self, other: &Self) -> bool {
        self.text.get(8..) == other.text.get(8..)
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

fn head(text: &str) -> u64 {
    let mut head = [0; 8];
    for (to, from) in head.iter_mut().zip(text.bytes()) {
        *to = from;
    }
    u64::from_be_bytes(head)
}
