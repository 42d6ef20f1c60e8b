//! The board while something else is wrong.

use std::fs;

use nix::sys::signal::Signal;
use serde_json::json;

use super::chrome::Chrome;
use super::server::{LOCAL, Server};
use crate::sandbox::{Sandbox, job_text};

#[test]
fn broken_settings_and_dead_server_show() {
    let Some(chrome) = Chrome::start() else { return };
    let sandbox = Sandbox::new();
    fs::write(sandbox.queue("inbox/x.md"), job_text("", "true")).unwrap();
    // Sessions end with the server that knows them.
    let mut server = Server::start_with(&sandbox, &["--listen", LOCAL, "--public"]);
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
    let _again = Server::start_with(&sandbox, &["--listen", &address, "--public"]);
    chrome.wait_text(".live", "live");
    chrome.wait_for("[data-job=y]");
    // Only that it was not there.
    assert_eq!(chrome.complaints("ERR_"), [""; 0]);
}

#[test]
fn a_page_without_its_session_asks_to_sign_in() {
    let Some(chrome) = Chrome::start() else { return };
    let sandbox = Sandbox::new();
    sandbox.add("x", "", "true");
    let mut server = Server::start(&sandbox);
    chrome.enter(&server, "/jobs/x");
    chrome.wait_text(".live", "live");
    let address = server.address.clone();
    server.signal(Signal::SIGKILL);
    let again = Server::start_with(&sandbox, &["--listen", &address]);
    chrome.wait_text("h1", "Sign in");
    // The new link, in this tab, and it is the job again.
    chrome.run(&format!("location.hash = {}", json!(again.token())));
    chrome.wait_text("h1", "x");
}
