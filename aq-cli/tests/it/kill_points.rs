//! `kill -9` at every step of a command, one after the other: at its first rename, its second, and
//! so on; the same for writes, syncs, removals and starts of processes. `strace` does the killing.

use std::fs;
use std::path::Path;

use crate::injection::{Fault, can_trace, run_with};
use crate::sandbox::{Sandbox, wait_for};

/// Steps at which a process can leave something half done.
const STEPS: &[&str] = &[
    "rename,renameat,renameat2",
    "write",
    "fsync,fdatasync,syncfs",
    "unlink,unlinkat,rmdir",
    "openat",
    "flock",
];

/// No command takes more steps of a kind than this.
const MANY: usize = 400;

/// For every step: a fresh queue, the command killed there, then `check`. Answers how many kills.
fn at_every_step(
    prepare: impl Fn(&Sandbox),
    args: &[&str],
    kinds: &[&str],
    stride: usize,
    check: impl Fn(&Sandbox, &str),
) -> usize {
    let mut kills = 0;
    for steps in kinds {
        for n in (1..MANY).step_by(stride) {
            let sandbox = Sandbox::new();
            prepare(&sandbox);
            let (_, killed) = run_with(&sandbox, steps, Fault::Kill, n, args);
            let what = format!("aq {} killed at {steps} number {n}", args.join(" "));
            check(&sandbox, &what);
            if killed.is_empty() {
                break;
            }
            kills += 1;
        }
    }
    kills
}

fn runs(sandbox: &Sandbox) -> Vec<String> {
    let trace = fs::read_to_string(sandbox.work().join("trace")).unwrap_or_default();
    trace.lines().map(str::to_owned).collect()
}

#[test]
fn an_add_killed_anywhere_can_be_made_again_and_adds_one_job() {
    if !can_trace() {
        return;
    }
    let prepare = |sandbox: &Sandbox| {
        sandbox.write("x", "idempotency-key: k\ndeps: [before]", "echo ran >>trace");
        sandbox.add("before", "idempotency-key: before", "true");
        fs::rename(sandbox.path("x.md"), sandbox.work().join("x.md")).unwrap();
    };
    let check = |sandbox: &Sandbox, what: &str| {
        let (code, said) = sandbox.code(&["add", "x.md"]);
        assert_eq!(code, 0, "{what}: {said}");
        assert_eq!(sandbox.jobs("inbox"), ["before", "x"], "{what}");
        let (code, said) = sandbox.code(&["run", "--once", "--ship", "--quiet"]);
        assert_eq!(code, 0, "{what}: {said}");
        assert_eq!(sandbox.folders("x"), ["shipped"], "{what}");
        assert_eq!(runs(sandbox), ["ran"], "{what}");
    };
    let kinds = ["rename,renameat,renameat2", "write", "fsync,fdatasync,syncfs"];
    let kills = at_every_step(prepare, &["add", "x.md"], &kinds, 1, check);
    println!("{kills} kills");
    assert!(kills >= 8, "{kills}");
}

#[test]
fn a_supersede_killed_anywhere_leaves_one_job_that_runs() {
    if !can_trace() {
        return;
    }
    let prepare = |sandbox: &Sandbox| {
        sandbox.add("old", "idempotency-key: k", "echo old >>trace");
        sandbox.write("work/new", "idempotency-key: k", "echo new >>trace");
    };
    let check = |sandbox: &Sandbox, what: &str| {
        let (_, said) = sandbox.code(&["run", "--once", "--quiet"]);
        let ran = runs(sandbox);
        assert!(ran == ["old"] || ran == ["new"], "{what}: {ran:?}: {said}");
    };
    let kinds = ["rename,renameat,renameat2", "write", "fsync,fdatasync,syncfs"];
    let kills = at_every_step(prepare, &["add", "new.md"], &kinds, 1, check);
    println!("{kills} kills");
    assert!(kills >= 8, "{kills}");
}

