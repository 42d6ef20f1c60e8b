//! The client: one method a call of the protocol, with retries, time limits and fencing.
//!
//! It is blocking, because a host's loop has no async runtime, and it knows nothing of HTTP: a
//! [`CoordinatorTransport`] carries bytes and a [`ClientClock`] reads and passes time, so a
//! simulation can be both. `HttpConnection` (with the feature `client`) is the real transport.

mod backoff;
mod call;
mod calls;
mod clock;
mod error;
#[cfg(feature = "client")]
mod http;
mod token;
mod transport;

#[cfg(test)]
mod tests;

pub use call::{CallAnswer, CoordinatorClient};
pub use clock::{ClientClock, SystemClock};
pub use error::CallError;
#[cfg(feature = "client")]
pub use http::{HttpConnection, HttpError};
pub use token::{FleetToken, FleetTokenError};
pub use transport::{
    CoordinatorTransport, HttpMethod, HttpRequest, HttpResponse, MAX_ANSWER_BYTES, TransportError,
    TransportProblem,
};
