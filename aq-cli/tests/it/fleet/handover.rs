//! Work in progress goes with its job, through a git remote that both hosts know.

use std::fs;
use std::path::Path;
use std::process::Command;

use aq_manifest::Stage;

use super::lab::{Fleet, Host};
use crate::sandbox::wait_for;

/// A file on a branch of the remote, when it is there.
pub(super) fn at_remote(remote: &Path, file: &str) -> Option<String> {
    let mut git = Command::new("git");
    git.arg("--git-dir").arg(remote).args(["show", &format!("aq/wip/job:{file}")]);
    let output = git.output().unwrap();
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

fn pushes_to(host: &Host, remote: &Path) {
    let config = format!("fleet: {{push-wip: {}, push-every: 1s}}\n", remote.display());
    fs::write(host.queue("config.yaml"), config).unwrap();
}

/// Two hosts, each with its clone of what is at the remote.
pub(super) fn two_hosts(fleet: &Fleet, remote: &Path) -> (Host, Host) {
    let (a, b) = (fleet.host_with_repository("a"), fleet.host("b"));
    let place = remote.to_str().unwrap();
    a.git(&["init", "-q", "--bare", place]);
    a.git(&["push", "-q", place, "main"]);
    b.git(&["clone", "-q", "-b", "main", place, "."]);
    b.git(&["config", "user.name", "Ada"]);
    b.git(&["config", "user.email", "ada@example.com"]);
    pushes_to(&a, remote);
    pushes_to(&b, remote);
    (a, b)
}

#[test]
fn next_host_resumes_pushed_work() {
    let fleet = Fleet::new();
    let remote = fleet.out("remote.git");
    let (mut a, mut b) = two_hosts(&fleet, &remote);
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

#[test]
fn the_next_host_is_told_of_a_failure() {
    let fleet = Fleet::new();
    let remote = fleet.out("remote.git");
    let (mut a, mut b) = two_hosts(&fleet, &remote);
    a.start();
    let body = "echo secret-of-a
                if [ -e second ]; then cp \"$AQ_FEEDBACK\" told
                elif [ -e first ]; then echo x >second; sleep 1000
                else echo x >first; exit 3; fi";
    let id = fleet.submit("job", "retry: {max: 9, backoff: 0s}", body);
    wait_for("a snapshot at the remote", || at_remote(&remote, "second").is_some());
    a.die();
    b.start();
    fleet.wait_for(id, Stage::Shipped);
    b.wait_for_stage("job", "shipped");
    let told = b.on_branch("job", "told");
    assert!(told.starts_with("This task was begun on another host."), "{told}");
    assert!(
        told.ends_with("(attempts: 1) did not succeed there: crash; files changed: 1."),
        "{told}"
    );
    assert!(!told.contains("secret-of-a"), "{told}");
}

#[test]
fn work_without_checkout_starts_afresh() {
    let fleet = Fleet::new();
    let remote = fleet.out("remote.git");
    let (mut a, mut b) = two_hosts(&fleet, &remote);
    // As git-lfs is where a content is missing.
    b.git(&["config", "filter.large.smudge", "echo no content >&2; false"]);
    b.git(&["config", "filter.large.clean", "cat"]);
    b.git(&["config", "filter.large.required", "true"]);
    a.start();
    let body = "if [ \"$AQ_TEST_HOST\" = b ]; then echo y >second; exit 0; fi
                echo '*.bin filter=large' >.gitattributes; echo x >first.bin; sleep 1000";
    let id = fleet.submit("job", "", body);
    wait_for("a snapshot at the remote", || at_remote(&remote, "first.bin").is_some());
    let pushed = a.git(&["--git-dir", remote.to_str().unwrap(), "rev-parse", "aq/wip/job"]);
    a.die();
    b.set("AQ_TEST_HOST", "b");
    b.start();
    fleet.wait_for(id, Stage::Shipped);
    b.wait_for_stage("job", "shipped");
    let log = b.log("job");
    assert!(log.contains("warning: starts afresh, because no checkout can be made"), "{log}");
    assert!(log.contains("no content") || log.contains("smudge filter large failed"), "{log}");
    assert_eq!(b.meta_value("job", "attempts"), "1");
    assert_eq!(b.git(&["rev-parse", "refs/aq/unusable/job"]), pushed);
    assert_eq!(b.on_branch("job", "second"), "y");
    assert_eq!(at_remote(&remote, "first.bin"), None);
}

#[test]
fn why_says_what_is_not_pushed() {
    let fleet = Fleet::new();
    let remote = fleet.out("remote.git");
    let mut host = fleet.host_with_repository("a");
    pushes_to(&host, &remote);
    host.start();
    let go_on = host.path("go-on");
    let body = format!("echo x >file; until [ -e {} ]; do sleep 0.05; done", go_on.display());
    let id = fleet.submit("job", "", &body);
    wait_for("the push to fail", || {
        host.queue("building/job.md").exists()
            && host.ok(&["why", "job"]).contains("not pushed for the next host: `git push` failed")
    });
    assert!(host.log("job").contains("warning: the work is not pushed"));
    host.git(&["init", "-q", "--bare", remote.to_str().unwrap()]);
    fs::write(go_on, "").unwrap();
    fleet.wait_for(id, Stage::Shipped);
    assert_eq!(host.meta_value("job", "push_error"), "");
    assert!(!host.ok(&["why", "job"]).contains("not pushed"));
    assert_eq!(at_remote(&remote, "file").as_deref(), Some("x\n"));
}
