//! Every kind of repository.

use std::fs;
use std::path::{Path, PathBuf};

use aq_runner::checkpoint::{CheckoutHead, GitRepository, JobBranch, RemovalOutcome};

use crate::lab::{Lab, left, start, write};

fn discover(lab: &Lab, dir: &Path) -> Option<GitRepository> {
    GitRepository::discover(dir, &lab.job("none", dir).marks).unwrap()
}

#[test]
fn outside_git_there_is_none() {
    let lab = Lab::new();
    assert!(discover(&lab, lab.path()).is_none());
    write(&lab.path().join("HEAD"), "no repository\n");
    fs::create_dir_all(lab.path().join("objects")).unwrap();
    fs::create_dir_all(lab.path().join("refs")).unwrap();
    assert!(discover(&lab, lab.path()).is_none());
    assert!(JobBranch::start(&lab.job("fix", lab.path())).unwrap().is_none());
    assert!(GitRepository::discover(&lab.path().join("gone"), &[]).is_err());
}

/// Else its jobs would run among the user's own files, or begin with nothing.
#[test]
fn unreadable_repository_is_an_error() {
    let (_lab, repo) = Lab::with_repo();
    let refused = |file: &str, text: &str| {
        let path = repo.join(".git").join(file);
        let before = fs::read(&path).unwrap();
        write(&path, text);
        let found = GitRepository::discover(&repo.join("sub"), &[]);
        fs::write(path, before).unwrap();
        found.unwrap_err().to_string()
    };
    for damage in ["", "\0\0\0\0", "no branch\n"] {
        let said = refused("HEAD", damage);
        assert!(said.contains(".git is there, but git cannot read it"), "{damage:?}: {said}");
    }
    let said = refused("refs/heads/main", "");
    assert!(said.contains("git"), "{said}");
}

#[test]
fn a_subdirectory_knows_its_place() {
    let (lab, repo) = Lab::with_repo();
    let found = discover(&lab, &repo.join("sub")).unwrap();
    assert_eq!(found.root(), Some(repo.as_path()));
    assert_eq!(found.prefix(), Path::new("sub"));
    assert_eq!(found.common_dir(), repo.join(".git"));
    assert!(matches!(found.head(), CheckoutHead::Branch(name, _) if name == "refs/heads/main"));
}

#[test]
fn detached_head_is_a_base() {
    let (lab, repo) = Lab::with_repo();
    lab.git(&repo, &["checkout", "-q", "--detach"]);
    assert!(matches!(discover(&lab, &repo).unwrap().head(), CheckoutHead::Detached(_)));
    let started = lab.start("fix", &repo);
    write(&started.dir.join("new"), "1");
    assert!(started.wip.finish("work").unwrap().commit.is_some());
    let error = started.wip.merge("merge").unwrap_err().to_string();
    assert!(error.contains("no branch to merge into"), "{error}");
}

#[test]
fn a_bare_repository_has_jobs() {
    let (lab, repo) = Lab::with_repo();
    let bare = lab.path().join("bare.git");
    lab.git(lab.path(), &["clone", "-q", "--bare", repo.to_str().unwrap(), "bare.git"]);
    assert_eq!(discover(&lab, &bare).unwrap().root(), None);
    let started = lab.start("fix", &bare);
    write(&started.dir.join("new"), "1");
    started.wip.finish("work").unwrap();
    assert_eq!(lab.show(&bare, "aq/wip/fix:new"), "1");
    started.wip.merge("merge").unwrap();
    assert_eq!(lab.show(&bare, "main:new"), "1");
    let error = JobBranch::start(&lab.in_place("other", &bare)).unwrap_err().to_string();
    assert!(error.contains("isolation: worktree"), "{error}");
}

#[test]
fn unborn_repository_gets_a_commit() {
    let lab = Lab::new();
    let repo = lab.path().join("repo");
    lab.git(lab.path(), &["init", "-q", "-b", "main", "repo"]);
    write(&repo.join("draft"), "the user's own\n");
    assert_eq!(
        *discover(&lab, &repo).unwrap().head(),
        CheckoutHead::Unborn("refs/heads/main".into())
    );

    let started = lab.start("fix", &repo);
    assert_eq!(lab.files(&repo, "aq/wip/fix"), Vec::<String>::new());
    write(&started.dir.join("new"), "1");
    started.wip.finish("work").unwrap();
    assert!(!lab.try_git(&repo, &["rev-parse", "--verify", "main"]).0, "main has no commit yet");

    let merged = started.wip.merge("merge").unwrap();
    assert_eq!(merged.checkout.as_deref(), Some(repo.as_path()));
    assert_eq!(lab.status(&repo), "?? draft");
    assert_eq!(fs::read_to_string(repo.join("new")).unwrap(), "1");
}

