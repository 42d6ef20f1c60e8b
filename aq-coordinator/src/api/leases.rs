//! Calls of a lease's host. Each is fenced by the epoch, in the store.

use std::sync::Arc;

use aq_fleet::protocol::{Done, Events, MAX_EVENTS, Problem, Release, Renew, Renewed, Report};
use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};

use super::body::{Body, JobInPath};
use super::guard::permit;
use super::refusal::Refusal;
use super::state::Api;
use super::views;
use crate::auth::{self, ScopeNeed};
use crate::ledger::Caller;

/// The most fields of an event.
const MAX_FIELDS: usize = 64;

/// Renew one lease.
#[utoipa::path(
    post, path = "/v1/jobs/{jobId}/renew", tag = "leases",
    params(("jobId" = String, Path, description = "The job's id")),
    request_body = Renew,
    responses(
        (status = 200, body = Renewed),
        (status = 409, description = "`fenced`: the job is no longer the caller's", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn renew(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<auth::Caller>,
    JobInPath(job): JobInPath,
    Body(renew): Body<Renew>,
) -> Result<Json<Renewed>, Refusal> {
    permit(&caller, ScopeNeed::ActAs(&renew.factory_id))?;
    let caller = Caller { factory: renew.factory_id, epoch: renew.epoch };
    let expires_in = api.store.renew(job, caller).await?;
    Ok(Json(Renewed { expires_in_ms: views::millis(expires_in) }))
}

/// Say how far a job has come. `stage: shipped` decides a ship.
#[utoipa::path(
    post, path = "/v1/jobs/{jobId}/reports", tag = "leases",
    params(("jobId" = String, Path, description = "The job's id")),
    request_body = Report,
    responses(
        (status = 200, body = Done),
        (status = 409, description = "`fenced`: the job is no longer the caller's", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn report(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<auth::Caller>,
    JobInPath(job): JobInPath,
    Body(report): Body<Report>,
) -> Result<Json<Done>, Refusal> {
    permit(&caller, ScopeNeed::ActAs(&report.factory_id))?;
    api.store.report(job, report).await?;
    api.pulse.beat();
    Ok(Json(Done {}))
}

/// Give a job back.
#[utoipa::path(
    post, path = "/v1/jobs/{jobId}/release", tag = "leases",
    params(("jobId" = String, Path, description = "The job's id")),
    request_body = Release,
    responses(
        (status = 200, body = Done),
        (status = 409, description = "`fenced`: the job is no longer the caller's", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn release(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<auth::Caller>,
    JobInPath(job): JobInPath,
    Body(release): Body<Release>,
) -> Result<Json<Done>, Refusal> {
    permit(&caller, ScopeNeed::ActAs(&release.factory_id))?;
    api.store.release(job, release).await?;
    api.pulse.beat();
    Ok(Json(Done {}))
}

/// Echo what happened to a job, for trackers and dashboards.
#[utoipa::path(
    post, path = "/v1/jobs/{jobId}/events", tag = "leases",
    params(("jobId" = String, Path, description = "The job's id")),
    request_body = Events,
    responses(
        (status = 202, body = Done),
        (status = 409, description = "`fenced`: the job is no longer the caller's", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn post_events(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<auth::Caller>,
    JobInPath(job): JobInPath,
    Body(events): Body<Events>,
) -> Result<(StatusCode, Json<Done>), Refusal> {
    permit(&caller, ScopeNeed::ActAs(&events.factory_id))?;
    if events.events.len() > MAX_EVENTS {
        let detail = format!("at most {MAX_EVENTS} events, these are {}", events.events.len());
        return Err(Refusal::invalid("events", detail));
    }
    if let Some(n) = events.events.iter().position(|event| event.fields.len() > MAX_FIELDS) {
        let detail = format!("an event has at most {MAX_FIELDS} fields");
        return Err(Refusal::invalid(format!("events[{n}].fields"), detail));
    }
    api.store.post(job, events).await?;
    api.pulse.beat();
    Ok((StatusCode::ACCEPTED, Json(Done {})))
}
