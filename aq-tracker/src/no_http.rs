//! HTTP in a program that was built without it: a transport that there is never one of.

use crate::error::TrackerError;
use crate::token::TrackerToken;
use crate::transport::{TrackerRequest, TrackerResponse, TrackerTransport};

/// HTTP to one address, which this program was built without.
#[derive(Debug)]
pub enum HttpTransport {}

impl HttpTransport {
    /// Fails: there is no HTTP here.
    ///
    /// # Errors
    /// Always [`TrackerError::NotSetUp`].
    pub fn new(
        who: &'static str,
        variable: &'static str,
        _base: &str,
        _token: Option<TrackerToken>,
        _fields: &[(&'static str, &str)],
    ) -> Result<Self, TrackerError> {
        Err(TrackerError::NotSetUp(format!(
            "this program was built without the feature `trackers`, so {who} cannot be asked \
             ({variable})"
        )))
    }

    /// Its address.
    pub(crate) fn base(&self) -> &str {
        match *self {}
    }
}

impl TrackerTransport for HttpTransport {
    fn send(&self, _: &TrackerRequest) -> Result<TrackerResponse, TrackerError> {
        match *self {}
    }
}
