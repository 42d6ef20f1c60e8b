//! Signing in and acting, by clicking.

use serde_json::json;

use super::chrome::Chrome;
use super::server::{LOCAL, Server};
use crate::sandbox::{Sandbox, kill_child, wait_for};

/// The button of an action on a job's page.
fn button(id: &str, action: &str) -> String {
    format!("form[action=\"/jobs/{id}/{action}\"] button")
}

/// Forms that change something, beside that of the sign-in itself.
const FORMS: &str =
    "document.querySelectorAll('form[method=post]:not([action=\"/sign-in\"])').length";

fn queue() -> Sandbox {
    let sandbox = Sandbox::new();
    for id in ["good", "bad", "next"] {
        sandbox.add(id, "review-policy: human", "true");
    }
    sandbox.add("broken", "retry: {max: 1}", "exit 1");
    assert_eq!(sandbox.code(&["run", "--once", "--quiet"]).0, 1);
    sandbox
}

#[test]
fn nobody_acts_without_the_token() {
    let Some(chrome) = Chrome::start() else { return };
    let sandbox = queue();
    let server = Server::start_with(&sandbox, &["--listen", LOCAL, "--public"]);
    for path in ["/", "/jobs/good", "/jobs/broken", "/add"] {
        chrome.go(&server.url(path));
        chrome.wait_for("main");
        assert_eq!(chrome.value(FORMS), json!(0), "{path}");
    }
    chrome.click("a.sign");
    chrome.fill("#token", "0123456789abcdef0123");
    chrome.click("form button");
    chrome.wait_text(".problem", "This is not the token");
    assert_eq!(chrome.value("document.cookie"), json!(""), "no script can read it");
    // The browser notes the refusal itself.
    assert_eq!(chrome.complaints("403"), [""; 0]);
}

#[test]
fn printed_link_signs_person_in() {
    let Some(chrome) = Chrome::start() else { return };
    let sandbox = queue();
    let server = Server::start(&sandbox);
    chrome.go(&server.link);
    chrome.wait_text("button", "Sign out");
    assert_eq!(chrome.url(), server.url("/"));
    chrome.click(".sign button");
    // In the tab that shows the sign-in page, the link changes only what is behind the `#`.
    chrome.wait_text("h1", "Sign in");
    chrome.wait("location.pathname === '/sign-in'");
    chrome.run(&format!("location.href = {}", json!(server.link)));
    chrome.wait_text("button", "Sign out");
    // The link again: the token does not stay in the address.
    chrome.go(&server.link);
    chrome.wait_text("button", "Sign out");
    assert!(!chrome.url().contains(server.token()), "{}", chrome.url());

    let act = |id: &str, action: &str, said: &str, stage: &str| {
        chrome.go(&server.url(&format!("/jobs/{id}")));
        if action == "reject" {
            chrome.fill(&format!("form[action=\"/jobs/{id}/reject\"] input[name=reason]"), "ugly");
        }
        if action == "reply" {
            let words = format!("form[action=\"/jobs/{id}/reply\"] textarea[name=reason]");
            chrome.fill(&words, "Use tabs.");
        }
        chrome.click(&button(id, action));
        chrome.wait_text(".toast", said);
        // Without loading the page again.
        chrome.wait_text("#head", stage);
    };
    act("good", "ship", "good is shipped", "shipped");
    assert_eq!(sandbox.folders("good"), ["shipped"]);
    act("bad", "reject", "bad is rejected", "failed");
    assert_eq!(sandbox.folders("bad"), ["failed"]);
    assert!(sandbox.meta_value("bad", "message").contains("ugly"), "{:?}", sandbox.meta("bad"));
    act("bad", "reply", "bad is back in the inbox; its next attempt is told", "inbox");
    assert!(sandbox.ok(&["prompt", "--feedback", "bad"]).ends_with("Use tabs.\n"));
    act("next", "promote", "next is in testing/", "testing");
    assert_eq!(sandbox.folders("next"), ["testing"]);
    act("broken", "requeue", "broken is back in the inbox", "inbox");
    assert_eq!(sandbox.folders("broken"), ["inbox"]);

    chrome.keys("ga");
    chrome.wait("location.pathname === '/add'");
    chrome.fill("#name", "long");
    chrome.run("document.querySelector('#text').value = ''");
    chrome.fill("#text", "---\nengine: shell\ntimeout: never\n---\nsleep 600\n");
    chrome.click("main form button");
    // The fault is shown, and what was typed is not lost.
    chrome.wait_text(".problem", "timeout");
    assert!(
        chrome
            .value("document.querySelector('#text').value")
            .as_str()
            .unwrap()
            .contains("sleep 600")
    );
    chrome.run("document.querySelector('#text').value = ''");
    chrome.fill("#text", "---\nengine: shell\n---\nsleep 600\n");
    chrome.click("main form button");
    chrome.wait("location.pathname === '/jobs/long'");
    let mut run_loop = sandbox.start_loop(&[]);
    sandbox.wait_for_stage("long", "building");
    wait_for("the agent", || !sandbox.agents().is_empty());
    act("long", "stop", "long", "failed");
    wait_for("its end", || sandbox.folders("long") != ["building"]);
    kill_child(&mut run_loop);

    chrome.click(".sign button");
    chrome.wait_text("h1", "Sign in");
    chrome.go(&server.url("/jobs/next"));
    chrome.wait_text("h1", "Sign in");
    assert_eq!(chrome.value(FORMS), json!(0));
    // The refused job file is the one complaint.
    assert_eq!(chrome.complaints("400"), [""; 0]);
}

