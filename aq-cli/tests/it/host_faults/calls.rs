//! Each call of a job's supervisor before its agent starts meets an error of the host.

use crate::injection::role::Role;
use crate::injection::{Fault, can_trace, one_by_one};

/// Calls, and errors that are the host's. Without `statx`: where it fails, the standard library
/// says that a directory is no directory.
const FAULTS: &[(&str, &str)] = &[
    ("openat", "EMFILE"),
    ("openat", "ENFILE"),
    ("openat,mkdir,rename", "ENOSPC"),
    ("openat,mkdir", "EROFS"),
    ("openat,read", "EIO"),
    ("write", "EDQUOT"),
    ("clone3,clone,vfork", "EAGAIN"),
    ("execve", "ENOMEM"),
    ("pipe2", "EMFILE"),
];

#[test]
fn errors_before_the_agent_count_no_attempt() {
    if !can_trace() {
        return;
    }
    let kinds = FAULTS.iter().map(|&(calls, error)| (calls, Fault::Error(error)));
    one_by_one(Role::Worker, kinds, "AQ_FAIL_STRIDE", 90, &["execve", "pipe2"], |point| {
        let sandbox = point.sandbox;
        let has_run = sandbox.path("home/trace").exists();
        let story = || format!("{}: {:?}\n{}", point.what, sandbox.meta("a"), sandbox.log("a"));
        // A supervisor that could not write anything down leaves the job where it was.
        if !has_run && sandbox.folders("a") != ["building"] {
            assert_eq!(sandbox.folders("a"), ["inbox"], "{}", story());
            assert_eq!(sandbox.meta_value("a", "attempts"), "", "{}", story());
        }
        sandbox.code(&["run", "--once", "--quiet"]);
        assert_eq!(sandbox.folders("a"), ["testing"], "{}", story());
    });
}
