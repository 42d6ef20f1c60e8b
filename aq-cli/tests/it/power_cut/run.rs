//! A loop and its workers. They sync what is shipped, and nothing else: a job may run again after a
//! power cut, but not when it is shipped, and not twice at once.

use super::can_trace;
use super::replay::{After, Story};

/// One that is verified, one that needs two attempts, one that fails.
const JOBS: [&str; 3] = ["a", "b", "c"];

const RUN: &[&str] = &["run", "--once", "--ship", "--quiet"];

fn drain(after: &After<'_>) {
    let (code, said) = after.sandbox.code(RUN);
    assert!(code <= 1, "{}: {code} {said}", after.what);
}

fn look(after: &After<'_>) {
    let sandbox = after.sandbox;
    after.ok(&["recover"]);
    for job in JOBS {
        assert_eq!(sandbox.folders(job).len(), 1, "{}", after.story(job));
    }
    assert_eq!(after.ok(&["recover"]), "nothing to recover\n", "{}", after.what);
    drain(after);
    let ran = after.runs();
    let mut once = ran.clone();
    once.sort();
    once.dedup();
    assert_eq!(once.len(), ran.len(), "{}: {ran:?}", after.what);
    for (job, to) in JOBS.into_iter().zip(["shipped", "shipped", "failed"]) {
        assert_eq!(sandbox.folders(job), [to], "{}", after.story(job));
        let has_run = ran.iter().any(|line| line.starts_with(job));
        assert!(!has_run || to == "failed" || !after.is_promised, "{}", after.story(job));
    }
    if sandbox.meta_value("c", "moved_to") != "failed" {
        // Why it failed was not on the disk.
        after.ok(&["requeue", "c"]);
        drain(after);
    }
    after.is_whole(&JOBS);
}

#[test]
fn loop_reruns_nothing_shipped() {
    if !can_trace() {
        return;
    }
    let story = Story {
        prepare: |sandbox| {
            let body = |id: &str, end: &str| format!("echo {id}-$AQ_ATTEMPT >>trace; {end}");
            sandbox.add("a", "idempotency-key: a\nverify: \"true\"", &body("a", "true"));
            let again = "[ $AQ_ATTEMPT -ge 2 ]";
            sandbox.add("b", "retry: {max: 4, backoff: 0s}", &body("b", again));
            sandbox.add("c", "deps: [a]", &body("c", "false"));
            sandbox.ok(&["caps"]);
        },
        commands: &[RUN],
        promised: &["shipped/a.md", "shipped/b.md", ".state/meta/a.meta", ".state/meta/b.meta"],
    };
    let cuts = story.cut_everywhere(250, look);
    assert!(cuts >= 3, "{cuts}");
}
