//! The merge train: finished work goes into its target by itself, checked on the merge, or back to
//! its agent.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use crate::sandbox::Sandbox;

mod queues;

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

const ALL_TESTS: &str = "#!/bin/sh
for t in tests/*.sh; do sh \"$t\" || { echo \"$t fails\"; exit 1; }; done
";

/// Twenty jobs, each with a test of its own and well by itself. Of the `line` ones all but the
/// first conflict by text, and each `user` breaks the test of `moves`.
fn add_crowd(sandbox: &Sandbox) -> Vec<String> {
    let mut jobs = Vec::new();
    let mut add = |name: String, front: &str, body: &str, test: &str| {
        // The first commit of a job may be red.
        let body = format!(
            "mkdir -p tests src; echo false > tests/{name}.sh; git add -A; git commit -qm draft\n\
             {body}\necho '{test}' > tests/{name}.sh"
        );
        sandbox.add(&name, front, &body);
        jobs.push(name);
    };
    let moves = "git rm -q old.txt; echo new > new.txt";
    let test = "test ! -e old.txt && ! grep -qsx old src/user-*";
    add("moves".to_owned(), "priority: high", moves, test);
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
            "if [ -n \"$AQ_FEEDBACK\" ]; then\n\
             grep -q merge.verify \"$AQ_FEEDBACK\" || exit 9\n\
             grep -q 'tests/moves.sh fails' \"$AQ_FEEDBACK\" || exit 9\n\
             echo new > src/user-{n}; else echo old > src/user-{n}; fi"
        );
        add(format!("user-{n}"), "", &body, &format!("test -s src/user-{n}"));
    }
    jobs
}

/// Commits that the train has made since one: those that the target was at, and all merges.
fn made_by_train(sandbox: &Sandbox, since: &str) -> BTreeSet<String> {
    let range = format!("{since}..main");
    let lists = [vec!["--first-parent"], vec!["--grep=^aq: "]]
        .map(|options| sandbox.git(&[&["log", "--format=%H"], &options[..], &[&range]].concat()));
    lists.iter().flat_map(|list| list.lines()).map(str::to_owned).collect()
}

/// The commits at which the tests of the target fail.
fn red_commits(sandbox: &Sandbox, commits: &BTreeSet<String>) -> Vec<String> {
    let files = sandbox.path("look");
    let at = files.to_str().unwrap();
    let is_red = |commit: &&String| {
        sandbox.git(&["worktree", "add", "-q", "--detach", at, commit]);
        let passed = Command::new("./all-tests").current_dir(&files).status().unwrap().success();
        sandbox.git(&["worktree", "remove", "--force", at]);
        !passed
    };
    let shown = |commit: &String| sandbox.git(&["log", "-1", "--format=%h %s", commit]);
    commits.iter().filter(is_red).map(shown).collect()
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
    let since = sandbox.git(&["rev-parse", "main"]);
    let jobs = add_crowd(&sandbox);
    assert_eq!(jobs.len(), 20);
    sandbox.ok(&["run", "--once", "--max", "4", "--quiet"]);
    assert_eq!(sandbox.jobs("testing").len(), 20);
    let said = sandbox.ok(&["run", "--once", "--ship", "--max", "4"]);
    for job in &jobs {
        assert_eq!(sandbox.folders(job), ["shipped"], "{said}\n{}", sandbox.log(job));
    }
    let went_back: Vec<&String> =
        jobs.iter().filter(|job| !sandbox.meta_value(job, "train_tries").is_empty()).collect();
    assert_eq!(went_back.len(), 5, "{went_back:?}: {said}");
    let is_known = |job: &&String| job.starts_with("line-") || job.starts_with("user-");
    assert!(went_back.iter().all(is_known), "{went_back:?}");
    let made = made_by_train(&sandbox, &since);
    assert!(made.len() >= 20, "{made:?}");
    assert_eq!(red_commits(&sandbox, &made), [""; 0]);
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

#[test]
fn in_place_work_goes_back() {
    let sandbox = with_config("ship: merge\n");
    let body = "if [ -n \"$AQ_FEEDBACK\" ]; then grep -q '^>>>>>>>' a.txt && echo both > a.txt\n\
                else echo mine > a.txt; fi";
    sandbox.add("a", "isolation: in-place", body);
    sandbox.ok(&["run", "--once"]);
    sandbox.commit("a.txt", "theirs\n");
    let said = sandbox.ok(&["run", "--once", "--ship"]);
    assert_eq!(sandbox.folders("a"), ["shipped"], "{said}\n{}", sandbox.log("a"));
    assert_eq!(sandbox.meta_value("a", "train_tries"), "1");
    assert_eq!(
        (sandbox.head(), sandbox.git(&["status", "--porcelain"])),
        ("main".into(), "".into())
    );
    assert_eq!(fs::read_to_string(sandbox.work().join("a.txt")).unwrap(), "both\n");
    assert_eq!(sandbox.faults(&["a"]), "");
}

#[test]
fn work_outside_git_is_accepted() {
    let sandbox = Sandbox::new();
    fs::write(sandbox.queue("config.yaml"), "ship: merge\nmerge: {verify: exit 3}\n").unwrap();
    sandbox.add("a", "", "echo 1 > new.txt");
    let said = sandbox.ok(&["run", "--once", "--ship"]);
    assert_eq!(sandbox.folders("a"), ["shipped"], "{said}");
    assert_eq!(sandbox.meta_value("a", "merged_into"), "");
    assert!(sandbox.log("a").contains("accepted: it has no branch"), "{}", sandbox.log("a"));
}

#[test]
fn deleted_targets_are_waited_for() {
    let sandbox = with_config("ship: merge\n");
    sandbox.git(&["branch", "next"]);
    sandbox.add("a", "target: next", "echo 1 > new.txt");
    sandbox.ok(&["run", "--once"]);
    sandbox.git(&["branch", "-q", "-D", "next"]);
    let (code, said) = sandbox.code(&["run", "--once", "--ship"]);
    assert_eq!((code, sandbox.folders("a")), (0, vec!["testing"]), "{said}");
    assert!(said.contains("a stays in testing/: ") && said.contains("git branch next"), "{said}");
    sandbox.git(&["branch", "next", "main"]);
    sandbox.ok(&["run", "--once", "--ship"]);
    assert_eq!(
        (sandbox.folders("a"), sandbox.git(&["show", "next:new.txt"])),
        (vec!["shipped"], "1".into())
    );
}

/// Two jobs in testing/, of which the more urgent one needs the work of the other.
fn add_needy(sandbox: &Sandbox) {
    sandbox.add("dep", "idempotency-key: k\npriority: low", "echo two > a.txt");
    sandbox.add("child", "deps: [k]\ndeps-mode: soft\npriority: high", "echo three > a.txt");
    sandbox.ok(&["run", "--once"]);
    assert_eq!(sandbox.jobs("testing"), ["child", "dep"]);
}

#[test]
fn needed_work_is_named_and_goes_first() {
    let sandbox = with_config("ship: merge\n");
    add_needy(&sandbox);
    let (code, said) = sandbox.code(&["ship", "child"]);
    assert!(code == 4 && said.contains("builds on that of dep"), "{code} {said}");
    let json: serde_json::Value =
        serde_json::from_str(&sandbox.ok(&["why", "child", "--json"])).unwrap();
    assert_eq!(json["reason"]["code"], "dep_unmerged", "{json}");
    assert_eq!((&json["reason"]["dep"], &json["reason"]["file"]), (&"dep".into(), &"a.txt".into()));
    let status = sandbox.ok(&["status"]);
    assert!(status.contains("its merge waits for dep, which is not shipped"), "{status}");
    // It is tried again as soon as the other one is in.
    let said = sandbox.ok(&["run", "--once", "--ship"]);
    assert_eq!(sandbox.jobs("shipped"), ["child", "dep"], "{said}");
    assert_eq!(sandbox.git(&["show", "main:a.txt"]), "three");
    assert_eq!(sandbox.meta_value("child", "train_waits_dep"), "");
}
