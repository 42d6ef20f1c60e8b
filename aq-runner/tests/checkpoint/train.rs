//! The checkout in which a merge is checked before it lands.

use std::fs;
use std::path::{Path, PathBuf};

use aq_runner::checkpoint::{JobBranch, OwnPlace, PreparedMerge, remove_trains};

use crate::lab::{Lab, write};

fn place(lab: &Lab, repo: &Path) -> OwnPlace {
    let queue = lab.path().join("queue");
    let (work, state) = (queue.join("work"), queue.join(".state"));
    OwnPlace::of_train(&work, &state, &repo.join(".git"), "refs/heads/main")
}

/// A job that has changed a file of its own.
fn job(lab: &Lab, repo: &Path, name: &str) -> JobBranch {
    let started = lab.start(name, repo);
    write(&started.dir.join(name), &format!("{name}\n"));
    started.wip.finish("work").unwrap();
    started.wip
}

fn prepared(wip: &JobBranch) -> PreparedMerge {
    wip.prepare_merge("aq: merge", &[]).unwrap()
}

fn files(root: &Path) -> Vec<String> {
    let entries = fs::read_dir(root).unwrap().map(|entry| entry.unwrap().file_name());
    let mut names: Vec<String> = entries.map(|name| name.into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn merges_are_checked_out_one_after_the_other() {
    let (lab, repo) = Lab::with_repo();
    let (one, two) = (job(&lab, &repo, "one"), job(&lab, &repo, "two"));
    let place = place(&lab, &repo);
    let before = lab.user_side(&repo);
    let first = prepared(&one);
    let root = first.check_out(&place).unwrap();
    let path = root.strip_prefix(lab.path()).unwrap();
    assert!(path.components().all(|part| !part.as_os_str().as_encoded_bytes().starts_with(b".")));
    assert_eq!(files(&root), [".git", "a.txt", "one", "sub"]);
    assert_eq!(lab.git(&root, &["rev-parse", "HEAD", "main"]).lines().count(), 2);
    assert_eq!(lab.rev(&root, "main"), first.landing().commit.as_str());
    assert_eq!(lab.git(&root, &["symbolic-ref", "HEAD"]), "refs/heads/main");
    assert_eq!(lab.status(&root), "");
    assert_eq!(lab.user_side(&repo), before);
    // What a build has made stays.
    write(&root.join(".git/info/exclude"), "target/\n");
    write(&repo.join(".git/info/exclude"), "target/\n");
    write(&root.join("target/built"), "1");
    let inode = inode(&root);
    first.land(&mut || Ok(())).unwrap();
    let second = prepared(&two);
    assert_eq!(second.check_out(&place).unwrap(), root);
    assert_eq!(self::inode(&root), inode, "it is the same");
    assert_eq!(files(&root), [".git", "a.txt", "one", "sub", "target", "two"]);
    assert_eq!(
        (lab.status(&root), lab.rev(&root, "HEAD")),
        (String::new(), second.landing().commit.to_string())
    );
}

fn inode(path: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    path.metadata().unwrap().ino()
}

#[test]
fn leftovers_of_a_check_are_cleared_away() {
    let (lab, repo) = Lab::with_repo();
    let (one, two) = (job(&lab, &repo, "one"), job(&lab, &repo, "two"));
    let place = place(&lab, &repo);
    let root = prepared(&one).check_out(&place).unwrap();
    let inode = inode(&root);
    write(&root.join("a.txt"), "changed\n");
    fs::remove_file(root.join("sub/b.txt")).unwrap();
    write(&root.join("left/deep/file"), "1");
    write(&repo.join(".git/info/exclude"), "kept\n");
    write(&root.join("beside/kept"), "1");
    write(&root.join("beside/file"), "1");
    lab.git(&root, &["init", "-q", "nested"]);
    lab.git(&root, &["checkout", "-q", "-b", "elsewhere"]);
    lab.git(&root, &["add", "a.txt"]);
    write(&root.join(".git/index.lock"), "");
    write(&root.join(".git/MERGE_HEAD"), "");
    assert_eq!(prepared(&two).check_out(&place).unwrap(), root);
    assert_eq!(files(&root), [".git", "a.txt", "beside", "sub", "two"]);
    assert_eq!(files(&root.join("beside")), ["kept"]);
    assert_eq!(self::inode(&root), inode);
    assert_eq!(lab.status(&root), "?? beside/", "its own rules are older");
    assert_eq!(fs::read_to_string(root.join("a.txt")).unwrap(), "one\n");
}

/// Damages of the checkout.
const BROKEN: [&str; 7] = [
    "rm -rf .git",
    "rm -rf .git/objects",
    "rm -rf \"$PWD\"",
    "mv \"$PWD\" ../elsewhere && ln -s elsewhere \"$OLDPWD\"",
    "rm -rf .git && git init -q",
    "rm \"$CONTROL/index\"; echo nonsense >\"$CONTROL/index\"",
    "echo /nowhere/.git >\"$CONTROL/commondir\"",
];

#[test]
fn broken_ones_are_made_anew() {
    for broken in BROKEN {
        let (lab, repo) = Lab::with_repo();
        let one = job(&lab, &repo, "one");
        let place = place(&lab, &repo);
        let root = prepared(&one).check_out(&place).unwrap();
        let control = place.control.display();
        let script = format!("CONTROL='{control}' OLDPWD=\"$PWD\"; {broken}");
        lab.shell(&root, &script);
        assert_eq!(prepared(&one).check_out(&place).unwrap(), root, "{broken}");
        assert_eq!(files(&root), [".git", "a.txt", "one", "sub"], "{broken}");
        assert!(!root.is_symlink() && lab.status(&root).is_empty(), "{broken}");
    }
}

#[test]
fn half_made_ones_are_made_anew() {
    let (lab, repo) = Lab::with_repo();
    let one = job(&lab, &repo, "one");
    let place = place(&lab, &repo);
    let root = prepared(&one).check_out(&place).unwrap();
    for file in ["given", "target", "name"] {
        fs::remove_file(place.control.join(file)).unwrap();
        fs::remove_file(root.join("one")).unwrap();
        assert_eq!(prepared(&one).check_out(&place).unwrap(), root, "{file}");
        assert_eq!(files(&root), [".git", "a.txt", "one", "sub"], "{file}");
    }
}

#[test]
fn trains_are_removed_unless_in_use() {
    let (lab, repo) = Lab::with_repo();
    let one = job(&lab, &repo, "one");
    let place = place(&lab, &repo);
    let queue: PathBuf = lab.path().join("queue");
    let merge = prepared(&one);
    let root = merge.check_out(&place).unwrap();
    let kept = || lab.git(&repo, &["for-each-ref", "--format=%(refname)", "refs/aq/train"]);
    assert_eq!(kept().lines().count(), 1);
    remove_trains(&queue, &queue.join(".state")).unwrap();
    assert!(root.exists(), "its merge goes on");
    drop(merge);
    remove_trains(&queue, &queue.join(".state")).unwrap();
    assert!(!place.dir.exists() && !place.control.exists());
    assert_eq!(kept(), "");
    remove_trains(&queue, &queue.join(".state")).unwrap();
}

#[test]
fn the_directory_of_a_job_is_in_it() {
    let (lab, repo) = Lab::with_repo();
    let started = lab.start("fix", &repo.join("sub"));
    write(&started.dir.join("c.txt"), "1");
    started.wip.finish("work").unwrap();
    let merge = prepared(&started.wip);
    let root = merge.check_out(&place(&lab, &repo)).unwrap();
    let dir = merge.directory_in(&root).unwrap();
    assert_eq!(dir, root.join("sub"));
    assert!(dir.join("c.txt").exists());
}
