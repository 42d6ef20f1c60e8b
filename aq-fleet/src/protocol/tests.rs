//! The wire, byte for byte where it is fixed, and what hostile text cannot do.

use aq_manifest::{Outcome, Stage};
use proptest::prelude::*;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::*;

const JOB: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

/// Reads a document as a type and writes it again.
fn again<T: DeserializeOwned + serde::Serialize>(document: &Value) -> Value {
    let value: T = serde_json::from_value(document.clone()).unwrap();
    serde_json::to_value(value).unwrap()
}

/// A document in full goes through its type unchanged.
fn kept<T: DeserializeOwned + serde::Serialize>(document: &Value) {
    assert_eq!(&again::<T>(document), document);
}

fn error<T: DeserializeOwned>(document: Value) -> String {
    serde_json::from_value::<T>(document).err().expect("it must be refused").to_string()
}

#[test]
fn every_body_is_as_the_protocol_writes_it() {
    let checkpoint = json!({
        "branch": "aq/wip/fix-login", "commit": "0123456789abcdef0123456789abcdef01234567",
        "remote": "origin",
    });
    let metrics = json!({
        "durationS": 1.5, "exit": 0, "attempts": 2, "filesChanged": 3, "linesAdded": 4,
        "linesDeleted": 5, "inputTokens": 6, "cachedTokens": 7, "outputTokens": 8,
        "costUsd": 0.25, "usageEstimated": true, "engine": "claude", "model": "m-1",
    });
    kept::<RegisterRequest>(&json!({
        "host": "h", "capabilities": ["os:linux", "node:20.1"], "capacity": 2, "version": "0.1.0",
        "instanceId": "i-1",
    }));
    kept::<RegisterRequest>(&json!({
        "host": "h", "capabilities": [], "capacity": 2, "version": "0.1.0", "instanceId": "i-1",
        "ended": [{ "n": 4, "jobId": JOB, "key": "nightly", "epoch": 7, "outcome": "shipped" }],
    }));
    kept::<RegisterResponse>(&json!({
        "heartbeatMs": 15_000, "leaseMs": 60_000, "protocol": 1, "database": JOB, "ended": 4,
    }));
    // That of a coordinator of version 0.1.
    let old = json!({ "heartbeatMs": 15_000, "leaseMs": 60_000, "protocol": 1 });
    let old: RegisterResponse = serde_json::from_value(old).unwrap();
    assert_eq!((old.database, old.ended), (None, 0));
    kept::<HeartbeatRequest>(&json!({
        "instanceId": "i-1", "free": 1, "leases": [{ "jobId": JOB, "epoch": 3 }],
    }));
    kept::<HeartbeatAnswer>(&json!({
        "leases": [
            { "jobId": JOB, "epoch": 3, "state": "held", "expiresInMs": 60_000 },
            { "jobId": JOB, "epoch": 2, "state": "lost", "expiresInMs": 0 },
        ],
        "directives": [{ "jobId": JOB, "kind": "cancel" }, { "kind": "drain" }],
    }));
    kept::<ClaimRequest>(&json!({
        "requestId": "r-1", "factoryId": "a-shadow", "capabilities": ["gpu"], "free": 1,
        "heldLocks": ["db"], "dryRun": true, "waitMs": 30_000,
    }));
    kept::<ClaimResponse>(&json!({ "jobs": [{
        "jobId": JOB, "key": "k", "epoch": 1, "leaseMs": 60_000, "manifest": "hello",
        "checkpoint": checkpoint, "name": "n",
    }] }));
    kept::<RenewRequest>(&json!({ "factoryId": "a", "epoch": 1 }));
    kept::<RenewResponse>(&json!({ "expiresInMs": 1 }));
    kept::<ReportRequest>(&json!({
        "factoryId": "a", "epoch": 1, "seq": 2, "stage": "building", "checkpoint": checkpoint,
        "metrics": metrics, "shadow": true, "verdict": "COORD_EMPTY",
    }));
    kept::<ReleaseRequest>(&json!({
        "factoryId": "a", "epoch": 1, "outcome": "requeue", "result": "verify_failed",
        "metrics": metrics,
    }));
    kept::<EventsRequest>(&json!({ "factoryId": "a", "epoch": 1, "events": [{
        "seq": 1, "at": "2026-01-02T03:04:05Z", "kind": "stage",
        "fields": { "attempt": 1, "cost": 0.5, "ok": true, "to": "review" },
    }] }));
    kept::<SubmitRequest>(
        &json!({ "manifest": "x", "name": "n", "shadow": true, "factoryId": "a" }),
    );
    kept::<SubmitResponse>(&json!({ "jobId": JOB, "key": "k" }));
}

