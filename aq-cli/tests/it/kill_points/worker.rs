//! `kill -9` of one alone: of the loop, of its worker, of the job's own command, of `verify`, of a run of git.
//! The job works in a worktree and leaves its changes uncommitted.

use super::STEPS;
use crate::injection::role::Role;
use crate::injection::{Fault, can_trace, one_by_one};

/// Kills a role at its steps, and looks after each.
fn kills_of(role: Role, share: usize, must: &[&str]) {
    if !can_trace() {
        return;
    }
    let kinds = STEPS.iter().map(|&(calls, _)| (calls, Fault::Kill));
    one_by_one(role, kinds, "AQ_KILL_STRIDE", share, must, |point| point.goes_on(role));
}

#[test]
fn a_worker_killed_anywhere_loses_no_work_and_counts_once() {
    kills_of(Role::Worker, 12, &["rename", "unlink", "write", "openat", "clone"]);
}

#[test]
fn a_loop_killed_anywhere_costs_its_job_nothing() {
    kills_of(Role::Loop, 30, &["rename", "write", "openat", "clone"]);
}

#[test]
fn a_command_of_a_job_killed_anywhere_is_tried_again() {
    kills_of(Role::Agent, 10, &["write", "openat", "clone"]);
    kills_of(Role::Verify, 10, &["write", "openat"]);
}

#[test]
fn a_git_killed_anywhere_loses_no_work() {
    kills_of(Role::Git, 60, &["rename", "unlink", "write", "openat"]);
}
