//! Claude Code (`claude -p`). Tested with 2.1.197, 2.1.330 and 2.1.332.

use std::ffi::OsString;

use aq_caps::Version;
use serde_json::Value;

use super::definition::{Definition, variables, version_says, words};
use super::format::Format;
use super::login::LoginFacts;
use super::reason::{error_line, join};
use super::seen::Seen;
use super::steps::claude_steps;
use super::usage::{Counted, Usage, claude_session, claude_usage, dollars, tokens};
use super::windows::claude_windows;

/// The first version whose numbers are those of all runs of a session; 2.1.276 counted each run alone.
const SPANS_SESSION: &str = "2.1.277";

pub(super) fn definition() -> Definition {
    Definition {
        // `--verbose` is required with stream-json.
        argv: words(&[
            "-p",
            "--output-format",
            "stream-json",
            "--verbose",
            "{permission_args}",
            "{model_args}",
            "{resume_args}",
            "{args}",
        ]),
        yolo_args: words(&["--dangerously-skip-permissions"]),
        safe_args: words(&["--permission-mode", "acceptEdits"]),
        model_args: words(&["--model", "{model}"]),
        resume_args: words(&["--resume", "{session}"]),
        output: &FORMAT,
        class: words(&["agentic-coder"]),
        env: variables(&[
            ("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1"),
            ("DISABLE_AUTOUPDATER", "1"),
        ]),
        // As root it refuses to run without permission checks unless it is told that the machine
        // is a sandbox.
        root_yolo_env: variables(&[("IS_SANDBOX", "1")]),
        account_env: words(&[
            "ANTHROPIC_API_KEY",
            "ANTHROPIC_AUTH_TOKEN",
            "ANTHROPIC_BASE_URL",
            "CLAUDE_CODE_OAUTH_TOKEN",
            "CLAUDE_CONFIG_DIR",
        ]),
        // The first one makes a nested start refuse to run; the last one makes it wait for the end
        // of a usage limit, for hours, inside its slot. The others tie it to the outer session.
        child_env: words(&[
            "CLAUDECODE",
            "CLAUDE_CODE_ENTRYPOINT",
            "CLAUDE_CODE_SSE_PORT",
            "CLAUDE_CODE_CHILD_SESSION",
            "CLAUDE_CODE_SESSION_ID",
            "CLAUDE_CODE_SESSION_ATTENDED",
            "CLAUDE_CODE_MESSAGING_SOCKET",
            "CLAUDE_CODE_MESSAGING_TOKEN",
            "CLAUDE_CODE_CHILD_NOTES_DIR",
            "CLAUDE_EFFORT",
            "CLAUDE_PID",
            "AI_AGENT",
            "CLAUDE_CODE_RETRY_WATCHDOG",
        ]),
        login: Some(LoginFacts {
            dir_variable: "CLAUDE_CONFIG_DIR",
            dir: ".claude",
            own: &[".credentials.json"],
            keys: &["CLAUDE_CODE_USE_BEDROCK", "CLAUDE_CODE_USE_VERTEX"],
            ..LoginFacts::default()
        }),
        version: version_says("Claude Code"),
        tried: words(&["2.1.197", "2.1.330", "2.1.332"]),
        ..Definition::named("claude")
    }
}

pub(super) static FORMAT: Format = Format {
    name: "jsonl-claude",
    event: Some(event),
    stderr: Some(error_line),
    final_event: "a result event",
    left_behind: Some(claude_session),
    asked_mode: Some(asked_mode),
    steps: Some(claude_steps),
};

fn event(event: &Value, seen: &mut Seen) {
    seen.session(&event["session_id"]);
    match event["type"].as_str() {
        Some("system") => system(event, seen),
        Some("assistant") => assistant(event, seen),
        Some("rate_limit_event") => rate_limit(&event["rate_limit_info"], seen),
        Some("result") => result(event, seen),
        _ => {}
    }
}

