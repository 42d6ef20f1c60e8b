//! What the board shows while something else is wrong.

use std::fs;

use nix::sys::signal::Signal;

use super::chrome::Chrome;
use super::server::Server;
use crate::sandbox::{Sandbox, job_text};

#[test]
fn broken_settings_and_a_dead_server_are_told_and_mended() {
    let Some(chrome) = Chrome::start() else { return };
    let sandbox = Sandbox::new();
    fs::write(sandbox.queue("inbox/x.md"), job_text("", "true")).unwrap();
    let mut server = Server::start(&sandbox);
    chrome.go(&server.url("/"));
    chrome.wait_text(".live", "live");
    let config = sandbox.queue("config.yaml");
    let before = fs::read(&config).unwrap_or_default();
    fs::write(&config, "max: [many\n").unwrap();
    chrome.wait_text("#notices .problem", "config.yaml");
    chrome.wait_text("#state", "cannot be read");
    assert_eq!(chrome.text(".card .name"), "x", "what was known stays");
    fs::write(&config, before).unwrap();
    chrome.wait("!document.querySelector('#notices .problem')");

    server.signal(Signal::SIGKILL);
    chrome.wait_text(".live", "not connected");
    fs::write(sandbox.queue("inbox/y.md"), job_text("", "true")).unwrap();
    let address = server.address.clone();
    let _again = Server::start_with(&sandbox, &["--listen", &address]);
    chrome.wait_text(".live", "live");
    chrome.wait_for("[data-job=y]");
    // Only that it was not there.
    assert_eq!(chrome.complaints("ERR_"), [""; 0]);
}
