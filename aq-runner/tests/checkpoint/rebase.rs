//! A job's work on a new base.

use std::fs;
use std::path::{Path, PathBuf};

use aq_runner::checkpoint::{
    CheckpointError, CheckpointJob, CommitId, DepTip, JobBranch, RebaseResult, StartPoint,
    StartedWork,
};

use crate::lab::{Lab, start, write};

fn commit(lab: &Lab, repo: &Path, file: &str, text: &str) {
    write(&repo.join(file), text);
    lab.git(repo, &["add", "-A"]);
    lab.git(repo, &["commit", "-q", "-m", file]);
}

/// A job that has changed `a.txt` and added `new`.
fn done() -> (Lab, PathBuf, CheckpointJob) {
    let (lab, repo) = Lab::with_repo();
    let job = lab.job("fix", &repo);
    let started = start(&job);
    write(&started.dir.join("a.txt"), "the job's\n");
    write(&started.dir.join("new"), "1\n");
    started.wip.finish("fix: work").unwrap();
    (lab, repo, job)
}

fn open(job: &CheckpointJob) -> JobBranch {
    JobBranch::open(job).unwrap().unwrap()
}

fn rebase(job: &CheckpointJob) -> RebaseResult {
    open(job).rebase(&[], &[]).unwrap()
}

fn text(started: &StartedWork, name: &str) -> String {
    fs::read_to_string(started.dir.join(name)).unwrap()
}

fn conflicts(paths: &[&str]) -> RebaseResult {
    RebaseResult::Conflicts(paths.iter().map(|path| (*path).to_owned()).collect())
}

#[test]
fn work_goes_on_top_of_the_target() {
    let (lab, repo, job) = done();
    assert_eq!(rebase(&job), RebaseResult::Clean, "the target has not moved");
    assert!(!job.base_file.with_extension("rebase").exists());
    commit(&lab, &repo, "other", "2\n");
    let old = lab.rev(&repo, "aq/wip/fix");
    let before = lab.user_side(&repo);
    assert_eq!(rebase(&job), RebaseResult::Clean);
    assert_eq!(lab.user_side(&repo), before);
    assert!(lab.try_git(&repo, &["merge-base", "--is-ancestor", &old, "aq/wip/fix"]).0);
    let started = start(&job);
    assert!(!started.fresh && started.leftovers.commit.is_none());
    assert_eq!((text(&started, "other"), text(&started, "new")), ("2\n".into(), "1\n".into()));
    assert_eq!(started.wip.base().as_str(), lab.rev(&repo, "main"));
    assert_eq!(started.wip.ground().target.as_str(), lab.rev(&repo, "main"));
    assert_eq!(started.wip.changes().unwrap().paths, ["a.txt", "new"]);
    assert_eq!(lab.status(&started.dir), "");
    assert_eq!(lab.git(&started.dir, &["rev-parse", "HEAD"]), lab.rev(&repo, "aq/wip/fix"));
    let base = fs::read_to_string(&job.base_file).unwrap();
    assert_ne!(base.trim(), lab.rev(&repo, "main"), "the first base stays");
    let tip = lab.rev(&repo, "aq/wip/fix");
    assert_eq!(rebase(&job), RebaseResult::Clean);
    assert_eq!(lab.rev(&repo, "aq/wip/fix"), tip);
    let merged = open(&job).prepare_merge("aq: fix", &[]).unwrap();
    assert!(merged.is_as_verified());
}

#[test]
fn markers_of_conflicts_are_in_the_files() {
    let (lab, repo, job) = done();
    commit(&lab, &repo, "a.txt", "the user's\n");
    let old = lab.rev(&repo, "aq/wip/fix");
    let main = lab.rev(&repo, "main");
    assert!(matches!(open(&job).merge("aq: fix"), Err(CheckpointError::Conflict { .. })));
    assert_eq!(rebase(&job), conflicts(&["a.txt"]));
    assert_eq!(rebase(&job), conflicts(&["a.txt"]), "asked again");
    let started = start(&job);
    let marked = format!("<<<<<<< {old}\nthe job's\n=======\nthe user's\n>>>>>>> {main}\n");
    assert_eq!(text(&started, "a.txt"), marked);
    assert_eq!(started.wip.unresolved().unwrap(), ["a.txt"]);
    write(&started.dir.join("other"), "<<<<<<< an example\n");
    write(&started.dir.join("a.txt"), &format!("both\n>>>>>>> {main}\n"));
    started.wip.finish("fix: attempt 2").unwrap();
    assert_eq!(started.wip.unresolved().unwrap(), ["a.txt"], "half of it");
    let error = started.wip.prepare_merge("aq: fix", &[]).unwrap_err();
    assert!(matches!(&error, CheckpointError::Unresolved { paths, .. } if paths == &["a.txt"]));
    write(&started.dir.join("a.txt"), "both\n");
    started.wip.finish("fix: attempt 3").unwrap();
    assert!(started.wip.unresolved().unwrap().is_empty());
    assert_eq!(rebase(&job), RebaseResult::Clean);
    started.wip.merge("aq: fix").unwrap();
    assert_eq!(lab.show(&repo, "main:a.txt"), "both");
    assert_eq!(lab.status(&repo), "");
}

