//! Every database that keeps the ledger, held to one suite; and the API over a real socket.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod api;
mod cluster;
mod conformance;
mod files;
mod lab;
mod postgres;
mod postgres_tls;
mod schema;
mod simulation;
