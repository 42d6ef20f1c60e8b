//! The ledger in PostgreSQL: any number of coordinators, and the database does the locking.
//!
//! A write locks the row that it judges. Where two calls could want the same thing before there is
//! a row to lock (a key, a claim, a lock's name), they take an advisory lock of the transaction on
//! its hash. Grants never wait for rows: what another coordinator is busy with is left out.

mod address;
mod claims;
mod echoes;
mod fault;
mod forget;
mod heartbeat;
mod holder;
mod pool;
mod query;
mod reads;
mod rows;
mod schema;
mod service;
mod store;
mod tls;
mod trust;
mod tx;

pub use store::PostgresStore;
