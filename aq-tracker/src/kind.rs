//! Which trackers there are.

/// The kinds of trackers. One that does not answer does not keep the other from being told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// The item API, over HTTP or a command.
    Items,
    /// GitHub.
    GitHub,
}

impl Kind {
    /// What messages call it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Items => "the tracker",
            Self::GitHub => "GitHub",
        }
    }
}
