//! Whatever the coordinator does, a run leaves the same files as without a shadow, in about the
//! same time; and what the shadow sends is of the shadow only.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::json;

use super::stand_in::{Asked, Manner, StandIn};
use super::{field, join, lines};
use crate::feedback::without_marks;
use crate::sandbox::Sandbox;

/// The time that a run may take longer on a busy machine: what is left to compare in the end is
/// waited for for 2 s at most, and a run that waits for an answer does so for 10 s.
const LONGER: Duration = Duration::from_secs(8);

/// Keys of records that differ from run to run: times, processes, and what comes of them.
const VARIES: [&str; 6] = ["pid", "pidstart", "boot", "source", "duration_s", "total_duration_s"];

/// Jobs of many kinds: they succeed, fail, are tried again, wait for others, and wait for people.
fn fill(sandbox: &Sandbox) {
    for (name, front, body) in [
        ("plain", "", "echo hello"),
        ("urgent", "priority: critical", "echo now"),
        ("low", "priority: low\nlock: db", "true"),
        ("locked", "lock: db", "sleep 0.1"),
        ("keyed", "idempotency-key: k1", "echo k1 > k1"),
        ("after", "deps: [k1]", "test -f k1"),
        ("fails", "retry: {max: 2, backoff: 1s}", "exit 3"),
        ("never", "deps: [nowhere]", "true"),
        ("asks", "review-policy: human", "true"),
        ("misfit", "capabilities: [gpu>=99]", "true"),
    ] {
        sandbox.add(name, front, body);
    }
}

/// Runs the queue to its end, and answers how long that took.
fn run(sandbox: &Sandbox) -> Duration {
    let begun = Instant::now();
    let (code, said) = sandbox.code(&["run", "--once", "--ship", "--max", "2"]);
    assert_eq!(code, 1, "some fail: {said}");
    begun.elapsed()
}

/// Every file of the queue and what is in it, without the shadow's log, what was found out about
/// the host's tools, and scratch space that is kept ready.
fn files(sandbox: &Sandbox) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    collect(&sandbox.queue(""), "", &sandbox.path(""), &mut found);
    let varies = [".state/fleet-shadow.log", ".state/host-tools.json", ".state/tmp/"];
    found.retain(|name, _| !varies.iter().any(|start| name.starts_with(start)));
    found
}

fn collect(dir: &Path, prefix: &str, root: &Path, found: &mut BTreeMap<String, String>) {
    for entry in fs::read_dir(dir).unwrap() {
        let entry = entry.unwrap();
        let name = format!("{prefix}{}", entry.file_name().to_str().unwrap());
        if entry.file_type().unwrap().is_dir() {
            collect(&entry.path(), &format!("{name}/"), root, found);
            found.insert(name, "a directory".to_owned());
            continue;
        }
        let text = String::from_utf8_lossy(&fs::read(entry.path()).unwrap()).into_owned();
        let text = without_marks(&text.replace(root.to_str().unwrap(), "DIR/"));
        // A command has a control group of its own when it is slow.
        let lines = text.lines().filter(|line| !line.starts_with("cgroup="));
        found.insert(name, lines.map(steady).collect::<Vec<_>>().join("\n"));
    }
}

/// A line without what differs from run to run: values of records, times, and lengths of time.
fn steady(line: &str) -> String {
    if let Some((key, _)) = line.split_once('=')
        && (VARIES.contains(&key) || key.ends_with("_at") || key == "next_eligible")
    {
        return format!("{key}=?");
    }
    let is_time = |word: &str| word.parse::<jiff::Timestamp>().is_ok();
    let is_length =
        |word: &str| word.strip_suffix('s').is_some_and(|word| word.parse::<f64>().is_ok());
    let words = line.split_inclusive([' ', '"', ',', '(', ')']).map(|part| {
        let word = part.trim_end_matches([' ', '"', ',', '(', ')']);
        if is_time(word) || is_length(word) { part.replace(word, "?") } else { part.to_owned() }
    });
    words.collect()
}

/// Describes the difference in few words.
fn assert_same(
    found: &BTreeMap<String, String>,
    expected: &BTreeMap<String, String>,
    what: &dyn std::fmt::Debug,
) {
    let names: BTreeSet<&String> = found.keys().chain(expected.keys()).collect();
    for name in names {
        assert_eq!(found.get(name), expected.get(name), "{what:?}: {name}");
    }
}

