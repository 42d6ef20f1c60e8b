//! Each job of a git repository works on a branch of its own, and your checkout is yours.

use std::fs;
use std::path::Path;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::sandbox::{Sandbox, is_alive, job_text, kill_child, kill_hard, wait_child, wait_for};

fn touch(path: &Path) -> String {
    format!("touch '{}'", path.display())
}

#[test]
fn users_checkout_is_never_touched() {
    let sandbox = Sandbox::with_repository();
    fs::write(sandbox.work().join("a.txt"), "staged\n").unwrap();
    sandbox.git(&["add", "a.txt"]);
    fs::write(sandbox.work().join("a.txt"), "edited\n").unwrap();
    fs::write(sandbox.work().join("new.txt"), "untracked\n").unwrap();
    let before = sandbox.checkout();
    let body = "cat a.txt > seen; echo two > a.txt; test ! -e new.txt; echo x > b.txt";
    sandbox.add("a", "verify: grep two a.txt && echo y > by-verify", body);
    sandbox.ok(&["run", "--once"]);

    assert_eq!(sandbox.checkout(), before);
    assert_eq!(sandbox.on_branch("a", "seen"), "one", "it starts from what is committed");
    assert_eq!(sandbox.on_branch("a", "a.txt"), "two");
    assert_eq!(sandbox.on_branch("a", "by-verify"), "y");
    let meta = sandbox.meta("a");
    assert_eq!(meta["wip_branch"], "aq/wip/a");
    assert_eq!(meta["wip_base"], sandbox.git(&["rev-parse", "main"]));
    assert_eq!(meta["isolation"], "worktree");
    let numbers = ["files_changed", "lines_added", "lines_deleted"].map(|key| &*meta[key]);
    assert_eq!(numbers, ["3", "3", "1"], "what `verify` makes is not the agent's");
    let diff = sandbox.ok(&["diff", "a"]);
    assert!(diff.contains("-one\n+two\n") && diff.contains("+++ b/b.txt"), "{diff}");
}

#[test]
fn an_attempt_goes_on_from_the_one_before() {
    let sandbox = Sandbox::with_repository();
    let front = "retry: {max: 3, backoff: 0s}\nsetup: echo x >> ../ran-setup";
    sandbox.add("a", front, "echo $AQ_ATTEMPT >> tries; test $AQ_ATTEMPT = 3");
    sandbox.ok(&["run", "--once"]);
    assert_eq!(sandbox.on_branch("a", "tries"), "1\n2\n3");
    let subjects = sandbox.git(&["log", "--reverse", "--format=%s", "main..aq/wip/a"]);
    assert_eq!(subjects, "a: attempt 1\na: attempt 2\na: attempt 3");
    let ran = fs::read_to_string(sandbox.queue("work/a/ran-setup")).unwrap();
    assert_eq!(ran, "x\n", "setup runs once a checkout");
}

#[test]
fn a_new_checkout_is_set_up_anew() {
    let sandbox = Sandbox::with_repository();
    let front = "setup: echo x >> ../../ran-setup\nretry: {max: 2, backoff: 0s}";
    // The agent removes the checkout under its own feet.
    let body = "echo $AQ_ATTEMPT > f; test $AQ_ATTEMPT = 2 || { rm -rf \"$PWD\"; exit 1; }";
    sandbox.add("a", front, body);
    sandbox.ok(&["run", "--once"]);
    assert_eq!(sandbox.on_branch("a", "f"), "2");
    let ran = fs::read_to_string(sandbox.queue("work/ran-setup")).unwrap();
    assert_eq!(ran, "x\nx\n");
}

#[test]
fn locks_of_dead_gits_block_nothing() {
    let sandbox = Sandbox::with_repository();
    for name in ["refs/heads/aq/wip/a.lock", "refs/aq/base/a.lock"] {
        let lock = sandbox.work().join(".git").join(name);
        fs::create_dir_all(lock.parent().unwrap()).unwrap();
        fs::write(lock, "").unwrap();
    }
    sandbox.add("a", "", "echo x > f");
    sandbox.ok(&["run", "--once"]);
    assert_eq!(sandbox.on_branch("a", "f"), "x");
}

