//! Facts that are found out about engines: which program is one, whether it works, its accounts.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use serde_json::Value;

use crate::sandbox::Sandbox;
use crate::vendor::{begins, done, limited, refused, says};

const GOOSE: &str = "goose version v3";

/// A sandbox with a directory of programs before everything else on PATH.
fn with_path() -> (Sandbox, PathBuf) {
    let mut sandbox = Sandbox::new();
    let bin = sandbox.path("bin");
    fs::create_dir(&bin).unwrap();
    let system = std::env::var("PATH").unwrap();
    sandbox.set("PATH", format!("{}:{system}", bin.display()));
    (sandbox, bin)
}

fn program(path: &std::path::Path, script: &str) {
    fs::write(path, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

fn engine(sandbox: &Sandbox, name: &str) -> Value {
    let engines = sandbox.json(&["engines", "--json"]);
    let found = engines["engines"].as_array().unwrap().iter().find(|one| one["name"] == name);
    found.unwrap().clone()
}

#[test]
fn another_program_is_no_engine() {
    let (sandbox, bin) = with_path();
    let runs = sandbox.path("runs");
    let script = format!("echo \"$*\" >>{}; echo {GOOSE}", runs.display());
    program(&bin.join("gemini"), &script);
    sandbox.add_for("a", "engine: gemini", "Do it.");
    let (code, said) = sandbox.code(&["run", "--once"]);
    assert_eq!((code, sandbox.folders("a")), (1, vec!["inbox"]), "{said}");
    // It was asked once, whoever wants to know, and given no job.
    let words = [
        sandbox.ok(&["why", "a"]),
        sandbox.code(&["caps"]).1,
        sandbox.ok(&["engines"]),
        sandbox.code(&["doctor"]).1,
    ];
    for said in words {
        let line =
            said.lines().find(|line| line.contains(GOOSE)).unwrap_or_else(|| panic!("{said}"));
        assert!(line.contains("bin/gemini is not the engine gemini"), "{line}");
        assert!(line.contains("GEMINI_BIN"), "{line}");
    }
    let path = sandbox.path("b.md");
    fs::write(&path, "---\nengine: gemini\nlock: none\n---\nDo it.\n").unwrap();
    let (_, said) = sandbox.code(&["add".as_ref(), path.as_os_str()]);
    assert!(said.contains("b cannot run here") && said.contains(GOOSE), "{said}");
    assert!(!sandbox.ok(&["caps"]).contains("engine:gemini"));
    assert_eq!(fs::read_to_string(&runs).unwrap(), "--version\n");
    assert_eq!(engine(&sandbox, "gemini")["program"], Value::Null);
    let (code, said) = sandbox.code(&["engines", "--check", "gemini"]);
    assert_eq!(code, 5);
    assert!(said.contains(GOOSE), "{said}");

    // The right one is taken as soon as it is there.
    let done = "[ \"$1\" = --version ] && echo 0.61.0 && exit
        echo '{\"type\":\"init\",\"session_id\":\"0a-1b\",\"model\":\"m\"}'
        echo '{\"type\":\"message\",\"role\":\"assistant\",\"content\":\"done\"}'
        numbers='{\"m\":{\"input_tokens\":3,\"output_tokens\":1}}'
        echo '{\"type\":\"result\",\"status\":\"success\",\"stats\":{\"models\":'$numbers'}}'";
    program(&bin.join("gemini"), done);
    assert_eq!(sandbox.code(&["run", "--once"]).0, 0);
    assert_eq!((sandbox.folders("a"), sandbox.folders("b")), (vec!["testing"], vec!["testing"]));
}

#[test]
fn a_named_program_is_believed() {
    let (mut sandbox, bin) = with_path();
    program(&bin.join("mine"), "[ \"$1\" = --version ] && echo my own 1 && exit; cat >/dev/null");
    sandbox.set("GEMINI_BIN", bin.join("mine"));
    assert_eq!(engine(&sandbox, "gemini")["program"], bin.join("mine").to_str().unwrap());
    assert!(sandbox.ok(&["caps"]).contains("engine:gemini"));
}

#[test]
fn newer_versions_and_settings_are_told() {
    let (sandbox, bin) = with_path();
    program(&bin.join("claude"), "echo '99.2.0 (Claude Code)'");
    let settings = sandbox.path("home/.claude/settings.json");
    fs::create_dir_all(settings.parent().unwrap()).unwrap();
    fs::write(&settings, "{\"permissions\": {\"deny\": [\"Bash\"]}}").unwrap();
    let (engines, doctor) = (sandbox.ok(&["engines"]), sandbox.code(&["doctor"]));
    for said in [&engines, &doctor.1] {
        assert!(said.contains("claude 99.2.0 is newer than 2."), "{said}");
        assert!(said.contains("permissions.deny: what it lists is not offered"), "{said}");
    }
    let claude = engine(&sandbox, "claude");
    assert_eq!((&claude["version"], &claude["newer_than_tried"]), (&"99.2.0".into(), &true.into()));
    let pitfall = &claude["pitfalls"][0];
    assert_eq!(pitfall["key"], "permissions.deny");
    assert_eq!(pitfall["place"], settings.to_str().unwrap());
    fs::write(&settings, "{").unwrap();
    assert!(sandbox.code(&["doctor"]).1.contains("settings.json: it is no JSON"));
}

#[test]
fn check_is_one_short_run() {
    let mut sandbox = Sandbox::new();
    let windows = concat!(
        r#"echo '{"type":"rate_limit_event","rate_limit_info":{"status":"allowed","#,
        r#""unifiedWindows":{"five_hour":{"utilization":0.42,"#,
        r#""resetsAt":'$(($(date +%s) + 7200))'}}}}'"#,
    );
    let facts = "env >$(dirname $0)/env; git rev-parse --show-toplevel >$(dirname $0)/top\n";
    let good = [begins("0a-1b"), says(1, "ready", 10), windows.to_owned(), String::new(), done("")];
    let bad = refused("401", "authentication_failed", "Invalid API key");
    sandbox.vendor("claude", &[format!("{facts}{}", good.join("\n")), bad]);
    let found = sandbox.json(&["engines", "--check", "claude", "--json"]);
    for (key, value) in [
        ("success", true.into()),
        ("session_id", Value::from("0a-1b")),
        ("model", "big".into()),
        ("engine_version", "9.9.9".into()),
        ("account", "default".into()),
        ("cost_usd", 0.5.into()),
        ("input_tokens", 10.into()),
        ("why", Value::Null),
    ] {
        assert_eq!(found[key], value, "{key}: {found}");
    }
    let runs = sandbox.vendor_runs("claude");
    assert!(runs[0].contains("acceptEdits") && !runs[0].contains("dangerously"), "{runs:?}");
    assert_eq!(sandbox.vendor_prompt("claude", 1), "Answer with the word ready.");
    let of_run = |name: &str| fs::read_to_string(sandbox.path(&format!("claude/{name}"))).unwrap();
    assert!(of_run("env").contains("AQ_JOB_ID=check\n"));
    assert!(!std::path::Path::new(of_run("top").trim()).exists(), "its directory is removed");

    let window = engine(&sandbox, "claude")["windows"][0].clone();
    assert_eq!((&window["name"], &window["used_percent"]), (&"5-hour".into(), &42.0.into()));
    let said = sandbox.ok(&["engines"]);
    assert!(said.contains("claude 5-hour window: 42 % used, resets "), "{said}");

    let (code, said) = sandbox.code(&["engines", "--check", "claude"]);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("engine claude failed (auth): claude: "), "{said}");
    assert!(said.contains("by hand and sign in") && said.contains("Invalid API key"), "{said}");
}

#[test]
fn check_that_hangs_is_ended() {
    let mut sandbox = Sandbox::new();
    sandbox.vendor("codex", &["exec tail -f /dev/null".to_owned()]);
    let (code, said) = sandbox.code(&["engines", "--check", "codex", "--timeout", "1s"]);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("--timeout"), "{said}");
    assert_eq!(sandbox.code(&["engines", "--check", "clade"]).0, 2);
    assert_eq!(sandbox.code(&["engines", "--check", "codex", "--timeout", "x"]).0, 2);
    assert_eq!(sandbox.code(&["engines", "--check", "shell"]).0, 0);
}

