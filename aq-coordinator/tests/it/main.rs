//! Every database that keeps the ledger, held to one suite.

mod cluster;
mod conformance;
mod lab;
mod postgres;
mod schema;
