//! The merge train: one job lands, another one is sent back.

use std::fs;

use super::calls::{Call, of_command};
use super::can_trace;
use super::replay::{After, Story};
use crate::sandbox::Sandbox;

const JOBS: [&str; 2] = ["a", "b"];

const RUN: &[&str] = &["run", "--once", "--ship", "--quiet"];

/// Finished jobs that have each added a line to one file, from whose target the user has gone on.
fn prepare_jobs(sandbox: &Sandbox, jobs: &[&str]) {
    sandbox.make_repository();
    sandbox.ok(&["caps"]);
    fs::write(sandbox.queue("config.yaml"), "ship: merge\ntrain-retries: 5\n").unwrap();
    for job in jobs {
        let body = format!(
            "if grep -q '^=======' a.txt; then sed -i '/^[<=>]/d' a.txt
             else echo {job} >> a.txt; fi"
        );
        sandbox.add(job, &format!("idempotency-key: {job}"), &body);
    }
    sandbox.ok(&["run", "--once", "--quiet"]);
    assert_eq!(sandbox.jobs("testing"), jobs);
    sandbox.commit("mine.txt", "mine\n");
}

/// Git's files are all there here, however little of the queue is.
fn look(after: &After<'_>) {
    let sandbox = after.sandbox;
    after.ok(&["recover"]);
    for job in JOBS {
        assert_eq!(sandbox.folders(job).len(), 1, "{}", after.story(job));
    }
    assert!(!after.is_promised || sandbox.folders("a") == ["shipped"], "{}", after.story("a"));
    after.ok(RUN);
    let subjects = sandbox.git(&["log", "--format=%s", "--first-parent", "main"]);
    for job in JOBS {
        assert_eq!(sandbox.folders(job), ["shipped"], "{}", after.story(job));
        assert_eq!(sandbox.meta_value(job, "merged_into"), "main", "{}", after.story(job));
        let merges = subjects.lines().filter(|subject| *subject == format!("aq: {job}")).count();
        assert_eq!(merges, 1, "{}: {subjects}", after.story(job));
    }
    let text = sandbox.git(&["show", "main:a.txt"]);
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, ["a", "b", "one"], "{}", after.story("b"));
    assert_eq!(sandbox.git(&["status", "--porcelain"]), "", "{}", after.what);
    after.is_whole(&JOBS);
}

#[test]
fn trains_land_what_they_say() {
    if !can_trace() {
        return;
    }
    let prepare = |sandbox: &Sandbox| prepare_jobs(sandbox, &JOBS);
    let promised = &["shipped/a.md", ".state/meta/a.meta"];
    let story = Story { prepare, commands: &[&["ship", "a", "b"]], promised };
    let cuts = story.cut_everywhere(260, look);
    assert!(cuts >= 3, "{cuts}");
}

/// Files of before on a branch of after would take back what others have changed.
#[test]
fn rebased_files_are_synced_first() {
    if !can_trace() {
        return;
    }
    let sandbox = Sandbox::new();
    prepare_jobs(&sandbox, &["b"]);
    sandbox.commit("a.txt", "one\nmine\n");
    let calls = of_command(&sandbox, RUN);
    assert_eq!(sandbox.folders("b"), ["shipped"], "{}", sandbox.log("b"));
    let (note, file) = (sandbox.queue(".state/wip/b.rebase"), sandbox.own("b", "a.txt"));
    let renamed = |(_, call): &(usize, &Call)| {
        call.name.starts_with("rename") && call.paths.last() == Some(&note)
    };
    let notes: Vec<usize> =
        calls.iter().enumerate().filter(renamed).map(|(place, _)| place).collect();
    let [begun, settled, ..] = notes[..] else { panic!("{notes:?}") };
    let between = &calls[begun..settled];
    let written = between.iter().rposition(|call| call.paths.contains(&file));
    let is_synced = |path: &std::path::Path| path.starts_with(sandbox.queue(""));
    let synced = between
        .iter()
        .rposition(|call| call.name == "syncfs" && call.opened.as_deref().is_some_and(is_synced));
    assert!(written.is_some() && written < synced, "{written:?} {synced:?}");
}
