//! `kill -9` at every step of a command, one after the other: at its first rename, its second, and
//! so on; the same for each other kind of [`STEPS`], in every process that the command starts.
//! `strace` does the killing, before the call is made. After each the command is made again, where
//! that has a meaning, and a program that shares no code with aq (`tools/check_queue.rs`) finds
//! the queue whole.

use std::fs;
use std::path::Path;

use crate::injection::{self, Fault, Plan, Point, can_trace, stride};
use crate::sandbox::{Sandbox, wait_for};

pub(crate) mod clean;
pub(crate) mod merge;
mod pull;
mod reply;
pub(crate) mod requeue;
mod train;
mod verbs;
mod worker;

/// Steps at which a process can leave something half done, and whether a command has few of them.
const STEPS: &[(&str, bool)] = &[
    ("rename,renameat,renameat2,link,linkat", true),
    ("unlink,unlinkat,rmdir", true),
    ("flock", true),
    ("fsync,fdatasync,syncfs", true),
    ("write,pwrite64,writev,ftruncate", false),
    ("openat,mkdir,mkdirat", false),
    ("clone,clone3,fork,vfork,kill,pidfd_send_signal", false),
];

/// Which steps are tried: every `few`th of the kinds of which there are few, every `many`th of the
/// others. Each of them is with `AQ_KILL_STRIDE=1`, as `./test --long` sets it.
#[derive(Clone, Copy)]
pub(crate) struct Share {
    pub(crate) few: usize,
    pub(crate) many: usize,
}

/// Kills a command at its steps, each time in a fresh queue, and looks after each. Answers how many
/// kills.
#[expect(clippy::print_stdout, reason = "it is the test's own output")]
pub(crate) fn at_every_step(
    prepare: impl Fn(&Sandbox),
    args: &[&str],
    share: Share,
    look: impl Fn(&Point<'_>),
) -> usize {
    let plans = STEPS.iter().map(|&(calls, few)| {
        let stride = stride("AQ_KILL_STRIDE", if few { share.few } else { share.many });
        Plan { calls, fault: Fault::Kill, stride, most: usize::MAX }
    });
    let kills = injection::everywhere(plans, prepare, args, look);
    println!("aq {}: {kills} kills", args.join(" "));
    kills
}

/// Tests for a point at which aq itself was killed, and no git that it had started.
fn is_only_aq(point: &Point<'_>) -> bool {
    let code = point.output.status.code();
    point.met.len() == 1 && code.is_none_or(|code| code > 128)
}

fn runs(sandbox: &Sandbox) -> Vec<String> {
    let trace = fs::read_to_string(sandbox.work().join("trace")).unwrap_or_default();
    trace.lines().map(str::to_owned).collect()
}

#[test]
fn add_killed_anywhere_adds_one_job() {
    if !can_trace() {
        return;
    }
    let prepare = |sandbox: &Sandbox| {
        sandbox.write("x", "idempotency-key: k\ndeps: [before]", "echo ran >>trace");
        sandbox.add("before", "idempotency-key: before", "true");
        fs::rename(sandbox.path("x.md"), sandbox.work().join("x.md")).unwrap();
    };
    let kills = at_every_step(prepare, &["add", "x.md"], Share { few: 1, many: 5 }, |point| {
        let Point { sandbox, what, .. } = point;
        // What a killed `add` leaves is no harm to anybody, made again or not.
        point.is_whole(&["before"]);
        point.again(&["add", "x.md"]);
        assert_eq!(sandbox.jobs("inbox"), ["before", "x"], "{what}");
        point.is_whole(&["before", "x"]);
        point.again(&["run", "--once", "--ship", "--quiet"]);
        assert_eq!(sandbox.folders("x"), ["shipped"], "{what}");
        assert_eq!(runs(sandbox), ["ran"], "{what}");
        point.is_whole(&["before", "x"]);
    });
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
    let kills = at_every_step(prepare, &["add", "new.md"], Share { few: 1, many: 5 }, |point| {
        let Point { sandbox, what, .. } = point;
        let (_, said) = sandbox.code(&["run", "--once", "--quiet"]);
        let ran = runs(sandbox);
        assert!(ran == ["old"] || ran == ["new"], "{what}: {ran:?}: {said}");
        point.is_whole(&[&ran[0]]);
    });
    assert!(kills >= 8, "{kills}");
}

/// The kill hits every process of the tree that takes so many steps: the loop, workers, agents.
#[test]
fn run_killed_anywhere_ends_well() {
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
    let check = |point: &Point<'_>| {
        let Point { sandbox, what, .. } = point;
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
            if sandbox.meta_value(id, "message").contains("times in a row") {
                // Each new worker met the same, as long as there was a loop to start it.
                assert_eq!(sandbox.folders(id), ["failed"], "{story}");
                continue;
            }
            // An agent that was killed itself may end its job; nothing else may.
            let killed_agent = sandbox.log(id).contains("signal 9");
            assert!(sandbox.folders(id) == ["testing"] || killed_agent, "{story}");
            // A worker that was killed before its agent started has used an attempt up, too.
            let last = format!("{id}-{}", sandbox.meta_value(id, "attempts"));
            assert_eq!(mine.last().copied(), Some(&last), "{story}");
        }
        assert_eq!(sandbox.agents(), [], "{what}");
        point.is_whole(&["a", "b"]);
    };
    let share = Share { few: 2, many: 12 };
    let kills = at_every_step(prepare, &["run", "--once", "--quiet"], share, check);
    assert!(kills >= 8, "{kills}");
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
fn recovery_killed_anywhere_counts_once() {
    if !can_trace() {
        return;
    }
    let kills = at_every_step(lost, &["recover"], Share { few: 1, many: 5 }, |point| {
        let Point { sandbox, what, .. } = point;
        point.again(&["recover"]);
        assert_eq!(sandbox.folders("x"), ["inbox"], "{what}");
        assert_eq!(sandbox.meta_value("x", "attempts"), "1", "{what}");
        point.is_whole(&["x"]);
    });
    assert!(kills >= 2, "{kills}");
}
