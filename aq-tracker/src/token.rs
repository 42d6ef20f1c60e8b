//! The token of a tracker.

use std::fmt;

/// A secret that proves who asks. It is shown nowhere.
#[derive(Clone, PartialEq, Eq)]
pub struct TrackerToken(String);

impl TrackerToken {
    /// A token that is not empty; blanks at its ends are left out.
    pub fn new(text: &str) -> Option<Self> {
        let text = text.trim();
        (!text.is_empty()).then(|| Self(text.to_owned()))
    }

    /// The token itself, for the one who sends it.
    #[cfg(feature = "http")]
    pub(crate) fn secret(&self) -> &str {
        &self.0
    }

    /// A text of a tracker without the token: one that is hostile, or wrong, may send it back.
    #[cfg(feature = "http")]
    pub(crate) fn hide_in(&self, text: &str) -> String {
        text.replace(&self.0, "[token]")
    }
}

impl fmt::Debug for TrackerToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token")
    }
}
