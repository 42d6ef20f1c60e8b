//! Limits of engines, and engines that a person has to see to: what becomes of jobs, of the loop,
//! and of the next job.

use std::fs;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::sandbox::{Sandbox, kill_child, wait_child, wait_for};
use crate::vendor::{CODEX_DONE, begins, done, limited, refused, says};

const CLAUDE: &str = "engine: claude";

fn with_claude(acts: &[String]) -> Sandbox {
    let mut sandbox = Sandbox::new();
    sandbox.vendor("claude", acts);
    sandbox
}

/// Lets a loop look at everything that waits: a job that is added now has run when this returns.
fn let_it_plan(sandbox: &Sandbox, name: &str) {
    sandbox.add(name, "priority: low", "true");
    sandbox.wait_for_stage(name, "testing");
}

/// Returns the seconds by which a time in the answer of `aq status --json` is ahead.
fn seconds_ahead(status: &Value, until: &Value) -> i64 {
    let at = |value: &Value| value.as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    at(until).as_second() - at(&status["now"]).as_second()
}

#[test]
fn limit_holds_across_loops() {
    let sandbox = with_claude(&[limited(3600), done("")]);
    sandbox.add_for("a", CLAUDE, "Do it.");
    let mut running = sandbox.start_loop(&["--max", "2"]);
    wait_for("the limit", || sandbox.meta_value("a", "engine_error") == "quota");
    sandbox.wait_for_stage("a", "inbox");
    assert_eq!(sandbox.meta_value("a", "attempts"), "");
    assert_eq!(sandbox.meta_value("a", "result"), "");
    kill_child(&mut running);

    let mut running = sandbox.start_loop(&["--max", "2"]);
    let_it_plan(&sandbox, "other");
    assert_eq!(sandbox.vendor_runs("claude").len(), 1);
    let status = sandbox.json(&["status", "--json"]);
    let resting = &status["resting_engines"][0];
    assert_eq!((&resting["name"], &resting["state"]), (&"claude".into(), &"cooling_down".into()));
    let ahead = seconds_ahead(&status, &resting["until"]);
    assert!((3500..=3600).contains(&ahead), "{ahead}");
    let jobs = status["jobs"].as_array().unwrap();
    let job = jobs.iter().find(|job| job["id"] == "a").unwrap();
    assert_eq!((&job["state"], &job["attempts"]), (&"waiting".into(), &0.into()));
    for told in [sandbox.ok(&["status"]), sandbox.ok(&["why", "a"]), sandbox.ok(&["engines"])] {
        assert!(told.contains("engine claude cooling down until "), "{told}");
    }

    assert_eq!(sandbox.ok(&["engines", "--retry", "claude"]), "engine claude is used again\n");
    let asked = Instant::now();
    sandbox.wait_for_stage("a", "testing");
    // A loop without an event looks every 30 seconds.
    assert!(asked.elapsed() < Duration::from_secs(20), "{:?}", asked.elapsed());
    assert_eq!(sandbox.meta_value("a", "attempts"), "1");
    assert_eq!(sandbox.meta_value("a", "engine_error"), "");
    assert_eq!(sandbox.json(&["status", "--json"])["resting_engines"], Value::Array(Vec::new()));
    kill_child(&mut running);
}

#[test]
fn another_engine_of_the_class_is_taken_meanwhile() {
    let mut sandbox = with_claude(&[limited(3600)]);
    sandbox.vendor("codex", &[CODEX_DONE.to_owned()]);
    let front = "prefers-engine: [claude, codex]";
    for name in ["a", "b"] {
        sandbox.add_for(name, front, "Do it.");
    }
    assert_eq!(sandbox.code(&["run", "--once"]).0, 0);
    for name in ["a", "b"] {
        assert_eq!(sandbox.folders(name), ["testing"]);
        assert_eq!(sandbox.meta_value(name, "engine"), "codex");
        assert_eq!(sandbox.meta_value(name, "attempts"), "1");
    }
    assert_eq!((sandbox.vendor_runs("claude").len(), sandbox.vendor_runs("codex").len()), (1, 2));
}

