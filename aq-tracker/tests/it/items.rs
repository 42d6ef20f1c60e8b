//! The item API: what is asked, and what its answers mean.

use std::time::Duration;

use aq_manifest::Stage;
use aq_tracker::{
    ItemApi, ItemId, RetryAdvice, StatusMap, Tracker, TrackerError, TrackerResponse, TrackerUpdate,
    mapping,
};
use insta::assert_snapshot;

use crate::fake::{Fake, answer};

fn id() -> ItemId {
    "AQ 7/ä?".parse().unwrap()
}

#[test]
fn an_item_is_read_from_whatever_wraps_it() {
    let item = r#"{"title": "T", "description": null, "priority": {"name": "high"},
        "labels": ["a", {"name": "b", "color": 3}, 4, null, {"x": 1}], "more": []}"#;
    for body in [item.to_owned(), format!("{{\"data\": {item}}}"), format!("{{\"item\": {item}}}")]
    {
        let fake = Fake::new([answer(200, &body)]);
        let item = ItemApi::new(fake.clone()).item(&id()).unwrap();
        assert_eq!((item.title.as_str(), item.description.as_str()), ("T", ""));
        assert_eq!(item.priority.as_deref(), Some("high"));
        assert_eq!(item.labels, ["a", "b", "4"]);
        assert_eq!(item.id, id());
        assert_eq!(fake.asked(), "GET /items/AQ%207%2F%C3%A4%3F");
    }
}

#[test]
fn echo_is_status_and_comment() {
    let fake = Fake::new([answer(204, ""), answer(201, "{}")]);
    let echo = TrackerUpdate::read(Stage::Testing, |key| (key == "attempts").then_some("2"));
    let update = mapping::update(&echo, &StatusMap::default()).unwrap();
    ItemApi::new(fake.clone()).echo(&"7".parse().unwrap(), &update, None).unwrap();
    assert_snapshot!(fake.asked(), @r#"
    PATCH /items/7 {"status":"in_progress"}
    POST /items/7/comments {"body":"aq: testing\n\n- attempts: 2"}
    "#);
}

#[test]
fn what_goes_wrong_is_told_with_what_to_do() {
    let limited = TrackerResponse {
        headers: vec![("retry-after".to_owned(), "9".to_owned())],
        ..answer(429, "slow down")
    };
    for (answer, want, retry) in [
        (answer(404, "x"), "has no item", RetryAdvice::Never),
        (answer(401, "x"), "AQ_TRACKER_TOKEN", RetryAdvice::Later(None)),
        (answer(403, "x"), "forbids this for", RetryAdvice::ItemLater),
        (
            answer(422, r#"{"message": "no\u001b[2J\nstatus"}"#),
            "422, no [2J status",
            RetryAdvice::Never,
        ),
        (answer(500, "<html>"), "status 500", RetryAdvice::ItemLater),
        (answer(302, ""), "status 302", RetryAdvice::ItemLater),
        (limited, "pause of 9 s", RetryAdvice::Later(Some(Duration::from_secs(9)))),
        (answer(200, "not json"), "no JSON", RetryAdvice::ItemLater),
        (answer(200, "[1]"), "is no item", RetryAdvice::ItemLater),
        (answer(200, r#"{"title": 3}"#), "is no item", RetryAdvice::ItemLater),
    ] {
        let error: TrackerError = ItemApi::new(Fake::new([answer])).item(&id()).unwrap_err();
        assert!(error.to_string().contains(want), "{want}: {error}");
        assert_eq!(error.retry(), retry, "{error}");
    }
}