#[test]
fn verify_gets_a_checkout_that_the_agent_removed() {
    let sandbox = Sandbox::with_repository();
    let commit = "git add -A; git -c user.name=a -c user.email=a@example.com commit -q -m x";
    let front = "setup: echo x > .ready\nverify: test -e a.txt && test -e .ready";
    sandbox.add("a", front, &format!("rm .ready; echo done > w; {commit}; rm -rf \"$PWD\""));
    sandbox.ok(&["run", "--once"]);
    assert_eq!(sandbox.folders("a"), ["testing"], "{}", sandbox.log("a"));
    assert!(sandbox.log("a").contains("its directory is gone, and is made anew from its branch"));
    let left_out = sandbox.meta_value("a", "left_out");
    assert_eq!(left_out, "the checkout");

    // Where only the directory is removed that the job works in, in a checkout that is there.
    fs::create_dir(sandbox.work().join("sub")).unwrap();
    sandbox.commit("sub/b.txt", "two\n");
    let front = "cwd: ../work/sub\nverify: echo x > by-verify";
    sandbox.add("b", front, "rm -r ../sub");
    sandbox.ok(&["run", "--once"]);
    assert_eq!(sandbox.folders("b"), ["testing"], "{}", sandbox.log("b"));
    assert_eq!(sandbox.git(&["ls-tree", "-r", "--name-only", "aq/wip/b"]), "a.txt\nsub/by-verify");
}

#[test]
fn a_removed_checkout_and_branch_are_told() {
    let sandbox = Sandbox::with_repository();
    let commit = "git add -A; git -c user.name=a -c user.email=a@example.com commit -q -m x";
    let repository = sandbox.work();
    let remove =
        format!("rm -rf \"$PWD\"; cd '{}'; git branch -q -D aq/wip/a", repository.display());
    sandbox.add("a", "verify: test -e a.txt", &format!("echo 1 > w; {commit}; {remove}"));
    sandbox.ok(&["run", "--once"]);
    assert_eq!(sandbox.folders("a"), ["testing"], "{}", sandbox.log("a"));
    let warning = "left out: the checkout: it was removed, and the branch aq/wip/a with it";
    assert!(sandbox.log("a").contains(warning), "{}", sandbox.log("a"));
    let status = sandbox.ok(&["status"]);
    assert!(status.contains("not on its branch: the checkout"), "{status}");
    let why = sandbox.ok(&["why", "a"]);
    assert!(why.contains(warning) && why.matches("checkout").count() == 1, "{why}");
    assert_eq!(sandbox.ok(&["diff", "a"]), "");

    sandbox.git(&["branch", "-q", "-D", "aq/wip/a"]);
    let (code, told) = sandbox.code(&["diff", "a"]);
    assert!(code == 4 && told.contains("somebody deleted it"), "{code} {told}");
}

/// The worker of job `a`, whose agent has done its work and goes on. The loop is killed.
fn worker_without_a_loop(sandbox: &Sandbox) -> Pid {
    let at_work = sandbox.path("at-work");
    let body = format!("test -e w && exit 0; echo done > w; {}; sleep 100", touch(&at_work));
    sandbox.add("a", "", &body);
    let mut running = sandbox.start_loop(&[]);
    wait_for("the agent's work", || at_work.exists());
    let worker = sandbox.worker("a");
    kill_child(&mut running);
    worker
}

#[test]
fn work_survives_the_kill_of_loop_and_worker() {
    let sandbox = Sandbox::with_repository();
    let worker = worker_without_a_loop(&sandbox);
    kill_hard(worker);
    assert!(!sandbox.try_git(&["show", "aq/wip/a:w"]).0);
    sandbox.ok(&["recover"]);
    assert_eq!(sandbox.on_branch("a", "w"), "done");
    assert_eq!(sandbox.git(&["log", "-1", "--format=%s", "aq/wip/a"]), "a: recovered");
    sandbox.ok(&["run", "--once"]);
    assert_eq!(sandbox.folders("a"), ["testing"], "the second attempt found the work");
}

#[test]
fn work_survives_a_worker_that_is_told_to_end() {
    let sandbox = Sandbox::with_repository();
    let worker = worker_without_a_loop(&sandbox);
    kill(worker, Signal::SIGTERM).unwrap();
    sandbox.wait_for_stage("a", "inbox");
    assert_eq!(sandbox.on_branch("a", "w"), "done");
    let meta = sandbox.meta("a");
    assert_eq!((&*meta["attempts"], &*meta["message"]), ("1", "interrupted"));
    wait_for("the end of the worker", || !is_alive(worker));
    assert_eq!(sandbox.ok(&["recover"]), "nothing to recover\n");
    sandbox.ok(&["run", "--once"]);
    assert_eq!(sandbox.folders("a"), ["testing"], "the second attempt found the work");
}

