//! Issues on GitHub, by its REST API: <https://docs.github.com/rest/issues>.

mod ask;
mod comment;
mod wire;

use aq_manifest::Stage;
use serde_json::json;

use crate::error::{RetryAdvice, TrackerError};
use crate::http::HttpTransport;
use crate::item_id::{GitHubRepository, ItemId};
use crate::kind::TrackerKind;
use crate::tracker::{RenderedUpdate, Tracker, TrackerItem};
use crate::transport::{TrackerMethod, TrackerRequest, TrackerTransport, segment};

pub(crate) use ask::problem;
use wire::{GitHubIssue, SearchAnswer};

const WHO: &str = TrackerKind::GitHub.name();

/// The beginning of our labels; the rest is a folder.
const LABEL: &str = "aq:";

/// Issues a page. A page of the longest ones fits into an answer.
const PAGE: usize = 50;

/// Pages that are read of one list.
const MAX_PAGES: usize = 100;

/// Issues on GitHub, or on a GitHub Enterprise server.
#[derive(Debug)]
pub struct GitHub<T> {
    transport: T,
    /// Where pages are expected to lead.
    base: String,
}

/// Which issues of a repository are wanted. Pull requests and closed issues never are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssueSearch {
    /// Where.
    pub repository: GitHubRepository,
    /// Labels that an issue must have, all of them.
    pub labels: Vec<String>,
    /// A query in the language of GitHub's search: <https://docs.github.com/search-github>.
    pub query: Option<String>,
    /// At most so many, the oldest ones.
    pub limit: usize,
}

impl GitHub<HttpTransport> {
    /// GitHub over HTTP.
    pub fn over_http(transport: HttpTransport) -> Self {
        let base = transport.base().to_owned();
        Self::new(transport, &base)
    }
}

impl<T: TrackerTransport> GitHub<T> {
    /// GitHub behind a transport whose address is `base`.
    pub fn new(transport: T, base: &str) -> Self {
        Self { transport, base: base.trim_end_matches('/').to_owned() }
    }

    /// Open issues, oldest first.
    ///
    /// # Errors
    /// See [`TrackerError`].
    pub fn search(&self, search: &IssueSearch) -> Result<Vec<TrackerItem>, TrackerError> {
        let what = search.repository.to_string();
        let mut path = Some(list_path(search));
        let mut items = Vec::new();
        let mut pages = 0;
        while let Some(page) = path.take().filter(|_| pages < MAX_PAGES) {
            pages += 1;
            let answer = self.ask(&what, &TrackerRequest::get(page))?;
            let issues = if search.query.is_some() {
                wire::read::<SearchAnswer>(&answer)?.items
            } else {
                wire::read::<Vec<GitHubIssue>>(&answer)?
            };
            let wanted = issues
                .into_iter()
                .filter(|issue| issue.pull_request.is_none() && issue.is_of(&search.repository));
            for issue in wanted {
                if items.len() == search.limit {
                    return Ok(items);
                }
                let repository = search.repository.clone();
                items.push(issue.item(ItemId::Issue { repository, number: issue.number }));
            }
            path = self.next_page(&answer)?;
        }
        Ok(items)
    }

    fn issue(&self, id: &ItemId, path: &str) -> Result<GitHubIssue, TrackerError> {
        let issue: GitHubIssue =
            wire::read(&self.ask(&id.to_string(), &TrackerRequest::get(path.to_owned()))?)?;
        if issue.pull_request.is_some() {
            return Err(TrackerError::Refused {
                who: WHO,
                detail: format!("{id} is a pull request, not an issue"),
            });
        }
        Ok(issue)
    }

    /// Takes our labels of other folders away and gives the issue that of this one. A token that
    /// may not do so can still comment: labels are for the eye.
    fn label(
        &self,
        id: &ItemId,
        path: &str,
        issue: &GitHubIssue,
        stage: Stage,
    ) -> Result<(), TrackerError> {
        let what = id.to_string();
        let wanted = format!("{LABEL}{stage}");
        for old in issue.our_labels().filter(|label| *label != wanted) {
            let path = format!("{path}/labels/{}", segment(old));
            lenient(self.ask(&what, &request(TrackerMethod::Delete, path)))?;
        }
        if issue.our_labels().any(|label| label == wanted) {
            return Ok(());
        }
        let add = json!({ "labels": [wanted] });
        let add = TrackerRequest::with(TrackerMethod::Post, format!("{path}/labels"), add);
        if lenient(self.ask(&what, &add))? {
            return Ok(());
        }
        // Some servers, and some tokens, want a label to be there before it is given.
        let new = json!({ "name": wanted, "color": colour(stage), "description": "set by aq" });
        let labels = path.split_once("/issues/").map_or("", |(repository, _)| repository);
        let new = TrackerRequest::with(TrackerMethod::Post, format!("{labels}/labels"), new);
        if lenient(self.ask(&what, &new))? {
            lenient(self.ask(&what, &add))?;
        }
        Ok(())
    }