#[test]
fn a_checkout_that_is_gone_is_no_obstacle() {
    let (lab, repo, job) = done();
    commit(&lab, &repo, "other", "2\n");
    fs::remove_dir_all(lab.place("fix").dir).unwrap();
    assert_eq!(rebase(&job), RebaseResult::Clean);
    let started = start(&job);
    assert!(started.fresh);
    assert_eq!((text(&started, "other"), text(&started, "new")), ("2\n".into(), "1\n".into()));
}

#[test]
fn changes_left_in_the_checkout_come_along() {
    let (lab, repo, job) = done();
    commit(&lab, &repo, "other", "2\n");
    let dir = lab.place("fix").root().unwrap();
    write(&dir.join("later"), "3\n");
    write(&dir.join("other"), "in the way\n");
    assert_eq!(rebase(&job), conflicts(&["other"]));
    assert_eq!(text(&start(&job), "later"), "3\n");
}

#[test]
fn dropped_commits_are_not_brought_along() {
    for is_conflict in [false, true] {
        let (lab, repo) = Lab::with_repo();
        commit(&lab, &repo, "secret", "SECRET\n");
        let dropped = lab.rev(&repo, "main");
        let job = lab.job("fix", &repo);
        let started = start(&job);
        write(&started.dir.join("a.txt"), "the job's\n");
        started.wip.finish("fix: work").unwrap();
        let old = lab.rev(&repo, "aq/wip/fix");
        lab.git(&repo, &["reset", "-q", "--hard", "HEAD~1"]);
        commit(&lab, &repo, if is_conflict { "a.txt" } else { "other" }, "2\n");
        let want = if is_conflict { conflicts(&["a.txt"]) } else { RebaseResult::Clean };
        assert_eq!(rebase(&job), want);
        assert!(!lab.files(&repo, "aq/wip/fix").contains(&"secret".to_owned()));
        let is_in = ["merge-base", "--is-ancestor", &dropped, "aq/wip/fix"];
        assert!(!lab.try_git(&repo, &is_in).0);
        assert_eq!(lab.rev(&repo, "refs/aq/rebased/fix"), old, "it is not lost");
        let started = start(&job);
        assert!(started.leftovers.left_out.is_empty() && !started.dir.join("secret").exists());
        assert_eq!(started.wip.unresolved().unwrap().is_empty(), !is_conflict);
        assert_eq!(started.wip.changes().unwrap().paths, ["a.txt"]);
    }
}

#[test]
fn work_of_deps_is_in_the_new_base() {
    let (lab, repo, job) = done();
    let dep = lab.start("dep", &repo);
    write(&dep.dir.join("of-dep"), "1\n");
    dep.wip.finish("dep: work").unwrap();
    commit(&lab, &repo, "other", "2\n");
    let tip = CommitId::parse(&lab.rev(&repo, "aq/wip/dep")).unwrap();
    let deps = [lab.job("dep", &repo)];
    assert_eq!(open(&job).rebase(&deps, &[]).unwrap(), RebaseResult::Clean);
    let started = start(&job);
    assert_eq!(started.wip.ground().deps, [DepTip { job: "dep".to_owned(), tip }]);
    assert_eq!(started.wip.changes().unwrap().paths, ["a.txt", "new"]);
    assert!(started.dir.join("of-dep").exists() && started.dir.join("other").exists());
    let unshipped = ["dep".to_owned()];
    let merged = started.wip.prepare_merge("aq: fix", &unshipped).unwrap();
    merged.land(&mut || Ok(())).unwrap();
    assert_eq!(lab.files(&repo, "main"), ["a.txt", "new", "other", "sub/b.txt"]);
}

