//! What every page looks like: kept under `target/dashboard/`, and two of them in docs/pictures.

use std::fs;
use std::path::{Path, PathBuf};

use super::chrome::Chrome;
use super::server::Server;
use crate::sandbox::Sandbox;

/// Every page, by the name of its picture.
const PAGES: [(&str, &str); 3] = [("board", "/"), ("add", "/add"), ("sign-in", "/sign-in")];

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

/// The queue of `aq demo`, when all its jobs are done that can be.
fn demo(sandbox: &Sandbox) -> PathBuf {
    let dir = sandbox.path("demo");
    sandbox.ok(&["demo".as_ref(), dir.as_os_str()]);
    dir.join(".aq")
}

/// With `AQ_UPDATE_PICTURES=1` it writes those of the README.
#[test]
fn every_page_can_be_looked_at_in_light_and_dark_and_on_a_phone() {
    let Some(chrome) = Chrome::start() else { return };
    let sandbox = Sandbox::new();
    let server = Server::of(&sandbox, &demo(&sandbox));
    for (name, path) in PAGES {
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