fn assistant(event: &Value, seen: &mut Seen) {
    let message = &event["message"];
    // What an error is dressed up as.
    let synthetic = message["model"] == "<synthetic>";
    // A turn of a sub-agent names its parent and is none of the main loop's.
    let main = event["parent_tool_use_id"].is_null();
    if main {
        seen.begin_turn();
    }
    if synthetic {
        seen.evidence.say(message["content"][0]["text"].as_str().unwrap_or_default());
        return seen.evidence.kind(&event["error"]);
    }
    seen.spoke = true;
    seen.limit = None;
    // Each part of a message is an event. Its usage is of the message's start, when next to nothing
    // was written.
    if seen.new_message(&message["id"]) {
        let usage = claude_usage(&message["usage"]);
        seen.used_at_least(&Usage { output_tokens: None, ..usage });
        if main {
            seen.count_turn();
        }
    }
}

/// Healthy events have "rejected" in them as well, for other things.
fn rate_limit(info: &Value, seen: &mut Seen) {
    seen.window(claude_windows(info));
    seen.limit = (info["status"] == "rejected").then(|| info.clone());
}

/// Where a stream was cut, `usage` is short and `modelUsage` is not.
fn used(event: &Value, seen: &mut Seen) {
    let models = event["modelUsage"].as_object().filter(|models| !models.is_empty());
    let mut usage = match models {
        Some(models) => {
            models.values().map(model_usage).reduce(|a, b| a.plus(&b)).unwrap_or_default()
        }
        None => claude_usage(&event["usage"]),
    };
    usage.cost_usd = dollars(&event["total_cost_usd"]).or(usage.cost_usd);
    seen.used(usage, seen.spans);
    let most = models.into_iter().flatten().max_by_key(|(_, used)| tokens(&used["outputTokens"]));
    if let (None, Some((name, _))) = (&seen.model, most) {
        seen.model(&Value::from(name.as_str()));
    }
}

fn model_usage(used: &Value) -> Usage {
    Usage {
        input_tokens: tokens(&used["inputTokens"]),
        cached_tokens: tokens(&used["cacheReadInputTokens"]),
        cache_write_tokens: tokens(&used["cacheCreationInputTokens"]),
        output_tokens: tokens(&used["outputTokens"]),
        cost_usd: dollars(&used["costUSD"]),
        ..Usage::default()
    }
}

fn system(event: &Value, seen: &mut Seen) {
    match event["subtype"].as_str() {
        Some("init") => {
            seen.model(&event["model"]);
            seen.spans = spans(&event["claude_code_version"]);
            seen.mode(&event["permissionMode"]);
        }
        Some("informational") if event["prompt_submit_outcome"]["kind"] == "blocked_by_hook" => {
            seen.error("a hook of a settings.json refused the prompt");
        }
        Some("api_retry") => {
            let status = event["error_status"].as_u64().map(|code| format!("API error {code}"));
            seen.error(&join([status.as_deref(), event["error"].as_str()], " "));
            seen.evidence.status(&event["error_status"]);
            seen.evidence.kind(&event["error"]);
        }
        _ => {}
    }
}

/// The span of `modelUsage` and of the cost of a `result` when a session was resumed.
fn spans(version: &Value) -> Counted {
    let parsed = |text: &str| text.parse::<Version>().ok();
    match version.as_str().and_then(parsed) {
        version @ Some(_) if version >= parsed(SPANS_SESSION) => Counted::Session,
        _ => Counted::Run,
    }
}

