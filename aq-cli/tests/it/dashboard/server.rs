//! A dashboard as a program, and requests to it byte by byte.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::sandbox::{PATIENCE, Sandbox, wait_child};

/// Any free port of this machine.
pub(crate) const LOCAL: &str = "127.0.0.1:0";

/// A dashboard that runs. It ends with the test, however that ends.
pub(crate) struct Server {
    pub(crate) child: Child,
    /// Host and port.
    pub(crate) address: String,
    /// The link that signs in; empty when the token came from a file.
    pub(crate) link: String,
    /// Of the reader whose requests these are; empty before [`Server::sign_in`] when the token came
    /// from a file.
    cookie: String,
    _out: BufReader<ChildStdout>,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    pub(crate) fn start(sandbox: &Sandbox) -> Self {
        Self::start_with(sandbox, &["--listen", LOCAL])
    }

    pub(crate) fn start_with(sandbox: &Sandbox, args: &[&str]) -> Self {
        Self::launch(sandbox.aq(&[&["dashboard"], args].concat()))
    }

    /// Of a queue elsewhere.
    pub(crate) fn of(sandbox: &Sandbox, queue: &Path) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_aq"));
        sandbox.clean(&mut command).arg("--queue").arg(queue);
        command.args(["dashboard", "--listen", LOCAL]);
        Self::launch(command)
    }

    fn launch(mut command: Command) -> Self {
        let has_token = command.get_args().any(|arg| arg == "--token-file");
        // A pipe: what is printed has to come without waiting for more.
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut line = || {
            let mut line = String::new();
            out.read_line(&mut line).unwrap();
            line.trim().to_owned()
        };
        let first = line();
        let address = first.strip_prefix("listening on http://").expect(&first).to_owned();
        let link = if has_token { String::new() } else { line() };
        let link = link.split_once("sign in: ").map_or("", |(_, link)| link).to_owned();
        let mut server = Self { child, address, link, cookie: String::new(), _out: out };
        if !server.link.is_empty() {
            server.cookie = server.sign_in(server.token()).0;
        }
        server
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) fn token(&self) -> &str {
        self.link.split_once('#').unwrap().1
    }

    pub(crate) fn signal(&mut self, signal: Signal) -> i32 {
        kill(Pid::from_raw(self.child.id().cast_signed()), signal).unwrap();
        wait_child(&mut self.child)
    }

    /// Sends a request as a browser would, with these headers beside or in place of `Host`.
    pub(crate) fn ask(&self, request: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let mut text = format!("{request} HTTP/1.1\r\nconnection: close\r\n");
        if !headers.iter().any(|(name, _)| *name == "host") {
            text.push_str(&format!("host: {}\r\n", self.address));
        }
        for (name, value) in headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        if request.starts_with("POST") {
            let kind = "application/x-www-form-urlencoded";
            text.push_str(&format!("content-type: {kind}\r\ncontent-length: {}\r\n", body.len()));
        }
        self.raw(&format!("{text}\r\n{body}"))
    }

    /// A GET of the reader who has signed in.
    pub(crate) fn get(&self, path: &str) -> Answer {
        self.ask(&format!("GET {path}"), &[self.session()], "")
    }

    /// The header of the reader who has signed in.
    pub(crate) fn session(&self) -> (&str, &str) {
        ("cookie", &self.cookie)
    }

    /// The body of a page that is there.
    pub(crate) fn page(&self, path: &str) -> String {
        let answer = self.get(path);
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        assert!(answer.header("content-security-policy").contains("default-src 'none'"));
        answer.body
    }

    /// Sends these bytes and reads all that comes back.
    pub(crate) fn raw(&self, text: &str) -> Answer {
        let mut stream = self.connect();
        // It may answer and close before it has read all.
        let _ = stream.write_all(text.as_bytes());
        let mut bytes = Vec::new();
        let _ = stream.read_to_end(&mut bytes);
        Answer::parse(&bytes)
    }

    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    /// Asks for something that does not end by itself.
    pub(crate) fn open(&self, path: &str) -> TcpStream {
        let mut stream = self.connect();
        let (address, cookie) = (&self.address, &self.cookie);
        write!(stream, "GET {path} HTTP/1.1\r\nhost: {address}\r\ncookie: {cookie}\r\n\r\n")
            .unwrap();
        stream
    }

    /// Opens a stream of events and waits for its first.
    pub(crate) fn follow(&self) -> Option<TcpStream> {
        let mut stream = self.open("/board/events");
        let mut got = Vec::new();
        let mut part = [0; 4096];
        while !String::from_utf8_lossy(&got).contains("event: board") {
            match stream.read(&mut part) {
                Ok(n) if n > 0 => got.extend_from_slice(&part[..n]),
                _ => return None,
            }
            if got.starts_with(b"HTTP/1.1 503") {
                return None;
            }
        }
        Some(stream)
    }

    /// Signs in over HTTP. Answers the cookie and the secret of the forms.
    pub(crate) fn sign_in(&self, token: &str) -> (String, String) {
        let origin = self.url("");
        let answer = self.ask("POST /sign-in", &[("origin", &origin)], &format!("token={token}"));
        assert_eq!(answer.status, 303, "{}", answer.body);
        let cookie = answer.header("set-cookie").split(';').next().unwrap().to_owned();
        let page = self.ask("GET /", &[("cookie", &cookie)], "").body;
        let csrf = page.split_once("name=\"csrf\" value=\"").expect(&page).1;
        (cookie, csrf.split('"').next().unwrap().to_owned())
    }
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    /// 0: nothing.
    pub(crate) status: u16,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: String,
    /// Of the body, in bytes.
    pub(crate) size: usize,
}

impl Answer {
    fn parse(bytes: &[u8]) -> Self {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").unwrap_or(bytes.len());
        let head = String::from_utf8_lossy(&bytes[..end]);
        let body = bytes.get(end + 4..).unwrap_or_default();
        let mut lines = head.split("\r\n");
        let status = lines.next().unwrap_or_default().split(' ').nth(1).unwrap_or_default();
        let headers = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        Self {
            status: status.parse().unwrap_or(0),
            headers,
            body: String::from_utf8_lossy(body).into_owned(),
            size: body.len(),
        }
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}
