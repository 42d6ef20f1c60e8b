//! The name of an item: of a tracker, or of an issue on GitHub.

use std::fmt;
use std::str::FromStr;

use crate::kind::TrackerKind;

/// Longest name, in bytes: with `tracker-` before it, it is an idempotency key.
const MAX_LEN: usize = 240;

/// Longest name of an owner or a repository on GitHub.
const MAX_GITHUB: usize = 100;

const GITHUB: &str = "github:";

/// An item, as `aq from-tracker` takes it and `tracker-item` holds it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ItemId {
    /// Of the item API.
    Item(String),
    /// `github:owner/repo#12`
    Issue {
        /// Whose.
        repository: GitHubRepository,
        /// Its number, from 1.
        number: u64,
    },
}

/// A repository on GitHub. Owner and name are safe in a URL's path.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GitHubRepository {
    owner: String,
    name: String,
}

/// The text names no item.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ItemIdError {
    /// Not an issue's name.
    #[error("{0:?} names no issue; write github:owner/repo#12")]
    Issue(String),
    /// Not a repository's name.
    #[error("{0:?} names no repository; write github:owner/repo")]
    Repository(String),
    /// Not an item's name.
    #[error("{0:?} names no item: 1 to 240 bytes without control characters or spaces at its ends")]
    Item(String),
}

impl ItemId {
    /// The tracker that has it.
    pub fn kind(&self) -> TrackerKind {
        match self {
            Self::Item(_) => TrackerKind::Items,
            Self::Issue { .. } => TrackerKind::GitHub,
        }
    }
}

impl FromStr for ItemId {
    type Err = ItemIdError;

    fn from_str(text: &str) -> Result<Self, ItemIdError> {
        if text.starts_with(GITHUB) {
            let wrong = || ItemIdError::Issue(text.to_owned());
            let (repository, number) = text.split_once('#').ok_or_else(wrong)?;
            let repository = repository.parse().map_err(|_| wrong())?;
            let is_number = number.bytes().all(|b| b.is_ascii_digit()) && !number.starts_with('0');
            let number = number.parse().ok().filter(|_| is_number).ok_or_else(wrong)?;
            return Ok(Self::Issue { repository, number });
        }
        let is_good = !text.is_empty()
            && text.len() <= MAX_LEN
            && text.trim() == text
            && !text.chars().any(char::is_control)
            // A path that ends in these is another one.
            && !matches!(text, "." | "..");
        if is_good {
            Ok(Self::Item(text.to_owned()))
        } else {
            Err(ItemIdError::Item(text.to_owned()))
        }
    }
}

impl fmt::Display for ItemId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Item(id) => f.write_str(id),
            Self::Issue { repository, number } => write!(f, "{repository}#{number}"),
        }
    }
}

impl GitHubRepository {
    /// Its name without the owner.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its owner.
    pub fn owner(&self) -> &str {
        &self.owner
    }

    /// `owner/repo`
    pub(crate) fn path(&self) -> String {
        format!("{}/{}", self.owner, self.name)
    }
}

impl FromStr for GitHubRepository {
    type Err = ItemIdError;

    fn from_str(text: &str) -> Result<Self, ItemIdError> {
        let is_good = |part: &str| {
            (1..=MAX_GITHUB).contains(&part.len())
                && !matches!(part, "." | "..")
                && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b))
        };
        match text.strip_prefix(GITHUB).and_then(|rest| rest.split_once('/')) {
            Some((owner, name)) if is_good(owner) && is_good(name) => {
                Ok(Self { owner: owner.to_owned(), name: name.to_owned() })
            }
            _ => Err(ItemIdError::Repository(text.to_owned())),
        }
    }
}

impl fmt::Display for GitHubRepository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{GITHUB}{}/{}", self.owner, self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn good_names_are_read_and_written_back() {
        for text in ["AQ-7", "12", "a/b c", "ünï", "github:o/r#1", "github:a-b/c.d_e#4294967296"]
        {
            assert_eq!(text.parse::<ItemId>().unwrap().to_string(), text);
        }
        assert_eq!("github:o/r".parse::<GitHubRepository>().unwrap().to_string(), "github:o/r");
    }

    #[test]
    fn bad_names_are_refused() {
        let long = "x".repeat(241);
        for text in [
            "",
            ".",
            "..",
            " a",
            "a\nb",
            "a\u{1b}[2J",
            &long,
            "github:",
            "github:o/r",
            "github:o/r#",
            "github:o/r#0",
            "github:o/r#+1",
            "github:o/r#-1",
            "github:o/r#1#2",
            "github:o/r/s#1",
            "github:../..#1",
            "github:o/r?x#1",
            "github:o/r%2f#1",
            "github:o/r#99999999999999999999",
        ] {
            assert!(text.parse::<ItemId>().is_err(), "{text:?}");
        }
        for text in ["o/r", "github:o", "github:o/..", "github:o/r#1", "github:o/r/x"] {
            assert!(text.parse::<GitHubRepository>().is_err(), "{text:?}");
        }
    }
}
