//! A tracker that writes down what it is asked, and answers as a test wants it to.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use serde_json::Value;

/// A request that came in.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    /// `METHOD PATH`
    pub(crate) line: String,
    /// Everything, as it came over the wire.
    pub(crate) raw: String,
    pub(crate) body: Value,
}

type Answer = dyn Fn(&Asked) -> Option<(u16, String)> + Send + Sync;

/// The tracker. It listens until the test ends.
pub(crate) struct FakeTracker {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
    answer: Arc<Mutex<Arc<Answer>>>,
}

impl FakeTracker {
    /// One that answers so. `None` is no answer at all: the connection stays open.
    pub(crate) fn new(
        answer: impl Fn(&Asked) -> Option<(u16, String)> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let answer: Arc<Mutex<Arc<Answer>>> = Arc::new(Mutex::new(Arc::new(answer)));
        let (log, answers) = (asked.clone(), answer.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (log, answers) = (log.clone(), answers.clone());
                std::thread::spawn(move || serve(&stream, &log, &answers));
            }
        });
        Self { address, asked, answer }
    }

    /// One that knows every item by this document, and takes everything.
    pub(crate) fn of_item(item: Value) -> Self {
        Self::new(move |asked| {
            let body =
                if asked.line.starts_with("GET") { item.to_string() } else { "{}".to_owned() };
            Some((200, body))
        })
    }

    /// Answers otherwise from now on.
    pub(crate) fn now(
        &self,
        answer: impl Fn(&Asked) -> Option<(u16, String)> + Send + Sync + 'static,
    ) {
        *self.answer.lock().unwrap() = Arc::new(answer);
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/api", self.address)
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// `METHOD PATH` of everything that is no reading.
    pub(crate) fn told(&self) -> Vec<String> {
        let told = self.asked().into_iter().map(|asked| asked.line);
        told.filter(|line| !line.starts_with("GET")).collect()
    }

    /// The first lines of the comments, in order.
    pub(crate) fn comments(&self) -> Vec<String> {
        let comments = self.asked().into_iter().filter(|asked| asked.line.ends_with("/comments"));
        let first = |asked: Asked| Some(asked.body["body"].as_str()?.lines().next()?.to_owned());
        comments.filter_map(first).collect()
    }
}

fn serve(stream: &TcpStream, log: &Mutex<Vec<Asked>>, answers: &Mutex<Arc<Answer>>) {
    let mut reader = BufReader::new(stream);
    while let Some(asked) = read(&mut reader) {
        log.lock().unwrap().push(asked.clone());
        let answer = answers.lock().unwrap().clone();
        let Some((status, body)) = answer(&asked) else {
            // Until the other side hangs up.
            let _ = reader.read(&mut [0]);
            return;
        };
        // Whoever names the version that is there gets no other one.
        let is_read = status == 200 && asked.line.starts_with("GET");
        let etag = if is_read { format!("\"{:x}\"", hash_of(&body)) } else { String::new() };
        let knows = is_read && asked.raw.contains(&format!("if-none-match: {etag}"));
        let (status, body) = if knows { (304, String::new()) } else { (status, body) };
        let etag = if is_read { format!("etag: {etag}\r\n") } else { etag };
        // The body of a redirect is where it leads.
        let location =
            if status / 100 == 3 { format!("location: {body}\r\n") } else { String::new() };
        let length = body.len();
        let head =
            format!("HTTP/1.1 {status} x\r\n{location}{etag}content-length: {length}\r\n\r\n");
        let mut out = stream;
        if out.write_all(format!("{head}{body}").as_bytes()).is_err() {
            return;
        }
    }
}

fn hash_of(body: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    body.hash(&mut hasher);
    hasher.finish()
}

fn read(reader: &mut impl BufRead) -> Option<Asked> {
    let mut raw = String::new();
    while !raw.ends_with("\r\n\r\n") {
        if reader.read_line(&mut raw).ok()? == 0 {
            return None;
        }
    }
    let lower = raw.to_ascii_lowercase();
    let length = lower.split("content-length: ").nth(1).and_then(|rest| rest.lines().next());
    let mut body = vec![0; length.and_then(|n| n.trim().parse().ok()).unwrap_or(0)];
    reader.read_exact(&mut body).ok()?;
    raw.push_str(&String::from_utf8_lossy(&body));
    let line = raw.lines().next()?.trim_end_matches(" HTTP/1.1").to_owned();
    Some(Asked { line, raw, body: serde_json::from_slice(&body).unwrap_or_default() })
}
