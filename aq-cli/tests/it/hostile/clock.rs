//! A wall clock that jumps a year while a loop runs. `libfaketime` makes the jump: it stands
//! between aq, its workers and their agents and what the C library says of the wall clock, and
//! leaves the clock alone that nobody can set. The times of files stay those of the system.

use std::fs;
use std::path::PathBuf;

use nix::unistd::Pid;

use super::surroundings::is_well;
use crate::sandbox::{Sandbox, cpu_ticks, is_alive, job_text, kill_child, skipped, wait_for};
use crate::vendor::{done, limited};

/// The switch of the wall clock of a sandbox.
pub(crate) struct WallClock(PathBuf);

impl WallClock {
    /// Everything that the sandbox starts from now on goes by it.
    pub(crate) fn of(sandbox: &mut Sandbox) -> Option<Self> {
        let library = fs::read_dir("/usr/lib")
            .unwrap()
            .flatten()
            .map(|entry| entry.path().join("faketime/libfaketimeMT.so.1"))
            .find(|path| path.exists());
        let Some(library) = library else {
            skipped("libfaketime is not installed (apt-get install faketime)");
            return None;
        };
        let clock = Self(sandbox.path("clock"));
        clock.set("+0");
        sandbox.set("LD_PRELOAD", library);
        sandbox.set("FAKETIME_TIMESTAMP_FILE", &clock.0);
        for name in ["NO_CACHE", "DONT_FAKE_MONOTONIC", "DISABLE_SHM"] {
            sandbox.set(&format!("FAKETIME_{name}"), "1");
        }
        sandbox.set("NO_FAKE_STAT", "1");
        Some(clock)
    }

    /// Sets it, as far as that from the true time.
    pub(crate) fn set(&self, offset: &str) {
        let new = self.0.with_extension("new");
        fs::write(&new, offset).unwrap();
        fs::rename(new, &self.0).unwrap();
    }
}

/// Tests for a moment on record that was taken from a clock that is a year wrong: the jump has
/// reached aq.
pub(crate) fn is_a_year_off(sandbox: &Sandbox, id: &str, key: &str) -> bool {
    let at: jiff::Timestamp = sandbox.meta_value(id, key).parse().unwrap();
    at.duration_since(jiff::Timestamp::now()).as_hours().abs() > 300 * 24
}

/// Measures the loop's use of the processor in a second in which nothing happens.
fn is_idle(run: u32) {
    let before = cpu_ticks(run);
    std::thread::sleep(std::time::Duration::from_secs(1));
    let spent = cpu_ticks(run) - before;
    assert!(spent < 10, "{spent} hundredths of a second of processor time in 1 s");
}

/// A retry waits as long as it should, by the clock that cannot be set.
fn pauses_last(sandbox: &Sandbox, name: &str) {
    let body = format!("cut -d' ' -f1 /proc/uptime >>{name}; [ $AQ_ATTEMPT = 2 ]");
    sandbox.add(name, "retry: {max: 2, backoff: 2s}", &body);
    sandbox.wait_for_stage(name, "testing");
    let begun = fs::read_to_string(sandbox.work().join(name)).unwrap();
    let begun: Vec<f64> = begun.lines().map(|line| line.parse().unwrap()).collect();
    assert!(begun[1] - begun[0] >= 2.0, "{begun:?}");
}

/// The jobs that both tests have: one that works, one that is to time out, one that waits for its
/// second attempt, one whose engine rests. Answers the loop.
fn jobs(sandbox: &Sandbox, backoff: &str) -> std::process::Child {
    let wait = "until [ -e go ]; do sleep 0.02; done";
    sandbox.add("slow", "timeout: 1h", wait);
    sandbox.add("late", "timeout: 4s", "echo begun; sleep 1000");
    sandbox.add_for("limited", "engine: claude", "Do it.");
    let run = sandbox.start_loop(&["--max", "5"]);
    wait_for("the limit", || sandbox.meta_value("limited", "engine_error") == "quota");
    sandbox.wait_for_stage("limited", "inbox");
    wait_for("the one that is late", || sandbox.log("late").contains("begun"));
    let retry = format!("retry: {{max: 2, backoff: {backoff}}}");
    sandbox.add("again", &retry, "[ $AQ_ATTEMPT = 2 ]");
    wait_for("the first attempt", || {
        !sandbox.meta_value("again", "next_eligible").is_empty()
            && sandbox.folders("again") == ["inbox"]
    });
    run
}

