//! The real transport against small servers on loopback that answer well, badly or not at all.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use aq_fleet::client::{
    CallError, CoordinatorClient, CoordinatorTransport, HttpConnection, HttpMethod, HttpRequest,
    MAX_ANSWER_BYTES, SystemClock, TransportProblem,
};
use aq_fleet::protocol::{Epoch, RenewRequest};

const TOKEN: &str = "s3cret-t0ken";
const LONG: Duration = Duration::from_secs(20);

/// Serves each connection with `answer`, which gets the request's text; what was asked comes out
/// of the channel. The thread ends with the test.
fn serve(answer: impl Fn(&str, &mut TcpStream) + Send + 'static) -> (String, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let (asked, seen) = channel();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let request = read_request(&mut stream);
            if asked.send(request.clone()).is_err() {
                return;
            }
            answer(&request, &mut stream);
        }
    });
    (address, seen)
}

/// Head and body of one request.
fn read_request(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let mut part = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                name.eq_ignore_ascii_case("content-length")
                    .then(|| value.trim().parse::<usize>().unwrap())
            });
            if body.len() >= length.unwrap_or(0) {
                return text;
            }
        }
        match stream.read(&mut part) {
            Ok(0) | Err(_) => return text,
            Ok(n) => bytes.extend_from_slice(&part[..n]),
        }
    }
}

fn say(stream: &mut TcpStream, status: &str, headers: &str, body: &str) {
    let length = body.len();
    let _ = write!(
        stream,
        "HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n{headers}\r\n{body}"
    );
}

fn request() -> HttpRequest {
    HttpRequest {
        method: HttpMethod::Put,
        path: "/v1/x?a=%20".to_owned(),
        body: Some(b"{}".to_vec()),
        token: TOKEN.parse().unwrap(),
    }
}

fn client(url: &str, deadline: Duration) -> CoordinatorClient {
    let http = Arc::new(HttpConnection::new(url).unwrap());
    CoordinatorClient::new(http, Arc::new(SystemClock), TOKEN.parse().unwrap(), deadline)
}

fn renew() -> RenewRequest {
    RenewRequest { factory_id: "a".parse().unwrap(), epoch: Epoch(1) }
}

fn job() -> aq_fleet::protocol::FleetJobId {
    "01890a5d-ac96-774b-bcce-b302099a8057".parse().unwrap()
}

#[test]
fn a_request_arrives_whole_and_so_does_its_answer() {
    let (address, seen) = serve(|_, stream| say(stream, "418 T", "retry-after: 7\r\n", "tea"));
    for base in [address.clone(), format!("{address}/"), format!(" {address}/below/ ")] {
        let http = HttpConnection::new(&base).unwrap();
        let got = http.send(&request(), LONG).unwrap();
        assert_eq!((got.status, got.retry_after), (418, Some(Duration::from_secs(7))));
        assert_eq!(got.body, b"tea");
        let asked = seen.recv().unwrap();
        let path = if base.contains("below") { "/below/v1/x" } else { "/v1/x" };
        assert!(asked.starts_with(&format!("PUT {path}?a=%20 HTTP/1.1\r\n")), "{asked}");
        for header in ["authorization: Bearer s3cret-t0ken", "aq-protocol: 1", "user-agent: aq/"] {
            assert!(asked.contains(header), "{asked}");
        }
        assert!(asked.ends_with("\r\n\r\n{}"), "{asked}");
    }
}

#[test]
fn nonsense_retry_after_is_none() {
    for value in ["Wed, 21 Oct 2026 07:28:00 GMT", "-1", "1.5", "99999999999999999999999"] {
        let header = format!("retry-after: {value}\r\n");
        let (address, _seen) = serve(move |_, stream| say(stream, "503 X", &header, ""));
        assert_eq!(
            HttpConnection::new(&address).unwrap().send(&request(), LONG).unwrap().retry_after,
            None
        );
    }
}

#[test]
fn a_redirect_is_not_followed_with_the_token() {
    let (elsewhere, led) = serve(|_, stream| say(stream, "200 OK", "", "{}"));
    let to = format!("location: {elsewhere}/v1\r\n");
    for status in ["301 M", "302 F", "307 T", "308 P"] {
        let to = to.clone();
        let (address, _seen) = serve(move |_, stream| say(stream, status, &to, ""));
        let error = client(&address, LONG).renew(job(), &renew()).unwrap_err();
        assert!(
            matches!(&error, CallError::Garbled { what } if what.contains("redirect")),
            "{error}"
        );
    }
    assert!(led.try_recv().is_err(), "nobody came");
}

