//! Folders that are moved away and made anew under a running loop.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Child, Command, Output};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::sandbox::{Sandbox, is_alive, job_text, wait_child, wait_for};

/// Starts a loop, and waits until it watches and is idle.
fn start(sandbox: &Sandbox) -> Child {
    let file = fs::File::create(sandbox.path("said")).unwrap();
    let mut run = sandbox.aq(&["run"]);
    let run = run.stdout(file.try_clone().unwrap()).stderr(file).spawn().unwrap();
    sandbox.add("before", "", "true");
    wait_for("the first job", || said(sandbox).contains("before  testing"));
    run
}

fn is_at_work(sandbox: &Sandbox) -> bool {
    sandbox.ok(&["status"]).contains("run loop at work")
}

fn said(sandbox: &Sandbox) -> String {
    fs::read_to_string(sandbox.path("said")).unwrap()
}

fn end(mut run: Child) {
    kill(Pid::from_raw(run.id().cast_signed()), Signal::SIGTERM).unwrap();
    assert_eq!(wait_child(&mut run), 0);
}

/// Runs `aq` on a queue that is elsewhere.
fn at(sandbox: &Sandbox, queue: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_aq"));
    sandbox.clean(&mut command).arg("--queue").arg(queue).args(args).output().unwrap()
}

/// A job that works until `go` is there.
fn start_job(sandbox: &Sandbox, name: &str) {
    sandbox.add(name, "", "touch there; while [ ! -e go ]; do sleep 0.01; done; echo done");
    wait_for("the job", || sandbox.work().join("there").exists());
}

/// Puts a job into the inbox by hand.
fn drop_in(sandbox: &Sandbox, name: &str, front: &str) {
    let file = sandbox.queue(&format!("inbox/{name}.md"));
    fs::write(file, job_text(front, "true")).unwrap();
}

#[test]
fn a_replaced_inbox_is_watched() {
    let sandbox = Sandbox::new();
    let run = start(&sandbox);
    fs::rename(sandbox.queue("inbox"), sandbox.path("old-inbox")).unwrap();
    // Without an inbox the loop says so and waits for one.
    wait_for("the words", || said(&sandbox).contains("/inbox is not there"));
    fs::create_dir(sandbox.queue("inbox")).unwrap();
    drop_in(&sandbox, "first", "");
    sandbox.wait_for_stage("first", "testing");
    // Much faster than the loop's own looks, which come every half minute: it gets an event.
    for round in 0..3 {
        fs::rename(sandbox.queue("inbox"), sandbox.path(&format!("inbox-{round}"))).unwrap();
        fs::create_dir(sandbox.queue("inbox")).unwrap();
        let name = format!("job-{round}");
        drop_in(&sandbox, &name, "");
        sandbox.wait_for_stage(&name, "testing");
    }
    fs::remove_dir(sandbox.queue("inbox")).unwrap();
    fs::create_dir(sandbox.queue("inbox")).unwrap();
    sandbox.add("last", "", "true");
    sandbox.wait_for_stage("last", "testing");
    end(run);
}

#[test]
fn jobs_of_an_inbox_that_went_are_forgotten() {
    let sandbox = Sandbox::new();
    let run = start(&sandbox);
    start_job(&sandbox, "runs");
    // One slot: it waits.
    sandbox.add("waits", "", "true");
    fs::rename(sandbox.queue("inbox"), sandbox.path("old-inbox")).unwrap();
    fs::create_dir(sandbox.queue("inbox")).unwrap();
    drop_in(&sandbox, "next", "");
    fs::write(sandbox.work().join("go"), "").unwrap();
    sandbox.wait_for_stage("runs", "testing");
    sandbox.wait_for_stage("next", "testing");
    assert_eq!(sandbox.folders("waits"), [""; 0]);
    assert_eq!(sandbox.meta_value("waits", "launched_at"), "");
    end(run);
}

#[test]
fn profiles_made_later_are_watched() {
    let sandbox = Sandbox::new();
    fs::remove_dir(sandbox.queue("profiles")).unwrap();
    let run = start(&sandbox);
    // Without its profile it would fail; it waits for another job.
    let front = "profile: careful\ndeps: [later]";
    let mine = sandbox.path("mine");
    fs::create_dir(&mine).unwrap();
    symlink(&mine, sandbox.queue("profiles")).unwrap();
    fs::write(mine.join("careful.yaml"), "priority: low\n").unwrap();
    sandbox.add("a", front, "true");
    wait_for("the profile", || sandbox.meta_value("a", "priority") == "low");
    // The loop reads the job again at an event of the directory behind the link.
    fs::write(mine.join("careful.yaml"), "priority: high\n").unwrap();
    wait_for("its change", || sandbox.meta_value("a", "priority") == "high");
    fs::remove_file(sandbox.queue("profiles")).unwrap();
    fs::create_dir(sandbox.queue("profiles")).unwrap();
    fs::write(sandbox.queue("profiles/careful.yaml"), "priority: critical\n").unwrap();
    wait_for("another directory", || sandbox.meta_value("a", "priority") == "critical");
    end(run);
}

