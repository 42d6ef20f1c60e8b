//! A real browser without a window: Chromium, led by its own driver.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::server::Server;
use super::webdriver::Session;
use crate::sandbox::{PATIENCE, kill_hard, skipped};

/// Programs by these names, in this order.
const BROWSERS: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];

/// A browser with one tab and a profile of its own. When it is dropped, no process of it is left.
pub(super) struct Chrome {
    session: Option<Session>,
    /// The driver.
    process: Child,
    /// Home, profile and temporary files.
    dir: TempDir,
}

fn program(name: &str) -> Option<PathBuf> {
    let paths = std::env::var_os("PATH")?;
    std::env::split_paths(&paths).map(|dir| dir.join(name)).find(|path| path.is_file())
}

impl Chrome {
    /// `None`, after saying so, where there is no browser.
    pub(super) fn start() -> Option<Self> {
        let found = BROWSERS.into_iter().find_map(program).zip(program("chromedriver"));
        let Some((browser, driver)) = found else {
            skipped(
                "no chromium and chromedriver: install the packages chromium and chromium-driver",
            );
            return None;
        };
        let dir = TempDir::with_prefix("aq-chrome-").unwrap();
        let mut command = Command::new(driver);
        command.arg("--port=0").process_group(0).stdin(Stdio::null());
        command.env("HOME", dir.path()).env("TMPDIR", dir.path());
        let mut process = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let out = process.stdout.take().unwrap();
        // From here on, whatever goes wrong ends the processes.
        let mut chrome = Self { session: None, process, dir };
        let mut said = String::new();
        let mut lines = BufReader::new(out).lines();
        let port: u16 = loop {
            let line = lines.next().unwrap_or_else(|| panic!("no port: {said}")).unwrap();
            let port = line.strip_prefix("ChromeDriver was started successfully on port ");
            if let Some(port) = port {
                break port.trim_end_matches('.').parse().unwrap();
            }
            said.push_str(&line);
        };
        // It goes on to write now and then.
        std::thread::spawn(move || lines.for_each(drop));
        let profile = format!("--user-data-dir={}", chrome.dir.path().join("profile").display());
        let mut args = vec![
            "--headless=new",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--hide-scrollbars",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--window-size=1280,900",
            &profile,
        ];
        if nix::unistd::geteuid().is_root() {
            // Its sandbox does not work for root.
            args.push("--no-sandbox");
        }
        let wanted = json!({
            "goog:chromeOptions": { "binary": browser, "args": args },
            "goog:loggingPrefs": { "browser": "ALL" },
        });
        chrome.session = Some(Session::start(port, &wanted));
        Some(chrome)
    }

    fn session(&self) -> &Session {
        self.session.as_ref().unwrap()
    }

    /// The command must succeed.
    fn post(&self, command: &str, params: &Value) -> Value {
        self.session().post(command, params).unwrap_or_else(|e| panic!("{command} {params}: {e}"))
    }

    /// Loads a page.
    pub(super) fn go(&self, url: &str) {
        self.post("url", &json!({ "url": url }));
    }

    /// Opens the link that a dashboard printed, and then a page of it.
    pub(super) fn enter(&self, server: &Server, path: &str) {
        self.go(&server.link);
        self.wait_text("button", "Sign out");
        self.go(&server.url(path));
    }

    /// Runs the body of a function in the page, and answers what it returns.
    pub(super) fn run(&self, script: &str) -> Value {
        self.post("execute/sync", &json!({ "script": script, "args": [] }))
    }

    /// The value of an expression in the page.
    pub(super) fn value(&self, expression: &str) -> Value {
        self.run(&format!("return {expression};"))
    }

    /// The text that the page shows of the elements that a selector finds.
    pub(super) fn text(&self, selector: &str) -> String {
        let all = format!("[...document.querySelectorAll({})]", json!(selector));
        let text = self.value(&format!("{all}.map((one) => one.innerText).join(\"\\n\")"));
        text.as_str().unwrap().to_owned()
    }

