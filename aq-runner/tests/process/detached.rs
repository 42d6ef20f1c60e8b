//! A worker lives on its own and costs nothing while it waits.

use std::fs::File;
use std::time::Duration;

use aq_runner::process::{DetachedWorker, ProcessId, Signal, spawn_detached};
use nix::sys::signal::SigSet;

use crate::probe_run::{Probe, wait_for};
use crate::program::probe;

#[test]
fn worker_leaves_its_terminal() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("log");
    let file = File::create(&log).unwrap();
    // Keys pressed at the terminal before the worker has left it; then it becomes a supervisor,
    // whose session is field 6 of proc(5).
    let script = "kill -INT $$; kill -HUP $$; exec \"$0\" -- sh -c \
                  'echo $WORD $PPID; cut -d \" \" -f 6 /proc/$PPID/stat'";
    let before = SigSet::thread_get_mask().unwrap();
    let mut worker = spawn_detached(DetachedWorker {
        program: "/bin/sh".into(),
        args: vec!["-c".into(), script.into(), probe().into()],
        cwd: Some(dir.path().to_owned()),
        env: vec![("WORD".into(), "worker".into())],
        stdin: std::process::Stdio::null(),
        stdout: file.try_clone().unwrap().into(),
        stderr: file,
    })
    .unwrap();
    assert_eq!(SigSet::thread_get_mask().unwrap(), before);
    assert!(worker.wait().unwrap().success());
    let text = std::fs::read_to_string(&log).unwrap();
    let pid = worker.id();
    assert!(
        text.starts_with(&format!("worker {pid}\n{pid}\nended status=Some(Exited(0))")),
        "{text}"
    );
}

#[test]
fn supervisor_of_silent_command_sleeps() {
    let mut probe =
        Probe::start(&["deadline=600000", "--", "sh", "-c", "echo up; exec sleep 1000"]);
    assert_eq!(probe.line(), "up");
    let id = ProcessId::of(probe.child.id()).unwrap().unwrap();
    let status = || std::fs::read_to_string(format!("/proc/{}/status", id.pid())).unwrap();
    let switches = || {
        let text = status();
        let lines = text.lines().filter(|line| line.contains("ctxt_switches"));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    wait_for("sleep", || status().contains("State:\tS"));
    let before = switches();
    assert_eq!(before.len(), 2);
    // Nothing can be waited for here: that nothing happens is what is looked for.
    assert!(!id.wait_gone(Some(Duration::from_millis(500))).unwrap());
    assert_eq!(switches(), before);
    probe.signal(Signal::TERM);
    drop(probe.finish());
}