#[test]
fn unknown_fields_are_ignored() {
    let claim: ClaimRequest = serde_json::from_value(json!({
        "requestId": "r", "factoryId": "a", "capabilities": [], "free": 1, "later": {"x": [1]},
    }))
    .unwrap();
    assert_eq!((claim.dry_run, claim.wait_ms, claim.held_locks.len()), (false, 0, 0));
    assert_eq!(
        again::<ReportRequest>(
            &json!({ "factoryId": "a", "epoch": 1, "seq": 2, "stage": "review" })
        ),
        json!({ "factoryId": "a", "epoch": 1, "seq": 2, "stage": "review", "shadow": false })
    );
    let answer: HeartbeatAnswer =
        serde_json::from_value(json!({ "leases": [], "directives": [{ "kind": "dance" }] }))
            .unwrap();
    assert_eq!(answer.directives, [HostDirective::Unknown]);
}

#[test]
fn bad_fields_are_named() {
    assert!(error::<RenewRequest>(json!({ "epoch": 1 })).contains("factoryId"));
    assert!(
        error::<RenewRequest>(json!({ "factoryId": "../a", "epoch": 1 })).contains("starts with")
    );
    assert!(error::<RenewRequest>(json!({ "factoryId": "a", "epoch": -1 })).contains("u64"));
    let report = |stage| json!({ "factoryId": "a", "epoch": 1, "seq": 2, "stage": stage });
    assert!(error::<ReportRequest>(report("done")).contains("\"done\" is no stage"));
    let release =
        |result| json!({ "factoryId": "a", "epoch": 1, "outcome": "failed", "result": result });
    assert!(error::<ReleaseRequest>(release("bad luck")).contains("result"));
    assert!(error::<SubmitRequest>(json!({ "manifest": "x", "name": "a/b" })).contains("'/'"));
    let register = json!({
        "host": "h", "capabilities": ["a b"], "capacity": 2, "version": "0", "instanceId": "i",
    });
    assert!(error::<RegisterRequest>(register).contains("capability"));
}

#[test]
fn shadow_has_its_owners_name() {
    let id: FactoryId = "host-a".parse().unwrap();
    let shadow = id.shadow().unwrap();
    assert_eq!(shadow.as_str(), "host-a-shadow");
    assert_eq!((shadow.is_shadow(), shadow.owner()), (true, Some(id.clone())));
    assert_eq!((id.is_shadow(), id.owner()), (false, None));
    let bare: FactoryId = "x-shadow".parse().unwrap();
    assert_eq!(bare.owner().unwrap().as_str(), "x");
    assert!("-shadow".parse::<FactoryId>().is_err());
    assert!("a".repeat(121).parse::<FactoryId>().unwrap().shadow().is_ok());
    let long: FactoryId = "a".repeat(122).parse().unwrap();
    assert!(long.shadow().unwrap_err().to_string().contains("AQ_FACTORY_ID"));
}

#[test]
fn fleet_job_has_one_name() {
    let id: FleetJobId = JOB.parse().unwrap();
    assert_eq!(id.to_string(), JOB);
    let simple = JOB.replace('-', "");
    for other in [&simple, &JOB.to_uppercase(), &format!("{{{JOB}}}"), "", "../x", "job-1"] {
        assert!(other.parse::<FleetJobId>().is_err(), "{other}");
    }
}

#[test]
fn checkpoints_hold_nothing_that_git_could_misread() {
    let commit = "0".repeat(40);
    for branch in ["aq/wip/a", "aq/wip/fix-login.v2", "aq/wip/a-"] {
        assert_eq!(branch.parse::<BranchName>().unwrap().as_str(), branch);
    }
    for branch in [
        "",
        "main",
        "aq/wip/",
        "aq/wip/-x",
        "aq/wip/a..b",
        "aq/wip/a.lock",
        "aq/wip/a.",
        "aq/wip/a/b",
        "aq/wip/a b",
        "aq/wip/a:b",
        "--upload-pack=x",
        "aq/wip/a\n",
        "+aq/wip/a",
    ] {
        assert_eq!(branch.parse::<BranchName>(), Err(CheckpointError::Branch), "{branch:?}");
    }
    assert!(commit.parse::<CommitId>().is_ok() && "a".repeat(64).parse::<CommitId>().is_ok());
    for bad in ["", "HEAD", &"A".repeat(40), &"0".repeat(41), &"-".repeat(40)] {
        assert_eq!(bad.parse::<CommitId>(), Err(CheckpointError::Commit), "{bad:?}");
    }
}

