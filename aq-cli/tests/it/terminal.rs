//! Differences on a terminal. `script` lends one.

use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};

use nix::unistd::Pid;

use crate::sandbox::{Sandbox, is_alive, wait_for};

/// A shell line on a terminal of 60 columns and 10 lines, with `aq` in its `PATH`.
fn terminal(sandbox: &Sandbox, line: &str) -> Command {
    let bin = Path::new(env!("CARGO_BIN_EXE_aq")).parent().unwrap().display();
    let line = format!("stty cols 60 rows 10; PATH='{bin}':\"$PATH\"; {line}");
    let mut script = Command::new("script");
    sandbox
        .clean(&mut script)
        .env("AQ_QUEUE", sandbox.queue(""))
        .env("TERM", "xterm")
        .env("SHELL", "/bin/sh")
        .args(["-qec", &line, "/dev/null"]);
    script
}

/// The output of the line until it ends.
fn on_terminal(sandbox: &Sandbox, line: &str, env: &[(&str, &str)]) -> String {
    let output = terminal(sandbox, line).envs(env.iter().copied()).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

fn plain(text: &str) -> String {
    anstream::adapter::strip_str(text).to_string()
}

#[test]
fn colour_is_for_terminals_that_want_it() {
    let sandbox = Sandbox::new();
    sandbox.add("a", "", "true");
    assert!(on_terminal(&sandbox, "aq status", &[]).contains("\u{1b}["));
    assert!(!on_terminal(&sandbox, "aq status", &[("NO_COLOR", "1")]).contains("\u{1b}["));
    assert!(!on_terminal(&sandbox, "aq status | cat", &[]).contains("\u{1b}["));
    assert!(!sandbox.ok(&["status"]).contains('\u{1b}'));
}

#[test]
fn no_line_is_wider_than_the_terminal() {
    let sandbox = Sandbox::new();
    sandbox.add("a-job-with-a-name-of-some-length", "deps: [one, two, three]", "true");
    sandbox.add("b", "priority: critical", "true");
    let shown = plain(&on_terminal(&sandbox, "aq status", &[]));
    let table: Vec<&str> = shown.lines().skip(1).collect();
    assert!(table.iter().all(|line| line.chars().count() <= 60), "{shown}");
    assert!(shown.contains("waiting o") && shown.contains('…'), "{shown}");
    assert!(!shown.contains("PROFILE"), "{shown}");
    assert!(
        sandbox.ok(&["status"]).contains("waiting on one (no such job), two (no such job), three")
    );
}

#[test]
fn watch_redraws_in_place() {
    let sandbox = Sandbox::new();
    for n in 0..20 {
        sandbox.add(&format!("job-{n}"), "", "true");
    }
    // `timeout` is for the case that it never draws; the end of the terminal ends it.
    let line =
        format!("echo $$ > {0}/pid; exec timeout 60 aq status --watch", sandbox.work().display());
    let mut watch = terminal(&sandbox, &line).stdout(Stdio::piped()).spawn().unwrap();
    let mut out = watch.stdout.take().unwrap();
    let (mut shown, mut piece) = (String::new(), [0; 4096]);
    while shown.matches("\u{1b}[H").count() < 3 {
        let n = out.read(&mut piece).unwrap();
        assert!(n > 0, "{shown:?}");
        shown.push_str(&String::from_utf8_lossy(&piece[..n]));
    }
    watch.kill().unwrap();
    watch.wait().unwrap();
    let pid = std::fs::read_to_string(sandbox.work().join("pid")).unwrap();
    let pid = Pid::from_raw(pid.trim().parse().unwrap());
    wait_for("the end of a watch without a terminal", || !is_alive(pid));
    for picture in shown.split("\u{1b}[H").skip(1).take(2) {
        assert!(picture.contains("job-0"), "{picture:?}");
        // One that scrolls would leave its head behind.
        assert!(picture.matches('\n').count() < 10, "{picture:?}");
    }
}

#[test]
fn progress_line_comes_and_goes() {
    let sandbox = Sandbox::new();
    sandbox.add("a", "", "true");
    sandbox.add("b", "", "true");
    let shown = on_terminal(&sandbox, "aq run --once", &[]);
    assert!(shown.contains("0 of 2 done; 1 running, 1 waiting"), "{shown:?}");
    let end = shown.rsplit("\r\u{1b}[K").next().unwrap();
    assert_eq!(plain(end).trim_end(), "2 done");
    let piped = on_terminal(&sandbox, "aq requeue none; aq run --once 2>&1 | cat", &[]);
    assert!(!piped.contains("\u{1b}[K"), "{piped:?}");
}

#[test]
fn logs_cannot_command_the_terminal() {
    let sandbox = Sandbox::new();
    sandbox.add("a", "", r"printf '\033]0;title\007\033[31mred\033[0m\n'");
    sandbox.ok(&["run", "--once"]);
    let shown = on_terminal(&sandbox, "aq logs a", &[]);
    assert!(shown.contains("red") && !shown.contains('\u{1b}'), "{shown:?}");
    assert!(sandbox.ok(&["logs", "a"]).contains("\u{1b}[31mred"));
}
