//! The JSON of each command: the keys that `docs/commands.md` promises.

use serde_json::{Value, json};

use crate::sandbox::Sandbox;

const JOB: [&str; 20] = [
    "added_at",
    "attempts",
    "cost_usd",
    "ended_at",
    "engine",
    "failure_class",
    "id",
    "max_attempts",
    "message",
    "meta",
    "priority",
    "profile",
    "pull_request",
    "result",
    "stage",
    "started_at",
    "state",
    "tracker",
    "verified",
    "warnings",
];

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

fn sorted<'a>(some: &[&'a str], more: &[&'a str]) -> Vec<&'a str> {
    let mut all = [some, more].concat();
    all.sort_unstable();
    all
}

#[test]
fn status_and_why() {
    let sandbox = Sandbox::new();
    sandbox.add("ended", "retry: {max: 2, backoff: 1s}", "exit 1");
    sandbox.add("human", "review-policy: human", "true");
    sandbox.code(&["run", "--once"]);
    sandbox.add("next", "priority: high", "true");
    sandbox.add("after", "deps: [nowhere]", "true");

    let status = sandbox.json(&["status", "--json"]);
    assert_eq!(
        keys(&status),
        [
            "counts",
            "jobs",
            "last_24h",
            "loop",
            "not_jobs",
            "now",
            "queue",
            "resting_engines",
            "trusted",
            "version"
        ]
    );
    assert_eq!(status["version"], 2);
    assert_eq!(status["counts"]["inbox"], 2);
    assert!(status["loop"].is_null());
    let jobs = status["jobs"].as_array().unwrap();
    let states: Vec<(&str, &str)> = jobs
        .iter()
        .map(|job| (job["id"].as_str().unwrap(), job["state"].as_str().unwrap()))
        .collect();
    assert_eq!(
        states,
        [("next", "waiting"), ("after", "waiting"), ("human", "resting"), ("ended", "resting")]
    );
    assert_eq!(keys(&jobs[0]), sorted(&JOB, &["reason"]));
    assert!(jobs[0]["reason"].is_null());
    let text = "waiting on nowhere (no such job)";
    let keys_of = json!([{ "key": "nowhere", "state": "missing" }]);
    assert_eq!(jobs[1]["reason"], json!({ "code": "waiting_on", "keys": keys_of, "text": text }));
    assert_eq!(keys(&jobs[3]), JOB);
    assert_eq!(jobs[3]["attempts"], 2);
    assert_eq!(jobs[3]["max_attempts"], 2);
    assert_eq!(jobs[3]["result"], "retries_exhausted");
    assert_eq!(jobs[3]["failure_class"], "crash");
    assert_eq!(jobs[3]["meta"]["exit"], "1");

    let insights = sandbox.json(&["insights", "--json"]);
    assert_eq!(
        keys(&insights),
        ["all", "days", "engines", "jobs", "no_profile", "profiles", "time_zone", "version"]
    );
    assert_eq!(keys(&insights["days"][0]), ["all", "date", "engines"]);
    assert_eq!(insights["jobs"].as_array().unwrap().len(), 2);

    let why = sandbox.json(&["why", "next", "--json"]);
    assert_eq!(keys(&why), sorted(&JOB, &["builds_on", "reason", "version"]));
}

/// The shapes of version 1 are those of before there were codes: what version 2 has, with the text
/// in place of each object that has a code.
#[test]
fn version_1_has_texts() {
    fn without_codes(value: &mut Value) {
        if value.get("code").is_some() {
            *value = value["text"].take();
            assert!(value.is_string(), "each code has a text");
        }
        match value {
            Value::Array(all) => all.iter_mut().for_each(without_codes),
            Value::Object(all) => all.values_mut().for_each(without_codes),
            _ => {}
        }
    }
    let mut sandbox = Sandbox::new();
    sandbox.add("after", "deps: [nowhere]", "true");
    sandbox.add("damaged", "", "true");
    let record = sandbox.queue(".state/meta/damaged.meta");
    let text = std::fs::read_to_string(&record).unwrap();
    std::fs::write(&record, text + "attempts=many\n").unwrap();
    let bad = sandbox.write("bad", "yolo: maybe", "true");
    let bad = bad.to_str().unwrap();
    std::fs::write(sandbox.queue("config.yaml"), "capabilities: [\"a b\"]\n").unwrap();
    sandbox.set("AQ_FLEET", "1");
    // Tools are asked once.
    sandbox.code(&["caps"]);
    let mut coded = 0;
    for args in [
        &["status"][..],
        &["why", "after"],
        &["why", "damaged"],
        &["caps"],
        &["engines"],
        &["check", bad],
    ] {
        let answer = |option: &str| sandbox.json(&[args, &[option]].concat());
        let (mut first, mut second) = (answer("--json=1"), answer("--json"));
        assert_eq!((&first["version"], &second["version"]), (&1.into(), &2.into()), "{args:?}");
        assert_eq!(answer("--json=2")["version"], 2);
        coded += second.to_string().matches("\"code\":").count();
        without_codes(&mut second);
        for shape in [&mut first, &mut second] {
            shape["version"].take();
            shape["now"].take();
        }
        assert_eq!(first, second, "{args:?}");
    }
    assert!(coded > 8, "{coded} codes");
    let (code, said) = sandbox.code(&["status", "--json=3"]);
    assert!(code == 2 && said.contains("--json"), "{said}");
}

#[test]
fn running_job_and_its_loop() {
    let sandbox = Sandbox::new();
    sandbox.add("long", "", "sleep 100");
    let mut running = sandbox.start_loop(&["--max", "3"]);
    sandbox.worker("long");
    let status = sandbox.json(&["status", "--json"]);
    assert_eq!(keys(&status["loop"]), ["max", "max_review", "pid", "started_at"]);
    assert_eq!(status["loop"]["max"], 3);
    assert_eq!(status["loop"]["pid"], running.id());
    let job = &status["jobs"][0];
    assert_eq!(keys(job), sorted(&JOB, &["running_s", "stalled"]));
    assert_eq!((&job["state"], &job["stalled"]), (&"running".into(), &false.into()));
    sandbox.ok(&["stop", "--all"]);
    crate::sandbox::wait_child(&mut running);
}

#[test]
fn add_and_check() {
    let sandbox = Sandbox::new();
    let good = sandbox.write("good", "idempotency-key: k", "true");
    let good = good.to_str().unwrap();
    let added = sandbox.json(&["add", good, "--json"]);
    assert_eq!(
        added,
        serde_json::json!({
            "version": 2,
            "added": [{ "id": "good", "result": "new", "stage": "inbox" }],
            "warnings": [],
        })
    );
    assert_eq!(sandbox.json(&["add", good, "--json"])["added"][0]["result"], "unchanged");
    let other = sandbox.write("other", "idempotency-key: k\npriority: low", "true");
    let replaced = sandbox.json(&["add", other.to_str().unwrap(), "--json"]);
    assert_eq!(
        replaced["added"][0],
        serde_json::json!({
            "id": "other", "result": "superseded", "stage": "inbox", "replaced": "good"
        })
    );
    let odd = sandbox.write("odd", "priorty: low", "true");
    let warned = sandbox.json(&["add", odd.to_str().unwrap(), "--json"]);
    assert_eq!(keys(&warned["warnings"][0]), ["code", "jobs", "text"]);
    assert_eq!(warned["warnings"][0]["code"], "job_file");
    let warning = warned["warnings"][0]["text"].as_str().unwrap();
    assert!(warning.starts_with("warning: unknown key `priorty`"), "{warning}");
    assert!(!warning.contains('\u{1b}'));

    let bad = sandbox.write("bad", "yolo: maybe", "true");
    let checked = sandbox.json(&["check", good, bad.to_str().unwrap(), "--json"]);
    assert_eq!(keys(&checked), ["files", "version"]);
    assert_eq!(keys(&checked["files"][0]), ["error", "file", "ok", "report"]);
    assert_eq!(checked["files"][0]["ok"], true);
    let error = &checked["files"][1]["error"];
    assert_eq!(keys(error), ["code", "column", "file", "line", "text"]);
    assert_eq!((&error["code"], &error["line"]), (&"invalid_manifest".into(), &4.into()));
    assert!(error["text"].as_str().unwrap().starts_with("line 4, column 7: "));
    let strict = ["check", "--strict", odd.to_str().unwrap(), "--json"];
    assert_eq!(sandbox.json(&strict)["files"][0]["error"]["code"], "has_warnings");
}

#[test]
fn the_host() {
    let sandbox = Sandbox::new();
    let caps = sandbox.json(&["caps", "--json"]);
    assert_eq!(keys(&caps), ["absent", "problems", "sandbox", "tokens", "version"]);
    assert_eq!(keys(&caps["sandbox"]), ["items", "level"]);
    assert_eq!(keys(&caps["sandbox"]["items"][0]), ["item", "lacks"]);
    let tokens = caps["tokens"].as_array().unwrap();
    assert_eq!(keys(&tokens[0]), ["from", "token"]);
    assert!(tokens.iter().any(|one| one["token"] == "engine:shell"), "{tokens:?}");
    let engines = sandbox.json(&["engines", "--json"]);
    assert_eq!(keys(&engines), ["engines", "version"]);
    for engine in engines["engines"].as_array().unwrap() {
        let expected = [
            "classes",
            "missing",
            "name",
            "newer_than_tried",
            "pitfalls",
            "program",
            "tried",
            "variable",
            "version",
            "windows",
        ];
        assert_eq!(keys(engine), expected);
        assert_eq!(engine["program"].is_null(), engine["missing"].is_object());
        assert_eq!(engine["program"].is_null(), engine["missing"]["code"].is_string());
    }
}

#[test]
fn what_the_shadow_found() {
    let sandbox = Sandbox::new();
    let lines = [
        "verdict=AGREE local=a coord=a reason=- latency_ms=3 snapshot=0000000000000001",
        "verdict=DIVERGE local=a coord=b%0A reason=priority latency_ms=4 snapshot=0000000000000002",
        "verdict=ERROR local=a coord=- reason=garbled latency_ms=5 snapshot=0000000000000003",
    ];
    let log: String =
        lines.iter().map(|line| format!("ts=2026-01-02T03:04:05Z {line}\n")).collect();
    std::fs::write(sandbox.queue(".state/fleet-shadow.log"), log + "torn").unwrap();
    let report = sandbox.json(&["fleet-shadow-report", "--json"]);
    let expected = [
        "agree",
        "bad_lines",
        "coord_empty",
        "counted",
        "diverge",
        "error",
        "error_reasons",
        "interval",
        "latest",
        "local_empty",
        "min_rate",
        "min_samples",
        "missing",
        "nothing_to_choose",
        "rate",
        "ready",
        "reasons",
        "repeated",
        "version",
    ];
    assert_eq!(keys(&report), expected);
    assert_eq!((&report["version"], &report["ready"]), (&2.into(), &false.into()));
    assert_eq!((&report["counted"], &report["agree"]), (&3.into(), &1.into()));
    assert_eq!(keys(&report["interval"]), ["high", "low"]);
    assert_eq!(keys(&report["latest"][0]), ["coord", "local", "reason", "ts", "verdict"]);
    assert_eq!(report["latest"][0]["verdict"], "DIVERGE");
    let gap = json!({ "code": "decisions", "more": 197, "min_samples": 200,
        "text": "197 more decisions, of 200" });
    assert_eq!(report["missing"][0], gap);
    assert_eq!(report["missing"][1]["code"], "rate");
    let first = sandbox.json(&["fleet-shadow-report", "--json=1"]);
    assert_eq!((&first["version"], &first["missing"][0]), (&1.into(), &gap["text"]));
    insta::assert_snapshot!(sandbox.says(&["fleet-shadow-report"]), @"
    not ready
      missing: 197 more decisions, of 200
      missing: an agreement rate that is surely 0.98 or more; so far it may be as low as 0.0615; \
    358 more agreements without a disagreement would do

    3 decisions compared, 33.3 % agree (95 % sure: 6.1 % to 79.2 %)
      AGREE             1  both picked the same job
      DIVERGE           1  each picked another job
      COORD_EMPTY       0  this host picked a job, the coordinator none
      LOCAL_EMPTY       0  the coordinator picked a job, this host none
      ERROR             1  the coordinator gave no answer that could be used

    disagreements by reason
      priority          1

    errors by reason
      garbled           1

    TIME                  VERDICT  HERE  COORDINATOR  REASON
    2026-01-02T03:04:05Z  DIVERGE  a     b\\n          priority
    exit 1
    ");
}
