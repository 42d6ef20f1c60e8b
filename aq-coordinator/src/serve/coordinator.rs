//! Starts everything, and ends it again.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use axum::Router;
use prometheus_client::metrics::counter::Counter;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;
use tokio::time::{Duration, MissedTickBehavior, interval};
use tracing::{error, info, warn};

use super::config::{CoordinatorConfig, DatabaseLocation};
use super::connections::{self, ConnectionLimits};
use super::error::ServeError;
use super::{database, descriptors, supervisor, tls};
use crate::api::{ApiState, router};
use crate::assign::AssignHandle;
use crate::auth::ApiTokens;
use crate::change_notifier::ChangeNotifier;
use crate::echo;
use crate::heartbeat_batcher::HeartbeatBatcher;
use crate::ledger::LeaseTiming;
use crate::metrics::CoordinatorMetrics;
use crate::rate::{CallerRate, RateGate};
use crate::retention;
use crate::store::CoordinatorStore;

/// Interval of looks at leases (the ledger counts a longer pause than a few as an outage).
const TICK: Duration = Duration::from_secs(1);

/// What somebody without a valid token may send, each of wrong tokens and of questions whether this
/// coordinator is ready.
const GUESSES: CallerRate = CallerRate { per_second: 5.0, burst: 50.0 };

/// Maximum of readers that follow the events at once.
const MAX_READERS: usize = 64;

/// A coordinator at work. It goes on when this is dropped.
#[derive(Debug)]
pub struct RunningCoordinator {
    address: SocketAddr,
    is_tls: bool,
    stop: watch::Sender<bool>,
    served: JoinHandle<()>,
    /// The tasks that send updates to trackers.
    echoes: Vec<JoinHandle<()>>,
}

impl RunningCoordinator {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The base address for clients, such as `http://127.0.0.1:7332`.
    pub fn url(&self) -> String {
        format!("{}://{}", if self.is_tls { "https" } else { "http" }, self.address)
    }

    /// Ends it in good order: claims that wait get an empty answer, open requests are answered.
    /// Takes at most ten seconds.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        // Whether they ended well or not, they have ended.
        let _ = self.served.await;
        for echo in self.echoes {
            let _ = echo.await;
        }
    }
}

/// Serves a fleet as `config` says, on the current runtime, until [`RunningCoordinator::stop`].
///
/// # Errors
/// See [`ServeError`]. When it returns, the coordinator answers.
pub async fn serve(config: CoordinatorConfig) -> Result<RunningCoordinator, ServeError> {
    if config.heartbeat.is_zero() || config.lease < config.heartbeat.saturating_mul(2) {
        return Err(ServeError::Times { lease: config.lease, heartbeat: config.heartbeat });
    }
    if config.tls.is_none() && !config.insecure && !config.listen.ip().is_loopback() {
        return Err(ServeError::Insecure { listen: config.listen });
    }
    let acceptor =
        config.tls.as_ref().map(|files| tls::acceptor(&files.cert, &files.key)).transpose()?;
    let store =
        database::open(&config.database, LeaseTiming::new(config.lease), config.run_doubted)
            .await?;
    let refused = |source| ServeError::Listen { listen: config.listen, source };
    let listener = TcpListener::bind(config.listen).await.map_err(refused)?;
    let address = listener.local_addr().map_err(refused)?;
    let (stop, stopped) = watch::channel(false);
    let pulse = ChangeNotifier::new();
    let mut metrics = CoordinatorMetrics::new();
    if let DatabaseLocation::Sqlite(file) = &config.database {
        metrics.watch_disk(file.clone());
    }
    let metrics = Arc::new(metrics);
    let ran_out = metrics.leases_ran_out.clone();
    tokio::spawn(keep_time(Arc::clone(&store), pulse.clone(), ran_out, stopped.clone()));
    tokio::spawn(retention::run(Arc::clone(&store), config.keep, stopped.clone()));
    let echoes = match &config.echoes {
        Some(echoes) => echo::start(echoes, &store, &stopped)?,
        None => Vec::new(),
    };
    let counts = metrics.connections.clone();
    let router = wire_up(&config, store, pulse, metrics, &stopped);
    let is_tls = acceptor.is_some();
    let limits = ConnectionLimits::of_coordinator(config.heartbeat);
    let served =
        tokio::spawn(connections::serve(listener, acceptor, router, limits, counts, stopped));
    info!(%address, database = %config.database, tls = is_tls, "coordinator is ready");
    Ok(RunningCoordinator { address, is_tls, stop, served, echoes })
}

/// The API of a coordinator without a socket and without a clock, for a program that has its own,
/// such as a simulation. It ends when this is dropped.
#[derive(Debug)]
pub struct EmbeddedCoordinator {
    router: Router,
    _stop: watch::Sender<bool>,
}

