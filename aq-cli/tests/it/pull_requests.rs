//! `ship: pr`: people merge a job's work on the forge, and the job follows.

use std::fs;

use serde_json::json;

use crate::fake_forge::{FakeForge, TOKEN};
use crate::sandbox::Sandbox;

const URL: &str = "https://forge.example/o/r/pull/1";

/// A repository with a forge, and a config that ships by pull requests.
fn project() -> (Sandbox, FakeForge) {
    let sandbox = Sandbox::with_repository();
    let forge = FakeForge::of(&sandbox);
    fs::write(sandbox.queue("config.yaml"), "ship: pr\n").unwrap();
    (sandbox, forge)
}

/// The same with a job `a` whose pull request is open.
fn open() -> (Sandbox, FakeForge) {
    let (sandbox, forge) = project();
    sandbox.add("a", "", "echo x > new.txt");
    let (code, said) = sandbox.code(&["run", "--once", "--ship"]);
    assert_eq!((code, sandbox.folders("a")), (0, vec!["testing"]), "{said}");
    assert_eq!(sandbox.meta_value("a", "pull_request"), URL, "{said}");
    (sandbox, forge)
}

#[test]
fn merged_requests_ship_their_jobs() {
    let (sandbox, forge) = project();
    let front = "verify: test -s new.txt\ntracker-item: T-1";
    sandbox.add("a", front, "# Add a file\necho x > new.txt");
    let (code, said) = sandbox.code(&["run", "--once", "--ship"]);
    assert_eq!(code, 0, "{said}");
    let waits = format!("a  waits for its pull request, which this run does not wait for: {URL}");
    assert!(said.contains(&waits), "{said}");
    let pull = &forge.pulls()[0];
    assert_eq!((pull.title.as_str(), pull.base.as_str()), ("Add a file", "main"));
    assert_eq!(forge.tip("aq/wip/a").unwrap(), sandbox.git(&["rev-parse", "aq/wip/a"]));
    for want in ["- attempts: 1", "- diff: 1 file, +1 -0", "- verify: passed", "- item: `T-1`"] {
        assert!(pull.body.contains(want), "{want}: {}", pull.body);
    }
    assert!(!pull.body.contains("echo x"), "{}", pull.body);
    // Everywhere where one looks.
    let status = sandbox.ok(&["status"]);
    assert!(status.contains(&format!("waits for its pull request: {URL}")), "{status}");
    assert!(sandbox.ok(&["why", "a"]).contains(URL));
    let shown = sandbox.json(&["status", "--json"]);
    assert_eq!(shown["jobs"][0]["pull_request"], URL);
    let reason = &shown["jobs"][0]["reason"];
    assert_eq!((&reason["code"], &reason["url"]), (&json!("pull_request"), &json!(URL)));
    // Again changes nothing.
    let again = sandbox.ok(&["ship", "a"]);
    assert_eq!(again, format!("a waits for its pull request: {URL}\n"));
    let posts = forge.server.told();
    assert_eq!(posts, ["POST /api/repos/o/r/pulls"], "{posts:?}");
    sandbox.ok(&["run", "--once"]);
    assert_eq!(sandbox.folders("a"), ["testing"]);

    forge.end(1, "merged");
    let said = sandbox.ok(&["run", "--once"]);
    assert!(said.contains("a  shipped"), "{said}");
    assert_eq!(sandbox.folders("a"), ["shipped"]);
    assert_eq!(sandbox.meta_value("a", "merged_into"), "main");
    let why = sandbox.ok(&["why", "a"]);
    assert!(
        why.contains("is shipped") && why.contains(&format!("; its pull request: {URL}")),
        "{why}"
    );
    let meta = fs::read_to_string(sandbox.queue(".state/meta/a.meta")).unwrap();
    assert!(!meta.contains(TOKEN) && !sandbox.log("a").contains(TOKEN));
}

