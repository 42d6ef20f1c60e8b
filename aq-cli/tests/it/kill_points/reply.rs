//! Words of a person reach a job's agent once, whoever is killed when.

use super::{Share, at_every_step, runs};
use crate::injection::{Point, can_trace};
use crate::sandbox::{Sandbox, wait_for};
use crate::vendor::{begins, done};

const REPLY: &[&str] = &["reply", "a", "Use tabs."];

/// A job in review/ whose script, in a further run, writes down what it gets.
fn reviewed(sandbox: &Sandbox) {
    let body = "echo ran >>trace; [ -z \"$AQ_FEEDBACK\" ] || cat \"$AQ_FEEDBACK\" >>told";
    sandbox.add("a", "idempotency-key: k\nreview-policy: human", body);
    sandbox.ok(&["run", "--once", "--quiet"]);
    assert_eq!(sandbox.folders("a"), ["review"]);
}

fn told(sandbox: &Sandbox) -> usize {
    let told = std::fs::read_to_string(sandbox.work().join("told")).unwrap_or_default();
    told.matches("Use tabs.").count()
}

#[test]
fn a_reply_killed_anywhere_is_said_once() {
    if !can_trace() {
        return;
    }
    let kills = at_every_step(reviewed, REPLY, Share { few: 1, many: 5 }, |point| {
        let Point { sandbox, what, .. } = point;
        point.again(REPLY);
        assert_eq!(sandbox.folders("a"), ["inbox"], "{what}");
        point.is_whole(&["a"]);
        point.again(&["run", "--once", "--quiet"]);
        let story = format!("{what}: {:?}\n{}", sandbox.meta("a"), sandbox.log("a"));
        assert_eq!(runs(sandbox).len(), 2, "{story}");
        assert_eq!(told(sandbox), 1, "{story}");
        assert!(!sandbox.queue("feedback/a.md").exists(), "{story}");
    });
    assert!(kills >= 8, "{kills}");
}

/// Killed with its loop, its worker and its agent. An attempt of an engine without sessions knows
/// nothing of the one before it, and gets everything again.
#[test]
fn words_survive_run_killed_anywhere() {
    if !can_trace() {
        return;
    }
    let prepare = |sandbox: &Sandbox| {
        sandbox.ok(&["caps"]);
        let body = "echo ran >>trace; grep -q 'Use tabs.' \"$AQ_FEEDBACK\"";
        sandbox.add("a", "idempotency-key: k\nretry: {max: 3, backoff: 0s}", body);
        sandbox.ok(REPLY);
    };
    let run = &["run", "--once", "--quiet"];
    let kills = at_every_step(prepare, run, Share { few: 2, many: 12 }, |point| {
        let Point { sandbox, what, .. } = point;
        wait_for("the workers", || sandbox.workers().is_empty());
        let _ = sandbox.code(run);
        let story = format!("{what}: {:?}\n{}", sandbox.meta("a"), sandbox.log("a"));
        let is_its_fault = sandbox.meta_value("a", "message").contains("times in a row")
            || sandbox.log("a").contains("signal 9");
        assert!(sandbox.folders("a") == ["testing"] || is_its_fault, "{story}");
        point.is_whole(&["a"]);
    });
    assert!(kills >= 8, "{kills}");
}

#[test]
fn no_session_is_told_twice() {
    if !can_trace() {
        return;
    }
    let mut agent = Sandbox::new();
    agent.vendor("claude", &[format!("{}{}", begins("s1"), done(""))]);
    let program = agent.path("claude/program");
    let runs_before = |agent: &Sandbox| agent.vendor_runs("claude").len();
    let begun = std::cell::Cell::new(0);
    let prepare = |sandbox: &Sandbox| {
        let config = format!("engines: {{claude: {{bin: {}}}}}\n", program.display());
        std::fs::write(sandbox.queue("config.yaml"), config).unwrap();
        sandbox.ok(&["caps"]);
        sandbox.add_for("a", "engine: claude\nretry: {max: 3, backoff: 0s}", "Do the work.");
        sandbox.ok(REPLY);
        begun.set(runs_before(&agent));
    };
    let run = &["run", "--once", "--quiet"];
    let kills = at_every_step(prepare, run, Share { few: 2, many: 12 }, |point| {
        let Point { sandbox, what, .. } = point;
        wait_for("the workers", || sandbox.workers().is_empty());
        let _ = sandbox.code(run);
        let all = agent.vendor_runs("claude");
        for n in begun.get()..all.len() {
            let path = agent.path(&format!("claude/prompt-{}", n + 1));
            let Ok(prompt) = std::fs::read_to_string(path) else { continue };
            let resumed = all[n].contains("--resume");
            let story = format!("{what}: run {n}: {:?}\n{prompt}\n{}", all, sandbox.log("a"));
            assert_eq!(prompt.contains("Use tabs."), !resumed, "{story}");
            assert_eq!(prompt.contains("Do the work."), !resumed, "{story}");
        }
    });
    assert!(kills >= 8, "{kills}");
}
