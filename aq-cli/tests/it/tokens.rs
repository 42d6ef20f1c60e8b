//! Tokens of aq's own are in the memory of the process that needs them, and nowhere else.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use serde_json::json;

use crate::fake_tracker::FakeTracker;
use crate::sandbox::{Sandbox, wait_child};
use crate::told::told;

/// A text that all of the values below have.
const SECRET: &str = "s3cret";

/// Variables whose values only the loop may know.
const SECRETS: [(&str, &str); 5] = [
    ("AQ_FLEET_TOKEN", "s3cret-of-the-fleet"),
    ("AQ_TRACKER_TOKEN", "s3cret-of-the-tracker"),
    ("AQ_GITHUB_TOKEN", "s3cret-of-github"),
    ("AQ_OTHER_TOKEN_2", "s3cret-of-tomorrow"),
    ("AQ_DATABASE", "postgres://aq:s3cret@db.example/aq"),
];

/// Writes down the environments of whoever runs it and of all processes above, up to the test. Each
/// place that it is run at has a file of its own.
pub(crate) struct EnvironmentSpy {
    script: PathBuf,
    out: PathBuf,
}

impl EnvironmentSpy {
    pub(crate) fn new(sandbox: &Sandbox) -> Self {
        let (script, out) = (sandbox.path("spy"), sandbox.path("spied"));
        fs::create_dir(&out).unwrap();
        let text = format!(
            "#!/bin/sh\n{{\n  env\n  pid=$$\n  while [ $pid -gt 1 ] && [ $pid != {} ]; do\n    \
             echo \"process $(tr '\\0' ' ' </proc/$pid/cmdline)\"\n    \
             tr '\\0' '\\n' </proc/$pid/environ\n    \
             pid=$(sed -n 's/^PPid:[[:space:]]*//p' /proc/$pid/status)\n  done\n}} >>{}/$1\n",
            std::process::id(),
            out.display()
        );
        fs::write(&script, text).unwrap();
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
        Self { script, out }
    }

    /// The command that looks from a place.
    pub(crate) fn at(&self, place: &str) -> String {
        format!("{} {place}", self.script.display())
    }

    /// Checks what was seen from a place: the worker and the loop, and of neither a token.
    pub(crate) fn assert_blind(&self, place: &str, secret: &str) {
        let text = fs::read_to_string(self.out.join(place));
        let text = text.unwrap_or_else(|e| panic!("nobody looked from {place}: {e}"));
        for process in [" worker ", " run "] {
            let is_it = |line: &str| line.starts_with("process ") && line.contains(process);
            assert!(text.lines().any(is_it), "{place}: no{process}in {text}");
        }
        let leaks: Vec<&str> = text.lines().filter(|line| line.contains(secret)).collect();
        assert_eq!(leaks, [""; 0], "{place}");
    }
}

#[test]
fn no_program_of_a_job_finds_a_token() {
    let sandbox = Sandbox::with_repository();
    let spy = EnvironmentSpy::new(&sandbox);
    sandbox.commit(".gitattributes", "*.txt filter=spy\n");
    sandbox.git(&["config", "filter.spy.clean", &format!("{}; cat", spy.at("filter"))]);
    let front = format!("setup: {}\nverify: {}", spy.at("setup"), spy.at("verify"));
    sandbox.add("a", &front, &format!("{}; echo x >b.txt", spy.at("agent")));
    let told = told(sandbox.aq(&["run", "--once"]).envs(SECRETS));
    assert_eq!(told.code, 0, "{}", told.err);
    assert_eq!(sandbox.folders("a"), ["testing"], "{}", sandbox.log("a"));
    for place in ["setup", "agent", "verify", "filter"] {
        spy.assert_blind(place, SECRET);
    }
    assert_eq!(sandbox.on_branch("a", "b.txt"), "x");
}

#[test]
fn a_command_of_a_tracker_has_its_own_token() {
    let sandbox = Sandbox::new();
    let seen = sandbox.path("seen");
    let item = r#"{"title": "T", "description": "D"}"#;
    let command = format!("env >{}; echo '{item}'; echo 200 #", seen.display());
    let mut pull = sandbox.aq(&["from-tracker", "AQ-7"]);
    pull.env("AQ_TRACKER_API_CMD", command).env("TRACKER_TOKEN", "its own").envs(SECRETS);
    let told = told(&mut pull);
    assert_eq!(told.code, 0, "{}", told.err);
    let seen = fs::read_to_string(seen).unwrap();
    assert!(seen.contains("TRACKER_TOKEN=its own\n") && !seen.contains(SECRET), "{seen}");
}

/// A file with this mode that holds a token.
fn token_file(sandbox: &Sandbox, mode: u32) -> PathBuf {
    let path = sandbox.path("token");
    fs::write(&path, "s3cret-of-a-file\n").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    path
}