#[test]
fn once_waits_for_short_limits() {
    let go = "while [ ! -e \"$AQ_QUEUE/go\" ]; do sleep 0.01; done\n";
    let limit = limited(3);
    let acts = [limit.clone(), limit.clone(), limit, format!("{go}{}", done("")), done("")];
    let sandbox = with_claude(&acts);
    for name in ["a", "b", "c"] {
        // All three have begun before the first one has met the limit.
        sandbox.add_for(name, CLAUDE, "Do it.");
    }
    let meet = "until [ $(wc -l <\"$(dirname $0)/runs\") -ge 3 ]; do sleep 0.01; done\n";
    for n in 1..=3 {
        let act = sandbox.path(&format!("claude/act-{n}"));
        fs::write(&act, format!("{meet}{}", acts[n - 1])).unwrap();
    }
    let mut running = sandbox.start_loop(&["--once", "--max", "4"]);
    wait_for("the probe", || sandbox.vendor_runs("claude").len() == 4);
    let_it_plan(&sandbox, "other");
    assert_eq!(sandbox.vendor_runs("claude").len(), 4, "one goes first");
    let status = sandbox.json(&["status", "--json"]);
    assert_eq!(status["resting_engines"][0]["state"], "probe", "{status}");
    assert_eq!(status["counts"]["building"], 1);
    fs::write(sandbox.queue("go"), "").unwrap();
    assert_eq!(wait_child(&mut running), 0);
    for name in ["a", "b", "c"] {
        assert_eq!(sandbox.folders(name), ["testing"]);
        assert_eq!(sandbox.meta_value(name, "attempts"), "1");
    }
    assert_eq!(sandbox.vendor_runs("claude").len(), 6);
}

#[test]
fn pause_without_named_end_grows() {
    let full = refused("529", "overloaded", "API Error: 529 Overloaded");
    let sandbox = with_claude(&[full]);
    sandbox.add_for("a", CLAUDE, "Do it.");
    let engines = sandbox.queue(".state/engines.json");
    for (run, pause) in [60, 120, 240].into_iter().enumerate() {
        let mut running = sandbox.start_loop(&[]);
        wait_for("a run", || sandbox.vendor_runs("claude").len() == run + 1);
        sandbox.wait_for_stage("a", "inbox");
        kill_child(&mut running);
        assert_eq!(sandbox.meta_value("a", "engine_error"), "capacity");
        let status = sandbox.json(&["status", "--json"]);
        let ahead = seconds_ahead(&status, &status["resting_engines"][0]["until"]);
        assert!((pause - 50..=pause).contains(&ahead), "{ahead} of {pause}");
        // The pause passes.
        let mut file: Value = serde_json::from_slice(&fs::read(&engines).unwrap()).unwrap();
        file["engines"][0]["until"] = file["engines"][0]["seen"].clone();
        fs::write(&engines, file.to_string()).unwrap();
    }
}

