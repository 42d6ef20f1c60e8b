//! The end of one command, and the report about it.

use std::time::Duration;

use aq_runner::process::Signal;

use crate::probe_run::{Probe, field, run};

#[test]
fn an_exit_code_is_reported() {
    let report = run(&["--", "sh", "-c", "echo out; echo err >&2; exit 7"]);
    assert_eq!(report.get("status"), "Some(Exited(7))");
    assert_eq!(report.get("cause"), "ByItself");
    assert_eq!(report.get("killed"), "0");
    assert_eq!(report.number("bytes"), 8);
    assert_eq!(report.stdout, b"out\n");
}

#[test]
fn an_exit_code_above_128_is_no_signal() {
    assert_eq!(run(&["--", "sh", "-c", "exit 143"]).get("status"), "Some(Exited(143))");
}

#[test]
fn a_signal_is_reported() {
    assert_eq!(run(&["--", "sh", "-c", "kill -KILL $$"]).get("status"), "Some(Signaled(9))");
    // A real-time signal has no name, and is one all the same.
    assert_eq!(run(&["--", "sh", "-c", "kill -37 $$"]).get("status"), "Some(Signaled(37))");
}

#[test]
fn what_cannot_start_is_named() {
    let report = run(&["path=/nowhere:/none", "--", "no-such-program"]);
    let expected = "error `no-such-program` is in no directory of PATH (/nowhere:/none): \
        install it, or give its full path";
    assert_eq!(report.lines, [expected]);
    let report = run(&["cwd=/no/such/directory", "--", "/bin/true"]);
    let expected =
        "error cannot run in /no/such/directory: expected a directory; create it, or change `cwd`";
    assert_eq!(report.lines, [expected]);
    let report = run(&["--", "/etc/passwd"]);
    assert!(report.lines[0].starts_with("error cannot start /etc/passwd: Permission denied"));
}

#[test]
fn input_that_nobody_reads_delays_nothing() {
    let report = run(&["stdin=1000000", "--", "true"]);
    assert_eq!(report.get("status"), "Some(Exited(0))");
    assert!(report.took < Duration::from_secs(4));
}

#[test]
fn input_is_complete_and_ends() {
    let report = run(&["stdin=3000000", "--", "sh", "-c", "wc -c"]);
    assert_eq!(report.stdout.trim_ascii(), b"3000000");
    let report = run(&["stdin=0", "--", "wc", "-c"]);
    assert_eq!(report.stdout.trim_ascii(), b"0");
    let report = run(&["--", "wc", "-c"]);
    assert_eq!(report.stdout.trim_ascii(), b"0");
}

#[test]
fn large_streams_do_not_block() {
    let report = run(&["quiet=1", "stdin=3000000", "--", "cat"]);
    assert_eq!(report.number("bytes"), 3_000_000);
}

#[test]
fn large_output_is_complete() {
    let report = run(&["quiet=1", "--", "head", "-c", "100000000", "/dev/zero"]);
    assert_eq!(report.number("bytes"), 100_000_000);
    assert_eq!(report.get("status"), "Some(Exited(0))");
}

#[test]
fn command_starts_with_plain_signals() {
    // Blocked, ignored: SigBlk and SigIgn of proc(5). SIGPIPE, SIGTERM, SIGINT, SIGHUP are plain.
    let report = run(&["--", "grep", "-E", "^Sig(Blk|Ign)", "/proc/self/status"]);
    let text = String::from_utf8(report.stdout).unwrap();
    let blocked = mask(&text, "SigBlk:");
    let ignored = mask(&text, "SigIgn:");
    let ours = [1, 2, 13, 15, 17].map(|signal: u32| 1_u64 << (signal - 1)).iter().sum::<u64>();
    assert_eq!(blocked, 0);
    assert_eq!(ignored & ours, 0);
    let report = run(&["--", "sh", "-c", ": < /dev/tty && echo has a terminal"]);
    assert_eq!(report.stdout, b"");
}

fn mask(status: &str, name: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    u64::from_str_radix(line.trim(), 16).unwrap()
}

#[test]
fn deadline_ends_what_ignores_sigterm() {
    let script = "trap '' TERM; echo up; while :; do sleep 1000 & wait; done";
    let report = run(&["deadline=2000", "grace=300", "--", "sh", "-c", script]);
    assert_eq!(report.get("status"), "Some(Signaled(9))");
    assert_eq!(report.get("cause"), "Deadline");
    assert!(report.number("ms") >= 2300);
}

