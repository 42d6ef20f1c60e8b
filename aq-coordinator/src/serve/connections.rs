//! Takes connections and serves the router on them, with limits that a hostile peer meets.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt;
use tracing::debug;

use super::room::{BusyBody, GuestRoom, RoomGuest};
use super::{descriptors, tls};
use crate::api::TokenChecked;
use crate::metrics::ConnectionCounts;

/// Connections of a coordinator at once. Each costs some kilobytes and a descriptor.
pub(crate) const MAX_CONNECTIONS: usize = 20_000;

/// The largest head of a request, in bytes.
const MAX_HEAD: usize = 32 * 1024;

/// The limits that peers meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectionLimits {
    /// Connections at once. One more takes the place of an idle one, and is closed where there is
    /// none.
    pub connections: usize,
    /// A peer that has shown no valid token, and takes longer than this to send its first request,
    /// or the next one, is let go. The TLS handshake is a part of the first. Each connection gets
    /// half of it at least: a crowd that came at once is not to go, and come back, at once.
    pub first: Duration,
    /// A peer that takes longer than this between two requests, or to send the headers of one, is
    /// let go.
    pub headers: Duration,
    /// Time that open requests may go on after the order to stop.
    pub drain: Duration,
}

impl ConnectionLimits {
    /// Those of a coordinator whose hosts report so often. They keep their connections from one
    /// heartbeat to the next, unless these are far apart.
    pub(super) fn of_coordinator(heartbeat: Duration) -> Self {
        let (shortest, longest) = (Duration::from_secs(20), Duration::from_secs(75));
        Self {
            connections: descriptors::connections(MAX_CONNECTIONS),
            first: Duration::from_secs(10),
            headers: heartbeat.saturating_mul(2).clamp(shortest, longest),
            drain: Duration::from_secs(10),
        }
    }
}

/// Serves `router` without TLS until `stop` says so, for a program that has a socket of its own.
/// The head of a request has at most 32 KiB.
pub async fn serve_plain(
    listener: TcpListener,
    router: Router,
    limits: ConnectionLimits,
    stop: watch::Receiver<bool>,
) {
    serve(listener, None, router, limits, ConnectionCounts::default(), stop).await;
}

/// Serves until `stop` says so, then lets the open requests end.
pub(super) async fn serve(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    router: Router,
    limits: ConnectionLimits,
    counts: ConnectionCounts,
    mut stop: watch::Receiver<bool>,
) {
    let graceful = GracefulShutdown::new();
    let room = GuestRoom::new(limits.connections, counts);
    let mut entered = 0_u16;
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stop.wait_for(|&stop| stop) => break,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of descriptors, mostly: others must end before it goes on.
                debug!(%error, "cannot take a connection");
                room.make_room();
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let Some((guest, closed)) = room.enter() else { continue };
        // A heartbeat is one small packet each way: waiting to fill it helps nobody.
        let _ = stream.set_nodelay(true);
        let (router, tls, watcher) = (router.clone(), tls.clone(), graceful.watcher());
        let patience = patience(limits.first, entered);
        entered = entered.wrapping_add(1);
        tokio::spawn(async move {
            let guest = Arc::new(guest);
            let talk = connection(stream, peer, tls, router, limits, watcher, Arc::clone(&guest));
            tokio::select! {
                () = talk => {}
                _ = closed => debug!(%peer, "an idle connection makes room for another"),
                () = guest.overstays(patience) => debug!(%peer, "no request in time"),
            }
        });
    }
    drop(listener);
    if tokio::time::timeout(limits.drain, graceful.shutdown()).await.is_err() {
        debug!("some requests did not end in time");
    }
}

/// The patience with the n-th connection: between half of the longest and that, such that those
/// that come together are spread evenly.
fn patience(longest: Duration, n: u16) -> Duration {
    // 2^16 divided by the golden ratio.
    let part = n.wrapping_mul(40_503);
    longest - longest / 2 * u32::from(part) / (1 << 16)
}

/// The connection was closed to make room, just as a request came.
#[derive(Debug, thiserror::Error)]
#[error("an idle connection makes room for another")]
struct LostPlace;

async fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    tls: Option<TlsAcceptor>,
    router: Router,
    limits: ConnectionLimits,
    watcher: Watcher,
    guest: Arc<RoomGuest>,
) {
    let Some(tls) = tls else { return speak(stream, peer, router, limits, watcher, guest).await };
    match tls::handshake(&tls, stream).await {
        Ok(stream) => speak(stream, peer, router, limits, watcher, guest).await,
        Err(error) => debug!(%peer, %error, "no TLS"),
    }
}

async fn speak<S>(
    stream: S,
    peer: SocketAddr,
    router: Router,
    limits: ConnectionLimits,
    watcher: Watcher,
    guest: Arc<RoomGuest>,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |request: Request<Incoming>| {
        let (router, busy) = (router.clone(), guest.begin());
        async move {
            let busy = busy.ok_or(LostPlace)?;
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(ConnectInfo(peer));
            let response = router.oneshot(request).await.unwrap_or_else(|never| match never {});
            if response.extensions().get::<TokenChecked>().is_some() {
                busy.is_known();
            }
            Ok::<_, LostPlace>(response.map(|body| BusyBody::new(body, busy)))
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.headers)
        .max_buf_size(MAX_HEAD)
        .serve_connection(TokioIo::new(stream), service);
    if let Err(error) = watcher.watch(connection).await {
        debug!(%peer, %error, "connection ended");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patience_spreads_a_crowd() {
        let longest = Duration::from_secs(10);
        let mut crowd: Vec<Duration> = (0..1_000).map(|n| patience(longest, n)).collect();
        assert_eq!(crowd[0], longest);
        crowd.sort_unstable();
        assert!(crowd[0] > longest / 2, "{:?}", crowd[0]);
        let gaps = crowd.windows(2).map(|pair| pair[1] - pair[0]);
        assert!(gaps.max().unwrap() < Duration::from_millis(20), "evenly");
    }
}
