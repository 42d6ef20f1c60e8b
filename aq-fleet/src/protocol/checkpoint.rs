//! Where a job's work in progress can be fetched from.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::text;
use super::word::Identifier;

/// The beginning of the branch of every job (docs/work-in-progress.md).
const BRANCH_PREFIX: &str = "aq/wip/";

/// The longest branch, in bytes.
const MAX_BRANCH: usize = 200;

/// A commit of a job's branch that was pushed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct PushedCheckpoint {
    /// The job's branch.
    pub branch: BranchName,
    /// Its tip.
    pub commit: CommitId,
    /// The remote that it was pushed to, as the pushing host calls it, without credentials. To be
    /// shown and compared, never handed to git: a URL may name a program to run. A host fetches
    /// from the remote in its own config.
    pub remote: String,
    /// The host and path of that remote's address: repositories with the same one are the same. As
    /// [`remote`](Self::remote), never handed to git.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repository: Option<String>,
    /// The failure of its last attempt there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<LastFailure>,
}

/// The last failure of a job on the host that had it: a word and numbers. Output stays there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct LastFailure {
    /// Its class, as `retry` names it.
    pub class: Identifier,
    /// Attempts on that host until then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempts: Option<u32>,
    /// Files changed since the commit that the job started from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub files_changed: Option<u64>,
}

/// A branch `aq/wip/...` that git takes, and that cannot be read as an option or another refspec.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(value_type = String))]
pub struct BranchName(Box<str>);

/// A commit: 40 or 64 lower-case hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(value_type = String))]
pub struct CommitId(Box<str>);

/// Reason why a checkpoint is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// Not a branch of a job.
    #[error(
        "a checkpoint's branch is `aq/wip/` and a job's id, at most {MAX_BRANCH} bytes, \
         in letters, digits, `.`, `_` and `-`"
    )]
    Branch,
    /// Not a commit.
    #[error("a checkpoint's commit is 40 or 64 lower-case hexadecimal digits")]
    Commit,
}

impl FromStr for BranchName {
    type Err = CheckpointError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let job = text.strip_prefix(BRANCH_PREFIX).ok_or(CheckpointError::Branch)?;
        let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
        let taken_by_git = !job.contains("..") && !job.ends_with('.') && !job.ends_with(".lock");
        let plain =
            job.starts_with(|c: char| c.is_ascii_alphanumeric()) && job.bytes().all(allowed);
        if text.len() <= MAX_BRANCH && plain && taken_by_git {
            Ok(Self(text.into()))
        } else {
            Err(CheckpointError::Branch)
        }
    }
}

impl FromStr for CommitId {
    type Err = CheckpointError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let hex = |b: u8| matches!(b, b'0'..=b'9' | b'a'..=b'f');
        if matches!(text.len(), 40 | 64) && text.bytes().all(hex) {
            Ok(Self(text.into()))
        } else {
            Err(CheckpointError::Commit)
        }
    }
}

macro_rules! as_text {
    ($name:ident) => {
        impl $name {
            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                text::serialize(self, to)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                text::deserialize(from)
            }
        }
    };
}

as_text!(BranchName);
as_text!(CommitId);
