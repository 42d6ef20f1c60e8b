//! Programs of the system that are not there: git, and the shell.

use std::process::Command;

use crate::sandbox::{Sandbox, skipped};

#[test]
fn jobs_wait_for_missing_git() {
    let sandbox = Sandbox::new();
    sandbox.add("outside", "", "echo ran");
    sandbox.make_repository();
    sandbox.add("inside", "retry: {max: 2}", "echo text >file");
    let (code, said) = sandbox.drained("/nowhere");
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("git is not here"), "{said}");
    sandbox.is_uncounted("inside");
    assert_eq!(sandbox.meta_value("inside", "host_lacks"), "program");
    let why = sandbox.ok(&["why", "inside"]);
    assert!(why.contains("git is not here"), "{why}");
    let path = std::env::var("PATH").unwrap();
    // A new loop tries at once, whatever pause an old one has begun.
    let (code, said) = sandbox.drained(&path);
    assert_eq!(code, 0, "{said}");
    assert_eq!(sandbox.folders("inside"), ["testing"]);
    assert_eq!(sandbox.meta_value("inside", "attempts"), "1");
    assert_eq!(sandbox.meta_value("inside", "host_lacks"), "");
    assert_eq!(sandbox.meta_value("inside", "host_tries"), "");
}

#[test]
fn jobs_wait_for_missing_shell() {
    let mut sandbox = Sandbox::new();
    sandbox
        .vendor("claude", &[format!("{}{}", crate::vendor::begins("s"), crate::vendor::done(""))]);
    sandbox.add("script", "", "true");
    sandbox.add_for("checked", "engine: claude\nsetup: 'true'", "Do it.");
    // The stand-in is a script itself: of another shell.
    let stand_in = sandbox.path("claude/program");
    let text = std::fs::read_to_string(&stand_in).unwrap();
    std::fs::write(&stand_in, text.replace("#!/bin/sh", "#!/usr/bin/env bash")).unwrap();
    let script = "mount --bind /dev/null /bin/sh && exec \"$@\"";
    let mut hidden = Command::new("unshare");
    let run = sandbox.aq(&["run", "--once"]);
    sandbox.clean(&mut hidden).args(["--mount", "bash", "-c", script, "bash"]);
    hidden.arg(run.get_program()).args(run.get_args());
    let output = hidden.output().unwrap();
    let said = format!("{output:?}");
    if said.contains("Operation not permitted") || said.contains("permission denied") {
        return skipped("hiding the shell takes root");
    }
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("/bin/sh is not here"), "{said}");
    for name in ["script", "checked"] {
        sandbox.is_uncounted(name);
    }
    sandbox.ok(&["run", "--once", "--quiet"]);
    for name in ["script", "checked"] {
        assert_eq!(sandbox.folders(name), ["testing"], "{}", sandbox.log(name));
        assert_eq!(sandbox.meta_value(name, "attempts"), "1");
    }
}
