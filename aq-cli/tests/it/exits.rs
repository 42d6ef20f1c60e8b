//! Exit codes: what scripts go by.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::sandbox::{Sandbox, skipped, wait_child};

#[test]
fn each_end_has_its_code() {
    let sandbox = Sandbox::new();
    let file =
        |name: &str, front: &str| sandbox.write(name, front, "true").to_str().unwrap().to_owned();
    let good = file("good", "idempotency-key: k");
    let clash = file("clash", "idempotency-key: k\npriority: high");
    let bad = file("bad", "yolo: maybe");
    let there = file("there", "idempotency-key: a\ndeps: [b]");
    let back = file("back", "idempotency-key: b\ndeps: [a]");
    let fails = sandbox.write("fails", "", "exit 1").to_str().unwrap().to_owned();
    let table: &[(i32, &[&str])] = &[
        // Done.
        (0, &["--help"]),
        (0, &["--version"]),
        (0, &["init"]),
        (0, &["add", &good]),
        (0, &["add", &good]),
        (0, &["check", &good]),
        (0, &["status"]),
        (0, &["why", "good"]),
        (0, &["run", "--once"]),
        (0, &["run", "--once"]),
        (0, &["stop"]),
        (0, &["recover"]),
        (0, &["schema"]),
        (0, &["completions", "zsh"]),
        (0, &["man"]),
        (0, &["service"]),
        // Done, and some job failed.
        (0, &["add", &fails]),
        (1, &["run", "--once"]),
        // Wrong usage, bad input.
        (2, &[]),
        (2, &["frobnicate"]),
        (2, &["status", "--frob"]),
        (2, &["run", "--max", "0"]),
        (2, &["add"]),
        (2, &["add", "nowhere.md"]),
        (2, &["add", &bad]),
        (2, &["add", &good, "--name", ".."]),
        (2, &["check", &good, &bad]),
        (2, &["why", ".."]),
        (2, &["completions", "tcsh"]),
        (2, &["status", "--watch"]),
        // No such thing.
        (3, &["why", "nobody"]),
        (3, &["logs", "nobody"]),
        (3, &["ship", "nobody"]),
        (3, &["requeue", "nobody"]),
        (3, &["stop", "nobody"]),
        (3, &["status", "--queue", "/nowhere"]),
        // Refused.
        (4, &["add", &clash]),
        (4, &["add", &there, &back]),
        (4, &["promote", "fails"]),
        (4, &["ship", "fails"]),
        (4, &["reject", "fails"]),
        (4, &["requeue", "good"]),
        (4, &["stop", "good"]),
    ];
    for (want, args) in table {
        let (code, said) = sandbox.code(args);
        assert_eq!(code, *want, "aq {}: {said}", args.join(" "));
    }
}

#[test]
fn bad_input_changes_nothing() {
    let sandbox = Sandbox::new();
    let good = sandbox.write("good", "", "true");
    let bad = sandbox.write("bad", "yolo: maybe", "true");
    let (code, _) = sandbox.code(&["add", good.to_str().unwrap(), bad.to_str().unwrap()]);
    assert_eq!(code, 2);
    assert_eq!(sandbox.jobs("inbox"), [""; 0]);
    let left = |dir: &str| fs::read_dir(sandbox.queue(dir)).unwrap().count();
    assert_eq!((left(".state/meta"), left(".state/tmp")), (0, 0));
}

#[test]
fn second_loop_and_failed_verify_exit() {
    let sandbox = Sandbox::new();
    sandbox.add("human", "review-policy: human\nverify: exit 1", "true");
    let mut first = sandbox.start_loop(&[]);
    sandbox.wait_for_stage("human", "review");
    assert_eq!(sandbox.code(&["run"]).0, 4);
    sandbox.ok(&["stop"]);
    assert_eq!(wait_child(&mut first), 0);
    assert_eq!(sandbox.code(&["promote", "human"]).0, 1);
    assert_eq!(sandbox.folders("human"), ["failed"]);
}

