//! Runs of git: most of the cost of a small job in a repository, and the same on each machine.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use crate::sandbox::Sandbox;

/// A sandbox whose git writes down each of its runs.
fn counted() -> Sandbox {
    let mut sandbox = Sandbox::with_repository();
    let dir = sandbox.path("counter");
    fs::create_dir(&dir).unwrap();
    let path = std::env::var("PATH").unwrap();
    let found = Command::new("sh").args(["-c", "command -v git"]).output().unwrap().stdout;
    let real = String::from_utf8(found).unwrap();
    let runs = sandbox.path("runs");
    // The subcommand, and the options that tell one use of it from another.
    let script = format!(
        "#!/bin/sh\nsaid=\nskip=\nfor word; do\n\
         case $skip$word in -c) skip=1; continue ;; --*|-m) [ -n \"$said\" ] || continue ;; esac\n\
         if [ -n \"$skip\" ]; then skip=; continue; fi\n\
         case $said:$word in :*) said=$word ;; read-tree*:-[nu]) said=\"$said $word\" ;; esac\n\
         done\necho \"$said\" >> '{}'\nexec {} \"$@\"\n",
        runs.display(),
        real.trim()
    );
    let program = dir.join("git");
    fs::write(&program, script).unwrap();
    fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).unwrap();
    sandbox.set("PATH", format!("{}:{path}", dir.display()));
    sandbox
}

/// The runs of git that a command of aq's comes to. That a loop asks for the version once is none
/// of a job's.
fn runs_of(sandbox: &Sandbox, args: &[&str]) -> Vec<String> {
    let runs = sandbox.path("runs");
    fs::write(&runs, "").unwrap();
    sandbox.ok(args);
    let said = fs::read_to_string(runs).unwrap();
    said.lines().filter(|run| !run.is_empty()).map(str::to_owned).collect()
}

#[test]
fn a_small_job_takes_four_gits() {
    let sandbox = counted();
    sandbox.add("first", "", "echo 1 > first.txt");
    // The refs and settings of the repository are asked for once.
    let runs = runs_of(&sandbox, &["run", "--once"]);
    assert!(runs.len() <= 8, "{runs:?}");
    sandbox.add("second", "", "echo 2 > a.txt");
    let runs = runs_of(&sandbox, &["run", "--once"]);
    assert_eq!(runs, ["update-ref", "read-tree -u", "add", "commit"]);
    assert_eq!(sandbox.meta_value("second", "files_changed"), "1");
    assert_eq!(sandbox.meta_value("second", "lines_added"), "1");
    assert_eq!(sandbox.meta_value("second", "lines_deleted"), "1");
    sandbox.add("idle", "", "true");
    let runs = runs_of(&sandbox, &["run", "--once"]);
    // Files and index may be of one moment, and then git has to look.
    let runs: Vec<_> = runs.iter().filter(|run| *run != "add").collect();
    assert_eq!(runs, ["update-ref", "read-tree -u"]);
}

#[test]
fn a_landing_takes_seven_gits() {
    let sandbox = counted();
    fs::write(sandbox.queue("config.yaml"), "ship: merge\nmerge: {verify: 'true'}\n").unwrap();
    let land = |names: &[&str]| {
        for name in names {
            sandbox.add(name, "", &format!("echo {name} > {name}.txt"));
        }
        sandbox.ok(&["run", "--once"]);
        let runs = runs_of(&sandbox, &["run", "--once", "--ship"]);
        for name in names {
            assert_eq!(sandbox.folders(name), ["shipped"], "{}", sandbox.log(name));
        }
        runs
    };
    // The checkout of the train is made, and the first merge goes straight to the branch.
    land(&["zero", "one"]);
    let runs = land(&["two", "three", "four"]);
    // Where a file and its index are of one moment git has to look, once in each checkout.
    let looks = ["add", "ls-files", "read-tree -n"];
    let (looked, runs): (Vec<_>, Vec<_>) =
        runs.iter().map(String::as_str).partition(|run| looks.contains(run));
    // A branch of one commit goes in as it is.
    let straight = ["merge-base", "rev-list"];
    let straight = [&straight[..], &["diff-tree", "read-tree -u", "update-ref", "read-tree -u"]];
    let straight = straight.concat();
    let merge = ["merge-base", "merge-tree", "commit-tree", "diff-tree"];
    let merge = [&merge[..], &["read-tree -u", "update-ref", "read-tree -u"]].concat();
    // Git before 2.41 is asked for the attributes of the target in two more.
    let runs = runs.join(" ").replace("merge-tree ls-tree merge-tree", "merge-tree");
    assert_eq!(runs, [&straight[..], &merge, &merge].concat().join(" "));
    assert!(looked.len() <= 3 * 4, "{looked:?}");
}
