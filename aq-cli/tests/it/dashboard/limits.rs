//! The costs of peers to the dashboard, and its start and end.

use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use super::server::{LOCAL, Server};
use crate::hostile::of_status;
use crate::sandbox::{PATIENCE, Sandbox, cpu_ticks, wait_for};

#[test]
fn it_ends_at_once_though_pages_are_open() {
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let sandbox = Sandbox::new();
        let mut server = Server::start(&sandbox);
        let open: Vec<TcpStream> = (0..3).filter_map(|_| server.follow()).collect();
        assert_eq!(open.len(), 3);
        let begun = Instant::now();
        assert_eq!(server.signal(signal), 0);
        assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
        TcpStream::connect(&server.address).unwrap_err();
    }
}

#[test]
fn addresses_that_cannot_be_had_are_told() {
    let sandbox = Sandbox::new();
    for bad in ["nowhere", "127.0.0.1", "127.0.0.1:99999", ":7331"] {
        let (code, said) = sandbox.code(&["dashboard", "--listen", bad]);
        assert_eq!(code, 2, "{said}");
        assert!(said.contains("--listen <ADDRESS>") && said.contains(bad), "{said}");
    }
    let taken = TcpListener::bind(LOCAL).unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let (code, said) = sandbox.code(&["dashboard", "--listen", &address]);
    assert_eq!(code, 5, "{said}");
    assert!(said.contains(&address) && said.contains("port 0 any free one"), "{said}");
    fs::write(sandbox.path("empty"), "# none\n").unwrap();
    let file = sandbox.path("empty");
    let (code, said) = sandbox.code(&["dashboard", "--token-file", file.to_str().unwrap()]);
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("holds no token"), "{said}");
}

#[test]
fn endless_requests_are_dropped() {
    let sandbox = Sandbox::new();
    let server = Server::start(&sandbox);
    let long = format!("GET /?q={}", "x".repeat(20_000));
    assert_eq!(server.ask(&long, &[server.session()], "").status, 200);
    for length in [100_000, 4_000_000] {
        let longer = format!("GET /?q={}", "x".repeat(length));
        let status = server.ask(&longer, &[], "").status;
        // It may close before all was sent; then no answer arrives.
        assert!([414, 431, 0].contains(&status), "{length}: {status}");
    }
    let origin = server.url("");
    let big = format!("token={}", "x".repeat(100_000));
    let status = server.ask("POST /sign-in", &[("origin", &origin)], &big).status;
    assert!([413, 0].contains(&status), "{status}");
    let (cookie, csrf) = server.sign_in(server.token());
    let headers = [("origin", origin.as_str()), ("cookie", cookie.as_str())];
    // A job file may be that large: here it is refused in words for what it is.
    let job = format!("csrf={csrf}&name=x&text={}", "x".repeat(2 << 20));
    let answer = server.ask("POST /add", &headers, &job);
    assert_eq!(answer.status, 400, "{}", answer.status);
    assert!(answer.body.contains("role=\"alert\""));
    let job = format!("csrf={csrf}&name=x&text={}", "x".repeat(5 << 20));
    let status = server.ask("POST /add", &headers, &job).status;
    assert!([413, 0].contains(&status), "{status}");
    assert_eq!(server.get("/").status, 200);
}

#[test]
fn streams_and_connections_are_bounded_and_given_back() {
    let sandbox = Sandbox::new();
    let server = Server::start(&sandbox);
    let pid = server.child.id();
    let mut open: Vec<TcpStream> = (0..64).map(|_| server.follow().unwrap()).collect();
    assert!(server.follow().is_none(), "there is room for 64 of a reader only");
    assert_eq!(server.get("/board/events").status, 503);
    assert_eq!(server.get("/").status, 200, "pages are answered all the same");
    // Some that say nothing, and more than there is room for.
    let silent: Vec<TcpStream> =
        (0..600).filter_map(|_| TcpStream::connect(&server.address).ok()).collect();
    let descriptors = fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count();
    assert!(descriptors < 600, "{descriptors}");
    drop(silent);
    open.clear();
    wait_for("room for a stream", || server.follow().is_some());
    assert_eq!(server.get("/").status, 200);
}

#[test]
fn thousand_streams_leave_nothing_behind() {
    let sandbox = Sandbox::new();
    sandbox.add("x", "", "true");
    let server = Server::start(&sandbox);
    let pid = server.child.id();
    let round = |count: usize| {
        for _ in 0..count {
            let stream = server.follow();
            drop(stream);
        }
        // All places are free again: nothing of the old ones is kept.
        let descriptors = || fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count();
        wait_for("the ends of the streams", || descriptors() < 40);
    };
    round(200);
    let before = of_status(pid, "RssAnon:");
    round(1_000);
    let after = of_status(pid, "RssAnon:");
    assert!(after < before + 6 * 1024, "{before} kB before, {after} kB after");
}

#[test]
fn nobody_who_looks_costs_nothing() {
    let sandbox = Sandbox::new();
    let server = Server::start(&sandbox);
    let pid = server.child.id();
    drop(server.follow());
    // The next look finds that nobody is there.
    wait_for("the last look", || fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count() < 20);
    let looks = || {
        let begun = cpu_ticks(pid);
        for n in 0..50 {
            sandbox.write(&format!("j{n}"), "", "true");
            let from = sandbox.path(&format!("j{n}.md"));
            fs::rename(from, sandbox.queue(&format!("inbox/j{n}.md"))).unwrap();
            std::thread::sleep(Duration::from_millis(20));
            fs::remove_file(sandbox.queue(&format!("inbox/j{n}.md"))).unwrap();
        }
        cpu_ticks(pid) - begun
    };
    looks();
    // A second and more of changes: 5 % of a core would be a sign that it looks.
    let spent = looks();
    assert!(spent <= 5, "{spent} hundredths of a second");
}

#[test]
fn a_slow_peer_does_not_keep_others_waiting() {
    let sandbox = Sandbox::new();
    let server = Server::start(&sandbox);
    let mut slow: Vec<TcpStream> = (0..50).map(|_| server.connect()).collect();
    for stream in &mut slow {
        let head = format!(
            "POST /sign-in HTTP/1.1\r\nhost: {0}\r\norigin: http://{0}\r\ncontent-length: 9999\r\n\
            \r\ntok",
            server.address
        );
        stream.write_all(head.as_bytes()).unwrap();
    }
    let begun = Instant::now();
    assert_eq!(server.get("/").status, 200);
    assert!(begun.elapsed() < PATIENCE / 4, "{:?}", begun.elapsed());
    // One who breaks off is answered, not waited for.
    let mut broken = slow.pop().unwrap();
    broken.shutdown(Shutdown::Write).unwrap();
    let mut answer = String::new();
    let _ = broken.read_to_string(&mut answer);
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{answer}");
}
