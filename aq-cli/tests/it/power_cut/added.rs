//! `add`: one job, many, and one that takes another's place.

use std::fs;

use super::can_trace;
use super::replay::{After, Story};
use crate::sandbox::{Sandbox, job_text};

/// Writes the job file on which `add` is called.
fn put(sandbox: &Sandbox, name: &str, front: &str, body: &str) {
    sandbox.write(name, front, body);
    fs::rename(sandbox.path(&format!("{name}.md")), sandbox.work().join(format!("{name}.md")))
        .unwrap();
}

/// Recovers and drains the queue. Each job is in one folder all the time, in which nothing is torn.
fn drain(after: &After<'_>) {
    after.ok(&["recover"]);
    let (code, said) = after.sandbox.code(&["run", "--once", "--ship", "--quiet"]);
    assert!(code <= 1, "{}: {code} {said}", after.what);
    // A job ran where it was added, or not at all.
    assert!(!after.sandbox.path("trace").exists(), "{}", after.what);
}

#[test]
fn an_added_job_is_kept() {
    if !can_trace() {
        return;
    }
    let story = Story {
        prepare: |sandbox| {
            put(sandbox, "x", "idempotency-key: k\ndeps: [before]", "echo ran >>trace");
            sandbox.add("before", "idempotency-key: before", "true");
            sandbox.ok(&["caps"]);
        },
        commands: &[&["add", "x.md"]],
        promised: &["inbox/x.md", ".state/meta/x.meta"],
    };
    let cuts = story.cut_everywhere(5, |after| {
        let sandbox = after.sandbox;
        drain(after);
        let is_there = sandbox.folders("x") == ["shipped"];
        assert!(
            is_there || (!after.is_promised && sandbox.folders("x").is_empty()),
            "{}",
            after.story("x")
        );
        if !is_there {
            assert_eq!(after.runs(), [""; 0], "{}", after.what);
            after.is_whole(&["before"]);
            after.ok(&["add", "x.md"]);
            drain(after);
        }
        assert_eq!(sandbox.folders("x"), ["shipped"], "{}", after.story("x"));
        assert_eq!(after.runs(), ["ran"], "{}", after.what);
        after.is_whole(&["before", "x"]);
    });
    assert!(cuts >= 3, "{cuts}");
}

const MANY: [&str; 9] = ["m0", "m1", "m2", "m3", "m4", "m5", "m6", "m7", "m8"];

#[test]
fn many_added_jobs_are_kept() {
    if !can_trace() {
        return;
    }
    let files = MANY.map(|name| format!("inbox/{name}.md"));
    let records = MANY.map(|name| format!(".state/meta/{name}.meta"));
    let promised: Vec<&str> = files.iter().chain(&records).map(String::as_str).collect();
    let story = Story {
        prepare: |sandbox| {
            for name in MANY {
                put(sandbox, name, &format!("idempotency-key: {name}\ndeps: [never]"), "true");
            }
            sandbox.ok(&["caps"]);
        },
        commands: &[&["add", "."]],
        promised: &promised,
    };
    let cuts = story.cut_everywhere(150, |after| {
        drain(after);
        let there = after.sandbox.jobs("inbox");
        if there != MANY {
            assert!(!after.is_promised, "{}: {there:?}", after.what);
            after.is_whole(&[]);
            after.ok(&["add", "."]);
        }
        assert_eq!(after.sandbox.jobs("inbox"), MANY, "{}", after.what);
        after.is_whole(&MANY);
    });
    assert!(cuts >= 3, "{cuts}");
}

#[test]
fn superseding_job_is_kept() {
    if !can_trace() {
        return;
    }
    let story = Story {
        prepare: |sandbox| {
            sandbox.add("old", "idempotency-key: k", "echo old >>trace");
            put(sandbox, "new", "idempotency-key: k", "echo new >>trace");
            sandbox.ok(&["caps"]);
        },
        commands: &[&["add", "new.md"]],
        promised: &["inbox/new.md", ".state/meta/new.meta"],
    };
    let cuts = story.cut_everywhere(7, |after| {
        drain(after);
        let runs = after.runs();
        let is_new = runs == ["new"];
        assert!(
            is_new || (!after.is_promised && runs == ["old"]),
            "{}: {runs:?}",
            after.story("new")
        );
        after.is_whole(&[if is_new { "new" } else { "old" }]);
    });
    assert!(cuts >= 3, "{cuts}");
}

const OLD: &str = "echo old >>trace";

#[test]
fn job_superseding_itself_is_kept() {
    if !can_trace() {
        return;
    }
    let story = Story {
        prepare: |sandbox| {
            let old = sandbox.write("a", "idempotency-key: k", OLD);
            // From elsewhere: a job works where it was added.
            let elsewhere = sandbox.path("home");
            let mut add = sandbox.aq(&["add"]);
            assert!(add.arg(old).current_dir(elsewhere).status().unwrap().success());
            put(sandbox, "a", "idempotency-key: k", "echo new >>trace");
            sandbox.ok(&["caps"]);
        },
        commands: &[&["add", "a.md"]],
        promised: &["inbox/a.md", ".state/meta/a.meta"],
    };
    let cuts = story.cut_everywhere(3, |after| {
        let sandbox = after.sandbox;
        let _ = fs::remove_file(sandbox.path("home/trace"));
        drain(after);
        assert_eq!(sandbox.folders("a"), ["shipped"], "{}", after.story("a"));
        let is_old = fs::read_to_string(sandbox.queue("shipped/a.md")).unwrap()
            == job_text("idempotency-key: k", OLD);
        if is_old {
            assert!(!after.is_promised, "{}", after.story("a"));
            // When only its record has reached the disk, it works where the new one would have.
            let there = fs::read_to_string(sandbox.path("home/trace")).unwrap_or_default();
            let here = after.runs().concat();
            assert!(there + &here == "old\n" || here == "old", "{}", after.story("a"));
        } else {
            assert_eq!(after.runs(), ["new"], "{}", after.story("a"));
        }
        let original = if is_old { "shipped/a.md" } else { "../work/a.md" };
        fs::copy(sandbox.queue(original), sandbox.originals().join("a.md")).unwrap();
        after.is_whole(&["a"]);
    });
    assert!(cuts >= 3, "{cuts}");
}