#[test]
fn a_time_limit_and_a_stop_keep_the_work() {
    let sandbox = Sandbox::with_repository();
    sandbox.add("late", "timeout: 1s", "echo done > w; sleep 100");
    assert_eq!(sandbox.code(&["run", "--once"]).0, 1);
    assert_eq!(sandbox.meta_value("late", "result"), "timeout");
    assert_eq!(sandbox.on_branch("late", "w"), "done");

    let at_work = sandbox.path("at-work");
    sandbox.add("unwanted", "", &format!("echo done > w; {}; sleep 100", touch(&at_work)));
    let mut running = sandbox.start_loop(&["--once"]);
    wait_for("the agent's work", || at_work.exists());
    sandbox.ok(&["stop", "unwanted"]);
    assert_eq!(sandbox.on_branch("unwanted", "w"), "done");
    assert_eq!(wait_child(&mut running), 1);
}

#[test]
fn in_place_borrows_the_checkout_and_gives_it_back() {
    let sandbox = Sandbox::with_repository();
    let body = "git symbolic-ref --short HEAD > on; pwd > where; exit 1";
    sandbox.add("a", "isolation: in-place", body);
    assert_eq!(sandbox.code(&["run", "--once"]).0, 1);
    assert_eq!(sandbox.on_branch("a", "on"), "aq/wip/a");
    assert_eq!(sandbox.on_branch("a", "where"), sandbox.work().to_str().unwrap());
    assert_eq!(sandbox.head(), "main");
    assert_eq!(sandbox.git(&["status", "--porcelain"]), "");

    fs::write(sandbox.work().join("mine.txt"), "mine\n").unwrap();
    let before = sandbox.checkout();
    sandbox.add("b", "isolation: in-place", "echo x > b.txt");
    assert_eq!(sandbox.code(&["run", "--once"]).0, 1);
    assert_eq!(sandbox.meta_value("b", "result"), "setup_failed");
    let message = sandbox.meta_value("b", "message");
    assert!(message.contains("mine.txt") && message.contains("commit or stash"), "{message}");
    assert_eq!(sandbox.checkout(), before);
}

#[test]
fn in_place_jobs_take_turns_whatever_their_lock() {
    let sandbox = Sandbox::with_repository();
    let (begun, go) = (sandbox.path("begun"), sandbox.path("go"));
    let body = |name: &str| {
        let wait = format!("while [ ! -e {} ]; do sleep 0.01; done", go.display());
        format!("echo {name} >> {}; {wait}; echo x > {name}.txt", begun.display())
    };
    for name in ["a", "b"] {
        let front = format!("isolation: in-place\nlock: {name}");
        sandbox.add(name, &front, &body(name));
    }
    let mut running = sandbox.start_loop(&["--max", "3"]);
    wait_for("the first", || begun.exists());
    let first = fs::read_to_string(&begun).unwrap();
    let (first, second) = if first == "a\n" { ("a", "b") } else { ("b", "a") };
    // Dropped by hand, so the loop does not know of the repository.
    let front = format!("isolation: in-place\ncwd: {}", sandbox.work().display());
    let text = job_text(&front, &body("c"));
    fs::write(sandbox.queue("inbox/c.md"), text).unwrap();
    wait_for("the one dropped by hand", || !sandbox.meta_value("c", "message").is_empty());
    let why = sandbox.ok(&["why", second]);
    assert!(why.contains(&format!("{first} has the repository's own checkout")), "{why}");
    assert_eq!(fs::read_to_string(&begun).unwrap().lines().count(), 1);
    // What is added meanwhile is for the branch that will be back.
    sandbox.add("d", "", "true");
    assert_eq!(sandbox.meta_value("d", "added_on"), "refs/heads/main");
    fs::write(&go, "").unwrap();
    for name in ["a", "b"] {
        sandbox.wait_for_stage(name, "testing");
        let changed = format!("aq/wip/{name}");
        assert_eq!(sandbox.git(&["diff", "--name-only", "main", &changed]), format!("{name}.txt"));
        assert_eq!(sandbox.meta_value(name, "attempts"), "1");
    }
    kill_child(&mut running);
    assert_eq!(sandbox.folders("c"), ["inbox"], "it is tried again, and lost no attempt");
    assert_eq!(sandbox.meta_value("c", "attempts"), "");
    assert_eq!(sandbox.log("c").matches("not started: the in-place job").count(), 1);
}

