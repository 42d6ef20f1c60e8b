//! docs/fleet-protocol.md over HTTP. Handlers read what came, ask the desk or the store, and say
//! what it answered; no rule of jobs and leases is here.

mod body;
mod claims;
mod deps;
mod factories;
mod failure;
mod feed;
mod guard;
mod jobs;
mod leases;
mod manifest;
mod openapi;
mod refusal;
mod router;
mod service;
mod state;
mod views;

pub(crate) use guard::TokenChecked;
pub(crate) use router::router;
pub(crate) use state::ApiState;
