//! Whose work a merge brings into the target.

use std::path::{Path, PathBuf};

use aq_runner::checkpoint::{CheckpointError, JobBranch};

use crate::lab::{Lab, start, write};

/// A job `dep` with a file of its own, and a job `fix` that builds on it: with the text of the file
/// that it changes.
fn chain(change: (&str, &str)) -> (Lab, PathBuf, JobBranch) {
    let (lab, repo) = Lab::with_repo();
    let dep = lab.start("dep", &repo);
    write(&dep.dir.join("of-dep"), "1\n2\n3\n");
    dep.wip.finish("dep: work").unwrap();
    let mut fix = lab.start("fix", &repo);
    fix.wip.rebase(&[lab.job("dep", &repo)], &[]).unwrap();
    let fix = start(&lab.job("fix", &repo));
    assert!(fix.dir.join("of-dep").exists());
    write(&fix.dir.join(change.0), change.1);
    fix.wip.finish("fix: work").unwrap();
    (lab, repo, fix.wip)
}

fn unshipped(wip: &JobBranch) -> Result<(), CheckpointError> {
    wip.prepare_merge("aq: fix", &["dep".to_owned()])?.land(&mut || Ok(())).map(drop)
}

fn is_in(lab: &Lab, repo: &Path, commit: &str) -> bool {
    lab.try_git(repo, &["merge-base", "--is-ancestor", commit, "main"]).0
}

fn commit(lab: &Lab, repo: &Path, file: &str, text: &str) {
    write(&repo.join(file), text);
    lab.git(repo, &["add", "-A"]);
    lab.git(repo, &["commit", "-q", "-m", file]);
}

#[test]
fn work_of_unshipped_jobs_stays_behind() {
    for went_on in [false, true] {
        let (lab, repo, wip) = chain(("new", "1\n"));
        if went_on {
            commit(&lab, &repo, "other", "1\n");
        }
        unshipped(&wip).unwrap();
        assert!(repo.join("new").exists() && !repo.join("of-dep").exists());
        assert!(!is_in(&lab, &repo, "aq/wip/dep"));
        assert_eq!(lab.git(&repo, &["log", "-1", "--format=%s"]), "fix: work");
        assert_eq!(lab.status(&repo), "");
    }
}

#[test]
fn unshipped_jobs_are_named_where_they_are_needed() {
    let (lab, repo, wip) = chain(("of-dep", "1\n2\nthree\n"));
    let before = lab.user_side(&repo);
    let error = unshipped(&wip).unwrap_err();
    let CheckpointError::DepUnshipped { job, dep, paths } = &error else { panic!("{error}") };
    assert_eq!(
        (job.as_str(), dep.as_str(), paths.as_slice()),
        ("fix", "dep", &["of-dep".into()][..])
    );
    assert_eq!(lab.user_side(&repo), before);
}

#[test]
fn accepted_work_goes_along() {
    let (lab, repo, wip) = chain(("of-dep", "1\n2\nthree\n"));
    commit(&lab, &repo, "other", "1\n");
    wip.merge("aq: fix").unwrap();
    assert!(is_in(&lab, &repo, "aq/wip/dep"));
    assert_eq!(lab.show(&repo, "main:of-dep"), "1\n2\nthree");
}

#[test]
fn work_that_was_squashed_is_not_brought_again() {
    let (lab, repo, wip) = chain(("new", "1\n"));
    commit(&lab, &repo, "of-dep", "1\n2\n3\n");
    commit(&lab, &repo, "of-dep", "rewritten since\n");
    // By now merging it again would be a conflict.
    lab.git(&repo, &["update-ref", "refs/heads/aq/wip/dep", "main~1"]);
    wip.merge("aq: fix").unwrap();
    assert_eq!(lab.show(&repo, "main:of-dep"), "rewritten since");
    assert!(repo.join("new").exists());
    assert_eq!(lab.git(&repo, &["log", "--format=%s", "main"]).lines().count(), 4);
}

#[test]
fn deps_of_deps_stay_behind_as_well() {
    let (lab, repo, wip) = chain(("new", "1\n"));
    let below = lab.rev(&repo, "main");
    // `dep` had a commit of `under` below its own.
    lab.git(&repo, &["branch", "aq/wip/under", "aq/wip/dep"]);
    let only = wip.prepare_merge("aq: fix", &["under".to_owned()]).unwrap();
    only.land(&mut || Ok(())).unwrap();
    assert!(!repo.join("of-dep").exists() && repo.join("new").exists());
    assert_eq!(lab.rev(&repo, "main~1"), below);
}
