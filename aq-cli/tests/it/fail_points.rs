//! Every system call of a command fails once, in turn: with an I/O error, on a full disk, without a
//! free descriptor, interrupted. After each the command has said so and can be made again, and a
//! program that shares no code with aq (`tools/check_queue.rs`) finds the queue whole.

use crate::injection::{self, Fault, Plan, Point, can_trace, is_of_memory, stride};
use crate::sandbox::{Sandbox, wait_for};

mod repository;
mod worker;

/// Which calls fail, and how.
const FAULTS: &[(&str, &str)] = &[
    ("write,pwrite64,writev", "EIO"),
    ("write,pwrite64,writev", "ENOSPC"),
    ("write,pwrite64,writev", "EDQUOT"),
    ("write,read,openat,flock,wait4,waitid", "EINTR"),
    ("fsync,fdatasync,syncfs", "EIO"),
    ("openat", "EMFILE"),
    ("openat", "ENOSPC"),
    ("openat,read,pread64,getdents64,lseek", "EIO"),
    ("statx,newfstatat,fstat", "EIO"),
    ("rename,renameat,renameat2,link,linkat", "EIO"),
    ("rename,renameat,renameat2,link,linkat,mkdir,mkdirat", "ENOSPC"),
    ("unlink,unlinkat,rmdir", "EIO"),
    ("flock", "ENOLCK"),
    ("ftruncate", "EIO"),
    ("chmod,fchmod,fchmodat", "EPERM"),
];

/// Of these a command makes a handful, so that many of them are always tried.
const FEW: &[(&str, &str)] = &[
    ("clone,clone3,fork,vfork", "EAGAIN"),
    ("execve", "ENOMEM"),
    ("chdir", "EACCES"),
    ("pipe2,socketpair,dup3,epoll_create1,inotify_init1,pidfd_open", "EMFILE"),
    ("inotify_add_watch", "ENOSPC"),
];

/// Calls of a name that are tried of one process. Only recovery makes more: it reads about every
/// process of the machine.
const MANY: usize = 150;

impl Point<'_> {
    /// Tests for a command that says that it was done.
    fn is_done(&self) -> bool {
        self.output.status.success()
    }

    /// A command that cannot go on says why, and does not panic.
    fn has_spoken(&self) {
        if self.met.iter().any(|call| is_of_memory(call)) {
            return;
        }
        let said = String::from_utf8_lossy(&self.output.stderr);
        assert!(!said.contains("panicked"), "{}: {said}", self.what);
        let code = self.output.status.code();
        assert!(code.is_some_and(|code| code != 101), "{}: {code:?} {said}", self.what);
        // 1: a job has failed, and its log says why. 124: a loop tried again and again, as it
        // should when every worker fails. 127: the system could not load the program.
        let is_silent = said.trim().is_empty() && self.output.stdout.is_empty();
        assert!(matches!(code, Some(0 | 1 | 124 | 127)) || !is_silent, "{}: {code:?}", self.what);
    }
}

/// Makes each call of a command fail, each time in a fresh queue, and looks after each. Answers at
/// how many places. All places are many and slow: `share` of them, or each with `AQ_FAIL_STRIDE=1`,
/// as `./test --long` sets it.
#[expect(clippy::print_stdout, reason = "it is the test's own output")]
fn everywhere(
    prepare: impl Fn(&Sandbox),
    args: &[&str],
    share: usize,
    look: impl Fn(&Point<'_>),
) -> usize {
    let stride = stride("AQ_FAIL_STRIDE", share);
    let few = FEW.iter().map(|fault| (fault, stride.div_ceil(8)));
    let all = FAULTS.iter().map(|fault| (fault, stride)).chain(few);
    let plans = all.map(|(&(calls, error), stride)| {
        let fault = Fault::Error(error);
        Plan { calls, fault, stride, most: MANY }
    });
    let points = injection::everywhere(plans, prepare, args, |point| {
        point.has_spoken();
        look(point);
    });
    println!("aq {}: {points} points", args.join(" "));
    points
}

#[test]
fn an_add_that_fails_leaves_nothing_half_done() {
    if !can_trace() {
        return;
    }
    let prepare = |sandbox: &Sandbox| {
        sandbox.write("x", "idempotency-key: k\ndeps: [before]", "echo ran >>trace");
        sandbox.add("before", "idempotency-key: before", "true");
        std::fs::rename(sandbox.path("x.md"), sandbox.work().join("x.md")).unwrap();
    };
    let points = everywhere(prepare, &["add", "x.md"], 9, |point| {
        let sandbox = point.sandbox;
        if point.is_done() {
            point.is_whole(&["before", "x"]);
        }
        point.again(&["add", "x.md"]);
        point.is_whole(&["before", "x"]);
        assert_eq!(sandbox.jobs("inbox"), ["before", "x"], "{}", point.what);
    });
    assert!(points >= 15, "{points}");
}

/// Without a key only the answer distinguishes a second try from the first.
#[test]
fn failed_keyless_add_adds_nothing() {
    if !can_trace() {
        return;
    }
    let prepare = |sandbox: &Sandbox| {
        sandbox.write("x", "", "echo ran >>trace");
        std::fs::rename(sandbox.path("x.md"), sandbox.work().join("x.md")).unwrap();
    };
    let look = |point: &Point<'_>| {
        // What it answers is not for the disk to keep.
        if point.met.iter().any(|call| call.contains("write(1<") || call.contains("write(2<")) {
            return;
        }
        // When undoing it met a fault too.
        let said = String::from_utf8_lossy(&point.output.stderr);
        let is_added = point.is_done() || said.contains("in the queue all the same: x");
        let there: &[&str] = if is_added { &["x"] } else { &[] };
        assert_eq!(point.sandbox.jobs("inbox"), there, "{}: {said}", point.what);
        if !is_added {
            point.again(&["add", "x.md"]);
        }
        point.is_whole(&["x"]);
    };
    let points = everywhere(prepare, &["add", "x.md"], 9, look);
    assert!(points >= 10, "{points}");
    let fault = Fault::Error("EIO");
    let plan = Plan { calls: "fsync,fdatasync,syncfs", fault, stride: 1, most: MANY };
    let syncs = injection::everywhere([plan], prepare, &["add", "x.md"], |point| {
        assert!(!point.is_done(), "{}", point.what);
        look(point);
    });
    // Each thread by itself: the first fault meets all that is synced side by side.
    assert_eq!(syncs, 2, "the file and its record, and their names");
}

