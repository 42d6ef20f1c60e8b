//! The state that handlers share.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, watch};

use crate::assign::Assign;
use crate::auth::Tokens;
use crate::beats::Beats;
use crate::echo::Echoes;
use crate::metrics::Metrics;
use crate::pulse::Pulse;
use crate::rate::Gate;
use crate::store::Store;

/// One coordinator, as its handlers see it.
#[derive(Debug)]
pub(crate) struct Api {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) assign: Assign,
    pub(crate) beats: Beats,
    pub(crate) pulse: Pulse,
    pub(crate) tokens: Tokens,
    /// Requests with a valid token, by token and address.
    pub(crate) requests: Gate<(u64, IpAddr)>,
    /// Requests without one, by address.
    pub(crate) guesses: Gate<IpAddr>,
    /// Questions whether it is ready, which need none, by address.
    pub(crate) probes: Gate<IpAddr>,
    pub(crate) metrics: Arc<Metrics>,
    /// The trackers that are told.
    pub(crate) echoes: Option<Echoes>,
    pub(crate) lease: Duration,
    pub(crate) heartbeat: Duration,
    /// Room for those who follow the events: each reads from the database by itself.
    pub(crate) readers: Arc<Semaphore>,
    /// Turns true when the coordinator is to end.
    pub(crate) stop: watch::Receiver<bool>,
}
