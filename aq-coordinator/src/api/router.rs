//! Every route.

use std::sync::Arc;

use aq_fleet::protocol::ProblemKind;
use axum::http::{Method, Uri};
use axum::middleware::from_fn_with_state;
use axum::{Extension, Router};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::refusal::ApiRefusal;
use super::state::ApiState;
use super::{claims, factories, feed, guard, jobs, leases, openapi, service};

/// The whole API, with everything that a request goes through on its way in.
pub(crate) fn router(api: Arc<ApiState>) -> Router {
    let (router, document) = routes().split_for_parts();
    let document = openapi::with_problems(document);
    let document = document.to_json().unwrap_or_default();
    router
        .layer(Extension(openapi::OpenApiDocument(document.into())))
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(from_fn_with_state(Arc::clone(&api), guard::admit))
        .layer(from_fn_with_state(Arc::clone(&api), guard::observe))
        .with_state(api)
}

fn routes() -> OpenApiRouter<Arc<ApiState>> {
    OpenApiRouter::with_openapi(openapi::base())
        .routes(routes!(factories::register))
        .routes(routes!(factories::heartbeat))
        .routes(routes!(factories::drain))
        .routes(routes!(factories::list))
        .routes(routes!(claims::claim))
        .routes(routes!(jobs::submit, jobs::list))
        .routes(routes!(jobs::show))
        .routes(routes!(jobs::cancel))
        .routes(routes!(jobs::requeue))
        .routes(routes!(leases::renew))
        .routes(routes!(leases::report))
        .routes(routes!(leases::release))
        .routes(routes!(leases::post_events))
        .routes(routes!(feed::follow))
        .routes(routes!(feed::page))
        .routes(routes!(service::stats))
        .routes(routes!(service::healthz))
        .routes(routes!(service::readyz))
        .routes(routes!(service::metrics))
        .routes(routes!(openapi::show))
}

async fn not_found(uri: Uri) -> ApiRefusal {
    let detail = format!("there is no {}; /openapi.json has every path", uri.path());
    ApiRefusal::new(ProblemKind::NotFound, detail)
}

async fn method_not_allowed(method: Method, uri: Uri) -> ApiRefusal {
    let detail = format!("{} takes no {method}; /openapi.json has every path", uri.path());
    ApiRefusal::new(ProblemKind::MethodNotAllowed, detail)
}