#[test]
fn closed_requests_reject_their_jobs() {
    let (sandbox, forge) = open();
    forge.end(1, "closed");
    let (_, said) = sandbox.code(&["run", "--once"]);
    assert_eq!(sandbox.folders("a"), ["failed"], "{said}");
    assert_eq!(sandbox.meta_value("a", "result"), "rejected");
    let why = format!("the pull request {URL} was closed without a merge");
    assert_eq!(sandbox.meta_value("a", "message"), why);
    // Another try gets another request.
    sandbox.ok(&["requeue", "a"]);
    sandbox.ok(&["run", "--once", "--ship"]);
    let states: Vec<_> = forge.pulls().iter().map(|pull| pull.state).collect();
    assert_eq!(states, ["closed", "open"]);
}

#[test]
fn requests_merged_by_hand_ship() {
    let (sandbox, forge) = open();
    sandbox.git(&["merge", "-q", "--squash", "aq/wip/a"]);
    sandbox.git(&["commit", "-qm", "squashed"]);
    sandbox.git(&["push", "-q", "origin", "main"]);
    sandbox.git(&["reset", "-q", "--hard", "HEAD~1"]);
    forge.end(1, "closed");
    sandbox.ok(&["run", "--once"]);
    assert_eq!(sandbox.folders("a"), ["shipped"]);
    assert_eq!(sandbox.meta_value("a", "merged_into"), "main");
}

#[test]
fn nonsense_changes_nothing_and_is_said_once() {
    let (sandbox, forge) = open();
    for (status, body) in [
        (500, "{}"),
        (200, "{\"number\": 1}"),
        (200, "<html>"),
        (404, "{\"message\": \"Not Found\u{1b}[2J\"}"),
        (301, "http://127.0.0.1:1/"),
    ] {
        forge.fail(status, body);
        let (code, said) = sandbox.code(&["run", "--once"]);
        assert_eq!((code, sandbox.folders("a")), (0, vec!["testing"]), "{status}: {said}");
        assert_eq!(said.matches("warning: a: GitHub").count(), 1, "{status}: {said}");
        assert!(!said.contains('\u{1b}'), "{said}");
        let why = sandbox.ok(&["why", "a"]);
        assert!(why.contains("its pull request: GitHub"), "{why}");
    }
    forge.mend();
    sandbox.ok(&["run", "--once"]);
    assert!(!sandbox.ok(&["why", "a"]).contains("its pull request: GitHub"));
    forge.end(1, "merged");
    sandbox.ok(&["run", "--once"]);
    assert_eq!(sandbox.folders("a"), ["shipped"]);
}

#[test]
fn requests_that_cannot_be_opened_are_opened_later() {
    let (sandbox, forge) = project();
    sandbox.add("a", "", "echo x > new.txt");
    forge.fail(503, "{}");
    let (code, said) = sandbox.code(&["run", "--once", "--ship"]);
    assert_eq!((code, sandbox.folders("a")), (0, vec!["testing"]), "{said}");
    assert!(said.contains("warning: a: GitHub does not answer"), "{said}");
    let (code, said) = sandbox.code(&["ship", "a"]);
    assert_eq!(code, 5, "{said}");
    forge.mend();
    // What was begun is completed by any loop.
    sandbox.ok(&["run", "--once"]);
    assert_eq!(forge.pulls().len(), 1);
    assert_eq!(sandbox.meta_value("a", "pull_request_open"), "1");
    assert_eq!(sandbox.meta_value("a", "pull_request_error"), "");
}