#[test]
fn failing_run_loses_and_doubles_nothing() {
    if !can_trace() {
        return;
    }
    let prepare = |sandbox: &Sandbox| {
        sandbox.ok(&["caps"]);
        let body = "echo $AQ_ATTEMPT >>trace";
        sandbox.add("a", "retry: {max: 3, backoff: 0s}\nverify: \"true\"", body);
    };
    let points = everywhere(prepare, &["run", "--once", "--quiet"], 40, |point| {
        let sandbox = point.sandbox;
        wait_for("the workers", || sandbox.workers().is_empty());
        // The job may have failed, when it was the agent whose call failed; then it says so.
        let _ = sandbox.code(&["run", "--once", "--quiet"]);
        point.is_whole(&["a"]);
        let trace = std::fs::read_to_string(sandbox.work().join("trace")).unwrap_or_default();
        let mut once: Vec<&str> = trace.lines().collect();
        once.dedup();
        assert_eq!(once, trace.lines().collect::<Vec<_>>(), "{}", point.what);
        if sandbox.folders("a") == ["failed"] {
            point.again(&["requeue", "a"]);
            point.again(&["run", "--once", "--quiet"]);
        }
        assert_eq!(sandbox.folders("a"), ["testing"], "{}: {}", point.what, sandbox.log("a"));
        assert_eq!(sandbox.agents(), [], "{}", point.what);
        point.is_whole(&["a"]);
    });
    assert!(points >= 15, "{points}");
}

/// A job that is verified and waits to be accepted.
fn verified(sandbox: &Sandbox) {
    sandbox.add("a", "idempotency-key: k", "true");
    sandbox.ok(&["run", "--once", "--quiet"]);
}

#[test]
fn a_ship_that_fails_can_be_made_again() {
    if !can_trace() {
        return;
    }
    let points = everywhere(verified, &["ship", "a"], 10, |point| {
        let folders = point.sandbox.folders("a");
        if point.is_done() {
            assert_eq!(folders, ["shipped"], "{}", point.what);
        }
        if folders != ["shipped"] {
            point.again(&["ship", "a"]);
        }
        point.again(&["recover"]);
        assert_eq!(point.sandbox.folders("a"), ["shipped"], "{}", point.what);
        point.is_whole(&["a"]);
    });
    assert!(points >= 6, "{points}");
}

#[test]
fn failing_clean_takes_what_it_says() {
    if !can_trace() {
        return;
    }
    let prepare = |sandbox: &Sandbox| {
        verified(sandbox);
        sandbox.ok(&["ship", "a"]);
        sandbox.add("b", "", "true");
    };
    let points = everywhere(prepare, &["clean", "--keep", "0"], 12, |point| {
        point.again(&["clean", "--keep", "0"]);
        point.is_whole(&["b"]);
        assert_eq!(point.sandbox.folders("b"), ["inbox"], "{}", point.what);
    });
    assert!(points >= 5, "{points}");
}

#[test]
fn failing_recovery_counts_once() {
    if !can_trace() {
        return;
    }
    let prepare = |sandbox: &Sandbox| crate::kill_points::lost(sandbox);
    let points = everywhere(prepare, &["recover"], 40, |point| {
        point.again(&["recover"]);
        assert_eq!(point.sandbox.folders("x"), ["inbox"], "{}", point.what);
        assert_eq!(point.sandbox.meta_value("x", "attempts"), "1", "{}", point.what);
        point.is_whole(&["x"]);
    });
    assert!(points >= 6, "{points}");
}
