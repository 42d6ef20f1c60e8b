//! What is different on a terminal. `script` lends one.

use std::process::{Command, Output};

use crate::sandbox::Sandbox;

/// Runs a shell line on a terminal of 60 columns and 10 lines.
fn on_terminal(sandbox: &Sandbox, line: &str, env: &[(&str, &str)]) -> String {
    let line = format!("stty cols 60 rows 10; aq() {{ {} \"$@\"; }}; {line}", aq());
    let mut script = Command::new("script");
    let Output { stdout, .. } = sandbox
        .clean(&mut script)
        .env("AQ_QUEUE", sandbox.queue(""))
        .env("TERM", "xterm")
        .env("SHELL", "/bin/sh")
        .envs(env.iter().copied())
        .args(["-qec", &line, "/dev/null"])
        .output()
        .unwrap();
    String::from_utf8(stdout).unwrap()
}

fn aq() -> &'static str {
    env!("CARGO_BIN_EXE_aq")
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
    assert!(sandbox.ok(&["status"]).contains("waiting on one (nowhere), two (nowhere), three"));
}

#[test]
fn watch_redraws_in_place() {
    let sandbox = Sandbox::new();
    for n in 0..20 {
        sandbox.add(&format!("job-{n}"), "", "true");
    }
    // `timeout` ends it as a person would; two pictures fit.
    let shown = on_terminal(&sandbox, "timeout -s INT 1.5 aq status --watch", &[]);
    let shown = if shown.contains("\u{1b}[H") {
        shown
    } else {
        on_terminal(&sandbox, &format!("timeout -s INT 1.5 {} status --watch", aq()), &[])
    };
    let pictures: Vec<&str> = shown.split("\u{1b}[H").skip(1).collect();
    assert!(pictures.len() >= 2, "{shown:?}");
    for picture in pictures {
        // One that scrolls would leave its head behind.
        assert!(picture.matches('\n').count() < 10, "{picture:?}");
    }
}

#[test]
fn the_progress_line_comes_and_goes() {
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
