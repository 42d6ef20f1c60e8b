//! Engines that a loop does not find, and the next loop, or the same one later, does.

use std::ffi::OsStr;
use std::fs;

use super::{lines_with, program};
use crate::sandbox::{Sandbox, kill_child, wait_for};

const CLAUDE: &str = r#"#!/bin/sh
[ "$1" = --version ] && echo 9.9.9 && exit 0
cat >/dev/null
echo '{"type":"system","subtype":"init","session_id":"s1","model":"big"}'
echo '{"type":"result","subtype":"success","is_error":false,"num_turns":1,"result":"done"}'
"#;

const POOR: &str = "/usr/bin:/bin";

/// Adds a job as somebody whose PATH has `claude`.
fn add_with_claude(sandbox: &Sandbox, name: &str, front: &str) {
    let bin = sandbox.path("home/bin");
    program(&bin.join("claude"), CLAUDE);
    let path = sandbox.path(&format!("{name}.md"));
    fs::write(&path, format!("---\nlock: none\n{front}\n---\nDo it.\n")).unwrap();
    let rich = format!("{}:{POOR}", bin.display());
    let mut add = sandbox.aq(&[OsStr::new("add"), path.as_os_str()]);
    assert!(add.env("PATH", rich).status().unwrap().success());
}

#[test]
fn poor_path_burns_no_jobs() {
    let sandbox = Sandbox::new();
    for name in ["a", "b"] {
        add_with_claude(&sandbox, name, "engine: claude");
    }
    sandbox.add("other", "", "true");
    let (code, said) = sandbox.drained(POOR);
    assert_eq!(code, 1, "{said}");
    let why = "engine claude is not on the loop's PATH; aq add found it at ~/bin/claude";
    assert!(said.contains(&format!("a, b wait: {why}")), "{said}");
    assert_eq!(sandbox.folders("other"), ["testing"]);
    for name in ["a", "b"] {
        sandbox.is_uncounted(name);
        let poor = sandbox.aq(&["why", name]).env("PATH", POOR).output().unwrap();
        assert!(String::from_utf8_lossy(&poor.stdout).contains(why), "{poor:?}");
    }
    let rich = format!("{}:{POOR}", sandbox.path("home/bin").display());
    assert_eq!(sandbox.drained(&rich).0, 0);
    for name in ["a", "b"] {
        assert_eq!(sandbox.folders(name), ["testing"], "{}", sandbox.log(name));
        assert_eq!(sandbox.meta_value(name, "attempts"), "1");
    }
}

#[test]
fn a_loop_goes_on_when_its_engine_comes() {
    let sandbox = Sandbox::new();
    add_with_claude(&sandbox, "a", "engine: claude");
    let later = sandbox.path("later");
    let (mut running, words) = sandbox.spoken_loop(&format!("{}:{POOR}", later.display()));
    let why = "engine claude is not on the loop's PATH";
    wait_for("its words", || lines_with(&words, why) > 0);
    // Each of these makes it plan again.
    for name in ["x", "y"] {
        sandbox.add(name, "", "true");
        sandbox.wait_for_stage(name, "testing");
    }
    sandbox.is_uncounted("a");
    // Whoever looks has another PATH than the loop.
    let rich = format!("{}:{POOR}", sandbox.path("home/bin").display());
    let looked = sandbox.aq(&["why", "a"]).env("PATH", rich).output().unwrap();
    assert!(String::from_utf8_lossy(&looked.stdout).contains(why), "{looked:?}");
    program(&later.join("claude"), CLAUDE);
    sandbox.add("z", "", "true");
    sandbox.wait_for_stage("a", "testing");
    assert_eq!(lines_with(&words, why), 1, "told once");
    kill_child(&mut running);
}

#[test]
fn next_candidate_of_class_runs() {
    let mut sandbox = Sandbox::new();
    sandbox.vendor("codex", &[crate::vendor::CODEX_DONE.to_owned()]);
    add_with_claude(&sandbox, "a", "prefers-engine: [claude, codex]");
    assert_eq!(sandbox.drained(POOR).0, 0);
    assert_eq!(sandbox.folders("a"), ["testing"]);
    assert_eq!(sandbox.meta_value("a", "engine"), "codex");
}

#[test]
fn engine_nobody_has_seen_fails() {
    let sandbox = Sandbox::new();
    add_with_claude(&sandbox, "never", "engine: codex");
    add_with_claude(&sandbox, "wrong", "engine: cluade");
    let (code, said) = sandbox.drained(POOR);
    assert_eq!(code, 1, "{said}");
    for name in ["never", "wrong"] {
        assert_eq!(sandbox.folders(name), ["failed"]);
        assert_eq!(sandbox.meta_value(name, "result"), "no_engine");
    }
    let message = sandbox.meta_value("wrong", "message");
    assert!(message.contains("did you mean claude?"), "{message}");
}

#[test]
fn a_drained_queue_names_engines_out_of_use() {
    let mut sandbox = Sandbox::new();
    sandbox.vendor("claude", &[crate::vendor::refused("401", "authentication_failed", "no key")]);
    sandbox.add_for("a", "engine: claude", "Do it.");
    let (code, said) = sandbox.drained(POOR);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("a waits: engine claude out of use: auth:"), "{said}");
    sandbox.is_uncounted("a");
}