#[test]
fn a_loop_ends_when_its_queue_is_renamed() {
    let sandbox = Sandbox::new();
    let mut run = start(&sandbox);
    start_job(&sandbox, "goes-on");
    let worker = sandbox.worker("goes-on");
    let moved = sandbox.path("renamed");
    fs::rename(sandbox.queue(""), &moved).unwrap();
    assert_eq!(wait_child(&mut run), 3, "{}", said(&sandbox));
    let words = said(&sandbox);
    let root = sandbox.queue("").display().to_string();
    assert!(words.contains(&format!("the queue {root} was moved away or removed")), "{words}");
    assert!(words.contains("; its job goes on: goes-on; "), "{words}");
    let mend = format!("`aq trust {0} && aq --queue {0} run`", moved.display());
    assert!(words.contains(&mend), "{words}");
    assert!(!moved.join(".state/daemon.pid").exists());
    assert!(is_alive(worker));
    // Where the queue is now, a loop takes the job up, whose agent ends well.
    fs::write(sandbox.work().join("go"), "").unwrap();
    assert!(at(&sandbox, &moved, &["trust"]).status.success());
    let output = at(&sandbox, &moved, &["run", "--once", "--quiet"]);
    assert!(output.status.success(), "{output:?}");
    assert!(moved.join("testing/goes-on.md").exists());
    let log = fs::read_to_string(moved.join("logs/goes-on.log")).unwrap();
    assert_eq!(log.matches("attempt ").count(), 1, "{log}");
}

#[test]
fn loop_leaves_new_queue_alone() {
    let sandbox = Sandbox::new();
    let mut run = start(&sandbox);
    let moved = sandbox.path("renamed");
    // Stopped, so that it finds both when it goes on.
    let pid = Pid::from_raw(run.id().cast_signed());
    kill(pid, Signal::SIGSTOP).unwrap();
    fs::rename(sandbox.queue(""), &moved).unwrap();
    sandbox.ok(&["init"]);
    let status = |queue: &Path| String::from_utf8(at(&sandbox, queue, &["status"]).stdout).unwrap();
    // Its process is alive, and works on neither.
    for queue in [&sandbox.queue(""), &moved] {
        assert!(status(queue).contains("no run loop"), "{}", status(queue));
    }
    let mut second = sandbox.start_loop(&[]);
    wait_for("the second loop", || is_at_work(&sandbox));
    kill(pid, Signal::SIGCONT).unwrap();
    assert_eq!(wait_child(&mut run), 3, "{}", said(&sandbox));
    let words = said(&sandbox);
    let root = sandbox.queue("").display().to_string();
    assert!(words.contains(&format!("{root} is another directory than the one")), "{words}");
    assert!(words.contains(&format!("that one is {} now", moved.display())), "{words}");
    assert!(words.contains("no job was running"), "{words}");
    // The second one's name is still there.
    assert!(is_at_work(&sandbox));
    kill(Pid::from_raw(second.id().cast_signed()), Signal::SIGTERM).unwrap();
    assert_eq!(wait_child(&mut second), 0);
}

#[test]
fn loop_ends_without_its_records() {
    let sandbox = Sandbox::new();
    let mut run = start(&sandbox);
    start_job(&sandbox, "goes-on");
    fs::rename(sandbox.queue(".state"), sandbox.queue("old-state")).unwrap();
    assert_eq!(wait_child(&mut run), 3, "{}", said(&sandbox));
    let words = said(&sandbox);
    assert!(
        words.contains("/.state, which has the records of the jobs, was moved away"),
        "{words}"
    );
    assert!(words.contains("/old-state now; its job goes on: goes-on; put it back"), "{words}");
    fs::rename(sandbox.queue("old-state"), sandbox.queue(".state")).unwrap();
    fs::write(sandbox.work().join("go"), "").unwrap();
    sandbox.ok(&["run", "--once", "--quiet"]);
    assert_eq!(sandbox.folders("goes-on"), ["testing"]);
    assert_eq!(sandbox.meta_value("goes-on", "attempts"), "1");
}
