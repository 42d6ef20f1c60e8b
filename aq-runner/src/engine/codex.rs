//! Codex (`codex exec`). Tested with 0.169.

use serde_json::Value;

use super::definition::{Definition, version_says, words};
use super::format::Format;
use super::login::LoginFacts;
use super::reason::error_line;
use super::seen::Seen;
use super::steps::codex_steps;
use super::usage::{Counted, codex_rollout, codex_usage};

pub(super) fn definition() -> Definition {
    Definition {
        // Options of `exec` may stand before the word `resume`; `-` reads the prompt from stdin.
        // Without a network the analytics cost five seconds a run.
        argv: words(&[
            "exec",
            "--json",
            "--skip-git-repo-check",
            "-c",
            "analytics.enabled=false",
            "{permission_args}",
            "{model_args}",
            "{args}",
            "{resume_args}",
            "-",
        ]),
        yolo_args: words(&["--dangerously-bypass-approvals-and-sandbox"]),
        safe_args: words(&["-s", "workspace-write"]),
        model_args: words(&["-m", "{model}"]),
        resume_args: words(&["resume", "{session}"]),
        output: &FORMAT,
        class: words(&["agentic-coder"]),
        account_env: words(&["CODEX_HOME", "CODEX_API_KEY", "OPENAI_API_KEY", "OPENAI_BASE_URL"]),
        // The sandbox marks tell a nested start that it has no network and may not sandbox again.
        child_env: words(&[
            "CODEX_THREAD_ID",
            "CODEX_CI",
            "CODEX_SANDBOX",
            "CODEX_SANDBOX_NETWORK_DISABLED",
            "CODEX_SESSION_ID",
            "CODEX_TOOL_CALL_ID",
            "CODEX_VERSION",
        ]),
        login: Some(LoginFacts {
            dir_variable: "CODEX_HOME",
            dir: ".codex",
            own: &["auth.json"],
            ..LoginFacts::default()
        }),
        version: version_says("codex-cli"),
        tried: words(&["0.169.0", "0.171.0"]),
        ..Definition::named("codex")
    }
}

pub(super) static FORMAT: Format = Format {
    name: "jsonl-codex",
    event: Some(event),
    stderr: Some(error_line),
    final_event: "a turn.completed event",
    left_behind: Some(codex_rollout),
    asked_mode: None,
    steps: Some(codex_steps),
};

fn event(event: &Value, seen: &mut Seen) {
    if event["type"].is_string() && event["usage"].is_object() {
        // Of the whole thread, with the runs before that it goes on from.
        seen.used(codex_usage(&event["usage"]), Counted::Session);
    }
    match event["type"].as_str() {
        Some("thread.started") => seen.session(&event["thread_id"]),
        Some("turn.started") => seen.begin_turn(),
        Some("item.started") => acts(&event["item"], seen),
        Some("item.completed") => item(&event["item"], seen),
        // Not final: also what it says while it reconnects.
        Some("error") => seen.error(event["message"].as_str().unwrap_or_default()),
        Some("turn.completed") => seen.succeed_if_called(),
        Some("turn.failed") => {
            let error = &event["error"];
            seen.fail(error["message"].as_str().unwrap_or_default());
            seen.evidence.kind(&error["code"]);
            seen.evidence.status(&error["status"]);
            seen.evidence.record(error);
        }
        _ => {}
    }
}

/// An item of the type "error" is a warning of the program.
fn acts(item: &Value, seen: &mut Seen) {
    if item["type"] != "error" {
        seen.model_acts();
    }
}

fn item(item: &Value, seen: &mut Seen) {
    acts(item, seen);
    if item["type"]
        .as_str()
        .is_some_and(|kind| kind.ends_with("execution") || kind.ends_with("call"))
    {
        seen.tool_answers();
    }
    if item["type"] == "agent_message" {
        seen.text(&item["text"]);
    }
    if item["status"] == "declined" {
        seen.denied();
    }
}

#[cfg(test)]
mod tests {
    use crate::engine::Exit;
    use crate::engine::testing::{judged, plain_and_full, why};

    const START: &str = concat!(
        r#"{"type":"thread.started","thread_id":"01a2-0341"}"#,
        "\n",
        r#"{"type":"item.completed","item":{"id":"item_0","type":"error","message":"a warning"}}"#,
        "\n",
        r#"{"type":"turn.started"}"#,
        "\n",
    );
    const SAID: &str =
        r#"{"type":"item.completed","item":{"id":"item_1","type":"agent_message","text":"done"}}"#;
    const OK: &str = r#"{"type":"turn.completed","usage":{"input_tokens":1234}}"#;

    #[test]
    fn argv() {
        let [plain, full] = plain_and_full("codex");
        let start = "exec --json --skip-git-repo-check -c analytics.enabled=false";
        assert_eq!(plain, format!("{start} -s workspace-write -"));
        assert_eq!(
            full,
            format!(
                "{start} --dangerously-bypass-approvals-and-sandbox -m big --extra two words \
                 resume 0a-1b -"
            )
        );
    }

    #[test]
    fn success_is_a_completed_turn() {
        let verdict = judged("codex", &format!("{START}{SAID}\n{OK}\n"), Exit::Code(0));
        assert!(verdict.success);
        assert_eq!(verdict.session_id.as_deref(), Some("01a2-0341"));
        assert_eq!(verdict.final_text.as_deref(), Some("done"));
        assert_eq!((verdict.turns, verdict.model), (Some(1), None));
    }

    #[test]
    fn a_turn_without_a_model_call_is_no_success() {
        let none = r#"{"type":"turn.completed","usage":{"input_tokens":0,"output_tokens":0}}"#;
        let verdict = judged("codex", &format!("{START}{none}\n"), Exit::Code(0));
        assert_eq!(why(verdict), "codex: it called no model");
        assert!(judged("codex", &format!("{START}{SAID}\n{none}\n"), Exit::Code(0)).success);
    }

    #[test]
    fn a_failed_turn_gives_its_reason() {
        let again = r#"{"type":"error","message":"Reconnecting... 5/5 (unexpected status 401)"}"#;
        let failed =
            r#"{"type":"turn.failed","error":{"message":"unexpected status 401 Unauthorized"}}"#;
        let verdict = judged("codex", &format!("{START}{again}\n{failed}\n"), Exit::Code(1));
        assert_eq!(verdict.session_id.as_deref(), Some("01a2-0341"));
        assert_eq!(why(verdict), "codex: unexpected status 401 Unauthorized");
        // An error that it got over is none.
        let verdict = judged("codex", &format!("{START}{again}\n{SAID}\n"), Exit::Code(3));
        assert_eq!(why(verdict), "codex: exit code 3");
    }

    #[test]
    fn a_killed_or_cut_run_is_no_success() {
        assert_eq!(why(judged("codex", START, Exit::Signal(15))), "codex: killed by signal 15");
        assert_eq!(
            why(judged("codex", &format!("{START}{SAID}\n{}", &OK[..30]), Exit::Code(0))),
            "codex: exit code 0, but without a turn.completed event"
        );
        assert!(!judged("codex", &format!("{START}{OK}\n"), Exit::Code(1)).success);
    }

    #[test]
    fn a_declined_command_is_counted() {
        let item =
            r#"{"type":"item.completed","item":{"type":"command_execution","status":"declined"}}"#;
        let verdict = judged("codex", &format!("{START}{item}\n{OK}\n"), Exit::Code(0));
        assert_eq!((verdict.success, verdict.permission_denials), (true, 1));
    }
}