#[test]
fn branch_in_way_is_named() {
    for (in_place, other) in [(false, "aq"), (true, "aq/wip"), (false, "aq/wip/fix/more")] {
        let (lab, repo) = Lab::with_repo();
        lab.git(&repo, &["checkout", "-q", "-b", other]);
        lab.git(&repo, &["pack-refs", "--all"]);
        let job = if in_place { lab.in_place("fix", &repo) } else { lab.job("fix", &repo) };
        let error = JobBranch::start(&job).unwrap_err().to_string();
        let says = format!("the branch aq/wip/fix beside the branch {other}; rename");
        assert!(error.contains(&says), "{error}");
        lab.git(&repo, &["branch", "-m", other, "mine"]);
        let started = start(&job);
        write(&started.dir.join("new"), "1");
        started.wip.finish("work").unwrap();
        assert_eq!(started.wip.merge("merge").unwrap().into, "mine");
    }
}

#[test]
fn linked_worktree_gives_own_head() {
    let (lab, repo) = Lab::with_repo();
    let linked = lab.path().join("linked");
    lab.git(&repo, &["worktree", "add", "-q", "../linked", "-b", "feature"]);
    write(&linked.join("feature"), "1");
    lab.git(&linked, &["add", "-A"]);
    lab.git(&linked, &["commit", "-q", "-m", "feature"]);
    let found = discover(&lab, &linked).unwrap();
    assert_eq!(found.root(), Some(linked.as_path()));
    assert_eq!(found.common_dir(), repo.join(".git"));

    let started = lab.start("fix", &linked);
    assert!(started.dir.join("feature").exists());
    write(&started.dir.join("new"), "1");
    started.wip.finish("work").unwrap();
    assert_eq!(started.wip.merge("merge").unwrap().into, "feature");
    assert!(linked.join("new").exists() && !repo.join("new").exists());
}

fn with_submodule(lab: &Lab) -> PathBuf {
    let inner = lab.repo("inner");
    let outer = lab.repo("outer");
    let url = inner.to_str().unwrap();
    lab.git(
        &outer,
        &["-c", "protocol.file.allow=always", "submodule", "--quiet", "add", url, "mod"],
    );
    lab.git(&outer, &["commit", "-q", "-m", "submodule"]);
    outer
}

#[test]
fn job_can_work_in_submodule() {
    let lab = Lab::new();
    let outer = with_submodule(&lab);
    let module = outer.join("mod");
    assert_eq!(discover(&lab, &module).unwrap().root(), Some(module.as_path()));
    let started = lab.start("fix", &module.join("sub"));
    write(&started.dir.join("new"), "1");
    started.wip.finish("work").unwrap();
    assert_eq!(lab.files(&module, "aq/wip/fix"), ["a.txt", "sub/b.txt", "sub/new"]);
    assert_eq!(lab.status(&outer), "");
    started.wip.merge("merge").unwrap();
    assert!(module.join("sub/new").exists());
}

#[test]
fn commit_of_submodule_is_saved() {
    let lab = Lab::new();
    let outer = with_submodule(&lab);
    let started = lab.start("fix", &outer);
    // Empty folders of submodules that nobody filled are no deletions.
    write(&started.dir.join("new"), "1");
    started.wip.checkpoint("work").unwrap();
    let pointer = lab.rev(&outer, "main:mod");
    assert_eq!(lab.rev(&outer, "aq/wip/fix:mod"), pointer);

    let update = ["-c", "protocol.file.allow=always", "submodule", "--quiet", "update", "--init"];
    lab.git(&started.dir, &update);
    let module = started.dir.join("mod");
    write(&module.join("a.txt"), "changed\n");
    lab.git(&module, &["commit", "-q", "-a", "-m", "inner"]);
    started.wip.finish("work").unwrap();
    assert_eq!(lab.rev(&outer, "aq/wip/fix:mod"), lab.rev(&module, "HEAD"));
    assert_eq!(started.wip.changes().unwrap().paths, ["mod", "new"]);
    let removed = started.wip.remove().unwrap();
    assert!(matches!(removed, RemovalOutcome::NotSaved { .. }), "{removed:?}");
}

#[test]
fn files_in_place_of_a_submodule_are_told() {
    let lab = Lab::new();
    let outer = with_submodule(&lab);
    let started = lab.start("fix", &outer);
    let module = started.dir.join("mod");
    write(&module.join("deep/new"), "1");
    let told = left(&started.wip.checkpoint("work").unwrap());
    assert!(told.starts_with("mod: files are where a submodule is to be"), "{told}");
    fs::remove_dir_all(&module).unwrap();
    write(&module, "a file\n");
    assert_eq!(left(&started.wip.checkpoint("work").unwrap()), "");
    assert_eq!(lab.show(&outer, "aq/wip/fix:mod"), "a file");
}

