//! The client: one method a call of the protocol, with retries, time limits and fencing.
//!
//! It is blocking, because a host's loop has no async runtime, and it knows nothing of HTTP: a
//! [`Transport`] carries bytes and a [`Clock`] tells and passes time, so a simulation can be both.
//! `Http` (with the feature `client`) is the real transport.

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

pub use call::{Answer, Client};
pub use clock::{Clock, SystemClock};
pub use error::CallError;
#[cfg(feature = "client")]
pub use http::{Http, HttpError};
pub use token::{Token, TokenError};
pub use transport::{
    MAX_ANSWER_BYTES, Method, Request, Response, Transport, TransportError, TransportProblem,
};
