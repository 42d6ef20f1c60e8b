//! Runs that go on after their final event, and runs that their vendor holds up: what ends them,
//! and what that costs the job.

use std::fs;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::sandbox::{Sandbox, kill_child, wait_for};
use crate::vendor::{background, begins, done, rejected, retries, says};

const CLAUDE: &str = "engine: claude";
const TASK: &str = r#"{"task_id":"b1","task_type":"local_bash"}"#;
/// Longer than any grace of these tests.
const WORKS: &str = "sleep 2.5\n";

/// A queue whose engine gets short graces.
fn with_claude(acts: &[String]) -> Sandbox {
    let mut sandbox = Sandbox::with_repository();
    sandbox.vendor("claude", acts);
    fs::write(sandbox.queue("config.yaml"), "result-grace: 1s\nkill-grace: 1s\n").unwrap();
    sandbox
}

fn first_turn() -> String {
    format!("{}{}", begins("s1"), says(1, "hm", 10))
}

/// The resting engine, and in how many seconds it may work again.
fn resting(sandbox: &Sandbox) -> Option<(Value, i64)> {
    let status = sandbox.json(&["status", "--json"]);
    let resting = status["resting_engines"].get(0)?.clone();
    let at = |value: &Value| value.as_str()?.parse::<jiff::Timestamp>().ok();
    let ahead = at(&resting["until"]).map_or(0, jiff::Timestamp::as_second)
        - at(&status["now"]).map_or(0, jiff::Timestamp::as_second);
    Some((resting, ahead))
}

#[test]
fn work_in_the_background_is_waited_for() {
    let turn = format!("{}{}{}", first_turn(), background(TASK), done(""));
    let late = format!("{WORKS}echo late >w\n{}", background(""));
    let sandbox =
        with_claude(&[format!("{turn}{late}{}{}{}", begins("s1"), says(2, "so", 10), done(""))]);
    sandbox.add_for("a", CLAUDE, "Do it.");
    assert_eq!(sandbox.code(&["run", "--once"]).0, 0, "{}", sandbox.log("a"));
    assert_eq!(sandbox.on_branch("a", "w"), "late");
    assert_eq!(sandbox.meta_value("a", "exit"), "0");
}

#[test]
fn a_new_turn_is_not_ended_in_the_middle() {
    let second = format!("{}{WORKS}echo late >w\n{}", begins("s1"), says(2, "so", 10));
    let sandbox =
        with_claude(&[format!("{}{}{second}{WORKS}{}", first_turn(), done(""), done(""))]);
    sandbox.add_for("a", CLAUDE, "Do it.");
    assert_eq!(sandbox.code(&["run", "--once"]).0, 0, "{}", sandbox.log("a"));
    assert_eq!(
        (sandbox.on_branch("a", "w"), sandbox.meta_value("a", "exit")),
        ("late".into(), "0".into())
    );
}

#[test]
fn the_grace_begins_anew_after_each_final_event() {
    let second = format!("{}{}{}", begins("s1"), says(2, "so", 10), done(""));
    let sandbox = with_claude(&[format!("{}{}{second}sleep 1000\n", first_turn(), done(""))]);
    sandbox.add_for("a", CLAUDE, "Do it.");
    assert_eq!(sandbox.code(&["run", "--once"]).0, 0, "{}", sandbox.log("a"));
    assert_eq!(sandbox.folders("a"), ["testing"]);
    assert_eq!(sandbox.agents(), []);
}

#[test]
fn timeout_within_grace_is_none() {
    let sandbox = with_claude(&[format!("{}{}sleep 1000\n", first_turn(), done(""))]);
    fs::write(sandbox.queue("config.yaml"), "result-grace: 10m\nkill-grace: 1s\n").unwrap();
    sandbox.add_for("a", &format!("{CLAUDE}\ntimeout: 2s"), "Do it.");
    assert_eq!(sandbox.code(&["run", "--once"]).0, 0, "{}", sandbox.log("a"));
    assert_eq!(sandbox.folders("a"), ["testing"]);
    assert_eq!(sandbox.meta_value("a", "result"), "success");
}

