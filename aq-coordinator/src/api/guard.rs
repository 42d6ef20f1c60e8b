//! The guard of every request before its handler: a name in the log, the protocol's version, the
//! rate, the token, and a time limit.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use aq_fleet::protocol::{MAX_WAIT_MS, OLDEST_PROTOCOL, PROTOCOL_HEADER, ProblemKind};
use axum::extract::{ConnectInfo, MatchedPath, Request, State};
use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tracing::{Instrument, info_span};
use uuid::Uuid;

use super::refusal::ApiRefusal;
use super::state::ApiState;
use crate::auth::{ApiCaller, ScopeNeed};
use crate::metrics::EarlyRefusal;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The longest request id that is taken over from a client, in bytes.
const MAX_REQUEST_ID: usize = 128;

/// Time limit of a call that waits for nothing but the database.
const LIMIT: Duration = Duration::from_secs(10);

/// The calls without a token (docs/fleet-protocol.md): whether the process lives, and whether it
/// can work, which asks the database and so has a rate.
const ALIVE: &str = "/healthz";
const READY: &str = "/readyz";

/// Gives the request an id, and counts and logs its answer. Neither body nor token is looked at.
pub(super) async fn observe(
    State(api): State<Arc<ApiState>>,
    request: Request,
    next: Next,
) -> Response {
    let begun = Instant::now();
    let id = request_id(request.headers());
    let method = method_label(request.method());
    let path = request.extensions().get::<MatchedPath>().cloned();
    let route = path.as_ref().map_or("none", MatchedPath::as_str);
    let shown = id.to_str().unwrap_or_default();
    let span = info_span!("request", id = shown, method, route, caller = tracing::field::Empty);
    let mut response = next.run(request).instrument(span.clone()).await;
    let status = response.status().as_u16();
    let took = begun.elapsed();
    api.metrics.answered(method, route, status, took);
    match response.extensions().get() {
        Some(ProblemKind::Fenced) => {
            api.metrics.fenced.inc();
        }
        Some(ProblemKind::Unavailable) => {
            api.metrics.unavailable.inc();
        }
        _ => {}
    }
    span.in_scope(|| tracing::debug!(status, ?took, "answered"));
    response.headers_mut().insert(REQUEST_ID, id);
    response
}

/// Turns away who may not call, who calls too often and who speaks an old protocol.
pub(super) async fn admit(
    State(api): State<Arc<ApiState>>,
    mut request: Request,
    next: Next,
) -> Response {
    let path = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
    let limit = match path {
        Some(ALIVE) => return next.run(request).await,
        Some("/v1/claims" | "/v1/feed") => LIMIT + Duration::from_millis(MAX_WAIT_MS),
        _ => LIMIT,
    };
    let admitted = if path == Some(READY) {
        api.probes.take(peer(&request)).map_err(|pause| too_many(&api, pause))
    } else {
        check(&api, &request).map(|caller| {
            tracing::Span::current().record("caller", &*caller.label);
            request.extensions_mut().insert(caller);
        })
    };
    if let Err(refusal) = admitted {
        return refusal.into_response();
    }
    let is_known = request.extensions().get::<ApiCaller>().is_some();
    let answered = tokio::time::timeout(limit, next.run(request)).await;
    let mut response = answered.unwrap_or_else(|_| {
        api.metrics.refused(EarlyRefusal::TimedOut);
        ApiRefusal::unavailable("the request took too long; try it again").into_response()
    });
    if is_known {
        response.extensions_mut().insert(TokenChecked);
    }
    response
}

/// Marks an answer to somebody with a valid token: that connection is kept longer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TokenChecked;

fn peer(request: &Request) -> IpAddr {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
    peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |info| info.0.ip())
}

fn too_many(api: &ApiState, pause: Duration) -> ApiRefusal {
    api.metrics.refused(EarlyRefusal::TooMany);
    ApiRefusal::new(ProblemKind::RateLimited, "too many requests; come back later").after(pause)
}

fn check(api: &ApiState, request: &Request) -> Result<ApiCaller, ApiRefusal> {
    let peer = peer(request);
    // The token first, and wrong ones alone are counted by address: a flood of them from behind the
    // same address does not lock out who has a right one.
    let caller = bearer(request.headers()).and_then(|token| api.tokens.check(token));
    let Some(caller) = caller else {
        api.guesses.take(peer).map_err(|pause| too_many(api, pause))?;
        api.metrics.refused(EarlyRefusal::Unauthorized);
        let detail = "send `Authorization: Bearer TOKEN` with a token of this coordinator";
        return Err(ApiRefusal::new(ProblemKind::Unauthorized, detail));
    };
    api.requests.take((caller.token, peer)).map_err(|pause| too_many(api, pause))?;
    protocol(request.headers())?;
    let path = request.extensions().get::<MatchedPath>();
    let need = path.map_or(ScopeNeed::Token, |path| need(request.method(), path.as_str()));
    permit(&caller, need).inspect_err(|_| api.metrics.refused(EarlyRefusal::Scope))?;
    Ok(caller)
}

