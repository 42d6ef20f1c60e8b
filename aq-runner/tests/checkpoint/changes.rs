//! A job's changes, as its worker knows them from its own commit, and as git says them.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use aq_runner::checkpoint::JobBranch;

use crate::lab::{Lab, write};

/// The way of a job to change files.
type JobWork = fn(&Path);

#[test]
fn known_changes_are_those_of_git() {
    let work: [(&str, JobWork); 9] = [
        ("new", |dir| write(&dir.join("new/file"), "1\n2\n")),
        ("changed", |dir| write(&dir.join("sub/b.txt"), "2\n3\n")),
        ("removed", |dir| fs::remove_file(dir.join("a.txt")).unwrap()),
        ("renamed", |dir| fs::rename(dir.join("long.txt"), dir.join("longer.txt")).unwrap()),
        ("binary", |dir| fs::write(dir.join("binary"), b"\0\x01\n").unwrap()),
        ("mode", |dir| {
            fs::set_permissions(dir.join("a.txt"), PermissionsExt::from_mode(0o755)).unwrap();
        }),
        ("directory", |dir| {
            fs::remove_file(dir.join("a.txt")).unwrap();
            write(&dir.join("a.txt/inner\nline"), "1\n");
            symlink("nowhere", dir.join("link")).unwrap();
        }),
        ("attributes", |dir| {
            write(&dir.join(".gitattributes"), "* -diff\n");
            write(&dir.join("a.txt"), "3\n");
        }),
        ("nothing", |_| {}),
    ];
    let (lab, repo) = Lab::with_repo();
    write(&repo.join("long.txt"), &"line\n".repeat(100));
    lab.git(&repo, &["add", "-A"]);
    lab.git(&repo, &["commit", "-q", "-m", "long"]);
    // It would count otherwise.
    lab.git(&repo, &["config", "diff.algorithm", "histogram"]);
    for (name, change) in work {
        let started = lab.start(name, &repo);
        change(&started.dir);
        started.wip.finish(&format!("{name}: attempt 1")).unwrap();
        let known = started.wip.changes().unwrap();
        let asked = JobBranch::open(&lab.job(name, &repo)).unwrap().unwrap().changes().unwrap();
        assert_eq!(known, asked, "{name}");
        assert_eq!(known.paths.is_empty(), name == "nothing");
        // The second commit is none on top of the base.
        write(&started.dir.join("more"), "1\n");
        started.wip.finish(&format!("{name}: attempt 2")).unwrap();
        assert!(started.wip.changes().unwrap().paths.contains(&"more".to_owned()));
    }
}