#[test]
fn its_timeout_bounds_work_in_the_background() {
    let run = format!("{}{}{}sleep 1000\n", first_turn(), background(TASK), done(""));
    let sandbox = with_claude(&[run]);
    sandbox.add_for("a", &format!("{CLAUDE}\ntimeout: 3s"), "Do it.");
    assert_eq!(sandbox.code(&["run", "--once"]).0, 1);
    assert_eq!(sandbox.meta_value("a", "result"), "timeout");
    let exits = format!("{}{}{}exit 0\n", first_turn(), background(TASK), done(""));
    fs::write(sandbox.path("claude/act-1"), exits).unwrap();
    sandbox.add_for("b", CLAUDE, "Do it.");
    assert_eq!(sandbox.code(&["run", "--once"]).0, 0, "its last event counts");
}

#[test]
fn timeout_has_class_of_wait() {
    for (status, kind, class, state) in [
        ("429", "rate_limit", "quota", "cooling_down"),
        ("500", "server_error", "capacity", "cooling_down"),
        ("401", "authentication_failed", "auth", "out_of_use"),
    ] {
        let sandbox = with_claude(&[format!(
            "{}{}{}sleep 1000\n",
            first_turn(),
            retries(status, kind, 500),
            retries(status, kind, 1000)
        )]);
        sandbox.add_for("a", &format!("{CLAUDE}\ntimeout: 2s"), "Do it.");
        let mut running = sandbox.start_loop(&[]);
        wait_for("its class", || sandbox.meta_value("a", "engine_error") == class);
        sandbox.wait_for_stage("a", "inbox");
        kill_child(&mut running);
        assert_eq!(sandbox.meta_value("a", "attempts"), "", "{class}");
        assert_eq!(sandbox.meta_value("a", "result"), "");
        assert_eq!(sandbox.meta_value("a", "session_id"), "s1");
        assert_eq!(resting(&sandbox).unwrap().0["state"], state);
        let log = sandbox.log("a");
        assert!(log.contains("TIMED OUT after 2s"), "{log}");
        assert!(log.contains(&format!("not counted: claude: ended by aq: API error {status}")));
    }
}

#[test]
fn timeout_after_answer_is_one() {
    let run = format!(
        "{}{}{}sleep 1000\n",
        first_turn(),
        retries("429", "rate_limit", 500),
        says(2, "so", 10)
    );
    let sandbox = with_claude(&[run]);
    sandbox.add_for("a", &format!("{CLAUDE}\ntimeout: 2s"), "Do it.");
    assert_eq!(sandbox.code(&["run", "--once"]).0, 1);
    assert_eq!(sandbox.meta_value("a", "result"), "timeout");
    assert_eq!(sandbox.meta_value("a", "engine_error"), "");
    assert_eq!(resting(&sandbox), None);
}

#[test]
fn a_persons_stop_holds_and_the_engine_rests() {
    let sandbox = with_claude(&[format!(
        "{}{}sleep 1000\n",
        begins("s1"),
        retries("429", "rate_limit", 500)
    )]);
    sandbox.add_for("a", CLAUDE, "Do it.");
    let mut running = sandbox.start_loop(&[]);
    wait_for("the limit", || sandbox.log("a").contains("rate_limit"));
    sandbox.ok(&["stop", "a"]);
    sandbox.wait_for_stage("a", "failed");
    kill_child(&mut running);
    assert_eq!(sandbox.meta_value("a", "result"), "stopped");
    assert_eq!(sandbox.meta_value("a", "engine_error"), "quota");
    assert_eq!(resting(&sandbox).unwrap().0["state"], "cooling_down");
}