/// Checks that the shadow sends what it may, and nothing else.
fn check(asked: &[Asked]) {
    for Asked { method, path, body } in asked {
        let parts: Vec<&str> = path.split('/').skip(2).collect();
        match (method.as_str(), &parts[..]) {
            // The host is a member as without a shadow.
            ("PUT", ["factories", "host"]) | ("POST", ["factories", "host", "heartbeat"]) => {}
            ("GET", _) => {}
            ("POST", ["jobs"]) => {
                assert_eq!((&body["shadow"], &body["factoryId"]), (&json!(true), &json!("host")));
            }
            ("POST", ["jobs", _, "reports"]) => {
                assert_eq!((&body["shadow"], &body["epoch"]), (&json!(true), &json!(0)));
            }
            ("POST", ["claims"]) => {
                let asks = (&body["factoryId"], &body["dryRun"], &body["free"], &body["waitMs"]);
                assert_eq!(asks, (&json!("host-shadow"), &json!(true), &json!(1), &json!(0)));
            }
            ("POST", ["jobs", _, "release"]) => {
                let gives = (&body["factoryId"], &body["epoch"], &body["outcome"]);
                assert_eq!(gives, (&json!("host-shadow"), &json!(7), &json!("abandoned")));
            }
            other => panic!("{other:?}"),
        }
    }
}

fn count(asked: &[Asked], end: &str) -> usize {
    asked.iter().filter(|asked| asked.path.ends_with(end)).count()
}

#[test]
fn coordinator_changes_no_file() {
    let mut without = Sandbox::new();
    let right = StandIn::start(Manner::Right);
    join(&mut without, &right.url(), false);
    fill(&without);
    let usual = run(&without);
    let expected = files(&without);
    assert!(expected.len() > 30 && lines(&without).is_empty(), "{:?}", expected.keys());
    assert_eq!(count(&right.asked(), "/claims"), 0);

    for (manner, reason) in [
        (Manner::Right, None),
        (Manner::Grants, Some("granted")),
        (Manner::Hangs, Some("unreachable")),
        (Manner::Broken, Some("unreachable")),
        (Manner::Nonsense, Some("garbled")),
    ] {
        let mut sandbox = Sandbox::new();
        let coordinator = StandIn::start(manner);
        join(&mut sandbox, &coordinator.url(), true);
        fill(&sandbox);
        let took = run(&sandbox);
        assert!(took < usual + LONGER, "{manner:?}: {took:?} instead of {usual:?}");
        assert_same(&files(&sandbox), &expected, &manner);
        check(&coordinator.asked());
        let lines = lines(&sandbox);
        assert!(!lines.is_empty(), "{manner:?}");
        if let Some(reason) = reason {
            for (n, line) in lines.iter().enumerate() {
                assert_eq!(field(line, "verdict"), "ERROR");
                // The run's end may have cut the last one off.
                let cut_off = n + 1 == lines.len() && field(line, "reason") == "unreachable";
                assert!(cut_off || field(line, "reason") == reason, "{line}");
            }
        }
        if manner == Manner::Grants {
            // What the last claim brought may be cut off by the end of the run.
            let (granted, released) =
                (coordinator.granted(), count(&coordinator.asked(), "/release"));
            assert!(released > 0 && released + 2 >= granted, "{released} of {granted}");
        }
    }
}

#[test]
fn a_run_leaves_the_same_files_when_nobody_listens() {
    // No test has this port, and none is given it.
    let url = "http://127.0.0.1:1";
    let runs = [false, true].map(|shadow| {
        let mut sandbox = Sandbox::new();
        join(&mut sandbox, url, shadow);
        fill(&sandbox);
        let took = run(&sandbox);
        (files(&sandbox), took, lines(&sandbox))
    });
    let [(files, usual, none), (same, took, lines)] = runs;
    assert_same(&same, &files, &"nobody");
    assert!(took < usual + LONGER, "{took:?} instead of {usual:?}");
    assert!(none.is_empty() && !lines.is_empty());
    assert!(lines.iter().all(|line| field(line, "verdict") == "ERROR"), "{lines:?}");
}
