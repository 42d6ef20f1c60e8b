//! Limits under which the loop runs, and its workers with it.

use std::fs;
use std::process::Command;

use crate::sandbox::Sandbox;

/// Drains the queue under a limit of the shell's. Answers the exit code, and all that is said.
fn limited(sandbox: &Sandbox, limit: &str) -> (i32, String) {
    let run = sandbox.aq(&["run", "--once"]);
    let mut bash = Command::new("bash");
    let script = format!("ulimit {limit}; exec \"$@\"");
    sandbox.clean(&mut bash).args(["-c", &script, "bash"]);
    let output = bash.arg(run.get_program()).args(run.get_args()).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.code().unwrap_or(-1), String::from_utf8_lossy(&said).into_owned())
}

fn trace(sandbox: &Sandbox) -> String {
    fs::read_to_string(sandbox.work().join("trace")).unwrap_or_default()
}

#[test]
fn a_limit_of_file_sizes_counts_no_attempt() {
    let sandbox = Sandbox::new();
    let body = "echo ran >>trace; head -c 300000 /dev/zero >big";
    sandbox.add("a", "retry: {max: 3, backoff: 0s}", body);
    let (code, said) = limited(&sandbox, "-f 100");
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("a waits: a limit of file sizes: the run loop has a limit"), "{said}");
    sandbox.is_uncounted("a");
    assert_eq!(trace(&sandbox), "ran\n", "the agent ran once");
    sandbox.ok(&["run", "--once", "--quiet"]);
    assert_eq!(sandbox.folders("a"), ["testing"]);
    assert_eq!(sandbox.meta_value("a", "attempts"), "1");
}

#[test]
fn worker_survives_log_beyond_limit() {
    let sandbox = Sandbox::new();
    sandbox.add("a", "", "echo ran >>trace; head -c 300000 /dev/zero | tr '\\0' x");
    let (code, said) = limited(&sandbox, "-f 100");
    assert_eq!(code, 0, "{said}");
    assert_eq!(sandbox.folders("a"), ["testing"], "{said}");
    assert_eq!(trace(&sandbox), "ran\n");
    let lost = sandbox.meta_value("a", "log_incomplete");
    assert!(lost.contains("File too large"), "{lost}");
}

#[test]
fn own_limit_is_own_failure() {
    let sandbox = Sandbox::new();
    sandbox.add("a", "", "ulimit -f 1; head -c 300000 /dev/zero >big");
    assert_eq!(sandbox.code(&["run", "--once"]).0, 1);
    assert_eq!(sandbox.folders("a"), ["failed"]);
    assert_eq!(sandbox.meta_value("a", "result"), "crash");
}

#[test]
fn a_loop_with_few_descriptors_counts_no_attempt() {
    let sandbox = Sandbox::new();
    sandbox.make_repository();
    sandbox.add("a", "retry: {max: 3, backoff: 0s}", "echo ran >>$HOME/trace");
    // From a few on it comes further and further.
    for most in [6, 9, 12] {
        let (code, said) = limited(&sandbox, &format!("-n {most}"));
        assert!(!said.contains("panicked"), "{most}: {said}");
        if sandbox.folders("a") == ["testing"] {
            break;
        }
        assert_ne!(code, 0, "{most}: {said}");
        assert!(["inbox", "building"].contains(&sandbox.folders("a")[0]), "{most}: {said}");
        assert_eq!(sandbox.meta_value("a", "attempts"), "", "{most}: {}", sandbox.log("a"));
    }
    sandbox.ok(&["run", "--once", "--quiet"]);
    assert_eq!(sandbox.folders("a"), ["testing"], "{}", sandbox.log("a"));
    assert_eq!(sandbox.meta_value("a", "attempts"), "1");
    assert_eq!(fs::read_to_string(sandbox.path("home/trace")).unwrap(), "ran\n");
}
