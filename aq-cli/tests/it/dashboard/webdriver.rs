//! WebDriver, the protocol in which a browser is led: JSON over HTTP to a driver on this machine
//! (<https://www.w3.org/TR/webdriver2/>). The crates for it turn on a feature of `serde_json` that
//! would change the program under test, too.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;

use serde_json::{Value, json};

use crate::sandbox::PATIENCE;

/// Under which key an answer names an element.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// A browser that is led.
#[derive(Debug)]
pub(super) struct Session {
    port: u16,
    /// `/session/ID`
    path: String,
}

impl Session {
    /// Has the driver at this port start a browser.
    pub(super) fn start(port: u16, capabilities: &Value) -> Self {
        let wanted = json!({ "capabilities": { "alwaysMatch": capabilities } });
        let begun = call(port, "POST", "/session", Some(&wanted)).unwrap();
        let id = begun["sessionId"].as_str().unwrap();
        Self { port, path: format!("/session/{id}") }
    }

    /// Does something, and answers what came of it, or the driver's words.
    pub(super) fn post(&self, command: &str, params: &Value) -> Result<Value, String> {
        call(self.port, "POST", &format!("{}/{command}", self.path), Some(params))
    }

    pub(super) fn get(&self, command: &str) -> Result<Value, String> {
        call(self.port, "GET", &format!("{}/{command}", self.path), None)
    }

    /// The command of an element that a selector finds, such as `element/ID/click`.
    pub(super) fn of_element(&self, selector: &str, command: &str) -> String {
        let by = json!({ "using": "css selector", "value": selector });
        let found = self.post("element", &by).unwrap();
        format!("element/{}/{command}", found[ELEMENT].as_str().unwrap())
    }
}

fn call(port: u16, method: &str, path: &str, body: Option<&Value>) -> Result<Value, String> {
    let body = body.map_or_else(String::new, Value::to_string);
    let mut stream = TcpStream::connect(("127.0.0.1", port)).map_err(|e| e.to_string())?;
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\nconnection: close\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all((head + &body).as_bytes()).map_err(|e| e.to_string())?;
    let mut answer = BufReader::new(stream);
    let mut length = 0;
    loop {
        let mut line = String::new();
        answer.read_line(&mut line).map_err(|e| e.to_string())?;
        let line = line.trim_end().to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(text) = line.strip_prefix("content-length:") {
            length = text.trim().parse().unwrap();
        }
    }
    let mut text = vec![0; length];
    answer.read_exact(&mut text).map_err(|e| e.to_string())?;
    let answer: Value = serde_json::from_slice(&text).map_err(|e| e.to_string())?;
    let value = answer["value"].clone();
    if value["error"].is_string() { Err(value.to_string()) } else { Ok(value) }
}
