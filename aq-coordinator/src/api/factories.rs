//! Factories: they register, give signs of life, and are listed.

use std::sync::Arc;

use aq_fleet::protocol::{
    CallDone, DEFAULT_PAGE, DrainOrder, FactoryPage, HeartbeatAnswer, HeartbeatRequest,
    HostDirective, LeaseAnswer, LeaseState, MAX_ENDED, MAX_LEASES, MAX_PAGE, PROTOCOL_VERSION,
    PageQuery, RegisterRequest, RegisterResponse,
};
use axum::extract::State;
use axum::{Extension, Json};

use super::body::{FactoryInPath, JsonBody, QueryParameters};
use super::guard::permit;
use super::refusal::ApiRefusal;
use super::state::ApiState;
use super::views;
use crate::auth::{ApiCaller, ScopeNeed};
use crate::store::{HeartbeatRow, LeaseStand};

/// The longest name of a host and the longest version, in bytes: they are shown in tables.
const MAX_NAME: usize = 256;

/// The most capabilities of a host; each has at most 256 bytes.
pub(super) const MAX_CAPABILITIES: usize = 1000;

/// Register a factory, or what has changed of it.
#[utoipa::path(
    put, path = "/v1/factories/{factoryId}", tag = "factories",
    params(("factoryId" = String, Path, description = "The factory's id")),
    request_body = RegisterRequest,
    responses((status = 200, body = RegisterResponse)),
)]
pub(super) async fn register(
    State(api): State<Arc<ApiState>>,
    Extension(caller): Extension<ApiCaller>,
    FactoryInPath(factory): FactoryInPath,
    JsonBody(register): JsonBody<RegisterRequest>,
) -> Result<Json<RegisterResponse>, ApiRefusal> {
    permit(&caller, ScopeNeed::ActAs(&factory))?;
    for (path, text) in [("host", &register.host), ("version", &register.version)] {
        if text.len() > MAX_NAME || text.chars().any(char::is_control) {
            let detail = format!("`{path}` has at most {MAX_NAME} bytes and no control characters");
            return Err(ApiRefusal::invalid(path, detail));
        }
    }
    check_capabilities(register.capabilities.len())?;
    if register.ended.len() > MAX_ENDED {
        let detail = format!("at most {MAX_ENDED} ends, these are {}", register.ended.len());
        return Err(ApiRefusal::invalid("ended", detail));
    }
    let has_ended = !register.ended.is_empty();
    let registration = api.store.register(factory, register).await?;
    if has_ended {
        api.pulse.beat();
    }
    Ok(Json(RegisterResponse {
        heartbeat_ms: views::millis(api.heartbeat),
        lease_ms: views::millis(api.lease),
        protocol: PROTOCOL_VERSION,
        database: registration.database.to_string().parse().ok(),
        ended: registration.ended,
    }))
}

pub(super) fn check_capabilities(many: usize) -> Result<(), ApiRefusal> {
    if many > MAX_CAPABILITIES {
        let detail = format!("at most {MAX_CAPABILITIES} capabilities, these are {many}");
        return Err(ApiRefusal::invalid("capabilities", detail));
    }
    Ok(())
}

/// A sign of life, which renews every lease that it names.
#[utoipa::path(
    post, path = "/v1/factories/{factoryId}/heartbeat", tag = "factories",
    params(("factoryId" = String, Path, description = "The factory's id")),
    request_body = HeartbeatRequest,
    responses((status = 200, body = HeartbeatAnswer)),
)]
pub(super) async fn heartbeat(
    State(api): State<Arc<ApiState>>,
    Extension(caller): Extension<ApiCaller>,
    FactoryInPath(factory): FactoryInPath,
    JsonBody(heartbeat): JsonBody<HeartbeatRequest>,
) -> Result<Json<HeartbeatAnswer>, ApiRefusal> {
    permit(&caller, ScopeNeed::ActAs(&factory))?;
    let HeartbeatRequest { instance_id: instance, free, leases } = heartbeat;
    if leases.len() > MAX_LEASES {
        let detail = format!("at most {MAX_LEASES} leases, these are {}", leases.len());
        return Err(ApiRefusal::invalid("leases", detail));
    }
    let answer = api.beats.beat(HeartbeatRow { factory, instance, free, leases }).await?;
    let directives = answer.cancel.into_iter().map(|job_id| HostDirective::Cancel { job_id });
    let directives = directives.chain(answer.draining.then_some(HostDirective::Drain));
    Ok(Json(HeartbeatAnswer {
        leases: answer.leases.into_iter().map(lease).collect(),
        directives: directives.collect(),
        register: !answer.registered,
    }))
}

/// Let a factory take no more jobs, or take that back. What it holds stays its own; it learns it
/// with every heartbeat, and its claims are answered with nothing. An extension of version 1.
#[utoipa::path(
    post, path = "/v1/factories/{factoryId}/drain", tag = "factories",
    params(("factoryId" = String, Path, description = "The factory's id")),
    request_body = DrainOrder,
    responses((status = 200, body = CallDone)),
)]
pub(super) async fn drain(
    State(api): State<Arc<ApiState>>,
    FactoryInPath(factory): FactoryInPath,
    JsonBody(DrainOrder { drain }): JsonBody<DrainOrder>,
) -> Result<Json<CallDone>, ApiRefusal> {
    api.store.drain(factory, drain).await?;
    Ok(Json(CallDone {}))
}

fn lease(stand: LeaseStand) -> LeaseAnswer {
    let LeaseStand { lease, expires_in } = stand;
    LeaseAnswer {
        job_id: lease.job_id,
        epoch: lease.epoch,
        state: if expires_in.is_some() { LeaseState::Held } else { LeaseState::Lost },
        expires_in_ms: expires_in.map_or(0, views::millis),
    }
}

/// The factories, by id.
#[utoipa::path(
    get, path = "/v1/factories", tag = "factories",
    params(
        ("cursor" = Option<String>, Query, description = "`next` of the page before"),
        ("limit" = Option<u32>, Query, description = "How many at most; 100 unless given"),
    ),
    responses((status = 200, body = FactoryPage)),
)]
pub(super) async fn list(
    State(api): State<Arc<ApiState>>,
    QueryParameters(query): QueryParameters<PageQuery>,
) -> Result<Json<FactoryPage>, ApiRefusal> {
    let after = query.cursor.map(|cursor| cursor.parse()).transpose();
    let after = after.map_err(|_| views::bad_cursor())?;
    let limit = query.limit.unwrap_or(DEFAULT_PAGE).clamp(1, MAX_PAGE);
    let rows = api.store.factories(after, limit).await?;
    let full = rows.value.len() >= limit as usize;
    let last = rows.value.last().map(|row| row.id.to_string());
    let view = |row| views::factory(row, rows.now, api.lease);
    let factories = rows.value.into_iter().map(view).collect();
    Ok(Json(FactoryPage { factories, next: last.filter(|_| full) }))
}
