//! The bearer token, which nothing prints.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// The longest token, in bytes.
const MAX_LEN: usize = 4096;

/// The secret by which a coordinator knows its hosts. It comes from the environment or a file,
/// never from argv (docs/fleet.md), and has no `Display`; `Debug` hides it.
#[derive(Clone)]
pub struct FleetToken(Arc<str>);

/// The text is no token. The message does not repeat it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FleetTokenError {
    /// Nothing but white space.
    #[error("the fleet token is empty: set AQ_FLEET_TOKEN to the coordinator's token")]
    Empty,
    /// Too long to be one.
    #[error("the fleet token is longer than {MAX_LEN} bytes: AQ_FLEET_TOKEN is something else")]
    TooLong,
    /// A character that cannot go into a header.
    #[error("the fleet token may have only printable ASCII characters and no space")]
    BadCharacter,
}

impl FleetToken {
    /// The text after `Authorization:`. Secret.
    pub(crate) fn header(&self) -> String {
        format!("Bearer {}", self.0)
    }

    /// The text with every occurrence of the token taken out: an answer may repeat what was sent.
    pub(crate) fn hide_in(&self, text: &str) -> String {
        text.replace(&*self.0, "***")
    }
}

impl FromStr for FleetToken {
    type Err = FleetTokenError;

    /// White space around it, such as the newline at the end of a file, is not part of it.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let token = text.trim();
        if token.is_empty() {
            Err(FleetTokenError::Empty)
        } else if token.len() > MAX_LEN {
            Err(FleetTokenError::TooLong)
        } else if token.bytes().all(|b| b.is_ascii_graphic()) {
            Ok(Self(token.into()))
        } else {
            Err(FleetTokenError::BadCharacter)
        }
    }
}

impl fmt::Debug for FleetToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FleetToken(***)")
    }
}