#[test]
fn link_elsewhere_finds_the_session() {
    let Some(chrome) = Chrome::start() else { return };
    let sandbox = queue();
    let server = Server::start(&sandbox);
    chrome.enter(&server, "/");
    // Another site to the browser, from which the cookie is not sent.
    let job = server.url("/jobs/good?view=log");
    chrome.go(&server.url("/sign-in").replace("127.0.0.1", "localhost"));
    chrome.wait_for("#token");
    chrome.run(&format!("location.href = {}", json!(job)));
    chrome.wait_text("h1", "good");
    assert_eq!(chrome.url(), job);
}

#[test]
fn promotion_goes_the_way_of_its_job() {
    let sandbox = Sandbox::with_repository();
    for (job, ship) in [("accepted", "accept"), ("merged", "merge"), ("back", "merge")] {
        sandbox.add(job, &format!("ship: {ship}"), &format!("echo {job} > {job}.txt"));
    }
    sandbox.ok(&["run", "--once", "--quiet"]);
    sandbox.commit("back.txt", "theirs\n");
    let server = Server::start(&sandbox);
    let (cookie, csrf) = server.sign_in(server.token());
    let origin = server.url("");
    let headers = [("cookie", &*cookie), ("origin", &*origin), ("accept", "application/json")];
    for (job, next, status, said, stage) in [
        ("accepted", "Promote and Ship accept the work", 200, "accepted is in shipped/", "shipped"),
        ("merged", "have the merge train", 200, "merged is merged into main and", "shipped"),
        ("back", "have the merge train", 409, "goes back to its agent", "inbox"),
    ] {
        let page = server.page(&format!("/jobs/{job}"));
        assert!(page.contains(next), "{page}");
        let post = format!("POST /jobs/{job}/promote");
        let answer = server.ask(&post, &headers, &format!("csrf={csrf}"));
        assert!(answer.status == status && answer.body.contains(said), "{}", answer.body);
        assert_eq!(sandbox.folders(job), [stage]);
    }
    assert_eq!(sandbox.git(&["show", "main:merged.txt"]), "merged");
    assert!(!sandbox.try_git(&["cat-file", "-e", "main:accepted.txt"]).0);
}
