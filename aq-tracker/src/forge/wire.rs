//! The parts of GitHub's documents of pull requests that are read.

use serde::Deserialize;
use serde_json::Value;

use crate::error::{TrackerError, detail};
use crate::forge::pull::{PullRequest, PullState};
use crate::item_id::GitHubRepository;
use crate::kind::TrackerKind;
use crate::transport::TrackerResponse;

/// Longest address of a page that is believed, in bytes.
const MAX_URL: usize = 2_000;

/// Longest name of a branch that is believed, in bytes.
const MAX_BRANCH: usize = 250;

#[derive(Debug, Deserialize)]
pub(super) struct PullDocument {
    number: u64,
    html_url: String,
    state: String,
    #[serde(default)]
    merged_at: Option<String>,
    /// Only where one pull request was asked for.
    #[serde(default)]
    merged: Option<bool>,
    #[serde(default)]
    merge_commit_sha: Option<String>,
    #[serde(default)]
    body: Option<String>,
    head: BranchDocument,
    base: BranchDocument,
}

#[derive(Debug, Deserialize)]
struct BranchDocument {
    #[serde(rename = "ref")]
    branch: String,
    sha: String,
    /// Null when the repository was deleted.
    #[serde(default)]
    repo: Option<RepositoryDocument>,
}

#[derive(Debug, Deserialize)]
struct RepositoryDocument {
    full_name: String,
}

impl PullDocument {
    /// Tests for a branch of this repository, and not of a fork.
    pub(super) fn is_of(&self, repository: &GitHubRepository, head: &str) -> bool {
        let name = self.head.repo.as_ref().map(|repo| repo.full_name.as_str());
        self.head.branch == head
            && name.is_some_and(|name| name.eq_ignore_ascii_case(&repository.path()))
    }

    /// The pull request, when the document does not contradict itself.
    pub(super) fn pull(self) -> Result<PullRequest, TrackerError> {
        let is_merged = self.merged.unwrap_or(self.merged_at.is_some());
        if is_merged != self.merged_at.is_some() {
            return Err(nonsense("a pull request that is merged and is not"));
        }
        let state = match (self.state.as_str(), is_merged) {
            ("open", false) => PullState::Open,
            ("closed", false) => PullState::Closed,
            ("closed", true) => {
                PullState::Merged { commit: self.merge_commit_sha.filter(|name| is_commit(name)) }
            }
            _ => return Err(nonsense("a pull request in an unknown state")),
        };
        let is_page = (self.html_url.starts_with("https://")
            || self.html_url.starts_with("http://"))
            && self.html_url.len() <= MAX_URL
            && self.html_url.bytes().all(|byte| byte.is_ascii_graphic());
        if self.number == 0 || !is_page {
            return Err(nonsense("a pull request without a page"));
        }
        if !is_commit(&self.head.sha) || !is_branch(&self.base.branch) {
            return Err(nonsense("a pull request without branches"));
        }
        Ok(PullRequest {
            number: self.number,
            url: self.html_url,
            state,
            head_commit: self.head.sha,
            base: self.base.branch,
            body: self.body.unwrap_or_default(),
        })
    }
}

/// The name of a commit, SHA-1 or SHA-256.
fn is_commit(name: &str) -> bool {
    matches!(name.len(), 40 | 64)
        && name.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

/// A name that git may have for a branch. It goes into records and to people, never into a path.
fn is_branch(name: &str) -> bool {
    (1..=MAX_BRANCH).contains(&name.len())
        && !name.starts_with('-')
        && !name.chars().any(|c| c.is_control() || c.is_whitespace())
}

pub(super) fn nonsense(what: &str) -> TrackerError {
    TrackerError::Failed {
        who: TrackerKind::GitHub.name(),
        detail: format!("it answers with {what}"),
    }
}

/// The words of a refusal: GitHub's message and those of its single errors.
pub(super) fn refusal(answer: &TrackerResponse, message: &str) -> String {
    let document: Value = serde_json::from_str(&answer.body).unwrap_or_default();
    let errors = document["errors"].as_array().map(Vec::as_slice).unwrap_or_default();
    let said = errors.iter().filter_map(|error| error["message"].as_str());
    let words: Vec<&str> = [message].into_iter().chain(said).filter(|w| !w.is_empty()).collect();
    detail(answer.status, &words.join(": "))
}
