//! The bounds of every hostile case: the memory and the time of aq, and a queue that goes on.

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::sandbox::{Sandbox, wait_child};

/// The address space of a command that meets something hostile, in KiB.
const ROOM_KIB: u32 = 256 << 10;

/// The longest that such a command may take, on a busy machine and without optimization.
const TIME: Duration = Duration::from_secs(10);

/// Runs `aq` with bounded memory and time. Answers its exit code and all that it printed.
pub(super) fn bounded(sandbox: &Sandbox, args: &[&str]) -> (i32, String) {
    let begun = Instant::now();
    let script = format!("ulimit -v {ROOM_KIB}; exec \"$@\"");
    let mut bash = Command::new("timeout");
    let output = sandbox
        .clean(&mut bash)
        // Each thread would reserve 64 MiB of addresses that it does not use.
        .env("MALLOC_ARENA_MAX", "1")
        .args(["-k", "1", "60", "bash", "-c", &script, "bash", env!("CARGO_BIN_EXE_aq"), "--queue"])
        .arg(sandbox.queue(""))
        .args(args)
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    let took = begun.elapsed();
    assert!(took < TIME, "aq {} took {took:?}: {said}", args.join(" "));
    assert!(said.len() < 64 << 10, "aq {} said {} bytes", args.join(" "), said.len());
    assert!(!said.contains("panicked"), "aq {}: {said}", args.join(" "));
    (output.status.code().unwrap_or(-1), said)
}

/// The most memory that a process has had at once, in KiB, without what it has of files: how much
/// of a program is resident is the page cache's doing. 0 when it has none any more.
pub(crate) fn peak_kib(pid: u32) -> u64 {
    // In one read: of a process that ends in between, its files would count, too.
    let status = status(pid);
    let files = of_text(&status, "RssFile:");
    files.map_or(0, |files| of_text(&status, "VmHWM:").unwrap_or(0).saturating_sub(files))
}

/// Runs the queue's jobs to the end. Answers the exit code of the loop, and the most memory of it
/// or of any worker, in KiB.
pub(super) fn run_and_measure(sandbox: &Sandbox, max: usize) -> (i32, u64) {
    let mut run = sandbox.start_loop(&["--once", "--max", &max.to_string()]);
    let give_up = Instant::now() + Duration::from_secs(3600);
    let mut peak = 0;
    while run.try_wait().unwrap().is_none() {
        let workers = sandbox.workers();
        let pids = workers.iter().map(|worker| worker.as_raw().cast_unsigned()).chain([run.id()]);
        peak = pids.map(peak_kib).fold(peak, u64::max);
        assert!(Instant::now() < give_up, "the loop does not end");
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(peak > 0, "nothing was measured");
    (wait_child(&mut run), peak)
}

/// A number that `/proc` has of a process.
pub(crate) fn of_status(pid: u32, name: &str) -> u64 {
    of_text(&status(pid), name).unwrap_or(0)
}

fn status(pid: u32) -> String {
    fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default()
}

fn of_text(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

/// After the hostile case: a job that is added now runs to its end, nothing is left running, and
/// the queue is whole.
pub(super) fn is_well(sandbox: &Sandbox) {
    sandbox.add("afterwards", "", "echo well");
    let (code, said) = bounded(sandbox, &["run", "--once", "--quiet"]);
    assert!(code == 0 || code == 1, "{code}: {said}");
    assert_eq!(sandbox.folders("afterwards"), ["testing"], "{said}");
    assert_eq!(sandbox.log("afterwards").lines().nth(1), Some("well"));
    assert_eq!(sandbox.workers(), []);
    assert_eq!(sandbox.agents(), []);
    assert_eq!(sandbox.faults(&["afterwards"]), "");
}
