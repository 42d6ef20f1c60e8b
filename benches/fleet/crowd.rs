//! Peers that keep connections and hardly use them, in a process of their own.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until, timeout_at};

use super::wire::TOKEN;

/// Time between two bytes of a slow peer.
const BYTE: Duration = Duration::from_secs(1);

/// Numbers of idle and of slow connections, which is also how they are written.
pub(crate) type CrowdSize = [usize; 2];

/// Connects until standard input ends, and says when all have been connected once. A connection
/// that the coordinator closes is opened again at once.
#[expect(clippy::print_stdout, reason = "a program of its own")]
pub(crate) fn gather(address: SocketAddr, [idle, slow]: CrowdSize) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (connected, mut count) = tokio::sync::mpsc::unbounded_channel();
    std::thread::spawn(|| {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(0);
    });
    runtime.block_on(async {
        for n in 0..idle + slow {
            let connected = connected.clone();
            tokio::spawn(async move {
                let text = (n >= idle).then(|| slow_request(n % 2 == 0));
                loop {
                    // Refused while the coordinator's queue of new connections is full.
                    let Ok(stream) = TcpStream::connect(address).await else { continue };
                    let _ = connected.send(());
                    stay(stream, text.as_deref()).await;
                }
            });
        }
        for _ in 0..idle + slow {
            count.recv().await;
        }
        println!("connected");
        std::future::pending().await
    })
}

/// A request whose head, or whose body, never ends.
fn slow_request(with_token: bool) -> String {
    let head = "POST /v1/jobs HTTP/1.1\r\nhost: bench\r\n";
    if with_token {
        format!(
            "{head}authorization: Bearer {TOKEN}\r\ncontent-type: application/json\r\n\
             content-length: 100000\r\n\r\n{{"
        )
    } else {
        head.to_owned()
    }
}

/// Keeps a connection until the other side ends it, and sends a byte now and then when it is slow.
async fn stay(mut stream: TcpStream, text: Option<&str>) {
    if let Some(text) = text
        && stream.write_all(text.as_bytes()).await.is_err()
    {
        return;
    }
    let (mut answer, mut next) = ([0; 512], Instant::now());
    loop {
        next += BYTE;
        match timeout_at(next, stream.read(&mut answer)).await {
            Ok(Ok(0) | Err(_)) => return,
            // An answer, after which it is closed.
            Ok(Ok(_)) => sleep_until(next).await,
            Err(_) if text.is_some() => {
                if stream.write_all(b"a").await.is_err() {
                    return;
                }
            }
            Err(_) => {}
        }
    }
}

/// A crowd that is there until this is dropped.
#[derive(Debug)]
pub(crate) struct PeerCrowd(Child);

impl PeerCrowd {
    /// Waits until all are connected.
    pub(crate) fn gather(address: SocketAddr, size: CrowdSize) -> Self {
        let [idle, slow] = size.map(|many| many.to_string());
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["crowd", &address.to_string(), &idle, &slow])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line.trim(), "connected", "the crowd says what is wrong");
        Self(child)
    }
}

impl Drop for PeerCrowd {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}
