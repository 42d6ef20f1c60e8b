//! Words of people: they reach the session that did the work, once.

use std::fs;

use super::{acts, told_agent, waits};
use crate::sandbox::{Sandbox, wait_child, wait_for};
use crate::vendor::{begins, done};

const HUMAN: &str = "engine: claude\nreview-policy: human";

/// An agent that has done its work, in the session `s1`; the job is in review/.
fn reviewed() -> Sandbox {
    let mut sandbox = Sandbox::with_repository();
    told_agent(&mut sandbox, &acts("s1"));
    sandbox.add_for("a", HUMAN, "Do the work.");
    sandbox.ok(&["run", "--once"]);
    assert_eq!(sandbox.folders("a"), ["review"]);
    sandbox
}

fn goes_on(sandbox: &Sandbox, words: &str) {
    assert_eq!(sandbox.folders("a"), ["inbox"]);
    let next = sandbox.ok(&["prompt", "a"]);
    assert!(next.ends_with(&format!("so far says:\n\n{words}\n")), "{next}");
    sandbox.ok(&["run", "--once"]);
    assert_eq!(sandbox.vendor_prompt("claude", 2), next);
    assert!(sandbox.vendor_runs("claude")[1].ends_with("--resume s1"));
    assert_eq!(sandbox.folders("a"), ["review"], "{}", sandbox.log("a"));
    assert_eq!(sandbox.meta_value("a", "attempts"), "1", "retry counts anew");
    assert!(!waits(sandbox));
}

#[test]
fn reply_reaches_the_same_session() {
    let sandbox = reviewed();
    let said = sandbox.ok(&["reply", "a", "Use tabs."]);
    assert_eq!(said, "a is back in the inbox; its next attempt is told\n");
    goes_on(&sandbox, "Use tabs.");
}

#[test]
fn a_rejection_can_be_mended() {
    let sandbox = reviewed();
    assert_eq!(sandbox.code(&["reject", "a", "--requeue"]).0, 2, "it needs a reason");
    let said = sandbox.ok(&["reject", "a", "--requeue", "--reason", "No tests."]);
    assert_eq!(said, "a is back in the inbox; its next attempt is told why\n");
    goes_on(&sandbox, "No tests.");
}

#[test]
fn a_waiting_job_keeps_words() {
    let mut sandbox = Sandbox::with_repository();
    sandbox.vendor("claude", &[format!("{}{}", begins("s1"), done(""))]);
    sandbox.add_for("a", "engine: claude", "Do the work.");
    assert_eq!(sandbox.ok(&["reply", "a", "One."]), "a waits; its next attempt is told\n");
    sandbox.ok(&["reply", "a", "Two."]);
    sandbox.ok(&["reply", "a", "Two."]);
    let next = sandbox.ok(&["prompt", "a"]);
    assert!(next.starts_with("Do the work.\n\nA person"), "{next}");
    assert!(next.contains("\n\nOne.\n\n"), "{next}");
    assert_eq!(next.matches("Two.").count(), 1, "{next}");
    sandbox.ok(&["run", "--once"]);
    assert_eq!(sandbox.vendor_prompt("claude", 1), next);
}

#[test]
fn a_running_job_is_told_next_time() {
    let mut sandbox = Sandbox::with_repository();
    let go = sandbox.path("go");
    let first =
        format!("{}while ! [ -e {} ]; do sleep 0.01; done\nexit 3\n", begins("s1"), go.display());
    sandbox.vendor("claude", &[first, format!("{}{}", begins("s1"), done(""))]);
    sandbox.add_for("a", "engine: claude\nretry: {max: 2, backoff: 0s}", "Do the work.");
    let mut running = sandbox.start_loop(&["--once"]);
    wait_for("the session", || sandbox.meta_value("a", "session_id") == "s1");
    let said = sandbox.ok(&["reply", "a", "Use tabs."]);
    assert_eq!(said, "a runs; kept for its next attempt, if there is one\n");
    fs::write(go, "").unwrap();
    assert_eq!(wait_child(&mut running), 0);
    let told = sandbox.vendor_prompt("claude", 2);
    assert!(told.starts_with("Attempt 1 at this task did not succeed: crash"), "{told}");
    assert!(told.ends_with("so far says:\n\nUse tabs.\n"), "{told}");
    assert!(!waits(&sandbox));
}

#[test]
fn a_shipped_job_hears_nothing() {
    let sandbox = Sandbox::new();
    sandbox.add("a", "", "true");
    sandbox.ok(&["run", "--once", "--ship"]);
    let (code, said) = sandbox.code(&["reply", "a", "Use tabs."]);
    assert_eq!(code, 4, "{said}");
    assert!(said.contains("`aq add --after a FILE`"), "{said}");
    assert!(!waits(&sandbox));
    assert_eq!(sandbox.code(&["reply", "nobody", "x"]).0, 3);
    assert_eq!(sandbox.code(&["reply", "a", " "]).0, 2);
}

#[test]
fn words_that_wait_are_put_away() {
    let sandbox = Sandbox::new();
    sandbox.add("a", "", "exit 3");
    assert_eq!(sandbox.code(&["run", "--once"]).0, 1);
    assert!(waits(&sandbox));
    sandbox.ok(&["clean", "--keep", "0"]);
    assert!(!waits(&sandbox));
    let archive = fs::read_dir(sandbox.queue(".archive")).unwrap().next().unwrap().unwrap().path();
    let kept = fs::read_to_string(archive.join("a.feedback")).unwrap();
    assert!(kept.contains("did not succeed: crash (exit code: 3)"), "{kept}");
}

#[test]
fn job_is_added_after_another() {
    let sandbox = Sandbox::new();
    sandbox.add("a", "idempotency-key: k", "true");
    let file = sandbox.write("b", "deps: [x]", "true");
    sandbox.ok(&["add".as_ref(), "--after".as_ref(), "a".as_ref(), file.as_os_str()]);
    assert_eq!(
        sandbox.json(&["why", "b", "--json"])["reason"]["text"],
        "waiting on x (no such job), k"
    );
    sandbox.add("c", "", "true");
    let (code, said) =
        sandbox.code(&["add".as_ref(), "--after".as_ref(), "c".as_ref(), file.as_os_str()]);
    assert_eq!(code, 4, "{said}");
    assert!(said.contains("has no idempotency-key"), "{said}");
}

#[test]
fn a_fresh_session_is_told_all_words() {
    let mut sandbox = Sandbox::with_repository();
    let run = |session: &str| format!("{}{}", begins(session), done(""));
    sandbox.vendor("claude", &[run("s1"), run("s2")]);
    sandbox.add_for("a", HUMAN, "Do the work.");
    sandbox.ok(&["reply", "a", "One."]);
    sandbox.ok(&["run", "--once"]);
    sandbox.ok(&["reply", "a", "Two."]);
    assert!(!sandbox.ok(&["prompt", "a"]).contains("One."), "the session knows that");
    // It is lost.
    let path = sandbox.queue(".state/meta/a.meta");
    let text = fs::read_to_string(&path).unwrap() + "session_id=\n";
    fs::write(path, text).unwrap();
    let next = sandbox.ok(&["prompt", "a"]);
    let [prompt, one, two] =
        ["Do the work.", "One.", "Two."].map(|words| next.find(words).unwrap());
    assert!(prompt < one && one < two, "{next}");
    sandbox.ok(&["run", "--once"]);
    assert_eq!(sandbox.vendor_prompt("claude", 2), next);
}
