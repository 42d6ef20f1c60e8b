//! The server: its routes, from its start to a signal.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use aq_coordinator::{ApiTokens, ConnectionLimits, serve_plain};
use aq_runner::run::ProcessEnvironment;
use aq_runner::store::QueueDir;
use axum::extract::DefaultBodyLimit;
use axum::routing::{get, post};
use axum::{Router, middleware};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use super::board::BoardEvents;
use super::coordinator::FleetPoller;
use super::feed::LookFeed;
use super::guard::{AccessGuard, MAX_BODY, guard};
use super::live::{STREAMS_OF_ALL, STREAMS_OF_EACH};
use super::pace::{PAGES_OF_ALL, PAGES_OF_EACH, pace};
use super::session::{BrowserSessions, secret};
use super::state::{DashboardState, QueueDashboard};
use super::turns::ReaderTurns;
use super::{actions, add, assets, board, bulk, fleet, graph, insights, job, sign_in};

/// A browser makes at most six connections for all its pages. Well below the descriptors that a
/// process may commonly have (1,024), because the queue's files need some, too.
const LIMITS: ConnectionLimits = ConnectionLimits {
    connections: 512,
    first: Duration::from_secs(20),
    headers: Duration::from_secs(20),
    drain: Duration::ZERO,
};

/// Threads for work that blocks, such as reading a log: one for each page, and some for what lives.
const BLOCKING: usize = 32;

/// Pages at once that read much, such as the numbers of all jobs. A reader has one.
const COSTLY_OF_ALL: usize = 3;

/// Diffs at once, each a run of git. A reader has one.
const DIFFS_OF_ALL: usize = 3;

/// The time that something that is being done, such as a merge, may go on after a signal. What is
/// cut off is put right by recovery, as after a crash.
const LAST: Duration = Duration::from_secs(2);

/// The settings of a dashboard's server.
#[derive(Debug)]
pub(crate) struct ServeOptions {
    /// Port 0 takes any free one.
    pub(crate) listen: SocketAddr,
    /// Names beside `localhost` and addresses under which browsers may ask for it.
    pub(crate) hosts: Vec<String>,
    /// The tokens that let a browser in; `None`: one is made.
    pub(crate) tokens: Option<ApiTokens>,
    /// Reading needs no session.
    pub(crate) is_public: bool,
    pub(crate) queue: QueueDir,
    pub(crate) environment: ProcessEnvironment,
    /// The program that is started as a worker.
    pub(crate) worker: PathBuf,
}

/// A dashboard that is ready.
#[derive(Debug)]
pub(crate) struct ReadyDashboard {
    pub(crate) address: SocketAddr,
    /// The token, when it was made here.
    pub(crate) token: Option<String>,
}

/// Reason why there is no dashboard.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ServeError {
    /// Anybody who can connect could guess.
    #[error(
        "{0} can be reached from other machines: give a token with --token-file; or listen on \
         127.0.0.1 and forward the port (ssh -L)"
    )]
    Remote(SocketAddr),
    #[error("cannot listen on {0}: {1}; --listen takes another address, and port 0 any free one")]
    Listen(SocketAddr, std::io::Error),
    #[error("cannot start: {0}")]
    System(#[from] std::io::Error),
}

/// Serves until Ctrl-C or SIGTERM. `ready` is called once, when it answers.
pub(crate) fn serve(
    options: ServeOptions,
    ready: impl FnOnce(&ReadyDashboard),
) -> Result<(), ServeError> {
    let is_remote = !options.listen.ip().is_loopback();
    if is_remote && options.tokens.is_none() {
        return Err(ServeError::Remote(options.listen));
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .max_blocking_threads(BLOCKING)
        .enable_all()
        .build()?;
    let served = runtime.block_on(async {
        // Before anything starts, so that no signal is missed.
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let listen = options.listen;
        let refused = |error| ServeError::Listen(listen, error);
        let listener = TcpListener::bind(listen).await.map_err(refused)?;
        let address = listener.local_addr()?;
        let (tokens, token) = match options.tokens {
            Some(tokens) => (tokens, None),
            None => made()?,
        };
        let names = options.hosts.iter().map(|name| name.to_ascii_lowercase()).collect();
        let dashboard = QueueDashboard::new(DashboardState {
            door: AccessGuard { names, is_remote, is_public: options.is_public },
            feed: LookFeed::start(options.queue.clone(), options.environment.clone())?,
            sessions: BrowserSessions::new(tokens, address.port()),
            coordinator: FleetPoller::default(),
            queue: options.queue,
            environment: options.environment,
            worker: options.worker,
            pages: ReaderTurns::new(PAGES_OF_EACH, PAGES_OF_ALL),
            costly: ReaderTurns::new(1, COSTLY_OF_ALL),
            diffs: ReaderTurns::new(1, DIFFS_OF_ALL),
            streams: ReaderTurns::new(STREAMS_OF_EACH, STREAMS_OF_ALL),
            board_events: BoardEvents::default(),
        });
        let router = router(dashboard);
        // Pages that live never end by themselves, so nobody is asked to stop, nor waited for.
        let (_never, stop) = watch::channel(false);
        ready(&ReadyDashboard { address, token });
        tokio::select! {
            () = serve_plain(listener, router, LIMITS, stop) => {}
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        Ok(())
    });
    runtime.shutdown_timeout(LAST);
    served
}

fn made() -> Result<(ApiTokens, Option<String>), ServeError> {
    let token = secret();
    let tokens = ApiTokens::parse("the token", &token).map_err(std::io::Error::other)?;
    Ok((tokens, Some(token)))
}

fn router(dashboard: QueueDashboard) -> Router {
    let pages = Router::new()
        .route("/", get(board::page))
        .route("/board/{stage}", get(board::column))
        .route("/insights", get(insights::page))
        .route("/graph", get(graph::page))
        .route("/fleet", get(fleet::page))
        .route("/add", get(add::page).post(add::add))
        .route("/jobs", post(bulk::act))
        .route("/jobs/{id}", get(job::page))
        .route("/jobs/{id}/artifact", get(job::artifact))
        .route("/jobs/{id}/head", get(job::head))
        .route("/jobs/{id}/log", get(job::log_piece))
        .route("/jobs/{id}/log.txt", get(job::whole_log))
        .route("/jobs/{id}/view", get(job::view))
        .route("/jobs/{id}/{action}", post(actions::act))
        .route_layer(middleware::from_fn_with_state(dashboard.clone(), pace));
    Router::new()
        .merge(pages)
        .route("/board/events", get(board::events))
        .route("/jobs/{id}/events", get(job::events))
        .route("/sign-in", get(sign_in::page).post(sign_in::sign_in))
        .route("/sign-out", post(sign_in::sign_out))
        .route("/assets/{name}", get(assets::asset))
        .fallback(async || super::error::PageError::not_found("there is no such page"))
        // The guard has read it by then.
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(middleware::from_fn_with_state(dashboard.clone(), guard))
        .with_state(dashboard)
}
