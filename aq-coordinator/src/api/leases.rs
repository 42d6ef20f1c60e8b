//! Calls of a lease's host. Each is fenced by the epoch, in the store.

use std::sync::Arc;

use aq_fleet::protocol::{
    CallDone, EventsRequest, MAX_EVENTS, ProblemBody, ReleaseRequest, RenewRequest, RenewResponse,
    ReportRequest,
};
use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};

use super::body::{JobInPath, JsonBody};
use super::guard::permit;
use super::refusal::ApiRefusal;
use super::state::ApiState;
use super::views;
use crate::auth::{self, ScopeNeed};
use crate::ledger::LeaseHolder;

/// The most fields of an event.
const MAX_FIELDS: usize = 64;

/// Renew one lease.
#[utoipa::path(
    post, path = "/v1/jobs/{jobId}/renew", tag = "leases",
    params(("jobId" = String, Path, description = "The job's id")),
    request_body = RenewRequest,
    responses(
        (status = 200, body = RenewResponse),
        (
            status = 409, description = "`fenced`: the job is no longer the caller's",
            body = ProblemBody, content_type = "application/problem+json",
        ),
    ),
)]
pub(super) async fn renew(
    State(api): State<Arc<ApiState>>,
    Extension(caller): Extension<auth::ApiCaller>,
    JobInPath(job): JobInPath,
    JsonBody(renew): JsonBody<RenewRequest>,
) -> Result<Json<RenewResponse>, ApiRefusal> {
    permit(&caller, ScopeNeed::ActAs(&renew.factory_id))?;
    let caller = LeaseHolder { factory: renew.factory_id, epoch: renew.epoch };
    let expires_in = api.store.renew(job, caller).await?;
    Ok(Json(RenewResponse { expires_in_ms: views::millis(expires_in) }))
}

/// Say how far a job has come. `stage: shipped` decides a ship.
#[utoipa::path(
    post, path = "/v1/jobs/{jobId}/reports", tag = "leases",
    params(("jobId" = String, Path, description = "The job's id")),
    request_body = ReportRequest,
    responses(
        (status = 200, body = CallDone),
        (
            status = 409, description = "`fenced`: the job is no longer the caller's",
            body = ProblemBody, content_type = "application/problem+json",
        ),
    ),
)]
pub(super) async fn report(
    State(api): State<Arc<ApiState>>,
    Extension(caller): Extension<auth::ApiCaller>,
    JobInPath(job): JobInPath,
    JsonBody(report): JsonBody<ReportRequest>,
) -> Result<Json<CallDone>, ApiRefusal> {
    permit(&caller, ScopeNeed::ActAs(&report.factory_id))?;
    api.store.report(job, report).await?;
    api.pulse.beat();
    Ok(Json(CallDone {}))
}

/// Give a job back.
#[utoipa::path(
    post, path = "/v1/jobs/{jobId}/release", tag = "leases",
    params(("jobId" = String, Path, description = "The job's id")),
    request_body = ReleaseRequest,
    responses(
        (status = 200, body = CallDone),
        (
            status = 409, description = "`fenced`: the job is no longer the caller's",
            body = ProblemBody, content_type = "application/problem+json",
        ),
    ),
)]
pub(super) async fn release(
    State(api): State<Arc<ApiState>>,
    Extension(caller): Extension<auth::ApiCaller>,
    JobInPath(job): JobInPath,
    JsonBody(release): JsonBody<ReleaseRequest>,
) -> Result<Json<CallDone>, ApiRefusal> {
    permit(&caller, ScopeNeed::ActAs(&release.factory_id))?;
    api.store.release(job, release).await?;
    api.pulse.beat();
    Ok(Json(CallDone {}))
}

/// Echo what happened to a job, for trackers and dashboards.
#[utoipa::path(
    post, path = "/v1/jobs/{jobId}/events", tag = "leases",
    params(("jobId" = String, Path, description = "The job's id")),
    request_body = EventsRequest,
    responses(
        (status = 202, body = CallDone),
        (
            status = 409, description = "`fenced`: the job is no longer the caller's",
            body = ProblemBody, content_type = "application/problem+json",
        ),
    ),
)]
pub(super) async fn post_events(
    State(api): State<Arc<ApiState>>,
    Extension(caller): Extension<auth::ApiCaller>,
    JobInPath(job): JobInPath,
    JsonBody(events): JsonBody<EventsRequest>,
) -> Result<(StatusCode, Json<CallDone>), ApiRefusal> {
    permit(&caller, ScopeNeed::ActAs(&events.factory_id))?;
    if events.events.len() > MAX_EVENTS {
        let detail = format!("at most {MAX_EVENTS} events, these are {}", events.events.len());
        return Err(ApiRefusal::invalid("events", detail));
    }
    if let Some(n) = events.events.iter().position(|event| event.fields.len() > MAX_FIELDS) {
        let detail = format!("an event has at most {MAX_FIELDS} fields");
        return Err(ApiRefusal::invalid(format!("events[{n}].fields"), detail));
    }
    api.store.post(job, events).await?;
    api.pulse.beat();
    Ok((StatusCode::ACCEPTED, Json(CallDone {})))
}
