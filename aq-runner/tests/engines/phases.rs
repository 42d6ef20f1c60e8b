//! Phases of a run, as its output says: at work, done, or held up by its vendor.

use std::time::Duration;

use aq_runner::engine::{EndedBy, ErrorClass, EventReader, ProcessExit, RunPhase, RunVerdict};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::{NOW, registry};

const INIT: &str = r#"{"type":"system","subtype":"init","session_id":"a05d-88f1","model":"big"}
"#;
const SAYS: &str = include_str!("data/phases_says.jsonl");
const DONE: &str = include_str!("data/phases_done.jsonl");
const REJECTED: &str = include_str!("data/phases_rejected.jsonl");

/// The list of tasks in the background has changed.
fn background(tasks: &str) -> String {
    format!(
        "{{\"type\":\"system\",\"subtype\":\"background_tasks_changed\",\"tasks\":[{tasks}]}}\n"
    )
}

/// Another request, after so long.
fn retry(status: &str, kind: &str, delay_ms: u64) -> String {
    format!(
        "{{\"type\":\"system\",\"subtype\":\"api_retry\",\"attempt\":1,\"max_retries\":300,\
         \"retry_delay_ms\":{delay_ms},\"error_status\":{status},\"error\":\"{kind}\"}}\n"
    )
}

fn claude(output: &[&str]) -> EventReader {
    let mut records = registry().records("claude").unwrap();
    output.iter().for_each(|piece| records.stdout(piece.as_bytes()));
    records
}

fn phase(records: &EventReader) -> RunPhase {
    let now: Timestamp = NOW.parse().unwrap();
    records.phase(Duration::from_secs(120), now, &TimeZone::UTC)
}

#[test]
fn new_turn_takes_grace_back() {
    let mut records = claude(&[INIT, SAYS]);
    assert_eq!(phase(&records), RunPhase::Working);
    records.stdout(DONE.as_bytes());
    assert_eq!(phase(&records), RunPhase::Done { event: 1 });
    // The model may take its time in the new turn.
    records.stdout(INIT.as_bytes());
    assert_eq!(phase(&records), RunPhase::Working);
    assert!(records.final_event().is_some(), "it may just exit");
    records.stdout(SAYS.as_bytes());
    assert_eq!((phase(&records), records.final_event()), (RunPhase::Working, None));
    records.stdout(DONE.as_bytes());
    assert_eq!(phase(&records), RunPhase::Done { event: 2 });
}

#[test]
fn background_work_is_waited_for() {
    let task = r#"{"task_id":"b1","task_type":"local_bash"}"#;
    let mut records = claude(&[INIT, SAYS, &background(task), DONE]);
    assert_eq!(phase(&records), RunPhase::Working);
    records.stdout(background("").as_bytes());
    assert_eq!(phase(&records), RunPhase::Done { event: 1 });
    let exits = claude(&[INIT, SAYS, &background(task), DONE]);
    assert!(exits.verdict(ProcessExit::Code(0), EndedBy::Engine).success);
}

#[test]
fn wait_beyond_slot_is_reported() {
    for (status, kind, delay_ms, expected) in [
        ("429", "rate_limit", 3_597_366, RunPhase::Waits),
        ("429", "rate_limit", 45_000, RunPhase::Working),
        ("529", "overloaded", 600_000, RunPhase::Waits),
        ("401", "authentication_failed", 600_000, RunPhase::Waits),
        ("null", "unknown", 600_000, RunPhase::Working),
    ] {
        let records = claude(&[INIT, &retry(status, kind, delay_ms)]);
        assert_eq!(phase(&records), expected, "{kind} {delay_ms}");
    }
    let mut overcome = claude(&[INIT, &retry("429", "rate_limit", 3_597_366)]);
    overcome.stdout(SAYS.as_bytes());
    assert_eq!(phase(&overcome), RunPhase::Working);
}

