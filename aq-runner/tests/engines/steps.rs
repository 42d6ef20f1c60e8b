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

const CLAUDE: &str = r#"{"type":"system","subtype":"init","cwd":"/home/me/project","session_id":"a05d-88f1","tools":["Bash"],"model":"opus[1m]"}
{"type":"system","subtype":"api_retry","attempt":1,"error_status":529,"error":"overloaded","session_id":"a05d-88f1"}
{"type":"assistant","message":{"id":"m1","model":"opus","content":[{"type":"thinking","thinking":"I look first.","signature":"x"}],"usage":{"input_tokens":1234,"output_tokens":1}},"parent_tool_use_id":null}
{"type":"assistant","message":{"id":"m1","model":"opus","content":[{"type":"text","text":"I look at <the> file."},{"type":"tool_use","id":"t1","name":"Read","input":{"file_path":"src/lib.rs"}}]},"parent_tool_use_id":null}
{"type":"user","message":{"role":"user","content":[{"tool_use_id":"t1","type":"tool_result","content":[{"type":"text","text":"one\ntwo"},{"type":"image"}]}]}}
{"type":"assistant","message":{"id":"m2","model":"opus","content":[{"type":"tool_use","id":"t2","name":"Bash","input":{"command":"cargo test","description":"Run the tests"}},{"type":"tool_use","id":"t3","name":"Edit","input":{"file_path":"a.rs","old_string":"x","new_string":"y\nz"}}]},"parent_tool_use_id":null}
{"type":"user","message":{"role":"user","content":[{"tool_use_id":"t2","type":"tool_result","content":"1 failed","is_error":true}]}}
{"type":"assistant","message":{"id":"m3","model":"opus","content":[{"type":"tool_use","id":"t4","name":"Grep","input":{"pattern":"TODO"}}]},"parent_tool_use_id":"t9"}
{"type":"assistant","message":{"id":"m4","model":"opus","content":[{"type":"tool_use","id":"t5","name":"TodoWrite","input":{"todos":[{"content":"read","status":"completed"},{"content":"write","status":"in_progress"}]}}]},"parent_tool_use_id":null}
{"type":"user","message":{"role":"user","content":[{"tool_use_id":"t5","type":"tool_result","content":"Todos have been modified"}]}}
{"type":"rate_limit_event","rate_limit_info":{"status":"allowed"}}
{"type":"kind_of_the_future","content":[1]}
not a record
nor this one
{"type":"result","subtype":"success","is_error":false,"num_turns":4,"result":"done","total_cost_usd":0.0157,"usage":{"input_tokens":2468,"cache_creation_input_tokens":60,"cache_read_input_tokens":400,"output_tokens":112},"permission_denials":[]}
"#;

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

const CODEX: &str = r#"{"type":"thread.started","thread_id":"01a2-0341"}
{"type":"item.completed","item":{"id":"item_0","type":"error","message":"Model metadata not found."}}
{"type":"turn.started"}
{"type":"item.completed","item":{"id":"item_1","type":"reasoning","text":"**Looking**"}}
{"type":"item.started","item":{"id":"item_2","type":"command_execution","command":"/bin/bash -lc 'cat notes'","aggregated_output":"","exit_code":null,"status":"in_progress"}}
{"type":"item.completed","item":{"id":"item_2","type":"command_execution","command":"/bin/bash -lc 'cat notes'","aggregated_output":"no such file\n","exit_code":1,"status":"failed"}}
{"type":"item.completed","item":{"id":"item_3","type":"file_change","changes":[{"path":"a.rs","kind":"add"},{"path":"b.rs","kind":"update"}],"status":"completed"}}
{"type":"item.started","item":{"id":"item_4","type":"mcp_tool_call","server":"docs","tool":"find","arguments":{"query":"x","n":3},"status":"in_progress"}}
{"type":"item.completed","item":{"id":"item_4","type":"mcp_tool_call","server":"docs","tool":"find","arguments":{"query":"x","n":3},"result":{"content":[{"type":"text","text":"found"}]},"status":"completed"}}
{"type":"item.completed","item":{"id":"item_5","type":"command_execution","command":"rm -rf /","status":"declined"}}
{"type":"item.completed","item":{"id":"item_6","type":"todo_list","items":[{"text":"read","completed":true},{"text":"write","completed":false}]}}
{"type":"item.completed","item":{"id":"item_7","type":"kind_of_the_future","status":"completed"}}
{"type":"item.completed","item":{"id":"item_8","type":"agent_message","text":"All done."}}
{"type":"turn.completed","usage":{"input_tokens":1234,"cached_input_tokens":200,"output_tokens":56}}
"#;

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
    let stream = r#"{"type":"assistant","message":{"model":"<synthetic>","content":[{"type":"text","text":"Invalid API key"}]},"error":"authentication_failed"}
{"type":"result","subtype":"success","is_error":true,"api_error_status":401,"num_turns":1,"result":"Invalid API key"}"#;
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
            "{\"type\":\"assistant\",\"message\":{\"content\":[{\"type\":\"tool_use\",\"input\":[[]]}]}}",
            "{\"type\":\"item.completed\",\"item\":null}",
            "{\"type\":\"item.completed\",\"item\":{\"type\":\"file_change\",\"changes\":7}}",
        ] {
            read(engine, stream, 3);
            read(engine, &format!("{stream}\n{CLAUDE}{CODEX}"), 3);
        }
    }
    let long = "x".repeat(3 << 20);
    let many = format!(
        "{{\"type\":\"assistant\",\"message\":{{\"content\":[{{\"type\":\"text\",\"text\":\"{long}\"}},{{\"type\":\"tool_use\",\"name\":\"{long}\",\"input\":{{\"command\":\"{long}\",\"more\":\"{long}\"}}}}]}}}}\n{long}\n{long}"
    );
    let steps = read("claude", &many, 100);
    let size: usize = steps.steps().map(|step| format!("{step:?}").len()).sum();
    assert!(size < 200 << 10, "{size}");
    let steps = read("claude", &CLAUDE.repeat(50), 20);
    assert_eq!((steps.steps().count(), steps.dropped()), (20, 50 * 11 - 20));
}
