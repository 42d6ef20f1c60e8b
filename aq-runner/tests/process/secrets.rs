//! A secret that a process takes is nowhere but in its memory.

use std::process::{Command, Stdio};

use crate::program::probe;

#[test]
fn a_taken_secret_is_seen_by_nobody_else() {
    let script = "echo child ${PROBE_SECRET-none} ${PROBE_SECRET_2-none} $PLAIN; \
                  tr '\\0' '\\n' </proc/$PPID/environ";
    let output = Command::new(probe())
        .args(["--", "sh", "-c", script])
        .env_clear()
        .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
        .envs([("PROBE_SECRET", "s3cret=1"), ("PROBE_SECRET_2", "s3cret-2"), ("PLAIN", "seen")])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let (taken, rest) = text.split_at(text.find("child ").unwrap());
    let mut taken: Vec<&str> = taken.lines().collect();
    taken.sort_unstable();
    assert_eq!(taken, ["took PROBE_SECRET=s3cret=1", "took PROBE_SECRET_2=s3cret-2"]);
    assert!(rest.starts_with("child none none seen\n"), "{rest}");
    // The names stay where they were, and what was not taken.
    assert!(rest.contains("\nPROBE_SECRET=\n") && rest.contains("\nPLAIN=seen\n"), "{rest}");
    assert!(!rest.contains("s3cret"), "{rest}");
}

#[test]
fn empty_secret_is_taken_too() {
    let output = Command::new(probe())
        .args(["--", "sh", "-c", "echo child ${PROBE_SECRET-none}"])
        .env("PROBE_SECRET", "")
        .output()
        .unwrap();
    assert_eq!(output.stdout, b"took PROBE_SECRET=\nchild none\n");
}