#[test]
fn engine_without_login_is_out() {
    let out = refused("401", "authentication_failed", "Invalid API key · Fix external API key");
    let sandbox = with_claude(&[out.clone(), out, done("")]);
    sandbox.add_for("a", CLAUDE, "Do it.");
    for _ in 0..2 {
        // It waits for a person, and `--once` does not, but says so.
        let (code, said) = sandbox.code(&["run", "--once"]);
        assert_eq!(code, 1);
        assert!(said.contains("a waits: engine claude out of use: auth"), "{said}");
        assert_eq!(sandbox.folders("a"), ["inbox"]);
        assert_eq!(sandbox.meta_value("a", "attempts"), "");
        assert_eq!(sandbox.vendor_runs("claude").len(), 1);
    }
    let status = sandbox.json(&["status", "--json"]);
    assert_eq!(status["resting_engines"][0]["state"], "out_of_use");
    let told = sandbox.ok(&["status"]);
    assert!(told.contains("engine claude is out of use: auth: "), "{told}");
    assert!(told.contains("`aq engines --retry claude`"), "{told}");

    sandbox.ok(&["engines", "--retry", "claude"]);
    let mut running = sandbox.start_loop(&["--max", "2"]);
    wait_for("a second refusal", || sandbox.vendor_runs("claude").len() == 2);
    sandbox.wait_for_stage("a", "inbox");
    let_it_plan(&sandbox, "before");
    assert_eq!(sandbox.vendor_runs("claude").len(), 2);
    // Another program of the same name, as after an update, while the loop runs.
    let program = sandbox.path("claude/program");
    let text = fs::read_to_string(&program).unwrap();
    fs::write(&program, text.replacen("#!/bin/sh\n", "#!/bin/sh\n# new\n", 1)).unwrap();
    let_it_plan(&sandbox, "after");
    sandbox.wait_for_stage("a", "testing");
    assert_eq!(sandbox.meta_value("a", "attempts"), "1");
    kill_child(&mut running);
}

#[test]
fn what_an_agent_reads_and_writes_is_no_limit() {
    let words = "Claude AI usage limit reached|1999999999";
    let talk = format!("{}{}", begins("s1"), says(1, words, 10));
    let noise = format!("echo '{words}'; echo 'Error: {words}' >&2\n");
    let sandbox = with_claude(&[
        format!("{talk}{noise}{}", done("")),
        format!(
            "{talk}{noise}{}exit 1\n",
            done("").replace("\"is_error\":false", "\"is_error\":true")
        ),
    ]);
    fs::write(sandbox.work().join("notes"), words).unwrap();
    sandbox.add_for("good", &format!("{CLAUDE}\npriority: high"), words);
    sandbox.add_for("bad", CLAUDE, words);
    assert_eq!(sandbox.code(&["run", "--once"]).0, 1);
    assert_eq!(sandbox.folders("good"), ["testing"]);
    assert_eq!(sandbox.folders("bad"), ["failed"]);
    assert_eq!(sandbox.meta_value("bad", "result"), "crash");
    assert_eq!(sandbox.meta_value("bad", "engine_error"), "unknown");
    assert_eq!(sandbox.json(&["status", "--json"])["resting_engines"], Value::Array(Vec::new()));
}

#[test]
fn once_waits_only_for_backoff() {
    let sandbox = Sandbox::new();
    sandbox.add("later", "retry: {max: 2, backoff: 1s}", "[ $AQ_ATTEMPT = 2 ]");
    sandbox.add("never", "deps: [nothing]", "true");
    sandbox.add("behind", "deps: [failing]", "true");
    assert_eq!(sandbox.code(&["run", "--once"]).0, 0);
    assert_eq!(sandbox.folders("later"), ["testing"]);
    assert_eq!(sandbox.meta_value("later", "attempts"), "2");
    assert_eq!(sandbox.folders("never"), ["inbox"]);
    sandbox.add("fails", "idempotency-key: failing", "exit 1");
    assert_eq!(sandbox.code(&["run", "--once"]).0, 1);
    assert_eq!(sandbox.folders("behind"), ["inbox"]);
}

#[test]
fn unknown_session_costs_no_attempt() {
    let first = format!("{}{}exit 3\n", begins("s1"), says(1, "hi", 5));
    let gone = "echo 'No conversation found with session ID: s1' >&2; exit 1\n".to_owned();
    let second = format!("{}{}{}", begins("s2"), says(1, "hi", 7), done(""));
    let sandbox = with_claude(&[first, gone, second]);
    sandbox.add_for("a", "engine: claude\nretry: {max: 2, backoff: 0s}", "Do it.");
    assert_eq!(sandbox.code(&["run", "--once"]).0, 0, "{}", sandbox.log("a"));
    assert_eq!(sandbox.folders("a"), ["testing"]);
    assert_eq!(sandbox.meta_value("a", "attempts"), "2");
    assert_eq!(sandbox.meta_value("a", "session_id"), "s2");
    let runs = sandbox.vendor_runs("claude");
    let resumes: Vec<bool> = runs.iter().map(|run| run.contains("--resume s1")).collect();
    assert_eq!(resumes, [false, true, false], "{runs:?}");
}

