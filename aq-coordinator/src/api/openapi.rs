//! `/openapi.json`, made from the types that the wire has.

use std::sync::Arc;

use aq_fleet::protocol::{PROBLEM_MEDIA_TYPE, PROTOCOL_VERSION, ProblemBody};
use axum::Extension;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{Content, Info, OpenApi, Ref, RefOr, ResponseBuilder, SecurityRequirement};
use utoipa::{PartialSchema, ToSchema};

/// The document as it is sent.
#[derive(Clone, Debug)]
pub(super) struct OpenApiDocument(pub(super) Arc<str>);

/// This document.
#[utoipa::path(
    get, path = "/openapi.json", tag = "service",
    responses((status = 200, body = serde_json::Value)),
)]
pub(super) async fn show(Extension(OpenApiDocument(text)): Extension<OpenApiDocument>) -> Response {
    ([(CONTENT_TYPE, "application/json")], text.to_string()).into_response()
}

const BEARER: &str = "bearer";
const PROBLEM: &str = "Problem";

/// The common part of every operation: the token, and problems as the answer to everything that is
/// no success.
pub(super) fn base() -> OpenApi {
    let mut document = OpenApi::default();
    document.info = Info::new("aq fleet protocol", &PROTOCOL_VERSION.to_string());
    document.info.description =
        Some("What a coordinator of aq answers. Errors are problem documents (RFC 9457).".into());
    let mut components = utoipa::openapi::Components::new();
    let mut schemas = Vec::new();
    ProblemBody::schemas(&mut schemas);
    schemas.push((ProblemBody::name().into_owned(), ProblemBody::schema()));
    components.schemas.extend(schemas);
    let scheme = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
    components.security_schemes.insert(BEARER.to_owned(), RefOr::T(scheme));
    let problem = RefOr::T(problem());
    components.responses.insert(PROBLEM.to_owned(), problem);
    document.components = Some(components);
    document.security = Some(vec![SecurityRequirement::new(BEARER, Vec::<String>::new())]);
    document
}

fn problem() -> utoipa::openapi::Response {
    let schema = Ref::from_schema_name(ProblemBody::name().into_owned());
    let content = Content::new(Some(schema));
    ResponseBuilder::new()
        .description("The call was refused.")
        .content(PROBLEM_MEDIA_TYPE, content)
        .build()
}

/// Gives each operation the answer for whatever it does not name itself.
pub(super) fn with_problems(mut document: OpenApi) -> OpenApi {
    for item in document.paths.paths.values_mut() {
        let operations = [&mut item.get, &mut item.post, &mut item.put];
        for operation in operations.into_iter().flatten() {
            let problem = RefOr::Ref(Ref::from_response_name(PROBLEM));
            operation.responses.responses.entry("default".to_owned()).or_insert(problem);
        }
    }
    document
}