/// A dep that the job began without, one that went on, and one that is there no more.
#[test]
fn new_bases_have_present_deps() {
    let (lab, repo) = Lab::with_repo();
    let save = |started: &StartedWork, file: &str| {
        write(&started.dir.join(file), "1\n");
        started.wip.finish(&format!("{file}: work")).unwrap();
    };
    let old = ["went-on", "deleted"].map(|name| lab.job(name, &repo));
    let went_on = start(&old[0]);
    save(&went_on, "first");
    save(&start(&old[1]), "unwanted");
    let job = CheckpointJob { start: StartPoint::Deps(old.to_vec()), ..lab.job("fix", &repo) };
    save(&start(&job), "new");
    save(&went_on, "second");
    save(&lab.start("late", &repo), "third");
    lab.git(&repo, &["branch", "-q", "-D", "aq/wip/deleted"]);
    commit(&lab, &repo, "other", "2\n");
    let deps = ["went-on", "deleted", "late"].map(|name| lab.job(name, &repo));
    for _ in 0..2 {
        assert_eq!(open(&job).rebase(&deps, &[]).unwrap(), RebaseResult::Clean);
        let started = start(&job);
        let names: Vec<&str> =
            started.wip.ground().deps.iter().map(|dep| dep.job.as_str()).collect();
        assert_eq!(names, ["went-on", "late"]);
        let files = ["a.txt", "first", "new", "other", "second", "sub/b.txt", "third"];
        assert_eq!(lab.files(&repo, "aq/wip/fix"), files);
        assert_eq!(started.wip.changes().unwrap().paths, ["new"]);
    }
}

#[test]
fn what_setup_made_is_no_obstacle() {
    let (lab, repo) = Lab::with_repo();
    let job = lab.job("fix", &repo);
    let started = start(&job);
    write(&started.dir.join("made"), "by setup\n");
    started.wip.note_setup().unwrap();
    write(&started.dir.join("new"), "1\n");
    started.wip.finish("fix: work").unwrap();
    commit(&lab, &repo, "other", "2\n");
    assert_eq!(rebase(&job), RebaseResult::Clean);
    let started = start(&job);
    assert!(!started.fresh && started.dir.join("other").exists());
    assert_eq!(text(&started, "made"), "by setup\n");
    commit(&lab, &repo, "made", "the target's\n");
    assert_eq!(rebase(&job), RebaseResult::Clean);
    let started = start(&job);
    assert!(started.fresh, "setup has to run again");
    assert_eq!(text(&started, "made"), "the target's\n");
}

#[test]
fn branches_that_others_use_stay() {
    let (lab, repo, job) = done();
    commit(&lab, &repo, "other", "2\n");
    lab.git(&repo, &["worktree", "add", "-q", "../mine", "aq/wip/fix"]);
    let before = lab.rev(&repo, "aq/wip/fix");
    let error = open(&job).rebase(&[], &[]).unwrap_err();
    assert!(matches!(error, CheckpointError::BranchHeld(_)), "{error}");
    assert_eq!(lab.rev(&repo, "aq/wip/fix"), before);
}

#[test]
fn work_of_in_place_jobs_goes_on_top() {
    let (lab, repo) = Lab::with_repo();
    let job = lab.in_place("fix", &repo);
    let started = start(&job);
    write(&repo.join("a.txt"), "the job's\n");
    started.wip.finish("fix: work").unwrap();
    drop(started);
    commit(&lab, &repo, "a.txt", "the user's\n");
    assert_eq!(rebase(&job), conflicts(&["a.txt"]));
    assert_eq!(lab.git(&repo, &["symbolic-ref", "HEAD"]), "refs/heads/main");
    let started = start(&job);
    assert_eq!(started.wip.unresolved().unwrap(), ["a.txt"]);
    write(&repo.join("a.txt"), "both\n");
    started.wip.finish("fix: attempt 2").unwrap();
    assert!(started.wip.unresolved().unwrap().is_empty());
}

