//! Streams of real engines as steps that a person reads.

use aq_runner::engine::{AgentStep, StepLog, TextClip, ToolCall, UsageCounting};

use crate::{known, numbers, registry};

/// The steps of a stream, one a line.
fn told(engine: &str, stream: &str) -> Vec<String> {
    let steps = read(engine, stream, 100);
    steps.steps().map(|(_, step)| line(step)).collect()
}

fn read(engine: &str, stream: &str, most: usize) -> StepLog {
    let mut steps = registry().steps(most);
    steps.engine(engine);
    for line in stream.lines() {
        steps.line(line.as_bytes());
    }
    steps
}

fn line(step: &AgentStep) -> String {
    match step {
        AgentStep::Note(text) => format!("note {}", clip(text)),
        AgentStep::Began { model } => format!("began {}", known(model.as_ref().map(clip))),
        AgentStep::Said(text) => format!("said {}", clip(text)),
        AgentStep::Thought(text) => format!("thought {}", clip(text)),
        AgentStep::Called(call) => called(call),
        AgentStep::Planned(items) => {
            let one = |(done, text): &(bool, TextClip)| {
                format!("{}{}", if *done { "+" } else { "-" }, clip(text))
            };
            format!("planned {}", items.iter().map(one).collect::<Vec<_>>().join(" "))
        }
        AgentStep::Problem(text) => format!("problem {}", clip(text)),
        AgentStep::Ended(end) => format!(
            "ended {} {} | {}{}",
            if end.success { "ok" } else { "failed" },
            known(end.reason.as_ref()),
            numbers(&end.usage),
            if end.counted == UsageCounting::Session { " in all" } else { "" },
        ),
        AgentStep::Printed(text) => format!("printed {}", clip(text)),
    }
}

fn called(call: &ToolCall) -> String {
    let answer = call.answer.as_ref().map_or("...".to_owned(), clip);
    format!(
        "{}{}({}) [{}] {}{answer}",
        if call.nested { "> " } else { "" },
        clip(&call.tool),
        clip(&call.about),
        clip(&call.input),
        if call.failed { "FAILED " } else { "" },
    )
}

fn clip(clip: &TextClip) -> String {
    let text = clip.text.replace('\n', "/");
    if clip.left_out == 0 { text } else { format!("{text}+{}", clip.left_out) }
}

const CLAUDE: &str = include_str!("data/steps_claude.jsonl");

#[test]
fn claude_works() {
    assert_eq!(
        told("claude", CLAUDE),
        [
            "began opus[1m]",
            "problem tries again after overloaded (529)",
            "thought I look first.",
            "said I look at <the> file.",
            "Read(src/lib.rs) [] one/two/[image]",
            "Bash(cargo test) [command: cargo test/description: Run the tests] FAILED 1 failed",
            "Edit(a.rs) [file_path: a.rs/new_string:/y/z/old_string: x] ...",
            "> Grep(TODO) [] ...",
            "planned +read -write",
            "printed not a record/nor this one",
            "ended ok - | 2468 400 112 0.0157",
        ]
    );
    assert_eq!(read("claude", CLAUDE, 100).unknown(), 2);
}

const CODEX: &str = include_str!("data/steps_codex.jsonl");

#[test]
fn codex_works() {
    assert_eq!(
        told("codex", CODEX),
        [
            "began -",
            "problem Model metadata not found.",
            "thought **Looking**",
            "command execution(/bin/bash -lc 'cat notes') [] FAILED exit code 1/no such file",
            "file change(add a.rs+12) [path:/add a.rs/update b.rs] ",
            "docs: find(x) [n: 3/query: x] found",
            "command execution(rm -rf /) [] FAILED declined",
            "planned +read -write",
            "kind of the future() [] ",
            "said All done.",
            "ended ok - | 1034 200 56 - in all",
        ]
    );
    // The same items of another run are other ones.
    assert_eq!(told("codex", &CODEX.repeat(2)).len(), 22);
}

#[test]
fn a_refusal_is_told_once() {
    let stream = include_str!("data/steps_stream.jsonl");
    let want = ["problem Invalid API key", "ended failed API error 401: Invalid API key | - - - -"];
    assert_eq!(told("claude", stream), want);
    let stream = r#"{"type":"error","message":"Reconnecting"}
{"type":"turn.failed","error":{"message":"no more"}}"#;
    assert_eq!(told("codex", stream), ["problem Reconnecting", "ended failed no more | - - - -"]);
}

#[test]
fn no_output_breaks_the_reader() {
    for engine in ["claude", "codex"] {
        for stream in [
            "{",
            "{}",
            "[]",
            "{\"type\":7}",
            "{\"type\":\"user\",\"message\":{\"content\":[null,7,{\"type\":\"tool_result\"}]}}",
            "{\"type\":\"assistant\",\"message\":null}",
            "{\"type\":\"assistant\",\"message\":{\"content\":[{\"type\":\"tool_use\",\
            \"input\":[[]]}]}}",
            "{\"type\":\"item.completed\",\"item\":null}",
            "{\"type\":\"item.completed\",\"item\":{\"type\":\"file_change\",\"changes\":7}}",
        ] {
            read(engine, stream, 3);
            read(engine, &format!("{stream}\n{CLAUDE}{CODEX}"), 3);
        }
    }
    let long = "x".repeat(3 << 20);
    let many = format!(
        "{{\"type\":\"assistant\",\"message\":{{\"content\":[{{\"type\":\"text\",\
        \"text\":\"{long}\"}},{{\"type\":\"tool_use\",\"name\":\"{long}\",\
        \"input\":{{\"command\":\"{long}\",\"more\":\"{long}\"}}}}]}}}}\n{long}\n{long}"
    );
    let steps = read("claude", &many, 100);
    let size: usize = steps.steps().map(|step| format!("{step:?}").len()).sum();
    assert!(size < 200 << 10, "{size}");
    let steps = read("claude", &CLAUDE.repeat(50), 20);
    assert_eq!((steps.steps().count(), steps.dropped()), (20, 50 * 11 - 20));
}
