//! Projects that are moved and copied, with their jobs.

use std::fs;
use std::process::Command;

use super::lab::PlacesLab;
use crate::upgrade::golden::lay_out;

fn rename(lab: &PlacesLab, from: &str, to: &str) {
    fs::rename(lab.path(from), lab.path(to)).unwrap();
}

fn copy(lab: &PlacesLab, from: &str, to: &str) {
    let done = Command::new("cp").arg("-a").args([lab.path(from), lab.path(to)]).status();
    assert!(done.unwrap().success());
}

fn meta(queue: &str, job: &str, key: &str) -> String {
    let text = fs::read_to_string(format!("{queue}/.state/meta/{job}.meta")).unwrap();
    let line = text.lines().rev().find_map(|line| line.strip_prefix(&format!("{key}=")));
    line.unwrap_or_default().to_owned()
}

/// A repository with a job in testing/ and one that waits.
fn project(lab: &PlacesLab) {
    lab.repository("p");
    lab.add("p/src", "done", "", "echo done >done.txt");
    lab.ok("p", &["run", "--once", "--quiet"]);
    lab.add("p/src", "next", "", "pwd >next.txt");
}

#[test]
fn a_renamed_project_goes_on() {
    let lab = PlacesLab::new();
    lab.repository("p");
    lab.add("p/src", "done", "", "echo done >done.txt");
    lab.ok("p", &["run", "--once", "--quiet"]);
    let job = lab.path("next.md");
    fs::write(&job, "---\nengine: shell\n---\necho next >next.txt\n").unwrap();
    lab.ok("p/src", &["add", job.to_str().unwrap()]);
    let queue = lab.queue("p");
    assert_eq!(meta(&queue, "next", "lock"), lab.text("p/src"));
    rename(&lab, "p", "q");

    // Who only looks reads of it, and nothing is written.
    let before = fs::read_to_string(format!("{queue}/.state/repository")).unwrap();
    let said = lab.aq("q", &["status"]);
    assert_eq!((said.code, lab.queue("q")), (0, queue.clone()));
    let moved = format!("{} was moved to {}", lab.text("p"), lab.text("q"));
    assert!(said.err.contains(&moved), "{said:?}");
    assert_eq!(fs::read_to_string(format!("{queue}/.state/repository")).unwrap(), before);

    let said = lab.aq("q", &["run", "--once", "--quiet"]);
    assert_eq!(said.code, 0, "{said:?}");
    let jobs = "2 of the queue's jobs now work there";
    assert_eq!(said.err, format!("{moved}: {jobs}"));
    for key in ["cwd", "lock", "added_from"] {
        assert_eq!(meta(&queue, "next", key), lab.text("q/src"), "{key}");
    }
    assert_eq!(lab.ok("q", &["ship", "--merge", "done", "next"]).lines().count(), 2);
    let files = lab.git("q", &["ls-tree", "-r", "--name-only", "main"]);
    assert!(files.contains("src/done.txt") && files.contains("src/next.txt"), "{files}");
    assert_eq!(lab.aq("q", &["status"]).err, "");
    let marker = fs::read_to_string(format!("{queue}/.state/repository")).unwrap();
    assert!(marker.contains(&format!("\nmoved_from={}\n", lab.text("p"))), "{marker}");
    // And back again.
    lab.add("q", "more", "", "true");
    rename(&lab, "q", "p");
    lab.ok("p", &["run", "--once", "--quiet"]);
    assert_eq!(meta(&queue, "more", "cwd"), lab.text("p"));
}

#[test]
fn a_move_that_was_cut_short_is_completed() {
    let lab = PlacesLab::new();
    project(&lab);
    let queue = lab.queue("p");
    // The new place is below the old one: mapped twice, it would be none.
    rename(&lab, "p", "x");
    fs::create_dir(lab.path("p")).unwrap();
    rename(&lab, "x", "p/p");
    let obstacle = format!("{queue}/.state/tmp/.repository");
    fs::create_dir(&obstacle).unwrap();
    let said = lab.aq("p/p", &["recover"]);
    assert_eq!(said.code, 5, "{said:?}");
    assert_eq!(meta(&queue, "next", "cwd"), lab.text("p/p/src"));
    fs::remove_dir(&obstacle).unwrap();
    let said = lab.aq("p/p", &["run", "--once", "--quiet"]);
    assert!(said.err.ends_with("2 of the queue's jobs now work there"), "{said:?}");
    assert_eq!(meta(&queue, "next", "cwd"), lab.text("p/p/src"));
    lab.ok("p/p", &["ship", "--merge", "done", "next"]);
}

