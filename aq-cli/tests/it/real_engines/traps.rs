//! Settings and habits of a program that make a run look like another one.

use std::fs;
use std::time::Instant;

use jiff::Timestamp;
use serde_json::json;

use crate::model_server::{Answer, Fault};

use super::lab::{Lab, MAKE};
use super::program::Engine;
use super::report::Report;

/// The cost that a resumed session names is the cost of all its runs.
pub(super) fn budget_of_a_resumed_session(lab: &mut Lab, report: &mut Report) {
    lab.server.will([Answer::Say("first"), Answer::Run(MAKE.to_owned()), Answer::Say("last")]);
    // The second run costs $0.0158, and the session $0.0236.
    lab.add("verify: test -e made.txt\nretry: {max: 2, backoff: 0s}\nbudget: {usd: 0.02}\n");
    lab.run();
    report.show("job", "testing, success, attempts 2", lab.state());
    lab.expect_tokens(report, 2, 3);
    lab.expect_no_surprise(report);
}

/// A setting has the program keep no session that a further attempt could go on with.
pub(super) fn no_history(lab: &mut Lab, report: &mut Report) {
    lab.sandbox.set("CLAUDE_CODE_SKIP_PROMPT_HISTORY", "1");
    lab.server.will([Answer::Say("first"), Answer::Run(MAKE.to_owned()), Answer::Say("last")]);
    lab.add("verify: test -e made.txt\nretry: {max: 2, backoff: 0s}\n");
    lab.run();
    report.show("job", "testing, success, attempts 2", lab.state());
    lab.expect_tokens(report, 2, 3);
    lab.expect_no_surprise(report);
}

/// The program says that it is done, waits for its background command, and goes on.
pub(super) fn background(lab: &mut Lab, report: &mut Report) {
    settings_of_queue(lab, "result-grace: 2s\n");
    lab.server.will([
        Answer::RunBeside("sleep 5; true".to_owned()),
        Answer::Say("I wait"),
        Answer::Run(format!("timeout 4 tail -f /dev/null; {MAKE}")),
        Answer::Say("done"),
    ]);
    lab.add("");
    lab.run();
    report.show("job", "testing, success, attempts 1", lab.state());
    report.expect("file", "made", lab.made());
    lab.expect_no_surprise(report);
    lab.expect_tokens(report, 4, 4);
}

/// The program tries again by itself until the time limit comes.
pub(super) fn limit_of_time_over_an_error(lab: &mut Lab, report: &mut Report) {
    lab.sandbox.set("CLAUDE_CODE_MAX_RETRIES", "10");
    lab.server.always(Answer::Fail(Fault::Broken));
    lab.add("timeout: 12s\n");
    lab.run();
    report.show("job", "inbox, capacity, attempts 0", lab.state());
    report.expect("engine", "cooling_down", lab.resting().0);
}

/// A setting has the program wait for the end of a plan's limit.
pub(super) fn watchdog(lab: &mut Lab, report: &mut Report) {
    let variable = "CLAUDE_CODE_RETRY_WATCHDOG";
    lab.sandbox.set(variable, "1");
    user_settings(lab, &json!({ "env": { (variable): "1", "CLAUDE_CODE_MAX_RETRIES": "10" } }));
    lab.sandbox.set("ANTHROPIC_API_KEY", "");
    lab.sandbox.set("CLAUDE_CODE_OAUTH_TOKEN", "test-token");
    let reset = (Timestamp::now().as_second() / 60 + 90) * 60;
    lab.server.always(Answer::Fail(Fault::UsedUp { until: reset }));
    lab.add("timeout: 50s\n");
    let begun = Instant::now();
    let mut running = lab.sandbox.start_loop(&["--once"]);
    lab.wait("the end of the run", || {
        matches!(lab.sandbox.folders("a")[..], ["inbox"]) && !lab.meta("engine_error").is_empty()
            || lab.sandbox.folders("a") == ["failed"]
    });
    let at_once = if begun.elapsed().as_secs() < 40 { "at once" } else { "at the time limit" };
    let _ = running.kill();
    running.wait().unwrap();
    report.show("job", "inbox, quota, attempts 0", lab.state());
    report.expect("end", "at once", at_once);
    let rest = lab.resting().1.map_or(0, |until| until.as_second() - reset);
    let is_right = (-60..=60).contains(&rest);
    let rest = if is_right { "until the reset" } else { "until another time" };
    report.show("rest", "rests until the reset", format!("rests {rest}"));
}

/// A hook of the user's refuses the prompt, and the program says that all went well.
pub(super) fn refused_prompt(lab: &mut Lab, report: &mut Report) {
    let hook = json!({ "type": "command", "command": "echo 'not this one' >&2; exit 2" });
    user_settings(lab, &json!({ "hooks": { "UserPromptSubmit": [{ "hooks": [hook] }] } }));
    is_no_success(lab, report);
    report.show("calls", "0 calls", format!("{} calls", lab.server.calls().len()));
}

/// A hook of the repository stops the run at its first tool.
pub(super) fn stopped_by_a_hook(lab: &mut Lab, report: &mut Report) {
    let stop = r#"echo '{"continue": false, "stopReason": "enough"}'"#;
    let hook = json!({ "type": "command", "command": stop });
    let hooks = json!({ "hooks": { "PreToolUse": [{ "matcher": "*", "hooks": [hook] }] } });
    fs::create_dir(lab.sandbox.work().join(".claude")).unwrap();
    lab.sandbox.commit(".claude/settings.json", &hooks.to_string());
    is_no_success(lab, report);
}

/// A setting of the repository or the user forbids what `yolo` asks for.
pub(super) fn yolo_switched_off(lab: &mut Lab, report: &mut Report) {
    if lab.engine == Engine::Gemini {
        let settings = json!({
            "security": { "auth": { "selectedType": "gemini-api-key" }, "disableYoloMode": true },
        });
        let path = lab.sandbox.path("HOME/.gemini/settings.json");
        fs::write(path, settings.to_string()).unwrap();
        return is_no_success(lab, report);
    }
    let off = json!({ "permissions": { "disableBypassPermissionsMode": "disable" } });
    fs::create_dir(lab.sandbox.work().join(".claude")).unwrap();
    lab.sandbox.commit(".claude/settings.json", &off.to_string());
    is_no_success(lab, report);
    report.show("file", "no file", if lab.made().is_empty() { "no file" } else { "file made" });
}

fn is_no_success(lab: &Lab, report: &mut Report) {
    // The job chooses its model, so that the fault is its own and the engine stays in use.
    lab.server.always(Answer::Say("done"));
    lab.server.will([Answer::Run(MAKE.to_owned())]);
    lab.add("");
    lab.run();
    report.show("job", "failed, config, attempts 1", lab.state());
}

fn user_settings(lab: &Lab, settings: &serde_json::Value) {
    let path = lab.sandbox.path("CLAUDE_CONFIG_DIR/settings.json");
    fs::write(path, settings.to_string()).unwrap();
}

fn settings_of_queue(lab: &Lab, text: &str) {
    let path = lab.sandbox.queue("config.yaml");
    let before = fs::read_to_string(&path).unwrap_or_default();
    fs::write(path, before + text).unwrap();
}
