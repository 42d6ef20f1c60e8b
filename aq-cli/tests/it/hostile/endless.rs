//! A `verify` that never ends, and does not want to be ended.

use std::fs;

use super::surroundings::is_well;
use crate::sandbox::{Sandbox, kill_child, wait_child, wait_for};

/// Forks, ignores SIGTERM, and goes on for ever.
const ENDLESS: &str = "verify: \"trap '' TERM; setsid sleep 1000 & touch $AQ_QUEUE/verifying; \
    while :; do sleep 1; done\"";

fn with_work(front: &str) -> Sandbox {
    let sandbox = Sandbox::with_repository();
    fs::write(sandbox.queue("config.yaml"), "kill-grace: 1s\n").unwrap();
    sandbox.add("endless", &format!("{ENDLESS}\n{front}"), "echo work >done.txt; echo done");
    sandbox.add("other", "", "until [ -e $AQ_QUEUE/verifying ]; do sleep 0.02; done");
    sandbox
}

fn wait_for_verify(sandbox: &Sandbox) {
    let marker = sandbox.queue("verifying");
    wait_for("verify", || marker.exists());
}

/// Checks that the agent's work is on its branch, and nothing of `verify` is left.
fn is_kept(sandbox: &Sandbox) {
    assert_eq!(sandbox.folders("endless"), ["failed"]);
    assert_eq!(sandbox.on_branch("endless", "done.txt"), "work");
    assert_eq!(sandbox.agents(), []);
    fs::remove_file(sandbox.queue("verifying")).unwrap();
    is_well(sandbox);
}

#[test]
fn timeout_ends_verify_and_keeps_work() {
    let sandbox = with_work("timeout: 2s");
    assert_eq!(sandbox.code(&["run", "--once", "--quiet", "--max", "2"]).0, 1);
    assert_eq!(sandbox.folders("other"), ["testing"]);
    assert_eq!(sandbox.meta_value("endless", "result"), "verify_failed");
    assert_eq!(sandbox.meta_value("endless", "message"), "verify did not end within 2s");
    assert!(sandbox.log("endless").contains("TIMED OUT after 2s"));
    is_kept(&sandbox);
}

#[test]
fn endless_verify_shows_until_stopped() {
    let sandbox = with_work("");
    let mut first = sandbox.start_loop(&["--max", "2"]);
    wait_for_verify(&sandbox);
    sandbox.wait_for_stage("other", "testing");
    kill_child(&mut first);
    let worker = sandbox.worker("endless");
    let mut second = sandbox.start_loop(&["--once"]);
    // The one slot is taken, and the loop says by whom.
    sandbox.add("waits", "", "true");
    wait_for("the reason", || sandbox.ok(&["why", "waits"]).contains("no free slot"));
    let why = sandbox.ok(&["why", "endless"]);
    assert!(why.contains("is being verified"), "{why}");
    let mut silent = sandbox.aq(&["status"]);
    let status = crate::told::told(silent.env("AGENT_QUEUE_STALL_MIN", "0")).out;
    assert!(status.contains("stalled"), "{status}");
    assert_eq!(sandbox.worker("endless"), worker, "it was taken up, not started again");
    sandbox.ok(&["stop", "endless"]);
    assert_eq!(wait_child(&mut second), 1);
    assert_eq!(sandbox.meta_value("endless", "result"), "stopped");
    assert_eq!(sandbox.folders("waits"), ["testing"]);
    is_kept(&sandbox);
}

#[test]
fn timeout_ends_a_promoted_verify() {
    let sandbox = with_work("timeout: 2s\nreview-policy: human");
    assert_eq!(sandbox.code(&["stop", "other"]).0, 0);
    assert_eq!(sandbox.code(&["run", "--once", "--quiet"]).0, 0);
    assert_eq!(sandbox.folders("endless"), ["review"]);
    let (code, said) = sandbox.code(&["promote", "endless"]);
    assert_eq!(code, 1, "{said}");
    assert_eq!(sandbox.meta_value("endless", "message"), "verify did not end within 2s");
    is_kept(&sandbox);
}