#[test]
fn dead_verify_gives_checkout_back() {
    let sandbox = Sandbox::with_repository();
    let at_work = sandbox.path("at-work");
    let verify = format!("isolation: in-place\nverify: {}; sleep 100", touch(&at_work));
    sandbox.add("a", &verify, "echo done > w");
    let mut running = sandbox.start_loop(&[]);
    wait_for("verify", || at_work.exists());
    let worker = sandbox.worker("a");
    kill_child(&mut running);
    kill_hard(worker);
    assert_eq!(sandbox.head(), "aq/wip/a");
    sandbox.ok(&["recover"]);
    assert_eq!(sandbox.head(), "main");
    assert_eq!(sandbox.on_branch("a", "w"), "done");
}

/// A filter of the user's that waits for a network, and a file that needs it.
fn with_a_filter_that_hangs() -> Sandbox {
    let sandbox = Sandbox::with_repository();
    fs::write(sandbox.work().join(".gitattributes"), "*.far filter=far\n").unwrap();
    sandbox.commit("a.far", "far away\n");
    sandbox.git(&["config", "filter.far.smudge", "sleep 600"]);
    fs::write(sandbox.queue("config.yaml"), "kill-grace: 1s\n").unwrap();
    sandbox
}

#[test]
fn timeout_ends_an_endless_git() {
    let sandbox = with_a_filter_that_hangs();
    sandbox.add("a", "timeout: 1s", "true");
    assert_eq!(sandbox.code(&["run", "--once"]).0, 1);
    assert_eq!(sandbox.meta_value("a", "result"), "timeout");
    let message = sandbox.meta_value("a", "message");
    assert!(message.contains("did not end within 1 s"), "{message}");
    sandbox.git(&["config", "filter.far.smudge", "cat"]);
    sandbox.ok(&["requeue", "a"]);
    sandbox.ok(&["run", "--once"]);
    assert_eq!(sandbox.folders("a"), ["testing"]);
}

#[test]
fn stop_ends_an_endless_git() {
    let sandbox = with_a_filter_that_hangs();
    sandbox.add("a", "", "true");
    let mut running = sandbox.start_loop(&["--once"]);
    wait_for("the step", || sandbox.ok(&["status"]).contains("git read-tree takes long"));
    let why = sandbox.ok(&["why", "a"]);
    assert!(why.contains("; git read-tree takes long"), "{why}");
    sandbox.ok(&["stop", "a"]);
    assert_eq!(sandbox.folders("a"), ["failed"]);
    assert_eq!(sandbox.meta_value("a", "result"), "stopped");
    assert!(!sandbox.ok(&["status"]).contains("takes long"));
    assert_eq!(wait_child(&mut running), 1);
    wait_for("the filter's end", || sandbox.job_processes().is_empty());
}

#[test]
fn what_was_changed_is_judged() {
    let sandbox = Sandbox::with_repository();
    let scope = "allowed-scope: [docs/**]";
    let body = "mkdir docs; echo x > docs/a; echo x > outside";
    sandbox.add("warned", scope, body);
    sandbox.add("held", &format!("{scope}\nscope-policy: enforce"), body);
    sandbox.add("idle", "expect-changes: true", "true");
    sandbox.add("busy", "expect-changes: true", "echo x > busy");
    assert_eq!(sandbox.code(&["run", "--once"]).0, 1);
    assert_eq!(sandbox.folders("warned"), ["testing"]);
    assert_eq!(sandbox.meta_value("warned", "scope_warning"), "outside");
    assert!(sandbox.log("warned").contains("changed outside allowed-scope: outside"));
    assert_eq!(sandbox.folders("held"), ["failed"]);
    assert_eq!(sandbox.meta_value("held", "result"), "scope_violation");
    assert_eq!(sandbox.on_branch("held", "outside"), "x", "refused work is kept, too");
    assert_eq!(sandbox.meta_value("idle", "result"), "no_changes");
    assert_eq!(sandbox.folders("busy"), ["testing"]);

    sandbox.ok(&["requeue", "held"]);
    for key in ["scope_warning", "files_changed", "lines_added"] {
        assert_eq!(sandbox.meta_value("held", key), "", "{key} is of the last run");
    }
    assert_eq!(sandbox.meta_value("held", "wip_branch"), "aq/wip/held");
}

#[test]
fn artifacts_are_kept_when_a_job_ends_well() {
    let sandbox = Sandbox::with_repository();
    let body = "mkdir -p out/deep; echo x > out/deep/report.txt; echo x > out/other.log";
    sandbox.add("good", "artifacts: [\"out/**/*.txt\"]", body);
    sandbox.add("bad", "artifacts: [\"out/**\"]", &format!("{body}; exit 1"));
    assert_eq!(sandbox.code(&["run", "--once"]).0, 1);
    assert!(sandbox.queue("artifacts/good/out/deep/report.txt").exists());
    assert!(!sandbox.queue("artifacts/good/out/other.log").exists());
    assert!(!sandbox.queue("artifacts/bad").exists());
}

