//! Whatever a job starts ends with it: what opened a session of its own, a daemon that was forked
//! twice, what holds the pipe of the log open.

use nix::sys::signal::{Signal, kill};

use crate::sandbox::{Sandbox, kill_child, kill_hard, wait_child, wait_for};

/// Starts the three kinds of processes that are easy to lose, and prints when they are there.
const BROOD: &str = r#"
setsid sleep 1000 </dev/null >/dev/null 2>&1 &
daemon='trap "" TERM; while :; do sleep 1; done'
( ( trap '' TERM; exec setsid sh -c "$daemon" </dev/null >/dev/null 2>&1 ) & ) &
sh -c 'while :; do sleep 1; done' &
while [ "$(grep -lsz "AQ_JOB_ID=$AQ_JOB_ID" /proc/[0-9]*/environ 2>/dev/null | wc -l)" -lt 5 ]
do sleep 0.02; done
echo there
"#;

fn brood(front: &str, then: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    std::fs::write(sandbox.queue("config.yaml"), "kill-grace: 1s\n").unwrap();
    sandbox.add("brood", front, &format!("{BROOD}{then}"));
    sandbox
}

fn wait_for_brood(sandbox: &Sandbox) {
    wait_for("the job's processes", || sandbox.log("brood").contains("there"));
    // Those of other tests have been counted by the script, too.
    wait_for("all of them", || sandbox.agents().len() >= 4);
}

#[test]
fn nothing_is_left_after_a_normal_end() {
    let sandbox = brood("", "");
    sandbox.ok(&["run", "--once", "--quiet"]);
    assert_eq!(sandbox.agents(), []);
    assert_eq!(sandbox.folders("brood"), ["testing"]);
}

#[test]
fn nothing_is_left_after_timeout() {
    let sandbox = brood("timeout: 1s", "sleep 1000");
    assert_eq!(sandbox.code(&["run", "--once", "--quiet"]).0, 1);
    assert_eq!(sandbox.agents(), []);
    assert_eq!(sandbox.folders("brood"), ["failed"]);
    assert_eq!(sandbox.meta_value("brood", "result"), "timeout");
    assert!(sandbox.log("brood").contains("TIMED OUT"));
}

#[test]
fn nothing_is_left_after_stop() {
    let sandbox = brood("", "sleep 1000");
    let mut run = sandbox.start_loop(&["--once"]);
    wait_for_brood(&sandbox);
    sandbox.ok(&["stop", "brood"]);
    assert_eq!(wait_child(&mut run), 1);
    assert_eq!(sandbox.agents(), []);
    assert_eq!(sandbox.folders("brood"), ["failed"]);
    assert_eq!(sandbox.meta_value("brood", "result"), "stopped");
}

#[test]
fn killed_worker_leaves_nothing() {
    let sandbox = brood("", "[ $AQ_ATTEMPT = 1 ] && sleep 1000; true");
    let mut run = sandbox.start_loop(&["--once"]);
    wait_for_brood(&sandbox);
    kill_hard(sandbox.worker("brood"));
    assert_eq!(wait_child(&mut run), 0);
    assert_eq!(sandbox.agents(), []);
    assert_eq!(sandbox.folders("brood"), ["testing"]);
    assert_eq!(sandbox.meta_value("brood", "attempts"), "2");
}

#[test]
fn nothing_is_left_after_recover() {
    let sandbox = brood("", "sleep 1000");
    let mut run = sandbox.start_loop(&[]);
    wait_for_brood(&sandbox);
    kill_child(&mut run);
    kill_hard(sandbox.worker("brood"));
    assert!(!sandbox.agents().is_empty());
    assert!(sandbox.ok(&["recover"]).contains("brood"));
    assert_eq!(sandbox.agents(), []);
    assert_eq!(sandbox.folders("brood"), ["inbox"]);
    assert_eq!(sandbox.meta_value("brood", "attempts"), "1");
    // The second time there is nothing to do.
    let before = sandbox.meta("brood");
    assert!(sandbox.ok(&["recover"]).contains("nothing to recover"));
    assert_eq!(sandbox.meta("brood"), before);
}

#[test]
fn killed_worker_leaves_one_verify() {
    let sandbox = Sandbox::new();
    let verify = "verify: \"[ -e again ] && exit 0; touch again; setsid sleep 1000\"";
    sandbox.add("judge", verify, "true");
    let mut run = sandbox.start_loop(&["--once"]);
    let marker = sandbox.work().join("again");
    wait_for("verify", || marker.exists());
    kill_hard(sandbox.worker("judge"));
    assert_eq!(wait_child(&mut run), 0);
    assert_eq!(sandbox.agents(), []);
    assert_eq!(sandbox.folders("judge"), ["testing"]);
    assert_eq!(sandbox.meta_value("judge", "attempts"), "1");
}

#[test]
fn stopping_all_ends_agents_and_puts_their_jobs_back() {
    let sandbox = brood("", "sleep 1000");
    let mut run = sandbox.start_loop(&[]);
    wait_for_brood(&sandbox);
    sandbox.ok(&["stop", "--all"]);
    assert_eq!(wait_child(&mut run), 0);
    assert_eq!(sandbox.agents(), []);
    assert_eq!(sandbox.folders("brood"), ["inbox"]);
}

#[test]
fn next_loop_adopts_agents() {
    let sandbox = Sandbox::new();
    sandbox.add("long", "", "echo there; while [ ! -e go ]; do sleep 0.01; done");
    let mut first = sandbox.start_loop(&[]);
    wait_for("the job", || sandbox.log("long").contains("there"));
    let worker = sandbox.worker("long");
    kill(nix::unistd::Pid::from_raw(first.id().cast_signed()), Signal::SIGTERM).unwrap();
    assert_eq!(wait_child(&mut first), 0);
    let mut second = sandbox.start_loop(&["--once"]);
    std::fs::write(sandbox.work().join("go"), "").unwrap();
    assert_eq!(wait_child(&mut second), 0);
    assert_eq!(sandbox.folders("long"), ["testing"]);
    assert_eq!(sandbox.meta_value("long", "attempts"), "1");
    assert_eq!(sandbox.log("long").matches("there").count(), 1);
    assert!(!crate::sandbox::is_alive(worker));
}
