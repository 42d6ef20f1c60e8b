//! The verbs that use git, in a repository: their own calls fail, and those of each git that they
//! start.

use super::everywhere;
use crate::injection::can_trace;
use crate::kill_points::{clean, merge, requeue};

#[test]
fn a_merge_that_fails_anywhere_is_made_once() {
    if !can_trace() {
        return;
    }
    let args = ["ship", "--merge", "a"];
    let points = everywhere(merge::prepare, &args, 150, |point| {
        let folders = point.sandbox.folders("a");
        assert!(!point.is_done() || folders == ["shipped"], "{}: {folders:?}", point.what);
        merge::look(point);
    });
    assert!(points >= 3, "{points}");
}

#[test]
fn failing_repository_clean_loses_nothing() {
    if !can_trace() {
        return;
    }
    let points = everywhere(clean::prepare, &["clean", "--keep", "0"], 150, clean::look);
    assert!(points >= 3, "{points}");
}

#[test]
fn a_requeue_that_fails_anywhere_keeps_the_work() {
    if !can_trace() {
        return;
    }
    let points = everywhere(requeue::prepare, &["requeue", "a"], 20, requeue::look);
    assert!(points >= 3, "{points}");
}
