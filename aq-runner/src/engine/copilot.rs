//! Copilot CLI (`copilot`). Tested with 1.0.102.

use serde_json::Value;

use super::definition::{Definition, version_says, words};
use super::format::Format;
use super::login::LoginFacts;
use super::reason::{error_line, join};
use super::seen::Seen;
use super::usage::usage_file;

pub(super) fn definition() -> Definition {
    Definition {
        // Tokens are in the usage file only.
        argv: words(&[
            "--output-format",
            "json",
            "--no-ask-user",
            "--no-auto-update",
            "--usage-output-file",
            "{usage_file}",
            "{permission_args}",
            "{model_args}",
            "{resume_args}",
            "{args}",
        ]),
        yolo_args: words(&["--yolo"]),
        safe_args: words(&["--allow-tool=write"]),
        model_args: words(&["--model", "{model}"]),
        resume_args: words(&["--resume={session}"]),
        output: &FORMAT,
        class: words(&["chat-coder"]),
        child_env: words(&["COPILOT_AGENT_SESSION_ID", "COPILOT_CLI"]),
        account_env: words(&[
            "COPILOT_GITHUB_TOKEN",
            "GH_TOKEN",
            "GITHUB_TOKEN",
            "COPILOT_PROVIDER_BASE_URL",
            "COPILOT_PROVIDER_API_KEY",
            "COPILOT_HOME",
        ]),
        login: Some(LoginFacts {
            dir_variable: "COPILOT_HOME",
            dir: ".copilot",
            own: &["config.json"],
            others: &[".config/gh/hosts.yml"],
            ..LoginFacts::default()
        }),
        version: version_says("GitHub Copilot CLI"),
        tried: words(&["1.0.102"]),
        ..Definition::named("copilot")
    }
}

pub(super) static FORMAT: Format = Format {
    name: "jsonl-copilot",
    event: Some(event),
    stderr: Some(error_line),
    final_event: "a result event",
    left_behind: Some(usage_file),
    asked_mode: None,
    steps: None,
};

fn event(event: &Value, seen: &mut Seen) {
    let data = &event["data"];
    match event["type"].as_str() {
        Some("assistant.turn_start") => {
            seen.begin_turn();
            seen.count_turn();
        }
        Some("assistant.message") => {
            seen.spoke = true;
            seen.model(&data["model"]);
            seen.text(&data["content"]);
        }
        Some("tool.execution_complete") if data["error"]["code"] == "denied" => seen.denied(),
        Some("session.error") => {
            seen.error(&join([data["errorType"].as_str(), data["message"].as_str()], ": "));
            seen.evidence.say(data["message"].as_str().unwrap_or_default());
            seen.evidence.kind(&data["errorType"]);
            seen.evidence.status(&data["statusCode"]);
            seen.evidence.record(data);
        }
        // Its result afterwards says exit code 0.
        Some("abort") => seen.abort(),
        Some("result") => {
            seen.session(&event["sessionId"]);
            match event["exitCode"].as_i64() {
                // Without a turn it has asked no model.
                Some(0) if seen.turns.is_none() && !seen.spoke => {
                    seen.fail(if seen.last_error.is_some() { "" } else { "it called no model" });
                }
                Some(0) => seen.succeed(),
                _ => seen.fail(""),
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use crate::engine::Exit;
    use crate::engine::testing::{command, job, judged, plain_and_full, why};

    const TURN: &str = r#"{"type":"assistant.turn_start","data":{"turnId":"0"}}"#;
    const SAID: &str =
        r#"{"type":"assistant.message","data":{"model":"gpt-4.1","content":"done"}}"#;
    const OK: &str = r#"{"type":"result","sessionId":"f482-e6f0","exitCode":0,"usage":{}}"#;

    #[test]
    fn argv() {
        let [plain, full] = plain_and_full("copilot");
        let start = "--output-format json --no-ask-user --no-auto-update \
                     --usage-output-file /scratch/aq-usage.json";
        assert_eq!(plain, format!("{start} --allow-tool=write"));
        assert_eq!(full, format!("{start} --yolo --model big --resume=0a-1b --extra two words"));
        let command = command("copilot", &job());
        assert_eq!(command.usage_file.unwrap().to_str(), Some("/scratch/aq-usage.json"));
    }

    #[test]
    fn success_is_a_result_with_exit_code_0() {
        let call = r#"{"type":"assistant.message","data":{"model":"gpt-4.1","content":""}}"#;
        let all = [TURN, SAID, TURN, call, OK].join("\n");
        let verdict = judged("copilot", &all, Exit::Code(0));
        assert!(verdict.success);
        assert_eq!(verdict.session_id.as_deref(), Some("f482-e6f0"));
        assert_eq!(verdict.model.as_deref(), Some("gpt-4.1"));
        assert_eq!(verdict.final_text.as_deref(), Some("done"));
        assert_eq!(verdict.turns, Some(2));
    }

    #[test]
    fn a_denied_tool_call_is_counted() {
        let denied = r#"{"type":"tool.execution_complete","data":{"success":false,"error":{"message":"no","code":"denied"}}}"#;
        let failed = denied.replace("denied", "other");
        let all = [TURN, denied, &failed, OK].join("\n");
        let verdict = judged("copilot", &all, Exit::Code(0));
        assert_eq!((verdict.success, verdict.permission_denials), (true, 1));
    }

    #[test]
    fn a_session_error_is_the_reason() {
        let error = r#"{"type":"session.error","data":{"errorType":"authentication","message":"HTTP 401","statusCode":401}}"#;
        let all = [TURN, error, &OK.replace("\"exitCode\":0", "\"exitCode\":1")].join("\n");
        let verdict = judged("copilot", &all, Exit::Code(1));
        assert_eq!(why(verdict), "copilot: authentication: HTTP 401");
    }

    #[test]
    fn a_result_without_a_turn_is_no_success() {
        assert_eq!(why(judged("copilot", OK, Exit::Code(0))), "copilot: it called no model");
        let error = r#"{"type":"session.error","data":{"errorType":"authentication","message":"HTTP 401","statusCode":401}}"#;
        let verdict = judged("copilot", &[error, OK].join("\n"), Exit::Code(0));
        assert_eq!(why(verdict), "copilot: authentication: HTTP 401");
    }

    #[test]
    fn an_aborted_run_says_exit_code_0_but_is_no_success() {
        let abort = r#"{"type":"abort","data":{"reason":"user_initiated"}}"#;
        let all = [TURN, SAID, abort, OK].join("\n");
        assert_eq!(why(judged("copilot", &all, Exit::Code(0))), "copilot: aborted");
        assert!(!judged("copilot", &[TURN, SAID].join("\n"), Exit::Code(0)).success);
    }
}
