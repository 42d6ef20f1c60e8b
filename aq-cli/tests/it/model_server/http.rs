//! As much of HTTP/1.1 as clients on the same host need: one request, one response, and the
//! connection is closed.

use std::fmt::Write as _;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;

use serde_json::Value;

/// The longest body that is read, in bytes. That of a first call is some 80 kB.
const BODY_MAX: u64 = 16 << 20;

#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) method: String,
    /// Without its query.
    pub(crate) path: String,
    /// Null when it has none.
    pub(crate) body: Value,
}

impl Request {
    /// `None` when the other side closes the connection without a word.
    pub(crate) fn read(stream: &mut TcpStream) -> io::Result<Option<Self>> {
        let mut input = BufReader::new(stream).take(BODY_MAX);
        let Some(first) = line(&mut input)? else { return Ok(None) };
        let mut words = first.split(' ').map(str::to_owned);
        let (Some(method), Some(target)) = (words.next(), words.next()) else {
            return Err(io::Error::other(format!("no request line: {first:?}")));
        };
        let (mut length, mut is_chunked) = (0, false);
        while let Some(header) = line(&mut input)?.filter(|header| !header.is_empty()) {
            let header = header.to_ascii_lowercase();
            match header.split_once(':').map(|(name, value)| (name, value.trim())) {
                Some(("content-length", value)) => length = value.parse().unwrap_or(0),
                Some(("transfer-encoding", value)) => is_chunked = value == "chunked",
                _ => {}
            }
        }
        let body = if is_chunked { chunks(&mut input)? } else { part(&mut input, length)? };
        let body = match body.as_slice() {
            [] => Value::Null,
            text => serde_json::from_slice(text)?,
        };
        let path = target.split('?').next().unwrap_or_default().to_owned();
        Ok(Some(Self { method, path, body }))
    }
}

/// A line without its end; `None` when there is no more.
fn line(input: &mut impl BufRead) -> io::Result<Option<String>> {
    let mut line = String::new();
    let read = input.read_line(&mut line)?;
    Ok((read > 0).then(|| line.trim_end().to_owned()))
}

fn part(input: &mut impl Read, length: u64) -> io::Result<Vec<u8>> {
    let mut part = Vec::new();
    input.take(length).read_to_end(&mut part)?;
    Ok(part)
}

fn chunks(input: &mut impl BufRead) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let size = line(input)?.unwrap_or_default();
        let size = u64::from_str_radix(&size, 16).map_err(io::Error::other)?;
        body.extend(part(input, size)?);
        line(input)?;
        if size == 0 {
            return Ok(body);
        }
    }
}

/// State of the connection after what a response says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    Close,
    /// Nothing comes any more for as long as the other side is there.
    Hang,
}

#[derive(Debug)]
pub(crate) struct Response {
    /// 0: not even a status comes.
    status: u16,
    kind: &'static str,
    headers: String,
    body: String,
    ending: Ending,
}

impl Response {
    pub(crate) fn json(status: u16, body: &Value) -> Self {
        let (kind, headers) = ("application/json", String::new());
        Self { status, kind, headers, body: body.to_string(), ending: Ending::Close }
    }

    /// A stream of server-sent events, each named after its `type` where it has one.
    pub(crate) fn events<'a>(events: impl IntoIterator<Item = &'a Value>, last: &str) -> Self {
        let mut body = String::new();
        for event in events {
            if let Some(name) = event["type"].as_str() {
                let _ = writeln!(body, "event: {name}");
            }
            let _ = write!(body, "data: {event}\n\n");
        }
        body += last;
        let (kind, headers) = ("text/event-stream", String::new());
        Self { status: 200, kind, headers, body, ending: Ending::Close }
    }

    /// No response at all.
    pub(crate) fn nothing(ending: Ending) -> Self {
        let (kind, headers, body) = ("", String::new(), String::new());
        Self { status: 0, kind, headers, body, ending }
    }

    pub(crate) fn then(mut self, ending: Ending) -> Self {
        self.ending = ending;
        self
    }

    pub(crate) fn with(mut self, header: &str, value: impl std::fmt::Display) -> Self {
        let _ = write!(self.headers, "{header}: {value}\r\n");
        self
    }

    pub(crate) fn write(&self, stream: &mut TcpStream) -> io::Result<()> {
        let Self { status, kind, headers, body, ending } = self;
        if *status > 0 {
            // A stream has no length: it is over when the connection is.
            let length = match *kind {
                "text/event-stream" => String::new(),
                _ => format!("content-length: {}\r\n", body.len()),
            };
            write!(
                stream,
                "HTTP/1.1 {status} .\r\ncontent-type: {kind}\r\n{length}connection: close\r\n\
                 {headers}\r\n{body}"
            )?;
        }
        if *ending == Ending::Hang {
            wait_for_the_end(stream);
        }
        Ok(())
    }
}

/// Answers nothing for as long as the other side is there.
pub(crate) fn wait_for_the_end(stream: &mut TcpStream) {
    let _ = io::copy(stream, &mut io::sink());
}
