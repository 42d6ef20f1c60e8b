//! System calls that fail, or kill their process, at a place that a test names. `strace` does it.

use std::fs;
use std::process::{Command, Output};

use crate::sandbox::{Sandbox, skipped};

/// What happens at the place.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fault {
    /// `kill -9` of the process.
    Kill,
    /// The call fails with this error, by the name that C gives it.
    Error(&'static str),
}

/// Whether processes may be traced here. Where not, the tests say so and prove nothing.
pub(crate) fn can_trace() -> bool {
    let traced = Command::new("strace").args(["-qq", "-o", "/dev/null", "true"]).output();
    let can = traced.is_ok_and(|output| output.status.success());
    if !can {
        skipped("strace cannot trace here; install it, and allow ptrace");
    }
    can
}

/// How long a command may take, in seconds. A fault that each new worker meets keeps a loop trying for ever.
const LIMIT: &str = "30";

/// Runs `aq` under `strace` with more options. Answers what it printed, and the calls of all its processes,
/// with what their descriptors stand for.
pub(crate) fn traced(sandbox: &Sandbox, options: &[&str], args: &[&str]) -> (Output, String) {
    let seen = sandbox.path("strace");
    let mut command = Command::new("timeout");
    let output = sandbox
        .clean(&mut command)
        .args(["-k", "5", LIMIT, "strace", "-f", "-q", "-y", "-o"])
        .arg(&seen)
        .args(options)
        .arg(env!("CARGO_BIN_EXE_aq"))
        .arg("--queue")
        .arg(sandbox.queue(""))
        .args(args)
        .output()
        .unwrap();
    (output, String::from_utf8_lossy(&fs::read(seen).unwrap()).into_owned())
}

/// Runs `aq`; in each process of it the `n`-th call of these kinds meets the fault. Answers what it
/// printed, and the calls that came to that, with what their descriptors stand for.
pub(crate) fn run_with(
    sandbox: &Sandbox,
    calls: &str,
    fault: Fault,
    n: usize,
    args: &[&str],
) -> (Output, Vec<String>) {
    let (what, sign) = match fault {
        Fault::Kill => ("signal=SIGKILL".to_owned(), "killed by SIGKILL"),
        Fault::Error(error) => (format!("error={error}"), "(INJECTED)"),
    };
    let inject = format!("inject={calls}:{what}:when={n}");
    let (output, seen) = traced(sandbox, &["-e", &format!("trace={calls}"), "-e", &inject], args);
    let lines: Vec<&str> = seen.lines().collect();
    let met = (0..lines.len()).filter(|&at| lines[at].contains(sign));
    (output, met.map(|at| whole(&lines, at)).collect())
}

/// A call that was shown in two halves, because another process was shown between them.
fn whole(lines: &[&str], at: usize) -> String {
    let process = lines[at].split(' ').next().unwrap_or_default();
    let begun = lines[..at]
        .iter()
        .rev()
        .find(|line| line.split(' ').next() == Some(process) && line.ends_with("<unfinished ...>"));
    match begun {
        Some(begun) if lines[at].contains("resumed>") => format!("{begun} {}", lines[at]),
        _ => lines[at].to_owned(),
    }
}
