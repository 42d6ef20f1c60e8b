//! The part of the caller's environment that programs of a job get, and the part that they must not
//! get.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::sandbox::Sandbox;
use crate::told::told;

/// Ends a job whose program waits for somebody: all that is tried here takes a moment.
const LIMIT: &str = "timeout: 30s\n";

/// A program that waits for somebody.
fn waiting_program(sandbox: &Sandbox) -> PathBuf {
    let path = sandbox.path("wait");
    fs::write(&path, "#!/bin/sh\nexec sleep 1000\n").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

/// The variables that a program has written with `env`.
fn variables(path: &Path) -> BTreeMap<String, String> {
    let text = fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let pairs = text.lines().filter_map(|line| line.split_once('='));
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

#[test]
fn agent_setup_and_verify_get_the_same_variables() {
    let sandbox = Sandbox::new();
    let hidden = [
        "GIT_DIR",
        "GIT_INDEX_FILE",
        "GIT_CONFIG_KEY_0",
        "AQ_TRACKER_URL",
        "AQ_DATABASE",
        "AQ_GITHUB_TOKEN",
        "CLAUDECODE",
        "CLAUDE_CODE_RETRY_WATCHDOG",
        "CLAUDE_CODE_MESSAGING_TOKEN",
        "CODEX_SANDBOX",
        "OPENCODE",
    ];
    let quiet = [
        ("GIT_EDITOR", "true"),
        ("GIT_SEQUENCE_EDITOR", "true"),
        ("EDITOR", "mine"),
        ("VISUAL", "true"),
        ("GIT_PAGER", "cat"),
        ("GIT_TERMINAL_PROMPT", "0"),
        ("SSH_ASKPASS_REQUIRE", "never"),
    ];
    let front = format!("{LIMIT}setup: env >setup\nverify: env >verify\nenv: {{EDITOR: mine}}");
    sandbox.add("a", &front, "env >agent");
    let mut run = sandbox.aq(&["run", "--once"]);
    run.envs(hidden.map(|name| (name, "hidden"))).envs(quiet.map(|(name, _)| (name, "vi")));
    let kept = [("GITHUB_TOKEN", "kept"), ("PGPASSWORD", "kept"), ("GIT_TRACE_SETUP", "0")];
    assert_eq!(told(run.envs(kept)).code, 0);
    for program in ["setup", "agent", "verify"] {
        let found = variables(&sandbox.work().join(program));
        for name in hidden {
            assert_eq!(found.get(name), None, "{program}: {name}");
        }
        for (name, value) in quiet.into_iter().chain(kept) {
            assert_eq!(found.get(name).map(String::as_str), Some(value), "{program}: {name}");
        }
    }
}

#[test]
fn a_commit_without_a_message_ends_at_once() {
    let mut sandbox = Sandbox::with_repository();
    let waits = waiting_program(&sandbox);
    let home = sandbox.path("home/.gitconfig");
    let config = format!("[core]\n\teditor = {0}\n[sequence]\n\teditor = {0}\n", waits.display());
    fs::write(home, config).unwrap();
    for name in ["GIT_EDITOR", "EDITOR", "VISUAL"] {
        sandbox.set(name, &*waits);
    }
    let script = "echo x >b.txt; git add b.txt; git commit 2>said; echo $? >code\n\
                  git commit -qm b; echo y >b.txt; git commit -qam c\n\
                  git commit -q --amend && git rebase -q -i HEAD~1";
    let verify = "verify: echo z >c.txt; git add c.txt; ! git commit";
    sandbox.add("a", &format!("{LIMIT}{verify}"), script);
    sandbox.ok(&["run", "--once"]);
    assert_eq!(sandbox.folders("a"), ["testing"], "{}", sandbox.log("a"));
    assert_eq!(sandbox.on_branch("a", "code"), "1");
    assert!(sandbox.on_branch("a", "said").contains("empty commit message"));
    assert_eq!(sandbox.on_branch("a", "b.txt"), "y");
}

#[test]
fn git_alias_reaches_no_user_branch() {
    let sandbox = Sandbox::with_repository();
    let linked = sandbox.path("linked");
    sandbox.git(&["worktree", "add", "-q", "-b", "mine", linked.to_str().unwrap()]);
    let aq = format!("{} --queue {}", env!("CARGO_BIN_EXE_aq"), sandbox.queue("").display());
    sandbox.git(&["config", "alias.q", &format!("!{aq} run --once")]);
    sandbox.git(&["config", "alias.show-env", "!env"]);
    fs::write(linked.join("staged.txt"), "the user's\n").unwrap();
    let git = |args: &[&str]| {
        let mut git = Command::new("git");
        let told = told(sandbox.clean(&mut git).args(args).current_dir(&linked));
        assert_eq!(told.code, 0, "git {args:?}: {}{}", told.out, told.err);
        told.out
    };
    git(&["add", "staged.txt"]);
    assert!(git(&["show-env"]).contains("GIT_DIR="), "this git exports none");
    let front = format!("{LIMIT}cwd: {}\n", linked.display());
    let commit = |file: &str| format!("echo x >{file}; git add -A; git commit -qm {file}");
    let front = format!("{front}setup: {}\nverify: {}", commit("setup.txt"), commit("verify.txt"));
    sandbox.add("a", &front, &commit("agent.txt"));
    let index = PathBuf::from(git(&["rev-parse", "--git-path", "index"]).trim_end());
    let seen = || {
        let refs = git(&["for-each-ref", "--format=%(refname) %(objectname)", "refs/heads/m*"]);
        (refs, git(&["symbolic-ref", "HEAD"]), fs::read(&index).unwrap())
    };
    let before = seen();
    git(&["q"]);
    assert_eq!(seen(), before);
    assert_eq!(sandbox.folders("a"), ["testing"], "{}", sandbox.log("a"));
    for file in ["setup.txt", "agent.txt", "verify.txt"] {
        assert_eq!(sandbox.on_branch("a", file), "x", "{file}");
        assert!(!linked.join(file).exists(), "{file}");
    }
}

#[test]
fn an_outer_repository_in_the_variables_is_not_written() {
    let mut sandbox = Sandbox::with_repository();
    let dir = sandbox.work().join(".git");
    sandbox.add("a", LIMIT, "echo x >agent.txt; git add -A; git commit -qm agent");
    let before = (sandbox.git(&["rev-parse", "main"]), sandbox.checkout());
    sandbox.set("GIT_DIR", &*dir);
    sandbox.set("GIT_WORK_TREE", sandbox.work());
    sandbox.set("GIT_INDEX_FILE", dir.join("index"));
    sandbox.ok(&["run", "--once"]);
    assert_eq!((sandbox.git(&["rev-parse", "main"]), sandbox.checkout()), before);
    assert_eq!(sandbox.folders("a"), ["testing"], "{}", sandbox.log("a"));
    assert_eq!(sandbox.on_branch("a", "agent.txt"), "x");
}
