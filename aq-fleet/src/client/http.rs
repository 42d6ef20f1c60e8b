//! The real transport: HTTP over rustls.

use std::fmt;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use reqwest::Url;
use reqwest::blocking::{Client, ClientBuilder};
use reqwest::header::RETRY_AFTER;
use reqwest::redirect::Policy;

use super::transport::{
    CoordinatorTransport, HttpRequest, HttpResponse, MAX_ANSWER_BYTES, TransportError,
    TransportProblem,
};

/// Time limit of a new connection. A shorter time limit of the call wins.
const CONNECT: Duration = Duration::from_secs(5);

/// A coordinator at an address, over HTTP.
///
/// With `http://` everything, the token included, can be read on the way: fit for loopback, a
/// tunnel or a network that is trusted, and nothing else. Certificates of `https://` are checked
/// against the system's (or `SSL_CERT_FILE`'s), or those of a file that is named here. Redirects
/// are not followed, so the token goes to this address only.
///
/// It owns a thread, and must neither be made nor dropped inside an async runtime.
pub struct HttpConnection {
    base: Url,
    client: Client,
}

/// The address cannot be used. Messages do not repeat it: it may hold a password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HttpError {
    /// Not an address.
    #[error("AQ_FLEET_URL is no address: {0}; write it as https://coordinator.example:7332")]
    NoAddress(String),
    /// Not HTTP.
    #[error("AQ_FLEET_URL begins with http:// or https://, not with {0:?}")]
    Scheme(String),
    /// TLS in a program that was built without it.
    #[error("AQ_FLEET_URL begins with https://, and this program was built without TLS")]
    NoTls,
    /// A user, a query or a fragment.
    #[error("AQ_FLEET_URL has no user, password, query or fragment; the token is AQ_FLEET_TOKEN")]
    Extra,
    /// The file that should have the certificates of CAs.
    #[error("AQ_FLEET_CA names {}, and {problem}", file.display())]
    Authority {
        /// The file.
        file: PathBuf,
        /// The problem with it.
        problem: String,
    },
    /// TLS cannot be set up, for example because this system has no certificates.
    #[error("cannot set up HTTP: {0}; for https:// install ca-certificates, or set AQ_FLEET_CA")]
    SetUp(String),
}

impl HttpConnection {
    /// A transport to the coordinator at `url`, which may have a path that calls go below.
    /// Nothing is sent yet.
    ///
    /// # Errors
    /// When the address is none, or TLS cannot be set up.
    pub fn new(url: &str) -> Result<Self, HttpError> {
        Self::open(url, None)
    }

    /// As [`HttpConnection::new`], but the certificate of an `https://` address has to be signed by
    /// a CA of this PEM file, whatever the system trusts. For `http://` the file is not looked at.
    ///
    /// # Errors
    /// As for [`HttpConnection::new`], and when the file has no certificates.
    pub fn with_authority(url: &str, file: &Path) -> Result<Self, HttpError> {
        Self::open(url, Some(file))
    }

    fn open(url: &str, authority: Option<&Path>) -> Result<Self, HttpError> {
        let base = parse(url)?;
        let builder = Client::builder()
            .user_agent(concat!("aq/", env!("CARGO_PKG_VERSION")))
            .redirect(Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .connect_timeout(CONNECT);
        let mut builder = with_tls(builder, &base, authority)?;
        if is_loopback(&base) {
            builder = builder.no_proxy();
        }
        let client = builder.build().map_err(|e| HttpError::SetUp(reasons(&e.without_url())))?;
        Ok(Self { base, client })
    }

    fn exchange(
        &self,
        request: &HttpRequest,
        timeout: Duration,
    ) -> Result<HttpResponse, TransportError> {
        let url = format!("{}{}", self.base.as_str().trim_end_matches('/'), request.path);
        let method = request.method.as_str().parse().unwrap_or(reqwest::Method::GET);
        let mut sent = self.client.request(method, url).timeout(timeout);
        for (name, value) in request.headers() {
            sent = sent.header(name, value);
        }
        if let Some(body) = &request.body {
            sent = sent.body(body.clone());
        }
        let response = sent.send().map_err(|error| self.failed(error))?;
        let status = response.status().as_u16();
        let seconds = response.headers().get(RETRY_AFTER).and_then(|v| v.to_str().ok());
        let retry_after = seconds.and_then(|v| v.trim().parse().ok()).map(Duration::from_secs);
        let mut body = Vec::new();
        let limit = MAX_ANSWER_BYTES as u64 + 1;
        response.take(limit).read_to_end(&mut body).map_err(|e| lost(&e))?;
        if body.len() > MAX_ANSWER_BYTES {
            let message = format!("the answer has more than {MAX_ANSWER_BYTES} bytes");
            return Err(TransportError { problem: TransportProblem::TooLarge, message });
        }
        Ok(HttpResponse { status, retry_after, body })
    }
}

impl HttpConnection {
    fn failed(&self, error: reqwest::Error) -> TransportError {
        let error = error.without_url();
        let what = if error.is_timeout() { "no answer in time: " } else { "" };
        let mut message = format!("{what}{}", reasons(&error));
        if is_untrusted(&error) {
            message += "; AQ_FLEET_CA can name a file with the certificate of its CA";
            return TransportError { problem: TransportProblem::Untrusted, message };
        }
        // What a server of TLS says to plain text begins with no version of HTTP.
        if self.base.scheme() == "http" && message.contains("invalid HTTP version") {
            message += "; if the coordinator serves TLS, AQ_FLEET_URL begins with https://";
        }
        let problem =
            if error.is_connect() { TransportProblem::NotSent } else { TransportProblem::Lost };
        TransportError { problem, message }
    }

