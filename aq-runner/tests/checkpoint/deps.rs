//! Jobs that start with the work of others.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use aq_runner::checkpoint::{
    CheckpointError, CheckpointJob, JobBranch, MergeTarget, StartPoint, WorkIsolation,
};

use crate::lab::{Lab, start, write};

/// A job that builds on others.
fn child(lab: &Lab, name: &str, cwd: &Path, deps: &[&CheckpointJob]) -> CheckpointJob {
    let deps = deps.iter().map(|&dep| dep.clone()).collect();
    CheckpointJob { start: StartPoint::Deps(deps), ..lab.job(name, cwd) }
}

/// Runs a job that writes a file.
fn run(job: &CheckpointJob, file: &str, text: &str) -> JobBranch {
    let started = start(job);
    write(&started.dir.join(file), text);
    started.wip.finish("work").unwrap();
    started.wip
}

fn commit(lab: &Lab, repo: &Path, file: &str, text: &str) {
    write(&repo.join(file), text);
    lab.git(repo, &["add", "-A"]);
    lab.git(repo, &["commit", "-q", "-m", file]);
}

/// The names of the deps in a job's base.
fn deps(wip: &JobBranch) -> Vec<&str> {
    wip.ground().deps.iter().map(|dep| dep.job.as_str()).collect()
}

fn changed(wip: &JobBranch) -> Vec<String> {
    wip.changes().unwrap().paths
}

#[test]
fn chains_see_all_before_them() {
    let (lab, repo) = Lab::with_repo();
    let mut before = lab.job("job0", &repo);
    run(&before, "f0", "0");
    for n in 1..10 {
        let job = child(&lab, &format!("job{n}"), &repo, &[&before]);
        let wip = run(&job, &format!("f{n}"), "x");
        assert_eq!(wip.ground().target.as_str(), lab.rev(&repo, "main"));
        assert_eq!(wip.base().as_str(), lab.rev(&repo, &format!("aq/wip/{}", before.name)));
        assert_eq!(deps(&wip), [before.name.as_str()]);
        assert_eq!(changed(&wip), [format!("f{n}")]);
        before = job;
    }
    let files = lab.files(&repo, "aq/wip/job9");
    assert_eq!(files.iter().filter(|name| name.starts_with('f')).count(), 10);
}

#[test]
fn several_deps_are_merged_with_the_target() {
    let (lab, repo) = Lab::with_repo();
    let (one, two) = (lab.job("one", &repo), lab.job("two", &repo));
    run(&one, "f1", "1");
    run(&two, "f2", "2");
    commit(&lab, &repo, "late", "main's");
    let job = child(&lab, "both", &repo, &[&one, &two]);
    let wip = run(&job, "f3", "3");
    let known = JobBranch::open(&job).unwrap().unwrap();
    assert_eq!(known.ground(), wip.ground());
    assert_eq!(deps(&wip), ["one", "two"]);
    assert_eq!(wip.ground().target.as_str(), lab.rev(&repo, "main"));
    let files = lab.files(&repo, wip.base().as_str());
    assert_eq!(files, ["a.txt", "f1", "f2", "late", "sub/b.txt"]);
    assert_eq!(changed(&wip), ["f3"]);
    let subjects = lab.git(&repo, &["log", "-2", "--format=%s", "--first-parent", "aq/wip/both^"]);
    assert_eq!(subjects, "aq: the work of two\naq: the work of one");
}

#[test]
fn diamonds_are_merged_once() {
    let (lab, repo) = Lab::with_repo();
    let top = lab.job("top", &repo);
    run(&top, "f0", "0");
    let (left, right) = (child(&lab, "left", &repo, &[&top]), child(&lab, "right", &repo, &[&top]));
    run(&left, "f1", "1");
    run(&right, "f2", "2");
    let wip = run(&child(&lab, "end", &repo, &[&top, &left, &right]), "f3", "3");
    assert_eq!(deps(&wip), ["left", "right"]);
    assert_eq!(lab.git(&repo, &["rev-list", "--count", "main..aq/wip/end^"]), "4");
}

#[test]
fn work_in_target_stays_out() {
    let (lab, repo) = Lab::with_repo();
    let names = ["merged", "squashed", "edited", "idle"];
    let jobs = names.map(|name| lab.job(name, &repo));
    for (job, name) in jobs.iter().zip(names).take(3) {
        run(job, name, "1\n");
    }
    start(&jobs[3]).wip.finish("nothing").unwrap();
    lab.git(&repo, &["merge", "-q", "--no-edit", "aq/wip/merged"]);
    for name in ["squashed", "edited"] {
        lab.git(&repo, &["merge", "-q", "--squash", &format!("aq/wip/{name}")]);
        lab.git(&repo, &["commit", "-q", "-m", name]);
    }
    commit(&lab, &repo, "edited", "2\n");
    let all: Vec<&CheckpointJob> = jobs.iter().collect();
    let wip = run(&child(&lab, "next", &repo, &all), "new", "3");
    assert_eq!(deps(&wip), [""; 0]);
    assert_eq!(wip.base().as_str(), lab.rev(&repo, "main"));
    assert!(!lab.path().join("queue/.state/wip/next.ground").exists());
}