#[test]
fn words_that_name_a_time_count_too() {
    let error = |words: &str| {
        let mut records = registry().records("codex").unwrap();
        records.stdout(format!("{{\"type\":\"error\",\"message\":\"{words}\"}}\n").as_bytes());
        phase(&records)
    };
    let limit = "You’ve hit your usage limit.";
    assert_eq!(error(&format!("{limit} or try again at 1:36 PM.")), RunPhase::Waits);
    assert_eq!(error(&format!("{limit} or try again in 90 seconds.")), RunPhase::Working);
    assert_eq!(error("Reconnecting... 2/5 (429 Too Many Requests)"), RunPhase::Working);
    assert_eq!(error("It works, try again in 3 hours"), RunPhase::Working, "no limit");
}

#[test]
fn a_rejection_may_be_overcome() {
    let mut records = claude(&[INIT, REJECTED]);
    assert_eq!(phase(&records), RunPhase::Rejected);
    records.stdout(SAYS.as_bytes());
    assert_eq!(phase(&records), RunPhase::Working);
    let retried = claude(&[INIT, REJECTED, &retry("429", "rate_limit", 500)]);
    assert_eq!(phase(&retried), RunPhase::Waits, "the limit ends later than the wait");
    let paid = REJECTED.replace("\"status\"", "\"isUsingOverage\":true,\"status\"");
    assert_eq!(phase(&claude(&[INIT, &paid])), RunPhase::Working);
}

#[test]
fn an_announced_wait_is_the_class_and_the_end() {
    let now: Timestamp = NOW.parse().unwrap();
    let ended = |output: &[&str]| claude(output).verdict(ProcessExit::Code(143), EndedBy::LongWait);
    let verdict = ended(&[INIT, &retry("429", "rate_limit", 3_600_000)]);
    let error = verdict.error.unwrap();
    assert_eq!(error.class, ErrorClass::Quota);
    let until = error.resets_at(now, &TimeZone::UTC).unwrap();
    assert_eq!(until.to_string(), "2026-11-22T13:00:00Z");
    let why = "claude: ended by aq, as it would have waited for long: API error 429: rate_limit";
    assert_eq!(verdict.why.as_deref(), Some(why));
    let error = ended(&[INIT, REJECTED]).error.unwrap();
    assert_eq!(error.class, ErrorClass::Quota);
    assert_eq!(error.resets_at(now, &TimeZone::UTC).unwrap().as_second(), 1_795_400_000);
}

#[test]
fn an_answer_to_the_signal_is_no_error() {
    let judged = |ended: EndedBy| -> RunVerdict {
        let mut records = claude(&[INIT, SAYS, DONE]);
        records.ending();
        records.stdout(retry("401", "authentication_failed", 1).as_bytes());
        records.stdout(INIT.as_bytes());
        records.stdout(SAYS.as_bytes());
        records.stderr(b"Error: not logged in\n");
        records.verdict(ProcessExit::Code(143), ended)
    };
    assert_eq!(judged(EndedBy::Aq).error, None);
    assert!(judged(EndedBy::ResultGrace).success, "it was done before");
}

#[test]
fn retries_on_stderr_are_known_before_an_answer() {
    let gemini = |more: &str, stderr: &str| {
        let mut records = registry().records("gemini").unwrap();
        let init = r#"{"type":"init","session_id":"b9ce","model":"flash"}"#;
        records.stdout(format!("{init}\n{more}").as_bytes());
        records.stderr(stderr.as_bytes());
        let verdict = records.verdict(ProcessExit::Code(0), EndedBy::Aq);
        verdict.error.map(|error| error.class)
    };
    let says = "{\"type\":\"message\",\"role\":\"assistant\",\"content\":\"hi\"}\n";
    let retries = "Loaded cached credentials.\nAttempt 4 failed: Resource has been exhausted (e.g. \
                   check quota).\nSuggested retry after 2s.. Retrying after 32992ms...\n";
    assert_eq!(gemini("", retries), Some(ErrorClass::Quota));
    assert_eq!(gemini(says, retries), None);
    assert_eq!(gemini("", "Loaded cached credentials.\n"), None);
    assert_eq!(gemini("", "Retry: MCP server x is unauthorized\n"), None, "may be of no account");
}
