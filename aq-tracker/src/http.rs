//! Requests over HTTP. Redirects are not followed, answers are bounded, and nothing takes forever.

use std::io::Read;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use reqwest::blocking::{Client, Response};
use reqwest::header::{
    AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, IF_NONE_MATCH, USER_AGENT,
};
use reqwest::redirect::Policy;
use reqwest::{Method as HttpMethod, Url};

use crate::error::TrackerError;
use crate::token::TrackerToken;
use crate::transport::{
    MAX_ANSWER, TrackerMethod, TrackerRequest, TrackerResponse, TrackerTransport,
};

/// The longest that one request may take, its answer included.
const TIME_LIMIT: Duration = Duration::from_secs(20);

/// The longest that a connection may take to be there.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);

/// Header fields of answers that somebody looks at.
const WANTED: [&str; 5] =
    ["etag", "link", "retry-after", "x-ratelimit-remaining", "x-ratelimit-reset"];

/// HTTP to one address.
#[derive(Debug)]
pub struct HttpTransport {
    who: &'static str,
    base: String,
    headers: HeaderMap,
    token: Option<TrackerToken>,
    client: OnceLock<Client>,
    time_limit: Duration,
}

impl HttpTransport {
    /// A way to the tracker `who` at `base`; `variable` is where that address comes from. No
    /// connection is made yet.
    ///
    /// # Errors
    /// [`TrackerError::NotSetUp`] for an address or a token that cannot be used.
    pub fn new(
        who: &'static str,
        variable: &'static str,
        base: &str,
        token: Option<TrackerToken>,
        fields: &[(&'static str, &str)],
    ) -> Result<Self, TrackerError> {
        let base = address(variable, base)?;
        let mut headers = HeaderMap::new();
        let version = concat!("aq/", env!("CARGO_PKG_VERSION"));
        headers.insert(USER_AGENT, HeaderValue::from_static(version));
        let unusable = |what: &str| {
            TrackerError::NotSetUp(format!("{what} has characters that cannot be sent"))
        };
        for (name, value) in fields {
            let value = HeaderValue::from_str(value).map_err(|_| unusable(name))?;
            headers.insert(HeaderName::from_static(name), value);
        }
        if let Some(token) = &token {
            let value = HeaderValue::from_str(&format!("Bearer {}", token.secret()));
            let mut value = value.map_err(|_| unusable("the token"))?;
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        let client = OnceLock::new();
        Ok(Self { who, base, headers, token, client, time_limit: TIME_LIMIT })
    }

    /// The same with another time limit for each request.
    #[must_use]
    pub fn with_time_limit(self, time_limit: Duration) -> Self {
        Self { time_limit, ..self }
    }

    /// Its address.
    pub(crate) fn base(&self) -> &str {
        &self.base
    }

    fn client(&self) -> Result<&Client, TrackerError> {
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        // Somebody else in this process may have chosen one already, which does as well.
        #[cfg(feature = "tls")]
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = Client::builder()
            .redirect(Policy::none())
            .connect_timeout(CONNECT_LIMIT.min(self.time_limit))
            .timeout(self.time_limit)
            .default_headers(self.headers.clone());
        if is_loopback(&self.base) {
            // The token is for this machine and not for a proxy on another one.
            builder = builder.no_proxy();
        }
        let client = builder.build().map_err(|e| self.unavailable(&e))?;
        Ok(self.client.get_or_init(|| client))
    }

    fn unavailable(&self, error: &reqwest::Error) -> TrackerError {
        let detail = if error.is_timeout() {
            self.too_slow()
        } else {
            // The address is not repeated: it may hold what nobody should read.
            let mut cause = std::error::Error::source(error);
            while let Some(deeper) = cause.and_then(std::error::Error::source) {
                cause = Some(deeper);
            }
            let cause = cause.map_or("the request failed".to_owned(), ToString::to_string);
            if error.is_connect() { format!("cannot connect: {cause}") } else { cause }
        };
        TrackerError::Unavailable { who: self.who, detail }
    }

    fn too_slow(&self) -> String {
        format!("no whole answer within {:?}", self.time_limit)
    }

    /// Reads what came, but not more than the limit, and not after `give_up`.
    fn body(&self, mut response: Response, give_up: Instant) -> Result<String, TrackerError> {
        let fail = |detail: String| TrackerError::Unavailable { who: self.who, detail };
        let mut bytes = Vec::new();
        let mut chunk = [0; 16 << 10];
        loop {
            match response.read(&mut chunk) {
                Ok(0) => break,
                Ok(count) => bytes.extend_from_slice(&chunk[..count]),
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
                Err(_) => return Err(fail("the answer broke off".to_owned())),
            }
            if bytes.len() as u64 > MAX_ANSWER {
                return Err(fail(format!("its answer has more than {MAX_ANSWER} bytes")));
            }
            if Instant::now() > give_up {
                return Err(fail(self.too_slow()));
            }
        }
        let text = String::from_utf8_lossy(&bytes);
        Ok(self
            .token
            .as_ref()
            .map_or_else(|| text.clone().into_owned(), |token| token.hide_in(&text)))
    }
}

impl TrackerTransport for HttpTransport {
    fn send(&self, request: &TrackerRequest) -> Result<TrackerResponse, TrackerError> {
        let give_up = Instant::now() + self.time_limit;
        let method = match request.method {
            TrackerMethod::Get => HttpMethod::GET,
            TrackerMethod::Post => HttpMethod::POST,
            TrackerMethod::Patch => HttpMethod::PATCH,
            TrackerMethod::Delete => HttpMethod::DELETE,
        };
        let mut builder = self.client()?.request(method, format!("{}{}", self.base, request.path));
        if let Some(body) = &request.body {
            builder = builder.header(CONTENT_TYPE, "application/json").body(body.to_string());
        }
        // A version that cannot be sent is no version: the whole answer comes.
        let etag = request.etag.as_deref().and_then(|etag| HeaderValue::from_str(etag).ok());
        if let Some(etag) = etag {
            builder = builder.header(IF_NONE_MATCH, etag);
        }
        let response = builder.send().map_err(|e| self.unavailable(&e))?;
        let status = response.status().as_u16();
        let headers = WANTED.iter().filter_map(|&name| {
            let value = response.headers().get(name)?.to_str().ok()?;
            Some((name.to_owned(), value.to_owned()))
        });
        let headers = headers.collect();
        Ok(TrackerResponse { status, headers, body: self.body(response, give_up)? })
    }
}

/// The address without the slash at its end, when it is one that a token may be sent to.
fn address(variable: &'static str, base: &str) -> Result<String, TrackerError> {
    let wrong = |problem: &str| {
        // What it is instead is not repeated: people put passwords into addresses.
        TrackerError::NotSetUp(format!("{variable} {problem}; write https://host/path"))
    };
    let url = Url::parse(base.trim()).map_err(|_| wrong("is no URL"))?;
    if !matches!(url.scheme(), "https" | "http") || !url.has_host() {
        return Err(wrong("is no HTTP address"));
    }
    if cfg!(not(feature = "tls")) && url.scheme() == "https" {
        let problem = "begins with https://, and this program was built without TLS";
        return Err(TrackerError::NotSetUp(format!("{variable} {problem}")));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong("has a user or a password in it, which belongs into a token"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(wrong("has a query or a fragment"));
    }
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

/// Tests for an address of this machine, which no proxy can reach.
fn is_loopback(base: &str) -> bool {
    let Ok(url) = Url::parse(base) else { return false };
    let host = url.host_str().unwrap_or("").trim_matches(['[', ']']);
    host == "localhost" || host.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_cannot_be_used_is_not_repeated() {
        for base in
            ["", "host", "ftp://host", "https://me:hunter2@host", "https://h/?token=hunter2"]
        {
            let error = HttpTransport::new("it", "AQ_X", base, None, &[]).unwrap_err().to_string();
            assert!(error.starts_with("AQ_X ") && !error.contains("hunter2"), "{error}");
        }
        assert_eq!(address("X", " http://h/api/v3/ ").unwrap(), "http://h/api/v3");
        assert_eq!(address("X", "https://h").is_ok(), cfg!(feature = "tls"));
    }

    #[test]
    fn a_token_is_not_shown() {
        let token = TrackerToken::new(" hunter2\n").unwrap();
        assert_eq!(token.hide_in("no hunter2 here"), "no [token] here");
        let way = HttpTransport::new("it", "X", "http://h", Some(token), &[]).unwrap();
        assert!(!format!("{way:?}").contains("hunter2"), "{way:?}");
        assert!(TrackerToken::new(" ").is_none());
        let bad = TrackerToken::new("hunter\n2").unwrap();
        let error = HttpTransport::new("it", "X", "http://h", Some(bad), &[]).unwrap_err();
        assert!(!error.to_string().contains("hunter"), "{error}");
    }
}
