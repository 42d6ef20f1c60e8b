//! Values of the keys of a job file.

use std::fs;

use super::{DONE, USAGE, wrong};
use crate::sandbox::Sandbox;

/// The front matter, and what is said of it: the place comes first.
const ERRORS: &[(&str, &[&str])] = &[
    ("lock: no", &["k.md:2:7", "write `none` for no lock"]),
    ("lock: off", &["k.md:2:7", "write `none` for no lock"]),
    ("lock: true", &["k.md:2:7", "write `none` for no lock"]),
    ("lock:", &["k.md:2:", "give a value or remove the key"]),
    ("engine: Claude", &["k.md:2:9", "small letters"]),
    ("engine: [a]", &["k.md:2:9", "expected a name, found a list"]),
    ("engine: a\nengine: b", &["k.md:3:1", "`engine` is given twice", "keep one"]),
    ("engine : a\nengine: b", &["k.md:3:1", "`engine` is given twice"]),
    ("engine-class: X Y", &["k.md:2:15", "small letters"]),
    ("prefers-engine: {a: b}", &["k.md:2:17", "expected a name"]),
    ("priority: High", &["k.md:2:11", "did you mean `high`?"]),
    ("priority: 1", &["k.md:2:11", "`low`, `medium`, `high` or `critical`"]),
    ("timeout: 5", &["k.md:2:11", "the last number has no unit", "`45m`"]),
    ("timeout: 0s", &["k.md:2:10", "write at least `1s`"]),
    ("timeout: 1w", &["k.md:2:11", "`s`, `m`, `h`, `d`"]),
    ("timeout: -5m", &["k.md:2:10", "a number is expected"]),
    ("timeout: 1.5h", &["k.md:2:11", "`1h30m`"]),
    ("yolo: yes", &["k.md:2:7", "write `true`"]),
    ("yolo: 1", &["k.md:2:7", "expected `true` or `false`"]),
    ("cwd: ''", &["k.md:2:6", "give a value or remove it"]),
    ("cwd: 3", &["k.md:2:6", "put it in quotes: \"3\""]),
    ("cwd: [a]", &["k.md:2:6", "expected text, found a list"]),
    ("profile: nope", &["k.md:2:10", "there is no profile \"nope\"", "write nope.yaml there"]),
    ("profile: ../x", &["k.md:2:10", "a profile's name has letters"]),
    ("profile: true", &["k.md:2:10", "put it in quotes"]),
    ("deps: a", &["k.md:2:7", "expected a list"]),
    ("deps: [[a]]", &["k.md:2:8", "expected text, found a list"]),
    ("idempotency-key: ''", &["k.md:2:18", "give a value or remove it"]),
    ("idempotency-key: a\ndeps: [a]", &["k.md:3:8", "a job cannot wait for itself"]),
    ("deps-mode: maybe", &["k.md:2:12", "`hard` or `soft`"]),
    ("retry: 3", &["k.md:2:8", "expected a map", "max"]),
    ("retry: {max: 0}", &["k.md:2:14", "is out of range"]),
    ("retry: {max: x}", &["k.md:2:14", "expected a whole number"]),
    ("retry: {}", &["k.md:2:8", "does not say how often"]),
    ("retry: {max: 2, on: [boom]}", &["k.md:2:22", "`timeout`", "`verify_failed`"]),
    ("retry: {max: 2, backoff: x}", &["k.md:2:26", "write a duration"]),
    ("verify: ''", &["k.md:2:9", "to run nothing"]),
    ("verify: [a]", &["k.md:2:9", "expected a shell command, found a list"]),
    ("verify: echo a: b", &["k.md:2:15", "put text that holds `: ` in quotes"]),
    ("setup: 3", &["k.md:2:8", "put it in quotes"]),
    ("review-policy: auto-ish", &["k.md:2:16", "`auto` or `human`"]),
    ("isolation: none", &["k.md:2:12", "`worktree` or `in-place`"]),
    ("target: 'a b'", &["k.md:2:9", "as `git branch` prints it"]),
    ("target: HEAD", &["k.md:2:9", "such as `main`"]),
    ("allowed-scope: src", &["k.md:2:16", "expected a list"]),
    ("allowed-scope: ['../x']", &["k.md:2:17", "leaves the repository"]),
    ("allowed-scope: ['a[']", &["k.md:2:17", "a `[` is not closed"]),
    ("scope-policy: x", &["k.md:2:15", "`warn` or `enforce`"]),
    ("budget: 3", &["k.md:2:9", "expected a map"]),
    ("budget: {usd: -1}", &["k.md:2:15", "is negative"]),
    ("budget: {usd: x}", &["k.md:2:15", "expected a number"]),
    ("artifacts: [/etc]", &["k.md:2:13", "leaves the repository"]),
    ("expect-changes: maybe", &["k.md:2:17", "expected `true` or `false`"]),
    ("model: 3", &["k.md:2:8", "put it in quotes"]),
    ("args: --x", &["k.md:2:7", "expected a list"]),
    ("env: [A]", &["k.md:2:6", "expected a map of names to values"]),
    ("env: {AQ_X: 1}", &["k.md:2:7", "cannot be set by a job"]),
    ("env: {1A: x}", &["k.md:2:7", "is not the name of a variable"]),
    ("capabilities: node", &["k.md:2:15", "expected a list"]),
    ("capabilities: ['node>>1']", &["k.md:2:21", "`>>` is not an operator"]),
    ("capabilities: [!x]", &["k.md:2:16", "put text that starts with `!` in quotes"]),
    ("tracker-item: ''", &["k.md:2:15", "give a value or remove it"]),
    ("fleet-job-id: x", &["k.md", "take them out"]),
    ("<<: {a: b}", &["k.md:2:1", "write the keys out"]),
    ("a: !!str b", &["k.md:2:4", "job files use none"]),
    ("a: &x [*x]", &["k.md:2:8", "the alias stands inside of what it repeats"]),
    ("x: 'unclosed", &["k.md:2:4", "a quote is not closed"]),
    ("retry:\n\tmax: 3", &["k.md:3:2", "indent with spaces"]),
    ("just text", &["k.md:2:1", "keys are expected here", "`key: value`"]),
    ("- a", &["k.md:2:1", "`key: value`"]),
];

