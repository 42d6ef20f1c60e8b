//! The seam between what is said to a tracker and how it gets there: HTTP, a command, or in tests
//! a list of answers.

use serde_json::Value;

use crate::error::TrackerError;

/// Most bytes of an answer that are read.
pub(crate) const MAX_ANSWER: u64 = 16 << 20;

/// Sends one request.
pub trait TrackerTransport: Send {
    /// Sends a request and answers what came back, whatever its status.
    ///
    /// # Errors
    /// [`TrackerError::Unavailable`] when nothing whole came back.
    fn send(&self, request: &TrackerRequest) -> Result<TrackerResponse, TrackerError>;
}

/// A request.
#[derive(Clone, Debug, PartialEq)]
pub struct TrackerRequest {
    /// The verb.
    pub method: TrackerMethod,
    /// Path and query below the tracker's address, from `/` on, encoded for a URL.
    pub path: String,
    /// A JSON document.
    pub body: Option<Value>,
    /// Version that the sender has: an answer of status 304 says that there is no other one.
    pub etag: Option<String>,
}

/// The verbs that trackers know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrackerMethod {
    /// Read.
    Get,
    /// Add.
    Post,
    /// Change.
    Patch,
    /// Remove.
    Delete,
}

/// A response.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrackerResponse {
    /// The status code.
    pub status: u16,
    /// Header fields by their names in lower case.
    pub headers: Vec<(String, String)>,
    /// The text.
    pub body: String,
}

impl TrackerRequest {
    pub(crate) fn get(path: String) -> Self {
        Self { method: TrackerMethod::Get, path, body: None, etag: None }
    }

    pub(crate) fn with(method: TrackerMethod, path: String, body: Value) -> Self {
        Self { method, path, body: Some(body), etag: None }
    }

    /// The same, for a sender that has a version already.
    pub(crate) fn unless(self, etag: Option<&str>) -> Self {
        Self { etag: etag.map(str::to_owned), ..self }
    }
}

impl TrackerMethod {
    /// As HTTP writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }
}

impl TrackerResponse {
    /// A header field.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn is_good(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The JSON document.
    pub(crate) fn json(&self, who: &'static str) -> Result<Value, TrackerError> {
        serde_json::from_str(&self.body).map_err(|_| TrackerError::Failed {
            who,
            detail: format!("status {}, and no JSON", self.status),
        })
    }
}

/// A text as one segment of a path.
pub(crate) fn segment(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}
