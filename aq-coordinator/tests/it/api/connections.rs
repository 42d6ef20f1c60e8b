//! Connections that do nothing keep nobody out.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use aq_coordinator::ledger::LeaseTiming;
use aq_coordinator::store::{ClockSource, CoordinatorStore, SqliteStore};
use aq_coordinator::{ConnectionLimits, EmbeddedCoordinator, serve_plain};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use serde_json::json;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::fleet::{TOKEN, client, config};

/// A coordinator's API behind limits of a case.
struct Server {
    address: SocketAddr,
    _api: EmbeddedCoordinator,
    _stop: watch::Sender<bool>,
    _dir: TempDir,
}

impl Server {
    async fn new(limits: ConnectionLimits) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("db");
        let config = config(&file);
        let timing = LeaseTiming::new(config.lease);
        let store = SqliteStore::open(&file, timing, ClockSource::Database).unwrap();
        store.migrate().await.unwrap();
        let api = EmbeddedCoordinator::new(&config, Arc::new(store));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = watch::channel(false);
        tokio::spawn(serve_plain(listener, api.router(), limits, stopped));
        Self { address, _api: api, _stop: stop, _dir: dir }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// The status of a heartbeat over this client's connection.
    async fn beat(&self, client: &reqwest::Client) -> u16 {
        let url = format!("http://{}/v1/factories/a/heartbeat", self.address);
        let beat = json!({ "instanceId": "i", "free": 1, "leases": [] });
        client.post(url).bearer_auth(TOKEN).json(&beat).send().await.unwrap().status().as_u16()
    }
}

const LONG: Duration = Duration::from_secs(60);

/// Asks with a valid token, and leaves the connection open.
fn request() -> String {
    format!("GET /v1/stats HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {TOKEN}\r\n\r\n")
}

/// Tests for a stream that the other end closes within the time that a case has.
async fn is_closed(stream: &mut TcpStream) -> bool {
    let mut byte = [0];
    let read = tokio::time::timeout(Duration::from_secs(20), stream.read(&mut byte)).await;
    read.is_ok_and(|read| matches!(read, Ok(0) | Err(_)))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn idle_connections_keep_no_heartbeat_out() {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard).unwrap();
    let limits =
        ConnectionLimits { connections: 1000, first: LONG, headers: LONG, drain: Duration::ZERO };
    let server = Server::new(limits).await;
    let host = client();
    assert_eq!(server.beat(&host).await, 200);
    let mut kept = server.connect().await;
    let request = request();
    let mut answer = [0; 4096];
    kept.write_all(request.as_bytes()).await.unwrap();
    assert!(kept.read(&mut answer).await.unwrap() > 0);
    let mut idle = Vec::new();
    for n in 0..1100 {
        let mut stream = server.connect().await;
        if n % 2 == 0 {
            stream.write_all(b"POST /v1/claims HTTP/1.1\r\n").await.unwrap();
        }
        idle.push(stream);
    }
    assert_eq!(server.beat(&host).await, 200, "one that was there before");
    assert_eq!(server.beat(&client()).await, 200, "a new one");
    assert!(is_closed(&mut idle[0]).await, "the first of them has made room");
    kept.write_all(request.as_bytes()).await.unwrap();
    assert!(kept.read(&mut answer).await.unwrap() > 0, "one with a token was not closed");
}

#[tokio::test]
async fn without_a_token_a_connection_is_closed_soon() {
    let first = Duration::from_millis(300);
    let limits = ConnectionLimits { connections: 9, first, headers: LONG, drain: Duration::ZERO };
    let server = Server::new(limits).await;
    let mut known = server.connect().await;
    let request = request();
    known.write_all(request.as_bytes()).await.unwrap();
    let mut answer = [0; 4096];
    assert!(known.read(&mut answer).await.unwrap() > 0);
    let mut silent = server.connect().await;
    let mut guesser = server.connect().await;
    guesser.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    assert!(guesser.read(&mut answer).await.unwrap() > 0);
    assert!(is_closed(&mut silent).await && is_closed(&mut guesser).await);
    known.write_all(request.as_bytes()).await.unwrap();
    assert!(known.read(&mut answer).await.unwrap() > 0, "it may wait longer");
}
