//! A client of the Agent Client Protocol (version 1, over stdio), as a program between aq and an
//! agent.
//!
//! The adapter starts the agent, gives it one prompt and prints what comes of it as JSON lines of a
//! small dialect (`event`), so that whoever started it reads an agent's output like any other. The
//! protocol itself is `client`, which does no I/O; `agent` is the process with its signals, `pipes`
//! its input and output.
//!
//! The official crate (`agent-client-protocol-schema` 1.20) is not used: it is 54,000 lines with
//! `derive_more`, `serde_with`, `strum`, `indexmap` and `anyhow`, for some ten messages of which a
//! few fields are looked at.

mod agent;
mod arguments;
mod choice;
mod client;
mod end;
mod event;
mod failure;
mod message;
mod permission;
mod pipes;
mod turn;
mod usage;

#[cfg(test)]
mod tests;

pub(crate) use agent::adapt;
pub(crate) use arguments::{ADAPTER, AdapterRun};