#[test]
fn sigterm_leaves_time_to_clean_up() {
    let script = "trap 'sleep 0.2; echo clean; exit 3' TERM; echo up; sleep 1000 & wait";
    let report = run(&["deadline=2000", "--", "sh", "-c", script]);
    assert_eq!(report.stdout, b"up\nclean\n");
    assert_eq!(report.get("status"), "Some(Exited(3))");
    assert_eq!(report.get("cause"), "Deadline");
}

#[test]
fn each_process_is_asked_to_end_once() {
    let script = "trap 'echo term' TERM; echo up; sleep 1000 & wait; sleep 0.3";
    let report = run(&["deadline=2000", "--", "sh", "-c", script]);
    assert_eq!(report.stdout, b"up\nterm\n");
}

#[test]
fn stopped_command_ends_on_deadline() {
    let report = run(&["deadline=200", "--", "sh", "-c", "kill -STOP $$"]);
    assert_eq!(report.get("status"), "Some(Signaled(15))");
}

#[test]
fn observer_can_end_a_command() {
    let report = run(&["end-at-byte=3", "--", "sh", "-c", "echo one; sleep 1000"]);
    assert_eq!(report.get("cause"), "Observer");
    assert_eq!(report.get("status"), "Some(Signaled(15))");
}

#[test]
fn lingering_command_is_ended() {
    let orders = ["result-at-byte=3", "result-grace=200"];
    let report = run(&[orders[0], orders[1], "--", "sh", "-c", "echo done; sleep 1000"]);
    assert_eq!(report.get("cause"), "ResultGrace");
    let report = run(&[orders[0], "result-grace=60000", "--", "sh", "-c", "echo done"]);
    assert_eq!(report.get("cause"), "ByItself");
    assert_eq!(report.get("status"), "Some(Exited(0))");
}

#[test]
fn result_can_be_taken_back() {
    let orders = ["result-at-byte=3", "result-grace=1500", "more-at-byte=8"];
    let script = "echo one; sleep 0.1; echo two; sleep 2; exit 7";
    let report = run(&[orders[0], orders[1], orders[2], "--", "sh", "-c", script]);
    assert_eq!((report.get("cause"), report.get("status")), ("ByItself", "Some(Exited(7))"));
    let report = run(&[orders[0], orders[1], "--", "sh", "-c", script]);
    assert_eq!(report.get("cause"), "ResultGrace");
}

#[test]
fn an_observer_is_told_before_the_command_is() {
    let script = "trap 'echo term; exit 1' TERM; echo up; while :; do sleep 0.05; done";
    let report = run(&["end-at-byte=3", "--", "sh", "-c", script]);
    assert_eq!(report.get("ending"), "Some(3)");
    assert!(report.number("bytes") >= 8, "{:?}", report.lines);
    assert_eq!(run(&["--", "echo", "up"]).get("ending"), "None");
}

#[test]
fn stop_signals_end_the_command() {
    for (signal, name) in [(Signal::TERM, "::TERM"), (Signal::INT, "::INT"), (Signal::HUP, "::HUP")]
    {
        let mut probe =
            Probe::start(&["--", "sh", "-c", "echo up; sleep 1000", "--", "echo", "second"]);
        assert_eq!(probe.line(), "up");
        probe.signal(signal);
        let report = probe.finish();
        assert!(field(&report.lines[0], "cause").contains(name), "{:?}", report.lines);
        assert_eq!(field(&report.lines[0], "status"), "Some(Signaled(15))");
        assert!(field(&report.lines[1], "cause").contains(name), "{:?}", report.lines);
        assert_eq!(field(&report.lines[1], "status"), "None");
        assert_eq!(report.stdout, b"");
    }
}

#[test]
fn a_stop_before_the_first_command_is_not_lost() {
    let report = run(&["stop-self=1", "--", "echo", "started"]);
    assert_eq!(report.get("status"), "None");
    assert_eq!(report.stdout, b"");
}

#[test]
fn commands_run_one_after_other() {
    let report = run(&["--", "sh", "-c", "exit 1", "--", "true", "--", "sh", "-c", "exit 3"]);
    let statuses: Vec<_> = report.lines.iter().map(|line| field(line, "status")).collect();
    assert_eq!(statuses, ["Some(Exited(1))", "Some(Exited(0))", "Some(Exited(3))"]);
}
