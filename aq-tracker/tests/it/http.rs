//! HTTP over real sockets, to servers that mean no good.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use aq_tracker::forge::{PullAnswer, PullRequests};
use aq_tracker::{HttpTransport, ItemApi, Tracker, TrackerToken, Trackers};

const TOKEN: &str = "tok-1234";

/// A server that says this to each request, after having read its head.
fn server(say: impl Fn(&mut TcpStream) + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let mut line = String::new();
            while reader.read_line(&mut line).is_ok_and(|count| count > 2) {
                line.clear();
            }
            say(&mut stream);
        }
    });
    format!("http://{address}")
}

fn item_at(base: &str) -> Result<String, String> {
    item_within(Duration::from_secs(60), base)
}

fn item_within(limit: Duration, base: &str) -> Result<String, String> {
    let way =
        HttpTransport::new("it", "AQ_TRACKER_URL", base, TrackerToken::new(TOKEN), &[]).unwrap();
    let api = ItemApi::new(way.with_time_limit(limit));
    let begun = Instant::now();
    let result = api.item(&"7".parse().unwrap());
    assert!(begun.elapsed() < limit + Duration::from_secs(18), "{:?}", begun.elapsed());
    result.map(|item| item.title).map_err(|e| e.to_string())
}

#[test]
fn an_answer_is_read() {
    let base = server(|stream| {
        let body = r#"{"title": "T"}"#;
        let _ = write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    });
    assert_eq!(item_at(&base), Ok("T".to_owned()));
}

#[test]
fn servers_that_do_not_answer_end_in_an_error() {
    type Say = fn(&mut TcpStream);
    let cases: [(&str, Say); 4] = [
        ("", |_| {}),
        ("", |stream| {
            let _ = stream.write_all(b"HTTP/1.1 banana\r\n\r\n");
        }),
        ("broke off", |stream| {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"ti");
        }),
        ("more than 16777216 bytes", |stream| {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
            while stream.write_all(&[b' '; 1 << 16]).is_ok() {}
        }),
    ];
    for (want, say) in cases {
        let error = item_at(&server(say)).unwrap_err();
        assert!(error.starts_with("it does not answer as it should: "), "{error}");
        assert!(error.contains(want), "{want}: {error}");
    }
    let silent = server(|stream| {
        // Until the other side hangs up.
        let _ = BufReader::new(stream).read_line(&mut String::new());
    });
    let error = item_within(Duration::from_secs(2), &silent).unwrap_err();
    assert_eq!(error, "it does not answer as it should: no whole answer within 2s");
    assert!(item_at("http://127.0.0.1:1").unwrap_err().contains("cannot connect"));
}

#[test]
fn one_that_answers_byte_by_byte_is_given_up() {
    let drips = server(|stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
        while stream.write_all(b" ").is_ok() {
            std::thread::sleep(Duration::from_millis(50));
        }
    });
    let error = item_within(Duration::from_secs(2), &drips).unwrap_err();
    assert!(error.contains("no whole answer") || error.contains("broke off"), "{error}");
}

#[test]
fn a_token_that_is_sent_back_is_not_shown() {
    let error = item_at(&server(|stream| {
        let body = format!("{{\"message\": \"you sent Bearer {TOKEN}\"}}");
        let _ = write!(stream, "HTTP/1.1 400 x\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    }));
    assert_eq!(error.unwrap_err(), "the tracker refuses: status 400, you sent Bearer [token]");
    let trackers = Trackers::new(|_| Some(TOKEN.to_owned()));
    assert!(!format!("{trackers:?}").contains(TOKEN));
}

#[test]
fn known_versions_are_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let asked = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") && reader.read_line(&mut head).unwrap() > 0 {}
        let _ = stream.write_all(b"HTTP/1.1 304 Not Modified\r\netag: \"1\"\r\n\r\n");
        head
    });
    let way =
        HttpTransport::new("it", "AQ_GITHUB_API", &base, TrackerToken::new(TOKEN), &[]).unwrap();
    let pulls = PullRequests::over_http(way);
    assert_eq!(pulls.hosts().host(), "127.0.0.1");
    let repository = "github:o/r".parse().unwrap();
    let answer = pulls.read(&repository, 7, "aq/wip/a", Some("\"1\""));
    assert_eq!(answer, Ok(PullAnswer::Unchanged));
    let head = asked.join().unwrap().to_ascii_lowercase();
    assert!(head.starts_with("get /repos/o/r/pulls/7 "), "{head}");
    assert!(head.contains("if-none-match: \"1\"\r\n"), "{head}");
}
