//! `POST /v1/claims`: a factory asks for jobs.

use std::sync::Arc;

use aq_fleet::protocol::{ClaimRequest, ClaimResponse, Epoch, LeaseGrant, MAX_WAIT_MS};
use axum::extract::State;
use axum::{Extension, Json};

use super::body::JsonBody;
use super::factories::check_capabilities;
use super::guard::permit;
use super::refusal::ApiRefusal;
use super::state::ApiState;
use super::{deps, views};
use crate::auth::{ApiCaller, ScopeNeed};

/// The most locks that a claim names, and the longest of them in bytes, as in a job file.
const MAX_LOCKS: usize = 10_000;
const MAX_LOCK: usize = 4096;

/// Ask for jobs. The same `requestId` again gives the same grants while they are current.
#[utoipa::path(
    post, path = "/v1/claims", tag = "claims",
    request_body = ClaimRequest,
    responses((status = 200, body = ClaimResponse)),
)]
pub(super) async fn claim(
    State(api): State<Arc<ApiState>>,
    Extension(caller): Extension<ApiCaller>,
    JsonBody(claim): JsonBody<ClaimRequest>,
) -> Result<Json<ClaimResponse>, ApiRefusal> {
    permit(&caller, ScopeNeed::ActAs(&claim.factory_id))?;
    check(&claim)?;
    let is_shadow = claim.factory_id.is_shadow();
    if claim.dry_run {
        return dry(&api, claim).await;
    }
    if is_shadow {
        // A shadow is never granted anything (docs/fleet-protocol.md).
        return Ok(Json(ClaimResponse::default()));
    }
    let mut jobs = Vec::new();
    for granted in api.assign.claim(claim).await? {
        let deps = deps::granted(&api, &granted.job, &granted.manifest).await?;
        jobs.push(views::grant(granted, deps));
    }
    Ok(Json(ClaimResponse { jobs }))
}

async fn dry(api: &ApiState, claim: ClaimRequest) -> Result<Json<ClaimResponse>, ApiRefusal> {
    let mut jobs = Vec::new();
    for id in api.assign.dry(claim).await? {
        // One that has gone meanwhile would not have been granted.
        let Some(found) = api.store.job(id).await? else { continue };
        let found = found.value;
        jobs.push(LeaseGrant {
            job_id: id,
            key: found.job.key,
            name: Some(found.job.terms.name),
            epoch: Epoch::DRY,
            lease_ms: 0,
            manifest: found.manifest,
            checkpoint: found.job.checkpoint,
            deps: Vec::new(),
        });
    }
    Ok(Json(ClaimResponse { jobs }))
}

fn check(claim: &ClaimRequest) -> Result<(), ApiRefusal> {
    check_capabilities(claim.capabilities.len())?;
    if claim.held_locks.len() > MAX_LOCKS {
        let detail = format!("at most {MAX_LOCKS} locks, these are {}", claim.held_locks.len());
        return Err(ApiRefusal::invalid("heldLocks", detail));
    }
    if let Some(n) = claim.held_locks.iter().position(|lock| lock.len() > MAX_LOCK) {
        let detail = format!("a lock has at most {MAX_LOCK} bytes");
        return Err(ApiRefusal::invalid(format!("heldLocks[{n}]"), detail));
    }
    if claim.wait_ms > MAX_WAIT_MS {
        let detail = format!("a claim waits at most {MAX_WAIT_MS} ms, not {}", claim.wait_ms);
        return Err(ApiRefusal::invalid("waitMs", detail));
    }
    Ok(())
}
