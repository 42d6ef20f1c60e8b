//! Conditions that hold after a fault in the life of the job of [`super::role`], whoever met it.

use std::fs;
use std::io::Write;

use super::Point;
use super::role::Role;
use crate::sandbox::{Sandbox, wait_for};

/// A time that has passed.
const PAST: &str = "next_eligible=2020-01-31T12:00:00Z\n";

/// The attempts that the agent has reported, oldest first.
fn told(sandbox: &Sandbox) -> Vec<u32> {
    let trace = fs::read_to_string(sandbox.path("home/trace")).unwrap_or_default();
    trace.lines().map(|line| line.parse().unwrap()).collect()
}

/// Work that the agent has reported is on the job's branch. Where git failed twice it is where it
/// was, and the record says so.
fn is_kept(point: &Point<'_>) {
    let Point { sandbox, what, .. } = point;
    let is_in_place = !sandbox.meta_value("a", "checkpoint_error").is_empty();
    for attempt in told(sandbox) {
        let story = || format!("{what}: {attempt}: {:?}\n{}", sandbox.meta("a"), sandbox.log("a"));
        let read = |file: &str| {
            let path = sandbox.own("a", file);
            if is_in_place {
                return fs::read_to_string(path).unwrap_or_default();
            }
            sandbox.try_git(&["show", &format!("aq/wip/a:{file}")]).1
        };
        let work = format!("work {attempt}");
        assert!(read("a.txt").lines().any(|line| line == work), "{}", story());
        assert_eq!(read(&format!("sub/{attempt}.txt")).trim_end(), "new", "{}", story());
    }
}

/// The attempts that must be on record in the end, when nothing but a kill came between.
fn attempts_to_be(sandbox: &Sandbox) -> u32 {
    let record = sandbox.meta("a");
    let has_worker = record.contains_key("pid");
    // Its death counts unless it had written down that the attempt was over.
    let died_at_work = record.get("moved_to").is_some_and(|to| to == "building");
    if has_worker && died_at_work { 2 } else { 1 }
}

impl Point<'_> {
    /// The job goes on to its end: recovery, another loop, and nothing is lost, run twice or left.
    pub(crate) fn goes_on(&self, role: Role) {
        let Point { sandbox, what, .. } = self;
        wait_for(&format!("the worker, {what}"), || sandbox.workers().is_empty());
        assert_eq!(sandbox.folders("a").len(), 1, "{what}");
        let to_be = attempts_to_be(sandbox);
        self.again(&["recover"]);
        assert_eq!(sandbox.agents(), [], "{what}");
        is_kept(self);
        self.drain(role, to_be);
        is_kept(self);
        self.is_at_rest();
    }

    fn drain(&self, role: Role, to_be: u32) {
        let Point { sandbox, what, .. } = self;
        pass_the_pause(sandbox);
        let (_, said) = sandbox.code(&["run", "--once", "--quiet"]);
        let story = format!("{what}: {:?} {said}\n{}", sandbox.meta("a"), sandbox.log("a"));
        let told = told(sandbox);
        assert!(told.is_sorted_by(|one, next| one < next), "no number twice: {told:?} {story}");
        let attempts = sandbox.meta_value("a", "attempts").parse::<u32>().unwrap_or(0);
        if sandbox.folders("a") == ["failed"] {
            // It says why, and is put back by hand.
            let may = !self.is_kill() || role == Role::Git;
            assert!(may && !sandbox.meta_value("a", "message").is_empty(), "{story}");
            assert!(told.iter().all(|&n| n <= attempts), "{told:?} {story}");
            self.again(&["requeue", "a"]);
            self.again(&["run", "--once", "--quiet"]);
            assert_eq!(sandbox.meta_value("a", "attempts"), "1", "{story}");
        } else {
            assert_eq!(told.last(), Some(&attempts), "{story}");
            if self.is_kill() && matches!(role, Role::Loop | Role::Worker) {
                assert_eq!(attempts, to_be, "{story}");
            }
            assert!(attempts <= 2, "one fault is one attempt at most: {story}");
        }
        assert_eq!(sandbox.folders("a"), ["testing"], "{story}");
    }

    /// Nobody is at work, and nothing is left that somebody has to clear away.
    fn is_at_rest(&self) {
        let Point { sandbox, what, .. } = self;
        self.is_whole(&["a"]);
        assert_eq!(sandbox.agents(), [], "{what}");
        assert_eq!(sandbox.head(), "main", "{what}");
        assert_eq!(sandbox.git(&["status", "--porcelain"]), "", "{what}");
        assert_eq!(sandbox.git(&["log", "--format=%s", "main"]), "a.txt", "{what}");
        let (sound, words) = sandbox.try_git(&["fsck", "--no-dangling"]);
        assert!(sound, "{what}: {words}");
        if sandbox.meta_value("a", "checkpoint_error").is_empty() {
            let tree = sandbox.own("a", "").display().to_string();
            assert_eq!(sandbox.git(&["-C", &tree, "status", "--porcelain"]), "", "{what}");
        }
        // Whatever came between, what is accepted is merged with all of its work.
        self.again(&["ship", "--merge", "a"]);
        let merged = sandbox.git(&["show", "main:a.txt"]);
        for attempt in told(sandbox) {
            assert!(merged.contains(&format!("work {attempt}")), "{what}: {merged}");
        }
    }
}

/// Pauses have tests of their own.
fn pass_the_pause(sandbox: &Sandbox) {
    if sandbox.meta("a").contains_key("next_eligible") {
        let path = sandbox.queue(".state/meta/a.meta");
        fs::File::options().append(true).open(path).unwrap().write_all(PAST.as_bytes()).unwrap();
    }
}
