//! Costs that do not depend on the machine: system calls and syncs of an `add`, system calls and
//! instructions of looks at a long queue. What the program's own start takes is taken off.

use std::fs::{self, File};
use std::process::Command;
use std::time::{Duration, SystemTime};

use crate::injection::{can_trace, traced};
use crate::sandbox::{Sandbox, job_text, skipped};

/// Jobs of a queue whose waiting jobs' order is kept.
const MANY: usize = 1_200;

/// The most calls of an `add` of one job, of which a third are for the threads that sync.
const ADD_CALLS: usize = 126;

/// The most calls for each job of a look at all of them: its record is opened, read and closed.
const CALLS_A_JOB: usize = 3;

/// The most calls of a look at few jobs of many, and what a look at all takes beside the jobs.
const LOOK_CALLS: usize = 480;

/// The most instructions for each job of `status --json`, of a build for tests.
const INSTRUCTIONS_A_JOB: u64 = 550_000;

/// The calls of a command, without those of the program's start.
fn calls(sandbox: &Sandbox, args: &[&str]) -> Vec<String> {
    let run = |args: &[&str]| {
        let (output, seen) = traced(sandbox, &["-e", "signal=none"], args);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "aq {}: {said}", args.join(" "));
        let is_begun = |line: &&str| !line.contains("resumed>") && !line.contains("+++");
        // How many there are of these depends on PATH, and on how the program was built.
        let is_counted = |line: &&str| !line.contains("= -1 ENOENT") && !line.contains("F_GETFD");
        let calls = seen.lines().filter(is_begun).filter(is_counted);
        calls.map(str::to_owned).collect::<Vec<_>>()
    };
    let start = run(&["--version"]).len();
    run(args).split_off(start)
}

fn long_queue() -> Sandbox {
    let sandbox = Sandbox::new();
    let jobs = sandbox.path("jobs");
    fs::create_dir(&jobs).unwrap();
    for n in 0..MANY {
        fs::write(jobs.join(format!("job{n}.md")), job_text("lock: none", "true")).unwrap();
    }
    sandbox.ok(&["add", jobs.to_str().unwrap()]);
    sandbox
}

/// Makes the queue look as if nothing had changed in it for a while.
fn settle(sandbox: &Sandbox) {
    for stage in ["inbox", "building", "review", "testing", "shipped", "failed", "quarantine"] {
        let folder = File::open(sandbox.queue(stage)).unwrap();
        folder.set_modified(SystemTime::now() - Duration::from_secs(2)).unwrap();
    }
}

#[test]
fn adds_make_few_calls() {
    if !can_trace() {
        return;
    }
    let sandbox = Sandbox::new();
    sandbox.add("first", "lock: none", "true");
    let job = sandbox.write("a", "lock: none", "true");
    let calls = calls(&sandbox, &["add", job.to_str().unwrap()]);
    assert!(calls.len() <= ADD_CALLS, "{} calls:\n{}", calls.len(), calls.join("\n"));
    let at = |name: &str| {
        let found =
            calls.iter().enumerate().filter(|(_, call)| call.contains(&format!(" {name}(")));
        found.map(|(at, _)| at).collect::<Vec<_>>()
    };
    let (syncs, renames) = (at("fsync"), at("renameat2"));
    // The text, the record and its name side by side, then the job's name.
    let before = syncs.iter().filter(|&&sync| sync < renames[0]).count();
    assert_eq!((before, syncs.len(), renames.len()), (3, 4, 1));
    assert_eq!((at("fdatasync").len(), at("syncfs").len()), (0, 0));
}

#[test]
fn looks_make_few_calls() {
    if !can_trace() {
        return;
    }
    let sandbox = long_queue();
    settle(&sandbox);
    let all = calls(&sandbox, &["status", "--json"]).len();
    assert!(all <= CALLS_A_JOB * MANY + LOOK_CALLS, "{all} calls");
    for few in [&["status"][..], &["why", "job0"], &["why", "job1199"]] {
        let few_calls = calls(&sandbox, few);
        assert!(few_calls.len() <= LOOK_CALLS, "aq {}: {} calls", few.join(" "), few_calls.len());
    }
}

#[test]
fn status_takes_few_instructions() {
    if Command::new("valgrind").arg("--version").output().is_err() {
        skipped("valgrind is not installed");
        return;
    }
    let sandbox = long_queue();
    let instructions = |args: &[&str]| {
        let mut command = Command::new("valgrind");
        let output = sandbox
            .clean(&mut command)
            .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
            .arg(env!("CARGO_BIN_EXE_aq"))
            .arg("--queue")
            .arg(sandbox.queue(""))
            .args(args)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let count = said.lines().find_map(|line| line.split_once("Collected : "));
        let count = count.unwrap_or_else(|| panic!("valgrind says no number: {said}"));
        count.1.trim().parse::<u64>().unwrap()
    };
    let look = instructions(&["status", "--json"]) - instructions(&["--version"]);
    let each = look / u64::try_from(MANY).unwrap();
    assert!(each <= INSTRUCTIONS_A_JOB, "{each} instructions for each job");
}
