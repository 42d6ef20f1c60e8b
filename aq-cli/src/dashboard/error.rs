//! Answers to a request that cannot be done.

use std::fmt;

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use maud::html;
use serde_json::json;

use crate::exit::{CliExit, CliFailure};

use super::document;

/// A refusal, with its words.
#[derive(Debug)]
pub(super) struct PageError {
    status: StatusCode,
    message: String,
}

impl PageError {
    pub(super) fn new(status: StatusCode, message: impl fmt::Display) -> Self {
        Self { status, message: message.to_string() }
    }

    pub(super) fn not_found(message: impl fmt::Display) -> Self {
        Self::new(StatusCode::NOT_FOUND, message)
    }

    pub(super) fn forbidden(message: impl fmt::Display) -> Self {
        Self::new(StatusCode::FORBIDDEN, message)
    }

    /// The disk, the settings or another program failed.
    pub(super) fn environment(message: impl fmt::Display) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, message)
    }

    pub(super) fn status(&self) -> StatusCode {
        self.status
    }

    /// For a script, which shows the words where the person is.
    pub(super) fn into_json(self) -> Response {
        (self.status, Json(json!({ "message": self.message }))).into_response()
    }
}

impl fmt::Display for PageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// The kind of refusal follows from the exit code that a command would have had.
impl<E: Into<CliFailure>> From<E> for PageError {
    fn from(error: E) -> Self {
        let failure = error.into();
        let status = match failure.exit {
            CliExit::NotFound => StatusCode::NOT_FOUND,
            CliExit::Usage => StatusCode::BAD_REQUEST,
            CliExit::Done | CliExit::No | CliExit::Refused => StatusCode::CONFLICT,
            CliExit::Environment | CliExit::Command(_) => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self::new(status, failure)
    }
}

impl IntoResponse for PageError {
    fn into_response(self) -> Response {
        let title = self.status.canonical_reason().unwrap_or("Error");
        let body = html! {
            main.narrow {
                h1 { (title) }
                pre.words { (self.message) }
                p { a href="/" { "To the board" } }
            }
        };
        (self.status, document::bare(title, &body)).into_response()
    }
}
