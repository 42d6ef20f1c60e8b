//! The dashboard: the queue in a browser (docs/dashboard.md).
//!
//! Pages are rendered here, from what `aq-runner` answers to `aq status`, `aq insights` and the
//! like; a small script of our own keeps them up to date. Nothing is fetched from elsewhere. What
//! jobs, logs and agents wrote is hostile: it reaches a page only through the template language,
//! which escapes it, and the content security policy runs no script but ours.

mod actions;
mod add;
mod assets;
mod board;
mod brief;
mod bulk;
mod coordinator;
mod document;
mod error;
mod feed;
mod fleet;
mod graph;
mod guard;
mod insights;
mod job;
mod live;
mod moment;
mod pace;
mod page;
mod serve;
mod session;
mod sign_in;
mod state;
mod turns;

pub(crate) use serve::{ServeError, ServeOptions, serve};
