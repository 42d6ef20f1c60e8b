//! The truth of what is shown of a job: its cost, its checks, its steps.

use std::fs;

use insta::assert_snapshot;
use serde_json::Value;

use crate::sandbox::{Sandbox, wait_child};
use crate::vendor::{begins, done, says};

const TOOL: &str = concat!(
    "cat <<'END'\n",
    r#"{"type":"assistant","message":{"id":"m2","model":"big","content":[{"type":"tool_use","#,
    r#""id":"t1","name":"Bash","input":{"command":"cargo test"}}]},"parent_tool_use_id":null}"#,
    "\n",
    r#"{"type":"user","message":{"content":[{"type":"tool_result","tool_use_id":"t1","#,
    r#""content":"one\ntwo"}]}}"#,
    "\n",
    r#"{"type":"assistant","message":{"id":"m3","model":"big","content":[{"type":"tool_use","#,
    r#""id":"t2","name":"Edit","input":{"file_path":"a\u001b[31m.rs"}}]},"#,
    r#""parent_tool_use_id":null}"#,
    "\n",
    r#"{"type":"user","message":{"content":[{"type":"tool_result","tool_use_id":"t2","#,
    r#""is_error":true,"content":"no such\nfile"}]}}"#,
    "\nEND\n",
);

fn with_claude(acts: &[String]) -> Sandbox {
    let mut sandbox = Sandbox::new();
    sandbox.vendor("claude", acts);
    sandbox
}