fn result(event: &Value, seen: &mut Seen) {
    used(event, seen);
    seen.denials(event["permission_denials"].as_array().map_or(0, Vec::len));
    if let Some(turns) = event["num_turns"].as_u64() {
        seen.turns(turns);
    }
    let subtype = event["subtype"].as_str().unwrap_or("no subtype");
    // An API error comes as the subtype "success" with `is_error`.
    if subtype == "success" && event["is_error"].as_bool() != Some(true) {
        return succeed(event, seen);
    }
    if event["num_turns"] == 0 {
        // It repeats the id that it was to resume and does not know.
        seen.no_session();
    }
    // Otherwise the last message is the agent's own, and so may be the text of the result.
    let vendor_spoke_last = !seen.spoke || !seen.evidence.is_empty();
    let errors = event["errors"][0].as_str();
    let text = errors.or(event["result"].as_str());
    let kind = match event["api_error_status"].as_u64() {
        Some(code) if text.is_some_and(|text| text.contains(&code.to_string())) => None,
        Some(code) => Some(format!("API error {code}")),
        None if subtype == "success" => None,
        None => Some(subtype.to_owned()),
    };
    seen.fail(&join([kind.as_deref(), text], ": "));
    seen.evidence.status(&event["api_error_status"]);
    seen.evidence.say(&match (subtype, event["terminal_reason"].as_str()) {
        (_, Some(reason @ "prompt_too_long")) => reason.to_owned(),
        ("success", _) if vendor_spoke_last => join([kind.as_deref(), text], ": "),
        _ => errors.unwrap_or_default().to_owned(),
    });
}

/// An event of success counts when the model was called, had the last word, and could do what it
/// was to be allowed.
fn succeed(event: &Value, seen: &mut Seen) {
    if event["num_turns"] == 0 && !seen.spoke {
        let why = seen.last_error.take();
        return seen.fail(&join([Some("it called no model"), why.as_deref()], ": "));
    }
    let text = event["result"].as_str().unwrap_or_default();
    if seen.evidence.kind.is_some() || (!seen.spoke && text.starts_with("API Error")) {
        return seen.fail(text);
    }
    if text.is_empty() && event["terminal_reason"] == "hook_stopped" {
        return seen.fail("a hook of a settings.json stopped it");
    }
    if let Some((mode, asked)) = seen.other_mode() {
        return seen.fail(&format!(
            "it ran in permission mode {mode:?}, and not in {asked:?}, which was asked for: \
             `permissions` in the repository's or your own settings.json forbids that"
        ));
    }
    seen.text(&event["result"]);
    seen.succeed_if_called();
}

/// With both kinds of options it is the program's to say which one wins.
fn asked_mode(args: &[OsString]) -> Option<String> {
    let (mut named, mut bypass, mut is_value) = (None, None, false);
    for arg in args.iter().filter_map(|arg| arg.to_str()) {
        if std::mem::take(&mut is_value) {
            named = Some(arg.to_owned());
        } else if arg == "--permission-mode" {
            is_value = true;
        } else if let Some(mode) = arg.strip_prefix("--permission-mode=") {
            named = Some(mode.to_owned());
        } else if arg == "--dangerously-skip-permissions" {
            bypass = Some("bypassPermissions".to_owned());
        }
    }
    if named.is_some() && bypass.is_some() { None } else { named.or(bypass) }
}

#[cfg(test)]
mod tests {
    use crate::engine::testing::{
        command, job, judged, judged_with, plain_and_full, registry, why,
    };
    use crate::engine::{EndedBy, ErrorClass, Exit, Invocation};

    const INIT: &str = r#"{"type":"system","subtype":"init","session_id":"a05d-88f1","tools":["Bash"],"model":"claude-opus-4-8"}"#;
    const ASSISTANT: &str =
        r#"{"type":"assistant","message":{"content":[]},"parent_tool_use_id":null}"#;
    const OK: &str = r#"{"num_turns":2,"is_error":false,"subtype":"success","result":"done","session_id":"a05d-88f1","type":"result","permission_denials":[]}"#;

    #[test]
    fn argv() {
        let [plain, full] = plain_and_full("claude");
        assert_eq!(plain, "-p --output-format stream-json --verbose --permission-mode acceptEdits");
        assert_eq!(
            full,
            "-p --output-format stream-json --verbose --dangerously-skip-permissions \
             --model big --resume 0a-1b --extra two words"
        );
    }

