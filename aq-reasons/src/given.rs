//! A reason that another program gives.

use std::fmt;

use crate::reason::WaitReason;

/// A reason with the text that came with it. It is shown in the words of this version, but for one
/// that is known to a later version only: that one's text is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GivenReason {
    /// The reason.
    pub reason: WaitReason,
    /// The text of the one who gave it. Text from outside: escape it before it is shown.
    pub text: String,
}

impl From<WaitReason> for GivenReason {
    fn from(reason: WaitReason) -> Self {
        Self { text: reason.to_string(), reason }
    }
}

impl fmt::Display for GivenReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.reason {
            WaitReason::Other(_) if !self.text.is_empty() => f.write_str(&self.text),
            reason => reason.fmt(f),
        }
    }
}
