//! Words of a person for a job: they are on the disk when `reply` has answered.

use super::can_trace;
use super::replay::Story;
use crate::sandbox::Sandbox;

const REPLY: &[&str] = &["reply", "a", "Use tabs."];

fn reviewed(sandbox: &Sandbox) {
    let body = "echo ran >>trace; [ -z \"$AQ_FEEDBACK\" ] || cat \"$AQ_FEEDBACK\" >>trace";
    sandbox.add("a", "idempotency-key: k\nreview-policy: human", body);
    sandbox.ok(&["run", "--once", "--quiet"]);
}

#[test]
fn a_reply_is_kept_and_told_once() {
    if !can_trace() {
        return;
    }
    let promised = &["inbox/a.md", ".state/meta/a.meta", "feedback/a.md"];
    let story = Story { prepare: reviewed, commands: &[REPLY], promised };
    let cuts = story.cut_everywhere(2, |after| {
        let sandbox = after.sandbox;
        after.ok(&["recover"]);
        if after.is_promised {
            assert_eq!(sandbox.folders("a"), ["inbox"], "{}", after.story("a"));
        } else {
            after.ok(REPLY);
        }
        let told = after.ok(&["prompt", "--feedback", "a"]);
        assert_eq!(told.matches("Use tabs.").count(), 1, "{}: {told}", after.what);
        after.is_whole(&["a"]);
        after.ok(&["run", "--once", "--quiet"]);
        let told = after.runs().iter().filter(|line| *line == "Use tabs.").count();
        assert_eq!(told, 1, "{}: {:?}", after.story("a"), after.runs());
    });
    assert!(cuts >= 3, "{cuts}");
}

/// The rest that a cut leaves of the beginning of an attempt is enough for the next one.
#[test]
fn words_survive_beginning_of_attempt() {
    if !can_trace() {
        return;
    }
    let prepare = |sandbox: &Sandbox| {
        let body = "grep -q 'Use tabs.' \"$AQ_FEEDBACK\"";
        sandbox.add("a", "idempotency-key: k", body);
        sandbox.ok(&["caps"]);
        sandbox.ok(REPLY);
    };
    let commands: &[&[&str]] = &[&["run", "--once", "--quiet"]];
    let story = Story { prepare, commands, promised: &[] };
    let cuts = story.cut_everywhere(12, |after| {
        after.ok(&["recover"]);
        after.ok(&["run", "--once", "--quiet"]);
        assert_eq!(after.sandbox.folders("a"), ["testing"], "{}", after.story("a"));
        after.is_whole(&["a"]);
    });
    assert!(cuts >= 3, "{cuts}");
}
