//! Verbs of a person on one job.

use super::{Share, at_every_step, runs};
use crate::injection::{Point, can_trace};
use crate::sandbox::{Sandbox, kill_child, wait_for};

/// A verb, killed at its steps and made again.
struct Verb {
    args: &'static [&'static str],
    prepare: fn(&Sandbox),
    /// Where the job is when the verb is done.
    to: &'static str,
    /// The attempts that count then.
    attempts: &'static str,
}

/// Fewer kills of a verb than these are a mistake of the test.
const LEAST: usize = 3;

/// The job has run and waits to be accepted, or has failed.
fn ran(sandbox: &Sandbox, front: &str, end: &str) {
    sandbox.add("a", &format!("idempotency-key: k\n{front}"), &format!("echo ran >>trace; {end}"));
    let _ = sandbox.code(&["run", "--once", "--quiet"]);
}

fn waiting(sandbox: &Sandbox) {
    sandbox.add("a", "idempotency-key: k", "true");
}

/// The job's agent is at work under its worker, and no loop is.
fn at_work(sandbox: &Sandbox) {
    sandbox.add("a", "idempotency-key: k", "echo ran >>trace; sleep 100");
    let mut run = sandbox.start_loop(&[]);
    wait_for("the agent", || !runs(sandbox).is_empty());
    kill_child(&mut run);
}

const VERBS: &[Verb] = &[
    Verb { args: &["ship", "a"], prepare: |it| ran(it, "", "true"), to: "shipped", attempts: "1" },
    Verb {
        args: &["promote", "a"],
        prepare: |it| ran(it, VERIFIED, "true"),
        to: "testing",
        attempts: "1",
    },
    Verb {
        args: &["reject", "a", "--reason", "no"],
        prepare: |it| ran(it, "", "true"),
        to: "failed",
        attempts: "1",
    },
    Verb { args: &["requeue", "a"], prepare: |it| ran(it, "", "false"), to: "inbox", attempts: "" },
    Verb {
        args: &["requeue", "--resume", "a"],
        prepare: |it| ran(it, "", "false"),
        to: "inbox",
        attempts: "",
    },
    Verb {
        args: &["reject", "a", "--requeue", "--reason", "no"],
        prepare: |it| ran(it, "", "true"),
        to: "inbox",
        attempts: "",
    },
    Verb { args: &["stop", "a"], prepare: waiting, to: "failed", attempts: "" },
    Verb { args: &["stop", "a"], prepare: at_work, to: "failed", attempts: "1" },
];

/// The job waits in review/, and goes through `verify` on its way to testing/.
const VERIFIED: &str = "review-policy: human\nverify: \"true\"";

impl Verb {
    fn look(&self, point: &Point<'_>) {
        let Point { sandbox, what, .. } = point;
        if self.args[0] == "promote" {
            // The worker that runs `verify` goes on by itself.
            wait_for("the worker", || sandbox.workers().is_empty());
        }
        let folders = sandbox.folders("a");
        assert_eq!(folders.len(), 1, "{what}: {folders:?}");
        if folders == ["failed"] && sandbox.log("a").contains("signal 9") && self.to == "testing" {
            // It was `verify` itself that was killed, and a `verify` that fails ends its job.
            point.is_whole(&["a"]);
            return;
        }
        point.again(&["recover"]);
        if sandbox.folders("a") != [self.to] {
            point.again(self.args);
        }
        let story = format!("{what}: {:?}\n{}", sandbox.meta("a"), sandbox.log("a"));
        assert_eq!(sandbox.folders("a"), [self.to], "{story}");
        assert_eq!(sandbox.meta_value("a", "attempts"), self.attempts, "{story}");
        wait_for("the worker", || sandbox.workers().is_empty());
        assert_eq!(sandbox.agents(), [], "{story}");
        let so_far = runs(sandbox);
        assert!(so_far.len() <= 1, "{story}");
        point.is_whole(&["a"]);
        if self.to == "inbox" {
            let _ = sandbox.code(&["run", "--once", "--quiet"]);
            assert_eq!(sandbox.meta_value("a", "attempts"), "1", "{story}");
            assert_eq!(runs(sandbox), ["ran", "ran"], "{story}");
        }
    }
}

#[test]
fn verb_killed_anywhere_can_repeat() {
    if !can_trace() {
        return;
    }
    let share = Share { few: 1, many: 20 };
    for verb in VERBS {
        let kills = at_every_step(verb.prepare, verb.args, share, |point| verb.look(point));
        assert!(kills >= LEAST, "aq {}: {kills}", verb.args.join(" "));
    }
}
