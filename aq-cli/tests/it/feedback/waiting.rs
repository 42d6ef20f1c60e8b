//! Jobs that wait: held back, and changed.

use std::fs;

use crate::sandbox::{Sandbox, wait_child, wait_for};

fn reason(sandbox: &Sandbox, job: &str) -> String {
    sandbox.ok(&["why", job])
}

#[test]
fn held_job_waits_for_release() {
    let sandbox = Sandbox::new();
    for job in ["a", "b"] {
        sandbox.add(job, "", "echo $AQ_JOB_ID >>ran");
    }
    assert_eq!(sandbox.ok(&["hold", "a"]), "a is held\n");
    assert_eq!(sandbox.ok(&["hold", "a"]), "a is held already\n");
    assert!(reason(&sandbox, "a").contains("held by a person"));
    let mut running = sandbox.start_loop(&[]);
    sandbox.wait_for_stage("b", "testing");
    assert_eq!(sandbox.folders("a"), ["inbox"]);
    // The loop gets a signal.
    assert_eq!(sandbox.ok(&["release", "a"]), "a waits for its turn\n");
    sandbox.wait_for_stage("a", "testing");
    sandbox.ok(&["stop"]);
    wait_child(&mut running);
    assert_eq!(fs::read_to_string(sandbox.work().join("ran")).unwrap(), "b\na\n");
    assert_eq!(sandbox.code(&["hold", "a"]).0, 4, "it has ended");
}

#[test]
fn all_that_wait_are_held() {
    let sandbox = Sandbox::new();
    for job in ["a", "b"] {
        sandbox.add(job, "", "true");
    }
    assert_eq!(sandbox.ok(&["hold", "all"]), "a is held\nb is held\n");
    sandbox.ok(&["run", "--once"]);
    assert_eq!(sandbox.jobs("inbox"), ["a", "b"]);
    assert_eq!(sandbox.ok(&["release", "all"]), "a waits for its turn\nb waits for its turn\n");
    assert_eq!(sandbox.ok(&["release", "all"]), "nothing to do\n");
    sandbox.ok(&["run", "--once"]);
    assert_eq!(sandbox.jobs("testing"), ["a", "b"]);
}

#[test]
fn key_is_set_as_added() {
    let sandbox = Sandbox::new();
    sandbox.add("a", "priority: low", "true");
    let file = || fs::read_to_string(sandbox.queue("inbox/a.md")).unwrap();
    assert_eq!(sandbox.ok(&["set", "a", "priority=high"]), "a is changed\n");
    assert!(file().contains("\npriority: high\n"), "{}", file());
    assert_eq!(sandbox.json(&["why", "a", "--json"])["priority"], "high");
    let before = file();
    for (value, code, words) in [
        ("priority=soon", 2, "a.md:4:11"),
        ("prio=low", 2, "there is no key \"prio\""),
        ("priority", 2, "expected KEY=VALUE"),
        ("profile=nobody", 2, "there is no profile"),
    ] {
        let (found, said) = sandbox.code(&["set", "a", value]);
        assert_eq!(found, code, "{value}: {said}");
        assert!(said.contains(words), "{value}: {said}");
    }
    assert_eq!(file(), before);
    sandbox.ok(&["set", "a", "verify=echo checked"]);
    sandbox.ok(&["run", "--once"]);
    assert!(sandbox.log("a").contains("checked"));
    assert_eq!(sandbox.code(&["set", "a", "priority=low"]).0, 4);
}

#[test]
fn an_edit_loses_nothing() {
    let mut sandbox = Sandbox::new();
    sandbox.add("a", "", "true");
    let editor = |sandbox: &mut Sandbox, script: &str| sandbox.set("EDITOR", script);
    editor(&mut sandbox, "sed -i s/true/false/");
    assert_eq!(sandbox.ok(&["edit", "a"]), "a is changed\n");
    let file = fs::read_to_string(sandbox.queue("inbox/a.md")).unwrap();
    assert!(file.ends_with("---\nfalse\n"), "{file}");

    editor(&mut sandbox, "sed -i 's/lock:.*/yolo: maybe/'");
    let (code, said) = sandbox.code(&["edit", "a"]);
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("a.md:3:7") && said.contains("your text is in "), "{said}");
    assert_eq!(fs::read_to_string(sandbox.queue("inbox/a.md")).unwrap(), file);

    editor(&mut sandbox, "sed -i s/maybe/true/");
    let (code, said) = sandbox.code(&["edit", "a"]);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("goes on with your last text"), "{said}");
    let file = fs::read_to_string(sandbox.queue("inbox/a.md")).unwrap();
    assert!(file.contains("yolo: true"), "{file}");
    editor(&mut sandbox, "false");
    assert_eq!(sandbox.code(&["edit", "a"]).0, 5);
    editor(&mut sandbox, "true");
    assert_eq!(sandbox.code(&["edit", "a"]).0, 0);
    wait_for("the end", || fs::read_to_string(sandbox.queue("inbox/a.md")).unwrap() == file);
}
