//! Findings of `aq doctor`, each with the mend.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use crate::sandbox::{Sandbox, wait_child};

/// A finding: its line, and the mend below it.
fn says(sandbox: &Sandbox, words: &str) -> Option<(String, String)> {
    let (_, said) = sandbox.code(&["doctor"]);
    let mut lines = said.lines();
    let line = lines.find(|line| line.contains(words))?;
    Some((line.to_owned(), lines.next().unwrap_or_default().to_owned()))
}

fn finds(sandbox: &Sandbox, words: &str, mend: &str) {
    let found = says(sandbox, words);
    let is_found = found.as_ref().is_some_and(|(_, said)| said.contains(mend));
    assert!(is_found, "{words}, {mend}: {found:?}\n{}", sandbox.code(&["doctor"]).1);
}

fn program(path: &Path, script: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// Puts a directory before the `PATH` of all commands.
fn with_programs(sandbox: &mut Sandbox) -> std::path::PathBuf {
    let dir = sandbox.path("bin");
    let path = format!("{}:{}", dir.display(), std::env::var("PATH").unwrap());
    sandbox.set("PATH", path);
    dir
}

#[test]
fn jobs_without_a_time_limit() {
    let sandbox = Sandbox::new();
    sandbox.add("a", "timeout: 1h", "true");
    assert_eq!(says(&sandbox, "no time limit"), None);
    fs::write(sandbox.queue("profiles/p.yaml"), "timeout: 2h\n").unwrap();
    sandbox.add("b", "profile: p", "true");
    assert_eq!(says(&sandbox, "no time limit"), None);
    sandbox.add("endless", "", "true");
    finds(&sandbox, "keeps its slot: endless", "`timeout: 2h`");
}

#[test]
fn agents_that_were_never_signed_in() {
    let mut sandbox = Sandbox::new();
    for variable in ["OPENAI_API_KEY", "CODEX_API_KEY", "OPENAI_BASE_URL", "CODEX_HOME"] {
        sandbox.set(variable, "");
    }
    assert_eq!(says(&sandbox, "signed in to engine codex"), None, "it is not installed");
    sandbox.vendor("codex", &["true".to_owned()]);
    finds(&sandbox, "signed in to engine codex here: there is no", "CODEX_API_KEY");
    let login = sandbox.path("home/.codex/auth.json");
    fs::create_dir_all(login.parent().unwrap()).unwrap();
    fs::write(&login, "{}").unwrap();
    assert_eq!(says(&sandbox, "signed in to engine codex"), None);
    fs::remove_file(login).unwrap();
    sandbox.set("CODEX_API_KEY", "x");
    assert_eq!(says(&sandbox, "signed in to engine codex"), None);
}

#[test]
fn services_with_another_path() {
    let mut sandbox = Sandbox::new();
    let bin = with_programs(&mut sandbox);
    program(&bin.join("codex"), "echo codex-cli 1.2.3");
    program(&bin.join("loginctl"), "echo Linger=no");
    let unit = |path: &str| {
        let file = sandbox.path("home/.config/systemd/user/aq.service");
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        let queue = sandbox.queue("");
        let text = format!("[Service]\n{path}ExecStart=/bin/aq --queue {} run\n", queue.display());
        fs::write(file, text).unwrap();
    };
    assert_eq!(says(&sandbox, "another PATH"), None);
    assert_eq!(says(&sandbox, "lingering"), None, "there is no service");
    unit("");
    let missing = format!("without codex ({}", bin.display());
    finds(&sandbox, &missing, "`aq service`");
    finds(&sandbox, "lingering is off", "`loginctl enable-linger`");
    unit(&format!("Environment=PATH={}:/usr/bin:/bin:/usr/local/bin\n", bin.display()));
    assert_eq!(says(&sandbox, "without codex"), None);
    program(&bin.join("loginctl"), "echo Linger=yes");
    assert_eq!(says(&sandbox, "lingering"), None);
}

#[test]
fn repositories_of_another_user() {
    let mut sandbox = Sandbox::with_repository();
    sandbox.add("a", "", "true");
    assert_eq!(says(&sandbox, "git refuses"), None);
    // As git's own tests do it.
    sandbox.set("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1");
    finds(&sandbox, "git refuses", "git config --global --add safe.directory");
}

#[test]
fn loops_of_a_replaced_release() {
    let sandbox = Sandbox::new();
    let aq = sandbox.path("aq");
    let own = Path::new(env!("CARGO_BIN_EXE_aq"));
    fs::hard_link(own, &aq).or_else(|_| fs::copy(own, &aq).map(drop)).unwrap();
    let mut command = std::process::Command::new(&aq);
    let running = sandbox.clean(&mut command);
    let mut running =
        running.env("AQ_QUEUE", sandbox.queue("")).args(["run", "-q"]).spawn().unwrap();
    crate::sandbox::wait_for("the loop", || says(&sandbox, "a run loop is at work").is_some());
    fs::remove_file(&aq).unwrap();
    finds(&sandbox, "the run loop is an older aq", "`aq stop`");
    sandbox.ok(&["stop"]);
    wait_child(&mut running);
}

#[test]
fn queues_that_others_can_write() {
    let sandbox = Sandbox::new();
    // What is in a private directory is nobody else's.
    for (dir, mode) in [(sandbox.path(""), 0o755), (sandbox.queue(""), 0o755)] {
        fs::set_permissions(dir, fs::Permissions::from_mode(mode)).unwrap();
    }
    fs::set_permissions(sandbox.queue("inbox"), fs::Permissions::from_mode(0o777)).unwrap();
    let (code, said) = sandbox.code(&["doctor"]);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("chmod go-w") && said.contains("/queue/inbox"), "{said}");
}
