//! Processes that a command leaves behind are ended, however they hid. Every `run` checks that
//! nothing is left.

use std::fs::OpenOptions;
use std::time::Duration;

use aq_runner::process::Signal;

use crate::probe_run::{Probe, alive, field, run, wait_for};

/// Opens a session of its own and ignores SIGTERM.
const SESSION: &str = "setsid sh -c 'trap \"\" TERM; echo up MARK; sleep 1000; sleep 1000' &";
/// Loses its parent and its environment; only the arguments still show the mark.
const DAEMON: &str = "(setsid env -i sh -c 'sleep 1000 & sleep 1000; : MARK' >/dev/null 2>&1 \
    </dev/null &) ; echo up MARK;";
/// Holds the pipes.
const HOLDER: &str = "sleep 1000 & echo up MARK;";

fn each_hider(check: impl Fn(&str)) {
    for hider in [SESSION, DAEMON, HOLDER] {
        check(hider);
    }
}

#[test]
fn nothing_is_left_after_a_normal_end() {
    each_hider(|hider| {
        let script = format!("{hider} sleep 0.1; exit 4");
        let report = run(&["grace=200", "--", "sh", "-c", &script]);
        assert_eq!(report.get("status"), "Some(Exited(4))", "{hider}");
        assert_eq!(report.get("cause"), "ByItself");
        assert!(report.number("killed") >= 1);
        assert_eq!(report.get("left"), "0");
        assert!(report.number("ms") < 4000);
    });
}

#[test]
fn nothing_is_left_after_deadline() {
    each_hider(|hider| {
        let script = format!("{hider} sleep 1000");
        let report = run(&["deadline=300", "grace=200", "--", "sh", "-c", &script]);
        assert_eq!(report.get("cause"), "Deadline", "{hider}");
        assert_eq!(report.get("left"), "0");
    });
}

#[test]
fn nothing_is_left_after_stop() {
    each_hider(|hider| {
        let script = format!("{hider} sleep 1000");
        let mut probe = Probe::start(&["grace=200", "--", "sh", "-c", &script]);
        assert_eq!(probe.line(), format!("up {}", probe.mark));
        probe.signal(Signal::TERM);
        let mark = probe.mark.clone();
        let report = probe.finish();
        assert!(report.get("cause").starts_with("Stopped"), "{hider}");
        assert_eq!(alive(&mark), Vec::<u32>::new());
    });
}

#[test]
fn a_quick_command_leaves_nothing_to_look_for() {
    let report = run(&["--", "sh", "-c", "(true &) ; true"]);
    assert_eq!(report.get("left"), "0");
}

#[test]
fn output_of_a_survivor_is_kept_while_it_comes() {
    let script = "(sleep 0.1; echo late) & echo early";
    let report = run(&["idle=20000", "drain=20000", "--", "sh", "-c", script]);
    assert_eq!(report.stdout, b"early\nlate\n");
    assert_eq!(report.get("killed"), "0");
}

#[test]
fn a_survivor_that_never_falls_silent_is_ended() {
    let script = "(while :; do echo x; sleep 0.02; done) & exit 0";
    let report = run(&["drain=400", "--", "sh", "-c", script]);
    assert_eq!(report.get("status"), "Some(Exited(0))");
    assert!(report.took < Duration::from_secs(4));
}

#[test]
fn a_pipe_held_by_a_stranger_delays_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let go = dir.path().join("go");
    nix::unistd::mkfifo(&go, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let script = "echo $$; read line < $0; exit 6";
    let mut probe = Probe::start(&["--", "sh", "-c", script, go.to_str().unwrap()]);
    let shell = probe.line();
    let held = OpenOptions::new().write(true).open(format!("/proc/{shell}/fd/1")).unwrap();
    std::fs::write(&go, "go\n").unwrap();
    let report = probe.finish();
    assert_eq!(report.get("status"), "Some(Exited(6))");
    drop(held);
}

#[test]
fn a_fork_bomb_is_ended() {
    // Every process starts two more and waits; the limit keeps a failing test harmless.
    let script = "ulimit -u 5000; n() { [ $1 -gt 0 ] && { n $(($1-1)) & n $(($1-1)) & }; \
        sleep 1000; }; trap '' TERM; n 7";
    let report = run(&["deadline=500", "grace=100", "--", "bash", "-c", script]);
    assert_eq!(report.get("cause"), "Deadline");
    assert!(report.number("killed") > 200, "{:?}", report.lines);
}

#[test]
fn forking_chain_is_ended() {
    // No member lives longer than it takes to start the next one.
    let script = "trap '' TERM; echo 'sh \"$0\" & exit' > $0/MARK; echo up; sh $0/MARK; sleep 1000";
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().to_str().unwrap();
    let report = run(&["deadline=300", "grace=100", "--", "sh", "-c", script, path]);
    assert_eq!(report.get("cause"), "Deadline");
    assert_eq!(report.get("left"), "0");
}

#[test]
fn orphans_of_a_running_command_are_reaped() {
    let script = "for i in 1 2 3 4 5; do (setsid true &) ; done; echo up; sleep 1000";
    let mut probe = Probe::start(&["--", "sh", "-c", script]);
    assert_eq!(probe.line(), "up");
    let pid = probe.child.id();
    let children = format!("/proc/{pid}/task/{pid}/children");
    wait_for("one child alone", || {
        std::fs::read_to_string(&children).unwrap().split_whitespace().count() == 1
    });
    probe.signal(Signal::TERM);
    let report = probe.finish();
    assert!(field(&report.lines[0], "cause").starts_with("Stopped"));
}