/// The end of both tests.
fn all_have_ended_well(sandbox: &Sandbox, worker: Pid) {
    // Four seconds of its own, whatever the wall clock says.
    sandbox.wait_for_stage("late", "failed");
    assert_eq!(sandbox.meta_value("late", "result"), "timeout");
    let took: f64 = sandbox.meta_value("late", "duration_s").parse().unwrap();
    assert!((4.0..30.0).contains(&took), "{took}");
    assert!(is_alive(worker), "an hour has not passed");
    assert_eq!(sandbox.worker("slow"), worker);
    fs::write(sandbox.work().join("go"), "").unwrap();
    sandbox.wait_for_stage("slow", "testing");
    for id in ["slow", "limited"] {
        assert_eq!(sandbox.meta_value(id, "attempts"), "1", "{id}");
    }
    let took: f64 = sandbox.meta_value("slow", "duration_s").parse().unwrap();
    assert!((0.0..120.0).contains(&took), "{took}");
    assert_eq!(sandbox.meta_value("again", "attempts"), "2");
}

#[test]
fn clock_ahead_ends_only_pauses() {
    let mut sandbox = Sandbox::new();
    sandbox.vendor("claude", &[limited(3600), done("")]);
    let Some(clock) = WallClock::of(&mut sandbox) else { return };
    let mut run = jobs(&sandbox, "1h");
    let worker = sandbox.worker("slow");
    clock.set("+1y");
    // A loop that nothing wakes sees it within 30 s.
    sandbox.add("new", "", "true");
    for id in ["new", "again", "limited"] {
        sandbox.wait_for_stage(id, "testing");
    }
    assert!(is_a_year_off(&sandbox, "new", "started_at"));
    // It has printed nothing, for all that the clock says.
    let status = sandbox.json(&["status", "--json"]);
    let slow = status["jobs"].as_array().unwrap().iter().find(|job| job["id"] == "slow").unwrap();
    assert_eq!(slow["state"], "running", "{slow}");
    is_idle(run.id());
    all_have_ended_well(&sandbox, worker);
    // And back again.
    clock.set("+0");
    pauses_last(&sandbox, "back");
    is_idle(run.id());
    kill_child(&mut run);
    is_well(&sandbox);
}

#[test]
fn clock_back_makes_nothing_wait() {
    let mut sandbox = Sandbox::new();
    // The limit is met once more after the jump, and ends when its vendor says.
    sandbox.vendor("claude", &[limited(3600), limited(5), done("")]);
    let Some(clock) = WallClock::of(&mut sandbox) else { return };
    let mut run = jobs(&sandbox, "3s");
    let worker = sandbox.worker("slow");
    // Too young to be taken at the moment of the jump.
    let dropped = sandbox.queue("inbox/dropped.md");
    fs::write(&dropped, job_text("", "true")).unwrap();
    clock.set("-1y");
    wait_for("the limit", || sandbox.vendor_runs("claude").len() == 2);
    let met = std::time::Instant::now();
    for id in ["again", "dropped"] {
        sandbox.wait_for_stage(id, "testing");
    }
    sandbox.wait_for_stage("limited", "testing");
    let rest = met.elapsed();
    assert!(rest.as_secs() >= 3, "the engine was not left alone: {rest:?}");
    assert!(is_a_year_off(&sandbox, "dropped", "started_at"));
    assert_eq!(sandbox.vendor_runs("claude").len(), 3);
    let status = sandbox.ok(&["status"]);
    let below_zero =
        status.split(" -").skip(1).any(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    assert!(!below_zero, "{status}");
    is_idle(run.id());
    all_have_ended_well(&sandbox, worker);
    // A pause that begins now lasts as long as it should.
    pauses_last(&sandbox, "later");
    kill_child(&mut run);
    is_well(&sandbox);
}
