//! Signing in with the token, and out again.

use std::time::Instant;

use axum::Form;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};
use serde::Deserialize;

use super::document;
use super::error::PageError;
use super::guard::PageViewer;
use super::session::SignInRefusal;
use super::state::QueueDashboard;

/// The page that a person came for.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct SignInQuery {
    to: String,
}

impl SignInQuery {
    /// The path of a page of our own; whatever could lead elsewhere is the board.
    fn path(&self) -> &str {
        let is_path = self.to.starts_with('/') && !self.to.starts_with("//");
        // Browsers take a backslash for a slash, and leave out tabs.
        let is_plain = self.to.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
        if is_path && is_plain { &self.to } else { "/" }
    }
}

#[derive(Deserialize)]
pub(super) struct SignInForm {
    token: String,
    #[serde(default)]
    to: String,
}

#[derive(Deserialize)]
pub(super) struct SignOutForm {
    csrf: String,
}

/// `GET /sign-in?to=…`
pub(super) async fn page(
    State(dashboard): State<QueueDashboard>,
    viewer: PageViewer,
    Query(wanted): Query<SignInQuery>,
) -> Response {
    if viewer.csrf.is_some() {
        // Without the `#`, a browser that follows the printed link again would keep the token
        // behind it.
        return Redirect::to(&format!("{}#", wanted.path())).into_response();
    }
    form(&dashboard, &wanted, None).into_response()
}

fn form(dashboard: &QueueDashboard, wanted: &SignInQuery, problem: Option<&str>) -> Markup {
    let body = html! {
        main.narrow {
            h1 { "Sign in" }
            p {
                "Whoever has the token may see the jobs of this queue, and add, ship and stop \
                them. "
                "It is the one that "
                code { "aq dashboard" }
                " printed, or a line of its "
                code { "--token-file" }
                "."
            }
            @if let Some(problem) = problem {
                p.problem role="alert" { (problem) }
            }
            form.stack method="post" action="/sign-in" data-plain="" {
                input type="hidden" name="to" value=(wanted.path());
                label for="token" { "Token" }
                input #token name="token" type="password" required autocomplete="current-password"
                    autofocus;
                button { "Sign in" }
            }
            @if dashboard.door.is_public { p { a href="/" { "Back to the board" } } }
        }
    };
    document::bare("Sign in", &body)
}

/// `POST /sign-in`
pub(super) async fn sign_in(
    State(dashboard): State<QueueDashboard>,
    headers: HeaderMap,
    Form(shown): Form<SignInForm>,
) -> Response {
    let is_https =
        headers.get(header::ORIGIN).is_some_and(|from| from.as_bytes().starts_with(b"https:"));
    let wanted = SignInQuery { to: shown.to };
    let refused = |status, words| (status, form(&dashboard, &wanted, Some(words))).into_response();
    match dashboard.sessions.sign_in(shown.token.trim(), is_https, Instant::now()) {
        Ok(cookie) => ([(header::SET_COOKIE, cookie)], Redirect::to(wanted.path())).into_response(),
        Err(SignInRefusal::Wrong) => refused(StatusCode::FORBIDDEN, "This is not the token."),
        Err(SignInRefusal::TooMany) => {
            let words = "Too many wrong tokens: wait a minute.";
            refused(StatusCode::TOO_MANY_REQUESTS, words)
        }
    }
}

/// `POST /sign-out`
pub(super) async fn sign_out(
    State(dashboard): State<QueueDashboard>,
    viewer: PageViewer,
    headers: HeaderMap,
    Form(leave): Form<SignOutForm>,
) -> Result<Response, PageError> {
    viewer.may_act(&leave.csrf)?;
    let cookies = headers.get(header::COOKIE).and_then(|cookies| cookies.to_str().ok());
    let cookie = dashboard.sessions.sign_out(cookies);
    Ok(([(header::SET_COOKIE, cookie)], Redirect::to("/")).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_own_pages_follow_the_sign_in() {
        let path = |to: &str| SignInQuery { to: to.to_owned() }.path().to_owned();
        for own in ["/", "/jobs/a?view=diff", "/?q=a%20b", "/a//b"] {
            assert_eq!(path(own), own);
        }
        for other in [
            "",
            "//evil.example",
            "/\\evil.example",
            "/\t/evil.example",
            "https://evil.example",
            "jobs",
            "/\n",
        ] {
            assert_eq!(path(other), "/", "{other:?}");
        }
    }
}
