//! The merge train: finished work goes into its target by itself, checked on the merge, or back to
//! its agent.

use std::fs;
use std::process::Command;

use crate::sandbox::Sandbox;

fn with_config(text: &str) -> Sandbox {
    let sandbox = Sandbox::with_repository();
    fs::write(sandbox.queue("config.yaml"), text).unwrap();
    sandbox
}

#[test]
fn chains_are_merged_in_one_run() {
    let sandbox = with_config("ship: merge\n");
    sandbox.add("a", "idempotency-key: a", "echo schema > schema.txt");
    sandbox.add("b", "deps: [a]", "sed s/schema/code/ schema.txt > code.txt");
    let said = sandbox.ok(&["run", "--once", "--ship"]);
    for job in ["a", "b"] {
        assert_eq!(sandbox.folders(job), ["shipped"], "{said}\n{}", sandbox.log(job));
        assert_eq!(sandbox.meta_value(job, "merged_into"), "main");
        assert!(said.contains(&format!("{job}  merged into main and shipped")), "{said}");
    }
    assert_eq!(fs::read_to_string(sandbox.work().join("code.txt")).unwrap(), "code\n");
    assert_eq!(sandbox.git(&["status", "--porcelain"]), "");
    let commit = sandbox.meta_value("b", "merged_commit");
    assert_eq!(sandbox.git(&["rev-parse", "main"]), commit);
    let why = sandbox.ok(&["why", "b"]);
    assert!(why.contains(&format!("merged into main at {}", &commit[..12])), "{why}");
    assert_eq!(sandbox.faults(&["a", "b"]), "");
}

const ALL_TESTS: &str = "#!/bin/sh\nfor t in tests/*.sh; do sh \"$t\" || exit 1; done\n";

/// Jobs of which some do not go together with others, though each is well by itself.
fn add_crowd(sandbox: &Sandbox) -> Vec<String> {
    let mut jobs = Vec::new();
    let mut add = |name: String, front: &str, body: &str, test: &str| {
        let body = format!("mkdir -p tests src; {body}\necho '{test}' > tests/{name}.sh");
        sandbox.add(&name, front, &body);
        jobs.push(name);
    };
    let moves = "git rm -q old.txt; echo new > new.txt";
    add("moves".to_owned(), "priority: high", moves, "test ! -e old.txt");
    for n in 0..13 {
        let body = format!("echo {n} > src/{n}");
        add(format!("alone-{n}"), "", &body, &format!("test -e src/{n}"));
    }
    for n in 0..4 {
        let body = format!(
            "if [ -n \"$AQ_FEEDBACK\" ]; then grep -q a.txt \"$AQ_FEEDBACK\" || exit 9\n\
             sed -i '/^<<<<<<</d; /^|||||||/d; /^=======/d; /^>>>>>>>/d' a.txt\n\
             else echo line-{n} > a.txt; fi"
        );
        add(format!("line-{n}"), "", &body, &format!("grep -q line-{n} a.txt"));
    }
    for n in 0..2 {
        let body = format!(
            "if [ -n \"$AQ_FEEDBACK\" ]; then grep -q merge.verify \"$AQ_FEEDBACK\" || exit 9\n\
             echo new > src/user-{n}; else echo old > src/user-{n}; fi"
        );
        add(format!("user-{n}"), "", &body, &format!("test -e $(cat src/user-{n}).txt"));
    }
    jobs
}

/// The jobs at whose merge the tests of the target fail.
fn red_merges(sandbox: &Sandbox, jobs: &[String]) -> Vec<String> {
    let is_red = |job: &&String| {
        let files = sandbox.path("look");
        let (at, commit) = (files.to_str().unwrap(), sandbox.meta_value(job, "merged_commit"));
        sandbox.git(&["worktree", "add", "-q", "--detach", at, &commit]);
        let passed = Command::new("./all-tests").current_dir(&files).status().unwrap().success();
        sandbox.git(&["worktree", "remove", "--force", at]);
        !passed
    };
    jobs.iter().filter(is_red).cloned().collect()
}

#[test]
fn conflicting_work_goes_back_and_is_mended() {
    let sandbox = with_config("ship: merge\nmerge: {verify: ./all-tests}\ntrain-retries: 6\n");
    sandbox.commit("old.txt", "old\n");
    fs::write(sandbox.work().join("all-tests"), ALL_TESTS).unwrap();
    sandbox.git(&["add", "all-tests"]);
    sandbox.git(&["update-index", "--chmod=+x", "all-tests"]);
    sandbox.git(&["commit", "-qm", "tests"]);
    sandbox.git(&["checkout", "-q", "--", "all-tests"]);
    let jobs = add_crowd(&sandbox);
    assert_eq!(jobs.len(), 20);
    sandbox.ok(&["run", "--once", "--max", "4", "--quiet"]);
    assert_eq!(sandbox.jobs("testing").len(), 20);
    let said = sandbox.ok(&["run", "--once", "--ship"]);
    for job in &jobs {
        assert_eq!(sandbox.folders(job), ["shipped"], "{said}\n{}", sandbox.log(job));
    }
    let went_back: Vec<&String> =
        jobs.iter().filter(|job| !sandbox.meta_value(job, "train_tries").is_empty()).collect();
    assert!((4..=5).contains(&went_back.len()), "{went_back:?}: {said}");
    assert_eq!(red_merges(&sandbox, &jobs), [""; 0]);
    assert_eq!(sandbox.git(&["status", "--porcelain"]), "");
    let named: Vec<&str> = jobs.iter().map(String::as_str).collect();
    assert_eq!(sandbox.faults(&named), "");
}

