//! Names that lead out of the queue, and things in it that are no files.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

use super::surroundings::{bounded, is_well};
use crate::sandbox::{Sandbox, wait_child};

/// Every file outside the queue and the place of TMPDIRs.
fn outside(sandbox: &Sandbox) -> BTreeSet<PathBuf> {
    fn walk(dir: &Path, queue: &Path, found: &mut BTreeSet<PathBuf>) {
        for entry in fs::read_dir(dir).unwrap().flatten() {
            let path = entry.path();
            if entry.file_type().unwrap().is_dir() && path != queue {
                walk(&path, queue, found);
            }
            found.insert(path);
        }
    }
    let mut found = BTreeSet::new();
    walk(&sandbox.path(""), &sandbox.queue(""), &mut found);
    found.retain(|path| !path.starts_with(sandbox.path("h")));
    found
}

#[test]
fn path_like_keys_stay_names() {
    let sandbox = Sandbox::new();
    let evil = "../../../evil";
    sandbox.add("first", &format!("idempotency-key: {evil}\nlock: {evil}"), "true");
    sandbox.add("then", &format!("deps: [{evil}]\nlock: /etc/passwd"), "true");
    // Programs that are asked for their version may write to the home directory.
    sandbox.ok(&["caps"]);
    let before = outside(&sandbox);
    assert_eq!(bounded(&sandbox, &["run", "--once", "--ship", "--quiet"]).0, 0);
    assert_eq!(sandbox.jobs("shipped"), ["first", "then"]);
    assert_eq!(outside(&sandbox), before);
    assert_eq!(sandbox.scratch(), ["spare-0"]);
    is_well(&sandbox);
}

