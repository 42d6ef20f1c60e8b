//! A coordinator as a program: listens, keeps time, and ends in good order.

mod config;
mod connections;
mod coordinator;
mod database;
mod descriptors;
mod error;
mod room;
mod supervisor;
mod tls;

pub use config::{CoordinatorConfig, DEFAULT_RATE, DatabaseError, DatabaseLocation, TlsFiles};
pub use connections::{ConnectionLimits, serve_plain};
pub use coordinator::{EmbeddedCoordinator, RunningCoordinator, run, serve};
pub use error::ServeError;
pub use tls::TlsError;