#[test]
fn commits_of_others_are_respected() {
    let (sandbox, forge) = open();
    let other = sandbox.path("other");
    sandbox.git(&["clone", "-q", "-b", "aq/wip/a", "../hub.git", other.to_str().unwrap()]);
    let there = ["-C", other.to_str().unwrap()];
    let user = ["-c", "user.name=B", "-c", "user.email=b@example.com"];
    let commit = ["commit", "-q", "--allow-empty", "-m", "by a person"];
    sandbox.git(&[&there[..], &user, &commit].concat());
    sandbox.git(&[&there[..], &["push", "-q"]].concat());
    let theirs = forge.tip("aq/wip/a");
    // Nothing of the job's is new.
    sandbox.ok(&["ship", "a"]);
    assert_eq!(forge.tip("aq/wip/a"), theirs);
    fs::write(sandbox.own("a", "new.txt"), "corrected\n").unwrap();
    let (code, said) = sandbox.code(&["ship", "a"]);
    assert!(code == 4 && said.contains("has commits of somebody else"), "{code} {said}");
    assert_eq!((forge.tip("aq/wip/a"), sandbox.folders("a")), (theirs, vec!["testing"]));
    assert!(sandbox.ok(&["status"]).contains("`aq why` has the error"));
}

#[test]
fn further_work_goes_into_the_same_request() {
    let (sandbox, forge) = project();
    sandbox.add("a", "", "echo $AQ_ATTEMPT >> new.txt");
    sandbox.ok(&["run", "--once", "--ship"]);
    let first = forge.tip("aq/wip/a");
    sandbox.ok(&["reply", "a", "once more"]);
    sandbox.ok(&["run", "--once", "--ship"]);
    assert_eq!(sandbox.folders("a"), ["testing"]);
    assert_eq!(forge.pulls().len(), 1);
    assert_ne!(forge.tip("aq/wip/a"), first);
    assert_eq!(forge.tip("aq/wip/a").unwrap(), sandbox.git(&["rev-parse", "aq/wip/a"]));
    forge.end(1, "merged");
    sandbox.ok(&["run", "--once"]);
    assert_eq!(sandbox.folders("a"), ["shipped"]);
}

#[test]
fn people_choose_the_way() {
    let (sandbox, forge) = project();
    sandbox.add("a", "ship: accept", "echo x > a");
    sandbox.add("b", "review-policy: human", "echo x > b");
    sandbox.add("c", "", "echo x > c");
    sandbox.add("none", "", "true");
    sandbox.ok(&["run", "--once"]);
    sandbox.ok(&["ship", "a"]);
    assert_eq!(sandbox.folders("a"), ["shipped"]);
    // Nobody has verified it.
    let said = sandbox.ok(&["ship", "--pr", "b"]);
    assert!(said.starts_with("b waits for its pull request, opened just now: "), "{said}");
    assert_eq!(sandbox.folders("b"), ["testing"]);
    assert!(forge.pulls()[0].body.contains("- verify: not run"));
    sandbox.ok(&["ship", "--accept", "b", "c"]);
    assert_eq!((sandbox.folders("b"), sandbox.folders("c")), (vec!["shipped"], vec!["shipped"]));
    assert_eq!(forge.pulls().len(), 1);
    let (code, said) = sandbox.code(&["ship", "none"]);
    assert!(code == 4 && said.contains("has changed nothing"), "{code} {said}");
}

#[test]
fn what_is_not_set_up_is_named() {
    let (mut sandbox, forge) = project();
    sandbox.add("a", "", "echo x > new.txt");
    sandbox.ok(&["run", "--once"]);
    sandbox.set("AQ_GITHUB_TOKEN", "");
    let (code, said) = sandbox.code(&["ship", "a"]);
    assert!(code == 2 && said.contains("read and write pull requests"), "{code} {said}");
    sandbox.set("AQ_GITHUB_TOKEN", "wrong");
    let (code, said) = sandbox.code(&["ship", "a"]);
    assert!(code == 4 && said.contains("GitHub refuses the token"), "{code} {said}");
    assert!(!said.contains("wrong"), "{said}");
    sandbox.set("AQ_GITHUB_TOKEN", TOKEN);
    sandbox.git(&["remote", "set-url", "origin", "https://me:hunter2@gitlab.example/o/r.git"]);
    let (code, said) = sandbox.code(&["ship", "a"]);
    assert!(code == 4 && said.contains("no repository at 127.0.0.1"), "{code} {said}");
    assert!(!said.contains("hunter2"), "{said}");
    assert_eq!((sandbox.folders("a"), forge.pulls().len()), (vec!["testing"], 0));
}
