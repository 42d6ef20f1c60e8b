//! Reads what a request brings. All of it is hostile, and each refusal names the place.

use std::time::Duration;

use aq_fleet::protocol::{FactoryId, FleetJobId, MAX_BODY_BYTES, ProblemKind};
use axum::body::{Bytes, to_bytes};
use axum::extract::{FromRequest, FromRequestParts, Path, Request};
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Uri};
use serde::de::DeserializeOwned;

use super::refusal::ApiRefusal;

/// Time limit of a body's arrival.
const ARRIVAL: Duration = Duration::from_secs(10);

/// A JSON body.
#[derive(Debug)]
pub(super) struct JsonBody<T>(pub(super) T);

/// The parameters of a query string.
#[derive(Debug)]
pub(super) struct QueryParameters<T>(pub(super) T);

/// The job that the path names.
#[derive(Debug)]
pub(super) struct JobInPath(pub(super) FleetJobId);

/// The factory that the path names.
#[derive(Debug)]
pub(super) struct FactoryInPath(pub(super) FactoryId);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for JsonBody<T> {
    type Rejection = ApiRefusal;

    async fn from_request(request: Request, _: &S) -> Result<Self, ApiRefusal> {
        if !is_json(request.headers()) {
            let detail = "send the body as `content-type: application/json`";
            return Err(ApiRefusal::new(ProblemKind::UnsupportedMediaType, detail));
        }
        let body = read(request, ARRIVAL).await?;
        from_json(&body).map(Self)
    }
}

async fn read(request: Request, arrival: Duration) -> Result<Bytes, ApiRefusal> {
    let too_large = || {
        let detail = format!("a body has at most {MAX_BODY_BYTES} bytes; send less at once");
        ApiRefusal::new(ProblemKind::TooLarge, detail)
    };
    let declared = request.headers().get(CONTENT_LENGTH);
    let declared = declared.and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if declared.is_some_and(|length| length > MAX_BODY_BYTES as u64) {
        return Err(too_large());
    }
    let body = to_bytes(request.into_body(), MAX_BODY_BYTES);
    match tokio::time::timeout(arrival, body).await {
        Ok(Ok(body)) => Ok(body),
        Ok(Err(error)) if is_over_limit(&error) => Err(too_large()),
        Ok(Err(_)) => Err(ApiRefusal::new(ProblemKind::Malformed, "the body broke off")),
        Err(_) => {
            let detail = format!("the body did not arrive within {} s", arrival.as_secs());
            Err(ApiRefusal::new(ProblemKind::Timeout, detail))
        }
    }
}

fn is_over_limit(error: &axum::Error) -> bool {
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        if error.is::<http_body_util::LengthLimitError>() {
            return true;
        }
        source = error.source();
    }
    false
}

fn is_json(head: &HeaderMap) -> bool {
    let declared = head.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = declared.and_then(|text| text.split(';').next()).unwrap_or_default();
    essence.trim().eq_ignore_ascii_case("application/json")
}

/// Reads JSON. 400 where it is none, 422 with the path of the field where it is another thing than
/// what is wanted.
pub(super) fn from_json<T: DeserializeOwned>(body: &[u8]) -> Result<T, ApiRefusal> {
    let mut reader = serde_json::Deserializer::from_slice(body);
    let value = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let path = error.path().to_string();
        let error = error.into_inner();
        if error.is_data() {
            let detail = error.to_string();
            ApiRefusal::invalid(with_missing_field(path, &detail), detail)
        } else {
            ApiRefusal::new(ProblemKind::Malformed, format!("the body is no JSON: {error}"))
        }
    })?;
    reader.end().map_err(|error| {
        ApiRefusal::new(ProblemKind::Malformed, format!("the body is no JSON: {error}"))
    })?;
    Ok(value)
}

/// The path of a missing field ends at what it is missing from; the field itself is in the message.
fn with_missing_field(path: String, detail: &str) -> String {
    let name = detail.strip_prefix("missing field `").and_then(|rest| rest.split('`').next());
    match (name, path.as_str()) {
        (None, _) => path,
        (Some(name), "." | "") => name.to_owned(),
        (Some(name), at) => format!("{at}.{name}"),
    }
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for QueryParameters<T> {
    type Rejection = ApiRefusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiRefusal> {
        from_query(&parts.uri).map(Self)
    }
}

fn from_query<T: DeserializeOwned>(uri: &Uri) -> Result<T, ApiRefusal> {
    let pairs = form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes());
    let reader = serde_urlencoded::Deserializer::new(pairs);
    serde_path_to_error::deserialize(reader).map_err(|error| {
        let path = error.path().to_string();
        ApiRefusal::invalid(path, error.into_inner().to_string())
    })
}