#[test]
fn github_gets_the_token_for_aq_alone() {
    let sandbox = Sandbox::new();
    let issue = json!({ "number": 7, "title": "Seven", "state": "open", "labels": [] });
    let github = FakeTracker::new(move |_| Some((200, issue.to_string())));
    let sent = |variables: &[(&str, &str)]| {
        let mut pull = sandbox.aq(&["from-tracker", "github:o/r#7"]);
        pull.env("AQ_GITHUB_API", github.url()).envs(variables.iter().copied());
        let told = told(&mut pull);
        assert_eq!(told.code, 0, "{}", told.err);
        let asked = github.asked().pop().unwrap().raw;
        let token = asked.lines().find_map(|line| line.split_once("Bearer ")).unwrap().1;
        token.trim_end().to_owned()
    };
    let file = token_file(&sandbox, 0o600);
    let of_agents = ("GITHUB_TOKEN", "of-agents");
    let of_aq = ("AQ_GITHUB_TOKEN", "of-aq");
    let of_file = ("AQ_GITHUB_TOKEN_FILE", file.to_str().unwrap());
    assert_eq!(sent(&[of_agents]), "of-agents");
    assert_eq!(sent(&[of_agents, of_aq]), "of-aq");
    assert_eq!(sent(&[of_agents, of_aq, of_file]), "s3cret-of-a-file");
}

#[test]
fn a_token_file_that_others_can_write_is_refused() {
    let sandbox = Sandbox::new();
    let file = token_file(&sandbox, 0o622);
    let variables = [
        ("AQ_TRACKER_URL", "http://127.0.0.1:1".as_ref()),
        ("AQ_FLEET_URL", "http://127.0.0.1:1".as_ref()),
        ("AQ_TRACKER_TOKEN_FILE", file.as_os_str()),
        ("AQ_FLEET_TOKEN_FILE", file.as_os_str()),
    ];
    let job = sandbox.write("a", "", "true");
    let submit = ["submit", job.to_str().unwrap()];
    for (args, fleet, auto) in [
        (&["from-tracker", "AQ-7"][..], "0", "0"),
        (&["run", "--once"], "0", "1"),
        (&["run", "--once"], "1", "0"),
        (&submit, "0", "0"),
        (&["coordinator", "--listen", "127.0.0.1:0"], "0", "0"),
    ] {
        let mut aq = sandbox.aq(args);
        aq.envs(variables).env("AQ_FLEET", fleet).env("AQ_TRACKER_AUTO", auto);
        let told = told(&mut aq);
        assert_eq!(told.code, 2, "{args:?}: {}", told.err);
        let mend = "others can write it, and so put another token into it; `chmod 600` mends that";
        assert!(told.err.contains("TOKEN_FILE=/") && told.err.contains(mend), "{}", told.err);
        assert!(!told.err.contains(SECRET), "{}", told.err);
    }
    // Where none is needed none is looked at.
    sandbox.add("b", "", "true");
    let told = told(sandbox.aq(&["run", "--once"]).envs(variables));
    assert_eq!((told.code, told.err.as_str()), (0, ""));
}

#[test]
fn readable_token_file_warns() {
    let sandbox = Sandbox::new();
    let file = token_file(&sandbox, 0o644);
    let tracker = FakeTracker::of_item(json!({ "title": "T" }));
    let mut run = sandbox.aq(&["run", "--once"]);
    run.env("AQ_TRACKER_URL", tracker.url()).env("AQ_TRACKER_AUTO", "1");
    let told_by_run = told(run.env("AQ_TRACKER_TOKEN_FILE", &file));
    let warning = format!("AQ_TRACKER_TOKEN_FILE={}: others can read it", file.display());
    assert!(told_by_run.err.contains(&warning), "{}", told_by_run.err);
    let told = told(sandbox.aq(&["doctor"]).env("AQ_TRACKER_TOKEN_FILE", &file));
    assert!(told.out.contains(&warning), "{}{}", told.out, told.err);
}

#[test]
fn a_running_loop_shows_no_token_to_others() {
    let sandbox = Sandbox::new();
    let mut run = sandbox.aq(&["run", "--quiet"]);
    let mut run = run.envs(SECRETS).spawn().unwrap();
    sandbox.add("a", "", "sleep 1000");
    sandbox.wait_for_stage("a", "building");
    let worker = sandbox.worker("a").as_raw().cast_unsigned();
    for pid in [run.id(), worker] {
        let environ = fs::read(format!("/proc/{pid}/environ")).unwrap();
        let text = String::from_utf8_lossy(&environ);
        assert!(text.contains("HOME=/") && !text.contains(SECRET), "{text:?}");
    }
    sandbox.ok(&["stop", "--all"]);
    assert_eq!(wait_child(&mut run), 0);
}
