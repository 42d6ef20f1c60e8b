//! Pull requests: what is asked of GitHub, and which answers are believed.

use aq_tracker::forge::{NewPull, PullAnswer, PullChange, PullRequests, PullState};
use aq_tracker::{GitHubRepository, RetryAdvice, TrackerError, TrackerResponse};
use insta::assert_snapshot;
use serde_json::{Value, json};

use crate::fake::{Fake, answer};

const BRANCH: &str = "aq/wip/a";
const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

fn repository() -> GitHubRepository {
    "github:o/r".parse().unwrap()
}

/// A pull request as GitHub describes it, with other values for some of its keys.
fn pull(changes: &Value) -> Value {
    let repo = json!({ "full_name": "O/R" });
    let mut pull = json!({
        "number": 7, "html_url": "https://github.com/o/r/pull/7", "state": "open",
        "merged_at": null, "merge_commit_sha": COMMIT, "body": null,
        "head": { "ref": BRANCH, "sha": COMMIT, "repo": repo },
        "base": { "ref": "main", "sha": COMMIT, "repo": repo },
    });
    pull.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    pull
}

fn asking(answers: impl IntoIterator<Item = TrackerResponse>) -> (Fake, PullRequests<Fake>) {
    let fake = Fake::new(answers);
    (fake.clone(), PullRequests::new(fake, "https://api.github.com"))
}

fn read(document: &Value) -> Result<PullAnswer, TrackerError> {
    asking([answer(200, &document.to_string())]).1.read(&repository(), 7, BRANCH, None)
}

#[test]
fn open_requests_of_a_branch_come_first() {
    let head = |sha: &str, repo: Value| json!({ "ref": BRANCH, "sha": sha, "repo": repo });
    let fork = json!({ "number": 9, "head": head(COMMIT, json!({ "full_name": "evil/r" })) });
    let gone = json!({ "number": 10, "head": head(COMMIT, Value::Null) });
    let other = json!({ "number": 11, "head": { "ref": "aq/wip/b", "sha": COMMIT,
        "repo": { "full_name": "o/r" } } });
    let closed = json!({ "number": 8, "state": "closed" });
    let merged = json!({ "number": 6, "state": "closed", "merged_at": "2026-11-30T00:00:00Z" });
    let all: Vec<Value> = [fork, gone, other, closed, merged, json!({})].iter().map(pull).collect();
    let (fake, pulls) = asking([answer(200, &Value::from(all).to_string())]);
    let found = pulls.of_branch(&repository(), BRANCH).unwrap();
    let numbers: Vec<u64> = found.iter().map(|pull| pull.number).collect();
    assert_eq!(numbers, [7, 8, 6]);
    assert_eq!(found[2].state, PullState::Merged { commit: Some(COMMIT.to_owned()) });
    assert_eq!(found[1].state, PullState::Closed);
    let asked = fake.asked();
    let (path, query) = asked.split_once('?').unwrap();
    assert_eq!(path, "GET /repos/o/r/pulls");
    let want = "head=o%3Aaq%2Fwip%2Fa&state=all&sort=created&direction=desc&per_page=50";
    assert_eq!(query, want);
}

#[test]
fn opening_finds_the_one_that_is_there() {
    let new = NewPull { head: BRANCH, base: "main", title: "Fix \"it\"", body: "aq: testing" };
    let exists = json!({ "message": "Validation Failed", "errors": [
        { "resource": "PullRequest", "code": "custom",
          "message": "A pull request already exists for o:aq/wip/a." }] });
    let (fake, pulls) =
        asking([answer(201, &pull(&json!({})).to_string()), answer(422, &exists.to_string())]);
    let opened = pulls.open(&repository(), &new).unwrap().unwrap();
    assert_eq!((opened.number, opened.url.as_str()), (7, "https://github.com/o/r/pull/7"));
    assert_eq!(pulls.open(&repository(), &new).unwrap(), None);
    let asked = fake.asked();
    let (path, body) = asked.lines().next().unwrap().split_once(" {").unwrap();
    assert_eq!(path, "POST /repos/o/r/pulls");
    let sent: Value = serde_json::from_str(&format!("{{{body}")).unwrap();
    let want = json!({ "base": "main", "body": "aq: testing", "head": BRANCH,
        "title": "Fix \"it\"" });
    assert_eq!(sent, want);
}