impl<S: Send + Sync> FromRequestParts<S> for JobInPath {
    type Rejection = ApiRefusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiRefusal> {
        let text = segment(parts, state).await?;
        text.parse().map(Self).map_err(|error| not_found(&error))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for FactoryInPath {
    type Rejection = ApiRefusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiRefusal> {
        let text = segment(parts, state).await?;
        text.parse()
            .map(Self)
            .map_err(|error| ApiRefusal::invalid("factoryId", format!("factory id: {error}")))
    }
}

async fn segment<S: Send + Sync>(parts: &mut Parts, state: &S) -> Result<String, ApiRefusal> {
    let path = Path::<String>::from_request_parts(parts, state).await;
    path.map(|Path(text)| text).map_err(|error| not_found(&error.body_text()))
}

fn not_found(detail: &dyn std::fmt::Display) -> ApiRefusal {
    ApiRefusal::new(ProblemKind::NotFound, detail.to_string())
}

#[cfg(test)]
mod tests {
    use aq_fleet::protocol::{ClaimRequest, HeartbeatRequest, JobQuery};

    use super::*;

    fn refused<T: DeserializeOwned + std::fmt::Debug>(body: &str) -> (u16, Option<String>) {
        let problem = from_json::<T>(body.as_bytes()).unwrap_err().problem;
        (problem.status, problem.path)
    }

    #[test]
    fn a_refusal_names_the_field() {
        let lease = "\"instanceId\":\"i\",\"free\":1,\"leases\":[{\"jobId\":";
        for (body, path) in [
            ("{}".to_owned(), "instanceId"),
            ("{\"instanceId\":7}".to_owned(), "instanceId"),
            (format!("{{{lease}7}}]}}"), "leases[0].jobId"),
            (format!("{{{lease}\"01890a5d-ac96-774b-bcce-b302099a8057\"}}]}}"), "leases[0].epoch"),
            ("{\"instanceId\":\"a/b\"}".to_owned(), "instanceId"),
        ] {
            assert_eq!(refused::<HeartbeatRequest>(&body), (422, Some(path.to_owned())), "{body}");
        }
        let claim =
            "{\"requestId\":\"r\",\"factoryId\":\"f\",\"capabilities\":[\"a b\"],\"free\":1}";
        assert_eq!(refused::<ClaimRequest>(claim), (422, Some("capabilities".to_owned())));
    }

    #[test]
    fn what_is_no_json_is_malformed() {
        let deep = format!("{{\"unknown\":{}", "[".repeat(100_000));
        for body in ["", "{", "{}{}", "\u{0}", "nul", &deep] {
            assert_eq!(refused::<JobQuery>(body).0, 400, "{body:.10}");
        }
    }

    #[tokio::test]
    async fn missing_body_is_not_awaited() {
        let never = tokio_stream::pending::<Result<Bytes, std::io::Error>>();
        let request = Request::new(axum::body::Body::from_stream(never));
        let refused = read(request, Duration::from_millis(5)).await.unwrap_err().problem;
        assert_eq!((refused.status, refused.kind_uri.as_str()), (408, "/problems/timeout"));
    }

    #[test]
    fn queries_are_checked_too() {
        let uri: Uri = "/v1/jobs?stage=inbox&limit=5&unknown=1".parse().unwrap();
        let query: JobQuery = from_query(&uri).unwrap();
        assert_eq!(query.limit, Some(5));
        for (uri, path) in [("/v1/jobs?stage=nowhere", "stage"), ("/v1/jobs?limit=-1", "limit")] {
            let problem = from_query::<JobQuery>(&uri.parse().unwrap()).unwrap_err().problem;
            assert_eq!((problem.status, problem.path.as_deref()), (422, Some(path)));
        }
    }

    #[test]
    fn json_may_be_declared_with_parameters() {
        for (declared, is) in [
            ("application/json", true),
            ("Application/JSON; charset=utf-8", true),
            ("text/plain", false),
            ("application/x-www-form-urlencoded", false),
        ] {
            let mut head = HeaderMap::new();
            head.insert(CONTENT_TYPE, declared.parse().unwrap());
            assert_eq!(is_json(&head), is, "{declared}");
        }
        assert!(!is_json(&HeaderMap::new()));
    }
}
