//! Files and directories that are given to `add` and `check`.

use std::fs;
use std::process::{Command, Stdio};

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

use super::{DONE, USAGE, wrong};
use crate::sandbox::Sandbox;

const GOOD: &str = "---\nengine: shell\n---\ntrue\n";

#[test]
fn files_that_are_no_job_files() {
    let sandbox = Sandbox::new();
    let work = sandbox.work();
    let large = "x".repeat(1 << 20);
    let files: &[(&str, &[u8], &[&str])] = &[
        ("empty.md", b"", &["empty.md: the prompt is empty"]),
        ("blank.md", b"---\nengine: shell\n---\n\n", &["blank.md: the prompt is empty"]),
        ("binary.md", b"\xff\xfeh\0", &["binary.md", "not UTF-8"]),
        ("nul.md", b"a\0b", &["nul.md:1:2", "a job file is UTF-8 text"]),
        ("large.md", large.as_bytes(), &["large.md", "expected less than 1048576"]),
        ("open.md", b"---\nengine: shell\nDo it.\n", &["open.md:1:1", "is not closed"]),
        ("bare.md", b"engine: shell\n---\nDo it.\n", &["bare.md:1:1", "a line of `---` above"]),
        (".hidden.md", b"x\n", &["starts with a letter or a digit", "use --name"]),
        ("a b.md", b"x\n", &["has only letters", "rename the file or use --name"]),
    ];
    for (name, text, says) in files {
        fs::write(work.join(name), text).unwrap();
        wrong(name, &mut sandbox.aq(&["add", name]), USAGE, says);
    }
    mkfifo(&work.join("pipe.md"), Mode::S_IRWXU).unwrap();
    fs::create_dir(work.join("dir.md")).unwrap();
    std::os::unix::fs::symlink("nowhere", work.join("link.md")).unwrap();
    fs::write(work.join("good.md"), GOOD).unwrap();
    for (args, says) in [
        ("add pipe.md", &["pipe.md is no regular file", "aq add - <pipe.md"][..]),
        ("check pipe.md", &["pipe.md is no regular file"]),
        ("add /dev/zero", &["/dev/zero is no regular file"]),
        ("add dir.md", &["dir.md has no *.md file"]),
        ("add link.md", &["link.md"]),
        ("add good", &["there is no file good; good.md is there"]),
        ("add nofile", &["aq add - --name NAME"]),
        ("add good.md --name x/y", &["--name \"x/y\"", "not '/'"]),
        ("add good.md good.md --name x", &["--name goes with one job"]),
        ("add -", &["<stdin>: the prompt is empty"]),
    ] {
        let words: Vec<&str> = args.split_whitespace().collect();
        wrong(args, &mut sandbox.aq(&words), USAGE, says);
    }
    assert_eq!(sandbox.jobs("inbox"), [""; 0]);
}

#[test]
fn pages_of_a_project_are_no_jobs() {
    let sandbox = Sandbox::new();
    let dir = sandbox.work().join("jobs");
    fs::create_dir_all(dir.join("more.md")).unwrap();
    for name in ["README.md", "CLAUDE.md", "AGENTS.md", "CONTRIBUTING.md", "readme.de.md"] {
        fs::write(dir.join(name), "# Read me\n").unwrap();
    }
    let says = ["CLAUDE.md (no front matter)", "more.md (a directory)", "jobs has no job file"];
    wrong("no job", &mut sandbox.aq(&["add", "jobs"]), USAGE, &says);
    fs::write(dir.join("SECURITY.md"), GOOD).unwrap();
    fs::write(dir.join("fix.md"), "Do it.\n").unwrap();
    let says = ["left out of jobs: ", "README.md (no front matter)"];
    wrong("check", &mut sandbox.aq(&["check", "jobs"]), DONE, &says);
    wrong("add", &mut sandbox.aq(&["add", "jobs"]), DONE, &says);
    assert_eq!(sandbox.jobs("inbox"), ["SECURITY", "fix"]);
    // Who names a file means it.
    sandbox.ok(&["add", "jobs/README.md"]);
    assert_eq!(sandbox.jobs("inbox"), ["README", "SECURITY", "fix"]);
}

#[test]
fn a_file_is_known_again() {
    let sandbox = Sandbox::new();
    fs::write(sandbox.work().join("q1.md"), GOOD).unwrap();
    assert_eq!(sandbox.ok(&["add", "q1.md"]), "added q1\n");
    sandbox.ok(&["run", "--once"]);
    sandbox.ok(&["ship", "q1"]);
    let said = sandbox.ok(&["add", "q1.md"]);
    assert!(said.starts_with("q1.md is the file of q1 (shipped)"), "{said}");
    let answer = sandbox.json(&["add", "q1.md", "--json"]);
    assert_eq!(answer["added"][0]["result"], "unchanged");
    assert_eq!(answer["added"][0]["stage"], "shipped");
    assert_eq!(sandbox.ok(&["add", "q1.md", "--again"]), "added q1-2\n");
    assert_eq!(sandbox.ok(&["add", "q1.md", "--name", "other.md"]), "added other\n");
}

#[test]
fn pipes_of_shell_are_read() {
    let sandbox = Sandbox::new();
    let aq = env!("CARGO_BIN_EXE_aq");
    let script = format!(
        "{aq} --queue \"$Q\" add <(printf -- '---\\nengine: shell\\n---\\ntrue\\n') && {aq} \
         --queue \"$Q\" add <(printf -- '---\\nengine: shell\\n---\\ntrue\\n') --name named.md && \
         {aq} --queue \"$Q\" check <(printf -- '---\\nlock: no\\n---\\ntrue\\n')"
    );
    let mut bash = Command::new("bash");
    sandbox.clean(&mut bash).env("Q", sandbox.queue("")).args(["-c", &script]);
    bash.stdin(Stdio::null());
    wrong("pipes", &mut bash, USAGE, &["added job", "added named", "<pipe>:2:7"]);
}

#[test]
fn a_script_of_windows_runs() {
    let sandbox = Sandbox::new();
    let text = "---\r\nengine: shell\r\nverify: |\r\n  true\r\n  true\r\n---\r\nset -e\r\n\
        if true\r\n\
        then echo went >out\r\nfi\r\n";
    fs::write(sandbox.work().join("crlf.md"), text).unwrap();
    sandbox.ok(&["add", "crlf.md"]);
    let (code, said) = sandbox.code(&["run", "--once"]);
    assert_eq!(code, DONE, "{said}: {:?}", sandbox.code(&["logs", "crlf"]));
    assert_eq!(fs::read_to_string(sandbox.work().join("out")).unwrap(), "went\n");
}
