//! Work in progress goes with its job, through a git remote that both hosts know.

use std::fs;
use std::path::Path;
use std::process::Command;

use aq_manifest::Stage;

use super::lab::{Fleet, Host};
use crate::sandbox::wait_for;

/// A file on a branch of the remote, when it is there.
fn at_remote(remote: &Path, file: &str) -> Option<String> {
    let mut git = Command::new("git");
    git.arg("--git-dir").arg(remote).args(["show", &format!("aq/wip/job:{file}")]);
    let output = git.output().unwrap();
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

fn pushes_to(host: &Host, remote: &Path) {
    let config = format!("fleet: {{push-wip: {}, push-every: 1s}}\n", remote.display());
    fs::write(host.queue("config.yaml"), config).unwrap();
}

#[test]
fn the_next_host_goes_on_from_what_was_pushed_last() {
    let fleet = Fleet::new();
    let remote = fleet.out("remote.git");
    let (mut a, mut b) = (fleet.host_with_repository("a"), fleet.host("b"));
    let place = remote.to_str().unwrap();
    a.git(&["init", "-q", "--bare", place]);
    a.git(&["push", "-q", place, "main"]);
    b.git(&["clone", "-q", "-b", "main", place, "."]);
    b.git(&["config", "user.name", "Ada"]);
    b.git(&["config", "user.email", "ada@example.com"]);
    pushes_to(&a, &remote);
    pushes_to(&b, &remote);
    a.start();
    let body = "if [ -e first ]; then echo more >>first; echo x >second
                else echo of-a >first; sleep 1000; fi";
    let id = fleet.submit("job", "", body);
    // The agent is at work and has committed nothing.
    wait_for("a snapshot at the remote", || at_remote(&remote, "first").is_some());
    a.die();
    b.start();
    let view = fleet.wait_for(id, Stage::Shipped);
    assert_eq!(view.grants.len(), 2);
    b.wait_for_stage("job", "shipped");
    assert_eq!(b.on_branch("job", "first"), "of-a\nmore");
    assert_eq!(b.on_branch("job", "second"), "x");
    let diff = b.ok(&["diff", "job"]);
    for line in ["+of-a", "+more", "+x"] {
        assert!(diff.contains(line), "{line} is not in {diff}");
    }
    assert_eq!(at_remote(&remote, "second").as_deref(), Some("x\n"));
    assert_eq!(view.checkpoint.unwrap().branch.to_string(), "aq/wip/job");
}
