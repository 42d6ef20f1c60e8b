//! A way from hosts to a coordinator on which answers can be lost and changed.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

/// A change to an answer: first the request's line, then the answer's body. `None`: the host never
/// sees it, and the connection ends.
type Meddle = Box<dyn FnMut(&str, String) -> Option<String> + Send>;

/// Between hosts and a coordinator, until the test ends.
pub(super) struct Proxy {
    address: SocketAddr,
    meddle: Arc<Mutex<Meddle>>,
}

impl Proxy {
    /// Hands everything through.
    pub(super) fn to(coordinator: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let through: Meddle = Box::new(|_, body| Some(body));
        let meddle = Arc::new(Mutex::new(through));
        let shared = meddle.clone();
        thread::spawn(move || {
            for host in listener.incoming().flatten() {
                let meddle = shared.clone();
                // A connection that breaks off is what this is for.
                thread::spawn(move || drop(carry(host, coordinator, &meddle)));
            }
        });
        Self { address, meddle }
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on this happens to answers.
    pub(super) fn meddle(&self, with: impl FnMut(&str, String) -> Option<String> + Send + 'static) {
        *self.meddle.lock().unwrap_or_else(PoisonError::into_inner) = Box::new(with);
    }
}

/// Carries the requests of one connection, each on a connection of its own.
fn carry(host: TcpStream, to: SocketAddr, meddle: &Mutex<Meddle>) -> std::io::Result<()> {
    let mut back = host.try_clone()?;
    let mut from = BufReader::new(host);
    while let Some((first, head, body)) = message(&mut from)? {
        let mut there = TcpStream::connect(to)?;
        write!(there, "{first}\r\n{head}connection: close\r\n\r\n{body}")?;
        let Some((status, head, body)) = message(&mut BufReader::new(there))? else {
            return Ok(());
        };
        let body = (meddle.lock().unwrap_or_else(PoisonError::into_inner))(&first, body);
        let Some(body) = body else { return Ok(()) };
        write!(back, "{status}\r\n{head}content-length: {}\r\n\r\n{body}", body.len())?;
    }
    Ok(())
}

/// The first line, the headers that are to go on, and the body. `None` at the end.
fn message(from: &mut impl BufRead) -> std::io::Result<Option<(String, String, String)>> {
    let mut line = || -> std::io::Result<String> {
        let mut line = String::new();
        from.read_line(&mut line)?;
        Ok(line.trim_end().to_owned())
    };
    let first = line()?;
    if first.is_empty() {
        return Ok(None);
    }
    let (mut head, mut length, is_request) = (String::new(), 0, !first.starts_with("HTTP"));
    loop {
        let header = line()?;
        let Some((name, value)) = header.split_once(':') else { break };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.trim().parse().unwrap_or(0),
            "connection" => continue,
            _ => head.push_str(&format!("{header}\r\n")),
        }
    }
    if is_request {
        head.push_str(&format!("content-length: {length}\r\n"));
    }
    let mut body = vec![0; length];
    from.read_exact(&mut body)?;
    Ok(Some((first, head, String::from_utf8_lossy(&body).into_owned())))
}
