//! What people do to jobs, to the loop and with trackers: a verb a file.

pub(crate) mod actions;
pub(crate) mod adding;
pub(crate) mod changing;
pub(crate) mod pull;
pub(crate) mod pull_error;
mod pull_text;
pub(crate) mod reply;
pub(crate) mod ship;
pub(crate) mod tracker;
