//! The counts of a coordinator, for Prometheus.

use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use aq_manifest::Outcome;
use nix::sys::statvfs::statvfs;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

use crate::store::{HostSlots, JobTotals};

/// A request that was answered. The route is the pattern, never the path that was asked for: the
/// number of series is fixed by the code.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AnsweredRequest {
    method: &'static str,
    route: String,
    status: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestRoute {
    route: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct InStage {
    stage: &'static str,
}

/// Hosts of which the slots are shown one by one; those of all others are shown together, so that
/// the number of series is bounded.
const SHOWN_HOSTS: usize = 1000;

/// The label of the others: no host can be called so.
const OTHER_HOSTS: &str = "(others)";

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SlotsOf {
    host: String,
    state: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfKind {
    kind: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfClass {
    class: &'static str,
}

/// Reason why a request was turned away before it came to its handler.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum EarlyRefusal {
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

impl EarlyRefusal {
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
pub(crate) struct CoordinatorMetrics {
    registry: Registry,
    disk: Option<DatabaseDisk>,
    requests: Family<AnsweredRequest, Counter>,
    latency: Family<RequestRoute, Histogram>,
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
    slots: Family<SlotsOf, Gauge>,
    cost: Counter<f64, AtomicU64>,
    tokens: Family<OfKind, Counter>,
    failures: Family<OfClass, Counter>,
}

/// The state of the fleet at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct FleetState {
    pub(crate) depth: Vec<(&'static str, u64)>,
    pub(crate) factories_alive: u64,
    pub(crate) oldest_wait: Duration,
    pub(crate) slots: Vec<HostSlots>,
    pub(crate) totals: JobTotals,
}

impl CoordinatorMetrics {
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
            slots: Family::default(),
            cost: Counter::default(),
            tokens: Family::default(),
            failures: Family::default(),
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
        registry.register("slots", "Slots of hosts that are alive, by host", m.slots.clone());
        registry.register_with_unit(
            "cost",
            "What runs have cost in US dollars, estimates included, as hosts said at their end",
            Unit::Other("usd".to_owned()),
            m.cost.clone(),
        );
        registry.register("tokens", "Tokens of runs, as hosts said at their end", m.tokens.clone());
        registry.register("job_failures", "Jobs that failed, by result", m.failures.clone());
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
        self.latency
            .get_or_create(&RequestRoute { route: route.clone() })
            .observe(took.as_secs_f64());
        self.requests.get_or_create(&AnsweredRequest { method, route, status }).inc();
    }

    pub(crate) fn refused(&self, reason: EarlyRefusal) {
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
            self.show_slots(&state.slots);
            self.show_totals(&state.totals);
        }
        let mut text = String::new();
        self.measure_disk();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

impl CoordinatorMetrics {
    fn show_slots(&self, hosts: &[HostSlots]) {
        // Those of hosts that are gone go.
        self.slots.clear();
        for (place, slots) in hosts.iter().enumerate() {
            let host = if place < SHOWN_HOSTS { slots.id.as_str() } else { OTHER_HOSTS };
            for (state, n) in [("in_use", slots.in_use), ("free", slots.free)] {
                let labels = SlotsOf { host: host.to_owned(), state };
                self.slots.get_or_create(&labels).inc_by(n.into());
            }
        }
    }

    /// The sums are the database's, the same at every coordinator and after a restart.
    fn show_totals(&self, totals: &JobTotals) {
        let cost = totals.cost_micros as f64 / 1e6;
        self.cost.inner().store(cost.to_bits(), Relaxed);
        for (kind, n) in [
            ("input", totals.input_tokens),
            ("cached", totals.cached_tokens),
            ("output", totals.output_tokens),
        ] {
            self.tokens.get_or_create(&OfKind { kind }).inner().store(n, Relaxed);
        }
        let is_failure = |result: &&Outcome| !matches!(result, Outcome::Success | Outcome::Shipped);
        for result in Outcome::ALL.iter().filter(is_failure) {
            let class = OfClass { class: result.as_str() };
            // Those that never came are shown as 0, so that `increase` sees the first one.
            let n = totals.failed.get(result).copied().unwrap_or(0);
            self.failures.get_or_create(&class).inner().store(n, Relaxed);
        }
    }
}

impl fmt::Debug for CoordinatorMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CoordinatorMetrics").finish_non_exhaustive()
    }
}

fn whole(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counted_things_are_in_text() {
        let metrics = CoordinatorMetrics::new();
        metrics.answered("POST", "/v1/claims", 200, Duration::from_millis(3));
        metrics.refused(EarlyRefusal::TooMany);
        metrics.grants.inc_by(2);
        let state = FleetState {
            depth: vec![("inbox", 7)],
            factories_alive: 3,
            oldest_wait: Duration::from_millis(1500),
            slots: vec![HostSlots { id: "mill".parse().unwrap(), in_use: 3, free: 1 }],
            totals: JobTotals {
                cost_micros: 1_250_000,
                input_tokens: 10,
                cached_tokens: 0,
                output_tokens: 5,
                failed: [(Outcome::Timeout, 2)].into(),
            },
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
            "aq_slots{host=\"mill\",state=\"in_use\"} 3",
            "# TYPE aq_cost_usd counter\n# UNIT aq_cost_usd usd\naq_cost_usd_total 1.25",
            "aq_tokens_total{kind=\"output\"} 5",
            "aq_job_failures_total{class=\"timeout\"} 2",
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }
        assert!(text.ends_with("# EOF\n"));
        // A host that is gone, and the same again.
        let text = metrics.text(Some(&FleetState { slots: Vec::new(), ..state })).unwrap();
        assert!(!text.contains("mill") && text.contains("aq_cost_usd_total 1.25"), "{text}");
    }

    #[test]
    fn series_of_hosts_are_bounded() {
        let host = |n| HostSlots { id: format!("h-{n}").parse().unwrap(), in_use: 1, free: 2 };
        let state = FleetState { slots: (0..1200).map(host).collect(), ..FleetState::default() };
        let text = CoordinatorMetrics::new().text(Some(&state)).unwrap();
        assert_eq!(text.lines().filter(|line| line.starts_with("aq_slots{")).count(), 2002);
        assert!(text.contains("aq_slots{host=\"(others)\",state=\"free\"} 400"));
    }
}
