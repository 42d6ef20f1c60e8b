//! The files that a page needs beside itself. They are part of the binary.

use axum::extract::Path;
use axum::http::header;
use axum::response::{IntoResponse, Response};

use super::error::PageError;

const JAVASCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";

/// `/assets/{name}`
pub(super) async fn asset(Path(name): Path<String>) -> Result<Response, PageError> {
    let (kind, text) = match name.as_str() {
        "style.css" => (STYLE, include_str!("assets/style.css")),
        "page.js" => (JAVASCRIPT, include_str!("assets/page.js")),
        "board.js" => (JAVASCRIPT, include_str!("assets/board.js")),
        "job.css" => (STYLE, include_str!("assets/job.css")),
        "job.js" => (JAVASCRIPT, include_str!("assets/job.js")),
        "numbers.css" => (STYLE, include_str!("assets/numbers.css")),
        "numbers.js" => (JAVASCRIPT, include_str!("assets/numbers.js")),
        "icon.svg" => ("image/svg+xml", include_str!("assets/icon.svg")),
        _ => return Err(PageError::not_found("there is no such file")),
    };
    // Asked for again by every page: a new version of aq has new ones under the same names.
    Ok(([(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "no-cache")], text).into_response())
}
