//! Environment variables, directories, and queues that are none.

use std::fs;
use std::process::Command;

use super::{DONE, FAILED, MISSING, REFUSED, USAGE, wrong};
use crate::sandbox::Sandbox;

type PlotRow =
    (&'static [(&'static str, &'static str)], &'static str, i32, &'static [&'static str]);

const ROWS: &[PlotRow] = &[
    (&[("AQ_FLEET", "maybe")], "run --once", USAGE, &["AQ_FLEET is 0 or 1, not \"maybe\""]),
    (&[("AQ_FLEET", "1")], "run --once", USAGE, &["AQ_FLEET_URL is not set"]),
    (
        &[("AQ_FLEET", "1"), ("AQ_FLEET_URL", "x"), ("AQ_FLEET_TOKEN", "0123456789abcdef")],
        "run --once",
        USAGE,
        &["AQ_FLEET_URL is no address", "https://coordinator.example:7332"],
    ),
    (
        &[("AQ_FLEET_URL", "http://127.0.0.1:1"), ("AQ_FLEET_TOKEN_FILE", "/nowhere")],
        "submit good.md",
        USAGE,
        &["AQ_FLEET_TOKEN_FILE=/nowhere"],
    ),
    (
        &[("AQ_TRACKER_URL", "x")],
        "from-tracker X",
        USAGE,
        &["AQ_TRACKER_URL is no URL", "https://"],
    ),
    (
        &[("AQ_TRACKER_URL", "http://127.0.0.1:1")],
        "from-tracker X",
        FAILED,
        &["the tracker", "cannot connect", "try again later"],
    ),
    (
        &[("AQ_TRACKER_URL", "http://127.0.0.1:1"), ("AQ_TRACKER_TOKEN_FILE", "/nowhere")],
        "from-tracker X",
        USAGE,
        &["AQ_TRACKER_TOKEN_FILE=/nowhere"],
    ),
    (
        &[("GITHUB_TOKEN", "t"), ("AQ_GITHUB_API", "x")],
        "from-tracker github:o/r#1",
        USAGE,
        &["AQ_GITHUB_API is no URL"],
    ),
    (
        &[("AQ_TRACKER_AUTO", "yes")],
        "run --once",
        DONE,
        &["AQ_TRACKER_AUTO is 1 or 0, not \"yes\""],
    ),
    (
        &[("AGENT_QUEUE_STALL_MIN", "soon")],
        "run --once",
        DONE,
        &["AGENT_QUEUE_STALL_MIN is a number of minutes", "10 is taken"],
    ),
    (&[("AQ_CAPS", ">>")], "caps", DONE, &["AQ_CAPS", ">>"]),
    (&[("CLAUDE_BIN", "/nowhere")], "engines", DONE, &["CLAUDE_BIN names /nowhere", "mend"]),
];

#[test]
fn environment_variables() {
    let sandbox = Sandbox::new();
    fs::write(sandbox.work().join("good.md"), "Do it.\n").unwrap();
    for (variables, args, code, says) in ROWS {
        let words: Vec<&str> = args.split_whitespace().collect();
        let mut command = sandbox.aq(&words);
        command.envs(variables.iter().copied());
        wrong(&format!("{variables:?} aq {args}"), &mut command, *code, says);
    }
}

#[test]
fn places_without_a_queue() {
    let sandbox = Sandbox::new();
    fs::write(sandbox.work().join("good.md"), "Do it.\n").unwrap();
    let project = sandbox.path("project");
    let other = sandbox.path("other");
    for dir in [&project, &other] {
        fs::create_dir(dir).unwrap();
        fs::write(dir.join("file"), "").unwrap();
    }
    sandbox.ok(&["init", project.join(".aq").to_str().unwrap()]);
    let aq = |variables: &[(&str, &str)], args: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_aq"));
        let command = sandbox.clean(&mut command);
        command.envs(variables.iter().copied()).args(args.split_whitespace());
        std::mem::replace(command, Command::new("false"))
    };
    let [project, other] = [&project, &other].map(|dir| dir.to_str().unwrap());
    let below = format!("but one below it: --queue {project}/.aq");
    let no_queue = format!("{other} is no queue");
    let rows: &[PlotRow] = &[
        (&[], "status", MISSING, &["no .aq/ here or above", "`aq init` makes one here"]),
        (&[], "run", MISSING, &["no .aq/ here or above"]),
        (&[("HOME", "")], "status", USAGE, &["HOME is not an absolute path", "--queue DIR"]),
        (&[("HOME", "rel")], "path", USAGE, &["HOME is not an absolute path"]),
        (&[("AQ_HOME", "rel")], "init", USAGE, &["AQ_HOME is \"rel\"; expected an absolute path"]),
        (&[("AQ_QUEUE", "/nowhere")], "run", MISSING, &["there is no queue at /nowhere"]),
        (&[("AQ_QUEUE", "/etc/passwd")], "status", MISSING, &["/etc/passwd is no directory"]),
        (&[], "--queue /dev/null status", MISSING, &["/dev/null is no directory"]),
        (&[], "--queue", USAGE, &["a value is required for '--queue <DIR>'"]),
    ];
    for (variables, args, code, says) in rows {
        wrong(&format!("{variables:?} aq {args}"), &mut aq(variables, args), *code, says);
    }
    for args in ["status", "run --once", "add good.md", "stop"] {
        let named = format!("--queue {project} {args}");
        wrong(&named, &mut aq(&[], &named), MISSING, &[&below]);
        let named = format!("--queue {other} {args}");
        wrong(&named, &mut aq(&[], &named), MISSING, &[&no_queue, "`aq init` makes one"]);
    }
    // Nothing was made in the middle of a project.
    for dir in [project, other] {
        assert!(!fs::exists(format!("{dir}/inbox")).unwrap(), "{dir}");
    }
    let mut strangers = aq(&[("XDG_STATE_HOME", other)], &format!("--queue {project}/.aq run"));
    wrong("not trusted", &mut strangers, REFUSED, &["not trusted", "aq trust "]);
}
