//! `config.yaml` and profiles.

use std::fs;

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

use super::{DONE, USAGE, wrong};
use crate::sandbox::Sandbox;

const CONFIG: &[(&str, &[&str])] = &[
    ("max: two", &["config.yaml:1:6", "expected a whole number"]),
    ("max: 0", &["config.yaml", "write 1 or more"]),
    ("max: -1", &["config.yaml:1:6", "expected a whole number"]),
    ("max: 1\nmax: 2", &["config.yaml:2:1", "`max` is given twice; keep one of them"]),
    ("maxx: 1", &["config.yaml:1:1", "expected one of max, max-review"]),
    ("- a", &["config.yaml:1:1", "`key: value`"]),
    ("text", &["config.yaml:1:1", "`key: value`"]),
    ("engines: [a]", &["config.yaml:1:10", "`key: value`"]),
    ("engines: {x: {argv: 3}}", &["config.yaml:1:21", "expected a list"]),
    ("engines: {'X Y': {argv: [a]}}", &["config.yaml", "lower-case letters"]),
    ("tracker: {status: {nowhere: x}}", &["config.yaml", "\"nowhere\" is no folder"]),
    ("tmp: rel", &["config.yaml:1:6", "such as /scratch/me"]),
    ("worktrees: rel", &["config.yaml", "expected an absolute directory"]),
    ("classes: {a: b}", &["config.yaml:1:14", "expected a list"]),
    ("log-limit-mb: x", &["config.yaml:1:15", "expected a whole number"]),
    ("env-deny: x", &["config.yaml:1:11", "expected a list"]),
    ("fleet: {url: 3}", &["config.yaml:1:9", "expected one of push-wip"]),
    ("result-grace: x", &["config.yaml", "write a duration such as `90s`"]),
    ("{", &["config.yaml:1:1", "unclosed bracket"]),
];

const PROFILES: &[(&str, &[&str])] = &[
    ("deps: [a]", &["p.yaml:1:1", "write it into the job file"]),
    ("persona: [a]", &["p.yaml:1:10", "expected text, found a list"]),
    ("default-verify: 3", &["p.yaml:1:17", "put it in quotes"]),
    ("verify: a\ndefault-verify: b", &["p.yaml:2:1", "keep one of them"]),
    ("- a", &["p.yaml:1:1", "`key: value`"]),
    ("profile: x", &["p.yaml:1:1", "profiles do not build on one another"]),
    ("yolo: maybe", &["p.yaml:1:7", "expected `true` or `false`"]),
    ("lock: no", &["p.yaml:1:7", "`none`"]),
    ("a: 1\n---\nb: 1", &["p.yaml:2:1", "a second YAML document"]),
];

#[test]
fn settings_of_a_queue() {
    let sandbox = Sandbox::new();
    let config = sandbox.queue("config.yaml");
    for (text, says) in CONFIG {
        fs::write(&config, format!("{text}\n")).unwrap();
        wrong(text, &mut sandbox.aq(&["status"]), USAGE, says);
        wrong(text, &mut sandbox.aq(&["run", "--once"]), USAGE, says);
    }
    fs::write(&config, b"\xff\n").unwrap();
    wrong("no text", &mut sandbox.aq(&["status"]), USAGE, &["config.yaml", "not UTF-8"]);
    fs::remove_file(&config).unwrap();
    fs::create_dir(&config).unwrap();
    let says = ["config.yaml", "no regular file"];
    wrong("a directory", &mut sandbox.aq(&["status"]), USAGE, &says);
    fs::remove_dir(&config).unwrap();
    mkfifo(&config, Mode::S_IRWXU).unwrap();
    wrong("a pipe", &mut sandbox.aq(&["status"]), USAGE, &says);
}

#[test]
fn profiles_of_a_queue() {
    let sandbox = Sandbox::new();
    let profile = sandbox.queue("profiles/p.yaml");
    for (text, says) in PROFILES {
        fs::write(&profile, format!("{text}\n")).unwrap();
        wrong(text, &mut sandbox.aq(&["profiles"]), USAGE, says);
    }
    fs::remove_file(&profile).unwrap();
    fs::create_dir(&profile).unwrap();
    let says = ["p.yaml", "no regular file"];
    wrong("a directory", &mut sandbox.aq(&["profiles"]), USAGE, &says);
    let nowhere = sandbox.path("nowhere");
    let mut profiles = sandbox.aq(&["profiles"]);
    profiles.env("AGENT_QUEUE_PROFILES", &nowhere);
    wrong("no folder", &mut profiles, DONE, &["nowhere, which is no directory"]);
}
