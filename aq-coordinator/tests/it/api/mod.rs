//! The API over a real socket, with SQLite.

mod alerts;
mod claims;
mod connections;
mod echoes;
mod feed;
mod fleet;
mod guard;
mod holders;
mod jobs;
mod openapi;
mod program;
mod scopes;

pub(crate) use fleet::{Fleet, claim, config};
