//! Ten thousand jobs.

use std::fs;
use std::time::{Duration, Instant};

use serde_json::json;

use super::chrome::Chrome;
use super::server::Server;
use crate::sandbox::{Sandbox, job_text};

/// Cards that a column may hold at once, seven columns, and what a browser takes for that.
const CARDS: u64 = 7 * 60;

#[test]
fn ten_thousand_jobs_cost_a_browser_little() {
    let Some(chrome) = Chrome::start() else { return };
    let sandbox = Sandbox::new();
    for n in 0..10_000 {
        let file = sandbox.queue(&format!("inbox/job-{n:05}.md"));
        fs::write(file, job_text("", "true")).unwrap();
    }
    let server = Server::start(&sandbox);
    let begun = Instant::now();
    chrome.enter(&server, "/");
    chrome.wait_for(".card");
    let first = begun.elapsed();
    // Generous for a build that is not optimized, on a machine that does other things.
    assert!(first < Duration::from_secs(15), "first cards after {first:?}");
    chrome.wait_text(".live", "live");
    assert_eq!(chrome.text("[data-stage=inbox] .count"), "10000");
    let cards = || chrome.value("document.querySelectorAll('.card').length").as_u64().unwrap();
    assert!(cards() <= CARDS, "{}", cards());
    // To the middle, to the end, and back: what is seen is filled with the right cards.
    for (part, card) in [(0.5, "job-05000"), (1.0, "job-09999"), (0.0, "job-00000")] {
        chrome.run(&format!(
            "const box = document.querySelector('[data-stage=inbox] .cards');
             box.scrollTop = {part} * box.querySelector('.sized').offsetHeight;"
        ));
        chrome.wait(&format!(
            "(() => {{
                const found = document.querySelector('[data-job=\"{card}\"]');
                const card = found?.getBoundingClientRect();
                const cards = document.querySelector('[data-stage=inbox] .cards');
                const box = cards.getBoundingClientRect();
                return card && card.bottom > box.top && card.top < box.bottom;
            }})()"
        ));
        assert!(cards() <= CARDS, "{}", cards());
    }
    chrome.fill("#filter", "job-0777");
    chrome.wait_text("[data-stage=inbox] .count", "10");
    chrome.wait("document.querySelectorAll('.card').length === 10");
    assert_eq!(chrome.value("document.querySelector('.card').dataset.job"), json!("job-07770"));
    chrome.is_clean("the board with 10,000 jobs");
}
