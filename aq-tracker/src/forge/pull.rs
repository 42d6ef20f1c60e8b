//! The plain values that go to a forge and come from it.

/// A pull request as the forge has it. Everything but `body` was checked; that is text of
/// strangers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PullRequest {
    /// Number in its repository, from 1.
    pub number: u64,
    /// Page for people: `https://...`, without control characters or spaces.
    pub url: String,
    /// Its state.
    pub state: PullState,
    /// Newest commit of its branch that the forge knows, as a full name.
    pub head_commit: String,
    /// Branch that it is to be merged into, or was, without `refs/heads/`.
    pub base: String,
    /// Description.
    pub body: String,
}

/// State of a pull request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PullState {
    /// It waits for people.
    Open,
    /// It was merged, as this commit where the forge says so.
    Merged {
        /// Full name of the commit in the base.
        commit: Option<String>,
    },
    /// It was closed without a merge.
    Closed,
}

/// A pull request that is to be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewPull<'a> {
    /// Branch with the work, without `refs/heads/`. It is in the same repository.
    pub head: &'a str,
    /// Branch that it is to be merged into.
    pub base: &'a str,
    /// Title, one line.
    pub title: &'a str,
    /// Description, Markdown.
    pub body: &'a str,
}

/// A change of a pull request that is there; `None` leaves a part as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PullChange<'a> {
    /// Title.
    pub title: Option<&'a str>,
    /// Description.
    pub body: Option<&'a str>,
}

/// Answer to a conditional question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PullAnswer {
    /// Nothing has changed since the version that was named.
    Unchanged,
    /// The pull request by now.
    Read {
        /// The pull request.
        pull: PullRequest,
        /// Version to name the next time.
        etag: Option<String>,
    },
}
