//! Errors at the start of a coordinator.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use super::tls::TlsError;
use crate::store::StoreError;

/// Reason why a coordinator does not start. Nothing was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// Others could read tokens and jobs on the way.
    #[error(
        "{listen} can be reached from other machines, and without TLS everybody on the way reads \
         tokens and jobs: give it a certificate and a key, or listen on 127.0.0.1"
    )]
    Insecure {
        /// Where it was to listen.
        listen: SocketAddr,
    },
    /// Hosts could not keep their leases.
    #[error(
        "a lease of {lease:?} with a heartbeat every {heartbeat:?} would run out in good order: a \
         heartbeat is longer than zero, and a lease at least twice as long"
    )]
    Times {
        /// The duration that a lease was to have.
        lease: Duration,
        /// The interval at which hosts were to report.
        heartbeat: Duration,
    },
    /// The certificate or the key.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The address.
    #[error("cannot listen on {listen}: {source}")]
    Listen {
        /// Where it was to listen.
        listen: SocketAddr,
        /// The cause.
        source: io::Error,
    },
    /// The database.
    #[error("cannot use {database}: {source}")]
    Store {
        /// Which one, without secrets.
        database: String,
        /// The cause.
        source: StoreError,
    },
    /// The operating system gives no threads or signals.
    #[error("cannot start: {0}")]
    System(#[from] io::Error),
}
