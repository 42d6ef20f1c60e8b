//! Pictures of every page: kept under `target/dashboard/`, and two of them in docs/pictures.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use super::chrome::Chrome;
use super::server::Server;
use crate::sandbox::Sandbox;

/// Every page, by the name of its picture.
const PAGES: [(&str, &str); 10] = [
    ("board", "/"),
    ("job", "/jobs/flaky-network"),
    ("log", "/jobs/flaky-network?view=log"),
    ("diff", "/jobs/schema?view=diff"),
    ("record", "/jobs/flaky-network?view=record"),
    ("insights", "/insights"),
    ("graph", "/graph"),
    ("fleet", "/fleet"),
    ("add", "/add"),
    ("sign-in", "/sign-in"),
];

/// Jobs of the past weeks.
const TASKS: [&str; 20] = [
    "dark-mode",
    "faster-search",
    "fix-login",
    "retry-uploads",
    "bump-deps",
    "csv-export",
    "typo-in-help",
    "cache-avatars",
    "split-config",
    "metrics-page",
    "fix-time-zone",
    "better-errors",
    "undo-delete",
    "import-contacts",
    "flaky-test",
    "rename-tables",
    "docs-for-api",
    "sort-by-date",
    "limit-sizes",
    "log-rotation",
];

/// Those that README.md shows.
const SHOWN: [&str; 2] = ["board", "insights"];

/// A picture in the repository is not larger, in bytes.
const MOST: u64 = 150_000;

/// `target/dashboard`
fn kept() -> PathBuf {
    Path::new(env!("CARGO_BIN_EXE_aq")).ancestors().nth(2).unwrap().join("dashboard")
}

fn shown(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../docs/pictures/{name}.png"))
}

/// The queue of `aq demo`, when all its jobs are done that can be. For the numbers it gets a past,
/// of agents: the demo needs none, so that it would show nothing of what they use.
fn demo(sandbox: &Sandbox) -> PathBuf {
    let dir = sandbox.path("demo");
    sandbox.ok(&["demo".as_ref(), dir.as_os_str()]);
    let queue = dir.join(".aq");
    let now = jiff::Timestamp::now();
    for (n, task) in TASKS.into_iter().enumerate() {
        let engine = ["claude", "claude", "codex"][n % 3];
        let profile = ["careful", "quick"][n / 2 % 2];
        let (stage, result) =
            if n % 7 == 6 { ("failed", "verify_failed") } else { ("shipped", "success") };
        let ended_at = now - jiff::SignedDuration::from_hours(7 + 31 * n as i64);
        let size = 20 + (n * 37) % 50;
        let (input, cached, output) = (size * 900, size * 21_000, size * 310);
        let record = format!(
            "engine={engine}\nprofile={profile}\nresult={result}\nattempts=1\nended_at={ended_at}\n\
             duration_s={0}\ntotal_duration_s={0}\ninput_tokens={input}\ncached_tokens={cached}\n\
             output_tokens={output}\ncost_usd={1}.{2:02}\n",
            size * 11,
            size / 20,
            size * 5 % 100,
        );
        let text = format!("---\nengine: {engine}\n---\nPlease do this: {task}.\n");
        let meta = queue.join(format!(".state/meta/{task}.meta"));
        // The files' own times say which of them ended last.
        for (path, text) in [(meta, record), (queue.join(format!("{stage}/{task}.md")), text)] {
            fs::write(&path, text).unwrap();
            let file = fs::File::options().append(true).open(&path).unwrap();
            file.set_modified(ended_at.into()).unwrap();
        }
    }
    queue
}

