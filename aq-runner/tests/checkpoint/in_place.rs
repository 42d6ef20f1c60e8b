//! Jobs that borrow the user's checkout.

use std::fs;

use aq_runner::checkpoint::{CheckpointError, CheckpointJob, JobBranch, branch_at};

use crate::lab::{Lab, start, write};

/// A repository and a job that works in its checkout.
fn lab() -> (Lab, std::path::PathBuf, CheckpointJob) {
    let (lab, repo) = Lab::with_repo();
    let job = lab.in_place("fix", &repo);
    (lab, repo, job)
}

fn head(lab: &Lab, repo: &std::path::Path) -> String {
    lab.git(repo, &["rev-parse", "--symbolic-full-name", "HEAD"])
}

#[test]
fn the_checkout_is_borrowed_and_given_back() {
    let (lab, repo, job) = lab();
    let before = lab.user_side(&repo);
    let started = start(&CheckpointJob { cwd: repo.join("sub"), ..job });
    assert_eq!(started.dir, repo.join("sub"));
    assert!(!started.fresh);
    assert_eq!(head(&lab, &repo), "refs/heads/aq/wip/fix");
    write(&repo.join("new"), "1");
    assert!(started.wip.finish("work").unwrap().commit.is_some());
    assert_eq!(lab.user_side(&repo), before);
    assert_eq!(lab.show(&repo, "aq/wip/fix:new"), "1");
    assert!(!repo.join("new").exists());
}

#[test]
fn a_dirty_checkout_is_refused_and_untouched() {
    let (lab, repo, job) = lab();
    for (file, text) in [("a.txt", "changed\n"), ("untracked", "1")] {
        write(&repo.join(file), text);
        let before = lab.user_side(&repo);
        let error = JobBranch::start(&job).unwrap_err();
        assert!(matches!(&error, CheckpointError::Dirty { paths, .. } if paths == &[file]));
        assert_eq!(lab.user_side(&repo), before);
        assert!(!job.base_file.exists());
        lab.git(&repo, &["checkout", "-q", "--", "."]);
        let _ = fs::remove_file(repo.join("untracked"));
    }
    write(&repo.join(".git/info/exclude"), "ignored\n");
    write(&repo.join("ignored"), "1");
    start(&job);
}

#[test]
fn a_checkout_in_the_middle_of_something_is_refused() {
    let (lab, repo, job) = lab();
    lab.git(&repo, &["bisect", "start"]);
    let error = JobBranch::start(&job).unwrap_err();
    assert!(matches!(error, CheckpointError::Unfinished { what: "BISECT_LOG", .. }), "{error}");
}

#[test]
fn inner_queue_is_no_work() {
    let (lab, repo, job) = lab();
    let queue = repo.join(".aq");
    let job =
        CheckpointJob { base_file: queue.join(".state/wip/fix.base"), queue: queue.clone(), ..job };
    write(&queue.join("building/fix.md"), "a prompt\n");
    let started = start(&job);
    write(&queue.join("logs/fix.log"), "log\n");
    write(&repo.join("new"), "1");
    started.wip.finish("work").unwrap();
    assert_eq!(started.wip.changes().unwrap().paths, ["new"]);
    assert!(queue.join("building/fix.md").exists() && queue.join("logs/fix.log").exists());
    assert_eq!(head(&lab, &repo), "refs/heads/main");
}

#[test]
fn the_branch_of_another_job_is_left_alone() {
    let (lab, repo, job) = lab();
    lab.git(&repo, &["checkout", "-q", "-b", "aq/wip/other"]);
    let error = JobBranch::start(&job).unwrap_err();
    assert!(matches!(error, CheckpointError::OtherJob { .. }), "{error}");
}

#[test]
fn later_start_returns_to_user() {
    let (lab, repo, job) = lab();
    let first = start(&job);
    write(&repo.join("new"), "1");
    first.wip.finish("one").unwrap();
    lab.git(&repo, &["checkout", "-q", "-b", "dev"]);

    let second = start(&job);
    assert_eq!(fs::read_to_string(repo.join("new")).unwrap(), "1");
    write(&repo.join("new"), "2");
    second.wip.finish("two").unwrap();
    assert_eq!(head(&lab, &repo), "refs/heads/dev");
    assert_eq!(lab.show(&repo, "aq/wip/fix:new"), "2");
    assert_eq!(second.wip.merge("merge").unwrap().into, "main");
}

#[test]
fn a_detached_head_comes_back() {
    let (lab, repo, job) = lab();
    lab.git(&repo, &["checkout", "-q", "--detach"]);
    let before = lab.user_side(&repo);
    let started = start(&job);
    write(&repo.join("new"), "1");
    started.wip.finish("work").unwrap();
    assert_eq!(lab.user_side(&repo), before);
}