#[test]
fn submodules_move_with_their_superproject() {
    let lab = PlacesLab::new();
    lab.repository("lib");
    lab.repository("p");
    lab.git("p", &["submodule", "add", "-q", &lab.text("lib"), "sub"]);
    lab.add("p/sub", "done", "", "echo done >done.txt");
    lab.ok("p/sub", &["run", "--once", "--quiet"]);
    lab.add("p/sub", "a", "isolation: in-place", "echo x >x.txt");
    let queue = lab.queue("p/sub");
    rename(&lab, "p", "q");
    let said = lab.aq("q/sub", &["run", "--once", "--quiet"]);
    assert_eq!(said.code, 0, "{said:?}");
    assert_eq!((lab.queue("q/sub"), meta(&queue, "a", "cwd")), (queue, lab.text("q/sub")));
    assert!(lab.git("q/sub", &["ls-tree", "--name-only", "aq/wip/a"]).contains("x.txt"));
    lab.ok("q/sub", &["ship", "--merge", "done"]);
    assert!(lab.git("q/sub", &["ls-tree", "--name-only", "main"]).contains("done.txt"));
    assert_eq!(lab.git("q/sub", &["worktree", "list"]).matches("prunable").count(), 0);
}

#[test]
fn a_job_that_was_held_finds_the_moved_project() {
    let lab = PlacesLab::new();
    project(&lab);
    let queue = lab.queue("p");
    // The lock of a worker.
    let held = fs::File::open(format!("{queue}/.state/meta/done.meta")).unwrap();
    held.lock().unwrap();
    rename(&lab, "p", "q");
    let said = lab.aq("q", &["recover"]);
    assert!(said.err.ends_with("1 of the queue's jobs now work there"), "{said:?}");
    drop(held);
    assert_eq!(meta(&queue, "done", "cwd"), lab.text("p/src"));
    let diff = lab.ok("q", &["diff", "done"]);
    assert!(diff.contains("+done"), "{diff}");
    lab.ok("q", &["ship", "--merge", "done"]);
    assert!(lab.git("q", &["ls-tree", "-r", "--name-only", "main"]).contains("src/done.txt"));
}

#[test]
fn copy_leaves_the_original_alone() {
    let lab = PlacesLab::new();
    project(&lab);
    let (queue, head) = (lab.queue("p"), lab.git("p", &["rev-parse", "main"]));
    copy(&lab, "p", "p2");
    let id = lab.git("p", &["config", "aq.id"]);
    let job = lab.job("other", "", "true");
    for args in [&["ship", "--merge", "done"][..], &["status"], &["add", &job], &["path"]] {
        let said = lab.aq("p2", args);
        assert_eq!(said.code, 3, "{args:?}: {said:?}");
        let copy = format!("it is a copy of {}", lab.text("p"));
        assert!(said.err.contains(&copy) && said.err.contains("aq init"), "{args:?}: {said:?}");
    }
    assert_eq!(lab.git("p", &["rev-parse", "main"]), head);
    lab.ok("p2", &["init"]);
    assert_ne!(lab.git("p2", &["config", "aq.id"]), id);
    let own = lab.queue("p2");
    assert!(own.contains("/p2-"), "{own}");
    assert_eq!(lab.queue("p"), queue);
    lab.ok("p2", &["add", &job]);
    lab.ok("p", &["ship", "--merge", "done"]);
    assert_ne!(lab.git("p", &["rev-parse", "main"]), head);
    assert_eq!(lab.git("p2", &["rev-parse", "main"]), head);
}