/// Returns the scope that a call takes, before its body is read. A call that is not named here is
/// the operator's.
fn need(method: &Method, route: &str) -> ScopeNeed<'static> {
    let is_look = matches!(*method, Method::GET | Method::HEAD);
    match route {
        "/openapi.json" => ScopeNeed::Token,
        "/v1/jobs" | "/v1/jobs/{jobId}" | "/v1/factories" | "/v1/stats" if is_look => {
            ScopeNeed::Look
        }
        "/v1/events" | "/v1/feed" | "/metrics" => ScopeNeed::Read,
        "/v1/jobs" => ScopeNeed::Enter,
        "/v1/factories/{factoryId}"
        | "/v1/factories/{factoryId}/heartbeat"
        | "/v1/claims"
        | "/v1/jobs/{jobId}/renew"
        | "/v1/jobs/{jobId}/reports"
        | "/v1/jobs/{jobId}/release"
        | "/v1/jobs/{jobId}/events" => ScopeNeed::Act,
        _ => ScopeNeed::Admin,
    }
}

/// Refuses what the caller's scope does not cover.
pub(super) fn permit(caller: &ApiCaller, need: ScopeNeed<'_>) -> Result<(), ApiRefusal> {
    if caller.scope.covers(need) {
        return Ok(());
    }
    let wanted = need.to_string();
    let or_admin = if need == ScopeNeed::Admin { "" } else { ", or admin" };
    let detail = format!(
        "the token {} may not do this: in the token file it needs the scope {wanted}{or_admin}",
        caller.label
    );
    let mut refusal = ApiRefusal::new(ProblemKind::Scope, detail);
    refusal.problem.scope = Some(wanted);
    Err(refusal)
}

/// The token of `Authorization: Bearer TOKEN`.
fn bearer(head: &HeaderMap) -> Option<&str> {
    let mut values = head.get_all(AUTHORIZATION).iter();
    let (value, None) = (values.next()?.to_str().ok()?, values.next()) else { return None };
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn protocol(head: &HeaderMap) -> Result<(), ApiRefusal> {
    let Some(value) = head.get(PROTOCOL_HEADER) else { return Ok(()) };
    let version = value.to_str().ok().and_then(|text| text.parse::<u32>().ok());
    let Some(version) = version else {
        let detail = format!("the header `{PROTOCOL_HEADER}` is a version number, such as 1");
        return Err(ApiRefusal::invalid(PROTOCOL_HEADER, detail));
    };
    if version < OLDEST_PROTOCOL {
        let detail = format!(
            "this client speaks protocol {version}, and the oldest that is answered is \
             {OLDEST_PROTOCOL}; install a newer aq on this host"
        );
        let mut refusal = ApiRefusal::new(ProblemKind::TooOld, detail);
        refusal.problem.oldest_protocol = Some(OLDEST_PROTOCOL);
        return Err(refusal);
    }
    Ok(())
}

/// The client's own id where it is harmless, so that its log and ours can be read together.
fn request_id(head: &HeaderMap) -> HeaderValue {
    let harmless = |value: &&HeaderValue| {
        let bytes = value.as_bytes();
        let fits = (1..=MAX_REQUEST_ID).contains(&bytes.len());
        fits && bytes.iter().all(|&b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
    };
    let given = head.get(REQUEST_ID).filter(harmless).cloned();
    given.unwrap_or_else(|| {
        let id = Uuid::now_v7().to_string();
        HeaderValue::from_str(&id).unwrap_or(HeaderValue::from_static("none"))
    })
}

/// The methods that have a name of their own in the metrics: anybody can make up more.
fn method_label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        Method::PATCH => "PATCH",
        Method::HEAD => "HEAD",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(name: &'static str, values: &[&str]) -> HeaderMap {
        let mut head = HeaderMap::new();
        for value in values {
            head.append(name, value.parse().unwrap());
        }
        head
    }

    #[test]
    fn a_bearer_is_read_and_nothing_else() {
        for (values, token) in [
            (&["Bearer abc"] as &[_], Some("abc")),
            (&["bearer  abc "], Some("abc")),
            (&["Basic abc"], None),
            (&["Bearer"], None),
            (&["Bearer a", "Bearer b"], None),
            (&[], None),
        ] {
            assert_eq!(bearer(&head("authorization", values)), token, "{values:?}");
        }
    }

    #[test]
    fn harmless_request_ids_are_kept() {
        assert_eq!(request_id(&head("x-request-id", &["a-1"])), "a-1");
        for bad in ["", "a b", "a\"b", &"x".repeat(129)] {
            assert_ne!(request_id(&head("x-request-id", &[bad])), bad);
        }
    }

    #[test]
    fn old_protocols_are_told_what_to_do() {
        assert_eq!(protocol(&HeaderMap::new()), Ok(()));
        assert_eq!(protocol(&head(PROTOCOL_HEADER, &["1"])), Ok(()));
        assert_eq!(
            protocol(&head(PROTOCOL_HEADER, &["2"])),
            Ok(()),
            "a newer one finds out itself"
        );
        let refusal = protocol(&head(PROTOCOL_HEADER, &["0"])).unwrap_err();
        assert_eq!((refusal.problem.status, refusal.problem.oldest_protocol), (426, Some(1)));
        assert_eq!(protocol(&head(PROTOCOL_HEADER, &["x"])).unwrap_err().problem.status, 422);
    }
}
