//! GitHub: what an echo sends, and what it leaves alone.

use aq_manifest::Stage;
use aq_tracker::{
    GitHub, IssueSearch, ItemId, StatusMap, Tracker, TrackerError, TrackerResponse, TrackerUpdate,
    mapping,
};
use insta::assert_snapshot;
use serde_json::{Value, json};

use crate::fake::{Fake, answer};

const BASE: &str = "https://api.github.com";

fn id() -> ItemId {
    "github:o/r#7".parse().unwrap()
}

fn issue(state: &str, labels: &[&str]) -> TrackerResponse {
    let labels: Vec<Value> = labels.iter().map(|name| json!({ "name": name })).collect();
    let reason = if state == "open" { Value::Null } else { "not_planned".into() };
    let body = json!({
        "number": 7, "title": "T", "state": state, "state_reason": reason, "labels": labels,
    });
    answer(200, &body.to_string())
}

fn ok() -> TrackerResponse {
    answer(200, "{}")
}

fn echo(
    stage: Stage,
    comment: Option<&str>,
    answers: Vec<TrackerResponse>,
) -> (String, Result<Option<String>, TrackerError>) {
    let fake = Fake::new(answers);
    let update =
        mapping::update(&TrackerUpdate::read(stage, |_| None), &StatusMap::default()).unwrap();
    let result = GitHub::new(fake.clone(), BASE).echo(&id(), &update, comment);
    assert!(fake.is_used_up(), "{}", fake.asked());
    (fake.asked(), result)
}

