//! `aq dashboard`: over HTTP, and in a real browser.

mod actions;
mod board;
mod bulk;
mod chrome;
mod costs;
mod hostile;
mod job;
mod limits;
mod many;
mod numbers;
mod outages;
mod pictures;
mod server;
mod strangers;
mod truth;
mod webdriver;

pub(crate) use server::Server;
