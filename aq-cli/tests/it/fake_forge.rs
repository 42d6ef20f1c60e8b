//! A forge that behaves as GitHub's API does, for one repository `o/r` whose git is a directory.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::fake_tracker::{Asked, FakeTracker};
use crate::sandbox::Sandbox;

pub(crate) const TOKEN: &str = "ghp-4d1c0a";

/// One pull request.
#[derive(Clone, Debug)]
pub(crate) struct FakePull {
    pub(crate) title: String,
    pub(crate) body: String,
    pub(crate) head: String,
    pub(crate) base: String,
    /// `open`, `closed` or `merged`.
    pub(crate) state: &'static str,
    sha: String,
}

/// The forge, and the repository that it shows.
pub(crate) struct FakeForge {
    pub(crate) server: FakeTracker,
    pulls: Arc<Mutex<Vec<FakePull>>>,
    hub: PathBuf,
}

impl FakeForge {
    /// A forge with the sandbox's repository, which is its `origin` from now on.
    pub(crate) fn of(sandbox: &Sandbox) -> Self {
        let hub = sandbox.path("hub.git");
        let path = hub.to_str().unwrap();
        sandbox.git(&["clone", "-q", "--bare", ".", path]);
        let pulls = Arc::<Mutex<Vec<FakePull>>>::default();
        let server = FakeTracker::new(|_| None);
        let forge = Self { server, pulls, hub: hub.clone() };
        forge.mend();
        let url = forge.server.url();
        let address = url.trim_end_matches("/api");
        sandbox.git(&["remote", "add", "origin", &format!("{address}/o/r.git")]);
        sandbox.git(&["config", &format!("url.{path}.insteadOf"), &format!("{address}/o/r.git")]);
        sandbox.also_set("AQ_GITHUB_API", &url);
        sandbox.also_set("AQ_GITHUB_TOKEN", TOKEN);
        forge
    }

    /// Answers as GitHub does.
    pub(crate) fn mend(&self) {
        let (pulls, hub) = (self.pulls.clone(), self.hub.clone());
        self.server.now(move |asked| {
            let (status, body) = answer(asked, &mut pulls.lock().unwrap(), &hub);
            Some((status, body.to_string()))
        });
    }

    /// Fails each request in this way.
    pub(crate) fn fail(&self, status: u16, body: &'static str) {
        self.server.now(move |_| Some((status, body.to_owned())));
    }

    pub(crate) fn pulls(&self) -> Vec<FakePull> {
        let mut pulls = self.pulls.lock().unwrap();
        refresh(&mut pulls, &self.hub);
        pulls.clone()
    }

    /// Ends a pull request, as people do.
    pub(crate) fn end(&self, number: usize, state: &'static str) {
        let mut pulls = self.pulls.lock().unwrap();
        refresh(&mut pulls, &self.hub);
        pulls[number - 1].state = state;
    }

    /// The newest commit of a branch of the forge's.
    pub(crate) fn tip(&self, branch: &str) -> Option<String> {
        tip(&self.hub, branch)
    }
}

fn tip(hub: &Path, branch: &str) -> Option<String> {
    let mut git = Command::new("git");
    git.arg("-C").arg(hub).args(["rev-parse", "-q", "--verify", &format!("refs/heads/{branch}")]);
    let output = git.output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    output.status.success().then(|| text.trim().to_owned())
}

/// Open pull requests have the newest commit of their branch.
fn refresh(pulls: &mut [FakePull], hub: &Path) {
    for pull in pulls.iter_mut().filter(|pull| pull.state == "open") {
        pull.sha = tip(hub, &pull.head).unwrap_or_else(|| pull.sha.clone());
    }
}

fn answer(asked: &Asked, pulls: &mut Vec<FakePull>, hub: &Path) -> (u16, Value) {
    refresh(pulls, hub);
    if !asked.raw.to_ascii_lowercase().contains(&format!("authorization: bearer {TOKEN}\r\n")) {
        return (401, json!({ "message": "Bad credentials" }));
    }
    let (method, path) = asked.line.split_once(' ').unwrap();
    let Some(rest) = path.strip_prefix("/api/repos/o/r/pulls") else {
        return (404, json!({ "message": "Not Found" }));
    };
    let number = rest.strip_prefix('/').and_then(|number| number.parse::<usize>().ok());
    match (method, number) {
        ("GET", None) => {
            let head = rest.split(['?', '&']).find_map(|part| part.strip_prefix("head=o%3A"));
            let head = head.unwrap_or_default().replace("%2F", "/");
            let found = (1..=pulls.len()).rev().filter(|&at| pulls[at - 1].head == head);
            (200, found.map(|at| document(at, &pulls[at - 1])).collect())
        }
        ("POST", None) => open(&asked.body, pulls, hub),
        ("GET", Some(at)) => (200, document(at, &pulls[at - 1])),
        ("PATCH", Some(at)) => {
            let text = |key: &str, old: &str| asked.body[key].as_str().unwrap_or(old).to_owned();
            let pull = &mut pulls[at - 1];
            (pull.title, pull.body) = (text("title", &pull.title), text("body", &pull.body));
            (200, document(at, &pulls[at - 1]))
        }
        _ => (404, json!({ "message": "Not Found" })),
    }
}

fn open(new: &Value, pulls: &mut Vec<FakePull>, hub: &Path) -> (u16, Value) {
    let text = |key: &str| new[key].as_str().unwrap().to_owned();
    let refused = |why: &str| {
        let error = json!({ "resource": "PullRequest", "code": "custom", "message": why });
        (422, json!({ "message": "Validation Failed", "errors": [error] }))
    };
    let (head, base) = (text("head"), text("base"));
    let (Some(sha), Some(target)) = (tip(hub, &head), tip(hub, &base)) else {
        return refused("head or base is invalid");
    };
    if sha == target {
        return refused(&format!("No commits between {base} and {head}"));
    }
    if pulls.iter().any(|pull| pull.head == head && pull.state == "open") {
        return refused(&format!("A pull request already exists for o:{head}."));
    }
    let (title, body) = (text("title"), text("body"));
    pulls.push(FakePull { title, body, head, base, state: "open", sha });
    (201, document(pulls.len(), &pulls[pulls.len() - 1]))
}

fn document(number: usize, pull: &FakePull) -> Value {
    let repo = json!({ "full_name": "o/r" });
    let is_merged = pull.state == "merged";
    json!({
        "number": number,
        "html_url": format!("https://forge.example/o/r/pull/{number}"),
        "state": if is_merged { "closed" } else { pull.state },
        "merged_at": is_merged.then_some("2026-11-30T12:00:00Z"),
        "merge_commit_sha": pull.sha,
        "title": pull.title,
        "body": pull.body,
        "head": { "ref": pull.head, "sha": pull.sha, "repo": repo },
        "base": { "ref": pull.base, "sha": pull.sha, "repo": repo },
    })
}
