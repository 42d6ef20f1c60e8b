//! The calls of one alone fail: of the loop, of its worker, of the job's own command, of `verify`,
//! of a run of git. The job works in a worktree and leaves its changes uncommitted.

use std::fs;

use super::{FAULTS, FEW};
use crate::injection::role::{Place, Role, strike_after};
use crate::injection::{Fault, can_trace, one_by_one};

/// Makes the calls of a role fail, and looks after each.
fn fails_of(role: Role, share: usize, must: &[&str]) {
    if !can_trace() {
        return;
    }
    let kinds = FAULTS.iter().chain(FEW).map(|&(calls, error)| (calls, Fault::Error(error)));
    one_by_one(role, kinds, "AQ_FAIL_STRIDE", share, must, |point| {
        point.has_spoken();
        point.goes_on(role);
    });
}

#[test]
fn a_worker_that_fails_anywhere_loses_no_work() {
    let must =
        ["rename", "unlink", "write", "openat", "statx", "clone", "chdir", "execve", "pipe2"];
    fails_of(Role::Worker, 100, &must);
}

#[test]
fn a_loop_that_fails_anywhere_costs_its_job_nothing() {
    fails_of(Role::Loop, 150, &["flock", "inotify_add_watch"]);
}

#[test]
fn failing_job_command_is_tried_again() {
    fails_of(Role::Agent, 40, &["execve"]);
    fails_of(Role::Verify, 40, &[]);
}

#[test]
fn a_git_that_fails_anywhere_loses_no_work() {
    fails_of(Role::Git, 800, &["rename"]);
}

#[test]
fn stop_request_outlives_unrecorded_stop() {
    if !can_trace() {
        return;
    }
    let (call, fault, mut points) = ("write", Fault::Error("EIO"), 0);
    for n in 1.. {
        let place = Place { role: Role::Worker, run: 1, call, fault, n };
        let (sandbox, _, met) = strike_after(&place, |sandbox| {
            fs::write(sandbox.queue(".state/tmp/.stop-a"), "").unwrap();
        });
        if met.is_empty() {
            break;
        }
        sandbox.ok(&["recover"]);
        let story = format!("{}: {:?}", place.words(), sandbox.meta("a"));
        assert_eq!(sandbox.folders("a"), ["failed"], "{story}");
        assert_eq!(sandbox.meta_value("a", "result"), "stopped", "{story}");
        assert_eq!(sandbox.faults(&["a"]), "", "{story}");
        points += 1;
    }
    assert!(points >= 2, "{points}");
}