    #[test]
    fn only_root_without_checks_needs_the_sandbox_variable() {
        for (yolo, is_root, set) in [(true, true, true), (true, false, false), (false, true, false)]
        {
            let command = command("claude", &Invocation { yolo, is_root, ..job() });
            let found =
                command.env_set.iter().any(|pair| *pair == ("IS_SANDBOX".into(), "1".into()));
            assert_eq!(found, set, "yolo {yolo}, root {is_root}");
            assert_eq!(command.stdin.as_deref(), Some(&b"do it"[..]));
        }
    }

    #[test]
    fn success_is_its_result_event() {
        let verdict = judged("claude", &format!("{INIT}\n{ASSISTANT}\n{OK}"), Exit::Code(0));
        assert!(verdict.success);
        assert_eq!(verdict.session_id.as_deref(), Some("a05d-88f1"));
        assert_eq!(verdict.model.as_deref(), Some("claude-opus-4-8"));
        assert_eq!(verdict.final_text.as_deref(), Some("done"));
        assert_eq!((verdict.turns, verdict.permission_denials), (Some(2), 0));
    }

    #[test]
    fn success_without_a_model_call_is_none() {
        let none = r#"{"type":"result","subtype":"success","is_error":false,"num_turns":0,"result":"","usage":{"input_tokens":0,"output_tokens":0},"modelUsage":{}}"#;
        let blocked = r#"{"type":"system","subtype":"informational","content":"UserPromptSubmit operation blocked by hook","prompt_submit_outcome":{"kind":"blocked_by_hook"}}"#;
        assert_eq!(
            why(judged("claude", &format!("{INIT}\n{blocked}\n{none}"), Exit::Code(0))),
            "claude: it called no model: a hook of a settings.json refused the prompt"
        );
        assert_eq!(
            why(judged("claude", &format!("{INIT}\n{none}"), Exit::Code(0))),
            "claude: it called no model"
        );
        let stopped =
            OK.replace(r#""result":"done""#, r#""result":"","terminal_reason":"hook_stopped""#);
        assert_eq!(
            why(judged("claude", &format!("{INIT}\n{ASSISTANT}\n{stopped}"), Exit::Code(0))),
            "claude: a hook of a settings.json stopped it"
        );
    }

    #[test]
    fn success_with_an_error_text_is_none() {
        let said = r#"{"type":"assistant","message":{"model":"<synthetic>","content":[{"type":"text","text":"API Error: 500"}]},"parent_tool_use_id":null,"error":"server_error"}"#;
        let result = OK.replace(r#""result":"done""#, r#""result":"API Error: 500""#);
        let failed =
            judged("claude", &format!("{INIT}\n{ASSISTANT}\n{said}\n{result}"), Exit::Code(0));
        assert_eq!(failed.error.as_ref().map(|e| e.class), Some(ErrorClass::Capacity));
        assert_eq!(why(failed), "claude: API Error: 500");
        assert!(!judged("claude", &format!("{INIT}\n{result}"), Exit::Code(0)).success);
        // An agent may write about such errors.
        let told = ASSISTANT.replace("[]", r#"[{"type":"text","text":"API Error: 500"}]"#);
        assert!(judged("claude", &format!("{INIT}\n{told}\n{result}"), Exit::Code(0)).success);
    }

    #[test]
    fn another_permission_mode_is_no_success() {
        let run = |yolo: bool, args: &[&str], mode: &str| {
            let args: Vec<String> = args.iter().map(|&arg| arg.to_owned()).collect();
            let command = command("claude", &Invocation { yolo, args: &args, ..job() });
            let mut records = registry().records_of("claude", &command).unwrap();
            let init = INIT.replace("\"tools\"", &format!("\"permissionMode\":{mode:?},\"tools\""));
            records.stdout(format!("{init}\n{ASSISTANT}\n{OK}\n").as_bytes());
            records.verdict(Exit::Code(0), EndedBy::Engine)
        };
        assert!(run(true, &[], "bypassPermissions").success);
        assert!(run(false, &[], "acceptEdits").success);
        let said = why(run(true, &[], "default"));
        assert!(
            said.starts_with(
                "claude: it ran in permission mode \"default\", and not in \"bypassPermissions\""
            ),
            "{said}"
        );
        assert!(!run(false, &[], "plan").success);
        // The job's own word is the last one.
        assert!(run(false, &["--permission-mode", "plan"], "plan").success);
        assert!(run(false, &["--permission-mode=auto"], "auto").success);
        assert!(run(true, &["--permission-mode", "plan"], "plan").success);
    }

    #[test]
    fn a_refused_tool_call_is_counted() {
        let denied = OK.replace("[]", r#"[{"tool_name":"Bash"},{"tool_name":"Edit"}]"#);
        let verdict = judged("claude", &denied, Exit::Code(0));
        assert!(verdict.success);
        assert_eq!(verdict.permission_denials, 2);
    }

    #[test]
    fn an_api_error_calls_itself_success() {
        let retry = r#"{"type":"system","subtype":"api_retry","error_status":401,"error":"authentication_failed"}"#;
        let result = r#"{"type":"result","subtype":"success","is_error":true,"api_error_status":401,"num_turns":1,"result":"Invalid API key"}"#;
        let all = format!("{INIT}\n{retry}\n{ASSISTANT}\n{result}\n");
        let failed = judged("claude", &all, Exit::Code(1));
        assert_eq!(why(failed), "claude: API error 401: Invalid API key");
        assert_eq!(
            why(judged("claude", &format!("{INIT}\n{retry}\n"), Exit::Signal(9))),
            "claude: killed by signal 9: API error 401 authentication_failed"
        );
        let turns = r#"{"type":"result","subtype":"error_max_turns","is_error":true,"errors":[]}"#;
        assert_eq!(why(judged("claude", turns, Exit::Code(1))), "claude: error_max_turns");
    }

    #[test]
    fn a_session_that_it_does_not_know_is_none() {
        let unknown = r#"{"type":"result","subtype":"error_during_execution","is_error":true,"num_turns":0,"session_id":"0a-1b","errors":["No conversation found with session ID: 0a-1b"]}"#;
        let verdict = judged("claude", unknown, Exit::Code(1));
        assert_eq!(verdict.session_id, None);
        assert_eq!(
            why(verdict),
            "claude: error_during_execution: No conversation found with session ID: 0a-1b"
        );
    }

    #[test]
    fn exit_0_without_a_result_is_no_success() {
        assert_eq!(
            why(judged("claude", INIT, Exit::Code(0))),
            "claude: exit code 0, but without a result event"
        );
        let cut = &OK[..OK.len() - 20];
        assert!(!judged("claude", &format!("{INIT}\n{cut}"), Exit::Code(0)).success);
    }

    #[test]
    fn a_new_turn_takes_the_result_back_but_a_sub_agent_does_not() {
        let child = ASSISTANT.replace("null", r#""toolu_1""#);
        assert!(judged("claude", &format!("{OK}\n{child}\n"), Exit::Code(0)).success);
        assert!(!judged("claude", &format!("{OK}\n{ASSISTANT}\n"), Exit::Code(0)).success);
        assert!(judged("claude", &format!("{OK}\n{ASSISTANT}\n{OK}"), Exit::Code(0)).success);
    }

    #[test]
    fn a_refusal_to_start_is_on_stderr() {
        let text = "--dangerously-skip-permissions cannot be used with root\n";
        assert_eq!(
            why(judged_with("claude", "", text, Exit::Code(1), EndedBy::Engine)),
            "claude: exit code 1: --dangerously-skip-permissions cannot be used with root"
        );
    }
}
