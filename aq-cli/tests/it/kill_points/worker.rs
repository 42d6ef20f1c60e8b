//! `kill -9` of one alone: of the loop, of its worker, of the job's own command, of `verify`, of a
//! run of git. The job works in a worktree and leaves its changes uncommitted.

use std::fs;

use super::STEPS;
use crate::injection::role::{LAUNCH, Role};
use crate::injection::{Fault, can_trace, one_by_one};
use crate::sandbox::Sandbox;

/// Kills a role at its steps, and looks after each.
fn kills_of(role: Role, share: usize, must: &[&str]) {
    if !can_trace() {
        return;
    }
    let kinds = STEPS.iter().map(|&(calls, _)| (calls, Fault::Kill));
    one_by_one(role, kinds, "AQ_KILL_STRIDE", share, must, |point| point.goes_on(role));
}

#[test]
fn worker_killed_anywhere_loses_no_work() {
    kills_of(Role::Worker, 25, &["rename", "unlink", "fsync", "write", "openat", "kill"]);
}

#[test]
fn a_loop_killed_anywhere_costs_its_job_nothing() {
    kills_of(Role::Loop, 30, &["rename", "flock", "kill"]);
}

#[test]
fn job_command_killed_anywhere_repeats() {
    kills_of(Role::Agent, 6, &["write"]);
    kills_of(Role::Verify, 4, &["write"]);
}

#[test]
fn a_git_killed_anywhere_loses_no_work() {
    kills_of(Role::Git, 120, &["rename", "write"]);
}

/// The tests start the worker themselves, so what they write down before has to be what a loop
/// does.
#[test]
fn a_launch_by_hand_is_one_of_the_loop() {
    let sandbox = Sandbox::new();
    sandbox.add("a", "", "true");
    let record = || fs::read_to_string(sandbox.queue(".state/meta/a.meta")).unwrap();
    let before = record();
    sandbox.ok(&["run", "--once", "--quiet"]);
    let after = record();
    let (launch, _) = after.strip_prefix(&before).unwrap().split_once("pid=").unwrap();
    let plain = |text: &str| -> Vec<String> {
        let lines = text.lines().map(|line| match line.split_once('=') {
            Some(("launched_at", _)) => "launched_at".to_owned(),
            _ => line.to_owned(),
        });
        lines.collect()
    };
    assert_eq!(plain(launch), plain(LAUNCH));
}