#[test]
fn a_profile_and_artifacts_do_not_lead_out() {
    let sandbox = Sandbox::new();
    for (front, words) in [
        ("profile: ../config", "is not a profile's name"),
        ("artifacts: [\"../../**\"]", "leaves the repository"),
        ("artifacts: [\"/etc/*\"]", "/etc/*"),
        ("allowed-scope: [\"../**\"]", "leaves the repository"),
    ] {
        let file = sandbox.write("x", front, "true");
        let (code, said) = bounded(&sandbox, &["add", file.to_str().unwrap()]);
        assert_eq!(code, 2, "{front}: {said}");
        assert!(said.contains(words), "{front}: {said}");
    }
    // The agent makes the links itself.
    fs::write(sandbox.path("secret"), "secret").unwrap();
    let body =
        "ln -s ../secret out; ln -s .. up; mkfifo pipe; ln -s /dev/zero zero; echo good >good";
    sandbox.add("links", "artifacts: [\"**\"]", body);
    assert_eq!(bounded(&sandbox, &["run", "--once", "--quiet"]).0, 0);
    let kept: Vec<String> = fs::read_dir(sandbox.queue("artifacts/links"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(kept, ["good"]);
    is_well(&sandbox);
}

#[test]
fn special_files_are_refused_unopened() {
    let sandbox = Sandbox::new();
    let inbox = |name: &str| sandbox.queue(&format!("inbox/{name}.md"));
    fs::write(sandbox.path("secret"), "---\nengine: shell\n---\necho leaked\n").unwrap();
    let links = [
        ("outside", sandbox.path("secret").to_str().unwrap().to_owned()),
        ("zero", "/dev/zero".to_owned()),
        ("terminal", "/dev/tty".to_owned()),
        ("round", "round.md".to_owned()),
        ("folder", "..".to_owned()),
        ("record", "../.state/daemon.pid".to_owned()),
    ];
    for (name, target) in &links {
        symlink(target, inbox(name)).unwrap();
    }
    mkfifo(&inbox("pipe"), Mode::S_IRWXU).unwrap();
    // With somebody who never writes.
    let _writer = fs::OpenOptions::new().read(true).write(true).open(inbox("pipe")).unwrap();
    let _socket = UnixListener::bind(inbox("socket")).unwrap();
    let (code, said) = bounded(&sandbox, &["status"]);
    assert_eq!(code, 0, "{said}");
    let (code, said) = bounded(&sandbox, &["run", "--once"]);
    assert_eq!(code, 1, "{said}");
    let names = links.iter().map(|(name, _)| *name).chain(["pipe", "socket"]);
    for name in names {
        assert_eq!(sandbox.folders(name), ["failed"], "{name}: {said}");
        let log = sandbox.log(name);
        assert!(log.contains("it is no regular file"), "{name}: {log}");
        // A person who asks for it again gets the same answer.
        sandbox.ok(&["requeue", name]);
    }
    assert_eq!(bounded(&sandbox, &["run", "--once", "--quiet"]).0, 1);
    assert_eq!(sandbox.jobs("failed").len(), links.len() + 2);
    for verb in ["add", "check"] {
        let (code, said) =
            bounded(&sandbox, &[verb, sandbox.queue("failed/pipe.md").to_str().unwrap()]);
        assert_eq!(code, 2, "{verb}: {said}");
    }
    assert_eq!(fs::read_to_string(sandbox.path("secret")).unwrap().lines().count(), 4);
    // The checker wants files.
    for name in sandbox.jobs("failed") {
        fs::remove_file(sandbox.queue(&format!("failed/{name}.md"))).unwrap();
    }
    is_well(&sandbox);
}

#[test]
fn special_state_files_are_not_awaited() {
    let sandbox = Sandbox::new();
    let victim = sandbox.path("victim");
    fs::write(&victim, "mine\n").unwrap();
    sandbox.add("piped", "", "true");
    sandbox.add("linked", "", "true");
    sandbox.add("pulled", "", "true");
    mkfifo(&sandbox.queue("logs/piped.log"), Mode::S_IRWXU).unwrap();
    symlink(&victim, sandbox.queue("logs/linked.log")).unwrap();
    let meta = sandbox.queue(".state/meta/pulled.meta");
    let record = fs::read(&meta).unwrap();
    fs::remove_file(&meta).unwrap();
    mkfifo(&meta, Mode::S_IRWXU).unwrap();
    for name in ["daemon.pid", "engines.json", "host-tools.json"] {
        let path = sandbox.queue(&format!(".state/{name}"));
        let _ = fs::remove_file(&path);
        mkfifo(&path, Mode::S_IRWXU).unwrap();
        let (code, said) = bounded(&sandbox, &["status"]);
        assert_eq!(code, 0, "{name}: {said}");
        fs::remove_file(&path).unwrap();
    }
    for (name, verb) in [("config.yaml", "status"), ("profiles/p.yaml", "profiles")] {
        mkfifo(&sandbox.queue(name), Mode::S_IRWXU).unwrap();
        let (code, said) = bounded(&sandbox, &[verb]);
        assert_eq!(code, 2, "{name}: {said}");
        assert!(said.contains("it is no regular file"), "{name}: {said}");
        fs::remove_file(sandbox.queue(name)).unwrap();
    }
    let mut run = sandbox.start_loop(&[]);
    sandbox.add("other", "", "true");
    sandbox.wait_for_stage("other", "testing");
    for id in ["piped", "linked"] {
        crate::sandbox::wait_for("the worker's word", || {
            let message = sandbox.meta_value(id, "message");
            message == "cannot open its log: it is no regular file"
        });
        sandbox.wait_for_stage(id, "inbox");
        let (code, said) = bounded(&sandbox, &["why", id]);
        assert_eq!(code, 0, "{id}: {said}");
        assert!(said.contains("backoff until"), "{id}: {said}");
        let (code, said) = bounded(&sandbox, &["logs", id]);
        assert!(code == 0 || code == 5, "{id}: {said}");
        assert!(!said.contains("mine"), "{said}");
    }
    sandbox.ok(&["stop"]);
    assert_eq!(wait_child(&mut run), 0);
    assert_eq!(fs::read_to_string(&victim).unwrap(), "mine\n");
    // With files in their places again, all run.
    for id in ["piped", "linked"] {
        fs::remove_file(sandbox.queue(&format!("logs/{id}.log"))).unwrap();
    }
    fs::remove_file(&meta).unwrap();
    fs::write(&meta, record).unwrap();
    for id in ["piped", "linked"] {
        let meta = sandbox.queue(&format!(".state/meta/{id}.meta"));
        let text = fs::read_to_string(&meta).unwrap() + "next_eligible=\n";
        fs::write(meta, text).unwrap();
    }
    is_well(&sandbox);
    assert_eq!(sandbox.jobs("testing"), ["afterwards", "linked", "other", "piped", "pulled"]);
}