impl EmbeddedCoordinator {
    /// The API over a store that is open and [migrated](CoordinatorStore::migrate), on the current
    /// runtime. Whoever embeds it calls [`CoordinatorStore::tick`] every second. Of `config`, what
    /// is about sockets and the database does not matter.
    pub fn new(config: &CoordinatorConfig, store: Arc<dyn CoordinatorStore>) -> Self {
        let (stop, stopped) = watch::channel(false);
        Self {
            router: wire_up(
                config,
                store,
                ChangeNotifier::new(),
                Arc::new(CoordinatorMetrics::new()),
                &stopped,
            ),
            _stop: stop,
        }
    }

    /// Takes requests.
    pub fn router(&self) -> Router {
        self.router.clone()
    }
}

fn wire_up(
    config: &CoordinatorConfig,
    store: Arc<dyn CoordinatorStore>,
    pulse: ChangeNotifier,
    metrics: Arc<CoordinatorMetrics>,
    stop: &watch::Receiver<bool>,
) -> Router {
    let assign =
        AssignHandle::start(Arc::clone(&store), Arc::clone(&metrics), &pulse, stop.clone());
    let beats = HeartbeatBatcher::start(&store, &metrics);
    router(Arc::new(ApiState {
        store,
        assign,
        beats,
        pulse,
        tokens: config.tokens.clone(),
        requests: RateGate::new(config.rate),
        guesses: RateGate::new(GUESSES),
        probes: RateGate::new(GUESSES),
        metrics,
        echoes: config.echoes.clone(),
        lease: config.lease,
        heartbeat: config.heartbeat,
        readers: Arc::new(Semaphore::new(MAX_READERS)),
        stop: stop.clone(),
    }))
}

/// Says every second that a coordinator lives, and ends leases whose time is over.
async fn keep_time(
    store: Arc<dyn CoordinatorStore>,
    pulse: ChangeNotifier,
    ran_out: Counter,
    mut stop: watch::Receiver<bool>,
) {
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut is_away = false;
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            _ = stop.wait_for(|&stop| stop) => return,
        }
        match store.tick().await {
            Ok(ticked) => {
                if let Some(outage) = ticked.outage {
                    warn!(?outage, "nobody kept time; no lease ends before one lease time is over");
                }
                if let Some(jobs) = ticked.settled {
                    pulse.beat();
                    settled(jobs);
                }
                if ticked.lapsed > 0 {
                    info!(leases = ticked.lapsed, "leases ran out");
                    ran_out.inc_by(ticked.lapsed as u64);
                    pulse.beat();
                }
                if std::mem::take(&mut is_away) {
                    info!("the database is back");
                }
            }
            Err(error) => {
                if !std::mem::replace(&mut is_away, true) {
                    warn!(%error, "the database is away; requests are told to come again");
                }
            }
        }
    }
}

/// Says what is left in doubt after a restore.
fn settled(jobs: usize) {
    if jobs == 0 {
        return info!("hosts have said what they ended before the backup was restored");
    }
    warn!(
        jobs,
        "these jobs may have ended before the backup was restored, and no host has said so: \
         they wait; --after-restore run runs them all, and each can be requeued or cancelled"
    );
}

fn read_again(tokens: &ApiTokens, file: &Path) {
    match tokens.read_again() {
        Ok(()) => {
            info!(file = %file.display(), "the token file was read again");
            for warning in tokens.warnings() {
                warn!("{warning}");
            }
        }
        Err(problem) => error!(%problem, "the tokens that were read before stay"),
    }
}

/// Serves until SIGTERM or SIGINT, on a runtime of its own. `ready` gets the base address once
/// the coordinator answers, as is systemd where that waits for it. SIGHUP has the token file read
/// again; without one, it ends the coordinator as well.
///
/// # Errors
/// See [`ServeError`].
pub fn run(config: CoordinatorConfig, ready: impl FnOnce(&str)) -> Result<(), ServeError> {
    descriptors::raise_limit();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        // Before anything starts, so that no signal is missed.
        let mut term = signal(SignalKind::terminate())?;
        let mut int = signal(SignalKind::interrupt())?;
        let mut hup = signal(SignalKind::hangup())?;
        let tokens = config.tokens.clone();
        let running = serve(config).await?;
        let url = running.url();
        ready(&url);
        supervisor::ready(&url);
        tokio::spawn(supervisor::keep_alive());
        loop {
            tokio::select! {
                _ = term.recv() => break,
                _ = int.recv() => break,
                _ = hup.recv() => match tokens.file() {
                    Some(file) => {
                        supervisor::reloading();
                        read_again(&tokens, file);
                        supervisor::ready(&url);
                    }
                    // The terminal that it was started in is gone.
                    None => break,
                },
            }
        }
        supervisor::stopping();
        info!("ending after the open requests");
        running.stop().await;
        Ok(())
    })
}