#[test]
fn first_echo_writes_a_comment() {
    let by_others = json!([
        { "id": 1, "user": { "id": 66 }, "body": "mine! <!-- aq -->" },
        { "id": 2, "user": { "id": 5 }, "body": "hello" },
        { "id": 3, "body": null },
    ]);
    let answers = vec![
        issue("open", &["bug"]),
        answer(200, r#"{"id": 5, "login": "me"}"#),
        answer(200, &by_others.to_string()),
        answer(201, r#"{"id": 99}"#),
        ok(),
    ];
    let (asked, result) = echo(Stage::Building, None, answers);
    assert_eq!(result.unwrap().as_deref(), Some("99"));
    assert_snapshot!(asked, @r#"
    GET /repos/o/r/issues/7
    GET /user
    GET /repos/o/r/issues/7/comments?per_page=50
    POST /repos/o/r/issues/7/comments {"body":"aq: building\n\n<!-- aq -->"}
    POST /repos/o/r/issues/7/labels {"labels":["aq:building"]}
    "#);
}

#[test]
fn last_echo_closes_the_issue() {
    let answers = vec![issue("open", &["aq:building", "bug"]), ok(), ok(), answer(404, "{}"), ok()];
    let (asked, result) = echo(Stage::Shipped, Some("99"), answers);
    assert_eq!(result.unwrap().as_deref(), Some("99"));
    assert_snapshot!(asked, @r#"
    GET /repos/o/r/issues/7
    PATCH /repos/o/r/issues/comments/99 {"body":"aq: shipped\n\n<!-- aq -->"}
    PATCH /repos/o/r/issues/7 {"state":"closed","state_reason":"completed"}
    DELETE /repos/o/r/issues/7/labels/aq%3Abuilding
    POST /repos/o/r/issues/7/labels {"labels":["aq:shipped"]}
    "#);
}

#[test]
fn deleted_comment_is_written_again() {
    let ours = json!([{ "id": 3, "user": { "id": 5 }, "body": "aq: x\n\n<!-- aq -->\r\n" }]);
    let me = || answer(200, r#"{"id": 5}"#);
    let found = vec![issue("open", &["aq:review"]), me(), answer(200, &ours.to_string()), ok()];
    assert_eq!(echo(Stage::Review, None, found).1.unwrap().as_deref(), Some("3"));
    let gone = vec![issue("open", &["aq:review"]), answer(404, "{}"), answer(201, r#"{"id": 4}"#)];
    assert_eq!(echo(Stage::Review, Some("3"), gone).1.unwrap().as_deref(), Some("4"));
    // The token of an app has no user.
    let app = vec![issue("open", &["aq:review"]), answer(403, "{}"), answer(201, r#"{"id": 5}"#)];
    assert_eq!(echo(Stage::Review, Some("not a number"), app).1.unwrap().as_deref(), Some("5"));
}

#[test]
fn what_people_did_stays() {
    let by_a_person = vec![issue("closed", &["aq:building"]), ok()];
    let (asked, _) = echo(Stage::Building, Some("1"), by_a_person);
    assert!(!asked.contains("state"), "{asked}");
    let by_us = vec![issue("closed", &["aq:failed"]), ok(), ok(), ok(), ok()];
    let (asked, _) = echo(Stage::Building, Some("1"), by_us);
    assert!(asked.contains(r#"{"state":"open","state_reason":"reopened"}"#), "{asked}");
    let already = vec![issue("closed", &["aq:failed"]), ok()];
    let (asked, _) = echo(Stage::Failed, Some("1"), already);
    assert!(!asked.contains("state"), "{asked}");
}

#[test]
fn missing_label_is_made() {
    let made = vec![issue("open", &[]), ok(), answer(422, "{}"), answer(201, "{}"), ok()];
    let (asked, result) = echo(Stage::Review, Some("1"), made);
    assert!(result.is_ok());
    assert_snapshot!(asked.lines().skip(2).collect::<Vec<_>>().join("\n"), @r#"
    POST /repos/o/r/issues/7/labels {"labels":["aq:review"]}
    POST /repos/o/r/labels {"color":"fbca04","description":"set by aq","name":"aq:review"}
    POST /repos/o/r/issues/7/labels {"labels":["aq:review"]}
    "#);
    let denied = vec![
        issue("open", &["aq:building"]),
        ok(),
        answer(403, "{}"),
        answer(403, "{}"),
        answer(403, "{}"),
    ];
    assert!(echo(Stage::Review, Some("1"), denied).1.is_ok());
    let down = vec![issue("open", &[]), ok(), answer(503, "{}")];
    assert!(echo(Stage::Review, Some("1"), down).1.is_err());
}

#[test]
fn a_locked_issue_is_closed_without_a_comment() {
    let locked = answer(403, r#"{"message": "Unable to create comment because issue is locked."}"#);
    let answers = vec![issue("open", &["aq:testing"]), locked, ok(), ok(), ok()];
    let (asked, result) = echo(Stage::Shipped, Some("1"), answers);
    let error = result.unwrap_err();
    assert!(error.to_string().contains("issue is locked"), "{error}");
    assert_snapshot!(asked.lines().skip(2).collect::<Vec<_>>().join("\n"), @r#"
    PATCH /repos/o/r/issues/7 {"state":"closed","state_reason":"completed"}
    DELETE /repos/o/r/issues/7/labels/aq%3Atesting
    POST /repos/o/r/issues/7/labels {"labels":["aq:shipped"]}
    "#);
}

#[test]
fn pull_requests_are_no_items() {
    let body = r#"{"number": 7, "title": "T", "state": "open", "pull_request": {"url": "x"}}"#;
    let error = GitHub::new(Fake::new([answer(200, body)]), BASE).item(&id()).unwrap_err();
    assert!(error.to_string().contains("github:o/r#7 is a pull request"), "{error}");
}

#[test]
fn issues_are_found_page_by_page() {
    let one = |number: u64, more: Value| {
        let mut issue = json!({ "number": number, "title": "T", "state": "open", "labels": [],
            "repository_url": format!("{BASE}/repos/O/R") });
        issue.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        issue
    };
    let page = |issues: Vec<Value>, next: Option<&str>| TrackerResponse {
        headers: next
            .map(|next| ("link".to_owned(), format!("<{BASE}{next}>; rel=\"next\"")))
            .into_iter()
            .collect(),
        ..answer(200, &Value::from(issues).to_string())
    };
    let elsewhere = json!({ "repository_url": format!("{BASE}/repos/evil/r") });
    let answers = [
        page(vec![one(1, json!({})), one(2, json!({ "pull_request": {} }))], Some("/p?page=2")),
        page(vec![one(3, elsewhere), one(4, json!({})), one(5, json!({}))], Some("/p?page=3")),
    ];
    let fake = Fake::new(answers);
    let mut search = IssueSearch {
        repository: "github:o/r".parse().unwrap(),
        labels: vec!["good first issue".to_owned(), "a&b".to_owned()],
        query: None,
        limit: 2,
    };
    let items = GitHub::new(fake.clone(), BASE).search(&search).unwrap();
    let ids: Vec<String> = items.iter().map(|item| item.id.to_string()).collect();
    assert_eq!(ids, ["github:o/r#1", "github:o/r#4"]);
    assert_snapshot!(fake.asked(), @"
    GET /repos/o/r/issues?state=open&sort=created&direction=asc&per_page=50\
    &labels=good%20first%20issue%2Ca%26b
    GET /p?page=2
    ");
    search.query = Some("crash in:title".to_owned());
    let fake = Fake::new([answer(200, r#"{"items": []}"#)]);
    assert!(GitHub::new(fake.clone(), BASE).search(&search).unwrap().is_empty());
    assert_snapshot!(fake.asked(), @"GET /search/issues?q=crash%20in%3Atitle%20repo%3Ao%2Fr%20is%3\
        Aissue%20is%3Aopen%20label%3A%22good%20first%20issue%22%20label%3A%22a%26b%22&\
        sort=created&order=asc&per_page=50");
}
