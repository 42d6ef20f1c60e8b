//! Jobs that the model does, once or in several attempts.

use std::collections::BTreeSet;
use std::fs;
use std::ops::RangeInclusive;

use serde_json::Value;

use crate::model_server::Answer;

use super::acp::AcpAgent;
use super::lab::{Lab, MAKE, PROMPT};
use super::program::{CLAUDE_CALL_USD, Engine, Unasked};
use super::report::Report;

/// A file is written, with permission for everything.
pub(super) fn success(lab: &mut Lab, report: &mut Report) {
    lab.server.will([Answer::Run(MAKE.to_owned()), Answer::Say("done")]);
    lab.add("");
    lab.run();
    report.show("job", "testing, success, attempts 1", lab.state());
    report.expect("file", "made", lab.made());
    let calls = lab.server.calls();
    report.show("calls", "2 calls", format!("{} calls", calls.len()));
    lab.expect_tokens(report, 2, 2);
    expect_cost_with_titles(lab, report, "cost_usd", 2..=3);
    let counted = lab.engine.counted(2) as u64;
    let beside = lab.engine.truth_beside();
    let [written, reasoning] = beside.map(|tokens| (counted * tokens).to_string());
    for (key, wanted) in [("cache_write_tokens", written), ("reasoning_tokens", reasoning)] {
        let seen = lab.meta(key);
        if wanted != "0" {
            report.show(key, format!("{key} {wanted}"), format!("{key} {seen}"));
        }
    }
    lab.expect_no_surprise(report);
    assert!(calls[0].to_string().contains(PROMPT));
}

/// The same without permission for everything.
pub(super) fn unasked(lab: &mut Lab, report: &mut Report) {
    // A redirection is allowed where files may be written.
    lab.server.will([Answer::Run("touch made.txt".to_owned())]);
    lab.server.always(Answer::Say("done"));
    lab.add_job("a", "");
    lab.run();
    let job = match lab.engine.unasked() {
        Unasked::Stops => "failed, unknown, attempts 1",
        _ => "testing, success, attempts 1",
    };
    report.show("job", job, lab.state());
    let denials = lab.meta("permission_denials");
    let denials = if denials.is_empty() { "0" } else { &denials };
    let (file, wanted) = match lab.engine.unasked() {
        Unasked::Runs => ("file made", "0 denials"),
        Unasked::Refused | Unasked::Stops => ("no file", "1 denials"),
        Unasked::Unsaid => ("no file", "0 denials"),
    };
    let (is_there, _) = lab.sandbox.try_git(&["show", "aq/wip/a:made.txt"]);
    report.show("file", file, if is_there { "file made" } else { "no file" });
    report.show("denials", wanted, format!("{denials} denials"));
}

/// `verify` fails after the first attempt, and the second one goes on.
pub(super) fn resume(lab: &mut Lab, report: &mut Report) {
    lab.server.will([
        Answer::Say("first words"),
        Answer::Run(MAKE.to_owned()),
        Answer::Say("last words"),
    ]);
    lab.add("verify: test -e made.txt || ! echo token-4711\nretry: {max: 2, backoff: 0s}\n");
    lab.run();
    report.show("job", "testing, success, attempts 2", lab.state());
    lab.expect_no_surprise(report);
    lab.expect_tokens(report, 2, 3);
    expect_cost_with_titles(lab, report, "total_cost_usd", 3..=5);

    let calls: Vec<String> = lab.server.calls().iter().map(Value::to_string).collect();
    let knows: Vec<bool> = calls.iter().map(|call| call.contains("first words")).collect();
    let seen = match knows[..] {
        [false, true, true] => "same session",
        [false, false, false] => "new session",
        _ => "other sessions",
    };
    let wanted = if lab.engine.resumes() { "same session" } else { "new session" };
    report.show("session", wanted, seen);
    // It learns why it goes on, and a session that knows its prompt does not get it again.
    let times = |call: &String| (call.matches("token-4711").count(), call.matches(PROMPT).count());
    let (first, second) = (times(&calls[0]), times(&calls[1]));
    assert_eq!(first.0, 0, "{}", calls[0]);
    assert!(second.0 > 0 && calls[1].contains("verify_failed"), "{}", calls[1]);
    report.expect("prompts", first.1, second.1);
    if lab.engine.is_quick() {
        let log = lab.sandbox.log("a");
        let events = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let sessions: BTreeSet<String> = events
            .filter_map(|event| {
                event["session_id"].as_str().or(event["thread_id"].as_str()).map(str::to_owned)
            })
            .collect();
        assert_eq!(sessions, BTreeSet::from([lab.meta("session_id")]));
    }
}