    /// Waits until an expression is true in the page.
    pub(super) fn wait(&self, expression: &str) {
        let give_up = Instant::now() + PATIENCE / 2;
        // While a page goes and another comes there is none.
        let script = format!("return Boolean({expression});");
        let mut last = String::new();
        while Instant::now() < give_up {
            match self.session().post("execute/sync", &json!({ "script": script, "args": [] })) {
                Ok(Value::Bool(true)) => return,
                Ok(answer) => last = answer.to_string(),
                Err(e) => last = e,
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let page = self.text("body");
        panic!("waited for {expression}: {last}; {} shows:\n{page}", self.url());
    }

    /// Waits until a selector finds something.
    pub(super) fn wait_for(&self, selector: &str) {
        self.wait(&format!("document.querySelector({})", json!(selector)));
    }

    /// Waits until what a selector finds has this text in it.
    pub(super) fn wait_text(&self, selector: &str, text: &str) {
        let (selector, text) = (json!(selector), json!(text));
        self.wait(&format!(
            "[...document.querySelectorAll({selector})].some((one) => \
            one.innerText.includes({text}))"
        ));
    }

    pub(super) fn url(&self) -> String {
        self.session().get("url").unwrap().as_str().unwrap().to_owned()
    }

    /// Clicks with the mouse, where a person would.
    pub(super) fn click(&self, selector: &str) {
        self.wait_for(selector);
        self.post(&self.session().of_element(selector, "click"), &json!({}));
    }

    /// Types into a field.
    pub(super) fn fill(&self, selector: &str, text: &str) {
        self.wait_for(selector);
        self.post(&self.session().of_element(selector, "clear"), &json!({}));
        self.post(&self.session().of_element(selector, "value"), &json!({ "text": text }));
    }

    /// Presses keys, wherever the focus is.
    pub(super) fn keys(&self, keys: &str) {
        let presses: Vec<Value> = keys
            .chars()
            .flat_map(|key| ["keyDown", "keyUp"].map(|kind| json!({ "type": kind, "value": key })))
            .collect();
        let keyboard = json!({ "type": "key", "id": "keyboard", "actions": presses });
        self.post("actions", &json!({ "actions": [keyboard] }));
    }

    /// A command to the browser itself.
    fn tell(&self, method: &str, params: &Value) -> Value {
        self.post("goog/cdp/execute", &json!({ "cmd": method, "params": params }))
    }

    /// Shows pages in dark or light colours from now on.
    pub(super) fn dark(&self, is_dark: bool) {
        let value = if is_dark { "dark" } else { "light" };
        let features = json!([{ "name": "prefers-color-scheme", "value": value }]);
        self.tell("Emulation.setEmulatedMedia", &json!({ "features": features }));
    }

    /// The size of the page that is seen, in its own pixels.
    pub(super) fn size(&self, width: u32, height: u32) {
        let is_phone = width < 500;
        let size = json!({
            "width": width, "height": height, "deviceScaleFactor": 1, "mobile": is_phone,
        });
        self.tell("Emulation.setDeviceMetricsOverride", &size);
    }

    /// The look of the page, as a PNG.
    pub(super) fn picture(&self, file: &Path) {
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        let picture = self.session().get("screenshot").unwrap();
        fs::write(file, BASE64_STANDARD.decode(picture.as_str().unwrap()).unwrap()).unwrap();
    }

    /// The browser's complaints since the last time: its console, scripts that failed, what was
    /// blocked or not found. Without `but`.
    pub(super) fn complaints(&self, but: &str) -> Vec<String> {
        let log = self.post("se/log", &json!({ "type": "browser" }));
        let bad = log
            .as_array()
            .unwrap()
            .iter()
            .filter(|entry| entry["level"] == "SEVERE" || entry["level"] == "WARNING");
        let texts = bad.map(|entry| entry["message"].as_str().unwrap_or_default().to_owned());
        texts.filter(|text| but.is_empty() || !text.contains(but)).collect()
    }

    /// Nothing in the console, and no page that has to be moved sideways.
    pub(super) fn is_clean(&self, what: &str) {
        assert_eq!(self.complaints(""), [""; 0], "{what}");
        let width = self
            .value("document.documentElement.scrollWidth <= document.documentElement.clientWidth");
        assert_eq!(width, json!(true), "{what} is wider than the window");
    }
}

impl Drop for Chrome {
    fn drop(&mut self) {
        // To end it politely takes time, and all the time there is when the browser hangs.
        let _ = killpg(Pid::from_raw(self.process.id().cast_signed()), Signal::SIGKILL);
        let _ = self.process.wait();
        // Those that left the group still name the profile.
        let profile = self.dir.path().as_os_str().as_bytes();
        for entry in fs::read_dir("/proc").unwrap().flatten() {
            let pid = entry.file_name().to_str().and_then(|name| name.parse().ok());
            let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
            if let Some(pid) = pid
                && line.windows(profile.len()).any(|part| part == profile)
            {
                kill_hard(Pid::from_raw(pid));
            }
        }
    }
}