    fn set_state(
        &self,
        id: &ItemId,
        path: &str,
        issue: &GitHubIssue,
        status: &str,
    ) -> Result<(), TrackerError> {
        let reason = match status {
            "done" | "completed" | "closed" => Some("completed"),
            "wont_fix" | "not_planned" => Some("not_planned"),
            _ => None,
        };
        let change = match reason {
            Some(reason) if !issue.is_open() && issue.state_reason.as_deref() == Some(reason) => {
                None
            }
            Some(reason) => Some(json!({ "state": "closed", "state_reason": reason })),
            // What a person has closed stays closed.
            None if !issue.is_open() && issue.was_closed_by_us() => {
                Some(json!({ "state": "open", "state_reason": "reopened" }))
            }
            None => None,
        };
        if let Some(change) = change {
            let change = TrackerRequest::with(TrackerMethod::Patch, path.to_owned(), change);
            self.ask(&id.to_string(), &change)?;
        }
        Ok(())
    }
}

impl<T: TrackerTransport> Tracker for GitHub<T> {
    fn item(&self, id: &ItemId) -> Result<TrackerItem, TrackerError> {
        let path = issue_path(id)?;
        Ok(self.issue(id, &path)?.item(id.clone()))
    }

    fn echo(
        &self,
        id: &ItemId,
        update: &RenderedUpdate,
        comment: Option<&str>,
    ) -> Result<Option<String>, TrackerError> {
        let path = issue_path(id)?;
        let issue = self.issue(id, &path)?;
        let comment = self.comment(id, &path, &update.comment, comment);
        // A locked issue takes no comment; it is closed and labelled all the same.
        if let Err(e) = &comment
            && !matches!(e, TrackerError::Forbidden { .. })
        {
            return Err(e.clone());
        }
        self.set_state(id, &path, &issue, &update.status)?;
        self.label(id, &path, &issue, update.stage)?;
        comment.map(Some)
    }
}

/// Returns success; a refusal of this one thing is no error.
fn lenient<A>(result: Result<A, TrackerError>) -> Result<bool, TrackerError> {
    match result {
        Ok(_) => Ok(true),
        Err(e)
            if e.retry() == RetryAdvice::Never || matches!(e, TrackerError::Forbidden { .. }) =>
        {
            Ok(false)
        }
        Err(e) => Err(e),
    }
}

fn request(method: TrackerMethod, path: String) -> TrackerRequest {
    TrackerRequest { method, path, body: None, etag: None }
}

fn issue_path(id: &ItemId) -> Result<String, TrackerError> {
    match id {
        ItemId::Issue { repository, number } => {
            Ok(format!("/repos/{}/issues/{number}", repository.path()))
        }
        ItemId::Item(id) => Err(TrackerError::NotFound { who: WHO, item: id.clone() }),
    }
}

fn list_path(search: &IssueSearch) -> String {
    let repository = search.repository.path();
    let Some(query) = &search.query else {
        let labels = segment(&search.labels.join(","));
        let labels = if labels.is_empty() { String::new() } else { format!("&labels={labels}") };
        return format!(
            "/repos/{repository}/issues?state=open&sort=created&direction=asc&\
            per_page={PAGE}{labels}"
        );
    };
    let mut words = format!("{query} repo:{repository} is:issue is:open");
    for label in &search.labels {
        words.push_str(&format!(" label:\"{}\"", label.replace('"', "")));
    }
    format!("/search/issues?q={}&sort=created&order=asc&per_page={PAGE}", segment(&words))
}

fn colour(stage: Stage) -> &'static str {
    match stage {
        Stage::Inbox => "ededed",
        Stage::Building => "1d76db",
        Stage::Review => "fbca04",
        Stage::Testing | Stage::Shipped => "0e8a16",
        Stage::Failed | Stage::Quarantine => "b60205",
    }
}