#[test]
fn other_repositories_contribute_nothing() {
    let (lab, repo) = Lab::with_repo();
    let far = lab.job("far", &lab.repo("far"));
    run(&far, "f1", "1");
    // Another queue has a job of this name here.
    lab.git(&repo, &["branch", "aq/wip/far"]);
    fs::create_dir(lab.path().join("plain")).unwrap();
    let plain = lab.job("plain", &lab.path().join("plain"));
    let waiting = lab.job("waiting", &repo);
    let wip = run(&child(&lab, "next", &repo, &[&far, &plain, &waiting]), "f2", "2");
    assert_eq!(deps(&wip), [""; 0]);
    assert_eq!(wip.base().as_str(), lab.rev(&repo, "main"));
}

#[test]
fn lost_directories_keep_their_repository() {
    let (lab, repo) = Lab::with_repo();
    let dep = lab.job("dep", &repo.join("sub"));
    run(&dep, "f1", "1");
    let moved = CheckpointJob { cwd: lab.path().join("gone"), ..dep };
    let wip = run(&child(&lab, "next", &repo, &[&moved]), "f2", "2");
    assert_eq!(deps(&wip), ["dep"]);
}

#[test]
fn conflicts_make_nothing() {
    let (lab, repo) = Lab::with_repo();
    let (one, two) = (lab.job("one", &repo), lab.job("two", &repo));
    run(&one, "a.txt", "1\n");
    run(&two, "a.txt", "2\n");
    let job = child(&lab, "both", &repo, &[&one, &two]);
    let found = |error: CheckpointError| match error {
        CheckpointError::DepsConflict { dep, paths } => (dep, paths),
        other => panic!("{other}"),
    };
    let refs = lab.git(&repo, &["for-each-ref"]);
    let expected = ("two".to_owned(), vec!["a.txt".to_owned()]);
    assert_eq!(found(JobBranch::start(&job).unwrap_err()), expected);
    assert_eq!(lab.git(&repo, &["for-each-ref"]), refs);
    assert!(!job.base_file.exists() && JobBranch::open(&job).unwrap().is_none());
    // Somebody brings them together.
    lab.git(&repo, &["merge", "-q", "aq/wip/one"]);
    lab.try_git(&repo, &["merge", "-q", "aq/wip/two"]);
    write(&repo.join("a.txt"), "1 and 2\n");
    lab.git(&repo, &["commit", "-q", "-a", "-m", "both"]);
    assert_eq!(start(&job).wip.base().as_str(), lab.rev(&repo, "main"));
}

#[test]
fn targets_conflict_with_deps() {
    let (lab, repo) = Lab::with_repo();
    let dep = lab.job("dep", &repo);
    run(&dep, "a.txt", "1\n");
    commit(&lab, &repo, "a.txt", "2\n");
    let refused = JobBranch::start(&child(&lab, "next", &repo, &[&dep])).unwrap_err();
    let words = "the work of dep does not go with the target and the deps before it: \"a.txt\"";
    assert_eq!(refused.to_string(), words);
}

#[test]
fn unborn_targets_take_deps() {
    let lab = Lab::new();
    lab.git(lab.path(), &["init", "-q", "-b", "main", "repo"]);
    let repo = lab.path().join("repo");
    let dep = lab.job("dep", &repo);
    run(&dep, "f1", "1");
    let wip = run(&child(&lab, "next", &repo, &[&dep]), "f2", "2");
    assert_eq!((deps(&wip), changed(&wip)), (vec!["dep"], vec!["f2".to_owned()]));
}

#[test]
fn named_bases_are_started_from() {
    let (lab, repo) = Lab::with_repo();
    lab.git(&repo, &["tag", "-a", "-m", "x", "v1"]);
    let first = lab.rev(&repo, "main");
    commit(&lab, &repo, "late", "1");
    let dep = lab.job("dep", &repo);
    run(&dep, "f1", "1");
    let named = |base: &str| CheckpointJob {
        start: StartPoint::Revision(base.to_owned()),
        ..lab.job(&format!("from{}", base.len()), &repo)
    };
    let wip = run(&named("v1"), "f2", "2");
    let ground = wip.ground();
    assert_eq!((ground.base.as_str(), ground.deps.len()), (first.as_str(), 0));
    assert_eq!(ground.target.as_str(), lab.rev(&repo, "main"));
    assert_eq!(wip.origin().unwrap().unwrap().short(), "main");
    assert_eq!(lab.files(&repo, "aq/wip/from2"), ["a.txt", "f2", "sub/b.txt"]);
    assert_eq!(changed(&run(&named("aq/wip/dep"), "f3", "3")), ["f3"]);
    for base in ["nowhere", "--all"] {
        let refused = JobBranch::start(&named(base)).unwrap_err().to_string();
        assert!(
            refused.starts_with(&format!(
                "there is no branch, tag or commit {base:?} to start aq/wip/"
            )),
            "{refused}"
        );
    }
}

