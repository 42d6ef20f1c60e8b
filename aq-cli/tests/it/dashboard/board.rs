//! The board in a browser: live, by keyboard, and filtered.

use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::json;

use super::chrome::Chrome;
use super::server::Server;
use crate::sandbox::{Sandbox, job_text};

/// The longest from a move to its being seen, in milliseconds.
const PROMISED: f64 = 300.0;

fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64() * 1000.0
}

/// Notes the first time at which each card is seen in each column.
const OBSERVE: &str = "
    window.seen = {};
    const note = () => {
        for (const card of document.querySelectorAll('.card')) {
            const key = card.closest('.column').dataset.stage + '/' + card.dataset.job;
            window.seen[key] ??= performance.timeOrigin + performance.now();
        }
    };
    note();
    const columns = document.querySelector('.columns');
    new MutationObserver(note).observe(columns, { childList: true, subtree: true });
";

#[test]
fn a_move_is_seen_within_300_ms() {
    let Some(chrome) = Chrome::start() else { return };
    let sandbox = Sandbox::new();
    let stages = ["inbox", "review", "failed", "quarantine", "shipped", "testing"];
    fs::write(sandbox.queue("inbox/moved.md"), job_text("", "true")).unwrap();
    let server = Server::start(&sandbox);
    chrome.enter(&server, "/");
    chrome.wait_text(".live", "live");
    // Other programs may take the machine for a while, but not each time.
    let mut worst = Vec::new();
    for _ in 0..10 {
        let mut slowest: f64 = 0.0;
        chrome.run(OBSERVE);
        for (from, to) in stages.iter().zip(stages.iter().cycle().skip(1)) {
            let [from, to] = [from, to].map(|stage| sandbox.queue(&format!("{stage}/moved.md")));
            let moved_at = now();
            fs::rename(&from, &to).unwrap();
            let stage = to.parent().unwrap().file_name().unwrap().to_str().unwrap();
            let key = json!(format!("{stage}/moved"));
            // The column that it was in at first has been noted before.
            let since = if stage == "inbox" { 0.0 } else { moved_at };
            chrome.wait(&format!("window.seen[{key}] >= {since}"));
            chrome.wait(&format!(
                "document.querySelectorAll('.card').length === 1 && \
                document.querySelector('[data-stage={stage}] .card')"
            ));
            let seen_at = chrome.value(&format!("window.seen[{key}]")).as_f64().unwrap();
            slowest = slowest.max(seen_at - moved_at);
        }
        if slowest <= PROMISED {
            chrome.is_clean("the board");
            return;
        }
        worst.push(slowest);
    }
    panic!("the slowest of 6 moves took, in ms: {worst:?}");
}

#[test]
fn it_is_used_by_keyboard_and_filtered() {
    let Some(chrome) = Chrome::start() else { return };
    let sandbox = Sandbox::new();
    let file = |stage: &str, id: &str| {
        fs::write(sandbox.queue(&format!("{stage}/{id}.md")), job_text("", "true")).unwrap();
    };
    let jobs =
        [("inbox", "a1"), ("inbox", "a2"), ("inbox", "a3"), ("review", "r1"), ("review", "r2")];
    for (stage, id) in jobs.into_iter().chain([("failed", "f1")]) {
        file(stage, id);
    }
    let server = Server::start(&sandbox);
    chrome.enter(&server, "/");
    chrome.wait_text(".live", "live");
    let focused =
        || chrome.value("document.activeElement.dataset.job ?? document.activeElement.id");
    let arrows = [
        ("\u{e015}", "a1"),
        ("\u{e015}", "a2"),
        ("j", "a3"),
        ("j", "a3"),
        ("\u{e014}", "r2"),
        ("k", "r1"),
        ("l", "f1"),
        ("l", "f1"),
        ("h", "r1"),
        ("\u{e012}", "a1"),
    ];
    for (key, expected) in arrows {
        chrome.keys(key);
        assert_eq!(focused(), json!(expected), "after {key:?}");
    }
    // What has the focus keeps it when the column is drawn anew.
    file("inbox", "a0");
    chrome.wait_text("[data-stage=inbox] .count", "4");
    chrome.wait_for("[data-stage=inbox] [data-job=a0]");
    assert_eq!(focused(), json!("a1"));
    chrome.keys("/");
    assert_eq!(focused(), json!("filter"));
    chrome.keys("r g b /");
    assert_eq!(chrome.value("filter.value"), json!("r g b /"), "keys are text in a field");
    chrome.fill("#filter", "r2");
    // The cards, then the counts, then the address.
    chrome.wait("document.querySelectorAll('.card').length === 1");
    chrome.wait_text("[data-stage=review] .count", "1");
    chrome.wait("location.search === '?q=r2'");
    // Enter leads to the first card, and from there to its page.
    chrome.keys("\u{e007}");
    assert_eq!(focused(), json!("r2"));
    // What comes is filtered, too, and the address can be kept.
    file("failed", "r2-again");
    file("failed", "other");
    chrome.wait_text("[data-stage=failed] .count", "1");
    chrome.go(&chrome.url());
    chrome.wait_text(".live", "live");
    assert_eq!(chrome.text(".card .name"), "r2\nr2-again");
    chrome.keys("\u{e00c}");
    chrome.keys("ga");
    chrome.wait("location.pathname === '/add'");
    chrome.keys("gb");
    chrome.wait("location.pathname === '/'");
    chrome.is_clean("the board");
}
