//! The findings of the comparison: agreement with the real coordinator, and disagreement with one
//! that decides otherwise.

use std::ffi::OsString;
use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};

use super::stand_in::{Manner, StandIn};
use super::{TOKEN, field, join, lines};
use crate::dice::Dice;
use crate::sandbox::{Sandbox, job_text, kill_child, wait_for};

/// The real coordinator, until it is dropped.
struct Coordinator(Child);

impl Coordinator {
    fn start(sandbox: &Sandbox) -> (Self, String) {
        let database = format!("sqlite:{}", sandbox.path("fleet.db").display());
        let args = ["coordinator", "--listen", "127.0.0.1:0", "--database", &database];
        let mut command = sandbox.aq(&args);
        command.env("AQ_FLEET_TOKEN", TOKEN).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let url = line.trim().strip_prefix("listening on ").unwrap().to_owned();
        (Self(child), url)
    }
}

impl Drop for Coordinator {
    fn drop(&mut self) {
        kill_child(&mut self.0);
    }
}

/// Jobs with every priority, explicit locks, dependencies of both kinds and capabilities, and some
/// that have neither key nor lock of their own.
fn many(sandbox: &Sandbox, count: usize) {
    let mut dice = Dice::new(13);
    let mut keys = Vec::new();
    let mut files: Vec<OsString> = vec!["add".into()];
    for n in 0..count {
        let priority = ["low", "medium", "high", "critical"][dice.index(4)];
        let mut front = format!("priority: {priority}\n");
        if n > 20 && dice.roll(3) == 0 {
            let mode = ["hard", "soft"][dice.index(2)];
            let key = &keys[keys.len() - 1 - dice.index(10)];
            front.push_str(&format!("deps: [{key}]\ndeps-mode: {mode}\n"));
        }
        if dice.roll(4) > 0 {
            let key = format!("k{n}");
            front.push_str(&format!("idempotency-key: {key}\n"));
            keys.push(key);
        }
        match dice.roll(3) {
            0 => front.push_str(&format!("lock: l{}\n", dice.roll(5))),
            1 => front.push_str("lock: none\n"),
            _ => {}
        }
        if dice.roll(4) == 0 {
            front.push_str("capabilities: [\"engine:shell\"]\n");
        }
        let path = sandbox.path(&format!("job{n:03}.md"));
        // The helper would give those without a lock one of none.
        let text = job_text(&front, "true").replacen(
            "lock: none\n",
            "",
            usize::from(!front.contains("lock:")),
        );
        std::fs::write(&path, text).unwrap();
        files.push(path.into());
    }
    sandbox.ok(&files);
}

#[test]
fn the_real_coordinator_agrees() {
    let mut sandbox = Sandbox::new();
    let (_coordinator, url) = Coordinator::start(&sandbox);
    join(&mut sandbox, &url, true);
    let (code, said) = sandbox.code(&["fleet-shadow-report"]);
    assert_eq!(code, 3, "{said}");
    many(&sandbox, 300);
    let mut running = sandbox.start_loop(&["--ship", "--max", "2"]);
    // In steps, each of which has the patience of one wait.
    for shipped in [100, 200, 300] {
        wait_for(&format!("{shipped} shipped jobs"), || {
            std::fs::read_dir(sandbox.queue("shipped")).unwrap().count() >= shipped
        });
    }
    // A loop that is faster than the coordinator leaves decisions out, but never while fewer wait
    // than this.
    wait_for("250 comparisons", || lines(&sandbox).len() >= 250);
    sandbox.ok(&["stop", "--all"]);
    crate::sandbox::wait_child(&mut running);
    let lines = lines(&sandbox);
    let others: Vec<&String> =
        lines.iter().filter(|line| field(line, "verdict") != "AGREE").collect();
    // The last one when the coordinator's disk stood still as the loop ended.
    let unanswered =
        |line: &str| line == lines[lines.len() - 1] && field(line, "reason") == "unreachable";
    assert!(others.iter().all(|line| unanswered(line)), "{others:?}");
    let (code, said) = sandbox.code(&["fleet-shadow-report"]);
    assert_eq!(code, 0, "{said}");
    let report = sandbox.json(&["fleet-shadow-report", "--json"]);
    assert_eq!(report["ready"], true, "{report}");
    assert!(report["counted"].as_u64().unwrap() >= 250, "{report}");
    assert!(report["rate"].as_f64().unwrap() >= 0.98, "{report}");
}

#[test]
fn a_coordinator_that_knows_no_priority_disagrees() {
    let mut sandbox = Sandbox::new();
    let coordinator = StandIn::start(Manner::Oldest);
    join(&mut sandbox, &coordinator.url(), true);
    sandbox.add("old", "priority: low\nidempotency-key: old", "true");
    sandbox.add("new", "priority: high", "true");
    sandbox.ok(&["run", "--once"]);
    let lines = lines(&sandbox);
    let first = &lines[0];
    let said: Vec<&str> =
        ["verdict", "local", "coord", "reason"].map(|name| field(first, name)).to_vec();
    assert_eq!(said, ["DIVERGE", "job:new", "old", "priority"], "{lines:?}");
    assert_eq!(field(&lines[1], "verdict"), "AGREE", "{lines:?}");
    let report = sandbox.json(&["fleet-shadow-report", "--json"]);
    assert_eq!(report["reasons"], serde_json::json!({ "priority": 1 }));
    let (code, said) = sandbox.code(&["fleet-shadow-report", "--min-samples", "2"]);
    assert!(code == 1 && said.starts_with("not ready"), "{code} {said}");
    assert_eq!(
        sandbox.code(&["fleet-shadow-report", "--min-samples", "2", "--min-rate", "0"]).0,
        0
    );
    assert_eq!(sandbox.code(&["fleet-shadow-report", "--min-rate", "2"]).0, 2);
    #[cfg(feature = "dashboard")]
    the_page_says_so(&sandbox);
}

#[cfg(feature = "dashboard")]
fn the_page_says_so(sandbox: &Sandbox) {
    let page = crate::dashboard::Server::start(sandbox).page("/fleet");
    let shadow = page.split("id=\"shadow\"").nth(1).unwrap_or_else(|| panic!("{page}"));
    for text in ["Not ready", "2 decisions compared", "50.0 % agree", "missing: ", "priority 1"] {
        assert!(shadow.contains(text), "{text}: {shadow}");
    }
    assert!(shadow.contains("<td>job:new</td><td>old</td><td>priority</td>"), "{shadow}");
}
