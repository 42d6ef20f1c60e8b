//! Refusals of a call: a problem document, with its fields in the head.

use std::time::Duration;

use aq_fleet::protocol::{PROBLEM_MEDIA_TYPE, ProblemBody, ProblemKind};
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};

/// A problem, and when to come back where that is known.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ApiRefusal {
    pub(crate) problem: Box<ProblemBody>,
    retry_after: Option<Duration>,
}

impl ApiRefusal {
    pub(crate) fn new(kind: ProblemKind, detail: impl Into<String>) -> Self {
        Self { problem: Box::new(ProblemBody::new(kind, detail)), retry_after: None }
    }

    /// A field of the body is wrong.
    pub(crate) fn invalid(path: impl Into<String>, detail: impl Into<String>) -> Self {
        let mut refusal = Self::new(ProblemKind::Invalid, detail);
        refusal.problem.path = Some(path.into());
        refusal
    }

    /// Not now: the database is away, or the coordinator is going down.
    pub(crate) fn unavailable(detail: impl Into<String>) -> Self {
        Self::new(ProblemKind::Unavailable, detail).after(Duration::from_secs(1))
    }

    #[must_use]
    pub(crate) fn after(self, pause: Duration) -> Self {
        Self { retry_after: Some(pause), ..self }
    }
}

impl From<ProblemBody> for ApiRefusal {
    fn from(problem: ProblemBody) -> Self {
        Self { problem: Box::new(problem), retry_after: None }
    }
}

/// The kind stays with the response, for the metrics.
impl IntoResponse for ApiRefusal {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.problem.status);
        let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, axum::Json(&*self.problem)).into_response();
        if let Some(kind) = self.problem.kind() {
            response.extensions_mut().insert(kind);
        }
        let head = response.headers_mut();
        head.insert(CONTENT_TYPE, HeaderValue::from_static(PROBLEM_MEDIA_TYPE));
        if status == StatusCode::UNAUTHORIZED {
            head.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"aq\""));
        }
        if let Some(pause) = self.retry_after {
            // Whole seconds, rounded up: that is all that the head can say.
            let seconds = pause.as_secs() + u64::from(pause.subsec_nanos() > 0);
            head.insert(RETRY_AFTER, HeaderValue::from(seconds.max(1)));
        }
        response
    }
}