#[test]
fn tries_of_the_train_are_counted_apart() {
    let sandbox = with_config("ship: merge\nmerge: {verify: 'exit 3'}\ntrain-retries: 1\n");
    sandbox.add("a", "", "echo $AQ_ATTEMPT > new.txt");
    let (code, said) = sandbox.code(&["run", "--once", "--ship"]);
    assert_eq!(code, 1, "{said}");
    assert_eq!(sandbox.folders("a"), ["failed"], "{said}");
    let meta = sandbox.meta("a");
    assert_eq!((&*meta["result"], &*meta["failure_class"]), ("retries_exhausted", "verify_failed"));
    assert_eq!((&*meta["attempts"], &*meta["train_tries"]), ("2", "1"), "{meta:?}");
    assert!(meta["message"].contains("merge.verify exited with 3, on the merge"), "{meta:?}");
    assert!(!sandbox.try_git(&["cat-file", "-e", "main:new.txt"]).0);
}

#[test]
fn markers_that_are_left_fail_again() {
    let sandbox = with_config("ship: merge\ntrain-retries: 1\n");
    sandbox.add("a", "", "[ -n \"$AQ_FEEDBACK\" ] || echo mine > a.txt");
    sandbox.ok(&["run", "--once"]);
    sandbox.commit("a.txt", "theirs\n");
    let (code, said) = sandbox.code(&["run", "--once", "--ship"]);
    assert_eq!(code, 1, "{said}");
    let meta = sandbox.meta("a");
    assert_eq!((sandbox.folders("a"), &*meta["failure_class"]), (vec!["failed"], "conflict"));
    assert!(meta["message"].contains("conflict markers are left in a.txt"), "{meta:?}");
    assert_eq!(sandbox.git(&["show", "main:a.txt"]), "theirs");
}

#[test]
fn overlapping_changes_are_named_and_kept() {
    let sandbox = with_config("ship: merge\n");
    sandbox.commit("b.txt", "b\n");
    sandbox.add("a", "", "echo two > a.txt");
    sandbox.add("c", "", "echo three > c.txt");
    for file in ["a.txt", "b.txt"] {
        fs::write(sandbox.work().join(file), "mine\n").unwrap();
    }
    let (code, said) = sandbox.code(&["run", "--once", "--ship"]);
    assert_eq!((code, sandbox.folders("a")), (0, vec!["testing"]), "{said}");
    assert_eq!(sandbox.folders("c"), ["shipped"], "it lets others pass: {said}");
    assert!(said.contains("a stays in testing/: ") && said.contains("a.txt"), "{said}");
    for file in ["a.txt", "b.txt"] {
        assert_eq!(fs::read_to_string(sandbox.work().join(file)).unwrap(), "mine\n");
    }
    let status = sandbox.ok(&["status"]);
    assert!(status.contains("its merge waits: "), "{status}");
    let json: serde_json::Value =
        serde_json::from_str(&sandbox.ok(&["why", "a", "--json"])).unwrap();
    assert_eq!(json["reason"]["code"], "train_waits", "{json}");
    assert_eq!(json["reason"]["files"][0], "a.txt", "{json}");
    sandbox.git(&["checkout", "-q", "--", "a.txt"]);
    sandbox.ok(&["run", "--once", "--ship"]);
    assert_eq!(sandbox.folders("a"), ["shipped"]);
    assert_eq!(fs::read_to_string(sandbox.work().join("a.txt")).unwrap(), "two\n");
    assert_eq!(fs::read_to_string(sandbox.work().join("b.txt")).unwrap(), "mine\n");
}

#[test]
fn ship_takes_jobs_by_way() {
    let sandbox = with_config("merge: {verify: test -e good.txt}\n");
    sandbox.add("accepted", "", "echo 1 > one.txt");
    sandbox.add("merged", "ship: merge", "echo 1 > good.txt");
    sandbox.add("bad", "ship: merge", "git rm -q --ignore-unmatch good.txt; echo 1 > bad.txt");
    sandbox.ok(&["run", "--once", "--quiet"]);
    let status = sandbox.ok(&["status"]);
    assert!(status.contains("in the train of main"), "{status}");
    let (code, said) = sandbox.code(&["ship", "bad", "accepted", "merged"]);
    assert_eq!(code, 1, "{said}");
    for line in [
        "accepted is shipped",
        "merged is merged into main and shipped",
        "2 of 3 are shipped",
        "job bad is not merged and goes back to its agent: merge.verify exited with 1",
    ] {
        assert!(said.contains(line), "{line}: {said}");
    }
    assert_eq!(sandbox.folders("bad"), ["inbox"]);
    assert!(!sandbox.try_git(&["cat-file", "-e", "main:one.txt"]).0);
    assert_eq!(sandbox.git(&["show", "main:good.txt"]), "1");
}
