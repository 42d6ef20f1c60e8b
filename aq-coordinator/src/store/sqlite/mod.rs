//! The ledger in one SQLite file: for a fleet whose coordinator is one process. Others may open the
//! file as well; writers take turns.

mod claims;
mod database_thread;
mod echoes;
mod fault;
mod file;
mod forget;
mod holder;
mod operator;
mod reads;
mod schema;
mod service;
mod session;
mod store;

pub use store::SqliteStore;
