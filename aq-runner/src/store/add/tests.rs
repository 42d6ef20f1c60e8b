//! Tests of adding: ids, keys, names, and what is refused.

use aq_ledger::RecordKey;

use super::*;
use crate::store::testing::{TestQueue, id};

const A: &str = "---\nidempotency-key: k\n---\none\n";
const B: &str = "---\nidempotency-key: k\n---\ntwo\n";

#[test]
fn taken_id_gets_a_number() {
    let queue = TestQueue::new();
    queue.place("a", Stage::Shipped, "x");
    queue.place("a-2", Stage::Failed, "x");
    let added = queue.add(&[("a", "x"), ("a", "x"), ("b", "x")]).unwrap();
    let ids: Vec<&str> = added.iter().map(|one| one.id().as_str()).collect();
    assert_eq!(ids, ["a-3", "a-4", "b"]);
}

#[test]
fn same_file_is_added_once() {
    let queue = TestQueue::new();
    let file = |name: &str, text: &str, may_repeat| {
        let draft = JobDraft::new(format!("{name}.md"), id(name), text.to_owned());
        queue.add_drafts(&[JobDraft { may_repeat, ..draft }]).unwrap().remove(0)
    };
    let known =
        |name: &str, stage| DraftResult::SameFile { id: id(name), stage, name: "a.md".to_owned() };
    assert_eq!(file("a", "x", false), DraftResult::New { id: id("a") });
    assert_eq!(file("a", "x", false), known("a", Stage::Inbox));
    assert_eq!(file("a", "y", false), DraftResult::New { id: id("a-2") });
    queue.shift("a-2", Stage::Inbox, Stage::Shipped);
    assert_eq!(file("a", "y", false), known("a-2", Stage::Shipped));
    assert_eq!(file("b", "x", false), DraftResult::New { id: id("b") }, "another name");
    assert_eq!(file("a", "x", true), DraftResult::New { id: id("a-3") });
}

#[test]
fn job_without_prompt_is_refused() {
    let queue = TestQueue::new();
    for text in ["", "\n \n", "---\npriority: low\n---\n\n"] {
        let refused = queue.add(&[("a", text)]).unwrap_err();
        assert!(refused.to_string().contains("the prompt is empty"), "{text:?}: {refused}");
    }
}

#[test]
fn a_dep_that_nobody_has_is_named() {
    let queue = TestQueue::new();
    queue.add(&[("old", A)]).unwrap();
    let draft = |name: &str, front: &str| {
        JobDraft::new(format!("{name}.md"), id(name), format!("---\n{front}\n---\nx\n"))
    };
    let drafts = [draft("a", "deps: [k, new, no-one]"), draft("b", "idempotency-key: new")];
    let base = queue.base().to_owned();
    let context = AddContext::new(base, None, Timestamp::UNIX_EPOCH);
    let warnings = add(&queue, &drafts, &context).unwrap().warnings;
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert_eq!(warnings[0].kind, AddWarningKind::UnheldDep);
    assert!(warnings[0].text.contains("a.md: no job has the key `no-one`"), "{warnings:?}");
}

#[test]
fn a_tilde_that_nobody_can_resolve_is_refused() {
    let queue = TestQueue::new();
    let refused = queue.add(&[("a", "---\ncwd: ~/x\n---\nx\n")]).unwrap_err();
    assert!(refused.to_string().contains("HOME is not set"), "{refused}");
    assert_eq!(queue.jobs(Stage::Inbox).unwrap(), []);
}

#[test]
fn failed_add_takes_all_back() {
    let queue = TestQueue::new();
    queue.add(&[("old", A)]).unwrap();
    // Where the job goes whose place is taken.
    std::fs::write(queue.archive(), "").unwrap();
    let failed = queue.add(&[("first", "x"), ("new", B)]).unwrap_err();
    assert!(matches!(failed, AddError::Store(_)), "{failed}");
    assert_eq!(queue.jobs(Stage::Inbox).unwrap(), [id("old")]);
    std::fs::remove_file(queue.archive()).unwrap();
    let added = queue.add(&[("first", "x"), ("new", B)]).unwrap();
    assert_eq!(added[0], DraftResult::New { id: id("first") });
    assert_eq!(added[1], DraftResult::Superseded { id: id("new"), old: id("old") });
}

#[test]
fn only_grant_makes_fleet_job() {
    let queue = TestQueue::new();
    for keys in ["fleet-job-id: f\nfleet-lease-epoch: 1", "fleet-lease-epoch: 1"] {
        let refused = queue.add(&[("a", &format!("---\n{keys}\n---\nx\n"))]).unwrap_err();
        assert!(refused.to_string().contains("take them out"), "{refused}");
    }
    assert_eq!(queue.jobs(Stage::Inbox).unwrap(), []);
}

