//! The state of the coordinator itself: for supervisors, for Prometheus, and for programs.

use std::sync::Arc;
use std::time::Duration;

use aq_fleet::protocol::{CallDone, FleetStats, ProblemKind};
use aq_manifest::Stage;
use axum::Json;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};

use super::refusal::ApiRefusal;
use super::state::ApiState;
use super::views;
use crate::metrics::FleetState;
use crate::store::FleetNumbers;

/// Prometheus reads this.
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Time limit of the fleet's numbers; without them the others are shown.
const PATIENCE: Duration = Duration::from_secs(3);

/// Whether the process lives. Needs no token.
#[utoipa::path(
    get, path = "/healthz", tag = "service", security(()),
    responses((status = 200, body = CallDone)),
)]
pub(super) async fn healthz() -> Json<CallDone> {
    Json(CallDone {})
}

/// Whether the database can be reached, has the schema of this program, and has room. Needs no
/// token.
#[utoipa::path(
    get, path = "/readyz", tag = "service", security(()),
    responses((status = 200, body = CallDone)),
)]
pub(super) async fn readyz(State(api): State<Arc<ApiState>>) -> Result<Json<CallDone>, ApiRefusal> {
    if *api.stop.borrow() {
        return Err(ApiRefusal::unavailable("the coordinator is going down"));
    }
    api.store.ping().await?;
    Ok(Json(CallDone {}))
}

/// The numbers of the fleet.
#[utoipa::path(
    get, path = "/v1/stats", tag = "fleet", responses((status = 200, body = FleetStats)),
)]
pub(super) async fn stats(
    State(api): State<Arc<ApiState>>,
) -> Result<Json<FleetStats>, ApiRefusal> {
    Ok(Json(views::stats(api.store.numbers().await?)))
}

/// Counters for Prometheus, in its text format.
#[utoipa::path(
    get, path = "/metrics", tag = "service",
    responses((status = 200, body = String, content_type = "application/openmetrics-text")),
)]
pub(super) async fn metrics(State(api): State<Arc<ApiState>>) -> Result<Response, ApiRefusal> {
    // The counters are worth showing while the database is away: one of them says so.
    let numbers = tokio::time::timeout(PATIENCE, api.store.numbers()).await;
    let numbers = numbers.ok().and_then(Result::ok);
    let text = api.metrics.text(numbers.as_ref().map(state).as_ref());
    let text =
        text.map_err(|_| ApiRefusal::new(ProblemKind::Internal, "cannot write the metrics"))?;
    Ok(([(CONTENT_TYPE, OPENMETRICS)], text).into_response())
}

fn state(numbers: &FleetNumbers) -> FleetState {
    let in_stage = |stage: Stage| {
        let depth = numbers.depth.iter().filter(|depth| depth.stage == stage);
        (stage.folder(), depth.map(|depth| depth.jobs).sum())
    };
    FleetState {
        depth: Stage::ALL.into_iter().map(in_stage).collect(),
        factories_alive: numbers.factories_alive.into(),
        oldest_wait: numbers.oldest_wait.unwrap_or_default(),
        slots: numbers.slots.clone(),
        totals: numbers.totals.clone(),
    }
}
