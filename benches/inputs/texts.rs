//! Texts as they lie in a queue's folders.

use aq_ledger::{JobRow, RecordContent};
use aq_manifest::{JobId, Stage};
use aq_scheduler::ScheduledJob;
use jiff::Timestamp;

/// A job file with twenty keys.
pub const JOB_FILE: &str = r#"---
engine-class: agentic-coder
prefers-engine: [codex, claude]
cwd: ~/project
yolo: true
lock: project
timeout: 1h30m
priority: high
profile: reviewer
capabilities: [os:any, "node>=20", "rust^1.80 | go", "!docker"]
idempotency-key: login-4711
deps: [schema, users, sessions]
deps-mode: soft
retry: {max: 3, backoff: {initial: 30s, factor: 2, max: 10m}, on: [timeout, crash]}
verify: cargo test --workspace
review-policy: human
isolation: worktree
setup: npm ci
allowed-scope: ["src/**", "tests/**", "*.md"]
budget: {usd: 5, tokens: 2000000, turns: 80}
env: {RUST_LOG: debug, LOGIN: "${LOGIN_TOKEN}"}
---
The login page loses the session when the browser is closed. Find out why, write a test that
shows it, and mend it.

- The session's end is in `src/session.rs`.
- Keep the cookie's name.
"#;

/// Requirements of every kind.
pub const REQUIREMENTS: [&str; 8] = [
    "gpu",
    "os:any",
    "node:20",
    "node>=20.11",
    "rust^1.80",
    "!docker",
    "node<18 | node>=20 | !has:node",
    "rust>=1.97.0-nightly+x",
];

const ADDED: &str = "\
added_at=2026-01-01T12:00:00.123456789Z
added_from=/home/me/project
cwd=/home/me/project
lock=/home/me/project
priority=high
engine_class=agentic-coder
prefers_engine=codex,claude
capabilities=os:any,node>=20,rust^1.80 | go,!docker
review_policy=human
allowed_scope=src/**,tests/**,*.md
idempotency_key=login-4711
deps=schema,users,sessions
deps_mode=soft
retry_max=9
source=1043:1795416430.051714895:10076520
";

const ATTEMPT: &str = "\
attempt=1
engine=codex
launched_at=2026-01-01T12:00:01.064555571Z
moved_to=building
pid=22473
pidstart=2454554
boot=b1328ffd-79f4-4b27-b5d7-bdd0ec3819a3
started_at=2026-01-01T12:00:01.073704171Z
wip_branch=aq/wip/login
wip_base=5c45e2df0e13acdb8b3b38a215da721209676272
isolation=worktree
session_id=0198c0de-0000-7000-8000-000000000001
exit=1
duration_s=812.402
total_duration_s=812.402
input_tokens=120345
cached_tokens=1804311
output_tokens=20112
cost_usd=1.2345
files_changed=4
lines_added=120
lines_deleted=33
failure_class=verify_failed
message=verify: `cargo test --workspace` ended with exit code 101\\nlast line: test result: FAILED
ended_at=2026-01-01T12:13:33.336064789Z
recoveries=0
attempts=1
next_eligible=2026-01-01T12:14:03Z
moved_to=inbox
pid=
pidstart=
boot=
";

/// The record of a job that failed and goes back, so many times.
pub fn record(attempts: usize) -> String {
    ADDED.to_owned() + &ATTEMPT.repeat(attempts)
}

/// The job of a record, as a loop that starts puts it into its queue.
pub fn replay(id: &JobId, record: &str) -> ScheduledJob {
    let content = RecordContent::parse(record);
    let row = JobRow::unchecked(id, Stage::Inbox, &content);
    ScheduledJob {
        priority: row.priority().unwrap_or_default(),
        lock: row.lock().map(str::to_owned),
        key: row.idempotency_key().map(str::to_owned),
        deps: row.deps().unwrap_or_default(),
        deps_mode: row.deps_mode().unwrap_or_default(),
        requirements: row.capabilities().unwrap_or_default(),
        engines: row.prefers_engine().unwrap_or_default(),
        ..ScheduledJob::new(id.clone(), row.added_at().unwrap_or(Timestamp::UNIX_EPOCH))
    }
}
