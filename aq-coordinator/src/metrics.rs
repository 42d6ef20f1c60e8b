//! What a coordinator counts, for Prometheus.

use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use nix::sys::statvfs::statvfs;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

/// A request that was answered. The route is the pattern, never the path that was asked for: the
/// number of series is fixed by the code.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answered {
    method: &'static str,
    route: String,
    status: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Route {
    route: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct InStage {
    stage: &'static str,
}

/// Why a request was turned away before it came to its handler.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Refused {
    /// No token, or a wrong one.
    Unauthorized,
    /// A token whose scope does not cover the call.
    Scope,
    /// Too many requests.
    TooMany,
    /// The time limit of a request.
    TimedOut,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RefusedFor {
    reason: &'static str,
}

impl Refused {
    const fn word(self) -> &'static str {
        match self {
            Self::Unauthorized => "unauthorized",
            Self::Scope => "scope",
            Self::TooMany => "too_many",
            Self::TimedOut => "timed_out",
        }
    }
}

/// Connections of one server.
#[derive(Clone, Debug, Default)]
pub(crate) struct ConnectionCounts {
    pub(crate) open: Gauge,
    pub(crate) evicted: Counter,
    pub(crate) refused: Counter,
}

/// The disk under a database that is a file.
struct DatabaseDisk {
    file: PathBuf,
    free: Gauge,
}

/// All counters of one coordinator.
pub(crate) struct Metrics {
    registry: Registry,
    disk: Option<DatabaseDisk>,
    requests: Family<Answered, Counter>,
    latency: Family<Route, Histogram>,
    refused: Family<RefusedFor, Counter>,
    pub(crate) connections: ConnectionCounts,
    pub(crate) claims: Counter,
    pub(crate) grants: Counter,
    pub(crate) batches: Counter,
    pub(crate) parked: Gauge,
    pub(crate) fenced: Counter,
    pub(crate) leases_renewed: Counter,
    pub(crate) leases_ran_out: Counter,
    pub(crate) unavailable: Counter,
    depth: Family<InStage, Gauge>,
    factories: Gauge,
    oldest_wait: Gauge<f64, AtomicU64>,
}

/// The state of the fleet at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct FleetState {
    pub(crate) depth: Vec<(&'static str, u64)>,
    pub(crate) factories_alive: u64,
    pub(crate) oldest_wait: Duration,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let mut registry = Registry::with_prefix("aq");
        // 0.5 ms to 33 s: a heartbeat to a claim that waits.
        let histogram: fn() -> Histogram = || Histogram::new(exponential_buckets(0.0005, 2.0, 17));
        let metrics = Self {
            disk: None,
            requests: Family::default(),
            latency: Family::new_with_constructor(histogram),
            refused: Family::default(),
            connections: ConnectionCounts::default(),
            claims: Counter::default(),
            grants: Counter::default(),
            batches: Counter::default(),
            parked: Gauge::default(),
            fenced: Counter::default(),
            leases_renewed: Counter::default(),
            leases_ran_out: Counter::default(),
            unavailable: Counter::default(),
            depth: Family::default(),
            factories: Gauge::default(),
            oldest_wait: Gauge::default(),
            registry: Registry::default(),
        };
        let m = &metrics;
        registry.register("http_requests", "Requests that were answered", m.requests.clone());
        registry.register_with_unit(
            "http_request_duration",
            "Time from the head of a request to its answer, by route",
            Unit::Seconds,
            m.latency.clone(),
        );
        registry.register("http_refused", "Requests refused before any work", m.refused.clone());
        registry.register("connections", "Connections that are open", m.connections.open.clone());
        registry.register(
            "connections_evicted",
            "Idle connections that were closed to make room for others",
            m.connections.evicted.clone(),
        );
        registry.register(
            "connections_refused",
            "Connections that found no room",
            m.connections.refused.clone(),
        );
        registry.register("claims", "Claims that were answered", m.claims.clone());
        registry.register("grants", "Jobs that were granted", m.grants.clone());
        registry.register("grant_batches", "Transactions that granted", m.batches.clone());
        registry.register("claims_parked", "Claims that wait for a job", m.parked.clone());
        registry.register("fenced", "Writes refused for their epoch", m.fenced.clone());
        registry.register("leases_renewed", "Leases renewed", m.leases_renewed.clone());
        registry.register("leases_ran_out", "Leases that ran out", m.leases_ran_out.clone());
        registry.register("unavailable", "Requests told to come again", m.unavailable.clone());
        registry.register("jobs", "Jobs by stage", m.depth.clone());
        registry.register("factories_alive", "Factories heard of lately", m.factories.clone());
        registry.register_with_unit(
            "oldest_wait",
            "Age of the oldest job in the inbox",
            Unit::Seconds,
            m.oldest_wait.clone(),
        );
        Self { registry, ..metrics }
    }

    /// Shows how much room there is for a database that is this file.
    pub(crate) fn watch_disk(&mut self, file: PathBuf) {
        let free = Gauge::default();
        self.registry.register_with_unit(
            "database_free",
            "Room on the disk of the database's file",
            Unit::Bytes,
            free.clone(),
        );
        self.disk = Some(DatabaseDisk { file, free });
    }

    fn measure_disk(&self) {
        if let Some(DatabaseDisk { file, free }) = &self.disk
            && let Ok(disk) = statvfs(file)
        {
            free.set(whole(disk.blocks_available().saturating_mul(disk.fragment_size())));
        }
    }

    pub(crate) fn answered(&self, method: &'static str, route: &str, status: u16, took: Duration) {
        let route = route.to_owned();
        self.latency.get_or_create(&Route { route: route.clone() }).observe(took.as_secs_f64());
        self.requests.get_or_create(&Answered { method, route, status }).inc();
    }

    pub(crate) fn refused(&self, reason: Refused) {
        self.refused.get_or_create(&RefusedFor { reason: reason.word() }).inc();
    }

    /// Everything as text, with the fleet's state as it was found just now, if it could be.
    pub(crate) fn text(&self, state: Option<&FleetState>) -> Result<String, fmt::Error> {
        if let Some(state) = state {
            for &(stage, jobs) in &state.depth {
                self.depth.get_or_create(&InStage { stage }).set(whole(jobs));
            }
            self.factories.set(whole(state.factories_alive));
            self.oldest_wait.set(state.oldest_wait.as_secs_f64());
        }
        let mut text = String::new();
        self.measure_disk();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

fn whole(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counted_things_are_in_the_text() {
        let metrics = Metrics::new();
        metrics.answered("POST", "/v1/claims", 200, Duration::from_millis(3));
        metrics.refused(Refused::TooMany);
        metrics.grants.inc_by(2);
        let state = FleetState {
            depth: vec![("inbox", 7)],
            factories_alive: 3,
            oldest_wait: Duration::from_millis(1500),
        };
        let text = metrics.text(Some(&state)).unwrap();
        for line in [
            "aq_http_requests_total{method=\"POST\",route=\"/v1/claims\",status=\"200\"} 1",
            "aq_http_request_duration_seconds_bucket{le=\"0.004\",route=\"/v1/claims\"} 1",
            "aq_http_refused_total{reason=\"too_many\"} 1",
            "aq_grants_total 2",
            "aq_jobs{stage=\"inbox\"} 7",
            "aq_factories_alive 3",
            "aq_oldest_wait_seconds 1.5",
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }
        assert!(text.ends_with("# EOF\n"));
    }
}
