//! Asking GitHub about pull requests, and making them.

use serde::de::DeserializeOwned;
use serde_json::json;

use crate::error::TrackerError;
use crate::github::problem;
use crate::http::HttpTransport;
use crate::item_id::GitHubRepository;
use crate::items::message;
use crate::kind::TrackerKind;
use crate::transport::{TrackerMethod, TrackerRequest, TrackerResponse, TrackerTransport, segment};

use super::pull::{NewPull, PullAnswer, PullChange, PullRequest, PullState};
use super::remote::RemoteHosts;
use super::wire::{PullDocument, nonsense, refusal};

const WHO: &str = TrackerKind::GitHub.name();

/// The pull requests of one branch that are looked at, the newest ones.
const PAGE: usize = 50;

/// Longest version of a document that is kept, in bytes.
const MAX_ETAG: usize = 200;

/// Pull requests on GitHub, or on a GitHub Enterprise server.
#[derive(Debug)]
pub struct PullRequests<T> {
    transport: T,
    hosts: RemoteHosts,
}

impl PullRequests<HttpTransport> {
    /// GitHub over HTTP.
    pub fn over_http(transport: HttpTransport) -> Self {
        let hosts = RemoteHosts::of_api(transport.base());
        Self { transport, hosts }
    }
}

impl<T: TrackerTransport> PullRequests<T> {
    /// GitHub behind a transport whose address is `base`.
    pub fn new(transport: T, base: &str) -> Self {
        Self { transport, hosts: RemoteHosts::of_api(base) }
    }

    /// The hosts of remotes whose repositories are here.
    pub fn hosts(&self) -> &RemoteHosts {
        &self.hosts
    }

    /// The pull requests of a branch of the repository itself, open ones first, then the newest
    /// ones.
    ///
    /// # Errors
    /// See [`TrackerError`].
    pub fn of_branch(
        &self,
        repository: &GitHubRepository,
        head: &str,
    ) -> Result<Vec<PullRequest>, TrackerError> {
        let owner = repository.owner();
        let head_of = segment(&format!("{owner}:{head}"));
        let path = format!(
            "{}?head={head_of}&state=all&sort=created&direction=desc&per_page={PAGE}",
            pulls(repository)
        );
        let answer = self.ask(&path_words(repository, None), &TrackerRequest::get(path))?;
        let found = read::<Vec<PullDocument>>(&answer)?.into_iter();
        // A server that does not know the filter answers with all of them.
        let found = found.filter(|document| document.is_of(repository, head));
        let mut found: Vec<PullRequest> =
            found.map(PullDocument::pull).collect::<Result<_, _>>()?;
        found.sort_by_key(|pull| (pull.state != PullState::Open, std::cmp::Reverse(pull.number)));
        Ok(found)
    }

    /// Opens a pull request. `None` when there is one of this branch already.
    ///
    /// # Errors
    /// See [`TrackerError`]. After one that may be tried again nobody knows whether it was opened.
    pub fn open(
        &self,
        repository: &GitHubRepository,
        new: &NewPull<'_>,
    ) -> Result<Option<PullRequest>, TrackerError> {
        let body = json!({
            "title": new.title, "body": new.body, "head": new.head, "base": new.base,
        });
        let request = TrackerRequest::with(TrackerMethod::Post, pulls(repository), body);
        let answer = self.transport.send(&request)?;
        if !answer.is_good() {
            let said = refusal(&answer, &message(&answer));
            if answer.status == 422 && said.contains("already exists") {
                return Ok(None);
            }
            return Err(refused(&answer, &path_words(repository, None)));
        }
        let document: PullDocument = read(&answer)?;
        if !document.is_of(repository, new.head) {
            return Err(nonsense("a pull request of another branch"));
        }
        document.pull().map(Some)
    }

    /// Changes title or description of a pull request.
    ///
    /// # Errors
    /// See [`TrackerError`].
    pub fn update(
        &self,
        repository: &GitHubRepository,
        number: u64,
        change: &PullChange<'_>,
    ) -> Result<(), TrackerError> {
        let parts = [("title", change.title), ("body", change.body)];
        let body: serde_json::Map<_, _> = parts
            .into_iter()
            .filter_map(|(name, text)| Some((name.to_owned(), text?.into())))
            .collect();
        if body.is_empty() {
            return Ok(());
        }
        let path = format!("{}/{number}", pulls(repository));
        let request = TrackerRequest::with(TrackerMethod::Patch, path, body.into());
        self.ask(&path_words(repository, Some(number)), &request).map(drop)
    }

    /// Reads a pull request, unless it is the version that `etag` names: then GitHub does not count
    /// the request.
    ///
    /// # Errors
    /// See [`TrackerError`]; also when the answer is about another pull request or branch.
    pub fn read(
        &self,
        repository: &GitHubRepository,
        number: u64,
        head: &str,
        etag: Option<&str>,
    ) -> Result<PullAnswer, TrackerError> {
        let what = path_words(repository, Some(number));
        let path = format!("{}/{number}", pulls(repository));
        let answer = self.transport.send(&TrackerRequest::get(path).unless(etag))?;
        if answer.status == 304 && etag.is_some() {
            return Ok(PullAnswer::Unchanged);
        }
        if !answer.is_good() {
            return Err(refused(&answer, &what));
        }
        let document: PullDocument = read(&answer)?;
        // A deleted fork has no name, but the branch is of the repository itself.
        if !document.is_of(repository, head) {
            return Err(nonsense("a pull request of another branch"));
        }
        let pull = document.pull()?;
        if pull.number != number {
            return Err(nonsense("another pull request"));
        }
        let etag = answer.header("etag").filter(|etag| etag.len() <= MAX_ETAG);
        Ok(PullAnswer::Read { pull, etag: etag.map(str::to_owned) })
    }

    fn ask(&self, what: &str, request: &TrackerRequest) -> Result<TrackerResponse, TrackerError> {
        let answer = self.transport.send(request)?;
        if answer.is_good() { Ok(answer) } else { Err(refused(&answer, what)) }
    }
}

/// The meaning of an answer that is not good. Of a refusal GitHub's single errors say more.
fn refused(answer: &TrackerResponse, what: &str) -> TrackerError {
    match problem(answer, what) {
        TrackerError::Refused { .. } if answer.status == 422 => {
            TrackerError::Refused { who: WHO, detail: refusal(answer, &message(answer)) }
        }
        problem => problem,
    }
}

fn pulls(repository: &GitHubRepository) -> String {
    format!("/repos/{}/pulls", repository.path())
}

/// The repository or pull request, for people.
fn path_words(repository: &GitHubRepository, number: Option<u64>) -> String {
    match number {
        Some(number) => format!("{}#{number}", repository.path()),
        None => repository.path(),
    }
}

/// A document of a known kind.
fn read<D: DeserializeOwned>(answer: &TrackerResponse) -> Result<D, TrackerError> {
    serde_json::from_str(&answer.body).map_err(|_| TrackerError::Failed {
        who: WHO,
        detail: format!("status {}, and not the document that was expected", answer.status),
    })
}
