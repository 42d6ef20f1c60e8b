//! One life of a coordinator: the real store and the real API on a runtime of its own.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use std::time::Duration;

use aq_coordinator::ledger::{FleetJob, LeaseTiming};
use aq_coordinator::store::{ClockSource, CoordinatorStore, SqliteStore};
use aq_coordinator::{
    ApiTokens, CallerRate, CoordinatorConfig, DatabaseLocation, EmbeddedCoordinator,
};
use aq_fleet::client::{HttpRequest, HttpResponse};
use aq_fleet::protocol::FleetJobId;
use axum::body::Body;
use http_body_util::BodyExt;
use tokio::runtime::{Builder, Runtime};
use tower::ServiceExt;

/// Duration of leases here; the heartbeat is a part of it.
pub(super) const LEASE: Duration = Duration::from_secs(10);
pub(super) const HEARTBEAT: Duration = Duration::from_secs(3);

/// The token of all calls.
pub(super) const TOKEN: &str = "0123456789abcdef0123456789abcdef";

/// It ends with its runtime, in whatever it was doing.
pub(super) struct Coordinator {
    store: Arc<dyn CoordinatorStore>,
    api: EmbeddedCoordinator,
    runtime: Runtime,
}

impl Coordinator {
    pub(super) fn start(file: &Path, clock: &Arc<AtomicI64>) -> Self {
        let runtime = Builder::new_current_thread().enable_time().build().unwrap();
        let clock = ClockSource::Given(Arc::clone(clock));
        let store: Arc<dyn CoordinatorStore> =
            Arc::new(SqliteStore::open(file, LeaseTiming::new(LEASE), clock).unwrap());
        let config = CoordinatorConfig {
            listen: "127.0.0.1:0".parse().unwrap(),
            database: DatabaseLocation::Sqlite(file.to_owned()),
            tokens: ApiTokens::parse("test", TOKEN).unwrap(),
            lease: LEASE,
            heartbeat: HEARTBEAT,
            tls: None,
            insecure: false,
            rate: CallerRate { per_second: 1e9, burst: 1e9 },
            run_doubted: false,
            keep: None,
            echoes: None,
        };
        let api = runtime.block_on(async {
            store.migrate().await.unwrap();
            EmbeddedCoordinator::new(&config, Arc::clone(&store))
        });
        Self { store, api, runtime }
    }

    pub(super) fn serve(&self, request: &HttpRequest) -> HttpResponse {
        let mut http =
            axum::http::Request::builder().method(request.method.as_str()).uri(&request.path);
        for (name, value) in request.headers() {
            http = http.header(name, value);
        }
        let http = http.body(Body::from(request.body.clone().unwrap_or_default())).unwrap();
        self.runtime.block_on(async {
            let answer = self.api.router().oneshot(http).await.unwrap();
            let (head, body) = answer.into_parts();
            let body = body.collect().await.unwrap().to_bytes().to_vec();
            let pause = head.headers.get("retry-after").and_then(|text| text.to_str().ok());
            let retry_after = pause.and_then(|text| text.parse().ok()).map(Duration::from_secs);
            HttpResponse { status: head.status.as_u16(), retry_after, body }
        })
    }

    /// A second of its life; how many leases ended.
    pub(super) fn tick(&self) -> usize {
        self.runtime.block_on(self.store.tick()).unwrap().lapsed
    }

    /// The row of a job.
    pub(super) fn job(&self, id: FleetJobId) -> FleetJob {
        self.runtime.block_on(self.store.job(id)).unwrap().unwrap().value.job
    }
}