/// The states after a kill at each step: made by undoing the later ones.
#[test]
fn kills_at_any_step_are_made_good() {
    for (undone, with_conflict) in (0..6).flat_map(|step| [(step, false), (step, true)]) {
        let (lab, repo, job) = done();
        commit(&lab, &repo, if with_conflict { "a.txt" } else { "other" }, "the user's\n");
        let old = lab.rev(&repo, "aq/wip/fix");
        let place = lab.place("fix");
        let copy = lab.path().join("copy");
        lab.shell(lab.path(), "cp -a queue copy");
        let rebased = rebase(&job);
        let note = job.base_file.with_extension("rebase");
        let new = lab.rev(&repo, "aq/wip/fix");
        let main = lab.rev(&repo, "main");
        let conflict = if with_conflict { "\na.txt" } else { "" };
        let ground = format!("target {main}\nbase {main}");
        let moving = format!(
            "moving true\nfrom {old}\nto {new}\nown {old}\nother {main}\nground\n{ground}\n\
             conflicts{conflict}\n"
        );
        if with_conflict {
            let written = fs::read_to_string(&note).unwrap();
            assert_eq!(written.replace("moving false", "moving true"), moving);
        }
        // After the note; the branch; the ground; some files; all files and the index; all of it.
        write(&note, &moving);
        if undone < 4 {
            fs::remove_dir_all(&place.dir).unwrap();
            fs::remove_dir_all(&place.control).unwrap();
            let queue = copy.display();
            lab.shell(&repo, &format!("cp -a {queue}/work/fix ../queue/work/fix"));
            lab.shell(&repo, &format!("cp -a {queue}/.state/checkouts ../queue/.state/"));
        }
        let root = place.root().unwrap();
        match (undone, with_conflict) {
            (3, true) => fs::remove_file(root.join("a.txt")).unwrap(),
            (3, false) => write(&root.join("other"), "the us"),
            _ => {}
        }
        if undone == 4 {
            write(&place.control.join("given"), &format!("{old}\n"));
        }
        if undone < 2 {
            fs::remove_file(job.base_file.with_extension("ground")).unwrap();
        }
        if undone == 0 {
            lab.git(&repo, &["update-ref", "refs/heads/aq/wip/fix", &old]);
        }
        let what = format!("{undone} {with_conflict}");
        if undone % 2 == 0 {
            // Recovery comes first.
            open(&job).finish("fix: recovered").unwrap();
        }
        assert_eq!(rebase(&job), rebased, "{what}");
        let started = start(&job);
        assert_eq!(lab.rev(&repo, "aq/wip/fix"), new, "{what}");
        assert_eq!(lab.git(&started.dir, &["rev-parse", "HEAD"]), new, "{what}");
        assert_eq!(lab.status(&started.dir), "", "{what}");
        assert_eq!(started.wip.base().as_str(), main, "{what}");
        assert!(started.leftovers.left_out.is_empty(), "{what}");
        assert_eq!(started.wip.unresolved().unwrap().is_empty(), !with_conflict, "{what}");
    }
}

#[test]
fn targets_keep_their_first_parents() {
    let (lab, repo, job) = done();
    commit(&lab, &repo, "a.txt", "the user's\n");
    let before = lab.rev(&repo, "main");
    assert_eq!(rebase(&job), conflicts(&["a.txt"]));
    let started = start(&job);
    write(&started.dir.join("a.txt"), "both\n");
    started.wip.finish("fix: both").unwrap();
    let prepared = open(&job).prepare_merge("aq: fix", &[]).unwrap();
    assert!(prepared.is_as_verified(), "the files are those of the branch");
    prepared.land(&mut || Ok(())).unwrap();
    // The commit with the markers is in the history of the job's branch alone.
    assert_eq!(lab.rev(&repo, "main^"), before);
    assert_eq!(lab.rev(&repo, "main^2"), lab.rev(&repo, "aq/wip/fix"));
    assert_eq!(lab.rev(&repo, "main^{tree}"), lab.rev(&repo, "aq/wip/fix^{tree}"));
}

/// A dep of another host has no branch here.
#[test]
fn distant_work_stays_in_new_bases() {
    let (lab, repo) = Lab::with_repo();
    let dep = lab.job("away", &repo);
    let away = start(&dep);
    write(&away.dir.join("fetched"), "1\n");
    away.wip.finish("away: work").unwrap();
    let job = CheckpointJob { start: StartPoint::Deps(vec![dep]), ..lab.job("fix", &repo) };
    let fix = start(&job);
    write(&fix.dir.join("new"), "1\n");
    fix.wip.finish("fix: work").unwrap();
    lab.git(&repo, &["branch", "-q", "-D", "aq/wip/away"]);
    commit(&lab, &repo, "other", "2\n");
    let distant = ["away".to_owned()];
    assert_eq!(open(&job).rebase(&[], &distant).unwrap(), RebaseResult::Clean);
    assert_eq!(lab.files(&repo, "aq/wip/fix"), ["a.txt", "fetched", "new", "other", "sub/b.txt"]);
    assert_eq!(start(&job).wip.changes().unwrap().paths, ["new"]);
}
