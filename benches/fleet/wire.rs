//! As little of an HTTP client as will do, so that what is measured is the coordinator.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

pub(crate) const TOKEN: &str = "bench-token-0123456789";

/// One connection that is kept.
#[derive(Debug)]
pub(crate) struct Wire {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Wire {
    pub(crate) async fn open(to: SocketAddr) -> Self {
        let stream = TcpStream::connect(to).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, buffer: Vec::with_capacity(1024) }
    }

    /// The body of the answer, which must be a success.
    pub(crate) async fn send(&mut self, method: &str, path: &str, body: &str) -> &str {
        let length = body.len();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer {TOKEN}\r\n\
             content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
        );
        self.stream.write_all(request.as_bytes()).await.unwrap();
        self.buffer.clear();
        loop {
            assert_ne!(self.stream.read_buf(&mut self.buffer).await.unwrap(), 0, "closed");
            if let Some((start, end)) = body_of(&self.buffer)
                && self.buffer.len() >= end
            {
                let text = std::str::from_utf8(&self.buffer).unwrap();
                assert!(text.starts_with("HTTP/1.1 20"), "{text}");
                return &text[start..end];
            }
        }
    }
}

/// Where the body is, once the head has come.
fn body_of(answer: &[u8]) -> Option<(usize, usize)> {
    let head = answer.windows(4).position(|four| four == b"\r\n\r\n")?;
    let text = std::str::from_utf8(&answer[..head]).unwrap();
    let length = text.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
    Some((head + 4, head + 4 + length.parse::<usize>().unwrap()))
}
