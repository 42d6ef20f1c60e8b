//! The name of a job: a newtype that cannot hold a bad one.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// The longest id, in bytes.
const MAX_LEN: usize = 128;

/// A job's id: the stem of its file, `[A-Za-z0-9][A-Za-z0-9._-]{0,127}`.
///
/// Ids come from file names, trackers and coordinators and go into paths and branch names, so
/// the type is the only gate: what is held here cannot leave the queue's folders.
///
/// ```
/// use aq_manifest::JobId;
///
/// assert_eq!("fix-login.v2".parse::<JobId>()?.as_str(), "fix-login.v2");
/// assert!("../etc/passwd".parse::<JobId>().is_err());
/// # Ok::<(), aq_manifest::JobIdError>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobId(Arc<str>);

/// Reason why a name cannot be a job id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JobIdError {
    /// The name has no character.
    #[error("a job id cannot be empty")]
    Empty,
    /// The name is longer than 128 bytes.
    #[error("a job id has at most {MAX_LEN} characters, this one has {0}")]
    TooLong(usize),
    /// The first character is not a letter or digit.
    #[error("a job id starts with a letter or a digit, not with {0:?}")]
    BadStart(char),
    /// A later character is outside `[A-Za-z0-9._-]`.
    #[error("a job id has only letters, digits, `.`, `_` and `-`, not {0:?}")]
    BadCharacter(char),
}

impl JobId {
    /// Checks `name` and takes it as an id.
    ///
    /// # Errors
    /// Says which rule the name breaks.
    pub fn new(name: &str) -> Result<Self, JobIdError> {
        let first = name.chars().next().ok_or(JobIdError::Empty)?;
        if !first.is_ascii_alphanumeric() {
            return Err(JobIdError::BadStart(first));
        }
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        if let Some(bad) = name.chars().find(|&c| !allowed(c)) {
            return Err(JobIdError::BadCharacter(bad));
        }
        if name.len() > MAX_LEN {
            return Err(JobIdError::TooLong(name.len()));
        }
        Ok(Self(name.into()))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The id of the `n`-th job that wants the same name: `name-2`, `name-3`, ...
    /// The name is cut where the suffix would make it too long.
    #[must_use]
    pub fn numbered(&self, n: u32) -> Self {
        let suffix = format!("-{n}");
        let keep = self.0.len().min(MAX_LEN - suffix.len());
        Self(format!("{}{suffix}", &self.0[..keep]).into())
    }
}

impl FromStr for JobId {
    type Err = JobIdError;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::new(name)
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl AsRef<str> for JobId {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl std::borrow::Borrow<str> for JobId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_names_are_refused_with_the_rule_they_break() {
        for (name, error) in [
            ("", JobIdError::Empty),
            (".hidden", JobIdError::BadStart('.')),
            ("..", JobIdError::BadStart('.')),
            ("-rf", JobIdError::BadStart('-')),
            ("a/b", JobIdError::BadCharacter('/')),
            ("a\\b", JobIdError::BadCharacter('\\')),
            ("a\nb", JobIdError::BadCharacter('\n')),
            ("a\0", JobIdError::BadCharacter('\0')),
            ("naïve", JobIdError::BadCharacter('ï')),
        ] {
            assert_eq!(JobId::new(name), Err(error), "{name:?}");
        }
        assert_eq!(JobId::new(&"a".repeat(129)), Err(JobIdError::TooLong(129)));
        assert!(JobId::new(&"a".repeat(128)).is_ok());
    }

    #[test]
    fn numbered_ids_stay_valid_at_the_longest_length() {
        let long = JobId::new(&"a".repeat(128)).unwrap();
        let second = long.numbered(2);
        assert_eq!(second.as_str().len(), 128);
        assert!(second.as_str().ends_with("a-2"));
        assert_eq!(JobId::new(second.as_str()), Ok(second));
    }
}