#[test]
fn a_long_wait_ends_the_run_at_once() {
    let sandbox = with_claude(&[format!(
        "{}{}sleep 1000\n",
        begins("s1"),
        retries("429", "rate_limit", 3_600_000)
    )]);
    sandbox.add_for("a", &format!("{CLAUDE}\ntimeout: 10m"), "Do it.");
    let begun = Instant::now();
    let mut running = sandbox.start_loop(&[]);
    wait_for("its class", || sandbox.meta_value("a", "engine_error") == "quota");
    sandbox.wait_for_stage("a", "inbox");
    assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", begun.elapsed());
    kill_child(&mut running);
    assert_eq!(sandbox.meta_value("a", "attempts"), "");
    assert_eq!(sandbox.meta_value("a", "session_id"), "s1");
    let (engine, ahead) = resting(&sandbox).unwrap();
    assert_eq!(engine["state"], "cooling_down");
    assert!((3400..=3600).contains(&ahead), "{ahead}");
    assert_eq!(sandbox.agents(), []);
}

#[test]
fn how_often_it_retries_is_the_users_to_say() {
    let run = format!("{}echo \"$CLAUDE_CODE_MAX_RETRIES\" >w\n{}", first_turn(), done(""));
    let mut sandbox = with_claude(&[run]);
    sandbox.add_for("plain", CLAUDE, "Do it.");
    let front = format!("{CLAUDE}\nenv: {{CLAUDE_CODE_MAX_RETRIES: \"1\"}}");
    sandbox.add_for("job", &front, "Do it.");
    sandbox.ok(&["run", "--once"]);
    sandbox.set("CLAUDE_CODE_MAX_RETRIES", "2");
    sandbox.add_for("user", CLAUDE, "Do it.");
    sandbox.ok(&["run", "--once"]);
    for (name, expected) in [("plain", "6"), ("job", "1"), ("user", "2")] {
        assert_eq!(sandbox.on_branch(name, "w"), expected, "{name}");
    }
}

#[test]
fn named_reset_hour_ends_run() {
    let mut sandbox = Sandbox::new();
    let said = "You’ve hit your usage limit. Try again in 2 hours.";
    let run = format!(
        "echo '{{\"type\":\"thread.started\",\"thread_id\":\"01a2\"}}'\n\
         echo '{{\"type\":\"error\",\"message\":\"{said}\"}}'\nsleep 1000\n"
    );
    sandbox.vendor("codex", &[run]);
    sandbox.add_for("a", "engine: codex", "Do it.");
    let mut running = sandbox.start_loop(&[]);
    wait_for("its class", || sandbox.meta_value("a", "engine_error") == "quota");
    sandbox.wait_for_stage("a", "inbox");
    kill_child(&mut running);
    let (_, ahead) = resting(&sandbox).unwrap();
    assert!((7000..=7200).contains(&ahead), "{ahead}");
}

#[test]
fn a_rejected_run_gets_time_to_go_on() {
    let goes_on = format!("{}{}{}", begins("s1"), rejected(3600), says(1, "paid", 10));
    // Its last word is an answer to aq's signal.
    let ends = r#"trap 'echo "{\"type\":\"result\",\"is_error\":true}"' TERM
        sleep 1000 & wait
    "#;
    let sandbox = with_claude(&[
        format!("{goes_on}{WORKS}{}", done("")),
        format!("{}{}{ends}", begins("s2"), rejected(3600)),
    ]);
    fs::write(sandbox.queue("config.yaml"), "longest-wait: 2s\nkill-grace: 1s\n").unwrap();
    sandbox.add_for("a", CLAUDE, "Do it.");
    assert_eq!(sandbox.code(&["run", "--once"]).0, 0, "{}", sandbox.log("a"));
    sandbox.add_for("b", CLAUDE, "Do it.");
    let mut running = sandbox.start_loop(&[]);
    wait_for("its class", || sandbox.meta_value("b", "engine_error") == "quota");
    sandbox.wait_for_stage("b", "inbox");
    kill_child(&mut running);
    let (_, ahead) = resting(&sandbox).unwrap();
    assert!((3400..=3600).contains(&ahead), "{ahead}");
}
