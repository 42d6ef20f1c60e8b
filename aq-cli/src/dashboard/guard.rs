//! The guard before every request: it decides who may read, who may act, and what a browser may do
//! with the answer.
//!
//! A page elsewhere can make a browser send requests here. It cannot read answers (no CORS), it
//! cannot act (the `Origin` is checked, the session's cookie stays within this site, and forms
//! carry a secret of the session), and a name of its own that points to this machine (DNS
//! rebinding) is no host that is answered.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use axum::body::{Body, to_bytes};
use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};

use super::error::PageError;
use super::state::QueueDashboard;
use super::turns::PageReader;

/// Nothing but our own files, and no script or style within a page.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
    img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors \
    'none'";

/// On every answer.
const HEADERS: [(HeaderName, &str); 7] = [
    (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    // With `no-referrer`, browsers send forms with `Origin: null`.
    (header::REFERRER_POLICY, "same-origin"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (header::CACHE_CONTROL, "no-store"),
];

/// The largest body of a browser that has signed in, in bytes: a job file of 1 MiB as a form sends
/// it.
pub(super) const MAX_BODY: usize = 4 << 20;

/// The largest body of others: a token.
const SMALL_BODY: usize = 16 << 10;

/// Time limit of a body.
const BODY_TIME: Duration = Duration::from_secs(30);

/// The mend for who has no session.
const SIGN_IN_FIRST: &str = "sign in first, with the token that `aq dashboard` printed";

/// Paths that are open to everybody.
const OPEN: [&str; 2] = ["/sign-in", "/assets/"];

/// The names under which the dashboard answers, and those who may read.
#[derive(Clone, Debug)]
pub(super) struct AccessGuard {
    /// Names beside addresses and `localhost`, in lower case.
    pub(super) names: Vec<String>,
    /// Other machines can connect.
    pub(super) is_remote: bool,
    /// Reading needs no session.
    pub(super) is_public: bool,
}

impl AccessGuard {
    /// Tests for a `Host` of ours. A name that somebody else's DNS server gives is none; an address
    /// needs no name, so nobody can have rebound it. The port may be that of a forwarding.
    fn knows(&self, host: &str) -> bool {
        let name = without_port(host);
        if let Ok(address) = name.trim_matches(['[', ']']).parse::<IpAddr>() {
            return self.is_remote || address.is_loopback();
        }
        let name = name.to_ascii_lowercase();
        name == "localhost" || self.names.contains(&name)
    }
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        // `[::1]` has colons of its own.
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}

/// The check before and the headers after every request.
pub(super) async fn guard(
    State(dashboard): State<QueueDashboard>,
    request: Request,
    next: Next,
) -> Response {
    let mut response = match refusal(&dashboard, &request) {
        Some(response) => response,
        None => match with_body(&dashboard, request).await {
            Ok(request) => next.run(request).await,
            Err(error) => error.into_response(),
        },
    };
    for (name, value) in HEADERS {
        // Files of the program itself say how long they may be kept.
        if !(name == header::CACHE_CONTROL && response.headers().contains_key(&name)) {
            response.headers_mut().insert(name, HeaderValue::from_static(value));
        }
    }
    response
}

/// Reads the body, so that nothing behind waits for a peer. One who has not signed in makes us keep
/// little.
async fn with_body(dashboard: &QueueDashboard, request: Request) -> Result<Request, PageError> {
    let (parts, body) = request.into_parts();
    let most = if csrf(dashboard, &parts.headers).is_some() { MAX_BODY } else { SMALL_BODY };
    let read = tokio::time::timeout(BODY_TIME, to_bytes(body, most)).await.map_err(|_| {
        PageError::new(StatusCode::REQUEST_TIMEOUT, "the request took too long to arrive")
    })?;
    let bytes = read.map_err(|_| {
        let words = format!("the request was cut off, or is larger than {most} bytes");
        PageError::new(StatusCode::PAYLOAD_TOO_LARGE, words)
    })?;
    Ok(Request::from_parts(parts, Body::from(bytes)))
}

fn refusal(dashboard: &QueueDashboard, request: &Request) -> Option<Response> {
    let door = &dashboard.door;
    let headers = request.headers();
    let host = text(headers, &header::HOST).or_else(|| Some(request.uri().authority()?.as_str()));
    // A proxy could go by one of two, and we by the other.
    let host = host.filter(|_| headers.get_all(header::HOST).iter().count() < 2);
    let Some(host) = host.filter(|host| door.knows(host)) else {
        let words = "this name is not the dashboard's own; `aq dashboard --host NAME` adds one";
        return Some(PageError::new(StatusCode::MISDIRECTED_REQUEST, words).into_response());
    };
    let is_reading = matches!(*request.method(), Method::GET | Method::HEAD);
    if !is_reading && !is_from(headers, host) {
        let words = "the request does not come from a page of this dashboard";
        return Some(PageError::forbidden(words).into_response());
    }
    let path = request.uri().path();
    let is_open = door.is_public || OPEN.iter().any(|open| path.starts_with(open));
    if is_open || csrf(dashboard, headers).is_some() {
        return None;
    }
    if !is_reading {
        return Some(PageError::forbidden(SIGN_IN_FIRST).into_response());
    }
    // The script of a page that was open when the session ended wants no other page.
    let is_script = headers.get("sec-fetch-mode").is_some_and(|mode| mode != "navigate");
    Some(if is_script {
        PageError::new(StatusCode::UNAUTHORIZED, "sign in again").into_response()
    } else {
        Redirect::to(&sign_in_path(request.uri())).into_response()
    })
}

/// The page of the sign-in, from which one gets to what was asked for.
fn sign_in_path(wanted: &Uri) -> String {
    match wanted.path_and_query().map_or("/", |wanted| wanted.as_str()) {
        "/" => "/sign-in".to_owned(),
        wanted => {
            let wanted: String = form_urlencoded::byte_serialize(wanted.as_bytes()).collect();
            format!("/sign-in?to={wanted}")
        }
    }
}

/// Tests for a request from a page of the same host. Browsers say so with every request that is not
/// a plain read.
fn is_from(headers: &HeaderMap, host: &str) -> bool {
    let origin = text(headers, &header::ORIGIN).and_then(|origin| origin.parse::<Uri>().ok());
    let same_origin = origin.is_some_and(|origin| {
        matches!(origin.scheme_str(), Some("http" | "https"))
            && origin
                .authority()
                .is_some_and(|authority| authority.as_str().eq_ignore_ascii_case(host))
    });
    let site = headers.get("sec-fetch-site");
    same_origin && site.is_none_or(|site| site == "same-origin")
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

fn csrf(dashboard: &QueueDashboard, headers: &HeaderMap) -> Option<String> {
    dashboard.sessions.csrf(text(headers, &header::COOKIE), Instant::now())
}

/// The reader of a page: somebody who may act, or not.
#[derive(Clone, Debug)]
pub(super) struct PageViewer {
    /// The value that forms carry, for a browser that has signed in.
    pub(super) csrf: Option<String>,
    /// A script sent the request and shows the answer itself.
    pub(super) is_script: bool,
    /// This host is to be in a fleet, rightly set up or not.
    pub(super) has_fleet: bool,
    pub(super) reader: PageReader,
}

impl PageViewer {
    /// Tests for a reader who may act: it has signed in, and the form is one that it was given.
    pub(super) fn may_act(&self, shown: &str) -> Result<(), PageError> {
        let Some(csrf) = &self.csrf else {
            return Err(PageError::forbidden(SIGN_IN_FIRST));
        };
        // Secrets of a session, compared by somebody who has the session: time reveals nothing.
        if csrf != shown {
            return Err(PageError::forbidden("the form is out of date; load the page again"));
        }
        Ok(())
    }
}

impl FromRequestParts<QueueDashboard> for PageViewer {
    type Rejection = PageError;

    async fn from_request_parts(
        parts: &mut Parts,
        dashboard: &QueueDashboard,
    ) -> Result<Self, PageError> {
        let is_script = parts.headers.get(header::ACCEPT).is_some_and(|a| a == "application/json");
        let has_fleet = (*dashboard.feed.now()).as_ref().is_ok_and(|look| look.fleet.is_some());
        let reader = dashboard.sessions.reader(&parts.headers);
        Ok(Self { csrf: csrf(dashboard, &parts.headers), is_script, has_fleet, reader })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_our_own_are_answered() {
        let names = vec!["box.example".to_owned()];
        let local = AccessGuard { names, is_remote: false, is_public: true };
        let known =
            ["localhost", "LOCALHOST:7331", "127.0.0.1:80", "[::1]:7331", "[::1]", "box.example:1"];
        for host in known {
            assert!(local.knows(host), "{host}");
        }
        let unknown = [
            "",
            "evil.example",
            "localhost.evil.example:7331",
            "192.168.0.7",
            "127.0.0.1.evil.example",
            "a@localhost",
        ];
        for host in unknown {
            assert!(!local.knows(host), "{host}");
        }
        let remote = AccessGuard { is_remote: true, ..local };
        assert!(remote.knows("192.168.0.7:7331") && !remote.knows("evil.example"));
    }

    #[test]
    fn acting_needs_a_page_of_the_same_host() {
        let headers = |pairs: &[(HeaderName, &'static str)]| -> HeaderMap {
            pairs
                .iter()
                .map(|(name, value)| (name.clone(), HeaderValue::from_static(value)))
                .collect()
        };
        let site = || HeaderName::from_static("sec-fetch-site");
        let ours = (header::ORIGIN, "http://localhost:7331");
        assert!(is_from(&headers(std::slice::from_ref(&ours)), "localhost:7331"));
        assert!(is_from(&headers(&[ours.clone(), (site(), "same-origin")]), "localhost:7331"));
        for wrong in [
            headers(&[]),
            headers(&[(header::ORIGIN, "null")]),
            headers(&[(header::ORIGIN, "http://localhost:9999")]),
            headers(&[(header::ORIGIN, "http://evil.example")]),
            headers(&[(header::ORIGIN, "other://localhost:7331")]),
            headers(&[ours, (site(), "cross-site")]),
        ] {
            assert!(!is_from(&wrong, "localhost:7331"), "{wrong:?}");
        }
    }
}