#[test]
fn another_project_in_the_old_place_keeps_nothing() {
    let lab = PlacesLab::new();
    project(&lab);
    let queue = lab.queue("p");
    rename(&lab, "p", "q");
    lab.repository("p");
    // With a queue of its own it is known as another one.
    lab.git("p", &["config", "aq.id", "0123456789abcdef0123456789abcdef"]);
    lab.ok("p", &["init"]);
    assert_eq!(lab.queue("q"), queue);
    let said = lab.aq("q", &["recover"]);
    assert!(said.err.contains("was moved to"), "{said:?}");
    assert_ne!(lab.queue("p"), queue);
}

#[test]
fn a_queue_of_an_earlier_version_asks_once() {
    let mut lab = PlacesLab::new();
    lay_out(&mut lab);
    assert_eq!(lab.queue("p/src"), lab.text("p/.aq"));
    assert_eq!(lab.aq("p", &["run", "--once"]).code, 4);
    lab.ok("p", &["trust"]);
    lab.ok("p", &["run", "--once", "--quiet"]);
    lab.ok("p", &["ship", "--merge", "done", "next"]);
    let files = lab.git("p", &["ls-tree", "-r", "--name-only", "main"]);
    assert!(files.contains("src/done.txt") && files.contains("src/next.txt"), "{files}");
}

#[test]
fn a_moved_queue_of_an_earlier_version_is_mended() {
    let mut lab = PlacesLab::new();
    lay_out(&mut lab);
    // One without a marker, by what git knows; then one with it.
    for (from, to) in [("p", "q"), ("q", "r")] {
        rename(&lab, from, to);
        lab.ok(to, &["trust"]);
        let said = lab.aq(to, &["recover"]);
        let moved = format!("{} was moved to {}", lab.text(from), lab.text(to));
        assert!(said.err.starts_with(&moved), "{said:?}");
        let worktree = format!("{to}/.aq/.state/worktrees/done/src");
        assert_eq!(lab.git(&worktree, &["status", "--porcelain"]), "");
        let queue = lab.text(&format!("{to}/.aq"));
        assert_eq!(meta(&queue, "next", "cwd"), lab.text(&format!("{to}/src")));
    }
    lab.ok("r", &["run", "--once", "--quiet"]);
    lab.ok("r", &["ship", "--merge", "done", "next"]);
    let files = lab.git("r", &["ls-tree", "-r", "--name-only", "main"]);
    assert!(files.contains("src/done.txt") && files.contains("src/next.txt"), "{files}");
}

#[test]
fn a_copied_queue_of_an_earlier_version_changes_nothing() {
    let mut lab = PlacesLab::new();
    lay_out(&mut lab);
    copy(&lab, "p", "p2");
    let head = lab.git("p", &["rev-parse", "main"]);
    assert_eq!(lab.aq("p2", &["ship", "--merge", "done"]).code, 4);
    lab.ok("p2", &["trust"]);
    let said = lab.aq("p2", &["ship", "--merge", "done"]);
    assert_eq!(said.code, 4, "{said:?}");
    let copy = format!("{} is a copy of {}", lab.text("p2/.aq"), lab.text("p/.aq"));
    assert!(said.err.contains(&copy), "{said:?}");
    assert_eq!(lab.git("p", &["rev-parse", "main"]), head);
    assert!(lab.aq("p2", &["status"]).err.contains(&copy));
}

#[test]
fn queues_can_be_moved_to_another_home() {
    let mut lab = PlacesLab::new();
    project(&lab);
    let old = lab.queue("p");
    rename(&lab, "home/aq-work", "work");
    lab.env.push(("AQ_HOME", lab.text("work")));
    let queue = lab.queue("p");
    assert_eq!(queue, old.replace("home/aq-work", "work"));
    assert_eq!(lab.aq("p", &["recover"]).code, 4, "it is elsewhere, so it asks");
    lab.ok("p", &["trust"]);
    lab.ok("p", &["run", "--once", "--quiet"]);
    lab.ok("p", &["ship", "--merge", "done"]);
    assert!(lab.git("p", &["ls-tree", "-r", "--name-only", "main"]).contains("src/done.txt"));
    let next = format!("{queue}/work/next");
    assert!(fs::read_dir(next).is_ok());
}
