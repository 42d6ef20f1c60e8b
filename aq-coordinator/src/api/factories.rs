//! Factories: they register, give signs of life, and are listed.

use std::sync::Arc;

use aq_fleet::protocol::{
    DEFAULT_PAGE, Directive, Done, DrainOrder, FactoryPage, Heartbeat, HeartbeatAnswer,
    LeaseAnswer, LeaseState, MAX_ENDED, MAX_LEASES, MAX_PAGE, PROTOCOL_VERSION, PageQuery,
    Register, Registered,
};
use axum::extract::State;
use axum::{Extension, Json};

use super::body::{Body, FactoryInPath, Query};
use super::guard::permit;
use super::refusal::Refusal;
use super::state::Api;
use super::views;
use crate::auth::{Caller, ScopeNeed};
use crate::store::{Beat, LeaseStand};

/// The longest name of a host and the longest version, in bytes: they are shown in tables.
const MAX_NAME: usize = 256;

/// The most capabilities of a host; each has at most 256 bytes.
pub(super) const MAX_CAPABILITIES: usize = 1000;

/// Register a factory, or what has changed of it.
#[utoipa::path(
    put, path = "/v1/factories/{factoryId}", tag = "factories",
    params(("factoryId" = String, Path, description = "The factory's id")),
    request_body = Register,
    responses((status = 200, body = Registered)),
)]
pub(super) async fn register(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    FactoryInPath(factory): FactoryInPath,
    Body(register): Body<Register>,
) -> Result<Json<Registered>, Refusal> {
    permit(&caller, ScopeNeed::ActAs(&factory))?;
    for (path, text) in [("host", &register.host), ("version", &register.version)] {
        if text.len() > MAX_NAME || text.chars().any(char::is_control) {
            let detail = format!("`{path}` has at most {MAX_NAME} bytes and no control characters");
            return Err(Refusal::invalid(path, detail));
        }
    }
    check_capabilities(register.capabilities.len())?;
    if register.ended.len() > MAX_ENDED {
        let detail = format!("at most {MAX_ENDED} ends, these are {}", register.ended.len());
        return Err(Refusal::invalid("ended", detail));
    }
    let has_ended = !register.ended.is_empty();
    let registration = api.store.register(factory, register).await?;
    if has_ended {
        api.pulse.beat();
    }
    Ok(Json(Registered {
        heartbeat_ms: views::millis(api.heartbeat),
        lease_ms: views::millis(api.lease),
        protocol: PROTOCOL_VERSION,
        database: registration.database.to_string().parse().ok(),
        ended: registration.ended,
    }))
}

pub(super) fn check_capabilities(many: usize) -> Result<(), Refusal> {
    if many > MAX_CAPABILITIES {
        let detail = format!("at most {MAX_CAPABILITIES} capabilities, these are {many}");
        return Err(Refusal::invalid("capabilities", detail));
    }
    Ok(())
}

/// A sign of life, which renews every lease that it names.
#[utoipa::path(
    post, path = "/v1/factories/{factoryId}/heartbeat", tag = "factories",
    params(("factoryId" = String, Path, description = "The factory's id")),
    request_body = Heartbeat,
    responses((status = 200, body = HeartbeatAnswer)),
)]
pub(super) async fn heartbeat(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    FactoryInPath(factory): FactoryInPath,
    Body(heartbeat): Body<Heartbeat>,
) -> Result<Json<HeartbeatAnswer>, Refusal> {
    permit(&caller, ScopeNeed::ActAs(&factory))?;
    let Heartbeat { instance_id: instance, free, leases } = heartbeat;
    if leases.len() > MAX_LEASES {
        let detail = format!("at most {MAX_LEASES} leases, these are {}", leases.len());
        return Err(Refusal::invalid("leases", detail));
    }
    let answer = api.beats.beat(Beat { factory, instance, free, leases }).await?;
    let directives = answer.cancel.into_iter().map(|job_id| Directive::Cancel { job_id });
    let directives = directives.chain(answer.draining.then_some(Directive::Drain));
    Ok(Json(HeartbeatAnswer {
        leases: answer.leases.into_iter().map(lease).collect(),
        directives: directives.collect(),
        register: !answer.registered,
    }))
}

/// Let a factory take no more jobs, or take that back. What it holds stays its own; it is told with
/// every heartbeat, and its claims are answered with nothing. An extension of version 1.
#[utoipa::path(
    post, path = "/v1/factories/{factoryId}/drain", tag = "factories",
    params(("factoryId" = String, Path, description = "The factory's id")),
    request_body = DrainOrder,
    responses((status = 200, body = Done)),
)]
pub(super) async fn drain(
    State(api): State<Arc<Api>>,
    FactoryInPath(factory): FactoryInPath,
    Body(DrainOrder { drain }): Body<DrainOrder>,
) -> Result<Json<Done>, Refusal> {
    api.store.drain(factory, drain).await?;
    Ok(Json(Done {}))
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
    State(api): State<Arc<Api>>,
    Query(query): Query<PageQuery>,
) -> Result<Json<FactoryPage>, Refusal> {
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
