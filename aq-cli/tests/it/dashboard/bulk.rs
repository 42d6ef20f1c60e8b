//! One step of many jobs at once.

use serde_json::{Value, json};

use super::chrome::Chrome;
use super::server::Server;
use crate::sandbox::Sandbox;

/// Three jobs in review, and one that has failed.
fn queue() -> Sandbox {
    let sandbox = Sandbox::new();
    for id in ["a", "b", "c"] {
        sandbox.add(id, "review-policy: human", "true");
    }
    sandbox.add("broken", "retry: {max: 1}", "exit 1");
    assert_eq!(sandbox.code(&["run", "--once", "--quiet"]).0, 1);
    sandbox
}

#[test]
fn each_of_many_jobs_goes_by_itself() {
    let sandbox = queue();
    let server = Server::start(&sandbox);
    let (cookie, csrf) = server.sign_in(server.token());
    let ours = server.url("");
    let json = ("accept", "application/json");
    let post = |headers: &[(&str, &str)], form: &str| {
        let headers = [&[("cookie", &*cookie), ("origin", &*ours)], headers].concat();
        server.ask("POST /jobs", &headers, &format!("csrf={csrf}&{form}"))
    };
    let answer = post(&[json], "step=ship&job=a&job=broken&job=b&job=nobody");
    assert_eq!(answer.status, 409, "{}", answer.body);
    let body: Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(body["refused"], serde_json::json!(["broken", "nobody"]));
    let message = body["message"].as_str().unwrap();
    assert!(message.starts_with("done with 2 of 4 jobs\nbroken: "), "{message}");
    for id in ["a", "b"] {
        assert_eq!(sandbox.folders(id), ["shipped"]);
    }
    let answer = post(&[json], "step=reject&reason=not+now&job=c");
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert!(sandbox.meta_value("c", "message").contains("not now"));
    // Without a script it is a page, or the board again.
    let answer = post(&[], "step=requeue&job=c&job=a");
    assert_eq!(answer.status, 409, "{}", answer.body);
    assert!(answer.body.contains("Done with 1 of 2 jobs"), "{}", answer.body);
    let answer = post(&[], "step=requeue&job=broken");
    assert_eq!((answer.status, answer.header("location")), (303, "/"));
    for id in ["c", "broken"] {
        assert_eq!(sandbox.folders(id), ["inbox"]);
    }
    for wrong in ["step=ship", "step=stop&job=a", "job=a", "step=ship&job=..%2Fa"] {
        assert!([400, 404].contains(&post(&[json], wrong).status), "{wrong}");
    }
    let many: String = (0..1_001).map(|n| format!("&job=j{n}")).collect();
    assert_eq!(post(&[json], &format!("step=ship{many}")).status, 400);
}

#[test]
fn nobody_acts_on_many_jobs_from_elsewhere() {
    let sandbox = queue();
    let server = Server::start(&sandbox);
    let (cookie, csrf) = server.sign_in(server.token());
    let ours = server.url("");
    let form = format!("csrf={csrf}&step=ship&job=a");
    let cookie = ("cookie", &*cookie);
    for (headers, form) in [
        (vec![("origin", &*ours)], &*form),
        (vec![cookie], &form),
        (vec![cookie, ("origin", "http://evil.example")], &form),
        (vec![cookie, ("origin", &ours), ("sec-fetch-site", "cross-site")], &form),
        (vec![cookie, ("origin", &ours)], "csrf=0&step=ship&job=a"),
        (vec![cookie, ("origin", &ours)], "step=ship&job=a"),
    ] {
        let answer = server.ask("POST /jobs", &headers, form);
        assert_eq!(answer.status, 403, "{headers:?} {form}: {}", answer.body);
    }
    assert_eq!(server.get(&format!("/jobs?{form}")).status, 405);
    assert_eq!(sandbox.folders("a"), ["review"]);
    let server = Server::start_with(&sandbox, &["--listen", "127.0.0.1:0", "--public"]);
    let page = server.ask("GET /", &[], "").body;
    assert!(!page.contains("type=\"checkbox\"") && !page.contains("bulk"), "{page}");
}

#[test]
fn jobs_are_selected_by_keyboard_and_mouse() {
    let Some(chrome) = Chrome::start() else { return };
    let sandbox = queue();
    let server = Server::start(&sandbox);
    chrome.enter(&server, "/");
    chrome.wait_text(".live", "live");
    let is_shown = || chrome.value("!document.querySelector('#bulk').hidden");
    assert_eq!(is_shown(), json!(false));
    chrome.keys("jxjx");
    chrome.wait_text("#selected", "2 selected");
    chrome.keys("x");
    chrome.wait_text("#selected", "1 selected");
    // There is nothing to do with all of what waits.
    assert_eq!(
        chrome.value("document.querySelectorAll('[data-stage=inbox] .slot > input').length"),
        json!(0)
    );
    // What is selected stays so when its column is drawn anew.
    sandbox.ok(&["ship", "c"]);
    chrome.wait_text("[data-stage=review] .count", "2");
    chrome.wait_text("#selected", "1 selected");
    chrome.click(".slot:has([data-job=b]) input");
    chrome.click(".slot:has([data-job=broken]) input");
    chrome.wait_text("#selected", "3 selected");
    // Enter in the field is no button.
    chrome.fill("#bulk [name=reason]", "ugly\u{e007}");
    chrome.keys("\u{e00c}");
    // The first button, which ships: what it refuses stays selected.
    chrome.keys("b\u{e007}");
    chrome.wait_text(".toast", "done with 2 of 3 jobs");
    chrome.wait_text("#selected", "1 selected");
    assert_eq!((sandbox.folders("a"), sandbox.folders("b")), (vec!["shipped"], vec!["shipped"]));
    chrome.keys("\u{e00c}");
    chrome.wait("document.querySelector('#bulk').hidden");
    chrome.click("[data-stage=failed] .all");
    chrome.wait_text("#selected", "1 selected");
    chrome.click("#bulk button.requeue");
    chrome.wait_text(".toast", "broken is back in the inbox");
    chrome.wait("document.querySelector('#bulk').hidden");
    assert_eq!(sandbox.folders("broken"), ["inbox"]);
    // The jobs that were refused once.
    assert_eq!(chrome.complaints("409"), [""; 0]);
}
