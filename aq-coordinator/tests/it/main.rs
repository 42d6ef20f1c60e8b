//! Every database that keeps the ledger, held to one suite; and the API over a real socket.

mod api;
mod cluster;
mod conformance;
mod files;
mod lab;
mod postgres;
mod postgres_tls;
mod schema;
mod simulation;
