//! Room: disks that are full before an agent starts, and the low-water mark of a queue.

use std::fs;
use std::time::{Duration, SystemTime};

use tempfile::TempDir;

use super::lines_with;
use crate::hostile::Tmpfs;
use crate::sandbox::{Sandbox, kill_child, wait_for};

fn config(sandbox: &Sandbox, text: &str) {
    fs::write(sandbox.queue("config.yaml"), text).unwrap();
}

#[test]
fn git_jobs_wait_on_a_full_disk() {
    let disk = TempDir::with_prefix("aq-test-").unwrap();
    let Some(_disk) = Tmpfs::mount(disk.path(), "2m") else { return };
    let sandbox = Sandbox::new();
    sandbox.make_repository();
    sandbox.commit("large", &"0123456789\n".repeat(20_000));
    config(&sandbox, &format!("worktrees: {}\n", disk.path().join("w").display()));
    for name in ["a", "b"] {
        sandbox.add(name, "retry: {max: 3, backoff: 0s}", "echo ran >>$HOME/trace");
    }
    let outside = sandbox.path("home").display().to_string();
    sandbox.add("other", &format!("priority: low\ncwd: {outside}"), "true");
    let filler = disk.path().join("filler");
    assert!(fs::write(&filler, vec![0; 4 << 20]).is_err());
    let (mut running, words) = sandbox.spoken_loop(&std::env::var("PATH").unwrap());
    sandbox.wait_for_stage("other", "testing");
    for name in ["a", "b"] {
        wait_for("its second try", || sandbox.meta_value(name, "host_tries") == "2");
        assert_eq!(sandbox.meta_value(name, "attempts"), "");
        let why = sandbox.ok(&["why", name]);
        assert!(why.contains("no room: "), "{why}");
    }
    assert_eq!(lines_with(&words, "no room"), 1, "{}", fs::read_to_string(&words).unwrap());
    assert!(!sandbox.path("home/trace").exists(), "no agent has started");
    fs::remove_file(&filler).unwrap();
    for name in ["a", "b"] {
        sandbox.wait_for_stage(name, "testing");
        assert_eq!(sandbox.meta_value(name, "attempts"), "1", "{}", sandbox.log(name));
    }
    kill_child(&mut running);
}

#[test]
fn nothing_starts_below_the_mark() {
    let sandbox = Sandbox::new();
    config(&sandbox, "room: {free: 9000t}\n");
    sandbox.add("a", "", "true");
    let path = std::env::var("PATH").unwrap();
    let (code, said) = sandbox.drained(&path);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("a waits: no room: ") && said.contains(" GB free of 9000000"), "{said}");
    let why = sandbox.ok(&["why", "a"]);
    assert!(why.contains("no room: "), "{why}");
    sandbox.is_uncounted("a");
    let (mut running, words) = sandbox.spoken_loop(&path);
    wait_for("its words", || lines_with(&words, "nothing starts until there is") == 1);
    config(&sandbox, "room: {free: 1k}\n");
    sandbox.wait_for_stage("a", "testing");
    assert_eq!(lines_with(&words, "no room"), 1);
    kill_child(&mut running);
}

#[test]
fn shipped_jobs_are_put_away_in_time() {
    let sandbox = Sandbox::new();
    sandbox.make_repository();
    for name in ["old", "new"] {
        sandbox.add(name, "", "echo text >file");
    }
    sandbox.add("failed", "", "false");
    sandbox.code(&["run", "--once", "--quiet"]);
    sandbox.ok(&["ship", "old", "new"]);
    let age = |name: &str| {
        let meta = sandbox.queue(&format!(".state/meta/{name}.meta"));
        let then = SystemTime::now() - Duration::from_secs(3 * 24 * 3600);
        fs::File::options().append(true).open(meta).unwrap().set_modified(then).unwrap();
    };
    age("old");
    age("failed");
    config(&sandbox, "room: {keep: 2d}\n");
    let mut running = sandbox.start_loop(&[]);
    wait_for("the archive", || !sandbox.queue(".state/meta/old.meta").exists());
    wait_for("the checkout", || !sandbox.own("old", "").exists());
    assert!(sandbox.log("new").contains("attempt 1"));
    assert!(sandbox.own("new", "file").exists());
    assert!(!sandbox.log("failed").is_empty(), "only shipped ones");
    assert_eq!(sandbox.folders("old"), ["shipped"]);
    assert_eq!(sandbox.on_branch("old", "file"), "text");
    kill_child(&mut running);
}

#[test]
fn a_clean_on_a_full_disk_finishes_later() {
    let dir = TempDir::with_prefix("aq-test-").unwrap();
    let Some(_disk) = Tmpfs::mount(dir.path(), "16m") else { return };
    let sandbox = Sandbox::at(dir);
    sandbox.make_repository();
    for name in ["a", "b"] {
        sandbox.add(name, "", "echo text >file");
    }
    sandbox.ok(&["run", "--once", "--quiet"]);
    sandbox.ok(&["ship", "a", "b"]);
    // Work of a person's, which is to be committed first.
    fs::write(sandbox.own("a", "later"), "later\n").unwrap();
    let filler = sandbox.path("filler");
    assert!(fs::write(&filler, vec![0; 32 << 20]).is_err());
    let (_, said) = sandbox.code(&["clean", "--keep", "0"]);
    assert!(said.contains("No space left on device"), "{said}");
    assert!(sandbox.own("a", "later").exists());
    fs::remove_file(&filler).unwrap();
    sandbox.ok(&["clean", "--keep", "0"]);
    for name in ["a", "b"] {
        assert!(!sandbox.own(name, "").exists(), "{name}");
        assert!(!sandbox.queue(&format!(".state/checkouts/{name}")).exists(), "{name}");
        assert!(!sandbox.queue(&format!(".state/meta/{name}.meta")).exists(), "{name}");
    }
    assert_eq!(sandbox.on_branch("a", "later"), "later");
}
