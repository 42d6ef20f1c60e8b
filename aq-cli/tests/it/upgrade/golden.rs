//! A queue that version 0.1 has made, from `golden/queue`, with its repository: jobs in all
//! folders.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::places::lab::PlacesLab;

/// Jobs that have a linked worktree, with the file that each has written.
const LINKED: [&str; 5] = ["done", "judged", "failed", "shipped", "lost"];

/// Lays out the queue in `p/.aq`, in the checkout of the repository `p`. Nobody trusts it yet.
///
/// `done` and `in-place` are in testing/, `judged` is in review/; `failed` has left work that is in
/// no commit, and so has `lost`, whose worker is dead; `shipped` is merged; `next` and `waits` are
/// in inbox/, the latter for `done`.
pub(crate) fn lay_out(lab: &mut PlacesLab) {
    // The records name the first commit.
    let known = lab.env.len();
    for variable in ["GIT_AUTHOR_DATE", "GIT_COMMITTER_DATE"] {
        lab.env.push((variable, "2026-01-01T00:00:00Z".to_owned()));
    }
    lab.repository("p");
    lab.env.truncate(known);
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/upgrade/golden/queue");
    copy(lab, &source, &lab.path("p/.aq"));
    fs::write(lab.path("p/.aq/.gitignore"), "*\n").unwrap();
    for name in ["quarantine", "profiles", ".state/tmp", ".state/locks"] {
        fs::create_dir_all(lab.path("p/.aq").join(name)).unwrap();
    }
    stamp(lab);
    for job in LINKED {
        branch(lab, job);
        if job != "lost" {
            commit(lab, job);
        }
    }
    lab.git("p", &["merge", "-q", "--ff-only", "aq/wip/shipped"]);
    fs::write(lab.path("p/.aq/.state/worktrees/failed/src/left.txt"), "1\n").unwrap();
    branch(lab, "in-place");
    commit(lab, "in-place");
    lab.git("p", &["worktree", "remove", ".aq/.state/worktrees/in-place"]);
}

/// A worktree for a job, with its file in it.
fn branch(lab: &PlacesLab, job: &str) {
    let queue = lab.path("p/.aq");
    let base = fs::read_to_string(queue.join(format!(".state/wip/{job}.base"))).unwrap();
    let worktree = queue.join(".state/worktrees").join(job);
    let (branch, path) = (format!("aq/wip/{job}"), worktree.to_str().unwrap());
    lab.git("p", &["worktree", "add", "-q", "-b", &branch, path, base.trim()]);
    fs::write(worktree.join(format!("src/{job}.txt")), "1\n").unwrap();
}

fn commit(lab: &PlacesLab, job: &str) {
    let worktree = format!("p/.aq/.state/worktrees/{job}");
    lab.git(&worktree, &["add", "-A"]);
    lab.git(&worktree, &["commit", "-q", "-m", &format!("{job}: attempt 1")]);
}

fn copy(lab: &PlacesLab, from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(lab, &entry.path(), &to);
        } else {
            let text = fs::read_to_string(entry.path()).unwrap();
            fs::write(
                to,
                text.replace("@ROOT@", lab.path("").to_str().unwrap().trim_end_matches('/')),
            )
            .unwrap();
        }
    }
}

/// Records the files of the jobs as they are here, as if they had never been elsewhere.
fn stamp(lab: &PlacesLab) {
    let queue = lab.path("p/.aq");
    let entries = fs::read_dir(queue.join(".state/meta")).unwrap();
    for record in entries.map(|entry| entry.unwrap().path()) {
        let job = record.file_stem().unwrap().to_str().unwrap();
        let about = file_of(&queue, job).metadata().unwrap();
        let (mtime, nsec) = (about.mtime(), about.mtime_nsec());
        let stamp = format!("{}:{mtime}.{nsec:09}:{}", about.len(), about.ino());
        let text = fs::read_to_string(&record).unwrap().replace("@STAMP@", &stamp);
        fs::write(record, text).unwrap();
    }
}

fn file_of(queue: &Path, job: &str) -> PathBuf {
    let files = crate::sandbox::STAGES.map(|stage| queue.join(stage).join(format!("{job}.md")));
    files.into_iter().find(|file| file.exists()).unwrap()
}

/// A trusted queue of version 0.1.
fn trusted() -> PlacesLab {
    let mut lab = PlacesLab::new();
    lay_out(&mut lab);
    lab.ok("p", &["trust"]);
    lab
}

fn files(lab: &PlacesLab, revision: &str) -> String {
    let list = lab.git("p", &["ls-tree", "--name-only", &format!("{revision}:src")]);
    list.replace('\n', " ")
}

fn folder(lab: &PlacesLab, job: &str) -> String {
    let file = file_of(&lab.path("p/.aq"), job);
    file.parent().unwrap().file_name().unwrap().to_str().unwrap().to_owned()
}