/// Jobs of every kind, many of them, with long names, failures, costs, and some put away.
fn busy() -> Sandbox {
    let sandbox = Sandbox::with_repository();
    let human = "review-policy: human";
    let body = |n: usize| format!("seq {n} >numbers.txt; echo done with {n}");
    sandbox.add("failed-long-ago", "retry: {max: 1}", "exit 1");
    for (n, task) in TASKS.iter().take(12).enumerate() {
        sandbox.add(task, human, &body(n * 7 + 1));
        if n == 2 {
            assert_eq!(sandbox.code(&["run", "--once", "--quiet"]).0, 1);
            sandbox.ok(&["ship", TASKS[0], TASKS[1], TASKS[2]]);
            sandbox.ok(&["clean", "--keep", "0"]);
        }
    }
    sandbox.add("verified", "verify: grep -q 3 numbers.txt", &body(9));
    sandbox.add("not-verified", "priority: high", &body(2));
    sandbox.add(
        "refused-by-verify",
        "verify: echo no three here; false\nretry: {max: 2, backoff: 1s}",
        &body(1),
    );
    sandbox.add("fails-twice", "retry: {max: 2, backoff: 1s}", "echo it goes wrong >&2; exit 3");
    sandbox.add("requeued", "retry: {max: 1}", "test -e there || { touch there; exit 1; }");
    sandbox.add(&"a-very-long-name-of-a-job".repeat(5), human, &body(3));
    sandbox.add("first", "idempotency-key: first", &body(4));
    let (code, told) = sandbox.code(&["run", "--once", "--quiet"]);
    assert_eq!(code, 1, "{told}");
    sandbox.ok(&["requeue", "requeued"]);
    let _ = sandbox.code(&["run", "--once", "--quiet"]);
    sandbox.ok(&["ship", TASKS[3]]);
    sandbox.ok(&[
        "reject",
        TASKS[4],
        "--reason",
        "It is not what was asked for: the export has no header, and no tests.",
    ]);
    for (n, id) in TASKS[3..12].iter().chain(&["fails-twice", "requeued"]).enumerate() {
        let meta = sandbox.queue(&format!(".state/meta/{id}.meta"));
        let mut file = fs::File::options().append(true).open(meta).unwrap();
        let record = format!(
            "engine=claude\nprofile=careful\nmodel=large-2\ncost_usd=0.{n}4\n\
            total_cost_usd={}.{n}2\ninput_tokens=1234\noutput_tokens=98765\n",
            n * 3
        );
        file.write_all(record.as_bytes()).unwrap();
    }
    for n in 0..8 {
        sandbox.add(
            &format!("waiting-{n}"),
            [
                "priority: critical",
                "deps: [first]",
                "deps: [first]\ndeps-mode: soft",
                "capabilities: [big-disk]",
            ][n % 4],
            "true",
        );
    }
    sandbox
}

#[test]
fn a_busy_queue_can_be_looked_at() {
    let Some(chrome) = Chrome::start() else { return };
    let sandbox = busy();
    let server = Server::start(&sandbox);
    chrome.enter(&server, "/");
    let long = format!("/jobs/{}", "a-very-long-name-of-a-job".repeat(5));
    let pages = [
        ("board", "/"),
        ("failed", "/jobs/fails-twice"),
        ("requeued", "/jobs/requeued"),
        ("rejected", &format!("/jobs/{}", TASKS[4])),
        ("review", &format!("/jobs/{}", TASKS[5])),
        ("unverified", "/jobs/not-verified"),
        ("refused", "/jobs/refused-by-verify"),
        ("refused-diff", "/jobs/refused-by-verify?view=diff"),
        ("cleaned", &format!("/jobs/{}", TASKS[0])),
        ("cleaned-log", &format!("/jobs/{}?view=log", TASKS[0])),
        ("cleaned-record", &format!("/jobs/{}?view=record", TASKS[0])),
        ("cleaned-failed", "/jobs/failed-long-ago"),
        ("waiting", "/jobs/waiting-1"),
        ("long", &long),
        ("insights", "/insights"),
        ("graph", "/graph"),
    ];
    look_at(&chrome, &server, "busy-", &pages);
    chrome.go(&server.url("/"));
    chrome.size(1280, 720);
    chrome.keys("llxjxjx");
    chrome.wait_text("#selected", "3 selected");
    chrome.picture(&kept().join("busy-selected-dark.png"));
    chrome.size(390, 844);
    chrome.keys("?");
    chrome.wait_text("dialog[open]", "Go from card to card");
    chrome.picture(&kept().join("busy-keys-phone.png"));
    chrome.is_clean("the keys");
}

/// With `AQ_UPDATE_PICTURES=1` it writes those of the README.
#[test]
fn every_page_has_its_pictures() {
    let Some(chrome) = Chrome::start() else { return };
    let sandbox = Sandbox::new();
    let server = Server::of(&sandbox, &demo(&sandbox));
    chrome.enter(&server, "/");
    look_at(&chrome, &server, "", &PAGES);
}

/// Keeps pictures of pages, each by its name.
fn look_at(chrome: &Chrome, server: &Server, prefix: &str, pages: &[(&str, &str)]) {
    for &(name, path) in pages {
        if path == "/sign-in" {
            chrome.click(".sign button");
        }
        chrome.go(&server.url(path));
        chrome.wait_for("main");
        for (look, width, height, is_dark) in [
            ("light", 1280, 720, false),
            ("dark", 1280, 720, true),
            ("phone", 390, 844, false),
            ("phone-dark", 390, 844, true),
        ] {
            chrome.size(width, height);
            chrome.dark(is_dark);
            // Two frames: what has changed is drawn.
            chrome.wait("document.readyState === 'complete'");
            chrome.picture(&kept().join(format!("{prefix}{name}-{look}.png")));
            chrome.is_clean(&format!("{name}, {look}"));
            if look == "light"
                && prefix.is_empty()
                && SHOWN.contains(&name)
                && std::env::var_os("AQ_UPDATE_PICTURES").is_some()
            {
                chrome.picture(&shown(name));
                let size = fs::metadata(shown(name)).unwrap().len();
                assert!(size <= MOST, "{name}.png has {size} bytes");
            }
        }
    }
}
