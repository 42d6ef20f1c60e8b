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

pub use config::{Config, DEFAULT_RATE, Database, DatabaseError, TlsFiles};
pub use connections::{Limits, serve_plain};
pub use coordinator::{Embedded, Running, run, serve};
pub use error::ServeError;
pub use tls::TlsError;