    /// Returns the reason why others may read what goes to this address, when they may.
    pub fn warning(url: &str) -> Option<&'static str> {
        let base = parse(url).ok()?;
        let is_open = base.scheme() == "http" && !is_loopback(&base);
        is_open.then_some(
            "AQ_FLEET_URL begins with http:// and names another machine: everybody on the way can \
             read the token and the jobs; use https://, or an address of this machine with a \
             tunnel behind it",
        )
    }
}

#[cfg(feature = "tls")]
fn is_untrusted(error: &reqwest::Error) -> bool {
    let mut inner = std::error::Error::source(error);
    while let Some(cause) = inner {
        if matches!(cause.downcast_ref(), Some(rustls::Error::InvalidCertificate(_))) {
            return true;
        }
        // An error of I/O is silent about what it wraps: its source is that one's source.
        let wrapped = cause.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        inner = match wrapped {
            Some(wrapped) => Some(wrapped),
            None => cause.source(),
        };
    }
    false
}

#[cfg(not(feature = "tls"))]
fn is_untrusted(_: &reqwest::Error) -> bool {
    false
}

impl CoordinatorTransport for HttpConnection {
    fn send(
        &self,
        request: &HttpRequest,
        timeout: Duration,
    ) -> Result<HttpResponse, TransportError> {
        self.exchange(request, timeout)
    }
}

impl fmt::Debug for HttpConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpConnection").field("base", &self.base.as_str()).finish_non_exhaustive()
    }
}

#[cfg(feature = "tls")]
fn with_tls(
    builder: ClientBuilder,
    base: &Url,
    authority: Option<&Path>,
) -> Result<ClientBuilder, HttpError> {
    // One that the program has chosen before stays: then this is an error to ignore.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Ok(match (base.scheme(), authority) {
        // A host without any certificate can talk to a coordinator that has none.
        ("http", _) => builder.tls_certs_only([]),
        (_, Some(file)) => builder.tls_certs_only(certificates(file)?),
        (_, None) => builder,
    })
}

#[cfg(not(feature = "tls"))]
fn with_tls(builder: ClientBuilder, _: &Url, _: Option<&Path>) -> Result<ClientBuilder, HttpError> {
    Ok(builder)
}

/// The certificates of a PEM file. What else is in it is not repeated: it may be a key.
#[cfg(feature = "tls")]
fn certificates(file: &Path) -> Result<Vec<reqwest::Certificate>, HttpError> {
    use rustls::RootCertStore;
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject;

    let unusable = |problem: String| HttpError::Authority { file: file.to_owned(), problem };
    let text = std::fs::read(file).map_err(|error| unusable(error.to_string()))?;
    let found: Vec<_> = CertificateDer::pem_slice_iter(&text).flatten().collect();
    let mut roots = RootCertStore::empty();
    let are_usable = found.iter().all(|found| roots.add(found.clone()).is_ok());
    if found.is_empty() || !are_usable {
        let problem = "it is no file of certificates in PEM (`-----BEGIN CERTIFICATE-----`)";
        return Err(unusable(problem.to_owned()));
    }
    let read: Result<_, _> =
        found.iter().map(|found| reqwest::Certificate::from_der(found)).collect();
    read.map_err(|error| unusable(error.to_string()))
}

fn parse(url: &str) -> Result<Url, HttpError> {
    let url = Url::parse(url.trim()).map_err(|e| HttpError::NoAddress(e.to_string()))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(HttpError::Scheme(url.scheme().to_owned()));
    }
    if cfg!(not(feature = "tls")) && url.scheme() == "https" {
        return Err(HttpError::NoTls);
    }
    let user = !url.username().is_empty() || url.password().is_some();
    if user || url.query().is_some() || url.fragment().is_some() {
        return Err(HttpError::Extra);
    }
    Ok(url)
}

/// Tests for an address of this machine, which no proxy can reach.
fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or("").trim_matches(['[', ']']);
    host == "localhost" || host.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback())
}

fn lost(error: &std::io::Error) -> TransportError {
    let message = format!("the answer broke off: {error}");
    TransportError { problem: TransportProblem::Lost, message }
}

/// An error with what caused it: the outer one often only says that something failed.
fn reasons(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut inner = error.source();
    while let Some(cause) = inner {
        text = format!("{text}: {cause}");
        inner = cause.source();
    }
    text
}
