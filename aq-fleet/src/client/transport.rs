//! The carrier of a call: bytes there and bytes back.

use std::time::Duration;

use super::token::FleetToken;
use crate::protocol::{PROTOCOL_HEADER, PROTOCOL_VERSION};

/// The largest answer that is read, in bytes. Four times the largest request.
pub const MAX_ANSWER_BYTES: usize = 8 << 20;

/// The methods of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HttpMethod {
    /// Read.
    Get,
    /// Do.
    Post,
    /// Put there.
    Put,
}

impl HttpMethod {
    /// The word in HTTP.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
        }
    }
}

/// One request.
#[derive(Clone, Debug)]
pub struct HttpRequest {
    /// Its method.
    pub method: HttpMethod,
    /// Path and query, from `/v1` on.
    pub path: String,
    /// A JSON document.
    pub body: Option<Vec<u8>>,
    /// Whose request it is.
    pub token: FleetToken,
}

impl HttpRequest {
    /// Every header that goes with it, names in lower case. One is the token: not to be logged.
    pub fn headers(&self) -> Vec<(&'static str, String)> {
        let mut headers = vec![
            ("authorization", self.token.header()),
            (PROTOCOL_HEADER, PROTOCOL_VERSION.to_string()),
            ("accept", "application/json".to_owned()),
        ];
        if self.body.is_some() {
            headers.push(("content-type", "application/json".to_owned()));
        }
        headers
    }
}

/// One answer, whatever its status.
#[derive(Clone, Debug)]
pub struct HttpResponse {
    /// The HTTP status.
    pub status: u16,
    /// `Retry-After`, when it has a number of seconds. (It may have a date, which two clocks would
    /// have to agree on.)
    pub retry_after: Option<Duration>,
    /// The whole body, at most [`MAX_ANSWER_BYTES`].
    pub body: Vec<u8>,
}

/// There is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct TransportError {
    /// The knowledge about it.
    pub problem: TransportProblem,
    /// For people. Holds neither the token nor the address.
    pub message: String,
}

/// The knowledge when there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransportProblem {
    /// Nothing was sent.
    NotSent,
    /// It was sent, in part at least, and may have been done.
    Lost,
    /// Nothing was sent, because the other end shows a certificate that is not trusted.
    Untrusted,
    /// The answer is larger than [`MAX_ANSWER_BYTES`].
    TooLarge,
}

/// Carries requests to one coordinator.
pub trait CoordinatorTransport: Send + Sync {
    /// Sends a request and waits for the whole answer, for `timeout` at most. It does not retry and
    /// does not follow redirects.
    ///
    /// # Errors
    /// When there is no whole answer in time.
    fn send(
        &self,
        request: &HttpRequest,
        timeout: Duration,
    ) -> Result<HttpResponse, TransportError>;
}