/// The cost of this agent holds a call in each run for the session's title, where its answer was
/// there in time. Its tokens do not.
fn expect_cost_with_titles(
    lab: &Lab,
    report: &mut Report,
    key: &'static str,
    calls: RangeInclusive<u32>,
) {
    if lab.engine == Engine::Acp(AcpAgent::Claude) {
        let seen: f64 = lab.meta(key).parse().unwrap_or(0.0);
        let is_of = |calls| (f64::from(calls) * CLAUDE_CALL_USD - seen).abs() < 1e-4;
        let is_right = calls.clone().any(is_of);
        let wanted = if is_right { seen.to_string() } else { format!("of {calls:?} calls") };
        report.expect(key, wanted, seen);
    }
}

/// A person answers, and the session goes on.
pub(super) fn reply(lab: &mut Lab, report: &mut Report) {
    lab.server.will([Answer::Say("first words"), Answer::Say("last words")]);
    lab.add("review-policy: human\n");
    lab.run();
    report.show("job", "review, attempts 1", lab.state());
    let session = lab.meta("session_id");
    lab.sandbox.ok(&["reply", "a", "Use tabs-4711."]);
    let next = lab.sandbox.ok(&["prompt", "a"]);
    assert!(next.ends_with("Use tabs-4711.\n"), "{next}");
    lab.run();
    report.expect("again", "review", lab.sandbox.folders("a").join("+"));
    lab.expect_no_surprise(report);
    lab.expect_tokens(report, 1, 2);
    let calls: Vec<String> = lab.server.calls().iter().map(Value::to_string).collect();
    let [first, second] = &calls[..] else { panic!("{} calls", calls.len()) };
    assert!(second.contains("Use tabs-4711."), "{second}");
    if lab.engine.resumes() {
        assert!(!next.contains(PROMPT), "{next}");
        report.expect("session", session, lab.meta("session_id"));
        assert!(second.contains("first words"), "{second}");
        assert_eq!(second.matches(PROMPT).count(), first.matches(PROMPT).count(), "{second}");
    }
}

/// `aq` is started by the tool of the same agent.
pub(super) fn nested(lab: &mut Lab, report: &mut Report) {
    let file = lab.sandbox.path("environment");
    let command = format!("env -0 > {}", file.display());
    lab.server.will([Answer::Run(command), Answer::Say("done")]);
    lab.add("");
    lab.run();
    report.expect("outer job", "testing, success, attempts 1", lab.state());
    let text = fs::read_to_string(file).unwrap();
    // aq gives these to a job of its own, and a person's shell has others.
    let own = ["AQ_", "GIT_CONFIG_", "PATH=", "HOME=", "PWD=", "OLDPWD=", "TMPDIR=", "_="];
    for entry in text.split('\0').filter(|entry| !own.iter().any(|own| entry.starts_with(own))) {
        if let Some((name, value)) = entry.split_once('=') {
            lab.sandbox.set(name, value);
        }
    }
    lab.server.will([Answer::Run(MAKE.to_owned()), Answer::Say("done")]);
    lab.add_job("b", "yolo: true\n");
    lab.run();
    let stage = lab.sandbox.folders("b").join("+");
    let result = lab.sandbox.meta_value("b", "result");
    report.show("inner job", "testing, success", format!("{stage}, {result}"));
    lab.expect_no_surprise(report);
}
