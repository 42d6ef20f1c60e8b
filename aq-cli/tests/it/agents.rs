//! Runs of engines, from outside: which session they go on with, what they may use, and how they
//! end.

use std::fs;

use crate::sandbox::{Sandbox, kill_hard, wait_child, wait_for};
use crate::vendor::{begins, done, limited, refused, says};

const RETRY: &str = "engine: claude\nretry: {max: 9, backoff: 0s}";

fn with_claude(acts: &[String]) -> Sandbox {
    let mut sandbox = Sandbox::with_repository();
    sandbox.vendor("claude", acts);
    sandbox
}

/// The session that each run was to go on with; empty for a fresh one.
fn resumed(sandbox: &Sandbox) -> Vec<String> {
    let session = |run: String| run.split_once("--resume ").map(|(_, rest)| rest.to_owned());
    sandbox.vendor_runs("claude").into_iter().map(|run| session(run).unwrap_or_default()).collect()
}

#[test]
fn session_survives_failure_limit_and_kill() {
    let hangs = format!("{}{}sleep 1000\n", begins("s3"), says(1, "hm", 10));
    let sandbox = with_claude(&[
        format!("{}{}exit 3\n", begins("s1"), says(1, "hm", 10)),
        format!("{}{}", begins("s2"), limited(3)),
        hangs,
        format!("{}{}", begins("s4"), done("")),
    ]);
    sandbox.add_for("a", RETRY, "Do it.");
    let mut running = sandbox.start_loop(&["--once"]);
    wait_for("the third run", || sandbox.meta_value("a", "session_id") == "s3");
    kill_hard(sandbox.worker("a"));
    assert_eq!(wait_child(&mut running), 0);
    assert_eq!(resumed(&sandbox), ["", "s1", "s2", "s3"]);
    assert_eq!(sandbox.meta_value("a", "attempts"), "3", "the limit is not counted");
    assert!(sandbox.log("a").contains("resuming session s3"));
}

#[test]
fn a_session_that_has_grown_too_long_is_left() {
    let sandbox = with_claude(&[
        format!("{}{}", begins("s1"), refused("400", "invalid_request", "Prompt is too long")),
        format!("{}{}", begins("s2"), done("")),
    ]);
    sandbox.add_for("a", RETRY, "Do it.");
    sandbox.ok(&["run", "--once"]);
    assert_eq!(resumed(&sandbox), ["", ""]);
    assert_eq!(sandbox.meta_value("a", "attempts"), "2");
    let status = sandbox.json(&["status", "--json"]);
    assert_eq!(
        status["resting_engines"].as_array().unwrap().len(),
        0,
        "the engine is not at fault"
    );
}

#[test]
fn budget_ends_run_and_keeps_work() {
    let works = |more: &str| format!("{}echo x >w\n{more}sleep 1000\n", begins("s1"));
    let sandbox = with_claude(&[
        works(&says(1, "hm", 5000)),
        works(&format!("{}{}{}", says(1, "a", 1), says(2, "b", 1), says(3, "c", 1))),
        works("echo 'AQ_USAGE {\"cost_usd\":1.5}'\n"),
    ]);
    for (name, budget) in [("tokens", "tokens: 4000"), ("turns", "turns: 2"), ("usd", "usd: 1")] {
        sandbox.add_for(name, &format!("{RETRY}\nbudget: {{{budget}}}"), "Do it.");
        assert_eq!(sandbox.code(&["run", "--once"]).0, 1);
        assert_eq!(sandbox.meta_value(name, "result"), "budget_exceeded", "{name}");
        assert_eq!(sandbox.meta_value(name, "attempts"), "1");
        assert_eq!(sandbox.on_branch(name, "w"), "x");
    }
    assert_eq!(sandbox.meta_value("usd", "cost_usd"), "1.500000");
    assert_eq!(sandbox.agents(), []);
}

#[test]
fn done_engine_need_not_exit() {
    let denied = r#","permission_denials":[{"tool_name":"Bash"},{"tool_name":"Write"}]"#;
    let sandbox =
        with_claude(&[format!("{}echo x >w\n{}sleep 1000\n", begins("s1"), done(denied))]);
    fs::write(sandbox.queue("config.yaml"), "result-grace: 1s\nkill-grace: 1s\n").unwrap();
    sandbox.add_for("a", "engine: claude", "Do it.");
    assert_eq!(sandbox.code(&["run", "--once"]).0, 0);
    assert_eq!(sandbox.folders("a"), ["testing"]);
    assert_eq!(sandbox.on_branch("a", "w"), "x");
    assert_eq!(sandbox.meta_value("a", "cost_usd"), "0.500000");
    assert_eq!(sandbox.agents(), []);
    assert_eq!(sandbox.meta_value("a", "permission_denials"), "2");
    assert!(sandbox.log("a").contains("refused 2 tool calls for lack of permission"));
}

#[test]
fn cache_writes_are_recorded_and_summed() {
    let models = concat!(
        r#","modelUsage":{"big":{"inputTokens":10,"outputTokens":2,"cacheReadInputTokens":4,"#,
        r#""cacheCreationInputTokens":30}}"#,
    );
    let run = format!("{}{}{}", begins("s1"), says(1, "hm", 10), done(models));
    let sandbox = with_claude(&[run]);
    sandbox.add_for("a", &format!("{RETRY}\nverify: '[ $AQ_ATTEMPT = 2 ]'"), "Do it.");
    assert_eq!(sandbox.code(&["run", "--once"]).0, 0, "{}", sandbox.log("a"));
    let value = |key: &str| sandbox.meta_value("a", key);
    assert_eq!((value("cache_write_tokens"), value("input_tokens")), ("30".into(), "10".into()));
    assert_eq!(value("total_cache_write_tokens"), "60");
    assert_eq!((value("reasoning_tokens"), value("total_reasoning_tokens")), Default::default());
    let job = &sandbox.json(&["insights", "--json"])["jobs"][0];
    assert_eq!((&job["cache_write_tokens"], &job["reasoning_tokens"]), (&60.into(), &().into()));
    assert!(sandbox.ok(&["insights", "a"]).contains("cache writes   60"));
}

#[test]
fn a_run_without_an_answer_has_no_numbers() {
    let zeros = concat!(
        r#","total_cost_usd":0,"usage":{"input_tokens":0,"cache_read_input_tokens":0,"#,
        r#""output_tokens":0},"modelUsage":{}}"#,
    );
    let no_answer = refused("400", "invalid_request", "API Error: 400 no such thing");
    let no_answer = no_answer.replace("thing\"}\n", &format!("thing\"{zeros}\n"));
    let sandbox = with_claude(&[
        format!("{}{no_answer}", begins("s1")),
        format!("{}{}{}", begins("s1"), says(1, "hm", 10), done("")),
    ]);
    sandbox.add_for("a", "engine: claude\nbudget: {usd: 1}", "Do it.");
    assert_eq!(sandbox.code(&["run", "--once"]).0, 1);
    for key in ["input_tokens", "output_tokens", "cost_usd", "total_cost_usd"] {
        assert_eq!(sandbox.meta_value("a", key), "", "{key}: {}", sandbox.log("a"));
    }
    sandbox.ok(&["requeue", "a"]);
    assert_eq!(sandbox.code(&["run", "--once"]).0, 0);
    assert_eq!(sandbox.meta_value("a", "input_tokens"), "10");
}
