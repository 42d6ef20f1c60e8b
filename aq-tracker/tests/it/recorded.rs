//! GitHub's own answers, as its client library records them. They are not part of this repository:
//! `./test` installs them and names their directory in `AQ_OCTOKIT_FIXTURES`.

use std::path::{Path, PathBuf};

use aq_tracker::forge::{PullAnswer, PullRequests, PullState};
use aq_tracker::{GitHub, IssueSearch, Tracker, TrackerError, TrackerResponse};
use serde_json::Value;

use crate::fake::{Fake, answer};

/// One request with its answer.
struct Exchange {
    method: String,
    path: String,
    answer: TrackerResponse,
}

#[expect(clippy::print_stdout, reason = "it is the test's own output")]
fn recorded(scenario: &str) -> Option<Vec<Exchange>> {
    let Some(dir) = std::env::var_os("AQ_OCTOKIT_FIXTURES") else {
        println!("SKIPPED: AQ_OCTOKIT_FIXTURES does not name GitHub's recorded answers");
        return None;
    };
    let path = PathBuf::from(dir)
        .join("scenarios/api.github.com")
        .join(scenario)
        .join("normalized-fixture.json");
    Some(documents(&path).iter().map(exchange).collect())
}

fn documents(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    serde_json::from_str(&text).unwrap()
}

/// The pull requests of GitHub's events, with the action of each, from GitHub itself and from a
/// GitHub Enterprise server.
#[expect(clippy::print_stdout, reason = "it is the test's own output")]
fn recorded_pulls(server: &str) -> Vec<(String, Value)> {
    let Some(dir) = std::env::var_os("AQ_OCTOKIT_FIXTURES") else {
        println!("SKIPPED: AQ_OCTOKIT_FIXTURES does not name GitHub's recorded answers");
        return Vec::new();
    };
    let events = PathBuf::from(dir).with_file_name("webhooks-examples");
    let events = documents(&events.join(server).join("index.json"));
    let event = events.iter().find(|event| event["name"] == "pull_request").unwrap();
    let examples = event["examples"].as_array().unwrap().iter();
    examples.map(|one| (one["action"].to_string(), one["pull_request"].clone())).collect()
}

fn exchange(recorded: &Value) -> Exchange {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let headers = recorded["headers"].as_object();
    let headers =
        headers.into_iter().flatten().map(|(key, value)| (key.to_lowercase(), text(value)));
    Exchange {
        method: text(&recorded["method"]),
        path: text(&recorded["path"]),
        answer: TrackerResponse {
            status: u16::try_from(recorded["status"].as_u64().unwrap()).unwrap(),
            headers: headers.collect(),
            body: recorded["response"].to_string(),
        },
    }
}

fn github(exchanges: &[Exchange]) -> (Fake, GitHub<Fake>) {
    let fake = Fake::new(exchanges.iter().map(|exchange| exchange.answer.clone()));
    (fake.clone(), GitHub::new(fake, "https://api.github.com"))
}

fn search(repository: &str, query: Option<&str>) -> IssueSearch {
    IssueSearch {
        repository: format!("github:octokit-fixture-org/{repository}").parse().unwrap(),
        labels: Vec::new(),
        query: query.map(str::to_owned),
        limit: 1_000,
    }
}

#[test]
fn all_pages_of_issues_are_read() {
    let Some(exchanges) = recorded("paginate-issues") else { return };
    let (fake, github) = github(&exchanges);
    let items = github.search(&search("paginate-issues", None)).unwrap();
    let numbers: Vec<String> = items
        .iter()
        .map(|item| item.id.to_string().split_once('#').unwrap().1.to_owned())
        .collect();
    let recorded: Vec<String> = exchanges
        .iter()
        .flat_map(|exchange| serde_json::from_str::<Vec<Value>>(&exchange.answer.body).unwrap())
        .map(|issue| issue["number"].to_string())
        .collect();
    assert_eq!(numbers, recorded);
    assert_eq!(numbers.len(), 13);
    assert!(items[0].title.starts_with("Test issue "));
    // After the first page it goes where GitHub says.
    let asked = fake.asked();
    let paths: Vec<&str> = asked.lines().skip(1).collect();
    let recorded: Vec<String> = exchanges[1..]
        .iter()
        .map(|exchange| format!("{} {}", exchange.method.to_uppercase(), exchange.path))
        .collect();
    assert_eq!(paths, recorded);
}

#[test]
fn a_search_is_read() {
    let Some(exchanges) = recorded("search-issues") else { return };
    let (_, github) = github(&exchanges);
    let items = github.search(&search("search-issues", Some("sesame"))).unwrap();
    assert_eq!(items.len(), 2);
    assert!(items.iter().all(|item| !item.title.is_empty()));
}

#[test]
fn adding_labels_makes_them() {
    let Some(exchanges) = recorded("add-labels-to-issue") else { return };
    // GitHub answers a new issue as it does a question for one.
    let (_, github) = github(&exchanges[..1]);
    let id = "github:octokit-fixture-org/add-labels-to-issue#1".parse().unwrap();
    let item = github.item(&id).unwrap();
    assert_eq!((item.title.as_str(), item.description.as_str()), ("Issue without a label", ""));
    // None of the three was there before; what comes back are labels as we read them.
    let labels: Vec<Value> = serde_json::from_str(&exchanges[1].answer.body).unwrap();
    assert_eq!(exchanges[1].answer.status, 200);
    assert_eq!(labels.len(), 3);
    assert!(labels.iter().all(|label| label["name"].is_string()));
}

#[test]
fn what_github_refuses_is_told_in_its_words() {
    let Some(exchanges) = recorded("errors") else { return };
    let (_, github) = github(&exchanges);
    let error = github.item(&"github:octokit-fixture-org/errors#1".parse().unwrap()).unwrap_err();
    assert!(matches!(error, TrackerError::Refused { .. }), "{error:?}");
    assert_eq!(error.to_string(), "GitHub refuses: status 422, Validation Failed");
}

#[test]
fn recorded_pull_requests_are_read() {
    let repository = "github:Codertocat/Hello-World".parse().unwrap();
    for server in ["api.github.com", "ghes-35"] {
        for (action, document) in recorded_pulls(server) {
            let fake = Fake::new([answer(200, &document.to_string())]);
            let pulls = PullRequests::new(fake, "https://api.github.com");
            let read = pulls.read(&repository, 2, "changes", None).unwrap();
            let PullAnswer::Read { pull, .. } = read else { panic!("{action}: {read:?}") };
            let want =
                if document["state"] == "closed" { PullState::Closed } else { PullState::Open };
            assert_eq!((pull.state, pull.base.as_str()), (want, "master"), "{action}");
            assert!(pull.url.ends_with("/Codertocat/Hello-World/pull/2"), "{}", pull.url);
        }
    }
}

#[test]
fn renamed_repositories_are_not_followed() {
    let Some(exchanges) = recorded("rename-repository") else { return };
    let moved = exchanges.iter().find(|exchange| exchange.answer.status == 301).unwrap();
    let fake = Fake::new([moved.answer.clone()]);
    let repository = "github:octokit-fixture-org/rename-repository".parse().unwrap();
    let pulls = PullRequests::new(fake.clone(), "https://api.github.com");
    let error = pulls.of_branch(&repository, "b").unwrap_err().to_string();
    assert!(error.contains("rename-repository has moved; use its new name"), "{error}");
    assert!(fake.is_used_up());
}
