//! Forges: where a branch that was pushed becomes a pull request, which people merge or close.
//! GitHub, by its REST API: <https://docs.github.com/rest/pulls>.
//!
//! A forge only answers what was asked. Answers are bounded and checked: one that contradicts
//! itself, or is about another branch, is an error and no news.

mod body;
mod github;
mod pull;
mod remote;
mod wire;

pub use body::{own_part, with_own_part};
pub use github::PullRequests;
pub use pull::{NewPull, PullAnswer, PullChange, PullRequest, PullState};
pub use remote::{RemoteHosts, remote_words};