#[test]
fn one_repository_runs_jobs_in_parallel() {
    let sandbox = Sandbox::with_repository();
    let (one, two) = (sandbox.path("one"), sandbox.path("two"));
    // Each waits for the other one.
    let meet = |own: &Path, other: &Path| {
        let other = other.display();
        format!("{}; while ! test -e '{other}'; do sleep 0.01; done; echo x > met", touch(own))
    };
    sandbox.add("one", "lock: one\ntimeout: 1m", &meet(&one, &two));
    sandbox.add("two", "lock: two\ntimeout: 1m", &meet(&two, &one));
    sandbox.ok(&["run", "--once", "--max", "2"]);
    for job in ["one", "two"] {
        assert_eq!(sandbox.on_branch(job, "met"), "x");
    }
}

#[test]
fn clean_removes_checkouts_and_merged_branches() {
    let sandbox = Sandbox::with_repository();
    for job in ["merged", "open", "nested"] {
        sandbox.add(job, "", &format!("echo x > {job}.txt"));
    }
    sandbox.add(
        "inner",
        "",
        "git init -q lib; cd lib; git -c user.name=a -c \
        user.email=a@example.com commit -q --allow-empty -m x",
    );
    sandbox.ok(&["run", "--once"]);
    sandbox.ok(&["ship", "--merge", "merged"]);
    sandbox.ok(&["ship", "--leave-out", "open", "inner"]);
    let (code, said) = sandbox.code(&["clean", "--keep", "0"]);
    assert_eq!(code, 0, "{said}");
    assert!(
        said.contains(
            "warning: the checkout of inner stays, with work that is not on its branch: lib: "
        ),
        "{said}"
    );
    let there = |job: &str| sandbox.queue(&format!("work/{job}")).exists();
    let branch = |job: &str| sandbox.try_git(&["rev-parse", &format!("aq/wip/{job}")]).0;
    assert_eq!((there("merged"), branch("merged")), (false, false));
    assert_eq!((there("open"), branch("open")), (false, true));
    assert_eq!((there("nested"), branch("nested")), (true, true), "it is not shipped");
    assert_eq!((there("inner"), branch("inner")), (true, true));
    // What was put away is named, and what is still there is shown.
    let archive = fs::read_dir(sandbox.queue(".archive")).unwrap().next().unwrap().unwrap().path();
    let (code, said) = sandbox.code(&["logs", "open"]);
    let log = archive.join("open.log").display().to_string();
    assert!(code == 4 && said.contains(&log), "{code} {said}");
    assert!(sandbox.ok(&["diff", "open"]).contains("+++ b/open.txt"));
    let (code, said) = sandbox.code(&["diff", "merged"]);
    assert!(code == 4 && said.contains("it was cleaned away"), "{code} {said}");
    fs::remove_dir_all(archive).unwrap();
    let (code, said) = sandbox.code(&["diff", "open"]);
    let base = sandbox.git(&["rev-parse", "main~1"]);
    let mend = format!("`git diff {base} aq/wip/open` in its repository");
    assert!(code == 4 && said.contains(&mend) && said.contains("deleted"), "{code} {said}");
}

#[test]
fn a_job_outside_git_has_no_branch() {
    let sandbox = Sandbox::new();
    sandbox.add("a", "setup: echo x >> ran-setup", "echo x > here");
    sandbox.ok(&["run", "--once"]);
    assert!(sandbox.work().join("here").exists() && sandbox.work().join("ran-setup").exists());
    assert_eq!(sandbox.meta_value("a", "wip_branch"), "");
    for args in [&["diff", "a"][..], &["ship", "--merge", "a"]] {
        let (code, said) = sandbox.code(args);
        assert_eq!(code, 4, "{said}");
        assert!(said.contains("job a has no branch"), "{said}");
    }
    assert_eq!(sandbox.folders("a"), ["testing"]);
}

#[test]
fn new_job_gets_no_old_branch() {
    let sandbox = Sandbox::with_repository();
    sandbox.add("a", "", "echo old > old");
    sandbox.ok(&["run", "--once"]);
    fs::remove_file(sandbox.queue("testing/a.md")).unwrap();
    let file = sandbox.write("a", "", "test ! -e old");
    assert_eq!(sandbox.ok(&["add", file.to_str().unwrap()]), "added a-2\n");
    sandbox.ok(&["run", "--once"]);
    assert_eq!(sandbox.on_branch("a", "old"), "old");
}