#[test]
fn verify_decides_after_exit_code() {
    let run = format!("{}{}{}exit 9\n", begins("s1"), says(1, "hi", 5), done(""));
    let sandbox = with_claude(&[run]);
    sandbox.add_for("checked", "engine: claude\nverify: 'true'", "Do it.");
    sandbox.add_for("bad", "engine: claude\nverify: 'false'", "Do it.");
    sandbox.add_for("plain", "engine: claude", "Do it.");
    assert_eq!(sandbox.code(&["run", "--once"]).0, 1);
    let why = "claude: exit code 9, though a result event said success";
    assert_eq!(sandbox.folders("checked"), ["testing"]);
    assert!(sandbox.log("checked").contains(&format!("warning: {why}; `verify` decides")));
    assert_eq!(sandbox.meta_value("bad", "result"), "verify_failed");
    assert_eq!(sandbox.folders("plain"), ["failed"]);
    assert_eq!(sandbox.meta_value("plain", "message"), why);
}

#[test]
fn another_permission_mode_fails_attempt() {
    let init = begins("s1").replace("\"tools\"", "\"permissionMode\":\"default\",\"tools\"");
    let sandbox = with_claude(&[format!("{init}{}{}", says(1, "hi", 5), done(""))]);
    sandbox.add_for("a", "engine: claude\nyolo: true\nverify: 'true'", "Do it.");
    assert_eq!(sandbox.code(&["run", "--once"]).0, 1);
    let why = sandbox.meta_value("a", "message");
    assert!(why.starts_with("claude: it ran in permission mode \"default\""), "{why}");
}

#[test]
fn a_session_that_was_never_saved_costs_no_attempt() {
    let begins = r#"echo '{"type":"init","session_id":"b9ce-fabd","model":"flash"}'
"#;
    let limit = concat!(
        r#"echo '{"type":"result","status":"error","error":{"type":"unknown","#,
        r#""message":"You exceeded your current quota, retry in 1s"},"#,
        r#""stats":{"input_tokens":0,"output_tokens":0,"cached":0,"input":0}}'"#,
        "\nexit 173\n",
    );
    let gone = "echo 'Error resuming session: No previous sessions found for this project.' >&2\n\
        exit 42\n";
    let works = concat!(
        r#"echo '{"type":"message","role":"assistant","content":"done"}'"#,
        "\n",
        r#"echo '{"type":"result","status":"success","#,
        r#""stats":{"input_tokens":9,"output_tokens":2,"cached":0,"input":9}}'"#,
        "\n",
    );
    let mut sandbox = Sandbox::new();
    let acts = [format!("{begins}{limit}"), gone.to_owned(), format!("{begins}{works}")];
    sandbox.vendor("gemini", &acts);
    sandbox.add_for("a", "engine: gemini", "Do it.");
    assert_eq!(sandbox.code(&["run", "--once"]).0, 0, "{}", sandbox.log("a"));
    assert_eq!(sandbox.folders("a"), ["testing"]);
    assert_eq!(sandbox.meta_value("a", "attempts"), "1");
    assert_eq!(sandbox.meta_value("a", "input_tokens"), "9");
    let runs = sandbox.vendor_runs("gemini");
    let resumes: Vec<bool> = runs.iter().map(|run| run.contains("--resume b9ce-fabd")).collect();
    assert_eq!(resumes, [false, true, false], "{runs:?}");
}