#[test]
fn same_key_and_body_match() {
    let queue = TestQueue::new();
    queue.add(&[("a", A)]).unwrap();
    for (from, to) in [
        (Stage::Inbox, Stage::Inbox),
        (Stage::Inbox, Stage::Building),
        (Stage::Building, Stage::Failed),
    ] {
        queue.shift("a", from, to);
        let added = queue.add(&[("other", A)]).unwrap();
        assert_eq!(added, [DraftResult::Unchanged { id: id("a"), stage: to }]);
    }
    assert!(queue.find(&id("other")).is_none());
}

#[test]
fn repeated_draft_is_one_job() {
    let queue = TestQueue::new();
    queue.place("a", Stage::Shipped, "x");
    let added = queue.add(&[("a", A), ("b", A)]).unwrap();
    let there = DraftResult::Unchanged { id: id("a-2"), stage: Stage::Inbox };
    assert_eq!(added, [DraftResult::New { id: id("a-2") }, there]);
    queue.shift("a-2", Stage::Inbox, Stage::Testing);
    let there = DraftResult::Unchanged { id: id("a-2"), stage: Stage::Testing };
    assert_eq!(queue.add(&[("c", A), ("d", A)]).unwrap(), [there.clone(), there]);
}

#[test]
fn new_body_supersedes_waiting_job() {
    let queue = TestQueue::new();
    queue.add(&[("a", A)]).unwrap();
    let added = queue.add(&[("a", B)]).unwrap();
    assert_eq!(added, [DraftResult::Superseded { id: id("a"), old: id("a") }]);
    assert_eq!(queue.read_job(Stage::Inbox, &id("a")).unwrap(), B);
    let added = queue.add(&[("b", A)]).unwrap();
    assert_eq!(added, [DraftResult::Superseded { id: id("b"), old: id("a") }]);
    assert_eq!(queue.jobs(Stage::Inbox).unwrap(), [id("b")]);
    assert!(queue.archive().join("19700101T000000Z/a.md").exists());
    assert!(!queue.meta(&id("a")).exists());
}

#[test]
fn what_the_old_file_said_is_forgotten() {
    let queue = TestQueue::new();
    let old = "---\nidempotency-key: k\nmodel: m\ndeps: [x]\npriority: high\n---\none\n";
    queue.add(&[("a", old)]).unwrap();
    queue.add(&[("a", B)]).unwrap();
    let meta = queue.record("a");
    assert_eq!((meta.get(RecordKey::Model), meta.get(RecordKey::Deps)), (None, None));
    assert_eq!(meta.get(RecordKey::Priority), Some("medium"));
}

#[test]
fn new_body_is_refused_later() {
    let queue = TestQueue::new();
    queue.add(&[("a", A)]).unwrap();
    queue.shift("a", Stage::Inbox, Stage::Testing);
    let error = queue.add(&[("fine", "x"), ("b", B)]).unwrap_err();
    assert!(
        matches!(&error, AddError::Clash { id, stage: Stage::Testing, .. } if id.as_str() == "a"),
        "{error}"
    );
    assert!(queue.jobs(Stage::Inbox).unwrap().is_empty(), "all or none");
}

#[test]
fn circles_are_named_across_adds() {
    let queue = TestQueue::new();
    let job =
        |key: &str, dep: &str| format!("---\nidempotency-key: {key}\ndeps: [{dep}]\n---\nx\n");
    queue.add(&[("a", &job("a", "b")), ("b", &job("b", "c"))]).unwrap();
    let error = queue.add(&[("c", &job("c", "d")), ("d", &job("d", "a"))]).unwrap_err();
    let AddError::Cycle { path, .. } = &error else { panic!("{error}") };
    assert_eq!(path.len(), 5, "{path:?}");
    assert_eq!(path.first(), path.last());
    assert!(queue.find(&id("c")).is_none());
    // A job that has ended holds nobody up.
    queue.shift("a", Stage::Inbox, Stage::Shipped);
    queue.add(&[("c", &job("c", "d")), ("d", &job("d", "a"))]).unwrap();
}

#[test]
fn fresh_record_is_clean() {
    let queue = TestQueue::new();
    queue.add(&[("a", "x")]).unwrap();
    let text = std::fs::read_to_string(queue.meta(&id("a"))).unwrap();
    assert!(!text.contains("=\n"), "{text}");
    assert_eq!(std::fs::read_dir(queue.state().join("tmp")).unwrap().count(), 0);
}

#[test]
fn many_at_once_are_added_like_one() {
    let queue = TestQueue::new();
    let names: Vec<String> = (0..BULK * 2).map(|n| format!("j{n}")).collect();
    let files: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "x")).collect();
    assert_eq!(queue.add(&files).unwrap().len(), BULK * 2);
    assert_eq!(queue.jobs(Stage::Inbox).unwrap().len(), BULK * 2);
}