#[test]
fn a_look_at_an_old_queue_changes_nothing() {
    let mut lab = PlacesLab::new();
    lay_out(&mut lab);
    let record = |job: &str| fs::read_to_string(lab.path(&format!("p/.aq/.state/meta/{job}.meta")));
    let before = LINKED.map(|job| record(job).unwrap());
    let said = lab.aq("p", &["status"]);
    assert_eq!(said.code, 0, "{said:?}");
    for words in ["2 inbox", "1 building", "1 review", "2 testing", "1 shipped", "1 failed"] {
        assert!(said.out.contains(words), "{words}: {said:?}");
    }
    for (job, words) in [
        ("done", "has run; `aq ship done` accepts it"),
        ("judged", "waits for you"),
        ("failed", "retries exhausted (crash)"),
        ("shipped", "is shipped"),
        ("lost", "its worker died"),
        ("next", "the queue is not trusted"),
    ] {
        let why = lab.ok("p", &["why", job]);
        assert!(why.contains(words), "{job}: {why}");
    }
    assert!(lab.ok("p", &["diff", "done"]).contains("+++ b/src/done.txt"));
    assert!(lab.ok("p", &["logs", "failed"]).contains("no attempt is left"));
    assert!(lab.ok("p", &["insights", "done"]).contains("done"));
    assert_eq!(before, LINKED.map(|job| record(job).unwrap()));
    lab.ok("p", &["trust"]);
    let why = lab.ok("p", &["why", "waits"]);
    assert!(why.contains("waiting on done"), "{why}");
}

#[test]
fn jobs_of_version_0_1_run_where_they_were() {
    let lab = trusted();
    lab.ok("p", &["requeue", "failed"]);
    lab.ok("p", &["run", "--once", "--quiet"]);
    for job in ["lost", "next", "failed"] {
        assert_eq!(folder(&lab, job), "testing", "{job}");
        assert!(files(&lab, &format!("aq/wip/{job}")).contains(job), "{job}");
    }
    assert_eq!(files(&lab, "aq/wip/failed"), "b.txt failed.txt left.txt");
    let record = fs::read_to_string(lab.path("p/.aq/.state/meta/lost.meta")).unwrap();
    assert!(record.lines().any(|line| line == "attempts=2"), "{record}");
    assert!(!record.contains("\ncheckout="), "it has none of its own: {record}");
    let linked = |job: &str| lab.path(&format!("p/.aq/.state/worktrees/{job}")).exists();
    assert!(linked("lost") && linked("failed") && !linked("next"));
    assert_eq!(folder(&lab, "waits"), "inbox");
}

#[test]
fn jobs_of_version_0_1_ship_and_are_cleaned() {
    let lab = trusted();
    lab.ok("p", &["run", "--once", "--quiet"]);
    lab.ok("p", &["ship", "--merge", "done", "judged", "in-place", "lost", "next"]);
    lab.ok("p", &["run", "--once", "--quiet"]);
    lab.ok("p", &["ship", "--merge", "waits"]);
    let all = "b.txt done.txt in-place.txt judged.txt lost.txt next.txt shipped.txt waits.txt";
    assert_eq!(files(&lab, "main"), all);
    assert_eq!(lab.git("p", &["status", "--porcelain"]), "");
    lab.ok("p", &["clean", "--keep", "0"]);
    assert_eq!(lab.git("p", &["worktree", "list"]).lines().count(), 1);
    let list = ["for-each-ref", "--format=%(refname)", "refs/heads/aq", "refs/aq"];
    assert_eq!(lab.git("p", &list), "refs/heads/aq/wip/failed");
    // Also what no commit had.
    assert_eq!(files(&lab, "aq/wip/failed"), "b.txt failed.txt left.txt");
}

/// Version 0.1 puts records away, and does not know the checkouts of this version.
#[test]
fn checkouts_that_an_earlier_clean_left_are_put_away() {
    let lab = trusted();
    lab.ok("p", &["run", "--once", "--quiet"]);
    lab.ok("p", &["ship", "--merge", "next"]);
    let archive = lab.path("p/.aq/.archive/20260101T000000Z");
    fs::create_dir_all(&archive).unwrap();
    fs::rename(lab.path("p/.aq/.state/meta/next.meta"), archive.join("next.meta")).unwrap();
    let control = lab.path("p/.aq/.state/checkouts/next");
    assert!(control.is_dir());
    lab.ok("p", &["clean"]);
    assert!(!control.exists() && !lab.path("p/.aq/.state/meta/next.meta").exists());
    let list =
        ["for-each-ref", "--format=%(refname)", "refs/heads/aq/wip/next", "refs/aq/base/next"];
    assert_eq!(lab.git("p", &list), "");
    // And a job that came back is left as it is.
    assert!(lab.path("p/.aq/.state/worktrees/failed").exists());
}