#[test]
fn checkouts_in_place_start_on_deps() {
    let (lab, repo) = Lab::with_repo();
    let dep = lab.job("dep", &repo);
    run(&dep, "f1", "1");
    let head = lab.rev(&repo, "main");
    let job =
        CheckpointJob { isolation: WorkIsolation::InPlace, ..child(&lab, "next", &repo, &[&dep]) };
    let job = CheckpointJob { target: MergeTarget::Named("refs/heads/main".to_owned()), ..job };
    let started = start(&job);
    assert!(repo.join("f1").exists());
    write(&repo.join("f2"), "2");
    started.wip.finish("work").unwrap();
    assert_eq!(changed(&started.wip), ["f2"]);
    assert_eq!((lab.rev(&repo, "HEAD"), lab.status(&repo).as_str()), (head, ""));
}

/// Puts a git in the way that is killed at its nth run, as are all after it.
fn dying_git(lab: &Lab, at: usize) {
    let count = lab.path().join("count");
    let _ = fs::remove_file(&count);
    let usual = std::env::var("PATH").unwrap();
    let script = format!(
        "#!/bin/sh\necho x >>'{}'\nif [ $(wc -l <'{}') -ge {at} ]; then kill -9 $$; fi\n\
         PATH='{usual}' exec git \"$@\"\n",
        count.display(),
        count.display()
    );
    let program = lab.path().join("bin/git");
    write(&program, &script);
    fs::set_permissions(program, fs::Permissions::from_mode(0o755)).unwrap();
}

/// Two deps and a target that went on, and a job that builds on them.
fn merging() -> (Lab, PathBuf, CheckpointJob) {
    let (lab, repo) = Lab::with_repo();
    let (one, two) = (lab.job("one", &repo), lab.job("two", &repo));
    run(&one, "f1", "1");
    run(&two, "f2", "2");
    commit(&lab, &repo, "late", "3");
    let job = child(&lab, "both", &repo, &[&one, &two]);
    (lab, repo, job)
}

fn assert_starts(lab: &Lab, repo: &Path, job: &CheckpointJob, what: &str) {
    let wip = run(job, "f3", "3");
    assert_eq!(deps(&wip), ["one", "two"], "{what}");
    assert_eq!(changed(&wip), ["f3"], "{what}");
    let all = ["a.txt", "f1", "f2", "f3", "late", "sub/b.txt"];
    assert_eq!(lab.files(repo, "aq/wip/both"), all, "{what}");
}

#[test]
fn kills_between_runs_of_git_lose_nothing() {
    let mut at = 1;
    loop {
        let (lab, repo, job) = merging();
        dying_git(&lab, at);
        let started = JobBranch::start(&job).is_ok();
        fs::remove_file(lab.path().join("bin/git")).unwrap();
        assert_starts(&lab, &repo, &job, &format!("run {at}"));
        if started {
            break;
        }
        at += 1;
    }
    assert!(at > 12, "{at}");
}

#[test]
fn kills_between_notes_lose_nothing() {
    for lost in [&["base"][..], &["base", "ground"], &["base", "ground", "from"]] {
        let (lab, repo, job) = merging();
        let files: Vec<PathBuf> =
            lost.iter().map(|end| job.base_file.with_extension(end)).collect();
        let started = start(&job);
        // As it was before those were written: nothing that comes after them is there.
        lab.git(&repo, &["update-ref", "-d", "refs/heads/aq/wip/both"]);
        fs::remove_dir_all(started.dir.parent().unwrap()).unwrap();
        fs::remove_dir_all(lab.place("both").control).unwrap();
        files.iter().for_each(|file| fs::remove_file(file).unwrap());
        assert_starts(&lab, &repo, &job, &format!("{lost:?}"));
    }
}

#[test]
fn marks_follow_every_branch() {
    let (lab, repo) = Lab::with_repo();
    let dep = lab.job("dep", &repo);
    run(&dep, "f1", "1");
    assert_eq!(lab.job("alone", &repo).start_mark(), None);
    let job = child(&lab, "next", &repo, &[&dep]);
    let mark = || job.start_mark().unwrap();
    let first = mark();
    assert_eq!(mark(), first);
    commit(&lab, &repo, "late", "1");
    let second = mark();
    lab.git(&repo, &["update-ref", "refs/heads/aq/wip/dep", "main"]);
    let third = mark();
    lab.git(&repo, &["checkout", "-q", "-b", "other"]);
    let marks = [first, second, third, mark()];
    assert!(marks.iter().enumerate().all(|(at, one)| !marks[..at].contains(one)), "{marks:?}");
}
