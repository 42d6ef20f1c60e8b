//! The records that jobs of every end leave, line by line: other versions read them.
//!
//! `AQ_UPDATE_RECORDS=1 cargo test -p aq-cli --test it upgrade::written` accepts a change.

use std::fs;
use std::path::Path;

use crate::sandbox::{STAGES, Sandbox};

/// Keys whose values differ from run to run.
const VOLATILE: [&str; 10] = [
    "pid",
    "pidstart",
    "boot",
    "source",
    "profile_source",
    "merged_commit",
    "wip_base",
    "wip_target",
    "session_feedback",
    "next_eligible",
];

/// Keys that depend on the machine: its cgroups, and how long git takes.
const BY_MACHINE: [&str; 2] = ["cgroup", "step"];

/// Jobs with the front matter and the script of each.
const JOBS: [(&str, &str, &str); 16] = [
    ("tested", "verify: test -e tested.txt\nidempotency-key: k", "echo 1 >tested.txt"),
    ("merged", "timeout: 1h", "echo 1 >merged.txt"),
    ("shipped", "deps: [k]\ndeps-mode: soft", "echo 1 >shipped.txt"),
    ("reviewed", "review-policy: human", "echo 1 >reviewed.txt"),
    ("promoted", "review-policy: human", "echo 1 >promoted.txt"),
    ("rejected", "priority: low", "echo 1 >rejected.txt"),
    ("crashed", "", "exit 3"),
    ("exhausted", "retry: {max: 2, backoff: 0s}", "exit 3"),
    ("late", "timeout: 1s", "exec tail -f /dev/null"),
    ("refused", "verify: exit 7", "echo 1 >refused.txt"),
    ("unready", "setup: exit 9", "true"),
    ("outside", "allowed-scope: [\"docs/**\"]\nscope-policy: enforce", "echo 1 >outside.txt"),
    ("warned", "allowed-scope: [\"docs/**\", \"a,b\"]", "echo 1 >warned.txt"),
    ("idle", "expect-changes: true", "true"),
    ("misfit", "capabilities: [\"!os:any\", \"fpga | fpga>=2\"]", "true"),
    ("again", "", "echo 1 >again.txt; exit 4"),
];

fn masked(sandbox: &Sandbox, record: &str) -> String {
    let mut out = String::new();
    for line in record.lines() {
        let (key, value) = line.split_once('=').unwrap();
        if BY_MACHINE.contains(&key) {
            continue;
        }
        let differs = VOLATILE.contains(&key) || key.ends_with("_at") || key.contains("duration_s");
        let value = match value {
            "" => String::new(),
            _ if differs => "@".to_owned(),
            _ => value.replace(sandbox.path("").to_str().unwrap().trim_end_matches('/'), "@ROOT@"),
        };
        out += &format!("{key}={value}\n");
    }
    out
}

/// Jobs of every end that one host makes.
fn run_jobs() -> Sandbox {
    let sandbox = Sandbox::with_repository();
    for (name, front, script) in JOBS {
        sandbox.add(name, front, script);
    }
    sandbox.code(&["run", "--once", "--quiet"]);
    sandbox.ok(&["ship", "--merge", "merged"]);
    sandbox.ok(&["ship", "shipped"]);
    sandbox.ok(&["promote", "promoted"]);
    sandbox.ok(&["reject", "rejected", "--reason", "a, b\\c\nd"]);
    sandbox.ok(&["requeue", "again"]);
    sandbox.add("waits", "retry: {max: 4}\nlock: l\nprefers-engine: [codex, claude]", "true");
    sandbox.add("held", "lock: none\nmodel: m\ntracker-item: \"#7\"", "true");
    sandbox.ok(&["hold", "held"]);
    sandbox.add("stopped", "target: main", "true");
    sandbox.ok(&["stop", "stopped"]);
    sandbox.add("unread", "", "true");
    fs::write(sandbox.queue("inbox/unread.md"), "---\npriority: urgent\n---\n").unwrap();
    fs::write(sandbox.queue("inbox/dropped.md"), "---\ntimeout: soon\n---\n").unwrap();
    sandbox.ok(&["hold", "waits"]);
    sandbox.ok(&["hold", "again"]);
    sandbox.code(&["run", "--once", "--quiet"]);
    sandbox
}

#[test]
fn records_of_every_end_keep_their_lines() {
    let sandbox = run_jobs();
    let mut written = String::new();
    for stage in STAGES {
        for job in sandbox.jobs(stage) {
            let record = sandbox.queue(&format!(".state/meta/{job}.meta"));
            let record = masked(&sandbox, &fs::read_to_string(record).unwrap());
            written += &format!("## {stage}/{job}\n{record}\n");
        }
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/upgrade/golden/written.txt");
    if std::env::var_os("AQ_UPDATE_RECORDS").is_some() {
        fs::write(&path, &written).unwrap();
    }
    let expected = fs::read_to_string(&path).unwrap();
    let parts = |text: &str| text.split("\n## ").map(str::to_owned).collect::<Vec<_>>();
    for (written, expected) in parts(&written).iter().zip(parts(&expected)) {
        assert_eq!(*written, expected, "what is written, and what was");
    }
    assert_eq!(parts(&written).len(), parts(&expected).len());
}