#[test]
fn two_accounts_rest_apart() {
    let mut sandbox = Sandbox::new();
    let config = "engines:\n  claude-work:\n    like: claude\n    \
                  env: {CLAUDE_CONFIG_DIR: ~/.claude-work, ANTHROPIC_API_KEY: '${WORK_KEY}'}\n";
    fs::write(sandbox.queue("config.yaml"), config).unwrap();
    sandbox.set("WORK_KEY", "key-of-work");
    let account = "if [ -n \"$CLAUDE_CONFIG_DIR\" ]; then\n  \
                   echo \"$CLAUDE_CONFIG_DIR $ANTHROPIC_API_KEY\" >$(dirname $0)/account\n  ";
    let acts = format!("{account}{}\nelse\n{}\nfi\n", done(""), limited(3600));
    sandbox.vendor("claude", &[acts]);
    for name in ["a", "b"] {
        sandbox.add_for(name, "prefers-engine: [claude]", "Do it.");
        assert_eq!(sandbox.code(&["run", "--once"]).0, 0);
        assert_eq!(sandbox.folders(name), ["testing"]);
        assert_eq!(sandbox.meta_value(name, "engine"), "claude-work");
    }
    let home = sandbox.path("home/.claude-work");
    let account = fs::read_to_string(sandbox.path("claude/account")).unwrap();
    assert_eq!(account, format!("{} key-of-work\n", home.display()));
    assert_eq!(sandbox.vendor_runs("claude").len(), 3, "the first account was asked once");
    let status = sandbox.json(&["status", "--json"]);
    let resting = status["resting_engines"].as_array().unwrap();
    assert_eq!((resting.len(), &resting[0]["name"]), (1, &"claude".into()));
    let (one, other) = (engine(&sandbox, "claude"), engine(&sandbox, "claude-work"));
    assert_eq!((&one["program"], &one["classes"]), (&other["program"], &other["classes"]));
}