const WARNINGS: &[(&str, &[&str])] = &[
    ("prioritiy: high", &["k.md:2:1", "did you mean `priority`?"]),
    ("Engine: shell", &["k.md:2:1", "did you mean `engine`?"]),
    ("timout: 5m", &["k.md:2:1", "did you mean `timeout`?"]),
    ("depends-on: [a]", &["k.md:2:1", "did you mean `deps`?"]),
    ("working-directory: /x", &["k.md:2:1", "did you mean `cwd`?"]),
    ("frobnicate: 1", &["k.md:2:1", "the JSON Schema lists the known keys"]),
    ("budget: {dollars: 1}", &["k.md:2:10", "`usd`"]),
    ("deps: [a, a]", &["k.md:2:11", "is listed twice"]),
    ("deps: [nobody]", &["k.md", "no job has the key `nobody`"]),
];

#[test]
fn values_of_a_job_file() {
    let sandbox = Sandbox::new();
    let path = sandbox.path("k.md");
    let file = path.to_str().unwrap();
    for (front, says) in ERRORS {
        fs::write(&path, format!("---\n{front}\n---\nDo it.\n")).unwrap();
        wrong(front, &mut sandbox.aq(&["check", file]), USAGE, says);
    }
    for (front, says) in WARNINGS {
        fs::write(&path, format!("---\n{front}\n---\nDo it.\n")).unwrap();
        wrong(front, &mut sandbox.aq(&["check", file]), DONE, says);
        let mut strict = sandbox.aq(&["check", "--strict", file]);
        wrong(front, &mut strict, USAGE, &[*says, &["which --strict takes for errors"]].concat());
    }
    // What `check` refuses, `add` does.
    fs::write(&path, "---\nlock: no\n---\nDo it.\n").unwrap();
    wrong("add", &mut sandbox.aq(&["add", file]), USAGE, &["k.md:2:7", "`none`"]);
    assert_eq!(sandbox.jobs("inbox"), [""; 0]);
}
