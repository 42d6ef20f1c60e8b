//! Showing the token, and leaving again.

use std::time::Instant;

use axum::Form;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};
use serde::Deserialize;

use super::document;
use super::error::PageError;
use super::guard::Viewer;
use super::session::Refused;
use super::state::Dashboard;

#[derive(Deserialize)]
pub(super) struct Shown {
    token: String,
}

#[derive(Deserialize)]
pub(super) struct Leave {
    csrf: String,
}

/// `GET /sign-in`
pub(super) async fn page(viewer: Viewer) -> Response {
    if viewer.csrf.is_some() {
        // Without the `#`, a browser that follows the printed link again would keep the token behind it.
        return Redirect::to("/#").into_response();
    }
    form(None).into_response()
}

fn form(problem: Option<&str>) -> Markup {
    let body = html! {
        main.narrow {
            h1 { "Sign in" }
            p { "Whoever has the token may add, ship and stop jobs; from other machines, looking needs it, too. "
                "It is the one that " code { "aq dashboard" } " printed, or a line of its " code { "--token-file" } "." }
            @if let Some(problem) = problem {
                p.problem role="alert" { (problem) }
            }
            form.stack method="post" action="/sign-in" data-plain="" {
                label for="token" { "Token" }
                input #token name="token" type="password" required autocomplete="current-password" autofocus;
                button { "Sign in" }
            }
            p { a href="/" { "Back to the board" } }
        }
    };
    document::bare("Sign in", &body)
}

/// `POST /sign-in`
pub(super) async fn sign_in(
    State(dashboard): State<Dashboard>,
    headers: HeaderMap,
    Form(shown): Form<Shown>,
) -> Response {
    let is_https =
        headers.get(header::ORIGIN).is_some_and(|from| from.as_bytes().starts_with(b"https:"));
    match dashboard.sessions.sign_in(shown.token.trim(), is_https, Instant::now()) {
        Ok(cookie) => ([(header::SET_COOKIE, cookie)], Redirect::to("/")).into_response(),
        Err(Refused::Wrong) => {
            (StatusCode::FORBIDDEN, form(Some("This is not the token."))).into_response()
        }
        Err(Refused::TooMany) => {
            let words = "Too many wrong tokens: wait a minute.";
            (StatusCode::TOO_MANY_REQUESTS, form(Some(words))).into_response()
        }
    }
}

/// `POST /sign-out`
pub(super) async fn sign_out(
    State(dashboard): State<Dashboard>,
    viewer: Viewer,
    headers: HeaderMap,
    Form(leave): Form<Leave>,
) -> Result<Response, PageError> {
    viewer.may_act(&leave.csrf)?;
    let cookies = headers.get(header::COOKIE).and_then(|cookies| cookies.to_str().ok());
    let cookie = dashboard.sessions.sign_out(cookies);
    Ok(([(header::SET_COOKIE, cookie)], Redirect::to("/")).into_response())
}
