//! An engine that only config describes: the example of the manual.

use std::fs;
use std::path::Path;

use aq_runner::engine::{
    EndedBy, EngineConfig, EngineInvocation, EngineRegistry, LeftBehind, ProcessExit, RunVerdict,
};

use crate::numbers;

const PAGE: &str = include_str!("../../../docs/adding-an-engine.md");

/// The YAML of the page's example number `n`.
fn example(n: usize) -> &'static str {
    PAGE.split("```yaml\n").nth(n).unwrap().split("```").next().unwrap()
}

fn registry(yaml: &str) -> EngineRegistry {
    let config: EngineConfig = serde_yaml::from_str(yaml).unwrap();
    EngineRegistry::new(&config, &|name| name.ends_with("_BIN").then(|| "/bin/sh".into())).unwrap()
}

/// The output that the page shows.
fn printed() -> &'static str {
    let at = PAGE.find("{\"type\":\"start\"").unwrap();
    PAGE[at..].split("```").next().unwrap()
}

fn judged(stdout: &str, exit: i32) -> RunVerdict {
    let mut records = registry(example(2)).records("my-agent").unwrap();
    records.stdout(stdout.as_bytes());
    records.verdict(ProcessExit::Code(exit), EndedBy::Engine)
}

#[test]
fn the_example_of_the_page() {
    let verdict = judged(printed(), 0);
    assert!(verdict.success, "{verdict:?}");
    assert_eq!(verdict.session_id.as_deref(), Some("s-1"));
    assert_eq!(verdict.model.as_deref(), Some("big"));
    assert_eq!(verdict.final_text.as_deref(), Some("Done."));
    let files =
        LeftBehind { usage_file: None, env: &|_| None, started: crate::NOW.parse().unwrap() };
    let used = registry(example(2)).usage("my-agent", &verdict, &files, None, None);
    assert_eq!(numbers(&used.run), "1000 200 56 -");
}

#[test]
fn the_failures_of_the_page() {
    let failed = PAGE.find("{\"type\":\"end\",\"ok\":false").unwrap();
    let line = PAGE[failed..].split('`').next().unwrap();
    let start = printed().lines().next().unwrap();
    let verdict = judged(&format!("{start}\n{line}\n"), 1);
    assert_eq!(verdict.why.as_deref(), Some("my-agent: API error 401: invalid api key"));
    assert_eq!(verdict.error.unwrap().class.as_str(), "auth");
    let cut: String = printed().lines().take(4).collect::<Vec<_>>().join("\n");
    let verdict = judged(&cut, 0);
    let why = verdict.why.unwrap();
    assert!(why.starts_with("my-agent: exit code 0, but without an end event: "), "{why}");
    assert_eq!(verdict.error.unwrap().class.as_str(), "quota");
}

#[test]
fn numbers_of_a_killed_run_come_from_its_file() {
    let registry = registry(example(3));
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join(".my-agent/sessions/x");
    fs::create_dir_all(&dir).unwrap();
    let line = |at: &str, n: u32| {
        format!(
            "{{\"role\":\"assistant\",\"timestamp\":\"{at}\",\"usage\":{{\"in\":{n},\"out\":1}}}}\n"
        )
    };
    let earlier = line("2026-11-22T11:59:59Z", 100);
    let lines = [earlier, line("2026-11-22T12:00:01Z", 10), line("2026-11-22T12:00:02Z", 5)];
    fs::write(dir.join("s-1.jsonl"), lines.concat()).unwrap();
    let mut records = registry.records("my-agent").unwrap();
    records.stdout(b"{\"type\":\"start\",\"session\":\"s-1\"}\n");
    let verdict = records.verdict(ProcessExit::Signal(15), EndedBy::Aq);
    let env = |name: &str| (name == "HOME").then(|| home.path().into());
    let files = LeftBehind { usage_file: None, env: &env, started: crate::NOW.parse().unwrap() };
    let used = registry.usage("my-agent", &verdict, &files, None, None);
    assert_eq!(numbers(&used.run), "15 - 2 -");
}

#[test]
fn a_chosen_session_is_resumed() {
    let registry = registry(
        "engines: {mine: {session-args: [--id, '{session}'], resume-args: [--resume, \
        '{session}']}}",
    );
    let job = |session| EngineInvocation {
        prompt: "do it",
        persona: None,
        feedback: None,
        model: None,
        args: &[],
        yolo: false,
        session,
        scratch: Path::new("/scratch"),
        is_root: false,
    };
    let first = registry.command("mine", &job(None)).unwrap();
    let id = first.new_session.clone().unwrap();
    assert_eq!(first.args, ["--id", &id]);
    assert_ne!(registry.command("mine", &job(None)).unwrap().new_session.as_ref(), Some(&id));
    let session = |exit, stderr: &[u8]| {
        let mut records = registry.records_of("mine", &first).unwrap();
        assert_eq!(records.session_id(), Some(&*id));
        records.stderr(stderr);
        records.verdict(ProcessExit::Code(exit), EndedBy::Engine).session_id
    };
    assert_eq!(session(0, b"").as_ref(), Some(&id));
    assert_eq!(session(1, b"Error: rate limit exceeded\n").as_ref(), Some(&id));
    assert_eq!(session(2, b"Error: no such directory\n"), None, "it may not have got so far");
    let second = registry.command("mine", &job(Some(&id))).unwrap();
    assert_eq!((second.args, second.new_session), (vec!["--resume".into(), id.into()], None));
}

#[test]
fn mistakes_are_named_with_place() {
    for (output, want) in [
        ("{events: [{when: {a..b: 1}, success: true}], ends-with: x}", "is no path in a JSON"),
        ("{events: [{when: {a: 1}, succes: true}], ends-with: x}", "succes"),
        ("{events: [{success: true}]}", "engines.mine.output.ends-with: an output with events"),
        ("{events: [{text: a}], ends-with: x}", "engines.mine.output.events: no row says"),
        (
            "{exit-codes: {3: crash}}",
            "it can be auth, config, quota, capacity, context_overflow, network, unknown, \
            or session-gone",
        ),
        ("{events: [{usage: {spans: job}}]}", "unknown variant"),
        ("{events: [{success: true}, {text: a}], ends-with: x}", "no row after the one without"),
        ("{usage-files: [{dir: .x}]}", "engines.mine.output.usage-files: each needs a `file`"),
        ("jsonl-claud", "(did you mean jsonl-claude?)"),
        ("xml", "engines.mine.output: \"xml\" is none of text, exit-code, jsonl-"),
    ] {
        let yaml = format!("engines: {{mine: {{output: {output}}}}}");
        let error = match serde_yaml::from_str::<EngineConfig>(&yaml) {
            Ok(config) => EngineRegistry::new(&config, &|_| None).unwrap_err().to_string(),
            Err(error) => error.to_string(),
        };
        assert!(error.contains(want), "{output}: {error}");
    }
}

#[test]
fn an_exit_code_can_say_what_nothing_else_does() {
    let registry = registry("engines: {mine: {output: {exit-codes: {7: quota, 8: session-gone}}}}");
    let verdict = |code, stderr: &[u8]| {
        let mut records = registry.records("mine").unwrap();
        records.stderr(stderr);
        records.verdict(ProcessExit::Code(code), EndedBy::Engine)
    };
    let class = |code, stderr| verdict(code, stderr).error.unwrap().class.as_str();
    assert_eq!((class(7, b""), class(7, b"Error: not logged in\n")), ("quota", "auth"));
    assert_eq!((class(9, b""), verdict(8, b"").session_gone), ("unknown", true));
}