#[test]
fn uncommitted_inner_work_is_named() {
    let lab = Lab::new();
    let outer = with_submodule(&lab);
    let started = lab.start("fix", &outer);
    let left_out = || left(&started.wip.checkpoint("work").unwrap());
    assert_eq!(left_out(), "", "a submodule without files has no changes");
    let update = ["-c", "protocol.file.allow=always", "submodule", "--quiet", "update", "--init"];
    lab.git(&started.dir, &update);
    let module = started.dir.join("mod");
    write(&started.dir.join("new"), "1");
    assert_eq!(left_out(), "", "nor one in which nothing has changed");
    let named = "mod: a repository inside has changes that are not committed (made)";
    write(&module.join("made"), "1");
    assert_eq!(left_out(), named);
    write(&started.dir.join("new"), "2");
    assert_eq!(left_out(), named);
    // The long way.
    lab.git(&started.dir, &["checkout", "-q", "--detach"]);
    write(&started.dir.join("new"), "3");
    assert_eq!(left_out(), named);
    assert_eq!(lab.show(&outer, "aq/wip/fix:new"), "3");
    let removed = started.wip.remove().unwrap();
    assert!(matches!(removed, RemovalOutcome::NotSaved { .. }), "{removed:?}");
    assert!(module.join("made").exists());
    lab.git(&started.dir, &["config", "submodule.mod.ignore", "all"]);
    assert_eq!(left_out(), named, "what the agent sets is not what the user says");
    lab.git(&outer, &["config", "submodule.mod.ignore", "untracked"]);
    assert_eq!(left_out(), "", "the user does not care");
    write(&module.join("a.txt"), "changed\n");
    assert_eq!(left_out(), named.replace("made", "a.txt"));
    lab.git(&module, &["add", "-A"]);
    lab.git(&module, &["commit", "-q", "-m", "inner"]);
    let told = left_out();
    assert!(
        told.starts_with("mod: a repository inside has a commit that no remote has;"),
        "{told}"
    );
    // It is there for the user all the same.
    let pointer = lab.rev(&outer, "aq/wip/fix:mod");
    assert_eq!(lab.rev(&outer.join("mod"), "refs/aq/submodule/fix"), pointer);
    assert_eq!(pointer, lab.rev(&module, "HEAD"));
}

#[test]
fn uncommitted_clone_work_is_named() {
    let (lab, repo) = Lab::with_repo();
    let other = lab.repo("other");
    for job in [lab.job("fix", &repo), lab.in_place("borrowed", &repo)] {
        let started = start(&job);
        lab.git(&started.dir, &["clone", "-q", other.to_str().unwrap(), "inner"]);
        assert_eq!(left(&started.wip.checkpoint("work").unwrap()), "");
        assert_eq!(lab.git(&repo, &["ls-tree", started.wip.branch(), "inner"]), "", "no pointer");
        write(&started.dir.join("inner/new"), "1");
        let told = left(&started.wip.finish("work").unwrap());
        assert!(told.starts_with("inner: "), "{told}");
    }
}

#[test]
fn a_sparse_checkout_deletes_nothing() {
    let (lab, repo) = Lab::with_repo();
    write(&repo.join("other/c.txt"), "three\n");
    lab.git(&repo, &["add", "-A"]);
    lab.git(&repo, &["commit", "-q", "-m", "more"]);
    let started = lab.start("fix", &repo);
    lab.git(&started.dir, &["sparse-checkout", "set", "sub"]);
    assert!(!started.dir.join("other").exists());
    write(&started.dir.join("sub/new"), "1");
    started.wip.finish("work").unwrap();
    assert_eq!(started.wip.changes().unwrap().paths, ["sub/new"]);
}

#[test]
fn sha256_repositories_work() {
    let lab = Lab::new();
    let repo = lab.path().join("repo");
    lab.git(lab.path(), &["init", "-q", "-b", "main", "--object-format=sha256", "repo"]);
    let started = lab.start("fix", &repo);
    write(&started.dir.join("new"), "1");
    assert_eq!(started.wip.finish("work").unwrap().commit.unwrap().as_str().len(), 64);
}

#[test]
fn branches_in_tables_are_moved_as_well() {
    let lab = Lab::new();
    let repo = lab.path().join("repo");
    let (known, _) = lab.try_git(lab.path(), &["init", "-q", "--ref-format=reftable", "repo"]);
    if !known {
        println!("skipped: this git is older than 2.45");
        return;
    }
    lab.git(&repo, &["commit", "-q", "--allow-empty", "-m", "first"]);
    for isolation in ["worktree", "in place"] {
        let job = if isolation == "worktree" {
            lab.job("one", &repo)
        } else {
            lab.in_place("two", &repo)
        };
        let started = start(&job);
        write(&started.dir.join("new"), "1");
        assert!(started.wip.finish("work").unwrap().commit.is_some(), "{isolation}");
        assert_eq!(started.wip.changes().unwrap().paths, ["new"], "{isolation}");
        assert_eq!(lab.show(&repo, &format!("{}:new", started.wip.branch())), "1", "{isolation}");
    }
}