#[test]
fn plain_http_to_another_machine_is_warned_of() {
    for (url, warned) in [
        ("http://coordinator.example:7332", true),
        ("http://192.0.2.7/fleet", true),
        ("http://[2001:db8::1]:7332", true),
        ("https://coordinator.example:7332", false),
        ("http://localhost:7332", false),
        ("http://127.0.0.9:7332", false),
        ("http://[::1]:7332", false),
        ("nothing", false),
    ] {
        assert_eq!(HttpConnection::warning(url).is_some(), warned, "{url}");
    }
}

#[test]
fn where_nobody_listens_nothing_was_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let error = HttpConnection::new(&address).unwrap().send(&request(), LONG).unwrap_err();
    assert_eq!(error.problem, TransportProblem::NotSent, "{error}");
    let text = format!("{error} {error:?}");
    assert!(!text.contains(TOKEN) && !text.contains("127.0.0.1"), "{text}");
    let begun = Instant::now();
    let error = client(&address, Duration::from_secs(2)).renew(job(), &renew()).unwrap_err();
    assert!(matches!(error, CallError::Unreachable { tries: 2.., .. }), "{error}");
    assert!(begun.elapsed() < LONG);
}

#[test]
fn broken_answer_leaves_doubt() {
    for answer in [
        "",
        "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"expires",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        "SSH-2.0-server\r\n",
        "HTTP/1.1 OK\r\n\r\n",
        "\0\0\0\0",
    ] {
        let (address, _seen) = serve(move |_, stream| stream.write_all(answer.as_bytes()).unwrap());
        let error = HttpConnection::new(&address).unwrap().send(&request(), LONG).unwrap_err();
        assert_eq!(error.problem, TransportProblem::Lost, "{answer:?}: {error}");
    }
}

#[test]
fn an_answer_without_end_is_given_up() {
    let (address, _seen) = serve(|_, stream| {
        let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
        let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x10000));
        let _ = stream.write_all(head.as_bytes());
        while stream.write_all(chunk.as_bytes()).is_ok() {}
    });
    let error = HttpConnection::new(&address).unwrap().send(&request(), LONG).unwrap_err();
    assert_eq!(error.problem, TransportProblem::TooLarge, "{error}");
    assert!(error.message.contains(&MAX_ANSWER_BYTES.to_string()));
}

#[test]
fn dripping_answer_meets_its_limit() {
    for head in ["", "HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n"] {
        let (address, _seen) = serve(move |_, stream| {
            let _ = stream.write_all(head.as_bytes());
            while stream.write_all(b" ").is_ok() {
                thread::sleep(Duration::from_millis(20));
            }
        });
        let begun = Instant::now();
        let timeout = Duration::from_millis(300);
        let error = HttpConnection::new(&address).unwrap().send(&request(), timeout).unwrap_err();
        assert_eq!(error.problem, TransportProblem::Lost, "{error}");
        assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    }
}

#[test]
fn call_succeeds_after_bad_moment() {
    let tries = std::sync::atomic::AtomicU32::new(0);
    let (address, seen) =
        serve(move |_, stream| match tries.fetch_add(1, std::sync::atomic::Ordering::SeqCst) {
            0 => say(stream, "503 X", "", ""),
            1 => {}
            _ => say(stream, "200 OK", "", "{\"expiresInMs\":60000}"),
        });
    let got = client(&address, LONG).renew(job(), &renew()).unwrap();
    assert_eq!(got.value.expires_in_ms, 60_000);
    let bodies: Vec<String> = seen.try_iter().collect();
    assert_eq!(bodies.len(), 3);
    assert!(bodies.windows(2).all(|pair| pair[0] == pair[1]));
}

#[test]
fn plain_text_for_tls_fails() {
    let (address, _seen) = serve(|_, stream| say(stream, "200 OK", "", "{}"));
    match HttpConnection::new(&address.replace("http", "https")) {
        Ok(http) => {
            let error = http.send(&request(), Duration::from_millis(500)).unwrap_err();
            assert!(!format!("{error:?}").contains(TOKEN));
        }
        // This system has no certificates.
        Err(error) => assert!(error.to_string().contains("ca-certificates"), "{error}"),
    }
}

#[test]
fn addresses_that_cannot_be_are_refused_without_repeating_them() {
    // What the message says: no address, another scheme, or something that does not belong.
    let (none, scheme, extra) = ("is no address", "begins with http", "has no user");
    for (url, says) in [
        ("", none),
        ("coordinator.example", none),
        ("http://", none),
        ("coordinator.example:7332", scheme),
        ("file:///etc/passwd", scheme),
        ("http://me:hunter2@h", extra),
        ("http://h/?token=hunter2", extra),
        ("http://h/#x", extra),
    ] {
        let error = HttpConnection::new(url).unwrap_err().to_string();
        assert!(error.contains(says), "{url}: {error}");
        assert!(!error.contains("hunter2"), "{error}");
    }
}