#[test]
fn branch_without_commit_comes_back() {
    let lab = Lab::new();
    let repo = lab.path().join("repo");
    lab.git(lab.path(), &["init", "-q", "-b", "main", "repo"]);
    let started = start(&lab.in_place("fix", &repo));
    write(&repo.join("new"), "1");
    started.wip.finish("work").unwrap();
    assert_eq!(fs::read_to_string(repo.join(".git/HEAD")).unwrap(), "ref: refs/heads/main\n");
    assert_eq!(lab.status(&repo), "");
    assert_eq!(lab.show(&repo, "aq/wip/fix:new"), "1");
}

#[test]
fn recovery_saves_and_gives_back() {
    let (lab, repo, job) = lab();
    let before = lab.user_side(&repo);
    drop(start(&job));
    write(&repo.join("new"), "1");
    lab.git(&repo, &["checkout", "-q", "-b", "agents"]);
    write(&repo.join(".git/index.lock"), "");

    let wip = JobBranch::open(&job).unwrap().unwrap();
    assert!(wip.finish("recovered").unwrap().commit.is_some());
    lab.git(&repo, &["branch", "-q", "-D", "agents"]);
    assert_eq!(lab.user_side(&repo), before);
    assert_eq!(lab.show(&repo, "aq/wip/fix:new"), "1");
    assert_eq!(wip.finish("recovered").unwrap().commit, None);
}

#[test]
fn users_later_changes_are_his() {
    let (lab, repo, job) = lab();
    let started = start(&job);
    write(&repo.join("new"), "1");
    started.wip.finish("work").unwrap();
    let tip = lab.rev(&repo, "aq/wip/fix");
    write(&repo.join("a.txt"), "the user's\n");
    for on_the_jobs_branch in [false, true] {
        if on_the_jobs_branch {
            lab.git(&repo, &["checkout", "-q", "aq/wip/fix"]);
        }
        let before = lab.user_side(&repo);
        assert_eq!(started.wip.checkpoint("recovered").unwrap().commit, None);
        assert_eq!(started.wip.finish("recovered").unwrap().commit, None);
        assert!(matches!(JobBranch::start(&job), Err(CheckpointError::Dirty { .. })));
        assert_eq!(lab.user_side(&repo), before);
        assert_eq!(lab.rev(&repo, "aq/wip/fix"), tip);
    }
}

#[test]
fn a_kill_around_the_checkout_is_made_good() {
    // Between the checkout of the job's branch and the note of it, and again on the way back.
    let (lab, repo, job) = lab();
    let before = lab.user_side(&repo);
    drop(start(&job));
    fs::remove_file(job.base_file.with_extension("back")).unwrap();
    let wip = JobBranch::open(&job).unwrap().unwrap();
    wip.finish("recovered").unwrap();
    assert_eq!(lab.user_side(&repo), before);

    drop(start(&job));
    fs::remove_file(job.base_file.with_extension("back")).unwrap();
    let again = start(&job);
    write(&repo.join("new"), "1");
    again.wip.finish("work").unwrap();
    assert_eq!(lab.user_side(&repo), before);
}

#[test]
fn in_place_jobs_of_all_queues_take_turns() {
    let (lab, repo, job) = lab();
    let queue = lab.path().join("other");
    let base_file = queue.join(".state/wip/late.base");
    let other = CheckpointJob {
        queue: queue.clone(),
        base_file,
        ..lab.in_place("late", &repo.join("sub"))
    };
    let refused = |job: &CheckpointJob| match JobBranch::start(job).unwrap_err() {
        CheckpointError::NotItsTurn { job, queue, is_at_work, .. } => (job, queue, is_at_work),
        e => panic!("{e}"),
    };
    let started = start(&job);
    write(&repo.join("new"), "1");
    assert_eq!(refused(&other), ("fix".to_owned(), job.queue.clone(), true));
    assert!(!other.base_file.exists(), "it starts from what is there when it is its turn");
    assert_eq!(branch_at(&repo.join("sub")).unwrap(), "refs/heads/main");
    // Killed: what it has left is its own until recovery has handed it over.
    drop(started);
    assert_eq!(refused(&other), ("fix".to_owned(), job.queue.clone(), false));
    JobBranch::open(&job).unwrap().unwrap().finish("recovered").unwrap();
    let late = start(&other);
    write(&repo.join("late"), "1");
    assert_eq!(refused(&job), ("late".to_owned(), queue, true));
    late.wip.finish("work").unwrap();
    assert_eq!(lab.files(&repo, "aq/wip/late"), ["a.txt", "late", "sub/b.txt"]);
    // A queue that was removed keeps nobody.
    drop(start(&job));
    lab.git(&repo, &["checkout", "-q", "main"]);
    fs::remove_dir_all(&job.queue).unwrap();
    start(&other);
}
