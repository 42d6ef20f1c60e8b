//! The state that handlers share.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, watch};

use crate::assign::AssignHandle;
use crate::auth::ApiTokens;
use crate::change_notifier::ChangeNotifier;
use crate::echo::TrackerSettings;
use crate::heartbeat_batcher::HeartbeatBatcher;
use crate::metrics::CoordinatorMetrics;
use crate::rate::RateGate;
use crate::store::CoordinatorStore;

/// One coordinator, as its handlers see it.
#[derive(Debug)]
pub(crate) struct ApiState {
    pub(crate) store: Arc<dyn CoordinatorStore>,
    pub(crate) assign: AssignHandle,
    pub(crate) beats: HeartbeatBatcher,
    pub(crate) pulse: ChangeNotifier,
    pub(crate) tokens: ApiTokens,
    /// Requests with a valid token, by token and address.
    pub(crate) requests: RateGate<(u64, IpAddr)>,
    /// Requests without one, by address.
    pub(crate) guesses: RateGate<IpAddr>,
    /// Questions whether it is ready, which need none, by address.
    pub(crate) probes: RateGate<IpAddr>,
    pub(crate) metrics: Arc<CoordinatorMetrics>,
    /// The trackers that get updates.
    pub(crate) echoes: Option<TrackerSettings>,
    pub(crate) lease: Duration,
    pub(crate) heartbeat: Duration,
    /// Room for those who follow the events: each reads from the database by itself.
    pub(crate) readers: Arc<Semaphore>,
    /// Turns true when the coordinator is to end.
    pub(crate) stop: watch::Receiver<bool>,
}
