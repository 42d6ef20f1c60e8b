//! One reason of each code: its JSON, its text, and the way back.

use serde_json::{Value, json};

use crate::{GivenReason, OtherReason, WaitCode, WaitReason};

/// The JSON of a reason of each code, with its text. Other programs compare the codes and read the
/// fields: what is here stays. The texts are for people and may change.
fn samples() -> Vec<(Value, &'static str)> {
    let until = "2026-01-01T12:01:00Z";
    vec![
        (json!({ "code": "held", "by": "person" }), "held by a person"),
        (json!({ "code": "needs", "requirements": ["gpu", "node>=20"] }), "needs gpu, node>=20"),
        (json!({ "code": "no_engine", "engines": ["codex"] }), "no engine installed of codex"),
        (json!({ "code": "no_engine", "engines": [] }), "no engine is named"),
        (
            json!({ "code": "waiting_on", "keys": [
                { "key": "schema", "state": "pending" },
                { "key": "seed", "state": "failed" },
                { "key": "host", "state": "quarantined" },
                { "key": "docs", "state": "missing" },
            ] }),
            "waiting on schema, seed (failed), host (quarantined), docs (no such job)",
        ),
        (json!({ "code": "backoff", "until": until }), "backoff until 2026-01-01T12:01:00Z"),
        (
            json!({ "code": "deps_conflict", "dep": "schema", "file": "src/a.rs" }),
            "deps conflict in src/a.rs",
        ),
        (
            json!({ "code": "dep_elsewhere", "dep": "schema", "host": "mill-1" }),
            "dep elsewhere: the work of schema is on host mill-1",
        ),
        (
            json!({ "code": "repository_in_use", "job": "schema" }),
            "schema has the repository's own checkout",
        ),
        (json!({ "code": "lock_held", "job": "schema" }), "lock held by schema"),
        (json!({ "code": "behind", "job": "seed" }), "behind seed, which has the same lock"),
        (
            json!({ "code": "engine_cooling", "engine": "claude", "until": until }),
            "engine claude cooling down until 2026-01-01T12:01:00Z",
        ),
        (
            json!({ "code": "engine_limited", "engine": "claude" }),
            "engine claude takes no further job for now",
        ),
        (
            json!({ "code": "engine_out", "engine": "codex", "why": "not logged in" }),
            "engine codex out of use: not logged in",
        ),
        (
            json!({ "code": "host_lacks", "what": "engine", "engine": "claude",
                "seen": "~/bin/claude", "by": "add" }),
            "engine claude is not on the loop's PATH; aq add found it at ~/bin/claude",
        ),
        (
            json!({ "code": "host_lacks", "what": "engine", "engine": "claude",
                "expected": "/opt/claude", "seen": "~/bin/claude", "by": "run_loop" }),
            "engine claude is not at /opt/claude; it was at ~/bin/claude before",
        ),
        (
            json!({ "code": "host_lacks", "what": "other_program", "engine": "gemini",
                "path": "~/bin/gemini", "answer": "goose 3", "variable": "GEMINI_BIN" }),
            "~/bin/gemini is not the engine gemini: it says \"goose 3\"; put the right program \
             first on the loop's PATH, or name it in GEMINI_BIN",
        ),
        (json!({ "code": "host_lacks", "what": "program", "program": "git" }), "git is not here"),
        (
            json!({ "code": "host_lacks", "what": "room", "free": 3_100_000_000_u64,
                "mark": 5_000_000_000_u64 }),
            "no room: 3.1 GB free of 5",
        ),
        (
            json!({ "code": "host_lacks", "what": "resource", "resource": "memory",
                "refusal": "cannot fork" }),
            "no memory: cannot fork",
        ),
        (
            json!({ "code": "review_full", "n": 3, "max": 3 }),
            "no free slot (3 of 3 jobs wait in review)",
        ),
        (json!({ "code": "no_slot", "n": 2 }), "no free slot"),
        (json!({ "code": "untrusted", "queue": "/q" }), "the queue is not trusted: aq trust /q"),
        (json!({ "code": "train", "place": 3, "into": "main" }), "third in the train of main"),
        (json!({ "code": "train", "place": 11, "into": "main" }), "number 11 in the train of main"),
        (
            json!({ "code": "train_waits", "refusal": "/r has changes of its own (a.rs)",
                "files": ["a.rs"] }),
            "its merge waits: /r has changes of its own (a.rs)",
        ),
        (
            json!({ "code": "dep_unmerged", "dep": "schema", "file": "src/a.rs" }),
            "its merge waits for schema, which is not shipped: src/a.rs needs its work",
        ),
        (json!({ "code": "no_free_host" }), "no free slot on a host that fits"),
        (
            json!({ "code": "in_doubt" }),
            "a backup was restored, and it may have ended since: requeue it to run it, \
             or cancel it; `aq coordinator --after-restore run` runs all such jobs",
        ),
        (json!({ "code": "no_host" }), "no host that fits asks for a job now"),
        (
            json!({ "code": "deps_cycle", "keys": ["a", "b", "a"] }),
            "its deps form a circle: a -> b -> a",
        ),
    ]
}

fn read(json: &Value) -> WaitReason {
    serde_json::from_value(json.clone()).unwrap()
}

#[test]
fn each_code_is_read_and_written() {
    for (json, text) in samples() {
        let reason = read(&json);
        assert!(!matches!(reason, WaitReason::Other(_)), "{json}");
        assert_eq!(serde_json::to_value(&reason).unwrap(), json);
        assert_eq!(reason.code().map(WaitCode::as_str), json["code"].as_str(), "{json}");
        assert_eq!(reason.to_string(), text);
    }
    for &code in WaitCode::ALL {
        assert_eq!(WaitCode::of_text(code.as_str()), Some(code));
        assert!(samples().iter().any(|(json, _)| json["code"] == code.as_str()), "{code:?}");
    }
}

#[test]
fn unknown_reasons_keep_their_fields() {
    for json in [
        json!({ "code": "moon_waits", "place": 3, "of": ["a", { "b": null }] }),
        json!({ "code": "lock_held", "job": "../no job" }),
        json!({ "code": "held", "by": "hook", "name": "n" }),
        json!({ "code": "" }),
    ] {
        let reason = read(&json);
        assert!(matches!(reason, WaitReason::Other(_)), "{json}");
        assert_eq!(reason.code_text(), json["code"].as_str().unwrap());
        assert_eq!(serde_json::to_value(&reason).unwrap(), json);
    }
    assert_eq!(read(&json!({ "code": "held", "by": "hook" })).code(), Some(WaitCode::Held));
    assert_eq!(read(&json!({ "code": "moon_waits" })).code(), None);
    for json in [json!({}), json!({ "code": 1 }), json!("held"), json!(null)] {
        assert!(serde_json::from_value::<WaitReason>(json).is_err());
    }
}

#[test]
fn given_texts_are_shown_for_unknown_codes() {
    let text = "in other words".to_owned();
    let known = read(&json!({ "code": "lock_held", "job": "a" }));
    let given = |reason| GivenReason { reason, text: text.clone() };
    assert_eq!(given(known.clone()).to_string(), known.to_string());
    let later = WaitReason::Other(OtherReason::of_code(WaitCode::WaitingOn));
    assert_eq!(given(later.clone()).to_string(), text);
    let bare = GivenReason { reason: later, text: String::new() };
    assert_eq!(bare.to_string(), "waiting on");
    let object = known.with_text(&text);
    let want = json!({ "code": "lock_held", "job": "a", "text": "in other words" });
    assert_eq!(Value::Object(object), want);
}
