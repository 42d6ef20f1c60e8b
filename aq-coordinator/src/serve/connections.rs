//! Takes connections and serves the router on them, with limits that a hostile peer meets.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use axum::http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt;
use tracing::debug;

use super::tls;

/// A peer that is slower than this with a TLS handshake is let go.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// Connections of a coordinator at once. Each costs some kilobytes and a descriptor.
pub(crate) const MAX_CONNECTIONS: usize = 20_000;

/// The largest head of a request, in bytes.
const MAX_HEAD: usize = 32 * 1024;

/// What a server bears of its peers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections at once; more are closed as they come.
    pub connections: usize,
    /// A peer that takes longer than this between two requests, or to send the headers of one, is let go.
    pub headers: Duration,
    /// How long open requests may go on after the order to stop.
    pub drain: Duration,
}

/// Longer than the pause between heartbeats, so that hosts keep their connections.
pub(super) const LIMITS: Limits = Limits {
    connections: MAX_CONNECTIONS,
    headers: Duration::from_secs(75),
    drain: Duration::from_secs(10),
};

/// Serves `router` without TLS until `stop` says so, for a program that has a socket of its own. The
/// head of a request has at most 32 KiB.
pub async fn serve_plain(
    listener: TcpListener,
    router: Router,
    limits: Limits,
    stop: watch::Receiver<bool>,
) {
    serve(listener, None, router, limits, stop).await;
}

/// Serves until `stop` says so, then lets the open requests end.
pub(super) async fn serve(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    router: Router,
    limits: Limits,
    mut stop: watch::Receiver<bool>,
) {
    let graceful = GracefulShutdown::new();
    let room = Arc::new(Semaphore::new(limits.connections));
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
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let Ok(permit) = Arc::clone(&room).try_acquire_owned() else {
            debug!(%peer, "too many connections");
            continue;
        };
        // A heartbeat is one small packet each way: waiting to fill it helps nobody.
        let _ = stream.set_nodelay(true);
        let (router, tls, watcher) = (router.clone(), tls.clone(), graceful.watcher());
        tokio::spawn(async move {
            connection(stream, peer, tls, router, limits, watcher).await;
            drop(permit);
        });
    }
    drop(listener);
    if tokio::time::timeout(limits.drain, graceful.shutdown()).await.is_err() {
        debug!("some requests did not end in time");
    }
}

async fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    tls: Option<TlsAcceptor>,
    router: Router,
    limits: Limits,
    watcher: Watcher,
) {
    let Some(tls) = tls else { return speak(stream, peer, router, limits, watcher).await };
    match tokio::time::timeout(HANDSHAKE, tls::handshake(&tls, stream)).await {
        Ok(Ok(stream)) => speak(stream, peer, router, limits, watcher).await,
        Ok(Err(error)) => debug!(%peer, %error, "no TLS"),
        Err(_) => debug!(%peer, "TLS handshake took too long"),
    }
}

async fn speak<S>(stream: S, peer: SocketAddr, router: Router, limits: Limits, watcher: Watcher)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |request: Request<Incoming>| {
        let router = router.clone();
        async move {
            let mut request = request.map(axum::body::Body::new);
            request.extensions_mut().insert(ConnectInfo(peer));
            Ok::<_, Infallible>(
                router.oneshot(request).await.unwrap_or_else(|never| match never {}),
            )
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