#[test]
fn refusals_say_what_github_says() {
    let new = NewPull { head: BRANCH, base: "main", title: "T", body: "" };
    let none = json!({ "message": "Validation Failed", "errors": [
        { "message": "No commits between main and aq/wip/a" }, { "field": "x" }] });
    let open = |status: u16, body: &Value| {
        let (_, pulls) = asking([answer(status, &body.to_string())]);
        pulls.open(&repository(), &new).unwrap_err()
    };
    let error = open(422, &none);
    assert_eq!(error.retry(), RetryAdvice::Never);
    let want = "status 422, Validation Failed: No commits between main and aq/wip/a";
    assert_eq!(error.to_string(), format!("GitHub refuses: {want}"));
    let moved = open(307, &json!({}));
    assert_snapshot!(moved, @"GitHub refuses: o/r has moved; use its new name");
    let limited = open(403, &json!({ "message": "You have exceeded a secondary rate limit." }));
    assert!(matches!(limited, TrackerError::Limited { .. }), "{limited}");
    let denied = open(401, &json!({ "message": "Bad credentials" }));
    assert!(matches!(denied, TrackerError::Denied { .. }), "{denied}");
    assert!(open(404, &json!({})).is_not_found());
    assert_eq!(open(502, &json!({})).retry(), RetryAdvice::ItemLater);
}

#[test]
fn changes_send_what_changes() {
    let (fake, pulls) = asking([answer(200, "{}")]);
    let change = PullChange { title: None, body: Some("new") };
    pulls.update(&repository(), 7, &change).unwrap();
    pulls.update(&repository(), 7, &PullChange::default()).unwrap();
    assert_snapshot!(fake.asked(), @r#"PATCH /repos/o/r/pulls/7 {"body":"new"}"#);
}

#[test]
fn versions_make_questions_conditional() {
    let etag = |value: &str| vec![("etag".to_owned(), value.to_owned())];
    let body = pull(&json!({ "merged": false })).to_string();
    let (fake, pulls) = asking([
        TrackerResponse { headers: etag("W/\"1\""), ..answer(200, &body) },
        answer(304, ""),
        TrackerResponse { headers: etag(&"x".repeat(1_000)), ..answer(200, &body) },
        answer(304, ""),
    ]);
    let ask = |etag: Option<&str>| pulls.read(&repository(), 7, BRANCH, etag);
    let Ok(PullAnswer::Read { etag: first, .. }) = ask(None) else { panic!() };
    assert_eq!(first.as_deref(), Some("W/\"1\""));
    assert_eq!(ask(first.as_deref()), Ok(PullAnswer::Unchanged));
    assert!(matches!(ask(None), Ok(PullAnswer::Read { etag: None, .. })));
    // Nobody asked whether it was unchanged.
    assert!(ask(None).is_err());
    assert_snapshot!(fake.asked(), @r#"
    GET /repos/o/r/pulls/7
    GET /repos/o/r/pulls/7 unless W/"1"
    GET /repos/o/r/pulls/7
    GET /repos/o/r/pulls/7
    "#);
}

#[test]
fn nonsense_is_no_news() {
    let merged_at = "2026-11-30T00:00:00Z";
    for changes in [
        json!({ "number": 8 }),
        json!({ "number": 0 }),
        json!({ "state": "open", "merged_at": merged_at }),
        json!({ "state": "closed", "merged_at": merged_at, "merged": false }),
        json!({ "state": "closed", "merged": true }),
        json!({ "state": "melted" }),
        json!({ "state": null }),
        json!({ "html_url": "javascript:alert(1)" }),
        json!({ "html_url": "https://h/\u{1b}[2J" }),
        json!({ "html_url": format!("https://h/{}", "x".repeat(5_000)) }),
        json!({ "head": { "ref": "main", "sha": COMMIT, "repo": { "full_name": "o/r" } } }),
        json!({ "head": { "ref": BRANCH, "sha": "--x", "repo": { "full_name": "o/r" } } }),
        json!({ "base": { "ref": "a\nb", "sha": COMMIT } }),
        json!({ "base": { "ref": "", "sha": COMMIT } }),
        json!({ "base": { "ref": "-x", "sha": COMMIT } }),
    ] {
        let error = read(&pull(&changes)).unwrap_err();
        assert_eq!(error.retry(), RetryAdvice::ItemLater, "{changes}: {error}");
    }
    for body in ["", "null", "[]", "{}", "<html>"] {
        let error = asking([answer(200, body)]).1.read(&repository(), 7, BRANCH, None);
        assert_eq!(error.unwrap_err().retry(), RetryAdvice::ItemLater, "{body}");
    }
    let good = json!({ "state": "closed", "merged": true, "merged_at": merged_at,
        "merge_commit_sha": "x" });
    let Ok(PullAnswer::Read { pull, .. }) = read(&pull(&good)) else { panic!() };
    assert_eq!(pull.state, PullState::Merged { commit: None });
}
