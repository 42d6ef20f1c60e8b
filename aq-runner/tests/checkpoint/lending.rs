//! Repositories of every kind lend their objects to a job.

use std::fs;

use aq_runner::checkpoint::JobBranch;

use crate::borrowing::{assert_whole, commit};
use crate::lab::{Lab, write};

#[test]
fn a_shallow_repository_lends_what_it_has() {
    let (lab, deep) = Lab::with_repo();
    commit(&lab, &deep, "second", "2");
    commit(&lab, &deep, "third", "3");
    let url = format!("file://{}", deep.display());
    lab.git(lab.path(), &["clone", "-q", "--depth", "1", &url, "shallow"]);
    let repo = lab.path().join("shallow");
    let job = lab.start("fix", &repo);
    assert_eq!(lab.git(&job.dir, &["log", "--format=%s"]), "third");
    commit(&lab, &job.dir, "mine", "1");
    job.wip.finish("fix: work").unwrap();
    assert_whole(&lab, &repo);

    lab.git(&repo, &["fetch", "-q", "--unshallow"]);
    let again = lab.start("fix", &repo);
    assert_eq!(lab.git(&again.dir, &["log", "--format=%s"]).lines().count(), 4);
}

#[test]
fn a_partial_clone_fetches_what_it_lacks() {
    let (lab, whole) = Lab::with_repo();
    write(&whole.join("a.txt"), "changed\n");
    commit(&lab, &whole, "more", "2");
    lab.git(&whole, &["config", "uploadpack.allowFilter", "true"]);
    lab.git(&whole, &["config", "uploadpack.allowAnySHA1InWant", "true"]);
    let url = format!("file://{}", whole.display());
    lab.git(lab.path(), &["clone", "-q", "--filter=blob:none", &url, "partial"]);
    let repo = lab.path().join("partial");
    let job = lab.start("fix", &repo);
    assert_eq!(lab.show(&job.dir, "HEAD~1:a.txt"), "one");
    commit(&lab, &job.dir, "mine", "1");
    write(&job.dir.join("rest"), "2");
    job.wip.finish("fix: work").unwrap();
    assert_eq!(lab.show(&repo, "aq/wip/fix:rest"), "2");
    assert_whole(&lab, &repo);
}

#[test]
fn a_sparse_checkout_stays_sparse() {
    let (lab, repo) = Lab::with_repo();
    write(&repo.join("other/c.txt"), "three\n");
    lab.git(&repo, &["add", "-A"]);
    lab.git(&repo, &["commit", "-q", "-m", "more"]);
    for kind in ["--cone", "--no-cone"] {
        lab.git(&repo, &["sparse-checkout", "set", kind, "sub"]);
        let name = format!("fix{kind}");
        let job = lab.start(&name, &repo);
        assert!(!job.dir.join("other").exists(), "{kind}");
        assert_eq!(lab.status(&job.dir), "", "{kind}");
        write(&job.dir.join("sub/new"), "1");
        let saved = job.wip.finish("fix: work").unwrap();
        assert_eq!(saved.hidden, [""; 0], "these are the user's own rules");
        assert_eq!(job.wip.changes().unwrap().paths, ["sub/new"], "{kind}");
        assert_eq!(lab.status(&job.dir), "", "{kind}");
    }
}

#[test]
fn a_repository_that_was_moved_is_followed() {
    let (lab, repo) = Lab::with_repo();
    let job = lab.start("fix", &repo);
    commit(&lab, &job.dir, "mine", "1");
    let moved = lab.path().join("moved");
    fs::rename(&repo, &moved).unwrap();
    let again = lab.start("fix", &moved);
    assert!(!again.fresh);
    assert_eq!(again.dir, job.dir);
    assert_eq!(lab.status(&again.dir), "");
    assert_eq!(lab.show(&moved, "aq/wip/fix:mine"), "1");
    assert_whole(&lab, &again.dir);
}

#[test]
fn odd_paths_lend_as_well() {
    let lab = Lab::new();
    for name in [" a \"quoted\" one", "a:colon", ".hidden", "#hash"] {
        let repo = lab.repo(name);
        let job = JobBranch::start(&lab.job("fix", &repo)).unwrap();
        let job = job.unwrap_or_else(|| panic!("{name:?}"));
        assert!(!job.dir.file_name().unwrap().to_str().unwrap().starts_with('.'), "{name:?}");
        commit(&lab, &job.dir, "mine", "1");
        write(&job.dir.join("rest"), "2");
        job.wip.finish("fix: work").unwrap();
        assert_eq!(lab.files(&repo, "aq/wip/fix"), ["a.txt", "mine", "rest", "sub/b.txt"]);
        job.wip.remove().unwrap();
        fs::remove_file(lab.path().join("queue/.state/wip/fix.base")).unwrap();
    }
    let refused =
        JobBranch::start(&lab.job("fix", &lab.repo("two\nlines"))).unwrap_err().to_string();
    assert!(refused.contains("has a line break in its path"), "{refused}");
}
