//! A word: text that can be no sentence.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::text;

/// The longest word, in characters.
const MAX_LEN: usize = 128;

/// 1 to 128 printable ASCII characters without a space. Events carry numbers and words, never
/// prompt text (docs/fleet-protocol.md), and this is how that is kept.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(value_type = String))]
pub struct Identifier(Box<str>);

/// The text is no word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WordError {
    /// It has no character.
    #[error("a word cannot be empty")]
    Empty,
    /// It is too long.
    #[error("a word has at most {MAX_LEN} characters, this one has {0} bytes")]
    TooLong(usize),
    /// It has something else than printable ASCII.
    #[error("a word has only printable ASCII characters and no space, not {0:?}")]
    BadCharacter(char),
}

impl Identifier {
    /// The nearest word to any text: other characters become `_`, and the rest is cut off.
    pub fn lossy(text: &str) -> Self {
        let keep = |c: char| if c.is_ascii_graphic() { c } else { '_' };
        let word: String = text.chars().take(MAX_LEN).map(keep).collect();
        Self(if word.is_empty() { "_".into() } else { word.into() })
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Identifier {
    type Err = WordError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.is_empty() {
            return Err(WordError::Empty);
        }
        if text.len() > MAX_LEN {
            return Err(WordError::TooLong(text.len()));
        }
        match text.chars().find(|c| !c.is_ascii_graphic()) {
            Some(bad) => Err(WordError::BadCharacter(bad)),
            None => Ok(Self(text.into())),
        }
    }
}

impl fmt::Display for Identifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl Serialize for Identifier {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        text::serialize(self, to)
    }
}

impl<'de> Deserialize<'de> for Identifier {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        text::deserialize(from)
    }
}
