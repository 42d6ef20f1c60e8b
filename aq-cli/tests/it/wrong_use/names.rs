//! Names that are no text: the right directory, or a refusal that names it.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::process::Command;

use super::{DONE, MISSING, USAGE, wrong};
use crate::sandbox::Sandbox;
use crate::told::told;

const GOOD: &str = "---\nengine: shell\n---\ntrue\n";

/// Every verb that needs a queue, with what else it needs.
const VERBS: &[&str] = &[
    "init",
    "path",
    "trust",
    "add good.md",
    "check good.md",
    "run --once",
    "status",
    "status --json",
    "why good",
    "why good --json",
    "logs good",
    "diff good",
    "stop",
    "promote good",
    "ship good",
    "reject good",
    "requeue good",
    "recover",
    "clean",
    "insights",
    "insights --json",
    "caps",
    "engines",
    "profiles",
    "from-tracker X",
    "to-tracker good",
    "fleet-status",
    "fleet-shadow-report",
    "service",
    "service --launchd",
];

fn odd(sandbox: &Sandbox, name: &str) -> PathBuf {
    sandbox.work().join(OsStr::from_bytes(&[name.as_bytes(), b"\xff"].concat()))
}

/// `aq` in a directory, without a queue that is named.
fn aq(sandbox: &Sandbox, dir: &PathBuf, args: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_aq"));
    sandbox.clean(&mut command).current_dir(dir).args(args.split_whitespace());
    command
}

#[test]
fn a_queue_whose_name_is_no_text() {
    let sandbox = Sandbox::new();
    fs::write(sandbox.work().join("good.md"), GOOD).unwrap();
    let queue = odd(&sandbox, "q");
    let says = ["q\\xFF\" is not UTF-8", "give the directory another name"];
    let run = |args: &str, code: i32, says: &[&str]| {
        let mut command = aq(&sandbox, &sandbox.work(), "");
        command.arg("--queue").arg(&queue).args(args.split_whitespace());
        wrong(args, &mut command, code, says);
    };
    run("init", USAGE, &says);
    assert!(!queue.exists());
    run("status", MISSING, &["there is no queue at"]);
    // One that is there all the same, such as of an earlier version.
    fs::rename(sandbox.queue(""), &queue).unwrap();
    for verb in VERBS {
        run(verb, USAGE, &says);
    }
    run("doctor", 1, &says);
    fs::rename(&queue, sandbox.queue("")).unwrap();
}

#[test]
fn a_directory_whose_name_is_no_text() {
    let sandbox = Sandbox::new();
    let dir = odd(&sandbox, "d");
    fs::create_dir(&dir).unwrap();
    fs::write(dir.join("good.md"), GOOD).unwrap();
    let says = ["d\\xFF", "is not UTF-8"];
    wrong("init", &mut aq(&sandbox, &dir, "init"), USAGE, &says);
    let with_queue = |args: &str| {
        let mut command = sandbox.aq(&args.split_whitespace().collect::<Vec<_>>());
        command.current_dir(&dir);
        command
    };
    wrong("add", &mut with_queue("add good.md"), USAGE, &says);
    // Through a link with a good name the directory is the same.
    let link = sandbox.work().join("link");
    std::os::unix::fs::symlink(&dir, &link).unwrap();
    let file = sandbox.write("linked", &format!("cwd: {}", link.display()), "true");
    wrong("add", &mut sandbox.aq(&[OsStr::new("add"), file.as_os_str()]), USAGE, &says);
    assert_eq!(sandbox.jobs("inbox"), [""; 0]);
    for verb in ["status", "status --json", "check good.md", "insights", "clean", "stop"] {
        wrong(verb, &mut with_queue(verb), DONE, &[]);
    }
    fs::copy(&file, sandbox.queue("inbox/linked.md")).unwrap();
    let (code, said) = sandbox.code(&["run", "--once"]);
    assert!(code == 1 && said.contains("is not UTF-8"), "{said}");
}

#[test]
fn files_and_variables_that_are_no_text() {
    let sandbox = Sandbox::new();
    let file = odd(&sandbox, "f").with_added_extension("md");
    fs::write(&file, GOOD).unwrap();
    let add = |path: &OsStr| sandbox.aq(&[OsStr::new("add"), path]);
    wrong("a file", &mut add(file.as_os_str()), USAGE, &["cannot be a job's id", "--name"]);
    let mut named = add(file.as_os_str());
    wrong("a name", named.args(["--name", "good"]), DONE, &["added good"]);
    fs::copy(&file, sandbox.queue("inbox").join(file.file_name().unwrap())).unwrap();
    wrong("in the inbox", &mut sandbox.aq(&["status", "--json"]), DONE, &["not_jobs"]);
    let bad = OsString::from(odd(&sandbox, "v"));
    for (variable, args, code, says) in [
        ("AQ_HOME", "status", DONE, ""),
        ("AQ_HOME", "service", DONE, "AQ_HOME is left out"),
        ("AGENT_QUEUE_PROFILES", "profiles", DONE, "which is no directory"),
        ("AGENT_QUEUE_PROFILES", "status --json", DONE, "\"queue\""),
        ("CLAUDE_BIN", "engines --json", DONE, "CLAUDE_BIN"),
        ("CLAUDE_BIN", "service", DONE, "CLAUDE_BIN is left out"),
        ("AQ_TRUST", "status", DONE, ""),
        ("AQ_FLEET", "run --once", USAGE, "AQ_FLEET is 0 or 1"),
        ("AQ_CAPS", "caps", DONE, ""),
        ("TZ", "status", DONE, ""),
    ] {
        let mut command = sandbox.aq(&args.split_whitespace().collect::<Vec<_>>());
        wrong(&format!("{variable} {args}"), command.env(variable, &bad), code, &[says]);
    }
    for args in [&["why"][..], &["reject", "a", "--reason"], &["from-tracker"], &["requeue"]] {
        let mut command = sandbox.aq(args);
        wrong(args[0], command.arg(&bad), USAGE, &["invalid UTF-8"]);
    }
    let mut home = aq(&sandbox, &sandbox.work(), "status");
    wrong("HOME", home.env("HOME", &bad), MISSING, &["there is no queue"]);
    let mut words = sandbox.aq(&[OsStr::new("add"), &bad]);
    assert_eq!(told(&mut words).code, USAGE);
}
