//! The supervisor is killed; what it left is found and ended.

use std::path::Path;
use std::time::Duration;

use aq_runner::process::{ControlGroup, ProcessId, ProcessMarkers, Signal, SweepReport, sweep};

use crate::probe_run::{Probe, alive, field, new_mark, run, wait_for};
use crate::program::probe;

const GRACE: Duration = Duration::from_millis(200);
const NOTHING: SweepReport = SweepReport { found: 0, left: 0 };

fn by_mark(mark: &str) -> SweepReport {
    sweep(&ProcessMarkers { markers: &[("PROBE_MARK", mark.as_ref())], cgroup: None }, GRACE)
        .unwrap()
}

fn kill_the_supervisor(probe: &mut Probe) {
    probe.signal(Signal::KILL);
    probe.child.wait().unwrap();
}

#[test]
fn survivors_of_a_killed_supervisor_are_ended() {
    // One ignores SIGTERM, one has a session of its own, one below a marked one has no environment.
    // Each says for itself when it is up: in the middle of an exec a process has no environment to
    // read.
    let script = "trap '' TERM; setsid sh -c 'sleep 1000 & echo up; wait' & \
                  env -i sh -c 'sleep 1000 & echo up; wait; : MARK' & \
                  while :; do sleep 1000; done";
    let mut probe = Probe::start(&["--", "sh", "-c", script]);
    assert_eq!([probe.line(), probe.line()], ["up", "up"]);
    kill_the_supervisor(&mut probe);
    let mark = probe.mark.clone();
    assert!(alive(&mark).len() >= 3);
    let swept = by_mark(&mark);
    assert!(swept.found >= 4, "{swept:?}");
    assert_eq!(swept.left, 0);
    assert_eq!(alive(&mark), Vec::<u32>::new());
    assert_eq!(by_mark(&mark), NOTHING);
}

#[test]
fn every_marker_must_be_there_exactly() {
    let mut probe = Probe::start(&["--", "sh", "-c", "echo up; sleep 1000"]);
    assert_eq!(probe.line(), "up");
    let mark = probe.mark.clone();
    let shorter = &mark[..mark.len() - 1];
    assert_eq!(by_mark(shorter), NOTHING);
    let both = [("PROBE_MARK", mark.as_ref()), ("PROBE_OTHER", "1".as_ref())];
    assert_eq!(sweep(&ProcessMarkers { markers: &both, cgroup: None }, GRACE).unwrap(), NOTHING);
    assert_eq!(sweep(&ProcessMarkers { markers: &[], cgroup: None }, GRACE).unwrap(), NOTHING);
    assert_eq!(by_mark(&new_mark()), NOTHING);
    probe.signal(Signal::TERM);
    drop(probe.finish());
}

#[test]
fn caller_and_ancestors_are_spared() {
    // The outer probe, the shell and the inner probe all have the mark; so has the sleeper.
    let script = "sleep 1000 & \"$0\" sweep=MARK -- echo spared";
    let report = run(&["--", "sh", "-c", script, probe()]);
    assert_eq!(report.stdout, b"swept 1 0\nspared\n");
    assert_eq!(report.lines.last().map(|line| field(line, "killed")), Some("0"));
}

#[test]
fn a_control_group_finds_what_hid_from_the_environment() {
    let daemon = "(setsid env -i sh -c 'sleep 1000; : MARK' >/dev/null 2>&1 </dev/null &); \
        echo up; sleep 1000";
    let mut probe = Probe::start(&["settle=300", "--", "sh", "-c", daemon]);
    assert_eq!(probe.line(), "up");
    let mark = probe.mark.clone();
    wait_for("the daemon", || alive(&mark).len() >= 4);
    // The group is entered when all of them are there already.
    let entered = probe.line();
    let path = entered.strip_prefix("cgroup ").unwrap().to_owned();
    kill_the_supervisor(&mut probe);
    if path == "none" {
        // No writable cgroup v2 here: the marked ones are found, the hidden ones are not.
        assert!(by_mark(&mark).found >= 1);
        for pid in alive(&mark) {
            if let Some(id) = ProcessId::of(pid).unwrap() {
                id.signal(Signal::KILL).unwrap();
            }
        }
        return;
    }
    let group = ControlGroup::at(Path::new(&path)).unwrap();
    assert!(group.remove().is_err(), "a group in use cannot be removed");
    let swept = sweep(&ProcessMarkers { markers: &[], cgroup: Some(&group) }, GRACE).unwrap();
    assert!(swept.found >= 3, "{swept:?}");
    assert_eq!(swept.left, 0);
    assert_eq!(alive(&mark), Vec::<u32>::new());
    group.remove().unwrap();
    group.remove().unwrap();
    assert!(!Path::new(&path).exists());
}