#[test]
fn event_cannot_carry_a_sentence() {
    assert!("two words".parse::<Identifier>().is_err());
    assert!("".parse::<Identifier>().is_err() && "é".parse::<Identifier>().is_err());
    assert_eq!(Identifier::lossy("claude é\n").as_str(), "claude___");
    assert_eq!(Identifier::lossy("").as_str(), "_");
    assert_eq!(Identifier::lossy(&"x".repeat(500)).as_str().len(), 128);
    let event = |field: Value| {
        json!({
            "seq": 1, "at": "2026-01-02T03:04:05Z", "kind": "k", "fields": { "f": field },
        })
    };
    for bad in [json!("Fix the login."), json!(["a"]), json!({"a": 1}), json!(null)] {
        error::<JobEvent>(event(bad));
    }
}

#[test]
fn a_problem_says_its_kind_whoever_serves_it() {
    let mut problem = ProblemBody::new(ProblemKind::Fenced, "job x is at epoch 4");
    problem.current_epoch = Some(Epoch(4));
    problem.holder = Some("b".parse().unwrap());
    assert_eq!(
        serde_json::to_value(&problem).unwrap(),
        json!({
            "type": "/problems/fenced", "code": "fenced", "title": "The job is no longer yours",
            "status": 409,
            "detail": "job x is at epoch 4", "currentEpoch": 4, "holder": "b",
        })
    );
    for kind in ProblemKind::ALL {
        assert_eq!(ProblemBody::new(kind, "").kind(), Some(kind));
    }
    let of_type =
        |uri: &str| ProblemBody { kind_uri: uri.to_owned(), ..ProblemBody::default() }.kind();
    assert_eq!(of_type("https://example.org/p/fenced"), Some(ProblemKind::Fenced));
    assert_eq!((of_type("about:blank"), of_type("")), (None, None));
    let coded = ProblemBody { code: "fenced".to_owned(), ..ProblemBody::default() };
    assert_eq!(coded.kind(), Some(ProblemKind::Fenced));
    let hostile = ProblemBody::new(ProblemKind::Invalid, "a\u{1b}[2J\nb");
    assert!(!hostile.to_string().contains(['\n', '\u{1b}']), "{hostile}");
}

#[test]
fn a_view_of_a_job_is_flat_and_survives() {
    let job = json!({
        "jobId": JOB, "key": "k", "name": "n", "stage": "failed", "result": "crash",
        "priority": "high", "lock": "db", "shadow": false, "epoch": 2, "holder": "a",
        "expiresInMs": 5, "lapsed": true, "cancel": false, "attempts": 1, "ageMs": 9,
    });
    kept::<JobSummary>(&job);
    let mut view = job;
    view["deps"] = json!(["d"]);
    view["waiting"] = json!("waiting on d");
    let awaited = json!({ "key": "d", "state": "pending" });
    view["waitingReason"] = json!({ "code": "waiting_on", "keys": [awaited] });
    view["grants"] = json!([{
        "epoch": 2, "factoryId": "a", "instanceId": "i", "startedMsAgo": 4, "endedMsAgo": 3,
        "outcome": "failed", "lost": false,
    }]);
    view["reports"] = json!([{ "epoch": 2, "seq": 1, "stage": "building", "msAgo": 3 }]);
    kept::<JobView>(&view);
    let view: JobView = serde_json::from_value(view).unwrap();
    assert_eq!((view.job.stage, view.job.result), (Stage::Failed, Some(Outcome::Crash)));
}

#[test]
fn limits_are_the_protocols() {
    assert_eq!((MAX_BODY_BYTES, MAX_MANIFEST_BYTES), (2_097_152, 1_048_576));
    assert_eq!((MAX_LEASES, MAX_WAIT_MS, DEFAULT_TIMEOUT.as_secs()), (10_000, 30_000, 10));
    const { assert!(OLDEST_PROTOCOL <= PROTOCOL_VERSION) };
    const { assert!(OLDEST_PROTOCOL + 1 >= PROTOCOL_VERSION) };
    let random = [RequestId::random(), RequestId::random()];
    assert_ne!(random[0], random[1]);
}

proptest! {
    #[test]
    fn control_characters_are_refused(text in "\\PC*|[\\x00-\\x7f]{0,200}") {
        let word = Identifier::lossy(&text);
        prop_assert_eq!(word.as_str().parse::<Identifier>(), Ok(word.clone()));
        let branch = format!("aq/wip/{text}");
        if let Ok(branch) = branch.parse::<BranchName>() {
            let plain = |b: u8| b.is_ascii_graphic() && !b"~^:?*[\\ ".contains(&b);
            prop_assert!(branch.as_str().bytes().all(plain));
        }
    }
}