/// The kill hits every process of the tree that takes so many steps: the loop, workers, agents.
#[test]
fn a_run_killed_anywhere_ends_each_job_well_in_the_next_run() {
    if !can_trace() {
        return;
    }
    let prepare = |sandbox: &Sandbox| {
        // What this host has is looked up once, and not under strace.
        sandbox.ok(&["caps"]);
        sandbox.add(
            "a",
            "retry: {max: 3, backoff: 0s}",
            "echo a-$AQ_ATTEMPT >>trace; [ $AQ_ATTEMPT -ge 2 ]",
        );
        sandbox.add("b", "verify: \"true\"", "echo b-$AQ_ATTEMPT >>trace");
    };
    let check = |sandbox: &Sandbox, what: &str| {
        // What was started and not killed ends by itself.
        wait_for("the workers", || sandbox.workers().is_empty());
        for id in ["a", "b"] {
            assert_eq!(sandbox.folders(id).len(), 1, "{what}: {id}");
        }
        let (_, said) = sandbox.code(&["run", "--once", "--quiet"]);
        let ran = runs(sandbox);
        for id in ["a", "b"] {
            let story = format!("{what}: {id}: {:?} {said}\n{}", sandbox.meta(id), sandbox.log(id));
            assert_eq!(sandbox.folders(id).len(), 1, "{story}");
            let mine: Vec<&String> = ran.iter().filter(|line| line.starts_with(id)).collect();
            let mut once = mine.clone();
            once.sort();
            once.dedup();
            assert_eq!(once, mine, "{story}");
            // An agent that was killed itself may end its job; nothing else may.
            let killed_agent = sandbox.log(id).contains("signal 9");
            assert!(sandbox.folders(id) == ["testing"] || killed_agent, "{story}");
            // A worker that was killed before its agent started has used an attempt up, too.
            let last = format!("{id}-{}", sandbox.meta_value(id, "attempts"));
            assert_eq!(mine.last().copied(), Some(&last), "{story}");
        }
        assert_eq!(sandbox.agents(), [], "{what}");
    };
    let run = ["run", "--once", "--quiet"];
    let every = at_every_step(prepare, &run, &STEPS[..1], 1, check);
    // The other steps are many, and slow on a busy machine: every fourth of them, or every one
    // with `AQ_KILL_STRIDE=1`, as `./test --long` sets it.
    let stride = std::env::var("AQ_KILL_STRIDE").ok().and_then(|n| n.parse().ok()).unwrap_or(4);
    let some = at_every_step(prepare, &run, &STEPS[1..], stride, check);
    println!("{every} kills at renames, {some} elsewhere");
    assert!(every >= 7 && some >= 7, "{every}, {some}");
}

/// A job whose worker died.
pub(crate) fn lost(sandbox: &Sandbox) {
    sandbox.add("x", "", "echo ran >>trace");
    fs::rename(sandbox.queue("inbox/x.md"), sandbox.queue("building/x.md")).unwrap();
    let path = sandbox.queue(".state/meta/x.meta");
    let boot = fs::read_to_string(Path::new("/proc/sys/kernel/random/boot_id")).unwrap();
    let dead = format!("attempt=1\nmoved_to=building\npid=1\npidstart=99999999999\nboot={boot}");
    let text = fs::read_to_string(&path).unwrap() + &dead;
    fs::write(path, text).unwrap();
}

#[test]
fn a_recovery_killed_anywhere_can_be_made_again_and_counts_once() {
    if !can_trace() {
        return;
    }
    let check = |sandbox: &Sandbox, what: &str| {
        sandbox.ok(&["recover"]);
        assert_eq!(sandbox.folders("x"), ["inbox"], "{what}");
        assert_eq!(sandbox.meta_value("x", "attempts"), "1", "{what}");
    };
    let kinds = ["rename,renameat,renameat2", "write", "unlink,unlinkat,rmdir"];
    let kills = at_every_step(lost, &["recover"], &kinds, 1, check);
    println!("{kills} kills");
    assert!(kills >= 2, "{kills}");
}
