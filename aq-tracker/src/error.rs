//! Errors of a tracker, and the remedies.

use std::time::Duration;

/// Characters of a tracker's own message that are repeated.
const MAX_DETAIL: usize = 300;

/// Reason why a tracker was not asked or updated. No message holds a token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TrackerError {
    /// The environment does not say how to reach it.
    #[error("{0}")]
    NotSetUp(String),
    /// There is no such item.
    #[error("{who} has no item {item}, or the token may not see it")]
    NotFound {
        /// The tracker.
        who: &'static str,
        /// The item.
        item: String,
    },
    /// The token is not good, or not good enough.
    #[error("{who} refuses the token in {variable}: {detail}; give it one that may do this")]
    Denied {
        /// The tracker.
        who: &'static str,
        /// Where the token comes from.
        variable: &'static str,
        /// Its answer.
        detail: String,
    },
    /// It forbids this for one item: an issue is locked, or the token lacks a repository.
    #[error(
        "{who} forbids this for {item}: {detail}; give the token in {variable} the right, or \
         unlock the item"
    )]
    Forbidden {
        /// The tracker.
        who: &'static str,
        /// The item.
        item: String,
        /// The source of the token.
        variable: &'static str,
        /// Its answer.
        detail: String,
    },
    /// It does not want to be asked so often.
    #[error("{who} wants a pause of {} s", after.as_secs())]
    Limited {
        /// The tracker.
        who: &'static str,
        /// The duration.
        after: Duration,
    },
    /// It refuses this.
    #[error("{who} refuses: {detail}")]
    Refused {
        /// The tracker.
        who: &'static str,
        /// Its answer.
        detail: String,
    },
    /// It answers, but not with what was asked for: this item may be at fault, or the tracker.
    #[error("{who} does not answer as it should: {detail}")]
    Failed {
        /// The tracker.
        who: &'static str,
        /// The answer that came instead.
        detail: String,
    },
    /// It cannot be reached.
    #[error("{who} does not answer as it should: {detail}")]
    Unavailable {
        /// The tracker.
        who: &'static str,
        /// The answer that came instead.
        detail: String,
    },
}

/// When to try again what went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetryAdvice {
    /// Never: this item cannot get this.
    Never,
    /// Later; other items may get theirs meanwhile.
    ItemLater,
    /// Later; until then the tracker is to be left alone. It may have named the pause.
    Later(Option<Duration>),
}

impl TrackerError {
    /// Tests for the answer that there is no such item.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::NotFound { .. })
    }

    /// Tests for an error that the caller is to mend in the environment before anything else.
    pub fn is_usage(&self) -> bool {
        matches!(self, Self::NotSetUp(_))
    }

    /// Tests for a refusal that may be none at another time.
    pub fn is_unavailable(&self) -> bool {
        matches!(self, Self::Failed { .. } | Self::Limited { .. } | Self::Unavailable { .. })
    }

    /// When to try again.
    pub fn retry(&self) -> RetryAdvice {
        match self {
            Self::NotFound { .. } | Self::Refused { .. } => RetryAdvice::Never,
            Self::Forbidden { .. } | Self::Failed { .. } => RetryAdvice::ItemLater,
            // A token can be mended, and is the same for all items.
            Self::NotSetUp(_) | Self::Denied { .. } | Self::Unavailable { .. } => {
                RetryAdvice::Later(None)
            }
            Self::Limited { after, .. } => RetryAdvice::Later(Some(*after)),
        }
    }
}

/// The pause of a tracker that wants one and does not say how long; the longest that it may want.
const PAUSE: Duration = Duration::from_secs(60);
const MAX_PAUSE: u64 = 3_600;

/// The pause that a tracker wants, in seconds if it says so.
pub(crate) fn pause(seconds: Option<u64>) -> Duration {
    seconds.map_or(PAUSE, |seconds| Duration::from_secs(seconds.clamp(1, MAX_PAUSE)))
}

/// A tracker's message in one bounded line without control characters.
pub(crate) fn detail(status: u16, message: &str) -> String {
    let words: Vec<&str> = message.split(|c: char| c.is_control() || c == ' ').collect();
    let line = words.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
    let short: String = line.chars().take(MAX_DETAIL).collect();
    if short.is_empty() { format!("status {status}") } else { format!("status {status}, {short}") }
}