#[test]
fn logs_show_steps_of_agent() {
    let act = format!("{}{}{TOOL}{}", begins("s1"), says(1, "I look.", 10), done(""));
    let sandbox = with_claude(&[act]);
    let _steady = sandbox.steady();
    sandbox.add_for("a", "engine: claude\nverify: echo checked", "Do it.");
    let mut running = sandbox.start_loop(&["--once"]);
    let followed = sandbox.ok(&["logs", "-f", "a"]);
    assert_eq!(wait_child(&mut running), 0);
    assert_eq!(sandbox.says(&["logs", "a"]), followed);
    assert_snapshot!(followed, @r#"
    --- aq TIME attempt 1 of 1, engine claude, in DIR/work
    the engine starts, model big
    I look.
    > Bash cargo test
      2 lines
    > Edit a\u{1b}[31m.rs
      failed
      no such
      file
    the engine says: done · input 10 · output 2 · $0.50
    --- aq TIME verify
    checked
    "#);
    assert_snapshot!(sandbox.says(&["logs", "a", "-n", "2"]), @r#"
    --- aq TIME verify
    checked
    "#);
    let raw = sandbox.ok(&["logs", "--raw", "a"]);
    assert_eq!(raw, sandbox.log("a"));
    assert!(raw.contains(r#""name":"Bash""#), "{raw}");
}

#[test]
fn costs_are_those_of_all_attempts() {
    let fails = format!("{}{}exit 3\n", begins("s1"), done("").replace("0.5", "1234.25"));
    let sandbox = with_claude(&[fails, format!("{}{}", begins("s2"), done(""))]);
    sandbox.add_for("a", "engine: claude\nretry: {max: 2, backoff: 0s}", "Do it.");
    sandbox.ok(&["run", "--once", "--ship"]);
    let told = || {
        let status = sandbox.json(&["status", "--json"]);
        let insights = sandbox.json(&["insights", "--json"]);
        let one = sandbox.json(&["insights", "a", "--json"]);
        let cost = [
            &status["jobs"][0]["cost_usd"],
            &status["last_24h"]["cost_usd"],
            &insights["all"]["cost_usd"],
            &insights["days"][0]["all"]["cost_usd"],
            &one["cost_usd"],
        ];
        cost.map(|cost| cost.as_f64().unwrap())
    };
    assert_eq!(told(), [1234.75; 5]);
    assert!(sandbox.ok(&["status"]).contains("· $1,234.75"));
    for _ in 0..2 {
        sandbox.ok(&["clean", "--keep", "0"]);
        assert_eq!(told(), [1234.75; 5]);
    }
    assert!(sandbox.ok(&["insights", "a"]).contains("$1,234.75"));
}

#[test]
fn verified_is_what_a_verify_has_passed() {
    let sandbox = Sandbox::new();
    sandbox.add("checked", "verify: \"true\"", "true");
    sandbox.add("unchecked", "", "true");
    sandbox.add("refused", "verify: \"false\"", "true");
    sandbox.add("human", "review-policy: human\nverify: \"true\"", "true");
    sandbox.code(&["run", "--once"]);
    let is_verified = |job: &str| sandbox.json(&["why", job, "--json"])["verified"].clone();
    assert_eq!(is_verified("checked"), Value::Bool(true));
    assert_eq!(is_verified("unchecked"), Value::Bool(false));
    assert_eq!(is_verified("refused"), Value::Bool(false));
    assert_eq!(is_verified("human"), Value::Null);
    assert!(sandbox.ok(&["why", "checked"]).contains("is verified"));
    assert!(sandbox.ok(&["why", "unchecked"]).contains("is not verified"));
    sandbox.ok(&["ship", "human"]);
    assert_eq!(is_verified("human"), Value::Bool(false), "nobody has run its verify");
    sandbox.add("unasked", "", "true");
    let said = sandbox.ok(&["run", "--once", "--ship"]);
    assert!(said.contains("unasked  shipped, not verified"), "{said}");
}

#[test]
fn logs_are_offered_where_they_are() {
    let sandbox = Sandbox::new();
    sandbox.add("gpu", "capabilities: [gpu>=2]", "true");
    sandbox.add("fails", "", "exit 3");
    sandbox.code(&["run", "--once"]);
    assert!(sandbox.ok(&["why", "fails"]).contains("`aq logs fails` has more"));
    let why = sandbox.ok(&["why", "gpu"]);
    assert!(!why.contains("logs") && why.contains("`aq requeue gpu` runs it again"), "{why}");
}

#[test]
fn what_ships_deps_is_said() {
    let sandbox = Sandbox::new();
    sandbox.add("schema", "idempotency-key: k", "true");
    sandbox.add("deploy", "deps: [k, nowhere]", "true");
    sandbox.ok(&["run", "--once"]);
    let why = sandbox.ok(&["why", "deploy"]);
    assert!(why.ends_with("`aq ship schema` ships what it waits for\n"), "{why}");
    sandbox.ok(&["ship", "schema"]);
    assert!(!sandbox.ok(&["why", "deploy"]).contains("aq ship"));
}

#[test]
fn moved_checkouts_are_named() {
    let sandbox = Sandbox::with_repository();
    sandbox.add("a", "", "echo x >w");
    sandbox.ok(&["run", "--once"]);
    let checkout = sandbox.queue("work/a");
    fs::rename(&checkout, sandbox.path("elsewhere")).unwrap();
    let why = sandbox.ok(&["why", "a"]);
    let gone = format!("its checkout is gone from {}", checkout.display());
    assert!(why.contains(&gone) && why.contains("aq/wip/a"), "{why}");
    assert!(sandbox.ok(&["status"]).contains("its checkout is gone; "));
    let warnings = sandbox.json(&["why", "a", "--json"])["warnings"].clone();
    assert_eq!(warnings[0]["code"], "checkout_gone", "{warnings}");
    assert!(warnings[0]["text"].as_str().unwrap().starts_with(&gone), "{warnings}");
    // What it says is so.
    sandbox.ok(&["ship", "--merge", "--leave-out", "a"]);
    assert_eq!(sandbox.git(&["show", "main:w"]), "x");
}

#[test]
fn work_that_was_not_committed_is_named() {
    let sandbox = Sandbox::new();
    sandbox.add("a", "", "true");
    sandbox.ok(&["run", "--once"]);
    let path = sandbox.queue(".state/meta/a.meta");
    let record = fs::read_to_string(&path).unwrap();
    fs::write(&path, record + "checkpoint_error=no space left\n").unwrap();
    assert!(sandbox.ok(&["status"]).contains("not all of its work is committed; "));
    let why = sandbox.ok(&["why", "a"]);
    let said = "not all of its work is committed: no space left, and is in ";
    assert!(why.contains(said) && why.contains("`aq ship --merge a` commits it first"), "{why}");
}

#[test]
fn json_holds_no_control_sequences() {
    let mut sandbox = Sandbox::new();
    let evil = "\u{1b}[31mred\u{1b}]0;title\u{7}\u{9b}2J";
    sandbox.set("CODEX_BIN", format!("/nowhere/{evil}"));
    sandbox.add("fails", "", "exit 3");
    sandbox.code(&["run", "--once"]);
    sandbox.add("next", "", "true");
    for job in ["fails", "next"] {
        let path = sandbox.queue(&format!(".state/meta/{job}.meta"));
        let keys = ["message", "profile", "engine", "tracker_item", "checkpoint_error", "left_out"];
        let lines: String = keys.map(|key| format!("{key}={evil}\n")).concat();
        fs::write(&path, fs::read_to_string(&path).unwrap() + &lines).unwrap();
    }
    fs::write(sandbox.queue(&format!("inbox/{evil}.md")), "x").unwrap();
    let file = sandbox.path(&format!("{evil}.md"));
    fs::write(&file, format!("---\nengine: shell\n\"{evil}\": 1\n---\ntrue\n")).unwrap();
    let file = file.to_str().unwrap();
    let odd = sandbox.write("odd", &format!("'x{}': 1", &evil[4..]), "true");
    let verbs: [&[&str]; 10] = [
        &["status"],
        &["status", "--all"],
        &["why", "fails"],
        &["why", "next"],
        &["insights"],
        &["insights", "fails"],
        &["caps"],
        &["engines"],
        &["check", file, odd.to_str().unwrap()],
        &["add", odd.to_str().unwrap()],
    ];
    for verb in verbs {
        let (_, said) = sandbox.code(&[verb, &["--json"]].concat());
        let is_plain = !said.contains(['\u{1b}', '\u{9b}']);
        assert!(is_plain && !said.contains(r"\u001b"), "{verb:?}: {said}");
    }
    let message = sandbox.json(&["why", "fails", "--json"])["message"].clone();
    assert_eq!(message, "red2J", "what people read of it stays");
}
