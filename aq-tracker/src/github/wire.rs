//! The parts of GitHub's documents that are read.

use aq_manifest::Stage;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::error::TrackerError;
use crate::item_id::{GitHubRepository, ItemId};
use crate::tracker::TrackerItem;
use crate::transport::TrackerResponse;

use super::{LABEL, WHO};

#[derive(Debug, Deserialize)]
pub(super) struct GitHubIssue {
    pub(super) number: u64,
    title: String,
    #[serde(default)]
    body: Option<String>,
    #[serde(default)]
    labels: Vec<IssueLabel>,
    state: String,
    #[serde(default)]
    pub(super) state_reason: Option<String>,
    /// Where it is; a search may find issues of other repositories.
    #[serde(default)]
    repository_url: Option<String>,
    /// Pull requests are issues, too.
    #[serde(default)]
    pub(super) pull_request: Option<serde_json::Value>,
}

/// A label is an object, or in old documents its name.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum IssueLabel {
    Object {
        #[serde(default)]
        name: Option<String>,
    },
    Name(String),
}

/// The answer of a search.
#[derive(Debug, Deserialize)]
pub(super) struct SearchAnswer {
    pub(super) items: Vec<GitHubIssue>,
}

#[derive(Debug, Deserialize)]
pub(super) struct IssueComment {
    pub(super) id: u64,
    #[serde(default)]
    pub(super) body: Option<String>,
    #[serde(default)]
    pub(super) user: Option<CommentAuthor>,
}

#[derive(Debug, Deserialize)]
pub(super) struct CommentAuthor {
    pub(super) id: u64,
}

impl GitHubIssue {
    pub(super) fn item(&self, id: ItemId) -> TrackerItem {
        TrackerItem {
            id,
            title: self.title.clone(),
            description: self.body.clone().unwrap_or_default(),
            priority: None,
            labels: self.labels().map(str::to_owned).collect(),
        }
    }

    fn labels(&self) -> impl Iterator<Item = &str> {
        self.labels.iter().filter_map(|label| match label {
            IssueLabel::Object { name } => name.as_deref(),
            IssueLabel::Name(name) => Some(name),
        })
    }

    /// Labels that an echo gave it.
    pub(super) fn our_labels(&self) -> impl Iterator<Item = &str> {
        self.labels().filter(|label| {
            label.strip_prefix(LABEL).is_some_and(|rest| rest.parse::<Stage>().is_ok())
        })
    }

    pub(super) fn is_open(&self) -> bool {
        self.state == "open"
    }

    /// Tests for an item that our last echo has closed.
    pub(super) fn was_closed_by_us(&self) -> bool {
        let stages = self.our_labels().filter_map(|label| label.strip_prefix(LABEL)?.parse().ok());
        stages.into_iter().any(|stage: Stage| stage.is_final())
    }

    pub(super) fn is_of(&self, repository: &GitHubRepository) -> bool {
        let path = format!("/repos/{}", repository.path()).to_ascii_lowercase();
        let lies_there = |url: &String| url.to_ascii_lowercase().ends_with(&path);
        self.repository_url.as_ref().is_none_or(lies_there)
    }
}

/// A document of a known kind.
pub(super) fn read<T: DeserializeOwned>(answer: &TrackerResponse) -> Result<T, TrackerError> {
    serde_json::from_str(&answer.body).map_err(|_| TrackerError::Failed {
        who: WHO,
        detail: format!("status {}, and not the document that was expected", answer.status),
    })
}
