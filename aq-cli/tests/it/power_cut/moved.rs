//! Verbs of a person on a job that waits or has run: it stays done, and nothing runs again for it.

use std::fs;

use super::can_trace;
use super::replay::{After, Story};
use crate::sandbox::Sandbox;

/// A command that moves the job `a`, and what comes of it.
struct Move {
    prepare: fn(&Sandbox),
    /// Commands that are run before it: nothing of that is synced when the command comes.
    before: &'static [&'static [&'static str]],
    command: &'static [&'static str],
    /// Where the job is then, for good; with `""` nothing is promised.
    to: &'static str,
    /// The folder when the queue was drained since, and how often it ran for that.
    drained: (&'static str, usize),
    /// Where it may lie instead when the cut came sooner and the queue was drained since.
    sooner: &'static str,
    /// The command can be made again there.
    again: bool,
}

const DRAIN: &[&str] = &["run", "--once", "--quiet"];

const CLEAN: &[&str] = &["clean", "--keep", "0"];

fn waits(sandbox: &Sandbox) {
    sandbox.add("a", "idempotency-key: k", "echo ran >>trace");
    sandbox.ok(&["caps"]);
}

/// Verified, or failed, or waiting for a person, as its front matter and its end say.
fn ran(sandbox: &Sandbox, front: &str, end: &str) {
    let body = format!("echo ran >>trace; {end}");
    sandbox.add("a", &format!("idempotency-key: k\n{front}"), &body);
    let _ = sandbox.code(DRAIN);
}

fn recover(after: &After<'_>) {
    after.ok(&["recover"]);
    assert_eq!(after.sandbox.folders("a").len(), 1, "{}", after.story("a"));
    assert_eq!(after.ok(&["recover"]), "nothing to recover\n", "{}", after.what);
}

impl Move {
    fn holds(&self, share: usize) {
        if !can_trace() {
            return;
        }
        let commands: Vec<&[&str]> = self.before.iter().copied().chain([self.command]).collect();
        let file = format!("{}/a.md", self.to);
        let promised = [file.as_str(), ".state/meta/a.meta"];
        let promised = if self.to.is_empty() { &[] } else { &promised[..] };
        let story = Story { prepare: self.prepare, commands: &commands, promised };
        let cuts = story.cut_everywhere(share, |after| self.look(after));
        assert!(cuts >= 3, "{cuts}");
    }

    fn look(&self, after: &After<'_>) {
        recover(after);
        self.drain(after);
        let (to, times) = self.drained;
        let is_done = self.lies(after, to) && after.runs().len() == times;
        if after.is_promised && !self.to.is_empty() {
            assert!(is_done, "{} {:?}", after.story("a"), after.runs());
            assert_eq!(after.sandbox.meta_value("a", "moved_to"), to, "{}", after.story("a"));
        }
        if !is_done {
            assert!(self.lies(after, to) || self.lies(after, self.sooner), "{}", after.story("a"));
            // What never ran before the cut, or whose run was not on the disk, runs once.
            assert!(after.runs().len() <= 1, "{}", after.story("a"));
            if self.again && self.lies(after, self.sooner) {
                after.ok(self.command);
                self.drain(after);
                assert!(self.lies(after, to), "{}", after.story("a"));
            }
        }
        after.is_whole(&["a"]);
    }

    fn drain(&self, after: &After<'_>) {
        let (code, said) = after.sandbox.code(DRAIN);
        assert!(code <= 1, "{}: {code} {said}", after.what);
    }

    fn lies(&self, after: &After<'_>, stage: &str) -> bool {
        after.sandbox.folders("a") == [stage]
    }
}

/// A move of a job that has run, which nobody synced.
const RAN: Move = Move {
    prepare: waits,
    before: &[DRAIN],
    command: &[],
    to: "",
    drained: ("", 0),
    sooner: "testing",
    again: true,
};

#[test]
fn a_job_that_was_stopped_never_runs() {
    let stop = Move { before: &[], command: &["stop", "a"], to: "failed", again: false, ..RAN };
    Move { drained: ("failed", 0), ..stop }.holds(2);
    let prepare = |sandbox: &Sandbox| {
        let file = sandbox.write("a", "", "echo ran >>trace");
        fs::copy(file, sandbox.queue("inbox/a.md")).unwrap();
        sandbox.ok(&["caps"]);
    };
    Move { prepare, drained: ("failed", 0), ..stop }.holds(2);
}

#[test]
fn a_shipped_job_does_not_run_again() {
    Move { command: &["ship", "a"], to: "shipped", drained: ("shipped", 0), ..RAN }.holds(15);
}

#[test]
fn a_promoted_job_does_not_run_again() {
    Move { command: &["promote", "a"], to: "shipped", drained: ("shipped", 0), ..RAN }.holds(15);
    // Of this step nobody is promised anything but that the agent's work is kept.
    let prepare =
        |sandbox: &Sandbox| ran(sandbox, "review-policy: human\nverify: \"true\"", "true");
    let verify = Move { prepare, before: &[], command: &["promote", "a"], sooner: "review", ..RAN };
    Move { drained: ("testing", 0), ..verify }.holds(10);
}

#[test]
fn a_rejected_job_does_not_run_again() {
    let command = &["reject", "a", "--reason", "no"];
    Move { command, to: "failed", drained: ("failed", 0), ..RAN }.holds(15);
}

#[test]
fn a_job_that_was_put_back_runs_once_more() {
    let prepare = |sandbox: &Sandbox| ran(sandbox, "", "false");
    let requeue = Move { prepare, before: &[], command: &["requeue", "a"], to: "inbox", ..RAN };
    Move { drained: ("failed", 1), sooner: "failed", ..requeue }.holds(2);
}

/// Things that `clean` puts away are in the queue or in an archive.
#[test]
fn what_is_put_away_is_kept() {
    if !can_trace() {
        return;
    }
    let prepare = |sandbox: &Sandbox| {
        ran(sandbox, "", "true");
        sandbox.ok(&["ship", "a"]);
        sandbox.add("b", "deps: [never]", "true");
        sandbox.write("later", "deps: [never]", "true");
    };
    let counted = |after: &After<'_>| {
        let insights = after.sandbox.json(&["insights", "--json"]);
        assert_eq!(insights["all"]["attempts"], 1, "{}: {insights}", after.what);
    };
    let look = |after: &After<'_>| {
        after.ok(&["recover"]);
        after.is_whole(&["a", "b"]);
        counted(after);
        after.ok(CLEAN);
        after.is_whole(&["a", "b"]);
        counted(after);
        assert_eq!(after.sandbox.folders("a"), ["shipped"], "{}", after.what);
        assert!(!after.sandbox.queue(".state/meta/a.meta").exists(), "{}", after.what);
    };
    Story { prepare, commands: &[CLEAN], promised: &[] }.cut_everywhere(5, look);
    // An add syncs the folder out of which records are taken.
    let commands = &[CLEAN, &["add", "../later.md"]];
    let promised = &["inbox/later.md", ".state/meta/later.meta"];
    let cuts = Story { prepare, commands, promised }.cut_everywhere(5, look);
    assert!(cuts >= 3, "{cuts}");
}
