//! What every page looks like: kept under `target/dashboard/`, and two of them in docs/pictures.

use std::fs;
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

/// The queue of `aq demo`, when all its jobs are done that can be. For the numbers it gets a past, of agents:
/// the demo needs none, so that it would show nothing of what they use.
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

/// With `AQ_UPDATE_PICTURES=1` it writes those of the README.
#[test]
fn every_page_can_be_looked_at_in_light_and_dark_and_on_a_phone() {
    let Some(chrome) = Chrome::start() else { return };
    let sandbox = Sandbox::new();
    let server = Server::of(&sandbox, &demo(&sandbox));
    chrome.enter(&server, "/");
    for (name, path) in PAGES {
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
            chrome.picture(&kept().join(format!("{name}-{look}.png")));
            chrome.is_clean(&format!("{name}, {look}"));
            if look == "light"
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