#[test]
fn environment_errors_have_their_code() {
    let sandbox = Sandbox::new();
    // A file where a folder must be made: refused even for root, whom modes do not stop.
    let file = sandbox.path("file");
    fs::write(&file, "").unwrap();
    let below = file.join("q");
    let (code, said) = sandbox.code(&["init", below.to_str().unwrap()]);
    assert_eq!(code, 5, "{said}");
    fs::remove_dir(sandbox.queue("inbox")).unwrap();
    fs::write(sandbox.queue("inbox"), "").unwrap();
    let (code, said) = sandbox.code(&["status"]);
    assert_eq!(code, 3, "{said}");
    assert!(said.contains("has no folder inbox/; `aq init "), "{said}");
}

#[test]
fn loop_without_queue_ends_badly() {
    let sandbox = Sandbox::new();
    sandbox.add("a", "", "rm -r $AQ_QUEUE/inbox");
    let (code, said) = sandbox.code(&["run", "--once"]);
    assert_eq!(code, 3, "{said}");
    assert!(said.contains("has no folder inbox/; `aq init "), "{said}");
    sandbox.ok(&["init"]);
    assert_eq!(sandbox.code(&["run", "--once"]).0, 0);
    assert_eq!(sandbox.folders("a"), ["testing"]);
}

#[test]
fn the_doctor_asks_each_folder() {
    let sandbox = Sandbox::new();
    let whole = sandbox.code(&["doctor"]).1;
    assert!(whole.contains("the queue can be written"), "{whole}");
    fs::remove_dir(sandbox.queue("logs")).unwrap();
    let (code, said) = sandbox.code(&["doctor"]);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("/queue/logs cannot be written: "), "{said}");
    if nix::unistd::geteuid().is_root() {
        skipped("root may write in any folder, whatever its mode");
        return;
    }
    sandbox.ok(&["init"]);
    let building = sandbox.queue("building");
    fs::set_permissions(&building, fs::Permissions::from_mode(0o500)).unwrap();
    let (code, said) = sandbox.code(&["doctor"]);
    fs::set_permissions(&building, fs::Permissions::from_mode(0o700)).unwrap();
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("/queue/building cannot be written: "), "{said}");
}

#[test]
fn answer_without_room_is_error() {
    let sandbox = Sandbox::with_repository();
    sandbox.add("a", "", "echo more >file");
    sandbox.ok(&["run", "--once"]);
    let good = sandbox.write("good", "", "true");
    for args in [
        &["status"][..],
        &["status", "--json"],
        &["why", "a", "--json"],
        &["caps"],
        &["insights"],
        &["schema"],
        &["check", good.to_str().unwrap()],
        &["man"],
        &["completions", "bash"],
        &["--help"],
        &["status", "--help"],
        &["diff", "a"],
        &["logs", "a"],
    ] {
        let full = fs::File::options().write(true).open("/dev/full").unwrap();
        let output = sandbox.aq(args).stdout(full).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(5), "aq {}: {said}", args.join(" "));
        assert!(said.contains("No space left on device"), "aq {}: {said}", args.join(" "));
    }
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let sandbox = Sandbox::new();
    for n in 0..50 {
        fs::write(sandbox.queue(&format!("inbox/job-{n}.md")), "hi\n").unwrap();
    }
    let aq = env!("CARGO_BIN_EXE_aq");
    for command in ["status --all", "status --json", "schema", "man"] {
        let script = format!("set -o pipefail; {aq} --queue {} {command} | head -1", "\"$Q\"");
        let mut bash = std::process::Command::new("bash");
        let output = sandbox
            .clean(&mut bash)
            .env("Q", sandbox.queue(""))
            .args(["-c", &script])
            .output()
            .unwrap();
        assert!(output.status.success(), "{command}: {output:?}");
        assert!(output.stderr.is_empty(), "{command}: {output:?}");
    }
}
